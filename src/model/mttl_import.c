/* mttl_import.c - see mttl_import.h. */
#include "model/mttl_import.h"
#include "library/store.h"
#include "lora/mttl.h"
#include "model/families.h"
#include "model/family.h"

#include <stdio.h>
#include <string.h>

/* ---- Phi-2's first layout ---- */

/* The map that `path` is in the layout of Phi-2's first files, and its layer;
 * QV_N_MAPS if it is none. */
static size_t old_map(size_t *layer, const char *path)
{
    int at = 0;
    if (sscanf(path, "transformer.h.%zu.%n", layer, &at) != 1 || at == 0)
        return QV_N_MAPS;
    size_t i = 0;
    while (i < QV_N_MAPS && (!qv__phi_msft.names.map[i] ||
                             strcmp(qv__phi_msft.names.map[i], path + at) != 0))
        i++;
    return i;
}

static bool is_old_phi(const struct qv_expert *e)
{
    size_t layer;
    bool is_old = e->n_sites > 0;
    for (size_t i = 0; i < e->n_sites; i++)
        is_old &= old_map(&layer, e->site[i].path) < QV_N_MAPS;
    return is_old;
}

/* One site of the result: rows [first, first + D_out) of the old site's B. */
struct piece {
    const struct qv_expert_site *from;
    size_t first;
};

/* The pieces of old site `s`, and their shapes: one, or three. */
static qv_status cut(struct piece piece[3], struct qv_expert_shape shape[3], size_t *n,
                     const struct qv_expert_site *s, const qv_model *m, qv_err *err)
{
    size_t layer, map = old_map(&layer, s->path), first = 0;
    *n = 0;
    if (layer >= m->c.L)
        return qv_fail(err, QV_EFORMAT, "site '%.200s': layer %zu of a model with %zu",
                       s->path, layer, m->c.L);
    for (size_t i = map == QV_QKV ? QV_Q : map; i <= (map == QV_QKV ? QV_V : map); i++) {
        const struct qv_site *site = &m->sites.at[layer * m->n_maps + m->slot[i]];
        piece[*n] = (struct piece){s, first};
        shape[(*n)++] = (struct qv_expert_shape){
            site->path, s->D_in, map == QV_QKV ? site->D_out : s->D_out, s->R, s->alpha};
        first += site->D_out;
    }
    if (map == QV_QKV && first != s->D_out)
        return qv_fail(err, QV_EFORMAT,
                       "site '%.200s': %zu outputs, but the model's q, k and v have %zu",
                       s->path, s->D_out, first);
    return QV_OK;
}

/* e, whose sites are named as in Phi-2's first files, over the model `m`, a Phi with q, k
 * and v apart: each gets all of A, and its rows of B. Fails with QV_EFORMAT if B has not
 * the rows of all three. */
static qv_status split_phi(struct qv_expert **out, const struct qv_expert *e,
                           const qv_model *m, qv_err *err)
{
    qv_arena a = {0};
    struct piece *piece = qv_new_n(&a, struct piece, 3 * e->n_sites);
    struct qv_expert_shape *shape = qv_new_n(&a, struct qv_expert_shape, 3 * e->n_sites);
    size_t n = 0, more;
    qv_status result = QV_OK;
    *out = NULL;
    for (size_t i = 0; i < e->n_sites && !result; i++, n += more)
        result = cut(&piece[n], &shape[n], &more, &e->site[i], m, err);
    if (!result)
        result = qv__expert_new(out, e->name, shape, n, e->is_rslora, err);
    for (size_t i = 0; i < n && !result; i++) {
        struct qv_expert_site *s = &(*out)->site[i];
        const struct qv_expert_site *from = piece[i].from;
        s->scale = from->scale;
        memcpy(s->A, from->A, s->R * s->D_in * sizeof *s->A);
        memcpy(s->B, from->B + piece[i].first * s->R, s->R * s->D_out * sizeof *s->B);
    }
    if (!result) {
        (*out)->base = e->base ? qv__arena_str(&(*out)->arena, e->base) : NULL;
        (*out)->dropout = e->dropout;
    }
    qv__arena_free(&a);
    return result;
}

/* ---- experts, one by one ---- */

static qv_status check_fit(const struct qv_expert *e, const qv_model *m, qv_err *err)
{
    for (size_t i = 0; i < e->n_sites; i++) {
        const struct qv_expert_site *s = &e->site[i];
        size_t k = qv__site_find(&m->sites, s->path);
        if (k == m->sites.n)
            return qv_fail(err, QV_EFORMAT, "the model has no site '%.200s'", s->path);
        const struct qv_site *of = &m->sites.at[k];
        if (of->D_in != s->D_in || of->D_out != s->D_out)
            return qv_fail(err, QV_EFORMAT,
                           "site '%.200s': %zu inputs and %zu outputs, but the model's "
                           "has %zu and %zu",
                           s->path, s->D_in, s->D_out, of->D_in, of->D_out);
    }
    return QV_OK;
}

/* The expert at `stem`, fit for the model if there is one. */
static qv_status read_expert(struct qv_mttl *x, const char *stem, const qv_model *m,
                             qv_err *err)
{
    qv_status result = qv__mttl_read(x, stem, err);
    if (result || x->is_deleted || !m)
        return result;
    if (m->c.family == &qv__phi && is_old_phi(x->expert)) {
        struct qv_expert *split;
        result = split_phi(&split, x->expert, m, err);
        if (!result) {
            qv__expert_free(x->expert);
            x->expert = split;
        }
    }
    if (!result)
        result = check_fit(x->expert, m, err);
    if (result) {
        result = qv_wrap(err, result, "%s: ", stem);
        qv__mttl_end(x);
    }
    return result;
}

/* ---- all of them ---- */

struct import {
    qv_library *lib;
    const qv_model *m;
    bool replace;
    char **stem; // [n]
    size_t n;
    const char **name; // [n_names] met so far, not deleted
    size_t n_names;
    qv_arena arena;
};

/* Whether expert x can be added as things are. */
static qv_status check_name(struct import *j, const struct qv_mttl *x,
                            const qv_snapshot *snap, qv_err *err)
{
    qv_status result = qv__check_name("expert", x->name, err);
    if (result)
        return result;
    for (size_t i = 0; i < j->n_names; i++)
        if (strcmp(j->name[i], x->name) == 0)
            return qv_fail(err, QV_EFORMAT, "two files hold an expert '%s'", x->name);
    j->name[j->n_names++] = qv__arena_str(&j->arena, x->name);
    if (!j->replace && qv_snapshot_find(snap, x->name) < qv_snapshot_size(snap))
        return qv_fail(err, QV_EEXIST, "expert '%s' is already in %s", x->name,
                       qv_library_dir(j->lib));
    return qv_library_check_base(j->lib, x->expert->base, NULL, err);
}

static qv_status check_all(struct import *j, qv_err *err)
{
    qv_snapshot *snap;
    qv_status result = qv_library_snapshot(&snap, j->lib, err);
    if (result)
        return result;
    for (size_t i = 0; i < j->n && !result; i++) {
        struct qv_mttl x;
        result = read_expert(&x, j->stem[i], j->m, err);
        if (result)
            break;
        if (!x.is_deleted && (result = check_name(j, &x, snap, err)))
            result = qv_wrap(err, result, "%s: ", j->stem[i]);
        qv__mttl_end(&x);
    }
    qv_snapshot_release(snap);
    return result;
}

static qv_status add(struct import *j, const char *stem, qv_imported_fn told, void *arg,
                     qv_err *err)
{
    struct qv_mttl x;
    qv_status result = read_expert(&x, stem, j->m, err);
    if (result)
        return result;
    const qv_expert_opts opts = {
        .meta = {.task = x.task, .n_tasks = x.n_tasks, .settings = x.settings},
        .replace = j->replace,
    };
    if (!x.is_deleted)
        result = qv__library_put(j->lib, x.expert, &opts, err);
    if (!result && told)
        told(arg, x.name, x.is_deleted);
    qv__mttl_end(&x);
    return result;
}

qv_status qv__mttl_import(qv_library *lib, const char *dir, const qv_model *m, bool replace,
                          qv_imported_fn told, void *arg, qv_err *err)
{
    struct import j = {.lib = lib, .m = m, .replace = replace};
    qv_status result = qv__mttl_list(&j.stem, &j.n, &j.arena, dir, err);
    if (!result) {
        j.name = qv_new_n(&j.arena, const char *, j.n);
        result = check_all(&j, err);
    }
    for (size_t i = 0; i < j.n && !result; i++)
        result = add(&j, j.stem[i], told, arg, err);
    qv__arena_free(&j.arena);
    return result;
}
