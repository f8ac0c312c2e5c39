/* options.c - see options.h. Groups are packed into passes, and passes dealt to lanes,
 * one thread each; logits are made for a block of rows at a time. */
#include "eval/options.h"

#include "base/carve.h"
#include "model/decoder.h"
#include "model/forward.h"
#include "model/model.h"
#include "model/reuse.h"
#include "op/loss.h"

#include <omp.h>
#include <stdlib.h>

enum { MAX_LOGITS = 1 << 22 }; // floats of logits a lane makes at a time: 16 MiB

/* A target, the row that predicts it, and whose sum it belongs to. */
struct wanted {
    size_t row; // of the pass; then its place in lane.row
    int target;
    size_t sequence;
};

struct lane {
    struct qv_acts acts;
    struct qv_update update;
    int *token, *pos;      // [T_max]
    struct qv_seq *seq;    // [T_max]
    size_t *place;         // [T_max] 1 + where a row is in `row`, or 0
    int *row;              // [T_max] rows whose logits are wanted, each once
    struct wanted *wanted; // [n_wanted]
    double *lse;           // [n_rows]
};

struct scorer {
    const qv_model *m;
    const struct qv_group *g; // [n]
    size_t n;
    double *logprob;
    bool reads;    // the router reads prompts, so options share a whole one or nothing
    size_t *first; // [n + 1] number of each group's first sequence
    size_t *begin; // [n_passes + 1] first group of each pass
    size_t n_passes;
    size_t T_max, n_max, n_rows, n_wanted; // ceilings of a pass
    struct lane *lane;                     // [n_lanes]
    size_t n_lanes;
    void *mem;
};

size_t qv__group_shares(const struct qv_group *g)
{
    if (g->n < 2)
        return 0;
    size_t least = g->s[0].n;
    for (size_t j = 1; j < g->n; j++)
        least = qv__min(least, g->s[j].n);
    size_t same = 0;
    for (; same + 1 < least; same++)
        for (size_t j = 1; j < g->n; j++)
            if (g->s[j].ids[same] != g->s[0].ids[same])
                return same;
    return same;
}

/* What of that a pass makes use of. */
static size_t shared_by(const struct scorer *s, const struct qv_group *g)
{
    size_t shared = qv__group_shares(g);
    for (size_t j = 0; s->reads && j < g->n; j++)
        if (g->s[j].n_prompt != g->s[0].n_prompt || g->s[j].n_prompt > shared)
            return 0;
    return shared;
}

/* What a group takes of a pass. */
struct extent {
    size_t shared, rows, targets, longest;
};

static struct extent extent_of(const struct scorer *o, const struct qv_group *g)
{
    size_t shared = shared_by(o, g);
    struct extent x = {.shared = shared, .rows = shared};
    for (size_t j = 0; j < g->n; j++) {
        const struct qv_sequence *s = &g->s[j];
        x.rows += s->n - 1 - shared;
        x.targets += s->n - s->n_prompt;
        x.longest = qv__max(x.longest, s->n);
    }
    return x;
}

/* ---- passes ---- */

static void append_rows(struct lane *l, struct qv_batch *b, const struct qv_sequence *s,
                        size_t from, size_t to, struct qv_seq seq)
{
    seq.begin = b->T;
    seq.n = to - from;
    if (seq.n == 0)
        return;
    l->seq[b->n_seq++] = seq;
    for (size_t i = from; i < to; i++, b->T++) {
        l->token[b->T] = s->ids[i];
        l->pos[b->T] = (int)i;
    }
}

/* A group's rows into the batch, and its targets among what is wanted. */
static void append(struct scorer *s, struct lane *l, struct qv_batch *b, size_t *n_wanted,
                   size_t group)
{
    const struct qv_group *g = &s->g[group];
    size_t shared = shared_by(s, g), stem_begin = b->T, stem = b->n_seq, unread = shared;
    for (size_t j = 0; j < g->n; j++)
        unread = qv__min(unread, g->s[j].n_prompt - 1);
    if (shared)
        append_rows(l, b, &g->s[0], 0, shared,
                    (struct qv_seq){.n_prompt = g->s[0].n_prompt, .n_unread = unread});
    for (size_t j = 0; j < g->n; j++) {
        const struct qv_sequence *q = &g->s[j];
        size_t own = b->T;
        append_rows(l, b, q, shared, q->n - 1,
                    (struct qv_seq){.n_prompt = q->n_prompt,
                                    .n_unread = qv__max(q->n_prompt - 1, shared) - shared,
                                    .stem = shared ? stem : 0,
                                    .n_stem = shared});
        for (size_t i = q->n_prompt; i < q->n; i++) {
            size_t at = i - 1, row = at < shared ? stem_begin + at : own + at - shared;
            l->wanted[(*n_wanted)++] = (struct wanted){row, q->ids[i], s->first[group] + j};
        }
    }
}

/* Several options may want different tokens of one row: its logits are made once. */
static size_t list_rows(struct lane *l, size_t T, size_t n_wanted)
{
    size_t n = 0;
    for (size_t i = 0; i < T; i++)
        l->place[i] = 0;
    for (size_t i = 0; i < n_wanted; i++) {
        size_t *place = &l->place[l->wanted[i].row];
        if (!*place) {
            l->row[n++] = (int)l->wanted[i].row;
            *place = n;
        }
        l->wanted[i].row = *place - 1;
    }
    return n;
}

static void add_up(struct scorer *s, struct lane *l, size_t n_wanted, size_t from, size_t n)
{
    const size_t V = s->m->c.V;
    qv__log_sum_exp(l->lse, l->acts.logits, n, V);
    for (size_t i = 0; i < n_wanted; i++) {
        const struct wanted *w = &l->wanted[i];
        if (w->row < from || w->row >= from + n)
            continue;
        size_t r = w->row - from;
        s->logprob[w->sequence] +=
            (double)l->acts.logits[r * V + (size_t)w->target] - l->lse[r];
    }
}

static void pass(struct scorer *s, struct lane *l, size_t first, size_t last)
{
    size_t n_wanted = 0;
    struct qv_batch b = {.token = l->token, .pos = l->pos, .seq = l->seq};
    for (size_t i = first; i < last; i++)
        append(s, l, &b, &n_wanted, i);
    struct qv_pass p = {.m = s->m, .a = &l->acts, .b = &b, .update = &l->update};
    size_t n = list_rows(l, b.T, n_wanted);
    qv__forward(&p);
    for (size_t from = 0; from < n; from += s->n_rows) {
        size_t part = qv__min(s->n_rows, n - from);
        qv__decoder_logits(&p, l->row + from, part);
        add_up(s, l, n_wanted, from, part);
    }
}

/* ---- room ---- */

/* Cut the groups into passes of about pass_tokens rows, as many as fill the lanes. */
static qv_status plan(struct scorer *s, size_t pass_tokens, qv_err *err)
{
    size_t total = 0, T = 0, wanted = 0;
    s->first = malloc((s->n + 1) * sizeof *s->first);
    s->begin = malloc((s->n + 1) * sizeof *s->begin);
    if (!s->first || !s->begin)
        return qv_fail(err, QV_ENOMEM, "no memory for %zu examples", s->n);
    for (size_t i = 0, at = 0; i < s->n; at += s->g[i++].n) {
        s->first[i] = at;
        total += extent_of(s, &s->g[i]).rows;
    }
    size_t round = pass_tokens * s->n_lanes;
    size_t aim = total / ((total + round - 1) / round * s->n_lanes) + 1;
    for (size_t i = 0; i < s->n; i++) {
        struct extent x = extent_of(s, &s->g[i]);
        if (i == 0 || T >= aim) {
            s->begin[s->n_passes++] = i;
            T = wanted = 0;
        }
        T += x.rows;
        wanted += x.targets;
        s->T_max = qv__max(s->T_max, T);
        s->n_wanted = qv__max(s->n_wanted, wanted);
        s->n_max = qv__max(s->n_max, x.longest);
    }
    s->begin[s->n_passes] = s->n;
    s->n_lanes = qv__min(s->n_lanes, s->n_passes);
    return QV_OK;
}

static size_t lay_out(struct scorer *s, void *base)
{
    qv_carve c = {.base = base};
    size_t T = s->T_max;
    s->lane = qv__carve(&c, s->n_lanes, 1, 1, sizeof *s->lane);
    for (size_t i = 0; i < s->n_lanes; i++) {
        struct lane none, *l = base ? &s->lane[i] : &none;
        l->token = qv__carve(&c, T, 1, 1, sizeof *l->token);
        l->pos = qv__carve(&c, T, 1, 1, sizeof *l->pos);
        l->seq = qv__carve(&c, T, 1, 1, sizeof *l->seq);
        l->place = qv__carve(&c, T, 1, 1, sizeof *l->place);
        l->row = qv__carve(&c, T, 1, 1, sizeof *l->row);
        l->wanted = qv__carve(&c, s->n_wanted, 1, 1, sizeof *l->wanted);
        l->lse = qv__carve(&c, s->n_rows, 1, 1, sizeof *l->lse);
    }
    return c.used;
}

static qv_status prepare(struct scorer *s, const qv_reuse *reuse, const char *task,
                         qv_err *err)
{
    s->n_rows = qv__min(qv__max(MAX_LOGITS / s->m->c.V, 1), s->T_max);
    qv_carve need = {.used = lay_out(s, NULL)};
    s->lane = NULL;
    s->mem = qv__carve_alloc(&need);
    if (!s->mem)
        return qv_fail(err, QV_ENOMEM, "no memory for passes of %zu tokens", s->T_max);
    lay_out(s, s->mem);
    qv_status result = QV_OK;
    for (size_t i = 0; !result && i < s->n_lanes; i++) {
        struct lane *l = &s->lane[i];
        result =
            qv__acts_init(&l->acts, s->m, s->T_max, s->n_max, s->n_rows, false, 0, err);
        if (!result)
            result = qv__reuse_update(&l->update, reuse, task, s->T_max, err);
    }
    return result;
}

qv_status qv__score_groups(double *logprob, const qv_model *m, const qv_reuse *reuse,
                           const char *task, const struct qv_group *g, size_t n,
                           size_t pass_tokens, qv_err *err)
{
    struct scorer s = {.m = m,
                       .g = g,
                       .n = n,
                       .logprob = logprob,
                       .reads = reuse && reuse->router && reuse->router->ops->reads,
                       .n_lanes = (size_t)omp_get_max_threads()};
    qv_status result = n ? plan(&s, qv__max(pass_tokens, 1), err) : QV_OK;
    for (size_t i = 0; !result && n && i < s.first[n - 1] + g[n - 1].n; i++)
        logprob[i] = 0;
    if (!result && n)
        result = prepare(&s, reuse, task, err);
    if (!result && n) {
#pragma omp parallel for schedule(static, 1) num_threads((int)s.n_lanes)
        for (size_t i = 0; i < s.n_lanes; i++)
            for (size_t j = i; j < s.n_passes; j += s.n_lanes)
                pass(&s, &s.lane[i], s.begin[j], s.begin[j + 1]);
    }
    for (size_t i = 0; s.mem && i < s.n_lanes; i++) {
        qv__update_end(&s.lane[i].update);
        qv__acts_end(&s.lane[i].acts);
    }
    free(s.mem);
    free(s.first);
    free(s.begin);
    return result;
}
