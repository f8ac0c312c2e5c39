/* lane.c - see lane.h. */
#include "server/lane.h"
#include "base/carve.h"

#include <stdlib.h>

static void describe(struct qv_lane *l, qv_carve *c, size_t n_jobs, size_t T_max)
{
    l->seq = qv__carve(c, n_jobs, 1, 1, sizeof *l->seq);
    l->part = qv__carve(c, n_jobs, 1, 1, sizeof *l->part);
    l->token = qv__carve(c, T_max, 1, 1, sizeof *l->token);
    l->pos = qv__carve(c, T_max, 1, 1, sizeof *l->pos);
    l->row = qv__carve(c, n_jobs, 1, 1, sizeof *l->row);
    l->slot = qv__carve(c, n_jobs, 1, 1, sizeof *l->slot);
}

qv_status qv__lane_init(struct qv_lane *l, const qv_model *m, size_t n_jobs, size_t T_max,
                        size_t n_ctx, size_t n_rows, qv_err *err)
{
    qv_carve c = {0};
    *l = (struct qv_lane){0};
    describe(l, &c, n_jobs, T_max);
    l->mem = qv__carve_alloc(&c);
    if (!l->mem)
        return qv_fail(err, QV_ENOMEM, "no memory for %zu requests", n_jobs);
    c = (qv_carve){.base = l->mem};
    describe(l, &c, n_jobs, T_max);
    qv__lane_begin(l);
    qv_status result = qv__acts_init(&l->acts, m, T_max, n_ctx, n_rows, 0, 0, err);
    if (result)
        qv__lane_end(l);
    return result;
}

void qv__lane_end(struct qv_lane *l)
{
    if (l->mem)
        qv__acts_end(&l->acts);
    free(l->mem);
    *l = (struct qv_lane){0};
}

void qv__lane_begin(struct qv_lane *l)
{
    l->b = (struct qv_batch){.token = l->token, .pos = l->pos, .seq = l->seq};
    l->parts = (struct qv_parts){.at = l->part};
    l->n_rows = 0;
}

size_t qv__lane_feed(struct qv_lane *l, size_t slot, struct qv_seq rows,
                     struct qv_update *update, bool leads)
{
    rows.begin = l->b.T;
    rows.cache = slot;
    l->seq[l->b.n_seq++] = rows;
    l->part[l->parts.n++] = (struct qv_pass_part){rows.begin, rows.n, update};
    l->b.T += rows.n;
    if (leads) {
        l->row[l->n_rows] = (int)(l->b.T - 1);
        l->slot[l->n_rows++] = slot;
    }
    return rows.begin;
}

struct qv_pass qv__lane_pass(const qv_model *m, struct qv_lane *l,
                             struct qv_cache *const *cache)
{
    return (struct qv_pass){
        .m = m, .a = &l->acts, .b = &l->b, .parts = &l->parts, .cache = cache};
}
