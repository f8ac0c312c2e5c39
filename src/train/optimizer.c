/* optimizer.c - see optimizer.h. */
#include "train/optimizer.h"
#include "op/muon.h"

#include <stdlib.h>

struct qv_matrix {
    size_t at, rows, cols; // at: its first parameter
};

qv_status qv__optimizer_init(struct qv_optimizer *o, const qv_model *m, bool muon,
                             qv_err *err)
{
    *o = (struct qv_optimizer){0};
    if (!muon)
        return QV_OK;
    o->matrix = calloc(m->c.L * QV_N_MAPS, sizeof *o->matrix);
    if (!o->matrix)
        return qv_fail(err, QV_ENOMEM, "no memory for a list of matrices");
    for (size_t l = 0; l < m->c.L; l++)
        for (size_t i = 0; i < QV_N_MAPS; i++) { // in the order of m->own
            const struct qv_weight *w = &m->layer[l].map[i].w;
            if (w->D_in == 0)
                continue;
            size_t at = (size_t)(w->f32 - m->own);
            o->matrix[o->n_matrices++] = (struct qv_matrix){at, w->D_out, w->D_in};
            o->scratch = qv__max(o->scratch, qv__muon_scratch(w->D_out, w->D_in));
        }
    return QV_OK;
}

void qv__optimizer_end(struct qv_optimizer *o)
{
    free(o->matrix);
    *o = (struct qv_optimizer){0};
}

static void step_matrices(const struct qv_optimizer *o, struct qv_state *st, const float *g,
                          const struct qv_muon *muon, float scale)
{
#pragma omp parallel
    {
        float *scratch = malloc(o->scratch * sizeof *scratch);
        qv_check(scratch);
#pragma omp for schedule(dynamic, 1)
        for (size_t i = 0; i < o->n_matrices; i++) {
            const struct qv_matrix *x = &o->matrix[i];
            qv__muon(st->p + x->at, g + x->at, st->m + x->at, x->rows, x->cols, muon, scale,
                     scratch);
        }
        free(scratch);
    }
}

void qv__optimizer_step(const struct qv_optimizer *o, struct qv_state *st, const float *g,
                        const struct qv_adamw *adamw, const struct qv_adamw *mixing,
                        float scale)
{
    const struct qv_muon muon = {adamw->lr, 0.95f, adamw->decay};
    size_t at = 0, t = st->step + 1, last = st->n - o->n_mixing;
    for (size_t i = 0; i < o->n_matrices; i++) {
        const struct qv_matrix *x = &o->matrix[i];
        qv__adamw(st->p + at, g + at, st->m + at, st->v + at, x->at - at, adamw, t, scale);
        at = x->at + x->rows * x->cols;
    }
    qv__adamw(st->p + at, g + at, st->m + at, st->v + at, last - at, adamw, t, scale);
    if (o->n_mixing)
        qv__adamw(st->p + last, g + last, st->m + last, st->v + last, o->n_mixing, mixing,
                  t, scale);
    if (o->n_matrices)
        step_matrices(o, st, g, &muon, scale);
}
