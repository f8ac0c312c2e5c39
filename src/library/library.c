/* library.c - opening a library, and the changes a library can go through. */
#include "library/library.h"
#include "base/file.h"
#include "base/json.h"
#include "library/meta.h"
#include "library/store.h"
#include "library/version.h"
#include "lora/peft.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const size_t MAX_FACTS = 16 << 20;
static const size_t FORMAT = 1;

/* A qv_library for an existing directory, without its facts. */
static qv_status new_library(qv_library **out, const char *dir, qv_err *err)
{
    char *whole = realpath(dir, NULL);
    if (!whole)
        return qv_fail(err, errno == ENOENT ? QV_ENOTFOUND : QV_EIO, "%s: %s", dir,
                       strerror(errno));
    qv_library *lib = calloc(1, sizeof *lib);
    if (lib)
        lib->dir = qv__arena_str(&lib->arena, whole);
    free(whole);
    *out = lib;
    return lib ? QV_OK : qv_fail(err, QV_ENOMEM, "%s: no memory to open it", dir);
}

static qv_status facts_json(json_t **out, const qv_library_opts *opts, qv_err *err)
{
    json_t *settings;
    qv_status result = qv__meta_object(&settings, "settings", opts->settings, err);
    if (result)
        return result;
    *out =
        json_pack("{s:I, s:s, s:{s:s?, s:s?}, s:o}", "format", (json_int_t)FORMAT,
                  "created_by", "quiver " QV_VERSION, "base", "name", opts->base_name,
                  "hash", opts->base_hash, "settings", settings ? settings : json_object());
    return *out ? QV_OK
                : qv_fail(err, QV_EFORMAT, "the base model's name or hash is not UTF-8");
}

qv_status qv_library_create(qv_library **out, const char *dir, const qv_library_opts *opts,
                            qv_err *err)
{
    static const qv_library_opts none;
    struct qv_change c = {0};
    qv_library *lib = NULL;
    json_t *facts = NULL;
    *out = NULL;
    qv_status result = facts_json(&facts, opts ? opts : &none, err);
    if (!result)
        result = qv__make_dir(dir, err);
    if (!result)
        result = new_library(&lib, dir, err);
    if (!result)
        result = qv__change_begin(&c, lib, err);
    if (!result)
        result = qv__change_lock(&c, err);
    if (!result) {
        const char *path = qv__arena_fmt(&lib->arena, "%s/library.json", lib->dir);
        result = qv__is_file(path) ? qv_fail(err, QV_EEXIST, "%s: a library is there", dir)
                                   : qv__json_write(facts, path, err);
    }
    qv__change_end(&c);
    json_decref(facts);
    qv_library_close(lib);
    return result ? result : qv_library_open(out, dir, err);
}

static qv_status read_facts(qv_library *lib, const json_t *root, qv_err *err)
{
    size_t format = 0;
    const char *name = NULL, *hash = NULL;
    const json_t *base = json_object_get(root, "base");
    const json_t *settings = json_object_get(root, "settings");
    if (!json_is_object(root))
        return qv_fail(err, QV_EFORMAT, "not an object");
    qv_status result = qv__json_size(root, "format", &format, err);
    if (!result && format != FORMAT)
        result = qv_fail(err, QV_EUNSUPPORTED, "format %zu, this quiver reads %zu", format,
                         FORMAT);
    if (!result && base && !json_is_object(base))
        result = qv_fail(err, QV_EFORMAT, "'base' is not an object");
    if (!result && settings && !json_is_object(settings))
        result = qv_fail(err, QV_EFORMAT, "'settings' is not an object");
    if (!result)
        result = qv__json_str(base, "name", &name, err);
    if (!result)
        result = qv__json_str(base, "hash", &hash, err);
    if (result)
        return result;
    lib->facts.base_name = name ? qv__arena_str(&lib->arena, name) : NULL;
    lib->facts.base_hash = hash ? qv__arena_str(&lib->arena, hash) : NULL;
    if (json_object_size(settings)) {
        char *text = json_dumps(settings, JSON_COMPACT | JSON_SORT_KEYS);
        lib->facts.settings = text ? qv__arena_str(&lib->arena, text) : NULL;
        free(text);
    }
    return QV_OK;
}

qv_status qv_library_open(qv_library **out, const char *dir, qv_err *err)
{
    qv_library *lib = NULL;
    json_t *root = NULL;
    *out = NULL;
    qv_status result = new_library(&lib, dir, err);
    if (result)
        return result;
    const char *path = qv__arena_fmt(&lib->arena, "%s/library.json", dir);
    result = qv__json_read(&root, path, MAX_FACTS, err);
    if (result == QV_ENOTFOUND)
        result = qv_fail(err, result, "%s: not a library: library.json is missing", dir);
    if (!result) {
        result = read_facts(lib, root, err);
        if (result)
            result = qv_wrap(err, result, "%s: ", path);
    }
    json_decref(root);
    if (result) {
        qv_library_close(lib);
        return result;
    }
    *out = lib;
    return QV_OK;
}

void qv_library_close(qv_library *lib)
{
    if (!lib)
        return;
    qv__arena_free(&lib->arena);
    free(lib);
}

const char *qv_library_dir(const qv_library *lib)
{
    return lib->dir;
}

const qv_library_opts *qv_library_facts(const qv_library *lib)
{
    return &lib->facts;
}

qv_status qv_library_check_base(const qv_library *lib, const char *base_name,
                                const char *base_hash, qv_err *err)
{
    const char *name = lib->facts.base_name, *hash = lib->facts.base_hash;
    if (qv__same_base(name, hash, base_name, base_hash))
        return QV_OK;
    return qv_fail(err, QV_EFORMAT,
                   "base model '%s' (%.12s), but the library's is '%s' (%.12s)",
                   base_name ? base_name : "?", base_hash ? base_hash : "no hash",
                   name ? name : "?", hash ? hash : "no hash");
}

qv_status qv__library_view(qv_snapshot **out, const char *dir, const char *base,
                           qv_err *err)
{
    qv_library *lib;
    *out = NULL;
    qv_status result = qv_library_open(&lib, dir, err);
    if (!result && base)
        result = qv_library_check_base(lib, NULL, base, err);
    if (!result)
        result = qv_library_snapshot(out, lib, err);
    qv_library_close(lib);
    return result;
}

static qv_status copy_file(const char *from_dir, const char *to_dir, const char *name,
                           qv_err *err)
{
    qv_arena a = {0};
    struct qv_map map;
    qv_status result = qv__map(&map, qv__arena_fmt(&a, "%s/%s", from_dir, name), err);
    if (!result) {
        result = qv__write_file(qv__arena_fmt(&a, "%s/%s", to_dir, name), map.bytes,
                                map.size, err);
        qv__unmap(&map);
    }
    qv__arena_free(&a);
    return result;
}

/* expert.json beside the adapter in `dir`, which holds `e`. */
static qv_status write_meta(const qv_library *lib, const struct qv_expert *e,
                            const char *dir, const qv_expert_opts *opts, qv_err *err)
{
    qv_arena a = {0};
    json_t *root = NULL;
    qv_expert_meta meta = opts->meta;
    if (!meta.base_name)
        meta.base_name = e->base;
    qv_status result = qv_library_check_base(lib, meta.base_name, meta.base_hash, err);
    if (!result)
        result = qv__meta_make(&root, e, &meta, err);
    if (!result)
        result = qv__json_write(root, qv__arena_fmt(&a, "%s/expert.json", dir), err);
    json_decref(root);
    qv__arena_free(&a);
    return result;
}

static qv_status refuse_existing(const qv_library *lib, const char *name, bool replace,
                                 qv_err *err)
{
    qv_arena a = {0};
    bool exists = qv__is_dir(qv__expert_dir(&a, lib, name));
    qv__arena_free(&a);
    if (exists && !replace)
        return qv_fail(err, QV_EEXIST, "expert '%s' is already in %s", name, lib->dir);
    return QV_OK;
}

/* Add the expert in memory, or if there is none the adapter at `path`. */
static qv_status add(qv_library *lib, const char *name, const struct qv_expert *given,
                     const char *path, const qv_expert_opts *opts, qv_err *err)
{
    static const qv_expert_opts none;
    struct qv_change c = {0};
    struct qv_expert *copied = NULL;
    opts = opts ? opts : &none;
    qv_status result = qv__check_name("expert", name, err);
    if (!result)
        result = refuse_existing(lib, name, opts->replace, err);
    if (!result)
        result = qv__change_begin(&c, lib, err);
    if (result)
        return result;
    const char *dir = qv__arena_fmt(&c.arena, "%s/new", c.dir);
    result = qv__make_dir(dir, err);
    if (!result && given) {
        result = qv__peft_write(given, dir, err);
    } else if (!result) {
        // Read from the copy: what is checked is then what is kept.
        result = qv__peft_read(&copied, path, NULL, err);
        qv__expert_free(copied);
        copied = NULL;
        if (!result)
            result = copy_file(path, dir, "adapter_model.safetensors", err);
        if (!result)
            result = copy_file(path, dir, "adapter_config.json", err);
        if (!result)
            result = qv__peft_read(&copied, dir, NULL, err);
    }
    if (!result) {
        result = write_meta(lib, given ? given : copied, dir, opts, err);
        if (result)
            result = qv_wrap(err, result, "expert '%s': ", name);
    }
    if (!result)
        result = qv__change_lock(&c, err);
    if (!result)
        result = refuse_existing(lib, name, opts->replace, err);
    if (!result)
        result = qv__change_install(&c, dir, name, err);
    qv__expert_free(copied);
    qv__change_end(&c);
    return result;
}

qv_status qv_library_add(qv_library *lib, const char *name, const char *path,
                         const qv_expert_opts *opts, qv_err *err)
{
    return add(lib, name, NULL, path, opts, err);
}

qv_status qv__library_put(qv_library *lib, const struct qv_expert *e,
                          const qv_expert_opts *opts, qv_err *err)
{
    return add(lib, e->name, e, NULL, opts, err);
}

qv_status qv_library_remove(qv_library *lib, const char *name, qv_err *err)
{
    struct qv_change c = {0};
    qv_status result = qv__check_name("expert", name, err);
    if (!result)
        result = qv__change_begin(&c, lib, err);
    if (!result)
        result = qv__change_lock(&c, err);
    if (!result)
        result = qv__change_remove(&c, name, err);
    qv__change_end(&c);
    return result;
}

qv_status qv_library_rename(qv_library *lib, const char *name, const char *to, qv_err *err)
{
    struct qv_change c = {0};
    qv_status result = qv__check_name("expert", name, err);
    if (!result)
        result = qv__check_name("expert", to, err);
    if (!result)
        result = qv__change_begin(&c, lib, err);
    if (!result)
        result = qv__change_lock(&c, err);
    if (!result)
        result = qv__change_rename(&c, name, to, err);
    qv__change_end(&c);
    return result;
}

qv_status qv_library_export(qv_library *lib, const char *name, const char *dir, qv_err *err)
{
    qv_arena a = {0};
    struct qv_version v = {0};
    const char *config = qv__arena_fmt(&a, "%s/adapter_config.json", dir);
    const char *weights = qv__arena_fmt(&a, "%s/adapter_model.safetensors", dir);
    qv_status result = QV_OK;
    if (qv__is_file(config) || qv__is_file(weights))
        result = qv_fail(err, QV_EEXIST, "%s: an adapter is there", dir);
    if (!result)
        result = qv__version_read(&v, lib, name, err);
    if (!result)
        result = qv__make_dir(dir, err);
    if (!result)
        result = qv__write_file(weights, v.weights.bytes, v.weights.size, err);
    if (!result)
        result = qv__write_file(config, v.config.bytes, v.config.size, err);
    qv__version_end(&v);
    qv__arena_free(&a);
    return result;
}

qv_status qv_library_set_score(qv_library *lib, const char *name, const qv_score *score,
                               qv_err *err)
{
    struct qv_change c = {0};
    json_t *root = NULL;
    qv_status result = qv__check_name("expert", name, err);
    if (!result)
        result = qv__change_begin(&c, lib, err);
    if (!result)
        result = qv__change_lock(&c, err);
    if (result)
        goto out;
    const char *home = qv__expert_dir(&c.arena, lib, name);
    const char *path = qv__arena_fmt(&c.arena, "%s/expert.json", home);
    const char *made = qv__arena_fmt(&c.arena, "%s/expert.json", c.dir);
    result = qv__json_read(&root, path, MAX_FACTS, err);
    if (result == QV_ENOTFOUND)
        result = qv_fail(err, result, "no expert '%s' in %s", name, lib->dir);
    if (!result) {
        result = qv__meta_set_score(root, score, err);
        if (result)
            result = qv_wrap(err, result, "expert '%s': ", name);
    }
    if (!result)
        result = qv__json_write(root, made, err);
    if (!result)
        result = qv__change_move(&c, made, home, "expert.json", err);

out:
    json_decref(root);
    qv__change_end(&c);
    return result;
}

qv_status qv__library_read(struct qv_expert **out, const qv_library *lib, const char *name,
                           const struct qv_sites *sites, qv_err *err)
{
    struct qv_version v;
    *out = NULL;
    qv_status result = qv__version_read(&v, lib, name, err);
    if (result)
        return result;
    result = qv__version_expert(out, &v, name, sites, err);
    qv__version_end(&v);
    return result;
}
