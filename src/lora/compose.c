/* compose.c - see compose.h.
 *
 * With z_e,i = A_e,i . x (row i of A_e) both ways end in the rows of B
 * transposed, and differ in the coefficients alone:
 *   factor   u_i = sum_e w_e z_e,i     y += sum_e sum_i w_e s_e u_i   Bt_e,i
 *   output                             y += sum_e sum_i w_e s_e z_e,i Bt_e,i
 *
 * The (token, expert) pairs are sorted by expert, so that an expert is read from memory
 * once for all tokens that chose it. In the second product threads share the columns: a
 * token's experts are then added in the order of their places whatever the number of
 * threads or the tokens beside it, and its sums are the same.
 */
#include "lora/compose.h"

#include "kern/kern.h"

#include <math.h>
#include <string.h>

enum {
    FEW_PAIRS = 64, // sorted by insertion; more are counted
    COLUMNS = 256,  // of y, a thread's at a time: with B's columns beneath they fit a cache
    SMALL = 1 << 16 // multiplications that one thread does as fast as several
};

void qv__compose_carve(struct qv_compose_room *room, qv_carve *c, size_t T, size_t k,
                       size_t K, size_t R_max)
{
    const size_t pairs = T * k;
    room->z = qv__carve_f32(c, pairs, R_max);
    room->pair = qv__carve(c, pairs, 1, 1, sizeof *room->pair);
    room->group = qv__carve(c, qv__max(pairs, K) + 1, 1, 1, sizeof *room->group);
}

/* pair[i] = the i-th pair of r by (expert, token), by counting. */
static void count_pairs(const struct qv_compose_room *room, const int *expert, size_t n,
                        size_t K)
{
    uint32_t *first = room->group;
    memset(first, 0, (K + 1) * sizeof *first);
    for (size_t p = 0; p < n; p++)
        first[expert[p] + 1]++;
    for (size_t e = 0; e < K; e++)
        first[e + 1] += first[e];
    for (size_t p = 0; p < n; p++)
        room->pair[first[expert[p]]++] = (uint32_t)p;
}

/* The same by insertion. */
static void insert_pairs(const struct qv_compose_room *room, const int *expert, size_t n)
{
    for (size_t p = 0; p < n; p++) {
        size_t i = p;
        for (; i > 0 && expert[room->pair[i - 1]] > expert[p]; i--)
            room->pair[i] = room->pair[i - 1];
        room->pair[i] = (uint32_t)p;
    }
}

/* Pairs by expert; expert g of those that are used has pair[group[g]] .. group[g + 1].
 * Returns how many are used. */
static size_t group_pairs(const struct qv_compose_room *room, const int *expert, size_t n,
                          size_t K)
{
    size_t n_groups = 0;
    if (n <= FEW_PAIRS)
        insert_pairs(room, expert, n);
    else
        count_pairs(room, expert, n, K);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || expert[room->pair[i]] != expert[room->pair[i - 1]])
            room->group[n_groups++] = (uint32_t)i;
    room->group[n_groups] = (uint32_t)n;
    return n_groups;
}

static size_t rank_of(const struct qv_bank_site *s, int e)
{
    return s->first[e + 1] - s->first[e];
}

/* One token's z [k, R_max] become the coefficients of the rows of B. */
static void weigh(float *z, const struct qv_bank_site *s, const int *expert,
                  const float *weight, size_t k, enum qv_compose how)
{
    const size_t R = s->R_max;
    for (size_t i = 0; how == QV_FACTOR && i < R; i++) {
        float u = 0;
        for (size_t j = 0; j < k; j++)
            if (i < rank_of(s, expert[j]))
                u += weight[j] * z[j * R + i];
        for (size_t j = 0; j < k; j++)
            z[j * R + i] = u;
    }
    for (size_t j = 0; j < k; j++)
        for (size_t i = 0; i < rank_of(s, expert[j]); i++)
            z[j * R + i] *= weight[j] * s->scale[expert[j]];
}

/* Columns `from` and so on of y += what all pairs add to them. */
static void add_columns(float *y, size_t from, size_t width, const struct qv_bank_site *s,
                        const struct qv_routing *r, const struct qv_compose_room *room,
                        size_t n)
{
    const struct qv_kern *kern = qv__kern();
    for (size_t i = 0; i < n; i++) {
        const size_t p = room->pair[i], t = p / r->k;
        const int e = r->expert[p];
        kern->axpy_rows(y + t * s->D_out + from, room->z + p * s->R_max, s->Bt[e] + from,
                        rank_of(s, e), s->D_out, width);
    }
}

void qv__compose(float *y, const float *x, size_t T, const struct qv_bank_site *s,
                 const struct qv_routing *r, enum qv_compose how,
                 const struct qv_compose_room *room)
{
    const struct qv_kern *kern = qv__kern();
    const size_t k = r->k, n = T * k, R = s->R_max;
    const size_t n_groups = group_pairs(room, r->expert, n, s->K);
#pragma omp parallel if (n * R * (s->D_in + s->D_out) > SMALL)
    {
#pragma omp for schedule(dynamic)
        for (size_t g = 0; g < n_groups; g++) {
            qv__bank_touch(s, (size_t)r->expert[room->pair[room->group[g]]]);
            for (size_t i = room->group[g]; i < room->group[g + 1]; i++) {
                const size_t p = room->pair[i];
                const int e = r->expert[p];
                kern->dots(
                    room->z + p * R, QV_BLOCK_F32, s->A[e], x + p / k * s->D_in,
                    (struct qv_dots){
                        .n = s->D_in, .rows = rank_of(s, e), .stride = s->D_in, .T = 1});
            }
        }
#pragma omp for schedule(static)
        for (size_t t = 0; t < T; t++)
            weigh(room->z + t * k * R, s, r->expert + t * k, r->weight + t * k, k, how);
#pragma omp for schedule(static)
        for (size_t from = 0; from < s->D_out; from += COLUMNS)
            add_columns(y, from, qv__min(COLUMNS, s->D_out - from), s, r, room, n);
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
