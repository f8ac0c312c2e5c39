/* score.c - see score.h. Passes of a few windows are dealt to lanes, one thread
 * each, in rounds; logits are made for a block of rows at a time. */
#include "eval/score.h"

#include "base/carve.h"
#include "base/clock.h"
#include "model/decoder.h"
#include "model/forward.h"
#include "model/model.h"
#include "model/reuse.h"
#include "op/loss.h"

#include <omp.h>
#include <stdlib.h>

enum { MAX_LOGITS = 1 << 22 }; // floats of logits a lane makes at a time: 16 MiB

struct lane {
    struct qv_acts acts;
    struct qv_update update;
    int *token, *pos;   // [T_max]
    struct qv_seq *seq; // [per_pass]
    int *row, *target;  // [n_rows]
};

struct scorer {
    const qv_model *m;
    const int *ids; // [n]
    size_t n;
    float *logprob; // [n]
    size_t window, stride;
    size_t n_windows, per_pass; // windows in all and in a pass
    size_t T_max, n_rows;
    struct lane *lane; // [n_lanes]
    size_t n_lanes;
    void *mem;
};

static size_t lay_out(struct scorer *s, void *base)
{
    qv_carve c = {.base = base};
    s->lane = qv__carve(&c, s->n_lanes, 1, 1, sizeof *s->lane);
    for (size_t i = 0; i < s->n_lanes; i++) {
        struct lane none, *l = base ? &s->lane[i] : &none;
        l->token = qv__carve(&c, s->T_max, 1, 1, sizeof *l->token);
        l->pos = qv__carve(&c, s->T_max, 1, 1, sizeof *l->pos);
        l->seq = qv__carve(&c, s->per_pass, 1, 1, sizeof *l->seq);
        l->row = qv__carve(&c, s->n_rows, 1, 1, sizeof *l->row);
        l->target = qv__carve(&c, s->n_rows, 1, 1, sizeof *l->target);
    }
    return c.used;
}

/* The window's first token, and the last token it sees (and scores). */
static size_t first_of(const struct scorer *s, size_t window)
{
    return window * s->stride;
}

static size_t last_of(const struct scorer *s, size_t window)
{
    return qv__min(first_of(s, window) + s->window, s->n) - 1;
}

/* Its first rows, whose tokens the window before it has scored. */
static size_t seen_before(const struct scorer *s, size_t window)
{
    return window ? last_of(s, window - 1) - first_of(s, window) : 0;
}

/* Rows `from` on of a window that begins at row `begin` of the pass: a block of
 * logits, and what they say of the tokens that follow. */
static void score_rows(struct scorer *s, struct lane *l, const struct qv_pass *p,
                       size_t begin, size_t window, size_t from)
{
    size_t first = first_of(s, window), rows = last_of(s, window) - first;
    for (size_t i = from; i < rows; i += s->n_rows) {
        size_t n = qv__min(s->n_rows, rows - i);
        for (size_t j = 0; j < n; j++) {
            l->row[j] = (int)(begin + i + j);
            l->target[j] = s->ids[first + i + j + 1];
        }
        qv__decoder_logits(p, l->row, n);
        qv__logprob(s->logprob + first + i + 1, l->acts.logits, l->target, n, s->m->c.V);
    }
}

/* Windows first .. first + n - 1, each a sequence that stands alone. */
static void pass(struct scorer *s, struct lane *l, size_t first, size_t n)
{
    struct qv_batch b = {.token = l->token, .pos = l->pos, .seq = l->seq};
    for (size_t w = first; w < first + n; w++) {
        size_t rows = last_of(s, w) - first_of(s, w);
        l->seq[b.n_seq++] =
            (struct qv_seq){.begin = b.T, .n = rows, .n_unread = seen_before(s, w)};
        for (size_t i = 0; i < rows; i++) {
            l->token[b.T + i] = s->ids[first_of(s, w) + i];
            l->pos[b.T + i] = (int)i;
        }
        b.T += rows;
    }
    struct qv_pass p = {.m = s->m, .a = &l->acts, .b = &b, .update = &l->update};
    qv__forward(&p);
    for (size_t i = 0; i < n; i++) {
        size_t w = first + i;
        score_rows(s, l, &p, l->seq[i].begin, w, seen_before(s, w));
    }
}

static qv_status check(const struct scorer *s, qv_err *err)
{
    if (s->window < 2 || s->window > s->m->c.n_ctx)
        return qv_fail(err, QV_ELIMIT,
                       "a window of %zu tokens, the model has %zu positions", s->window,
                       s->m->c.n_ctx);
    if (s->stride >= s->window)
        return qv_fail(err, QV_ELIMIT, "a stride of %zu leaves gaps between windows of %zu",
                       s->stride, s->window);
    for (size_t i = 0; i < s->n; i++)
        if (s->ids[i] < 0 || (size_t)s->ids[i] >= s->m->c.V)
            return qv_fail(err, QV_EFORMAT, "token %zu is %d, the vocabulary has %zu", i,
                           s->ids[i], s->m->c.V);
    return QV_OK;
}

static qv_status prepare(struct scorer *s, const qv_reuse *reuse, size_t pass_tokens,
                         qv_err *err)
{
    size_t over = s->n > s->window ? s->n - s->window : 0;
    s->n_windows = 1 + (over + s->stride - 1) / s->stride;
    s->per_pass = qv__min(qv__max(pass_tokens / s->window, 1), s->n_windows);
    size_t n_passes = (s->n_windows + s->per_pass - 1) / s->per_pass;
    size_t longest = qv__min(s->window, s->n);
    s->n_lanes = qv__min(s->n_lanes, n_passes);
    s->T_max = s->per_pass * longest;
    s->n_rows = qv__min(qv__max(MAX_LOGITS / s->m->c.V, 1), longest);
    qv_carve need = {.used = lay_out(s, NULL)};
    s->mem = qv__carve_alloc(&need);
    if (!s->mem)
        return qv_fail(err, QV_ENOMEM, "no memory for passes of %zu tokens", s->T_max);
    lay_out(s, s->mem);
    qv_status result = QV_OK;
    for (size_t i = 0; !result && i < s->n_lanes; i++) {
        struct lane *l = &s->lane[i];
        result = qv__acts_init(&l->acts, s->m, s->T_max, longest, s->n_rows, 0, 0, err);
        if (!result)
            result = qv__reuse_update(&l->update, reuse, NULL, s->T_max, err);
    }
    return result;
}

/* Lane i's pass of a round of them. */
static void turn(struct scorer *s, size_t at, size_t i)
{
    size_t first = qv__min(at + i * s->per_pass, s->n_windows);
    size_t n = qv__min(s->per_pass, s->n_windows - first);
    if (n)
        pass(s, &s->lane[i], first, n);
}

/* Every lane does one pass, and again until there are no windows left. A lane alone is no
 * parallel region, so that its products have all threads. */
static qv_status run(struct scorer *s, const qv_progress *p, qv_err *err)
{
    double told = qv__seconds();
    size_t round = s->n_lanes * s->per_pass;
    for (size_t at = 0; at < s->n_windows; at += round) {
        if (s->n_lanes == 1)
            turn(s, at, 0);
        else
#pragma omp parallel for schedule(static, 1) num_threads((int)s->n_lanes)
            for (size_t i = 0; i < s->n_lanes; i++)
                turn(s, at, i);
        size_t done = qv__min(at + round, s->n_windows);
        if (!p->fn || qv__seconds() - told < 0.2 || done == s->n_windows)
            continue;
        told = qv__seconds();
        if (p->fn(p->arg, "score", (double)done, (double)s->n_windows, "windows"))
            return qv_fail(err, QV_ECANCEL, "stopped after %zu of %zu windows", done,
                           s->n_windows);
    }
    return QV_OK;
}

qv_status qv__score(float *logprob, const qv_model *m, const qv_reuse *reuse,
                    const int *ids, size_t n, const struct qv_score_opts *opts, qv_err *err)
{
    const struct qv_score_opts o = opts ? *opts : (struct qv_score_opts){0};
    size_t window = o.window ? o.window : m->c.n_ctx;
    struct scorer s = {
        .m = qv__reuse_model(reuse, m),
        .ids = ids,
        .n = n,
        .logprob = logprob,
        .window = window,
        .stride = o.stride ? o.stride : qv__max(window / 2, 1),
        .n_lanes = o.lanes ? o.lanes : (size_t)omp_get_max_threads(),
    };
    qv_status result = check(&s, err);
    if (n)
        logprob[0] = 0;
    if (result || n < 2)
        return result;
    result = prepare(&s, reuse, o.pass_tokens ? o.pass_tokens : 1024, err);
    if (!result)
        result = run(&s, &o.progress, err);
    for (size_t i = 0; s.mem && i < s.n_lanes; i++) {
        qv__update_end(&s.lane[i].update);
        qv__acts_end(&s.lane[i].acts);
    }
    free(s.mem);
    return result;
}
