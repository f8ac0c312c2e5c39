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

void qv__parts_linear(const struct qv_parts *parts, float *y, const float *x,
                      const struct qv_weight *w, struct qv_linear_room room)
{
    for (size_t i = 0, n; i < parts->n; i += qv__max(n, 1)) {
        const struct qv_pass_part *p = &parts->at[i];
        float *to = y + p->begin * w->D_out;
        const float *from = x + p->begin * w->D_in;
        n = singles(parts, i);
        if (n > 0)
            qv__linear_rows(to, from, w, n, room);
        else
            qv__linear(to, from, w, p->n, room);
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
