/* Every table of kernels that this machine can run, against ref.c and against the
 * same sums in double: each length to 67 and some long ones, pointers off any
 * vector boundary, NaN, infinities and the ends of exp.
 */
#include "base/base.h"
#include "format/block_encode.h"
#include "op/adamw.h"
#include "support/experts.h"
#include "support/kernels.h"
#include "support/near.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SHORT = 68, MAX_N = 4099, OFF = 3, FENCE = 4, ROOM = MAX_N + OFF + FENCE };
enum { MAX_ROW = 255, ROWS_OF_W = 8, ROWS_OF_X = 9 }; // more than a tile has of each

static const size_t long_n[] = {128, 255, 1000, MAX_N};

/* The i-th length, 0 when there are no more. */
static bool length(size_t i, size_t *n)
{
    if (i >= SHORT + QV_COUNT(long_n))
        return false;
    *n = i < SHORT ? i : long_n[i - SHORT];
    return true;
}

static float widened(uint16_t h)
{
    uint32_t bits = (uint32_t)h << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static void fill(float *x, uint64_t seed)
{
    float *from = normals(ROOM, seed);
    memcpy(x, from, ROOM * sizeof *x);
    free(from);
}

static void the_fastest_table_is_taken_and_a_lesser_one_on_demand(void **state)
{
    (void)state;
    assert_ptr_equal(table[0], &qv__kern_ref);
    assert_ptr_equal(qv__kern(), table[n_tables - 1]);
    qv__kern_use("abacus");
    assert_ptr_equal(qv__kern(), &qv__kern_ref);
    qv__kern_use(NULL);
}

static void dot_products_are_within_2_n_eps_of_the_sum_of_magnitudes(void **state)
{
    (void)state;
    static float a[ROOM], b[ROOM];
    fill(a, 1);
    fill(b, 2);
    size_t n;
    for (size_t k = 0; k < n_tables; k++)
        for (size_t i = 0, off = 0; length(i, &n); i++, off = (off + 1) % OFF) {
            double sum = 0, size = 0;
            for (size_t j = off; j < off + n; j++) {
                double p = (double)a[j] * (double)b[j];
                sum += p, size += fabs(p);
            }
            float got = table[k]->dot(a + off, b + off, n), want = (float)sum;
            assert_close(&got, &want, 1, 2 * (double)n * (double)FLT_EPSILON * size, 0);
        }
}

/* Rows of W and of x, that are `n` long. */
struct rows {
    uint32_t type;
    char w[ROWS_OF_W * (MAX_ROW + 2) * sizeof(float)]; // a number that lies between rows
    float x[ROWS_OF_X * MAX_ROW];
    struct qv_dots d;
};

static void make_rows(struct rows *m, uint32_t type, size_t n)
{
    const size_t stride = n + n % 3;
    float *w = normals(ROWS_OF_W * stride, type + 1), *x = normals(ROWS_OF_X * n, n);
    m->type = type;
    m->d = (struct qv_dots){.n = n, .stride = stride, .y_stride = ROWS_OF_W + 1};
    qv__block_encode(m->w, qv__block(type), w, ROWS_OF_W * stride);
    memcpy(m->x, x, ROWS_OF_X * n * sizeof *x);
    free(w);
    free(x);
}

/* Row r of W times row t of x, and what it may be off: 2 n eps of the magnitudes. */
static double row_by_row(double *bound, const struct rows *m, size_t r, size_t t)
{
    double sum = 0, size = 0;
    const struct qv_block_type *b = qv__block(m->type);
    for (size_t i = 0; i < m->d.n; i++) {
        float w;
        qv__block_decode(&w, b, m->w + (r * m->d.stride + i) * b->bytes, 1);
        sum += (double)w * (double)m->x[t * m->d.n + i];
        size += fabs((double)w * (double)m->x[t * m->d.n + i]);
    }
    *bound = 2 * (double)m->d.n * (double)FLT_EPSILON * size;
    return sum;
}

static void check_rows(const struct qv_kern *k, struct rows *m)
{
    float alone[ROWS_OF_X * (ROWS_OF_W + 1)], y[ROWS_OF_X * (ROWS_OF_W + 1)];
    const size_t bytes = qv__block(m->type)->bytes;
    for (size_t t = 0; t < ROWS_OF_X; t++)
        for (size_t r = 0; r < ROWS_OF_W; r++) {
            double bound, want = row_by_row(&bound, m, r, t);
            m->d.rows = m->d.T = 1;
            float *to = alone + t * m->d.y_stride + r;
            k->dots(to, m->type, m->w + r * m->d.stride * bytes, m->x + t * m->d.n, m->d);
            assert_true(fabs((double)*to - want) <= bound);
        }
    for (m->d.T = 1; m->d.T <= ROWS_OF_X; m->d.T++)
        for (m->d.rows = 1; m->d.rows <= ROWS_OF_W; m->d.rows++) {
            for (size_t i = 0; i < QV_COUNT(y); i++)
                y[i] = 42;
            k->dots(y, m->type, m->w, m->x, m->d);
            for (size_t i = 0; i < QV_COUNT(y); i++) {
                const size_t t = i / m->d.y_stride, r = i % m->d.y_stride;
                const bool is_asked = t < m->d.T && r < m->d.rows;
                assert_true(y[i] == (is_asked ? alone[i] : 42)); // to the bit
            }
        }
}

static void rows_times_rows_are_each_the_product_of_those_two_alone(void **state)
{
    (void)state;
    static const uint32_t type[] = {QV_BLOCK_F32, QV_BLOCK_F16, QV_BLOCK_BF16};
    static struct rows m;
    size_t n;
    for (size_t k = 0; k < n_tables; k++)
        for (size_t j = 0; j < QV_COUNT(type); j++)
            for (size_t i = 1; length(i, &n) && n <= MAX_ROW; i++) {
                make_rows(&m, type[j], n);
                check_rows(table[k], &m);
            }
}

static void axpy_and_scale_mul_round_each_element_and_touch_no_other(void **state)
{
    (void)state;
    static float x[ROOM], w[ROOM], y[ROOM], was[ROOM], want[ROOM];
    fill(x, 3);
    fill(w, 4);
    fill(was, 5);
    size_t n;
    for (size_t k = 0; k < n_tables; k++)
        for (size_t i = 0, off = 0; length(i, &n); i++, off = (off + 1) % OFF) {
            memcpy(y, was, sizeof y);
            memcpy(want, was, sizeof want);
            for (size_t j = off; j < off + n; j++)
                want[j] = (float)((double)was[j] + 1.7 * (double)x[j]);
            table[k]->axpy(y + off, 1.7f, x + off, n);
            assert_close(y, want, off + n, 1e-6, 1e-6);
            assert_memory_equal(y + off + n, was + off + n, FENCE * sizeof *y);

            memcpy(y, was, sizeof y);
            for (size_t j = off; j < off + n; j++)
                want[j] = (float)(0.3 * (double)x[j] * (double)w[j]);
            table[k]->scale_mul(y + off, 0.3f, x + off, w + off, n);
            assert_close(y, want, off + n, 0, 4 * (double)FLT_EPSILON);
            assert_memory_equal(y + off + n, was + off + n, FENCE * sizeof *y);
        }
}

/* Ten rows a bit apart, so that whole fours and what is left of them are met. */
static void rows_are_added_as_one_after_another(void **state)
{
    (void)state;
    enum { ROWS = 10, MOST = 1000 };
    float *A = normals(ROWS * MOST, 6), *was = normals(MOST + FENCE, 7);
    const float c[ROWS] = {.3f, -2, 1, 0, .01f, 5, -1, 7, .5f, -.25f};
    static float y[MOST + FENCE], want[MOST + FENCE];
    size_t n;
    for (size_t k = 0; k < n_tables; k++)
        for (size_t i = 0; length(i, &n) && n <= MOST; i++)
            for (size_t rows = 0; rows <= ROWS; rows++) {
                const size_t stride = n + 3 <= MOST ? n + 3 : n;
                memcpy(y, was, sizeof y);
                memcpy(want, was, sizeof want);
                table[k]->axpy_rows(y + 1, c, A, rows, stride, n);
                qv__kern_ref.axpy_rows(want + 1, c, A, rows, stride, n);
                assert_close(y, want, n + 1, 2e-5, 1e-6);
                assert_memory_equal(y + 1 + n, was + 1 + n, (FENCE - 1) * sizeof *y);
            }
    free(A);
    free(was);
}

static void rows_of_whole_numbers_are_multiplied_as_those_numbers(void **state)
{
    (void)state;
    enum { ROWS = 10, MOST = 1000 };
    float *A = normals(ROWS * MOST, 8), *x = normals(MOST + FENCE, 9);
    static int16_t whole[ROWS * MOST];
    const float c[ROWS] = {.3f, -2, 1, 0, .01f, 5, -1, 7, .5f, -.25f};
    static float y[MOST + FENCE], want[MOST + FENCE];
    size_t n;
    for (size_t i = 0; i < ROWS * MOST; i++)
        A[i] = whole[i] = (int16_t)(i == 0 ? -32767 : i == 1 ? 32767 : 9000 * A[i]);
    for (size_t k = 0; k < n_tables; k++)
        for (size_t i = 0; length(i, &n) && n <= MOST; i++)
            for (size_t rows = 0; rows <= ROWS; rows++) {
                float z[ROWS + 1] = {[ROWS] = 0}, z_want[ROWS], size = 0;
                z[rows] = 42;
                table[k]->dot_rows_i16(z, whole, rows, x + 1, n);
                qv__kern_ref.dots(z_want, QV_BLOCK_F32, A, x + 1,
                                  (struct qv_dots){n, rows, n, 1, 0});
                for (size_t j = 0; j < n; j++)
                    size += fabsf(x[1 + j]) * 33000;
                assert_close(z, z_want, rows, (double)size * 4e-6, 0);
                assert_true(z[rows] == 42);

                const size_t stride = n + 3 <= MOST ? n + 3 : n;
                memcpy(y, x, (MOST + FENCE) * sizeof *y);
                memcpy(want, x, (MOST + FENCE) * sizeof *want);
                table[k]->axpy_rows_i16(y + 1, c, whole, rows, stride, n);
                qv__kern_ref.axpy_rows(want + 1, c, A, rows, stride, n);
                assert_close(y, want, n + 1, 33000 * 2e-5, 1e-6);
                assert_memory_equal(y + 1 + n, x + 1 + n, (FENCE - 1) * sizeof *y);
            }
    free(A);
    free(x);
}

static void the_largest_is_exact_wherever_it_stands(void **state)
{
    (void)state;
    static float x[ROOM];
    size_t n;
    for (size_t k = 0; k < n_tables; k++)
        for (size_t i = 1; length(i, &n); i++) {
            fill(x, i);
            for (size_t at = 0; at < n; at += 1 + n / 20) {
                float was = x[1 + at];
                x[1 + at] = 99;
                assert_true(table[k]->max(x + 1, n) == 99);
                x[1 + at] = was;
            }
            for (size_t j = 0; j < n; j++)
                x[1 + j] -= 1000;
            assert_true(table[k]->max(x + 1, n) == qv__kern_ref.max(x + 1, n));
        }
    static const float none[] = {-INFINITY, -INFINITY, -INFINITY};
    for (size_t k = 0; k < n_tables; k++)
        assert_true(table[k]->max(none, 3) == -INFINITY);
}

/* exp's argument is rounded once, which moves exp by as much as the argument:
 * hence the bound grows with it. */
static void exp_and_its_sum_are_right_to_the_rounding_of_their_argument(void **state)
{
    (void)state;
    static float x[ROOM], y[ROOM], want[ROOM];
    fill(x, 6);
    for (size_t i = 0; i < ROOM; i++)
        x[i] = -fabsf(x[i]) * 20;
    size_t n;
    for (size_t k = 0; k < n_tables; k++)
        for (size_t i = 0, off = 0; length(i, &n); i++, off = (off + 1) % OFF) {
            memcpy(y, x, sizeof y);
            double sum = 0;
            for (size_t j = 0; j < off + n; j++) {
                want[j] = j < off ? x[j] : (float)exp(0.25 * (double)x[j] - 1.5);
                sum += j < off ? 0 : (double)want[j];
            }
            float got = table[k]->exp_sum(y + off, 0.25f, 1.5f, n), total = (float)sum;
            assert_close(y, want, off + n, 0, 3e-6);
            assert_close(&got, &total, 1, 0, 3e-6);
            assert_memory_equal(y + off + n, x + off + n, FENCE * sizeof *y);
        }
}

static void exp_keeps_its_head_at_the_ends(void **state)
{
    (void)state;
    static const float at[] = {0,   -0.0f, -1e-30f, -86.9f, -87, -87.4f,
                               -88, -100,  -1e4f,   -1e30f, 80,  -INFINITY};
    for (size_t k = 0; k < n_tables; k++)
        for (size_t i = 0; i < QV_COUNT(at); i++) {
            float x[19], want[19];
            for (size_t j = 0; j < 19; j++) {
                x[j] = at[i];
                want[j] = (float)exp((double)at[i]);
            }
            float sum = table[k]->exp_sum(x, 1, 0, 19);
            assert_close(x, want, 19, 2e-38, 1e-6); // beside 1, 2e-38 is nothing
            float total = 19 * want[0];
            assert_close(&sum, &total, 1, 4e-37, 1e-6);
        }
    for (size_t k = 0; k < n_tables; k++) { // too large is large, never NaN
        float x[19];
        for (size_t j = 0; j < 19; j++)
            x[j] = j % 2 ? 89 : INFINITY;
        float sum = table[k]->exp_sum(x, 1, 0, 19);
        assert_true(sum > 1e38f);
        for (size_t j = 0; j < 19; j++)
            assert_true(x[j] > 1e38f);
    }
}

static double silu(double g)
{
    return g / (1 + exp(-g));
}

static double dsilu(double g)
{
    double s = 1 / (1 + exp(-g));
    return s * (1 + g * (1 - s));
}

static void gelu_by_tanh_equals_the_formula_in_double(void **state)
{
    (void)state;
    static float x[ROOM], y[ROOM], want[ROOM], was[ROOM];
    static const float extreme[] = {0, 5, -5, 12, -12, 200, -200, 1e4f, -1e4f, 1e13f};
    fill(x, 7);
    fill(was, 10);
    for (size_t i = 0; i < ROOM; i++) {
        x[i] = i % 5 ? 3 * x[i] : extreme[i / 5 % QV_COUNT(extreme)];
        const double v = (double)x[i], z = 0.7978845608 * (v + 0.044715 * v * v * v);
        want[i] = (float)(v / (1 + exp(-2 * z)));
    }
    size_t n;
    for (size_t k = 0; k < n_tables; k++)
        for (size_t i = 0, off = 0; length(i, &n); i++, off = (off + 1) % OFF) {
            memcpy(y, was, sizeof y);
            table[k]->gelu_tanh(y + off, x + off, n);
            assert_close(y + off, want + off, n, 1e-6, 1e-6);
            assert_memory_equal(y + off + n, was + off + n, FENCE * sizeof *y);
        }
}

static void swiglu_and_its_gradient_equal_the_formula_in_double(void **state)
{
    (void)state;
    static float g[ROOM], up[ROOM], dy[ROOM], y[ROOM], dg[ROOM], du[ROOM];
    static float want[ROOM], want_dg[ROOM], want_du[ROOM], was[ROOM];
    static const float extreme[] = {0, 30, -30, 87.5f, -87.5f, 200, -200, 1e4f, -1e4f};
    fill(g, 7);
    fill(up, 8);
    fill(dy, 9);
    fill(was, 10);
    for (size_t i = 0; i < ROOM; i++)
        g[i] = i % 5 ? 3 * g[i] : extreme[i / 5 % QV_COUNT(extreme)];
    for (size_t i = 0; i < ROOM; i++) {
        double dgi = (double)dy[i] * (double)up[i] * dsilu((double)g[i]);
        double dui = (double)dy[i] * silu((double)g[i]);
        want[i] = (float)(silu((double)g[i]) * (double)up[i]);
        want_dg[i] = (float)((double)was[i] + dgi);
        want_du[i] = (float)((double)was[i] + dui);
    }
    size_t n;
    for (size_t k = 0; k < n_tables; k++)
        for (size_t i = 0, off = 0; length(i, &n); i++, off = (off + 1) % OFF) {
            memcpy(y, was, sizeof y);
            memcpy(dg, was, sizeof dg);
            memcpy(du, was, sizeof du);
            table[k]->swiglu(y + off, g + off, up + off, n);
            table[k]->swiglu_back(dg + off, du + off, dy + off, g + off, up + off, n);
            assert_close(y + off, want + off, n, 1e-33, 2e-6);
            assert_close(dg + off, want_dg + off, n, 2e-6, 2e-6);
            assert_close(du + off, want_du + off, n, 2e-6, 2e-6);
            assert_memory_equal(y + off + n, was + off + n, FENCE * sizeof *y);
            assert_memory_equal(dg + off + n, was + off + n, FENCE * sizeof *y);
            assert_memory_equal(du + off + n, was + off + n, FENCE * sizeof *y);
        }
}

static float of_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* The nearer of the two bfloat16 numbers around x, the even one if it is a tie;
 * beyond the largest comes 2^128, which is infinity. */
static uint16_t nearest(uint32_t bits)
{
    uint16_t low = (uint16_t)(bits >> 16);
    if ((bits & 0x7f800000) == 0x7f800000)
        return low;
    double x = (double)of_bits(bits), a = (double)widened(low);
    double b = (low & 0x7fff) == 0x7f7f ? copysign(0x1p128, x)
                                        : (double)widened((uint16_t)(low + 1));
    double to_a = fabs(x - a), to_b = fabs(b - x);
    if (to_a == to_b)
        return low & 1 ? (uint16_t)(low + 1) : low;
    return to_a < to_b ? low : (uint16_t)(low + 1);
}

static void rounding_to_bf16_goes_to_the_nearest_and_ties_to_even(void **state)
{
    (void)state;
    enum { HIGH = 1 << 16 };
    static const uint32_t low[] = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff};
    static float x[HIGH];
    static uint16_t got[HIGH];
    for (size_t k = 0; k < n_tables; k++)
        for (size_t i = 0; i < QV_COUNT(low); i++) {
            for (uint32_t h = 0; h < HIGH; h++)
                x[h] = of_bits(h << 16 | low[i]);
            table[k]->to_bf16(got, x, HIGH);
            for (uint32_t h = 0; h < HIGH; h++)
                if (isnan(x[h]))
                    assert_true(isnan(widened(got[h])));
                else
                    assert_int_equal(got[h], nearest(h << 16 | low[i]));
        }
    size_t n;
    for (size_t k = 0; k < n_tables; k++)
        for (size_t i = 0; i < SHORT && length(i, &n); i++) {
            memset(got, 0xab, 100 * sizeof *got);
            table[k]->to_bf16(got + 1, x + 0x4000, n);
            for (size_t j = 0; j < n; j++)
                assert_int_equal(got[1 + j],
                                 nearest((uint32_t)(0x4000 + j) << 16 | 0xffff));
            assert_int_equal(got[1 + n], 0xabab);
            assert_int_equal(got[0], 0xabab);
        }
}

static void a_nan_stays_one_and_stays_where_it_is(void **state)
{
    (void)state;
    enum { N = 37 };
    for (size_t k = 0; k < n_tables; k++)
        for (size_t at = 0; at < N; at++) {
            float *x = normals(N, 11), *one = normals(N, 12), y[N], dg[N] = {0},
                  du[N] = {0};
            x[at] = NAN;
            assert_true(isnan(table[k]->dot(x, one, N)));
            assert_true(isnan(table[k]->dot(one, x, N)));
            memcpy(y, one, sizeof y);
            table[k]->axpy(y, 2, x, N);
            for (size_t j = 0; j < N; j++)
                assert_int_equal(isnan(y[j]) != 0, j == at);
            table[k]->swiglu(y, x, one, N);
            table[k]->swiglu_back(dg, du, one, x, one, N);
            for (size_t j = 0; j < N; j++) {
                assert_int_equal(isnan(y[j]) != 0, j == at);
                assert_int_equal(isnan(dg[j]) != 0, j == at);
                assert_int_equal(isnan(du[j]) != 0, j == at);
            }
            memcpy(y, x, sizeof y);
            assert_true(isnan(table[k]->exp_sum(y, 1, 0, N)));
            for (size_t j = 0; j < N; j++)
                assert_int_equal(isnan(y[j]) != 0, j == at);
            free(x);
            free(one);
        }
}

/* The paper's algorithm 2 in double, gradients scaled first. */
static void adamw_in_double(double *p, const float *g, double *m, double *v, size_t n,
                            const struct qv_adamw *o, size_t t, double scale)
{
    double b1 = (double)o->beta1, b2 = (double)o->beta2;
    for (size_t i = 0; i < n; i++) {
        double gi = (double)g[i] * scale;
        m[i] = b1 * m[i] + (1 - b1) * gi;
        v[i] = b2 * v[i] + (1 - b2) * gi * gi;
        double mt = m[i] / (1 - pow(b1, (double)t)), vt = v[i] / (1 - pow(b2, (double)t));
        p[i] -=
            (double)o->lr * (mt / (sqrt(vt) + (double)o->eps) + (double)o->decay * p[i]);
    }
}

static void adamw_follows_the_paper_in_double_for_ten_steps(void **state)
{
    (void)state;
    static const char *const names[] = {"ref", "avx2", "avx512"};
    static const size_t sizes[] = {0, 1, 15, 33, 67, 20000}; // one thread, and several
    const struct qv_adamw o = {
        .lr = 0.01f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .decay = 0.1f};
    for (size_t k = 0; k < QV_COUNT(names); k++)
        for (size_t i = 0; i < QV_COUNT(sizes); i++) {
            size_t n = sizes[i];
            qv__kern_use(names[k]);
            float *p = normals(n + 1, 13), *m = calloc(n + 1, sizeof *m),
                  *v = calloc(n + 1, sizeof *v), *want = calloc(n + 1, sizeof *want);
            double *pd = calloc(n + 1, sizeof *pd), *md = calloc(n + 1, sizeof *md),
                   *vd = calloc(n + 1, sizeof *vd);
            float fence = p[n];
            for (size_t j = 0; j < n; j++)
                pd[j] = (double)p[j];
            for (size_t t = 1; t <= 10; t++) {
                float *g = normals(n + 1, 100 + t);
                qv__adamw(p, g, m, v, n, &o, t, 0.25f);
                adamw_in_double(pd, g, md, vd, n, &o, t, 0.25);
                free(g);
            }
            for (size_t j = 0; j < n; j++)
                want[j] = (float)pd[j];
            assert_close(p, want, n, 2e-6, 1e-6);
            for (size_t j = 0; j < n; j++)
                want[j] = (float)md[j];
            assert_close(m, want, n, 1e-7, 1e-6);
            assert_true(p[n] == fence && m[n] == 0 && v[n] == 0);
            free(p), free(m), free(v), free(want), free(pd), free(md), free(vd);
        }
    qv__kern_use(NULL);
}

static void the_norm_is_the_root_of_the_sum_of_squares(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 8191, 8192, 8193, 256 * 8192 + 5};
    for (size_t i = 0; i < QV_COUNT(sizes); i++) {
        float *g = normals(sizes[i], 14);
        double sum = 0;
        for (size_t j = 0; j < sizes[i]; j++)
            sum += (double)g[j] * (double)g[j];
        assert_true(fabs(qv__norm(g, sizes[i]) - sqrt(sum)) <= 1e-12 * sqrt(sum));
        free(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fastest_table_is_taken_and_a_lesser_one_on_demand),
        cmocka_unit_test(dot_products_are_within_2_n_eps_of_the_sum_of_magnitudes),
        cmocka_unit_test(rows_times_rows_are_each_the_product_of_those_two_alone),
        cmocka_unit_test(axpy_and_scale_mul_round_each_element_and_touch_no_other),
        cmocka_unit_test(rows_are_added_as_one_after_another),
        cmocka_unit_test(rows_of_whole_numbers_are_multiplied_as_those_numbers),
        cmocka_unit_test(the_largest_is_exact_wherever_it_stands),
        cmocka_unit_test(exp_and_its_sum_are_right_to_the_rounding_of_their_argument),
        cmocka_unit_test(exp_keeps_its_head_at_the_ends),
        cmocka_unit_test(gelu_by_tanh_equals_the_formula_in_double),
        cmocka_unit_test(swiglu_and_its_gradient_equal_the_formula_in_double),
        cmocka_unit_test(rounding_to_bf16_goes_to_the_nearest_and_ties_to_even),
        cmocka_unit_test(a_nan_stays_one_and_stays_where_it_is),
        cmocka_unit_test(adamw_follows_the_paper_in_double_for_ten_steps),
        cmocka_unit_test(the_norm_is_the_root_of_the_sum_of_squares),
    };
    return cmocka_run_group_tests(tests, find_tables, NULL);
}
