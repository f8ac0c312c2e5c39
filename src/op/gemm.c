/* gemm.c - see gemm.h. */
#include "op/gemm.h"
#include "kern/half.h"
#include "kern/kern.h"

#include <oneapi/dnnl/dnnl.h>

void qv__sgemm(bool ta, bool tb, size_t M, size_t N, size_t K, float alpha, const float *A,
               size_t lda, const float *B, size_t ldb, float beta, float *C, size_t ldc)
{
    if (M == 0 || N == 0)
        return;
    dnnl_status_t st = dnnl_sgemm(ta ? 'T' : 'N', tb ? 'T' : 'N', (dnnl_dim_t)M,
                                  (dnnl_dim_t)N, (dnnl_dim_t)K, alpha, A, (dnnl_dim_t)lda,
                                  B, (dnnl_dim_t)ldb, beta, C, (dnnl_dim_t)ldc);
    qv_check(st == dnnl_success);
}

static dnnl_memory_t wrap(dnnl_memory_desc_t *md, dnnl_engine_t engine, const void *data)
{
    dnnl_memory_t mem;
    void *handle = (void *)(uintptr_t)data; // oneDNN has no const
    qv_check(dnnl_memory_create(&mem, md, engine, handle) == dnnl_success);
    return mem;
}

/* The slow twin, for CPUs on which oneDNN has no bfloat16. */
static void plain(bool tb, size_t M, size_t N, size_t K, const uint16_t *A,
                  const uint16_t *B, bool add, float *C)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < M; i++)
        for (size_t j = 0; j < N; j++) {
            float sum = add ? C[i * N + j] : 0;
            for (size_t l = 0; l < K; l++)
                sum += qv__bf16_to_f32(A[i * K + l]) *
                       qv__bf16_to_f32(B[tb ? j * K + l : l * N + j]);
            C[i * N + j] = sum;
        }
}

/* A primitive is made for every call; oneDNN's own cache, keyed by shape, turns
 * all but the first into a look-up. */
void qv__bgemm(bool tb, size_t M, size_t N, size_t K, const uint16_t *A, const uint16_t *B,
               bool add, float *C)
{
    if (M == 0 || N == 0)
        return;
    if (!qv__has_bf16()) {
        plain(tb, M, N, K, A, B, add, C);
        return;
    }
    dnnl_dim_t m = (dnnl_dim_t)M, n = (dnnl_dim_t)N, k = (dnnl_dim_t)K;
    dnnl_memory_desc_t a, b, c;
    dnnl_memory_desc_init_by_strides(&a, 2, (dnnl_dims_t){m, k}, dnnl_bf16,
                                     (dnnl_dims_t){k, 1});
    dnnl_memory_desc_init_by_strides(&b, 2, (dnnl_dims_t){k, n}, dnnl_bf16,
                                     tb ? (dnnl_dims_t){1, k} : (dnnl_dims_t){n, 1});
    dnnl_memory_desc_init_by_strides(&c, 2, (dnnl_dims_t){m, n}, dnnl_f32,
                                     (dnnl_dims_t){n, 1});
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_matmul_desc_t desc;
    dnnl_primitive_attr_t attr;
    dnnl_post_ops_t sum;
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t matmul;
    bool ok =
        dnnl_engine_create(&engine, dnnl_cpu, 0) == dnnl_success &&
        dnnl_stream_create(&stream, engine, dnnl_stream_default_flags) == dnnl_success &&
        dnnl_matmul_desc_init(&desc, &a, &b, NULL, &c) == dnnl_success &&
        dnnl_primitive_attr_create(&attr) == dnnl_success &&
        dnnl_post_ops_create(&sum) == dnnl_success;
    qv_check(ok);
    if (add)
        ok = dnnl_post_ops_append_sum(sum, 1) == dnnl_success &&
             dnnl_primitive_attr_set_post_ops(attr, sum) == dnnl_success;
    ok = ok && dnnl_primitive_desc_create(&pd, &desc, attr, engine, NULL) == dnnl_success &&
         dnnl_primitive_create(&matmul, pd) == dnnl_success;
    qv_check(ok);
    dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, wrap(&a, engine, A)},
                              {DNNL_ARG_WEIGHTS, wrap(&b, engine, B)},
                              {DNNL_ARG_DST, wrap(&c, engine, C)}};
    qv_check(dnnl_primitive_execute(matmul, stream, 3, args) == dnnl_success &&
             dnnl_stream_wait(stream) == dnnl_success);
    for (size_t i = 0; i < QV_COUNT(args); i++)
        dnnl_memory_destroy(args[i].memory);
    dnnl_primitive_destroy(matmul);
    dnnl_primitive_desc_destroy(pd);
    dnnl_post_ops_destroy(sum);
    dnnl_primitive_attr_destroy(attr);
    dnnl_stream_destroy(stream);
    dnnl_engine_destroy(engine);
}
