/* The operators that work row by row: each backward pass against differences, each
 * forward pass against its formula, and the same bits from one thread and two.
 * Attention and LoRA have files of their own.
 */
#include "base/rng.h"
#include "kern/kern.h"
#include "op/adamw.h"
#include "op/embed.h"
#include "op/gelu.h"
#include "op/layernorm.h"
#include "op/linear.h"
#include "op/loss.h"
#include "op/rmsnorm.h"
#include "op/rope.h"
#include "op/swiglu.h"
#include "support/experts.h"
#include "support/gradient.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

static const struct qv_rope_scaling plain = {.kind = QV_ROPE_PLAIN};

/* One operator's operands; the meaning of a, b, c is the test's. */
struct operands {
    float *a, *b, *c, *y;
    const int *id;
    size_t T, D, E;
};

static float *copy_of(const float *x, size_t n)
{
    float *c = malloc((n + 1) * sizeof *c);
    assert_non_null(c);
    memcpy(c, x, n * sizeof *c);
    return c;
}

static void fill_linear(void *arg)
{
    const struct operands *o = arg;
    const struct qv_weight w = {.f32 = o->b, .D_out = o->E, .D_in = o->D};
    qv__linear(o->y, o->a, &w, o->T, (struct qv_linear_room){0});
}

static void linears_gradients_equal_differences(void **state)
{
    (void)state;
    enum { D = 13, O = 9, MAX_T = 7 };
    static const size_t rows[] = {1, 2, 3, 4, MAX_T}; // few, and a product of matrices
    for (size_t i = 0; i < QV_COUNT(rows); i++) {
        size_t T = rows[i];
        struct operands o = {.a = normals(MAX_T * D, 1),
                             .b = normals(O * D, 2),
                             .y = normals(MAX_T * O, 3),
                             .T = T,
                             .D = D,
                             .E = O};
        float *dy = normals(MAX_T * O, 4), *was = normals(MAX_T * D + O * D, 5);
        float *dx = copy_of(was, MAX_T * D), *dw = copy_of(was, O * D);
        const struct qv_weight w = {.f32 = o.b, .D_out = O, .D_in = D};
        const struct function f = {fill_linear, &o, o.y, dy, T * O};
        qv__linear_back(dx, dy, &w, T, (struct qv_linear_room){0});
        qv__linear_back_weight(dw, dy, o.a, O, D, T);
        assert_gradient(&f, o.a, T * D, dx, was);
        assert_gradient(&f, o.b, O * D, dw, was);
        free(o.a), free(o.b), free(o.y), free(dy), free(was), free(dx), free(dw);
    }
}

enum { NORM_T = 19, NORM_D = 11 };

static void fill_rmsnorm(void *arg)
{
    const struct operands *o = arg;
    qv__rmsnorm(o->y, o->c, o->a, o->b, 1e-2f, NORM_T, NORM_D);
}

static void rmsnorms_gradients_equal_differences(void **state)
{
    (void)state;
    enum { N = NORM_T * NORM_D };
    float inv[NORM_T], y[N];
    struct operands o = {.a = normals(N, 1), .b = normals(NORM_D, 2), .c = inv, .y = y};
    float *dy = normals(N, 3), *was = normals(N, 4), *dx = copy_of(was, N),
          *dw = copy_of(was, NORM_D);
    fill_rmsnorm(&o);
    qv__rmsnorm_back(dx, dy, o.a, o.b, inv, NORM_T, NORM_D);
    qv__rmsnorm_back_weight(dw, dy, o.a, inv, NORM_T, NORM_D);
    const struct function f = {fill_rmsnorm, &o, y, dy, N};
    assert_gradient(&f, o.a, N, dx, was);
    assert_gradient(&f, o.b, NORM_D, dw, was);
    free(o.a), free(o.b), free(dy), free(was), free(dx), free(dw);
}

static void rmsnorm_divides_by_the_root_of_mean_square_plus_eps(void **state)
{
    (void)state;
    float x[] = {3, -1, 1, 1}, w[] = {1, 2, -1, 0}, inv; // mean square 3, eps 1: root 2
    static const float want[] = {1.5f, -1, -0.5f, 0}, half = 0.5f;
    qv__rmsnorm(x, &inv, x, w, 1, 1, 4);
    assert_close(x, want, 4, 0, 1e-6);
    assert_close(&inv, &half, 1, 0, 1e-6);
}

static void fill_layernorm(void *arg)
{
    const struct operands *o = arg;
    qv__layernorm(o->y, o->c, o->a, o->b, o->b + NORM_D, 1e-2f, NORM_T, NORM_D);
}

static void layernorms_gradients_equal_differences(void **state)
{
    (void)state;
    enum { N = NORM_T * NORM_D };
    float stat[2 * NORM_T], y[N];
    struct operands o = {
        .a = normals(N, 1), .b = normals(2 * NORM_D, 2), .c = stat, .y = y};
    float *dy = normals(N, 3), *was = normals(N, 4), *dx = copy_of(was, N),
          *dw = copy_of(was, 2 * NORM_D);
    fill_layernorm(&o);
    qv__layernorm_back(dx, dy, o.a, o.b, stat, NORM_T, NORM_D);
    qv__layernorm_back_weight(dw, dw + NORM_D, dy, o.a, stat, NORM_T, NORM_D);
    const struct function f = {fill_layernorm, &o, y, dy, N};
    assert_gradient(&f, o.a, N, dx, was);
    assert_gradient(&f, o.b, 2 * NORM_D, dw, was); // the scale, and then the bias
    free(o.a), free(o.b), free(dy), free(was), free(dx), free(dw);
}

static void layernorm_subtracts_the_mean_and_divides_by_the_deviation(void **state)
{
    (void)state;
    float x[] = {4, 0, 2, 2}, w[] = {1, 2, -1, 3}, b[] = {0, 1, 5, 7}, stat[2];
    static const float want[] = {1, -1, 5, 7}; // mean 2, variance 2, eps 2: root 2
    static const float bare[] = {1, -2, 0, 0}, stats[] = {2, 0.5f};
    float y[4];
    qv__layernorm(y, stat, x, w, b, 2, 1, 4);
    assert_close(y, want, 4, 1e-6, 0);
    assert_close(stat, stats, 2, 0, 1e-6);
    qv__layernorm(x, NULL, x, w, NULL, 2, 1, 4);
    assert_close(x, bare, 4, 1e-6, 0);
}

static void fill_bias(void *arg)
{
    const struct operands *o = arg;
    memcpy(o->y, o->a, o->T * o->D * sizeof *o->y);
    qv__bias(o->y, o->b, o->T, o->D);
}

static void a_biass_gradient_equals_differences(void **state)
{
    (void)state;
    enum { T = 5, D = 70 };
    float y[T * D];
    struct operands o = {
        .a = normals(T * D, 1), .b = normals(D, 2), .y = y, .T = T, .D = D};
    float *dy = normals(T * D, 3), *was = normals(D, 4), *db = copy_of(was, D);
    const struct function f = {fill_bias, &o, y, dy, T * D};
    qv__bias_back(db, dy, T, D);
    assert_gradient(&f, o.b, D, db, was);
    free(o.a), free(o.b), free(dy), free(was), free(db);
}

static const enum qv_activation activations[] = {QV_GELU, QV_GELU_TANH, QV_RELU};

static void fill_activation(void *arg)
{
    const struct operands *o = arg;
    qv__activate(o->y, o->a, o->D, activations[o->T]);
}

static void activations_gradients_equal_differences(void **state)
{
    (void)state;
    enum { N = 40 };
    for (size_t kind = 0; kind < QV_COUNT(activations); kind++) {
        float y[N];
        struct operands o = {.a = normals(N, 1), .y = y, .T = kind, .D = N};
        for (size_t i = 0; i < N; i++) // away from relu's corner
            o.a[i] += o.a[i] < 0 ? -0.1f : 0.1f;
        float *dy = normals(N, 3), *was = normals(N, 4), *dx = copy_of(was, N);
        const struct function f = {fill_activation, &o, y, dy, N};
        qv__activate_back(dx, dy, o.a, N, activations[kind]);
        assert_gradient(&f, o.a, N, dx, was);
        free(o.a), free(dy), free(was), free(dx);
    }
}

/* Values of torch.nn.functional.gelu, both kinds, at -3, -0.5, 0.25, 2. */
static void gelus_values_are_those_of_pytorch(void **state)
{
    (void)state;
    const float x[] = {-3, -0.5f, 0.25f, 2};
    static const float exact[] = {-0.00404969f, -0.15426877f, 0.14967659f, 1.95449972f};
    static const float by_tanh[] = {-0.00363731f, -0.15428600f, 0.14967535f, 1.95459771f};
    float y[4];
    qv__activate(y, x, 4, QV_GELU);
    assert_close(y, exact, 4, 1e-6, 1e-6);
    qv__activate(y, x, 4, QV_GELU_TANH);
    assert_close(y, by_tanh, 4, 1e-6, 1e-6);
}

enum { ROPE_T = 18, ROPE_HEADS = 3, ROPE_E = 6, ROPE_CTX = 90 };

static void turn_a_copy(void *arg)
{
    const struct operands *o = arg;
    memcpy(o->y, o->a, ROPE_T * ROPE_HEADS * ROPE_E * sizeof *o->y);
    qv__rope(o->y, o->id, o->b, ROPE_T, ROPE_HEADS, ROPE_E, ROPE_E, false);
}

static void ropes_inverse_is_its_transpose_and_its_gradient(void **state)
{
    (void)state;
    enum { N = ROPE_T * ROPE_HEADS * ROPE_E };
    float table[ROPE_CTX * ROPE_E], y[N], *x = normals(N, 1), *dy = normals(N, 2);
    int pos[ROPE_T];
    for (int i = 0; i < ROPE_T; i++)
        pos[i] = i * 5; // up to 85
    qv__rope_table(table, ROPE_CTX, ROPE_E, 100, &plain);
    struct operands o = {.a = x, .b = table, .y = y, .id = pos};
    const struct function f = {turn_a_copy, &o, y, dy, N};
    float *dx = copy_of(dy, N);
    qv__rope(dx, pos, table, ROPE_T, ROPE_HEADS, ROPE_E, ROPE_E, true);
    assert_gradient(&f, x, N, dx, NULL);
    turn_a_copy(&o);
    qv__rope(y, pos, table, ROPE_T, ROPE_HEADS, ROPE_E, ROPE_E, true);
    assert_close(y, x, N, 1e-6, 1e-6);
    free(x), free(dy), free(dx);
}

static void rope_turns_element_i_with_element_i_plus_half(void **state)
{
    (void)state;
    enum { E = 4, CTX = 10001 };
    float *table = malloc(CTX * E * sizeof *table);
    assert_non_null(table);
    qv__rope_table(table, CTX, E, 10000, &plain);
    float x[] = {1, 2, 3, 4, 1, 2, 3, 4}, want[8];
    const int pos[] = {0, 10000};
    for (size_t t = 0; t < 2; t++)
        for (size_t i = 0; i < 2; i++) {
            double angle = pos[t] * (i ? 1e-2 : 1); // theta^(-2i/E)
            double a = (double)x[i], b = (double)x[i + 2];
            want[4 * t + i] = (float)(a * cos(angle) - b * sin(angle));
            want[4 * t + i + 2] = (float)(b * cos(angle) + a * sin(angle));
        }
    qv__rope(x, pos, table, 2, 1, E, E, false);
    assert_close(x, want, 8, 1e-6, 0);
    free(table);
}

enum { GATES = 67 };

static void fill_swiglu(void *arg)
{
    const struct operands *o = arg;
    qv__swiglu(o->y, o->a, o->b, GATES);
}

static void swiglus_gradients_equal_differences(void **state)
{
    (void)state;
    float y[GATES];
    struct operands o = {.a = normals(GATES, 1), .b = normals(GATES, 2), .y = y};
    float *dy = normals(GATES, 3), *was = normals(GATES, 4), *dgate = copy_of(was, GATES),
          *dup = copy_of(was, GATES);
    qv__swiglu_back(dgate, dup, dy, o.a, o.b, GATES);
    const struct function f = {fill_swiglu, &o, y, dy, GATES};
    assert_gradient(&f, o.a, GATES, dgate, was);
    assert_gradient(&f, o.b, GATES, dup, was);
    free(o.a), free(o.b), free(dy), free(was), free(dgate), free(dup);
}

enum { WORDS = 7, TEXT = 20, WIDE = 70 };

static void fill_embed(void *arg)
{
    const struct operands *o = arg;
    const struct qv_weight table = {.f32 = o->a, .D_out = WORDS, .D_in = WIDE};
    qv__embed(o->y, o->id, &table, TEXT);
}

static void the_embeddings_gradient_adds_up_over_a_tokens_places(void **state)
{
    (void)state;
    float y[TEXT * WIDE], *dy = normals(TEXT * WIDE, 1), *was = normals(WORDS * WIDE, 2);
    int id[TEXT];
    for (size_t t = 0; t < TEXT; t++)
        id[t] = (int)qv__below(3, t, WORDS - 1); // the last word never occurs
    struct operands o = {.a = normals(WORDS * WIDE, 4), .y = y, .id = id};
    float *dtable = copy_of(was, WORDS * WIDE);
    qv__embed_back(dtable, dy, id, TEXT, WIDE);
    const struct function f = {fill_embed, &o, y, dy, TEXT * WIDE};
    assert_gradient(&f, o.a, WORDS * WIDE, dtable, was);
    assert_memory_equal(dtable + (WORDS - 1) * WIDE, was + (WORDS - 1) * WIDE, WIDE * 4);
    free(o.a), free(dy), free(was), free(dtable);
}

static void a_bf16_table_gives_the_same_rows_as_its_floats(void **state)
{
    (void)state;
    float *table = normals(WORDS * WIDE, 1), got[3 * WIDE], want[3 * WIDE];
    uint16_t half[WORDS * WIDE];
    const int id[] = {6, 0, 6};
    qv__kern_ref.to_bf16(half, table, WORDS * WIDE);
    for (size_t i = 0; i < WORDS * WIDE; i++) {
        uint32_t bits = (uint32_t)half[i] << 16;
        memcpy(&table[i], &bits, sizeof bits);
    }
    qv__embed(got, id, &(struct qv_weight){.bf16 = half, .D_out = WORDS, .D_in = WIDE}, 3);
    qv__embed(want, id, &(struct qv_weight){.f32 = table, .D_out = WORDS, .D_in = WIDE}, 3);
    assert_memory_equal(got, want, sizeof got);
    free(table);
}

static void gathering_takes_rows_and_its_backward_pass_returns_them(void **state)
{
    (void)state;
    static const float from[] = {0, 1, 10, 11, 20, 21}, want[] = {20, 21, 0, 1};
    static const int row[] = {2, 0};
    float to[4], dfrom[] = {1, 1, 1, 1, 1, 1};
    static const float back[] = {1, 2, 1, 1, 21, 22};
    qv__gather(to, from, row, 2, 2);
    assert_close(to, want, 4, 0, 0);
    qv__gather_back(dfrom, to, row, 2, 2);
    assert_close(dfrom, back, 6, 0, 0);
    qv__sum(dfrom, dfrom, from, 6); // in place
    static const float sum[] = {1, 3, 11, 12, 41, 43};
    assert_close(dfrom, sum, 6, 0, 0);
}

enum { ROWS = 5, CLASSES = 11 };
static const int target[ROWS] = {0, 10, 3, 3, 7};

static void fill_logprob(void *arg)
{
    const struct operands *o = arg;
    qv__logprob(o->y, o->a, target, ROWS, CLASSES);
}

static void cross_entropys_gradient_equals_differences(void **state)
{
    (void)state;
    float y[ROWS], logprob[ROWS], minus[ROWS];
    struct operands o = {.a = normals(ROWS * CLASSES, 1), .y = y};
    float *weight = normals(ROWS, 2), *d = copy_of(o.a, ROWS * CLASSES);
    for (size_t i = 0; i < ROWS; i++)
        minus[i] = -weight[i]; // the loss is of -logprob
    qv__cross_entropy(logprob, d, target, weight, ROWS, CLASSES);
    const struct function f = {fill_logprob, &o, y, minus, ROWS};
    assert_gradient(&f, o.a, ROWS * CLASSES, d, NULL);
    fill_logprob(&o);
    assert_close(logprob, y, ROWS, 1e-6, 1e-6);
    free(o.a), free(weight), free(d);
}

static void log_probabilities_survive_logits_of_any_size(void **state)
{
    (void)state;
    float l[] = {1000, 999, -1000, 0, 0, 0, -1e30f, -5, -1e30f}, got[3], d[9];
    const int right[] = {1, 2, 1};
    const float ones[] = {1, 1, 1},
                want[] = {(float)(-1 - log1p(exp(-1))), (float)-log(3), 0};
    memcpy(d, l, sizeof d);
    qv__logprob(got, l, right, 3, 3);
    assert_close(got, want, 3, 1e-6, 1e-6);
    qv__cross_entropy(got, d, right, ones, 3, 3);
    assert_close(got, want, 3, 1e-6, 1e-6);
    const float p = (float)(1 / (1 + exp(-1)));
    const float grad[] = {p, -p, 0, 1.f / 3, 1.f / 3, -2.f / 3, 0, 0, 0};
    assert_close(d, grad, 9, 1e-6, 0);
}

/* Everything with a loop over threads, on sizes that use them; the outputs end to
 * end in out. */
static size_t many_loops(float *out)
{
    enum { T = 70, D = 300, V = 50, N = T * D, BIG = 70000 };
    float *x = normals(BIG, 1), *w = normals(BIG, 2), *dy = normals(BIG, 3);
    float *table = malloc(T * 6 * sizeof *table), weight[T], *at = out;
    int id[T], pos[T];
    for (int t = 0; t < T; t++) {
        id[t] = (int)qv__below(4, (uint64_t)t, V);
        pos[t] = t;
        weight[t] = 0.1f * (float)t;
    }
    assert_non_null(table);
    memset(out, 0, 16 * BIG * sizeof *out);
    qv__rmsnorm(at, at + N, x, w, 1e-5f, T, D);
    qv__rmsnorm_back(at + N + T, dy, x, w, at + N, T, D);
    qv__rmsnorm_back_weight(at + 2 * N + T, dy, x, at + N, T, D);
    at += 2 * N + T + D;
    qv__rope_table(table, T, 6, 10000, &plain);
    memcpy(at, x, N * sizeof *at);
    qv__rope(at, pos, table, T, D / 6, 6, 6, false);
    at += N;
    qv__swiglu(at, x, w, BIG);
    qv__swiglu_back(at + BIG, at + 2 * BIG, dy, x, w, BIG);
    at += 3 * BIG;
    qv__embed(at, id, &(struct qv_weight){.f32 = w, .D_out = V, .D_in = D}, T);
    qv__embed_back(at + N, dy, id, T, D);
    at += N + V * D;
    qv__linear(at, x, &(struct qv_weight){.f32 = w, .D_out = 200, .D_in = D}, 3,
               (struct qv_linear_room){0});
    at += 3 * 200;
    qv__logprob(at, x, id, T, D);
    memcpy(at + T, x, N * sizeof *at);
    qv__cross_entropy(at + T + N, at + T, id, weight, T, D);
    at += 2 * T + N;
    qv__sum(at, x, w, BIG);
    memcpy(at + BIG, x, BIG * sizeof *at);
    const struct qv_adamw o = {.lr = 1e-2f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f};
    qv__adamw(at + BIG, dy, at + 2 * BIG, at + 3 * BIG, BIG, &o, 1, 1);
    at += 4 * BIG;
    double norm = qv__norm(x, BIG);
    memcpy(at, &norm, sizeof norm);
    at += 2;
    free(x), free(w), free(dy), free(table);
    return (size_t)(at - out);
}

static void one_thread_and_two_give_the_same_bits(void **state)
{
    (void)state;
    enum { ROOM = 16 * 70000 };
    float *one = malloc(ROOM * sizeof *one), *two = malloc(ROOM * sizeof *two);
    assert_non_null(one);
    assert_non_null(two);
    int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    size_t n = many_loops(one);
    omp_set_num_threads(2);
    assert_int_equal(many_loops(two), n);
    omp_set_num_threads(threads);
    assert_true(n < ROOM);
    assert_memory_equal(one, two, n * sizeof *one);
    free(one);
    free(two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linears_gradients_equal_differences),
        cmocka_unit_test(rmsnorms_gradients_equal_differences),
        cmocka_unit_test(rmsnorm_divides_by_the_root_of_mean_square_plus_eps),
        cmocka_unit_test(layernorms_gradients_equal_differences),
        cmocka_unit_test(layernorm_subtracts_the_mean_and_divides_by_the_deviation),
        cmocka_unit_test(a_biass_gradient_equals_differences),
        cmocka_unit_test(activations_gradients_equal_differences),
        cmocka_unit_test(gelus_values_are_those_of_pytorch),
        cmocka_unit_test(ropes_inverse_is_its_transpose_and_its_gradient),
        cmocka_unit_test(rope_turns_element_i_with_element_i_plus_half),
        cmocka_unit_test(swiglus_gradients_equal_differences),
        cmocka_unit_test(the_embeddings_gradient_adds_up_over_a_tokens_places),
        cmocka_unit_test(a_bf16_table_gives_the_same_rows_as_its_floats),
        cmocka_unit_test(gathering_takes_rows_and_its_backward_pass_returns_them),
        cmocka_unit_test(cross_entropys_gradient_equals_differences),
        cmocka_unit_test(log_probabilities_survive_logits_of_any_size),
        cmocka_unit_test(one_thread_and_two_give_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
