/* acts.c - the memory of one pass, laid out in one place. */
#include "model/decoder.h"
#include "base/carve.h"
#include "model/family.h"
#include "op/attention.h"

#include <omp.h>
#include <stdlib.h>

/* All but y->x. */
static void carve_layer(struct qv_layer_acts *y, qv_carve *c, const struct qv_config *d,
                        size_t T)
{
    y->stat1 = qv__carve_f32(c, T, 2);
    y->n1 = qv__carve_f32(c, T, d->D);
    y->q = qv__carve_f32(c, T, d->H * d->E);
    y->k = qv__carve_f32(c, T, d->Hk * d->E);
    y->v = qv__carve_f32(c, T, d->Hk * d->E);
    if (d->has_qk_norm) {
        y->q_raw = qv__carve_f32(c, T, d->H * d->E);
        y->k_raw = qv__carve_f32(c, T, d->Hk * d->E);
        y->q_stat = qv__carve_f32(c, T, d->H * 2);
        y->k_stat = qv__carve_f32(c, T, d->Hk * 2);
    }
    y->att = qv__carve_f32(c, T, d->H * d->E);
    y->lse = qv__carve_f32(c, T, d->H);
    y->mid = qv__carve_f32(c, T, d->D);
    y->stat2 = qv__carve_f32(c, T, 2);
    y->n2 = d->block == QV_PARALLEL_SHARED ? y->n1 : qv__carve_f32(c, T, d->D);
    if (d->is_gated)
        y->gate = qv__carve_f32(c, T, d->F);
    y->up = qv__carve_f32(c, T, d->F);
    y->h = qv__carve_f32(c, T, d->F);
}

static void carve_backward(struct qv_acts *a, qv_carve *c, const struct qv_config *d,
                           size_t widest, size_t R_max)
{
    size_t T = a->T_max;
    a->dx = qv__carve_f32(c, T, d->D);
    a->dn = qv__carve_f32(c, T, d->D);
    if (d->block == QV_PARALLEL)
        a->dn2 = qv__carve_f32(c, T, d->D);
    a->dq = qv__carve_f32(c, T, d->H * d->E);
    a->dk = qv__carve_f32(c, T, d->Hk * d->E);
    a->dv = qv__carve_f32(c, T, d->Hk * d->E);
    if (d->has_qk_norm) {
        a->dq_raw = qv__carve_f32(c, T, d->H * d->E);
        a->dk_raw = qv__carve_f32(c, T, d->Hk * d->E);
    }
    a->datt = qv__carve_f32(c, T, d->H * d->E);
    if (d->is_gated)
        a->dgate = qv__carve_f32(c, T, d->F);
    a->dup = qv__carve_f32(c, T, d->F);
    a->dh = qv__carve_f32(c, T, d->F);
    a->drop = qv__carve_f32(c, T, R_max + widest);
}

/* What each layer has of its own: all, its input, or, without a backward pass, nothing. */
static void carve_layers(struct qv_acts *a, qv_carve *c, const struct qv_config *d,
                         bool trains)
{
    struct qv_layer_acts one = {0};
    for (size_t l = 0; l < d->L; l++) {
        if (trains || l == 0)
            one.x = qv__carve_f32(c, a->T_max, d->D);
        if (l == 0 || (trains && l >= a->n_again))
            carve_layer(&one, c, d, a->T_max);
        if (a->layer)
            a->layer[l] = one;
    }
    a->x = trains ? qv__carve_f32(c, a->T_max, d->D) : one.x;
}

static size_t lay_out(struct qv_acts *a, void *base, const qv_model *m, bool trains,
                      size_t R_max)
{
    const struct qv_config *d = &m->c;
    qv_carve c = {.base = base};
    size_t T = a->T_max;
    size_t qkv = (d->H + 2 * d->Hk) * d->E;
    size_t widest = qv__max(qv__max(d->D, d->F), qkv);
    a->layer = qv__carve(&c, d->L, 1, 1, sizeof *a->layer);
    a->keys = qv__carve(&c, T, 1, 1, sizeof *a->keys);
    a->values = qv__carve(&c, T, 1, 1, sizeof *a->values);
    a->read = qv__carve(&c, T, 1, 1, sizeof *a->read);
    a->read_part = qv__carve(&c, T, 1, 1, sizeof *a->read_part);
    carve_layers(a, &c, d, trains);
    a->read_x = qv__carve_f32(&c, T, d->D);
    if (d->block == QV_PARALLEL_SHARED)
        a->read_n1 = qv__carve_f32(&c, T, d->D);
    a->proj = qv__carve_f32(&c, T, d->D);
    if (d->family->names.map[QV_QKV])
        a->qkv = qv__carve_f32(&c, T, qkv);
    a->rows = qv__carve_f32(&c, a->n_rows, d->D);
    a->row_stat = qv__carve_f32(&c, a->n_rows, 2);
    a->row_normed = qv__carve_f32(&c, a->n_rows, d->D);
    a->logits = qv__carve_f32(&c, a->n_rows, d->V);
    a->scratch =
        qv__carve_f32(&c, (size_t)omp_get_max_threads(), qv__attention_scratch(a->n_max));
    if (m->wants_bf16)
        a->room.half = qv__carve(&c, qv__max(T, a->n_rows), qv__max(widest, d->V), 1,
                                 sizeof *a->room.half);
    a->room.is_exact = m->wants_f32;
    if (m->has_blocks)
        a->room.slab = qv__carve_f32(&c, qv__linear_slab(widest), 1);
    if (trains)
        carve_backward(a, &c, d, widest, R_max);
    return c.used;
}

qv_status qv__acts_init(struct qv_acts *a, const qv_model *m, size_t T_max, size_t n_max,
                        size_t n_rows, size_t memory, size_t R_max, qv_err *err)
{
    const bool trains = memory > 0;
    *a = (struct qv_acts){.T_max = T_max, .n_max = n_max, .n_rows = n_rows};
    qv_carve need = {.used = lay_out(a, NULL, m, trains, R_max)};
    while (trains && need.used > memory && a->n_again < m->c.L) {
        a->n_again++;
        need.used = lay_out(a, NULL, m, trains, R_max);
    }
    a->mem = qv__carve_alloc(&need);
    if (!a->mem)
        return qv_fail(err, QV_ENOMEM, "no memory for %zu tokens of activations", T_max);
    lay_out(a, a->mem, m, trains, R_max);
    return QV_OK;
}

void qv__acts_end(struct qv_acts *a)
{
    free(a->mem);
    *a = (struct qv_acts){0};
}
