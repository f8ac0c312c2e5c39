/* parts.c - see parts.h. */
#include "model/parts.h"

/* How many single rows follow one another from part i on. */
static size_t singles(const struct qv_parts *parts, size_t i)
{
    size_t n = 0;
    while (i + n < parts->n && parts->at[i + n].n == 1)
        n++;
    return n;
}

void qv__parts_linear(const struct qv_parts *parts, const struct qv_product *p, size_t n,
                      const float *x, struct qv_linear_room room)
{
    struct qv_product of_part[QV_MAPS_OF_X];
    for (size_t i = 0, n_single; i < parts->n; i += qv__max(n_single, 1)) {
        const struct qv_pass_part *part = &parts->at[i];
        const float *from = x + part->begin * p->w->D_in;
        for (size_t j = 0; j < n; j++)
            of_part[j] = (struct qv_product){p[j].y + part->begin * p[j].w->D_out, p[j].w};
        n_single = singles(parts, i);
        if (n_single > 0)
            qv__linear_rows_all(of_part, n, from, n_single, room);
        else
            qv__linear_all(of_part, n, from, part->n, room);
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
    for (size_t i = 0, n; i < parts->n; i += qv__max(n, 1)) {
        const struct qv_pass_part *p = &parts->at[i];
        bool adds = false;
        n = singles(parts, i);
        for (size_t j = 0; j < n; j++)
            adds = adds || p[j].update;
#pragma omp parallel for schedule(dynamic) if (adds)
        for (size_t j = 0; j < n; j++)
            update(&p[j], site, y, x, w);
        if (n == 0)
            update(p, site, y, x, w);
    }
}
