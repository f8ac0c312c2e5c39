/* held.c - see held.h. */
#include "server/held.h"
#include "base/hash.h"
#include "library/library.h"
#include "library/version.h"
#include "model/kept.h"

#include <stdlib.h>
#include <string.h>

qv_status qv__held_check_base(const qv_library *lib, const qv_model *m,
                              const qv_expert_meta *meta, qv_err *err)
{
    qv_status result = qv_library_check_base(lib, meta->base_name, meta->base_hash, err);
    if (!result && meta->base_hash && strcmp(meta->base_hash, m->origin) != 0)
        result = qv_fail(err, QV_EFORMAT, "its base model is %.12s, the server's is %.12s",
                         meta->base_hash, m->origin);
    return result;
}

/* That it is the expert, over the model, that its expert.json says. */
static qv_status check(const struct qv_held *h, const struct qv_expert *e,
                       const qv_library *lib, const qv_model *m, qv_err *err)
{
    char hash[QV_HASH_TEXT];
    qv_status result = qv__held_check_base(lib, m, &h->info.meta, err);
    if (result)
        return result;
    qv__expert_hash(hash, e);
    if (strcmp(hash, h->info.hash) != 0)
        return qv_fail(err, QV_EFORMAT, "its hash is %.12s, expert.json says %.12s", hash,
                       h->info.hash);
    return QV_OK;
}

/* Prototypes that are kept beside it, or all-zero. */
static qv_status read_kept(struct qv_prototypes *p, const struct qv_held *h,
                           const struct qv_expert *e, const qv_library *lib,
                           const qv_model *m, qv_err *err)
{
    struct qv_kept kept;
    qv_status result = qv__kept_init(&kept, lib, m, NULL, 1, err);
    kept.copies = true;
    if (!result)
        result = qv__kept_add(&kept, e, h->info.hash, err);
    if (!result) {
        *p = kept.vectors[0];
        kept.vectors[0] = (struct qv_prototypes){0}; // now ours
    }
    qv__kept_end(&kept);
    return result;
}

static qv_status bind_alone(struct qv_held *h, const qv_model *m, qv_err *err)
{
    const struct qv_reuse_from from = {
        .experts = &h->pack->shape, .packs = &h->pack, .n = 1};
    return qv__reuse_new(&h->alone, m, &from, err);
}

static qv_status read_version(struct qv_held *h, const qv_library *lib, const qv_model *m,
                              const char *name, const char *spill_dir, qv_err *err)
{
    struct qv_version v;
    struct qv_expert *e = NULL;
    struct qv_prototypes p = {0};
    qv_status result = qv__version_read(&v, lib, name, err);
    if (result)
        return result;
    result = qv__version_info(&h->info, &h->arena, &v, err);
    if (result)
        result = qv_wrap(err, result, "expert '%s': ", name);
    if (!result)
        result = qv__version_expert(&e, &v, name, &m->sites, err);
    qv__version_end(&v);
    if (result)
        return result;
    h->info.name = qv__arena_str(&h->arena, name);
    result = check(h, e, lib, m, err);
    if (!result)
        result = read_kept(&p, h, e, lib, m, err);
    if (result) {
        qv__expert_free(e);
        return qv_wrap(err, result, "expert '%s': ", name);
    }
    return qv__pack_new(&h->pack, e, &p, &m->sites, spill_dir, err);
}

qv_status qv__held_read(struct qv_held **out, const qv_library *lib, const qv_model *m,
                        const char *name, const char *spill_dir, qv_err *err)
{
    *out = NULL;
    struct qv_held *h = calloc(1, sizeof *h);
    if (!h)
        return qv_fail(err, QV_ENOMEM, "no memory for an expert");
    atomic_init(&h->owners, 1);
    qv_status result = read_version(h, lib, m, name, spill_dir, err);
    if (!result)
        result = bind_alone(h, m, err);
    if (result)
        qv__held_release(h);
    else
        *out = h;
    return result;
}

struct qv_held *qv__held_share(struct qv_held *h)
{
    atomic_fetch_add(&h->owners, 1);
    return h;
}

void qv__held_release(struct qv_held *h)
{
    if (!h || atomic_fetch_sub(&h->owners, 1) > 1)
        return;
    qv_reuse_close(h->alone);
    qv__pack_free(h->pack);
    qv__arena_free(&h->arena);
    free(h);
}
