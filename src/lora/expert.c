/* expert.c - see expert.h. */
#include "lora/expert.h"
#include "base/carve.h"
#include "base/hash.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool count_weights(size_t *n, const struct qv_expert_shape *shape, size_t n_sites)
{
    *n = 0;
    for (size_t i = 0; i < n_sites; i++) {
        size_t both;
        if (__builtin_add_overflow(shape[i].D_in, shape[i].D_out, &both) ||
            __builtin_mul_overflow(both, shape[i].R, &both) ||
            __builtin_add_overflow(*n, both, n))
            return false;
    }
    return *n < SIZE_MAX / 8;
}

qv_status qv__expert_new(struct qv_expert **out, const char *name,
                         const struct qv_expert_shape *shape, size_t n_sites,
                         bool is_rslora, qv_err *err)
{
    *out = NULL;
    size_t n;
    bool fits = count_weights(&n, shape, n_sites);
    struct qv_expert *e = fits ? calloc(1, sizeof *e) : NULL;
    size_t bytes = (qv__max(n, 1) * sizeof *e->w + 63) & ~(size_t)63;
    float *w = e ? aligned_alloc(64, bytes) : NULL;
    if (!w) {
        free(e);
        return qv_fail(err, QV_ENOMEM, "expert '%s': no memory for its weights", name);
    }
    memset(w, 0, bytes);
    e->w = w;
    e->n_w = n;
    e->is_rslora = is_rslora;
    e->name = qv__arena_str(&e->arena, name);
    e->n_sites = n_sites;
    e->site = qv_new_n(&e->arena, struct qv_expert_site, n_sites);
    for (size_t i = 0; i < n_sites; i++) {
        const struct qv_expert_shape *s = &shape[i];
        double R = (double)s->R;
        e->site[i] = (struct qv_expert_site){
            .path = qv__arena_str(&e->arena, s->path),
            .D_in = s->D_in,
            .D_out = s->D_out,
            .R = s->R,
            .alpha = s->alpha,
            .scale = s->R ? (float)((double)s->alpha / (is_rslora ? sqrt(R) : R)) : 0,
            .A = w,
            .B = w + s->R * s->D_in,
        };
        w += s->R * (s->D_in + s->D_out);
    }
    *out = e;
    return QV_OK;
}

void qv__expert_free(struct qv_expert *e)
{
    if (!e)
        return;
    free(e->w);
    qv__arena_free(&e->arena);
    free(e);
}

const struct qv_expert_site *qv__expert_site(const struct qv_expert *e, const char *path)
{
    for (size_t i = 0; i < e->n_sites; i++)
        if (strcmp(e->site[i].path, path) == 0)
            return &e->site[i];
    return NULL;
}

qv_status qv__expert_site_check(const struct qv_expert_site *s, qv_err *err)
{
    for (size_t k = 0; k < s->R * (s->D_in + s->D_out); k++)
        if (!isfinite(s->A[k]))
            return qv_fail(err, QV_EFORMAT, "site '%.200s': weight %zu is not finite",
                           s->path, k);
    return QV_OK;
}

void qv__expert_give_up(struct qv_expert *e)
{
    qv__let_go(e->w, e->n_w * sizeof *e->w);
    e->w = NULL;
    for (size_t i = 0; i < e->n_sites; i++)
        e->site[i].A = e->site[i].B = NULL;
}

void qv__expert_init(struct qv_expert *e, uint64_t seed)
{
    for (size_t i = 0; i < e->n_sites; i++) {
        const struct qv_expert_site *s = &e->site[i];
        uint64_t stream = qv__seed_named(seed, s->path);
        float bound = 1 / sqrtf(3 * (float)s->D_in);
        for (size_t k = 0; k < s->R * s->D_in; k++)
            s->A[k] = (2 * qv__uniform(stream, k) - 1) * bound;
        for (size_t k = 0; k < s->D_out * s->R; k++)
            s->B[k] = 0;
    }
}

qv_status qv__expert_copy(struct qv_expert **out, const struct qv_expert *e, qv_err *err)
{
    qv_arena a = {0};
    struct qv_expert_shape *shape = qv_new_n(&a, struct qv_expert_shape, e->n_sites);
    for (size_t i = 0; i < e->n_sites; i++) {
        const struct qv_expert_site *s = &e->site[i];
        shape[i] = (struct qv_expert_shape){s->path, s->D_in, s->D_out, s->R, s->alpha};
    }
    qv_status result = qv__expert_new(out, e->name, shape, e->n_sites, e->is_rslora, err);
    qv__arena_free(&a);
    if (result)
        return result;
    struct qv_expert *copy = *out;
    memcpy(copy->w, e->w, e->n_w * sizeof *e->w);
    for (size_t i = 0; i < e->n_sites; i++)
        copy->site[i].scale = e->site[i].scale;
    copy->base = e->base ? qv__arena_str(&copy->arena, e->base) : NULL;
    copy->dropout = e->dropout;
    return QV_OK;
}

static int by_path(const void *x, const void *y)
{
    return strcmp((*(const struct qv_expert_site *const *)x)->path,
                  (*(const struct qv_expert_site *const *)y)->path);
}

/* The hash is of one line a site, sorted by path so that the order in which a
 * model lists its sites makes no difference. */
void qv__expert_hash(char hex[65], const struct qv_expert *e)
{
    qv_arena a = {0};
    const struct qv_expert_site **site =
        qv_new_n(&a, const struct qv_expert_site *, e->n_sites);
    char **line = qv_new_n(&a, char *, e->n_sites);
    size_t size = 0;
    for (size_t i = 0; i < e->n_sites; i++)
        site[i] = &e->site[i];
    if (e->n_sites)
        qsort(site, e->n_sites, sizeof *site, by_path);
    for (size_t i = 0; i < e->n_sites; i++) {
        const struct qv_expert_site *s = site[i];
        char A[QV_HASH_TEXT], B[QV_HASH_TEXT];
        qv__hash_bytes(A, s->A, s->R * s->D_in * sizeof *s->A);
        qv__hash_bytes(B, s->B, s->R * s->D_out * sizeof *s->B);
        line[i] = qv__arena_fmt(&a, "%s %zu %zu %zu %a %s %s\n", s->path, s->D_in, s->D_out,
                                s->R, (double)s->scale, A, B);
        size += strlen(line[i]);
    }
    char *text = qv_new_n(&a, char, size + 1), *at = text;
    for (size_t i = 0; i < e->n_sites; i++) {
        size_t n = strlen(line[i]);
        memcpy(at, line[i], n);
        at += n;
    }
    qv__hash_bytes(hex, text, size);
    qv__arena_free(&a);
}
