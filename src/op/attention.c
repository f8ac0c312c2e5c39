/* attention.c - causal attention, forward and backward, a block of queries at a
 * time, so that memory grows with the length and not with its square. A branch's
 * keys are two runs of rows, its stem's and its own; only forward knows stems.
 *
 * Backward, with P the probabilities, dP = dout V', and D_t = sum_e dout_t out_t:
 *     dV += P' dout,  dS = P * (dP - D) scale,  dQ += dS K,  dK += dS' Q.
 * One thread owns a (sequence, key/value head), so dK and dV have one writer.
 */
#include "op/attention.h"
#include "kern/kern.h"
#include "op/gemm.h"

#include <math.h>
#include <omp.h>

enum {
    BLOCK = 64,            // queries at a time
    WORTH_A_TEAM = 1 << 16 // products; fewer take one thread less than waking others does
};

size_t qv__attention_scratch(size_t n_max)
{
    return 2 * BLOCK * ((n_max + 15) & ~(size_t)15);
}

static float scale_of(struct qv_heads d)
{
    return d.scale > 0 ? d.scale : 1 / sqrtf((float)d.E);
}

/* The first position that the query at position `at` sees. */
static size_t first_seen(struct qv_heads d, size_t at)
{
    return d.window && at + 1 > d.window ? at + 1 - d.window : 0;
}

/* Keys and values of one head that a block of queries sees, in order: some of the
 * stem's, then some of the sequence's own. n[0] is 0 without a stem. */
struct seen {
    const float *k[2], *v[2];
    size_t n[2];
};

/* A query alone (decoding): two passes over the keys it sees, no matrices. */
static void one_query(float *out, float *lse, const float *q, const struct seen *s,
                      struct qv_heads d, float *p)
{
    const struct qv_kern *kern = qv__kern();
    const float scale = scale_of(d);
    const size_t stride = d.Hk * d.E, n = s->n[0] + s->n[1];
    for (size_t part = 0, at = 0; part < 2; at += s->n[part++])
        kern->dots(
            p + at, QV_BLOCK_F32, s->k[part], q,
            (struct qv_dots){.n = d.E, .rows = s->n[part], .stride = stride, .T = 1});
    float shift = scale * kern->max(p, n);
    float sum = kern->exp_sum(p, scale, shift, n);
    for (size_t e = 0; e < d.E; e++)
        out[e] = 0;
    for (size_t j = 0; j < n; j++)
        p[j] /= sum;
    for (size_t part = 0, at = 0; part < 2; at += s->n[part++])
        kern->axpy_rows(out, p + at, s->v[part], s->n[part], stride, d.E);
    if (lse)
        *lse = shift + logf(sum);
}

/* Queries first .. first + nb - 1 of a sequence, the first of them at position
 * `at`, and the n_keys positions from `from` on that one or another of them sees. */
struct block {
    size_t first, nb, at, from, n_keys;
};

static struct block block_of(const struct qv_seq *s, size_t i, struct qv_heads d)
{
    size_t first = i * BLOCK, nb = qv__min(BLOCK, s->n - first);
    size_t at = s->n_past + s->n_stem + first;
    size_t from = first_seen(d, at);
    return (struct block){first, nb, at, from, at + nb - from};
}

/* Row i of a block sees keys lo .. hi - 1, counted from b.from. */
static void seen_by(size_t *lo, size_t *hi, struct block b, size_t i, struct qv_heads d)
{
    *lo = first_seen(d, b.at + i) - b.from;
    *hi = b.at + i + 1 - b.from;
}

static void clear(float *x, size_t from, size_t to)
{
    for (size_t j = from; j < to; j++)
        x[j] = 0;
}

/* Which keys and values those are, of key/value head hk. */
static struct seen seen_of(const float *const *k, const float *const *v,
                           const struct qv_seq *s, size_t i, struct block b, size_t hk,
                           struct qv_heads d)
{
    const size_t stride = d.Hk * d.E, head = hk * d.E;
    size_t of_stem = b.from < s->n_stem ? qv__min(s->n_stem - b.from, b.n_keys) : 0;
    size_t own = b.from + of_stem - s->n_stem; // the first of its own rows
    struct seen seen = {.n = {of_stem, b.n_keys - of_stem}};
    if (of_stem) {
        seen.k[0] = k[s->stem] + b.from * stride + head;
        seen.v[0] = v[s->stem] + b.from * stride + head;
    }
    seen.k[1] = k[i] + own * stride + head;
    seen.v[1] = v[i] + own * stride + head;
    return seen;
}

static void many_queries(float *out, float *lse, const float *q, const struct seen *seen,
                         struct block b, struct qv_heads d, float *S)
{
    const struct qv_kern *kern = qv__kern();
    const float scale = scale_of(d);
    const size_t qs = d.H * d.E, ks = d.Hk * d.E, stem = seen->n[0];
    for (size_t part = 0, at = 0; part < 2; at += seen->n[part++])
        if (seen->n[part])
            qv__sgemm(false, true, b.nb, seen->n[part], d.E, 1, q, qs, seen->k[part], ks, 0,
                      S + at, b.n_keys);
    for (size_t i = 0; i < b.nb; i++) {
        float *s = S + i * b.n_keys;
        size_t lo, hi;
        seen_by(&lo, &hi, b, i, d);
        float shift = scale * kern->max(s + lo, hi - lo);
        float sum = kern->exp_sum(s + lo, scale, shift, hi - lo), inv = 1 / sum;
        for (size_t j = lo; j < hi; j++)
            s[j] *= inv;
        clear(s, 0, lo);
        clear(s, hi, b.n_keys);
        if (lse)
            lse[i * d.H] = shift + logf(sum);
    }
    if (stem)
        qv__sgemm(false, false, b.nb, d.E, stem, 1, S, b.n_keys, seen->v[0], ks, 0, out,
                  qs);
    qv__sgemm(false, false, b.nb, d.E, seen->n[1], 1, S + stem, b.n_keys, seen->v[1], ks,
              stem ? 1 : 0, out, qs);
}

/* Several queries of one sequence are always met by a team, in which a product has one
 * thread: its sums do not then depend on what else is in the batch. Single ones are if they
 * are enough work together. */
static bool wants_team(const struct qv_batch *b, struct qv_heads d)
{
    size_t n_keys = 0;
    for (size_t i = 0; i < b->n_seq; i++) {
        const struct qv_seq *s = &b->seq[i];
        if (s->n > 1)
            return true;
        n_keys += s->n * (s->n_past + s->n_stem + 1);
    }
    return n_keys * d.H * d.E > WORTH_A_TEAM;
}

void qv__attention(float *out, float *lse, const float *q, const float *const *k,
                   const float *const *v, const struct qv_batch *b, struct qv_heads d,
                   float *scratch, size_t n_max)
{
    const size_t group = d.H / d.Hk, room = qv__attention_scratch(n_max);
    const bool is_team = wants_team(b, d);
#pragma omp parallel for collapse(2) schedule(dynamic) if (is_team)
    for (size_t i = 0; i < b->n_seq; i++)
        for (size_t h = 0; h < d.H; h++) {
            const struct qv_seq *s = &b->seq[i];
            float *S = scratch + (size_t)omp_get_thread_num() * room;
            for (size_t j = 0; j * BLOCK < s->n; j++) {
                struct block blk = block_of(s, j, d);
                struct seen seen = seen_of(k, v, s, i, blk, h / group, d);
                size_t at = (s->begin + blk.first) * d.H + h;
                float *l = lse ? lse + at : NULL, *o = out + at * d.E;
                if (blk.nb == 1)
                    one_query(o, l, q + at * d.E, &seen, d, S);
                else
                    many_queries(o, l, q + at * d.E, &seen, blk, d, S);
            }
        }
}

/* P of one block, from scores and the block's log-sum-exp. */
static void probabilities(float *P, const float *lse, struct block b, struct qv_heads d)
{
    const struct qv_kern *kern = qv__kern();
    for (size_t i = 0; i < b.nb; i++) {
        float *p = P + i * b.n_keys;
        size_t lo, hi;
        seen_by(&lo, &hi, b, i, d);
        kern->exp_sum(p + lo, scale_of(d), lse[i * d.H], hi - lo);
        clear(p, 0, lo);
        clear(p, hi, b.n_keys);
    }
}

static void back_block(const struct qv_attention_back *g, size_t at, size_t kat,
                       struct block b, struct qv_heads d, float *P)
{
    const struct qv_kern *kern = qv__kern();
    const size_t E = d.E, qs = d.H * E, ks = d.Hk * E;
    const float scale = scale_of(d);
    const float *q = g->q + at * E, *dout = g->dout + at * E, *out = g->out + at * E;
    const float *k = g->k + kat, *v = g->v + kat;
    float *dP = P + BLOCK * b.n_keys;

    qv__sgemm(false, true, b.nb, b.n_keys, E, 1, q, qs, k, ks, 0, P, b.n_keys);
    probabilities(P, g->lse + at, b, d);
    qv__sgemm(true, false, b.n_keys, E, b.nb, 1, P, b.n_keys, dout, qs, 1, g->dv + kat, ks);
    qv__sgemm(false, true, b.nb, b.n_keys, E, 1, dout, qs, v, ks, 0, dP, b.n_keys);
    for (size_t i = 0; i < b.nb; i++) {
        float D = kern->dot(dout + i * qs, out + i * qs, E);
        float *p = P + i * b.n_keys, *dp = dP + i * b.n_keys;
#pragma omp simd
        for (size_t j = 0; j < b.n_keys; j++)
            dp[j] = p[j] * (dp[j] - D) * scale;
    }
    qv__sgemm(false, false, b.nb, E, b.n_keys, 1, dP, b.n_keys, k, ks, 1, g->dq + at * E,
              qs);
    qv__sgemm(true, false, b.n_keys, E, b.nb, 1, dP, b.n_keys, q, qs, 1, g->dk + kat, ks);
}

void qv__attention_back(const struct qv_attention_back *g, const struct qv_batch *b,
                        struct qv_heads d, float *scratch, size_t n_max)
{
    const size_t group = d.H / d.Hk, room = qv__attention_scratch(n_max);
#pragma omp parallel for collapse(2) schedule(dynamic)
    for (size_t i = 0; i < b->n_seq; i++)
        for (size_t hk = 0; hk < d.Hk; hk++) {
            const struct qv_seq *s = &b->seq[i];
            float *P = scratch + (size_t)omp_get_thread_num() * room;
            size_t kat = (g->of_keys[i].begin * d.Hk + hk) * d.E;
            for (size_t h = hk * group; h < (hk + 1) * group; h++)
                for (size_t j = 0; j * BLOCK < s->n; j++) {
                    struct block blk = block_of(s, j, d);
                    back_block(g, (s->begin + blk.first) * d.H + h,
                               kat + blk.from * d.Hk * d.E, blk, d, P);
                }
        }
}
