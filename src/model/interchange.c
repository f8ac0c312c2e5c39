/* interchange.c - see quiver/interchange.h. */
#include <quiver/interchange.h>

#include "base/file.h"
#include "library/library.h"
#include "lora/peft.h"
#include "model/gguf_adapter.h"
#include "model/mttl_import.h"

static qv_status refuse_existing(const char *path, qv_err *err)
{
    return qv__is_file(path) ? qv_fail(err, QV_EEXIST, "%s: a file is there", path) : QV_OK;
}

static qv_status write_gguf(const struct qv_expert *e, const char *task, const char *path,
                            const qv_model *m, qv_err *err)
{
    qv_status result = refuse_existing(path, err);
    return result ? result : qv__gguf_adapter_write(e, task, path, m, err);
}

static qv_status write_peft(const struct qv_expert *e, const char *dir, qv_err *err)
{
    static const char *const files[] = {"adapter_config.json", "adapter_model.safetensors"};
    qv_arena a = {0};
    qv_status result = QV_OK;
    for (size_t i = 0; i < QV_COUNT(files) && !result; i++)
        result = refuse_existing(qv__arena_fmt(&a, "%s/%s", dir, files[i]), err);
    if (!result)
        result = qv__make_dir(dir, err);
    qv__arena_free(&a);
    return result ? result : qv__peft_write(e, dir, err);
}

qv_status qv_adapter_convert(const char *from, const char *to, const char *model,
                             qv_err *err)
{
    qv_model *m;
    struct qv_expert *e = NULL;
    qv_status result = qv__model_outline(&m, model, err);
    if (result)
        return result;
    result = qv__adapter_read(&e, from, m, err);
    if (!result)
        result =
            qv__is_gguf_name(to) ? write_gguf(e, NULL, to, m, err) : write_peft(e, to, err);
    qv__expert_free(e);
    qv_model_close(m);
    return result;
}

/* The expert that the open file is, into the library. */
static qv_status add_open(qv_library *lib, const char *name, const struct qv_gguf_lora *l,
                          const qv_model *m, const qv_expert_opts *opts, qv_err *err)
{
    struct qv_expert *e;
    qv_expert_opts o = opts ? *opts : (qv_expert_opts){0};
    if (l->task && o.meta.n_tasks == 0) {
        o.meta.task = &l->task;
        o.meta.n_tasks = 1;
    }
    qv_status result = qv__gguf_adapter_expert(&e, name, l, m, err);
    if (!result)
        result = qv__library_put(lib, e, &o, err);
    qv__expert_free(e);
    return result;
}

qv_status qv_library_add_gguf(qv_library *lib, const char *name, const char *path,
                              const char *model, const qv_expert_opts *opts, qv_err *err)
{
    qv_model *m;
    struct qv_gguf_lora l;
    qv_status result = qv__model_outline(&m, model, err);
    if (result)
        return result;
    result = qv__gguf_lora_open(&l, path, err);
    if (!result) {
        result = add_open(lib, name, &l, m, opts, err);
        qv__gguf_lora_close(&l);
        if (result)
            result = qv_wrap(err, result, "%s: ", path);
    }
    qv_model_close(m);
    return result;
}

/* The expert's one task, or NULL. Borrowed from the snapshot. */
static const char *only_task(const qv_snapshot *snap, const char *name)
{
    size_t i = qv_snapshot_find(snap, name);
    if (i == qv_snapshot_size(snap))
        return NULL;
    const qv_expert_meta *meta = &qv_snapshot_info(snap, i)->meta;
    return meta->n_tasks == 1 ? meta->task[0] : NULL;
}

qv_status qv_library_export_gguf(const qv_library *lib, const char *name, const char *path,
                                 const char *model, qv_err *err)
{
    qv_model *m;
    qv_snapshot *snap = NULL;
    struct qv_expert *e = NULL;
    qv_status result = qv__model_outline(&m, model, err);
    if (result)
        return result;
    result = qv_library_snapshot(&snap, lib, err);
    if (!result)
        result = qv__library_read(&e, lib, name, &m->sites, err);
    if (!result)
        result = write_gguf(e, only_task(snap, name), path, m, err);
    qv__expert_free(e);
    qv_snapshot_release(snap);
    qv_model_close(m);
    return result;
}

qv_status qv_library_import_mttl(qv_library *lib, const char *dir, const char *model,
                                 bool replace, qv_imported_fn told, void *arg, qv_err *err)
{
    qv_model *m = NULL;
    qv_status result = model ? qv__model_outline(&m, model, err) : QV_OK;
    if (!result)
        result = qv__mttl_import(lib, dir, m, replace, told, arg, err);
    qv_model_close(m);
    return result;
}
