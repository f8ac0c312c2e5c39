/* compose.c - see compose.h.
 *
 * With z_e,i = A_e,i . x (row i of A_e) both ways end in the rows of B
 * transposed, and differ in the coefficients alone:
 *   factor   u_i = sum_e w_e z_e,i     y += sum_e sum_i w_e s_e u_i   Bt_e,i
 *   output                             y += sum_e sum_i w_e s_e z_e,i Bt_e,i
 * Rank by rank, neither needs any scratch.
 */
#include "lora/compose.h"

#include "kern/kern.h"

#include <math.h>
#include <string.h>

struct token {
    float *y;       // [D_out]
    const float *x; // [D_in]
    size_t k;
    const int *expert;   // [k]
    const float *weight; // [k]
};

static bool has_row(const struct qv_bank_site *s, size_t e, size_t i)
{
    return i < s->first[e + 1] - s->first[e];
}

static void factor(const struct token *t, const struct qv_bank_site *s,
                   const struct qv_kern *kern)
{
    for (size_t i = 0; i < s->R_max; i++) {
        float u = 0;
        for (size_t j = 0; j < t->k; j++) {
            size_t e = (size_t)t->expert[j];
            if (has_row(s, e, i))
                u += t->weight[j] *
                     kern->dot(s->A + (s->first[e] + i) * s->D_in, t->x, s->D_in);
        }
        for (size_t j = 0; j < t->k; j++) {
            size_t e = (size_t)t->expert[j];
            if (has_row(s, e, i))
                kern->axpy(t->y, t->weight[j] * s->scale[e] * u,
                           s->Bt + (s->first[e] + i) * s->D_out, s->D_out);
        }
    }
}

static void output(const struct token *t, const struct qv_bank_site *s,
                   const struct qv_kern *kern)
{
    for (size_t j = 0; j < t->k; j++) {
        size_t e = (size_t)t->expert[j];
        for (size_t row = s->first[e]; row < s->first[e + 1]; row++) {
            float z = kern->dot(s->A + row * s->D_in, t->x, s->D_in);
            kern->axpy(t->y, t->weight[j] * s->scale[e] * z, s->Bt + row * s->D_out,
                       s->D_out);
        }
    }
}

void qv__compose(float *y, const float *x, size_t T, const struct qv_bank_site *s,
                 const struct qv_routing *r, enum qv_compose how)
{
    const struct qv_kern *kern = qv__kern();
#pragma omp parallel for schedule(static) if (T > 1)
    for (size_t t = 0; t < T; t++) {
        struct token one = {.y = y + t * s->D_out,
                            .x = x + t * s->D_in,
                            .k = r->k,
                            .expert = r->expert + t * r->k,
                            .weight = r->weight + t * r->k};
        if (how == QV_FACTOR)
            factor(&one, s, kern);
        else
            output(&one, s, kern);
    }
}

/* The shapes of the folded expert: sites in order of first appearance. */
struct shapes {
    struct qv_expert_shape *at; // [n]
    size_t n;
};

static qv_status add_shape(struct shapes *to, const struct qv_expert_site *s,
                           const char *expert, enum qv_compose how, qv_err *err)
{
    size_t i = 0;
    while (i < to->n && strcmp(to->at[i].path, s->path) != 0)
        i++;
    struct qv_expert_shape *shape = &to->at[i];
    if (i == to->n) {
        to->n++;
        *shape =
            (struct qv_expert_shape){.path = s->path, .D_in = s->D_in, .D_out = s->D_out};
    } else if (shape->D_in != s->D_in || shape->D_out != s->D_out)
        return qv_fail(
            err, QV_EFORMAT,
            "expert '%s': site '%s' maps %zu to %zu, another expert's %zu to %zu", expert,
            s->path, s->D_in, s->D_out, shape->D_in, shape->D_out);
    shape->R = how == QV_FACTOR ? qv__max(shape->R, s->R) : shape->R + s->R;
    shape->alpha = (float)shape->R; // so that the scale is 1
    return QV_OK;
}

/* to += w times the expert's site; `row` is where its rank 0 goes. */
static void add_site(struct qv_expert_site *to, size_t row, const struct qv_expert_site *s,
                     float w, enum qv_compose how)
{
    float a = how == QV_FACTOR ? w : 1, b = w * s->scale;
    float *A = to->A + row * s->D_in, *B = to->B + row;
    for (size_t i = 0; i < s->R * s->D_in; i++)
        A[i] += a * s->A[i];
    for (size_t o = 0; o < s->D_out; o++)
        for (size_t r = 0; r < s->R; r++)
            B[o * to->R + r] += b * s->B[o * s->R + r];
}

static void add_experts(struct qv_expert *to, struct qv_expert *const *experts,
                        const float *w, size_t K, enum qv_compose how)
{
    for (size_t i = 0; i < to->n_sites; i++) {
        struct qv_expert_site *site = &to->site[i];
        size_t row = 0;
        for (size_t k = 0; k < K; k++)
            for (size_t j = 0; j < experts[k]->n_sites && w[k] != 0; j++) {
                const struct qv_expert_site *s = &experts[k]->site[j];
                if (strcmp(s->path, site->path) != 0)
                    continue;
                add_site(site, row, s, w[k], how);
                row += how == QV_FACTOR ? 0 : s->R;
            }
    }
}

qv_status qv__fold(struct qv_expert **out, const char *name,
                   struct qv_expert *const *experts, const float *w, size_t K,
                   enum qv_compose how, qv_err *err)
{
    *out = NULL;
    qv_arena scratch = {0};
    struct shapes shapes = {0};
    size_t most = 0;
    const char *base = NULL;
    qv_status result = QV_OK;
    for (size_t k = 0; k < K; k++) {
        if (!isfinite(w[k]))
            return qv_fail(err, QV_EFORMAT, "expert '%s': its weight is not finite",
                           experts[k]->name);
        if (w[k] == 0)
            continue;
        most += experts[k]->n_sites;
        base = base ? base : experts[k]->base;
    }
    if (most == 0)
        return qv_fail(err, QV_EFORMAT, "'%s': no expert has a weight", name);

    shapes.at = qv_new_n(&scratch, struct qv_expert_shape, most);
    for (size_t k = 0; k < K && !result; k++)
        for (size_t i = 0; i < experts[k]->n_sites && w[k] != 0 && !result; i++)
            result = add_shape(&shapes, &experts[k]->site[i], experts[k]->name, how, err);
    if (!result)
        result = qv__expert_new(out, name, shapes.at, shapes.n, false, err);
    if (!result) {
        add_experts(*out, experts, w, K, how);
        (*out)->base = base ? qv__arena_str(&(*out)->arena, base) : NULL;
    }
    qv__arena_free(&scratch);
    return result;
}
