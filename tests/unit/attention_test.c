/* Attention against its definition in double and its backward pass against
 * differences: grouped heads, sequences of length 1, 2, 63, 64, 65 and 130 side by
 * side (64 queries are a block), with and without a past
 * or a stem.
 */
#include "op/attention.h"
#include "support/experts.h"
#include "support/gradient.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SEQ = 8 };

/* A batch with random q, k, v, and everything a pass over it needs. */
struct bench {
    struct qv_heads d;
    struct qv_batch b;
    struct qv_seq seq[MAX_SEQ];
    const float *keys[MAX_SEQ], *values[MAX_SEQ];
    size_t n_q, n_kv, n_max;
    float *q, *k, *v, *out, *lse, *scratch;
};

static void set_up(struct bench *x, struct qv_heads d, const size_t *n, size_t n_seq)
{
    *x = (struct bench){.d = d, .b = {.seq = x->seq, .n_seq = n_seq}};
    for (size_t i = 0; i < n_seq; i++) {
        x->seq[i] = (struct qv_seq){.begin = x->b.T, .n = n[i]};
        x->b.T += n[i];
        x->n_max = qv__max(x->n_max, n[i]);
    }
    x->n_q = x->b.T * d.H * d.E;
    x->n_kv = x->b.T * d.Hk * d.E;
    x->q = normals(x->n_q, 1);
    x->k = normals(x->n_kv, 2);
    x->v = normals(x->n_kv, 3);
    x->out = normals(x->n_q, 4);
    x->lse = normals(x->b.T * d.H, 5);
    x->scratch = normals(8 * qv__attention_scratch(x->n_max), 6);
    assert_in_range(omp_get_max_threads(), 1, 8);
    for (size_t i = 0; i < n_seq; i++) {
        x->keys[i] = x->k + x->seq[i].begin * d.Hk * d.E;
        x->values[i] = x->v + x->seq[i].begin * d.Hk * d.E;
    }
}

static void tear_down(struct bench *x)
{
    free(x->q), free(x->k), free(x->v), free(x->out), free(x->lse), free(x->scratch);
}

static void forward(void *arg)
{
    struct bench *x = arg;
    qv__attention(x->out, x->lse, x->q, x->keys, x->values, &x->b, x->d, x->scratch,
                  x->n_max);
}

/* out and log-sum-exp of one query that sees keys from .. n - 1, in double. */
static double one_by_definition(float *out, const float *q, const float *k, const float *v,
                                size_t from, size_t n, struct qv_heads d)
{
    const size_t stride = d.Hk * d.E, E = d.E;
    const double scale = d.scale > 0 ? (double)d.scale : 1 / sqrt((double)E);
    double *p = calloc(n, sizeof *p), sum = 0, max = -INFINITY;
    assert_non_null(p);
    for (size_t j = from; j < n; j++) {
        for (size_t e = 0; e < E; e++)
            p[j] += (double)q[e] * (double)k[j * stride + e];
        p[j] *= scale;
        max = fmax(max, p[j]);
    }
    for (size_t j = from; j < n; j++)
        sum += exp(p[j] - max);
    for (size_t e = 0; e < E; e++) {
        double o = 0;
        for (size_t j = from; j < n; j++)
            o += exp(p[j] - max) / sum * (double)v[j * stride + e];
        out[e] = (float)o;
    }
    free(p);
    return max + log(sum);
}

static void check_against_definition(const struct bench *x)
{
    const struct qv_heads d = x->d;
    float want[16], lse;
    assert_true(d.E <= 16);
    for (size_t i = 0; i < x->b.n_seq; i++)
        for (size_t t = 0; t < x->seq[i].n; t++)
            for (size_t h = 0; h < d.H; h++) {
                size_t at = (x->seq[i].begin + t) * d.H + h, kv = h / (d.H / d.Hk) * d.E;
                size_t n = x->seq[i].n_past + t + 1;
                size_t from = d.window && n > d.window ? n - d.window : 0;
                lse = (float)one_by_definition(want, x->q + at * d.E, x->keys[i] + kv,
                                               x->values[i] + kv, from, n, d);
                assert_close(x->out + at * d.E, want, d.E, 3e-6, 0);
                assert_close(x->lse + at, &lse, 1, 3e-6, 3e-6);
            }
}

static const size_t lengths[] = {3, 1, 65, 64, 63, 130, 2};

static void the_output_is_the_definitions(void **state)
{
    (void)state;
    static const struct qv_heads all[] = {
        {4, 2, 6, 0, 0},     {3, 1, 10, 0, 0}, {2, 2, 16, 0, 0},
        {1, 1, 2, 0, 0},     {4, 2, 6, 1, 0},  {3, 1, 10, 0, 1},
        {2, 2, 16, 0.5f, 3}, {2, 1, 4, 0, 64}, {1, 1, 6, 0, 100}};
    for (size_t i = 0; i < QV_COUNT(all); i++) {
        struct bench x;
        set_up(&x, all[i], lengths, QV_COUNT(lengths));
        forward(&x);
        check_against_definition(&x);
        tear_down(&x);
    }
}

/* A past of p positions: queries begin at position p of their sequence, whose keys
 * lie in a cache of their own. */
static void check_after_a_past(size_t window)
{
    static const size_t n[] = {1, 1, 7, 65}, past[] = {0, 70, 5, 64};
    const struct qv_heads d = {4, 2, 6, 0, window};
    struct bench x;
    float *k[4], *v[4];
    set_up(&x, d, n, 4);
    for (size_t i = 0; i < 4; i++) {
        x.seq[i].n_past = past[i];
        x.keys[i] = k[i] = normals((past[i] + n[i]) * d.Hk * d.E, 10 + i);
        x.values[i] = v[i] = normals((past[i] + n[i]) * d.Hk * d.E, 20 + i);
    }
    free(x.scratch);
    x.n_max = 64 + 65;
    x.scratch = normals(8 * qv__attention_scratch(x.n_max), 6);
    forward(&x);
    check_against_definition(&x);
    for (size_t i = 0; i < 4; i++)
        free(k[i]), free(v[i]);
    tear_down(&x);
}

static void queries_after_a_past_see_it_whole(void **state)
{
    (void)state;
    check_after_a_past(0);
}

static void queries_with_a_window_see_the_last_of_their_past(void **state)
{
    (void)state;
    check_after_a_past(3);
    check_after_a_past(66);
}

/* Branches see what they would see after a copy of their stem: the same rows, keys and
 * values as sequences of their own. */
static void check_branches(struct qv_heads d)
{
    // The stems are 0, of 70 rows, and 4, of 3; the first is once cut short.
    static const size_t n[] = {70, 1, 7, 66, 3, 5, 2}, stem[] = {0, 0, 0, 0, 0, 4, 0};
    static const size_t n_stem[] = {0, 70, 70, 64, 0, 3, 0};
    const size_t width = d.Hk * d.E;
    struct bench x;
    float *k[7], *v[7];
    set_up(&x, d, n, 7);
    free(x.scratch);
    x.n_max = 64 + 70;
    x.scratch = normals(8 * qv__attention_scratch(x.n_max), 6);
    for (size_t i = 0; i < 7; i++) {
        x.seq[i].n_stem = n_stem[i];
        x.seq[i].stem = stem[i];
    }
    forward(&x);
    for (size_t i = 0; i < 7; i++) {
        size_t before = n_stem[i] * width, own = n[i] * width, from = x.seq[stem[i]].begin;
        k[i] = malloc((before + own) * sizeof(float));
        v[i] = malloc((before + own) * sizeof(float));
        assert_true(k[i] && v[i]);
        memcpy(k[i], x.k + from * width, before * sizeof(float));
        memcpy(v[i], x.v + from * width, before * sizeof(float));
        memcpy(k[i] + before, x.keys[i], own * sizeof(float));
        memcpy(v[i] + before, x.values[i], own * sizeof(float));
        x.keys[i] = k[i];
        x.values[i] = v[i];
        x.seq[i].n_past = n_stem[i]; // now by the definition
    }
    check_against_definition(&x);
    for (size_t i = 0; i < 7; i++)
        free(k[i]), free(v[i]);
    tear_down(&x);
}

static void a_branch_sees_its_stem_and_itself(void **state)
{
    (void)state;
    check_branches((struct qv_heads){4, 2, 6, 0, 0});
    check_branches((struct qv_heads){2, 2, 4, 0, 3});  // a window of its own rows
    check_branches((struct qv_heads){3, 1, 6, 0, 66}); // of some of the stem's
}

static void a_log_sum_exp_nobody_wants_is_not_written(void **state)
{
    (void)state;
    struct bench x;
    set_up(&x, (struct qv_heads){2, 1, 4, 0, 0}, lengths, 3);
    forward(&x);
    float *with = x.out, *lse = x.lse;
    x.out = normals(x.n_q, 7);
    x.lse = NULL;
    forward(&x);
    assert_memory_equal(x.out, with, x.n_q * sizeof *with);
    free(with), free(lse);
    tear_down(&x);
}

/* `past` [n_seq]: so many of a sequence's first rows have keys and values and no query; the
 * others' queries lie end to end. */
static void check_gradients(struct qv_heads d, const size_t *n, size_t n_seq,
                            const size_t *past)
{
    struct bench x;
    struct qv_seq whole[MAX_SEQ];
    size_t left_out = 0;
    set_up(&x, d, n, n_seq);
    memcpy(whole, x.seq, sizeof whole);
    for (size_t i = 0; past && i < n_seq; i++) {
        x.seq[i].begin -= left_out;
        x.seq[i].n -= past[i];
        x.seq[i].n_past = past[i];
        left_out += past[i];
    }
    float *dout = normals(x.n_q, 30), *was = normals(x.n_q, 31), *dq = normals(x.n_q, 31),
          *dk = normals(x.n_kv, 31), *dv = normals(x.n_kv, 31);
    forward(&x);
    const struct qv_attention_back g = {.dq = dq,
                                        .dk = dk,
                                        .dv = dv,
                                        .dout = dout,
                                        .out = x.out,
                                        .lse = x.lse,
                                        .q = x.q,
                                        .k = x.k,
                                        .v = x.v,
                                        .of_keys = whole};
    qv__attention_back(&g, &x.b, d, x.scratch, x.n_max);
    const struct function f = {forward, &x, x.out, dout, x.n_q};
    assert_gradient(&f, x.q, x.n_q, dq, was);
    assert_gradient(&f, x.k, x.n_kv, dk, was);
    assert_gradient(&f, x.v, x.n_kv, dv, was);
    free(dout), free(was), free(dq), free(dk), free(dv);
    tear_down(&x);
}

static void the_gradients_equal_differences(void **state)
{
    (void)state;
    check_gradients((struct qv_heads){4, 2, 4, 0, 0}, (const size_t[]){1, 5, 1, 12}, 4,
                    NULL);
    check_gradients((struct qv_heads){3, 1, 6, 0, 0}, (const size_t[]){9, 2}, 2, NULL);
    check_gradients((struct qv_heads){2, 1, 2, 0, 0}, (const size_t[]){3, 67}, 2, NULL);
    check_gradients((struct qv_heads){1, 1, 2, 0, 0}, (const size_t[]){65}, 1, NULL);
    check_gradients((struct qv_heads){2, 1, 4, 0.7f, 3}, (const size_t[]){9, 2}, 2, NULL);
    check_gradients((struct qv_heads){1, 1, 2, 0, 5}, (const size_t[]){67}, 1, NULL);
}

static void the_gradients_of_queries_after_a_past_equal_differences(void **state)
{
    (void)state;
    check_gradients((struct qv_heads){4, 2, 4, 0, 0}, (const size_t[]){3, 5, 1, 12}, 4,
                    (const size_t[]){2, 0, 1, 9});
    check_gradients((struct qv_heads){2, 1, 4, 0.7f, 3}, (const size_t[]){9, 4}, 2,
                    (const size_t[]){7, 1});
    check_gradients((struct qv_heads){2, 1, 2, 0, 0}, (const size_t[]){3, 70}, 2,
                    (const size_t[]){1, 3});
}

/* Outputs and gradients of a batch; the second sequence's inputs are turned over. */
static void pass_of(struct bench *x, float *dq, float *dk, float *dv, bool changed)
{
    const struct qv_seq *s = &x->seq[1];
    size_t from = s->begin * x->d.Hk * x->d.E, to = from + s->n * x->d.Hk * x->d.E;
    for (size_t i = from; changed && i < to; i++)
        x->k[i] *= -1, x->v[i] += 3;
    memset(dq, 0, x->n_q * sizeof *dq);
    memset(dk, 0, x->n_kv * sizeof *dk);
    memset(dv, 0, x->n_kv * sizeof *dv);
    forward(x);
    const struct qv_attention_back g = {.dq = dq,
                                        .dk = dk,
                                        .dv = dv,
                                        .dout = x->q,
                                        .out = x->out,
                                        .lse = x->lse,
                                        .q = x->q,
                                        .k = x->k,
                                        .v = x->v,
                                        .of_keys = x->seq};
    qv__attention_back(&g, &x->b, x->d, x->scratch, x->n_max);
}

static void a_change_in_one_sequence_leaves_the_others_bits_alone(void **state)
{
    (void)state;
    const struct qv_heads d = {4, 2, 6, 0, 0};
    static const size_t n[] = {66, 70, 1, 20};
    struct bench a, b;
    float *g[2][3];
    set_up(&a, d, n, 4);
    set_up(&b, d, n, 4);
    for (size_t i = 0; i < 6; i++)
        g[i / 3][i % 3] = normals(a.n_q, 1);
    pass_of(&a, g[0][0], g[0][1], g[0][2], false);
    pass_of(&b, g[1][0], g[1][1], g[1][2], true);
    for (size_t i = 0; i < 4; i++) {
        size_t at = a.seq[i].begin * d.H * d.E, bytes = n[i] * d.H * d.E * sizeof(float);
        size_t kat = a.seq[i].begin * d.Hk * d.E, kbytes = bytes * d.Hk / d.H;
        bool same = memcmp(a.out + at, b.out + at, bytes) == 0 &&
                    memcmp(g[0][0] + at, g[1][0] + at, bytes) == 0 &&
                    memcmp(g[0][1] + kat, g[1][1] + kat, kbytes) == 0 &&
                    memcmp(g[0][2] + kat, g[1][2] + kat, kbytes) == 0;
        assert_int_equal(same, i != 1);
    }
    for (size_t i = 0; i < 6; i++)
        free(g[i / 3][i % 3]);
    tear_down(&a);
    tear_down(&b);
}

static void the_future_of_a_sequence_does_not_change_its_past(void **state)
{
    (void)state;
    const struct qv_heads d = {2, 1, 4, 0, 0};
    static const size_t n[] = {100};
    struct bench x;
    set_up(&x, d, n, 1);
    forward(&x);
    float *before = x.out;
    x.out = normals(x.n_q, 8);
    for (size_t i = 80 * d.E; i < x.n_kv; i++)
        x.k[i] = 1e3f, x.v[i] = 1e3f;
    forward(&x);
    assert_memory_equal(x.out, before, 80 * d.H * d.E * sizeof *before);
    free(before);
    tear_down(&x);
}

static void one_thread_and_two_give_the_same_bits(void **state)
{
    (void)state;
    struct bench a, b;
    float *g[2][3];
    int threads = omp_get_max_threads();
    set_up(&a, (struct qv_heads){4, 2, 6, 0, 0}, lengths, QV_COUNT(lengths));
    set_up(&b, (struct qv_heads){4, 2, 6, 0, 0}, lengths, QV_COUNT(lengths));
    for (size_t i = 0; i < 6; i++)
        g[i / 3][i % 3] = normals(a.n_q, 1);
    omp_set_num_threads(1);
    pass_of(&a, g[0][0], g[0][1], g[0][2], false);
    omp_set_num_threads(2);
    pass_of(&b, g[1][0], g[1][1], g[1][2], false);
    omp_set_num_threads(threads);
    assert_memory_equal(a.out, b.out, a.n_q * sizeof *a.out);
    for (size_t i = 0; i < 3; i++)
        assert_memory_equal(g[0][i], g[1][i], (i ? a.n_kv : a.n_q) * sizeof(float));
    for (size_t i = 0; i < 6; i++)
        free(g[i / 3][i % 3]);
    tear_down(&a);
    tear_down(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_output_is_the_definitions),
        cmocka_unit_test(queries_after_a_past_see_it_whole),
        cmocka_unit_test(queries_with_a_window_see_the_last_of_their_past),
        cmocka_unit_test(a_branch_sees_its_stem_and_itself),
        cmocka_unit_test(a_log_sum_exp_nobody_wants_is_not_written),
        cmocka_unit_test(the_gradients_equal_differences),
        cmocka_unit_test(the_gradients_of_queries_after_a_past_equal_differences),
        cmocka_unit_test(a_change_in_one_sequence_leaves_the_others_bits_alone),
        cmocka_unit_test(the_future_of_a_sequence_does_not_change_its_past),
        cmocka_unit_test(one_thread_and_two_give_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
