/* gguf_adapter.c - see gguf_adapter.h. */
#include "model/gguf_adapter.h"
#include "base/file.h"
#include "lora/peft.h"
#include "model/gguf_arch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool qv__is_gguf_name(const char *path)
{
    size_t n = strlen(path), m = strlen(".gguf");
    return n > m && strcmp(path + n - m, ".gguf") == 0;
}

/* ---- sites and names ---- */

enum { NAME_ROOM = 64 };

/* The tensor that site `site` of the model is in its GGUF file. */
static void name_of(char out[NAME_ROOM], const qv_model *m, size_t site)
{
    size_t map = 0;
    while (m->slot[map] != site % m->n_maps)
        map++;
    snprintf(out, NAME_ROOM, "blk.%zu.%s.weight", site / m->n_maps,
             qv__gguf_names.map[map]);
}

/* The model's site that tensor `name` is, or its number of sites. */
static size_t site_of(const qv_model *m, const char *name)
{
    char room[NAME_ROOM];
    size_t layer;
    if (sscanf(name, "blk.%4zu.", &layer) != 1 || layer >= m->c.L)
        return m->sites.n;
    for (size_t i = layer * m->n_maps; i < (layer + 1) * m->n_maps; i++) {
        name_of(room, m, i);
        if (strcmp(room, name) == 0)
            return i;
    }
    return m->sites.n;
}

static qv_status find_arch(const struct qv_gguf_arch **out, const qv_model *m, qv_err *err)
{
    *out = qv__gguf_arch_of(m->c.family);
    return *out ? QV_OK
                : qv_fail(err, QV_EUNSUPPORTED,
                          "GGUF has no architecture for model_type '%s'",
                          m->c.family->model_type);
}

/* ---- reading ---- */

/* A pair and the site it is for. */
struct fitted {
    const struct qv_gguf_pair *pair;
    size_t site;
};

static int by_site(const void *x, const void *y)
{
    const struct fitted *a = x, *b = y;
    return a->site < b->site ? -1 : a->site > b->site;
}

static qv_status find_site(struct fitted *f, const struct qv_gguf_pair *p,
                           const qv_model *m, qv_err *err)
{
    *f = (struct fitted){p, site_of(m, p->name)};
    if (f->site < m->sites.n)
        return QV_OK;
    if (strcmp(p->name, "token_embd.weight") == 0)
        return qv_fail(err, QV_EUNSUPPORTED, "adapted embeddings are not supported");
    if (strcmp(p->name, "output.weight") == 0)
        return qv_fail(err, QV_EUNSUPPORTED, "an adapted head is not supported");
    return qv_fail(err, QV_EFORMAT, "the model has no such map");
}

/* llama.cpp's converter turns the maps of GPT-2, which Hugging Face stores turned, and
 * with them the adapters, which it does not: A is then B transposed, and B is A. A map
 * that is not square tells; llama.cpp itself refuses such a file. */
static bool is_turned(const struct fitted *f, size_t n, const qv_model *m)
{
    bool turned = false;
    for (size_t i = 0; i < n && m->c.family->is_conv1d; i++) {
        const struct qv_site *s = &m->sites.at[f[i].site];
        if (f[i].pair->D_in != s->D_out || f[i].pair->D_out != s->D_in)
            return false;
        turned |= s->D_in != s->D_out;
    }
    return turned;
}

static qv_status check_sizes(const struct fitted *f, bool turned, const qv_model *m,
                             qv_err *err)
{
    const struct qv_site *s = &m->sites.at[f->site];
    size_t D_in = turned ? f->pair->D_out : f->pair->D_in;
    size_t D_out = turned ? f->pair->D_in : f->pair->D_out;
    if (D_in != s->D_in)
        return qv_fail(err, QV_EFORMAT,
                       "tensor '%s': %zu inputs, but the model's site has %zu",
                       f->pair->A->name, D_in, s->D_in);
    if (D_out != s->D_out)
        return qv_fail(err, QV_EFORMAT,
                       "tensor '%s': %zu outputs, but the model's site has %zu",
                       f->pair->B->name, D_out, s->D_out);
    return QV_OK;
}

/* to [n_cols, n_rows] is from [n_rows, n_cols] transposed. */
static void transpose(float *to, const float *from, size_t n_rows, size_t n_cols)
{
    for (size_t r = 0; r < n_rows; r++)
        for (size_t c = 0; c < n_cols; c++)
            to[c * n_rows + r] = from[r * n_cols + c];
}

/* B's rows, read in the file's order into `room`, to their places. */
static void place_rows(float *B, const float *room, const struct qv_expert_site *s,
                       enum qv_gguf_order order, const struct qv_config *c)
{
    for (size_t o = 0; o < s->D_out; o++)
        memcpy(B + qv__gguf_row(order, c, o) * s->R, room + o * s->R, s->R * sizeof *room);
}

static qv_status read_weights(struct qv_expert_site *s, const struct qv_gguf_pair *p,
                              bool turned, const qv_model *m, qv_err *err)
{
    enum qv_gguf_order order = qv__gguf_order(qv__gguf_arch_of(m->c.family), p->name);
    float *room = malloc(qv__max(s->D_in, s->D_out) * s->R * sizeof *room);
    if (!room)
        return qv_fail(err, QV_ENOMEM, "no memory for tensor '%s'", p->A->name);
    qv_status result = qv__gguf_lora_f32(turned ? room : s->A, p->A, err);
    if (!result && turned)
        transpose(s->B, room, s->R, s->D_out);
    if (!result)
        result = qv__gguf_lora_f32(room, p->B, err);
    if (!result && turned)
        transpose(s->A, room, s->D_in, s->R);
    else if (!result)
        place_rows(s->B, room, s, order, &m->c);
    free(room);
    return result;
}

static qv_status make_expert(struct qv_expert **out, const char *name,
                             const struct fitted *f, const struct qv_gguf_lora *l,
                             const qv_model *m, qv_arena *a, qv_err *err)
{
    struct qv_expert_shape *shape = qv_new_n(a, struct qv_expert_shape, l->n);
    bool turned = is_turned(f, l->n, m);
    for (size_t i = 0; i < l->n; i++) {
        const struct qv_site *s = &m->sites.at[f[i].site];
        qv_status result = check_sizes(&f[i], turned, m, err);
        if (result)
            return result;
        // An alpha of 0 says that scales are 1.
        float alpha = l->alpha == 0 ? (float)f[i].pair->R : l->alpha;
        shape[i] =
            (struct qv_expert_shape){s->path, s->D_in, s->D_out, f[i].pair->R, alpha};
    }
    struct qv_expert *e;
    qv_status result = qv__expert_new(&e, name, shape, l->n, false, err);
    if (result)
        return result;
    for (size_t i = 0; i < l->n && !result; i++)
        result = read_weights(&e->site[i], f[i].pair, turned, m, err);
    if (result) {
        qv__expert_free(e);
        return result;
    }
    e->base = l->base ? qv__arena_str(&e->arena, l->base) : NULL;
    *out = e;
    return QV_OK;
}

qv_status qv__gguf_adapter_expert(struct qv_expert **out, const char *name,
                                  const struct qv_gguf_lora *l, const qv_model *m,
                                  qv_err *err)
{
    *out = NULL;
    const struct qv_gguf_arch *arch;
    qv_status result = find_arch(&arch, m, err);
    if (!result && strcmp(arch->name, l->arch) != 0)
        result = qv_fail(err, QV_EFORMAT, "architecture '%.60s', but the model's is '%s'",
                         l->arch, arch->name);
    if (result)
        return result;
    qv_arena a = {0};
    struct fitted *f = qv_new_n(&a, struct fitted, l->n);
    for (size_t i = 0; i < l->n && !result; i++) {
        result = find_site(&f[i], &l->pair[i], m, err);
        if (result)
            result = qv_wrap(err, result, "tensor '%s': ", l->pair[i].A->name);
    }
    if (!result) {
        qsort(f, l->n, sizeof *f, by_site);
        result = make_expert(out, name, f, l, m, &a, err);
    }
    qv__arena_free(&a);
    return result;
}

qv_status qv__adapter_read(struct qv_expert **out, const char *path, const qv_model *m,
                           qv_err *err)
{
    *out = NULL;
    if (!qv__is_gguf_name(path))
        return qv__peft_read(out, path, &m->sites, err);
    struct qv_gguf_lora l;
    qv_status result = qv__gguf_lora_open(&l, path, err);
    if (result)
        return result;
    qv_arena a = {0};
    result = qv__gguf_adapter_expert(out, qv__stem(&a, path), &l, m, err);
    qv__arena_free(&a);
    qv__gguf_lora_close(&l);
    return result ? qv_wrap(err, result, "%s: ", path) : QV_OK;
}

/* ---- writing ---- */

struct writing {
    const struct qv_expert *e;
    const qv_model *m;
    const struct qv_gguf_arch *arch;
    float alpha;
    struct qv_gguf_tensor_out *tensor; // [2 n_sites] A and B, site by site
    float *rows;                       // of the largest B, in the file's order
};

/* What a site's B is multiplied by, so that the file's alpha is right for it. */
static double rest_of(const struct writing *w, const struct qv_expert_site *s)
{
    float has = qv__gguf_lora_scale(w->alpha, s->R);
    return has == s->scale ? 1 : (double)s->scale / (double)has; // both may be 0
}

static qv_status write_tensor(void *arg, size_t i, struct qv_out *out, qv_err *err)
{
    const struct writing *w = arg;
    const struct qv_expert_site *s = &w->e->site[i / 2];
    size_t n = (i % 2 ? s->D_out : s->D_in) * s->R;
    if (i % 2 == 0)
        return qv__out_write(out, s->A, n * sizeof *s->A, err);
    enum qv_gguf_order order = qv__gguf_order(w->arch, w->tensor[i].name);
    const double rest = rest_of(w, s);
    for (size_t o = 0; o < s->D_out; o++) {
        const float *row = s->B + qv__gguf_row(order, &w->m->c, o) * s->R;
        for (size_t r = 0; r < s->R; r++)
            w->rows[o * s->R + r] = (float)(rest * (double)row[r]);
    }
    for (size_t k = 0; k < n; k++)
        if (!isfinite(w->rows[k]))
            return qv_fail(err, QV_EFORMAT,
                           "site '%.200s': B times %g, for one alpha of %g, is not finite",
                           s->path, rest, (double)w->alpha);
    return qv__out_write(out, w->rows, n * sizeof *w->rows, err);
}

/* The tensors of one site. */
static qv_status describe(struct qv_gguf_tensor_out t[2], const struct qv_expert_site *s,
                          const qv_model *m, qv_arena *a, qv_err *err)
{
    char name[NAME_ROOM];
    size_t i = qv__site_find(&m->sites, s->path);
    if (i == m->sites.n)
        return qv_fail(err, QV_EFORMAT, "the model has no site '%.200s'", s->path);
    if (m->sites.at[i].D_in != s->D_in || m->sites.at[i].D_out != s->D_out)
        return qv_fail(err, QV_EFORMAT,
                       "site '%.200s': %zu inputs and %zu outputs, but the model's has "
                       "%zu and %zu",
                       s->path, s->D_in, s->D_out, m->sites.at[i].D_in,
                       m->sites.at[i].D_out);
    qv_status result = qv__expert_site_check(s, err);
    if (result)
        return result;
    name_of(name, m, i);
    t[0] = (struct qv_gguf_tensor_out){.name = qv__arena_fmt(a, "%s.lora_a", name),
                                       .type = qv__block(QV_BLOCK_F32),
                                       .rank = 2,
                                       .shape = {s->R, s->D_in}};
    t[1] = (struct qv_gguf_tensor_out){.name = qv__arena_fmt(a, "%s.lora_b", name),
                                       .type = qv__block(QV_BLOCK_F32),
                                       .rank = 2,
                                       .shape = {s->D_out, s->R}};
    return QV_OK;
}

static void choose_alpha(struct writing *w, qv_arena *a)
{
    const struct qv_expert *e = w->e;
    float *alpha = qv_new_n(a, float, e->n_sites), *scale = qv_new_n(a, float, e->n_sites);
    size_t *R = qv_new_n(a, size_t, e->n_sites);
    for (size_t i = 0; i < e->n_sites; i++) {
        alpha[i] = e->site[i].alpha;
        scale[i] = e->site[i].scale;
        R[i] = e->site[i].R;
    }
    w->alpha = qv__gguf_lora_alpha(alpha, scale, R, e->n_sites);
}

static void put_values(struct qv_gguf_meta *meta, const struct writing *w, const char *task)
{
    qv__gguf_put_str(meta, "general.architecture", w->arch->name);
    qv__gguf_put_str(meta, "general.type", "adapter");
    qv__gguf_put_str(meta, "general.name", w->e->name);
    qv__gguf_put_str(meta, "adapter.type", "lora");
    qv__gguf_put_f32(meta, "adapter.lora.alpha", w->alpha);
    if (task)
        qv__gguf_put_str(meta, "adapter.lora.task_name", task);
    if (w->e->base)
        qv__gguf_put_str(meta, QV_GGUF_BASE, w->e->base);
}

qv_status qv__gguf_adapter_write(const struct qv_expert *e, const char *task,
                                 const char *path, const qv_model *m, qv_err *err)
{
    qv_arena a = {0};
    struct qv_gguf_meta meta = {0};
    struct writing w = {.e = e, .m = m};
    size_t most = 0;
    w.tensor = qv_new_n(&a, struct qv_gguf_tensor_out, 2 * e->n_sites);
    qv_status result = find_arch(&w.arch, m, err);
    if (!result && e->n_sites == 0)
        result = qv_fail(err, QV_EFORMAT, "adapts no site");
    for (size_t i = 0; i < e->n_sites && !result; i++) {
        result = describe(&w.tensor[2 * i], &e->site[i], m, &a, err);
        most = qv__max(most, e->site[i].D_out * e->site[i].R);
    }
    if (!result) {
        choose_alpha(&w, &a);
        put_values(&meta, &w, task);
        w.rows = malloc(qv__max(most, 1) * sizeof *w.rows);
        if (!w.rows)
            result = qv_fail(err, QV_ENOMEM, "no memory for a B of %zu weights", most);
    }
    if (!result)
        result =
            qv__gguf_write(path, &meta, w.tensor, 2 * e->n_sites, write_tensor, &w, err);
    free(w.rows);
    qv__gguf_meta_free(&meta);
    qv__arena_free(&a);
    return result ? qv_wrap(err, result, "expert '%s': ", e->name) : QV_OK;
}
