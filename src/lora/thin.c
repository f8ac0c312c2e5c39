/* thin.c - see thin.h. */
#include "lora/thin.h"

#include "base/carve.h"
#include "kern/kern.h"

#include <math.h>

enum {
    TOP = 32767,
    ROWS = 4,       // of A, a thread's at a time
    COLUMNS = 256,  // of B transposed
    SMALL = 1 << 16 // multiplications that one thread does as fast as several
};

static size_t lay_out(struct qv_bank *b, void *base)
{
    qv_carve c = {.base = base};
    for (size_t m = 0; m < b->n_sites; m++) {
        struct qv_bank_site *s = &b->site[m];
        struct qv_thin none, *t = qv__carve(&c, s->K, 1, 1, sizeof *t);
        s->thin = base && s->K ? t : NULL;
        t = s->thin ? t : &none;
        t->A = qv__carve(&c, s->K * s->R_max, s->D_in, 1, sizeof *t->A);
        t->Bt = qv__carve(&c, s->K * s->R_max, s->D_out, 1, sizeof *t->Bt);
        t->step_A = qv__carve_f32(&c, s->K * s->R_max, 1);
        t->step_B = qv__carve_f32(&c, s->K * s->R_max, 1);
    }
    return c.used;
}

/* Returns the step of a row, finite numbers. */
static float narrow(int16_t *to, const float *row, size_t n)
{
    float peak = 0;
    for (size_t i = 0; i < n; i++)
        peak = fmaxf(peak, fabsf(row[i]));
    const float step = peak / TOP;
    for (size_t i = 0; i < n; i++)
        to[i] = (int16_t)(step > 0 ? lrintf(fminf(TOP, fmaxf(-TOP, row[i] / step))) : 0);
    return step;
}

qv_status qv__bank_thin(struct qv_bank *b, qv_err *err)
{
    qv_check(b->K == 1 && !b->thin);
    if (qv__kern() == &qv__kern_ref)
        return QV_OK;
    qv_carve need = {.used = lay_out(b, NULL)};
    b->thin = qv__carve_alloc(&need);
    if (!b->thin)
        return qv_fail(err, QV_ENOMEM, "expert '%s': no memory for its %zu bytes",
                       b->name[0], need.used);
    lay_out(b, b->thin);
#pragma omp parallel for schedule(dynamic)
    for (size_t m = 0; m < b->n_sites; m++) {
        const struct qv_bank_site *s = &b->site[m];
        struct qv_thin *t = s->thin;
        for (size_t r = 0; t && r < s->R_max; r++) {
            t->step_A[r] = narrow(t->A + r * s->D_in, s->A[0] + r * s->D_in, s->D_in);
            t->step_B[r] = narrow(t->Bt + r * s->D_out, s->Bt[0] + r * s->D_out, s->D_out);
        }
    }
    return QV_OK;
}

void qv__thin_apply(float *y, const float *x, const struct qv_bank_site *s, float *z)
{
    const struct qv_kern *k = qv__kern();
    const struct qv_thin *t = s->thin;
    const size_t R = s->R_max;
#pragma omp parallel if (R * (s->D_in + s->D_out) > SMALL)
    {
#pragma omp for schedule(static)
        for (size_t r = 0; r < R; r += ROWS) {
            const size_t end = qv__min(r + ROWS, R);
            k->dot_rows_i16(z + r, t->A + r * s->D_in, end - r, x, s->D_in);
            for (size_t i = r; i < end; i++)
                z[i] *= s->scale[0] * t->step_A[i] * t->step_B[i];
        }
#pragma omp for schedule(static)
        for (size_t from = 0; from < s->D_out; from += COLUMNS)
            k->axpy_rows_i16(y + from, z, t->Bt + from, R, s->D_out,
                             qv__min(COLUMNS, s->D_out - from));
    }
}
