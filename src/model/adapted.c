/* adapted.c - see adapted.h. In this order: weights in place of the model's, retrained
 * tokens, low-rank updates of tables, biases beside B. DoRA comes last, because its
 * lengths are those of the weights that are then in place. */
#include "model/adapted.h"
#include "lora/peft_config.h"
#include "model/family.h"
#include "model/layout.h"
#include "model/weights.h"
#include "op/dora.h"
#include "op/gemm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A block of n floats that lives as long as *x. */
static float *new_block(struct qv_adapted *x, size_t n, qv_err *err)
{
    float *block = malloc(n * sizeof *block);
    if (block)
        x->block[x->n_blocks++] = block;
    else
        (void)qv_fail(err, QV_ENOMEM, "no memory for %zu weights of an adapted model", n);
    return block;
}

/* Whether a tensor's module is `path`, up to the "model." that adapters of a bare or of a
 * wrapped model lack or have in excess. */
static bool is_at(const char *module, const char *path)
{
    const char *model = "model.";
    size_t n = strlen(model);
    return path && (strcmp(module, path) == 0 ||
                    (strncmp(path, model, n) == 0 && strcmp(module, path + n) == 0) ||
                    (strncmp(module, model, n) == 0 && strcmp(module + n, path) == 0));
}

/* The same of a name that has ".weight" or ".bias" behind it. */
static bool is_part_of(const char *module, const char *name, const char *part)
{
    size_t n = strlen(name), m = strlen(part);
    char path[160];
    if (n < m || n - m >= sizeof path || strcmp(name + n - m, part) != 0)
        return false;
    memcpy(path, name, n - m);
    path[n - m] = '\0';
    return is_at(module, path);
}

/* ---- weights in place of the model's ---- */

struct replacing {
    struct qv_adapted *x;
    const struct qv_extra *e;
    size_t n_met;
};

static qv_status check_shape(const struct qv_extra *e, size_t rows, size_t cols,
                             qv_err *err)
{
    if (e->rows == rows && e->cols == cols)
        return QV_OK;
    return qv_fail(err, QV_EFORMAT,
                   "tensor '%.200s': %zu x %zu, but the model's is %zu x %zu", e->tensor,
                   e->rows, e->cols, rows, cols);
}

static qv_status replace(void *arg, const char *name, struct qv_weight *w, qv_err *err)
{
    struct replacing *r = arg;
    const struct qv_extra *e = r->e;
    if (!is_part_of(e->path, name, e->kind == QV_EXTRA_BIAS ? ".bias" : ".weight"))
        return QV_OK;
    r->n_met++;
    size_t rows = w->is_turned ? w->D_in : w->D_out,
           cols = w->is_turned ? w->D_out : w->D_in;
    qv_status result = check_shape(e, rows, cols, err);
    if (result)
        return result;
    const float *f32 = e->x;
    if (w->is_turned) {
        float *turned = new_block(r->x, rows * cols, err);
        if (!turned)
            return QV_ENOMEM;
        for (size_t i = 0; i < rows; i++)
            for (size_t o = 0; o < cols; o++)
                turned[o * rows + i] = e->x[i * cols + o];
        f32 = turned;
    }
    *w = (struct qv_weight){
        .f32 = f32, .D_out = w->D_out, .D_in = w->D_in, .is_turned = w->is_turned};
    return QV_OK;
}

/* A tied head is a weight of its own as soon as something else takes its place. But what
 * lies under an updated table is the base's one weight, and its two uses keep it. */
static qv_status replace_one(struct qv_adapted *x, const struct qv_extra *e, qv_err *err)
{
    qv_model *m = &x->m;
    const struct qv_names *names = &m->c.family->names;
    struct replacing r = {.x = x, .e = e};
    qv_status result = qv__model_each(m, replace, &r, err);
    if (!result && m->c.is_tied && e->kind == QV_EXTRA_WEIGHT &&
        is_at(e->path, names->head))
        result = replace(&r, qv__arena_fmt(&x->arena, "%s.weight", names->head), &m->head.w,
                         err);
    if (!result && r.n_met == 0)
        result = qv_fail(err, QV_EFORMAT, "tensor '%.200s': the model has no such %s",
                         e->tensor, e->kind == QV_EXTRA_BIAS ? "bias" : "weight");
    if (!result && m->c.is_tied && e->is_base_layer) {
        if (is_at(e->path, names->head))
            m->embed = m->head.w;
        else if (is_at(e->path, names->embed))
            m->head.w = m->embed;
    }
    return result;
}

struct saving {
    const struct qv_adapter *a;
};

/* That what modules_to_save names and the model has is there. */
static qv_status check_saved(void *arg, const char *name, struct qv_weight *w, qv_err *err)
{
    const struct qv_adapter *a = ((const struct saving *)arg)->a;
    char path[160];
    (void)w;
    snprintf(path, sizeof path, "%.*s", (int)(strrchr(name, '.') - name), name);
    if (!qv__peft_saves(a->saved, a->n_saved, path))
        return QV_OK;
    for (size_t i = 0; i < a->n_extra; i++) {
        const struct qv_extra *e = &a->extra[i];
        if (e->kind <= QV_EXTRA_BIAS &&
            is_part_of(e->path, name, e->kind == QV_EXTRA_BIAS ? ".bias" : ".weight"))
            return QV_OK;
    }
    return qv_fail(err, QV_EFORMAT,
                   "no tensor for '%.200s', which the config's 'modules_to_save' names",
                   name);
}

static qv_status check_all_saved(qv_model *m, const struct qv_adapter *a, qv_err *err)
{
    struct saving saving = {a};
    char head[160];
    snprintf(head, sizeof head, "%s.weight", m->c.family->names.head);
    qv_status result = qv__model_each(m, check_saved, &saving, err);
    if (!result && m->c.is_tied) // a head that is not met
        result = check_saved(&saving, head, &m->head.w, err);
    return result;
}

/* ---- tables: the embedding, the positions, the head ---- */

/* The table at `path`; *is_embedding unless it is the head. NULL if it is none. */
static struct qv_weight *find_table(bool *is_embedding, qv_model *m, const char *path)
{
    const struct qv_names *names = &m->c.family->names;
    *is_embedding = !is_at(path, names->head);
    return is_at(path, names->head)                             ? &m->head.w
           : is_at(path, names->embed)                          ? &m->embed
           : m->positions.D_in && is_at(path, names->positions) ? &m->positions
                                                                : NULL;
}

/* Make *w floats of our own, and return them. */
static float *own_table(struct qv_adapted *x, struct qv_weight *w, qv_err *err)
{
    float *own = new_block(x, w->D_out * w->D_in, err);
    if (!own)
        return NULL;
#pragma omp parallel for schedule(static)
    for (size_t o = 0; o < w->D_out; o++)
        qv__weight_row(own + o * w->D_in, w, o);
    *w = (struct qv_weight){.f32 = own, .D_out = w->D_out, .D_in = w->D_in};
    return own;
}

/* Retrained tokens of the embedding serve a tied head, unless it has its own. In the head
 * PEFT leaves out a bias beside them, in training as in use, but not once it has merged
 * them: there is no telling which the adapter wants. */
static qv_status place_tokens(struct qv_adapted *x, const struct qv_adapter *a,
                              const struct qv_extra *e, qv_err *err)
{
    bool is_embedding, ties = x->m.c.is_tied && is_at(e->path, x->m.c.family->names.embed);
    for (size_t i = 0; i < a->n_extra; i++)
        ties &= a->extra[i].kind != QV_EXTRA_TOKENS ||
                !is_at(a->extra[i].path, x->m.c.family->names.head);
    struct qv_weight *w = find_table(&is_embedding, &x->m, e->path);
    if (!w)
        return qv_fail(err, QV_EFORMAT, "tensor '%.200s': the model has no such table",
                       e->tensor);
    qv_status result = check_shape(e, e->rows, w->D_in, err);
    for (size_t i = 0; i < e->rows && !result; i++)
        if (e->row[i] >= w->D_out)
            result = qv_fail(err, QV_EFORMAT,
                             "tensor '%.200s': token %zu, but the model has %zu", e->tensor,
                             e->row[i], w->D_out);
    if (!result && (ties || !is_embedding) && x->m.head.b.D_in)
        result = qv_fail(err, QV_EUNSUPPORTED,
                         "tensor '%.200s': tokens of a head with a bias are not supported",
                         e->tensor);
    if (result)
        return result;
    float *own = own_table(x, w, err);
    if (!own)
        return QV_ENOMEM;
    for (size_t i = 0; i < e->rows; i++)
        memcpy(own + e->row[i] * w->D_in, e->x + i * w->D_in, w->D_in * sizeof *own);
    if (ties)
        x->m.head.w = *w;
    return QV_OK;
}

static const struct qv_extra *find_extra(const struct qv_adapter *a,
                                         enum qv_extra_kind kind, const char *path)
{
    for (size_t i = 0; i < a->n_extra; i++)
        if (a->extra[i].kind == kind && strcmp(a->extra[i].path, path) == 0)
            return &a->extra[i];
    return NULL;
}

static struct qv_lora_map map_of(const struct qv_expert_site *s)
{
    return (struct qv_lora_map){.A = s->A,
                                .B = s->B,
                                .R = s->R,
                                .D_in = s->D_in,
                                .D_out = s->D_out,
                                .scale = s->scale};
}

/* gain [D_out], which are lengths, become magnitude / length. */
static qv_status divide(float *gain, const struct qv_extra *magnitude, qv_err *err)
{
    for (size_t o = 0; o < magnitude->cols; o++) {
        if (gain[o] == 0)
            return qv_fail(err, QV_EFORMAT,
                           "tensor '%.200s': element %zu is for an output of weight 0",
                           magnitude->tensor, o);
        gain[o] = magnitude->x[o] / gain[o];
    }
    return QV_OK;
}

/* gain [D_out] of W + s B A. */
static qv_status find_gain(float *gain, const struct qv_weight *w,
                           const struct qv_expert_site *s, const struct qv_extra *magnitude,
                           qv_err *err)
{
    const struct qv_lora_map map = map_of(s);
    float *slab = malloc(qv__linear_slab(w->D_in) * sizeof *slab);
    if (!slab)
        return qv_fail(err, QV_ENOMEM, "no memory for rows of %zu weights", w->D_in);
    qv__dora_lengths(gain, w, &map, slab);
    free(slab);
    return divide(gain, magnitude, err);
}

/* The head's rows [V, D] are outputs, as a site's are. */
static qv_status update_head(struct qv_adapted *x, struct qv_weight *w,
                             const struct qv_expert_site *s,
                             const struct qv_extra *magnitude, qv_err *err)
{
    float *own = own_table(x, w, err);
    float *gain = own ? new_block(x, s->D_out, err) : NULL;
    if (!gain)
        return QV_ENOMEM;
    qv_status result = magnitude ? find_gain(gain, w, s, magnitude, err) : QV_OK;
    if (result)
        return result;
    qv__sgemm(false, false, s->D_out, s->D_in, s->R, s->scale, s->B, s->R, s->A, s->D_in, 1,
              own, s->D_in);
    if (magnitude)
        qv__scale_rows(own, gain, s->D_out, s->D_in);
    return QV_OK;
}

/* An embedding's table [V, D] is W': its columns are outputs. */
static qv_status update_embedding(struct qv_adapted *x, struct qv_weight *w,
                                  const struct qv_expert_site *s,
                                  const struct qv_extra *magnitude, qv_err *err)
{
    const size_t V = s->D_in, D = s->D_out;
    float *own = own_table(x, w, err);
    float *gain = own ? new_block(x, 2 * D, err) : NULL;
    if (!gain)
        return QV_ENOMEM;
    qv__sgemm(true, true, V, D, s->R, s->scale, s->A, V, s->B, s->R, 1, own, D);
    if (!magnitude)
        return QV_OK;
    memset(gain + D, 0, D * sizeof *gain);
    qv__column_lengths(gain, own, V, D);
    qv_status result = divide(gain, magnitude, err);
    if (!result)
        qv__rescale(own, gain, gain + D, V, D);
    return result;
}

static qv_status update_table(struct qv_adapted *x, const struct qv_adapter *a, size_t i,
                              qv_err *err)
{
    const struct qv_expert_site *s = &a->tables->site[i];
    const struct qv_extra *magnitude = find_extra(a, QV_EXTRA_MAGNITUDE, s->path);
    bool is_embedding;
    struct qv_weight *w = find_table(&is_embedding, &x->m, s->path);
    if (!w || is_embedding != a->is_embedding[i])
        return qv_fail(err, QV_EFORMAT, "tensor '%.200s': the model has no site '%.200s'",
                       a->table[i], s->path);
    size_t D_in = is_embedding ? w->D_out : w->D_in;
    size_t D_out = is_embedding ? w->D_in : w->D_out;
    if (s->D_in != D_in || s->D_out != D_out)
        return qv_fail(err, QV_EFORMAT,
                       "tensor '%.200s': maps %zu to %zu, the model's %zu to %zu",
                       a->table[i], s->D_in, s->D_out, D_in, D_out);
    return is_embedding ? update_embedding(x, w, s, magnitude, err)
                        : update_head(x, w, s, magnitude, err);
}

/* ---- biases beside B ---- */

/* The map at `path`, a site's or the head, and its update in the adapter. */
static struct qv_affine *find_map(const struct qv_expert_site **update, size_t *site,
                                  qv_model *m, const struct qv_adapter *a, const char *path)
{
    struct qv_affine *map = NULL;
    for (*site = 0; *site < m->sites.n; ++*site)
        if (is_at(path, m->sites.at[*site].path))
            break;
    for (size_t i = 0; i < QV_N_MAPS && *site < m->sites.n; i++)
        if (m->slot[i] == *site % m->n_maps)
            map = &m->layer[*site / m->n_maps].map[i];
    if (!map && is_at(path, m->c.family->names.head))
        map = &m->head;
    const struct qv_expert *e = *site < m->sites.n ? a->expert : a->tables;
    *update = NULL;
    for (size_t i = 0; i < e->n_sites; i++)
        if (is_at(path, e->site[i].path))
            *update = &e->site[i];
    return *update ? map : NULL;
}

static qv_status add_bias(struct qv_adapted *x, const struct qv_adapter *a,
                          const struct qv_extra *e, qv_err *err)
{
    const struct qv_expert_site *update;
    size_t site;
    struct qv_affine *map = find_map(&update, &site, &x->m, a, e->path);
    qv_check(map); // its pair has been bound
    float *b = new_block(x, e->cols, err);
    if (!b)
        return QV_ENOMEM;
    for (size_t o = 0; o < e->cols; o++)
        b[o] = update->scale * e->x[o] + (map->b.D_in ? map->b.f32[o] : 0);
    map->b = (struct qv_weight){.f32 = b, .D_out = 1, .D_in = e->cols};
    x->m.c.has_head_bias |= map == &x->m.head;
    return QV_OK;
}

/* That no two tensors are one thing by two spellings of its module's path. */
static qv_status check_distinct(const struct qv_adapter *a, qv_err *err)
{
    const char *same = "tensor '%.200s': stands for the same as '%.200s'";
    for (size_t i = 0; i < a->n_extra; i++)
        for (size_t j = 0; j < i; j++)
            if (a->extra[i].kind == a->extra[j].kind &&
                is_at(a->extra[i].path, a->extra[j].path))
                return qv_fail(err, QV_EFORMAT, same, a->extra[i].tensor,
                               a->extra[j].tensor);
    for (size_t i = 0; i < a->tables->n_sites; i++)
        for (size_t j = 0; j < i; j++)
            if (is_at(a->tables->site[i].path, a->tables->site[j].path))
                return qv_fail(err, QV_EFORMAT, same, a->table[i], a->table[j]);
    return QV_OK;
}

static qv_status change(struct qv_adapted *x, const struct qv_adapter *a, qv_err *err)
{
    qv_status result = check_distinct(a, err);
    if (!result)
        result = check_all_saved(&x->m, a, err);
    for (size_t i = 0; i < a->n_extra && !result; i++)
        if (a->extra[i].kind == QV_EXTRA_WEIGHT || a->extra[i].kind == QV_EXTRA_BIAS)
            result = replace_one(x, &a->extra[i], err);
    for (size_t i = 0; i < a->n_extra && !result; i++)
        if (a->extra[i].kind == QV_EXTRA_TOKENS)
            result = place_tokens(x, a, &a->extra[i], err);
    for (size_t i = 0; i < a->tables->n_sites && !result; i++)
        result = update_table(x, a, i, err);
    for (size_t i = 0; i < a->n_extra && !result; i++)
        if (a->extra[i].kind == QV_EXTRA_B_BIAS)
            result = add_bias(x, a, &a->extra[i], err);
    return result;
}

qv_status qv__adapted_new(struct qv_adapted **out, const qv_model *base,
                          const struct qv_adapter *a, qv_err *err)
{
    *out = NULL;
    struct qv_adapted *x = calloc(1, sizeof *x);
    if (!x)
        return qv_fail(err, QV_ENOMEM, "no memory for an adapted model");
    x->m = *base;
    x->m.layer = qv_new_n(&x->arena, struct qv_layer, base->c.L);
    memcpy(x->m.layer, base->layer, base->c.L * sizeof *base->layer);
    size_t weights = a->n_extra * (qv__weights_at_most(base) + 1);
    x->block = qv_new_n(&x->arena, float *, weights + 2 * a->tables->n_sites);
    qv_status result = change(x, a, err);
    if (result)
        qv__adapted_free(x);
    else
        *out = x;
    return result;
}

void qv__adapted_free(struct qv_adapted *x)
{
    if (!x)
        return;
    for (size_t i = 0; i < x->n_blocks; i++)
        free(x->block[i]);
    qv__arena_free(&x->arena);
    free(x);
}

/* ---- DoRA at sites ---- */

/* y = g (y0 + b) + (1 - g) b, where y0 is what comes before the base's bias. */
qv_status qv__adapted_gains(struct qv_bank *bank, struct qv_adapted *x,
                            const struct qv_adapter *a, qv_err *err)
{
    for (size_t i = 0; i < a->n_extra; i++) {
        const struct qv_extra *e = &a->extra[i];
        const struct qv_expert_site *update;
        size_t site;
        if (e->kind != QV_EXTRA_MAGNITUDE)
            continue;
        const struct qv_affine *map = find_map(&update, &site, &x->m, a, e->path);
        if (!map || site == x->m.sites.n)
            continue; // a table, whose rows have their lengths already
        float *gain = qv__bank_gain(bank, site), *shift = gain + e->cols;
        qv_status result = find_gain(gain, &map->w, update, e, err);
        if (result)
            return result;
        for (size_t o = 0; o < e->cols; o++)
            shift[o] = map->b.D_in ? (1 - gain[o]) * map->b.f32[o] : 0;
    }
    return QV_OK;
}
