/* parts.c - see parts.h. */
#include "model/parts.h"

void qv__parts_linear(const struct qv_parts *parts, float *y, const float *x,
                      const struct qv_weight *w, struct qv_linear_room room)
{
    qv__linear_rows(y, x, w, parts->n_single, room);
    for (size_t i = parts->n_single; i < parts->n; i++) {
        const struct qv_pass_part *p = &parts->at[i];
        qv__linear(y + p->begin * w->D_out, x + p->begin * w->D_in, w, p->n, room);
    }
}

static void update(const struct qv_pass_part *p, size_t site, float *y, const float *x,
                   const struct qv_weight *w)
{
    qv__update_apply(p->update, site, y + p->begin * w->D_out, x + p->begin * w->D_in,
                     p->n);
}

/* Single rows share a team even if there is but one: inside it a product has one thread,
 * alone as in company. Where there is nothing to add, nobody is woken for it. */
void qv__parts_update(const struct qv_parts *parts, size_t site, float *y, const float *x,
                      const struct qv_weight *w)
{
    bool adds = false;
    for (size_t i = 0; i < parts->n_single; i++)
        adds = adds || parts->at[i].update;
#pragma omp parallel for schedule(dynamic) if (adds)
    for (size_t i = 0; i < parts->n_single; i++)
        update(&parts->at[i], site, y, x, w);
    for (size_t i = parts->n_single; i < parts->n; i++)
        update(&parts->at[i], site, y, x, w);
}
