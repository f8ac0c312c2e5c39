/* version.c - see version.h. */
#include "library/version.h"
#include "base/file.h"
#include "base/json.h"
#include "library/meta.h"
#include "library/store.h"
#include "lora/peft.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Read into memory rather than map: a file that someone truncates is then an
 * error, not a signal. */
static qv_status read_whole(struct qv_file *f, int fd, const char *name, qv_err *err)
{
    struct stat info;
    if (fstat(fd, &info) < 0)
        return qv_fail(err, QV_EIO, "%s: %s", name, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return qv_fail(err, QV_EIO, "%s: not a regular file", name);
    size_t size = (size_t)info.st_size;
    f->bytes = malloc(qv__max(size, 1));
    if (!f->bytes)
        return qv_fail(err, QV_ENOMEM, "%s: no memory for %zu bytes", name, size);
    while (f->size < size) {
        ssize_t n = read(fd, f->bytes + f->size, size - f->size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return qv_fail(err, QV_EIO, "%s: ends after %zu of %zu bytes", name, f->size,
                           size);
        f->size += (size_t)n;
    }
    return QV_OK;
}

static qv_status read_file(struct qv_file *f, int dir, const char *name, qv_err *err)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return qv_fail(err, errno == ENOENT ? QV_ENOTFOUND : QV_EIO, "%s: %s", name,
                       strerror(errno));
    qv_status result = read_whole(f, fd, name, err);
    close(fd);
    return result;
}

/* *is_current: the directory read is still the one of that name. */
static qv_status read_once(struct qv_version *v, bool *is_current, const char *path,
                           qv_err *err)
{
    struct stat was, is;
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *is_current = true;
    if (dir < 0)
        return qv_fail(err, errno == ENOENT || errno == ENOTDIR ? QV_ENOTFOUND : QV_EIO,
                       "%s", strerror(errno));
    qv_status result = read_file(&v->meta, dir, "expert.json", err);
    if (!result)
        result = read_file(&v->config, dir, "adapter_config.json", err);
    if (!result)
        result = read_file(&v->weights, dir, "adapter_model.safetensors", err);
    *is_current = stat(path, &is) == 0 && fstat(dir, &was) == 0 && is.st_ino == was.st_ino;
    close(dir);
    return result;
}

qv_status qv__version_read(struct qv_version *v, const qv_library *lib, const char *name,
                           qv_err *err)
{
    qv_arena a = {0};
    const char *path = qv__expert_dir(&a, lib, name);
    *v = (struct qv_version){0};
    bool is_current;
    qv_status result = qv__check_name("expert", name, err);
    if (result)
        goto out;
    for (int tries = 100; tries > 0; tries--) {
        result = read_once(v, &is_current, path, err);
        if (!result)
            break;
        qv__version_end(v);
        if (is_current) // not a version on its way out
            break;
    }
    if (result)
        result = qv__is_dir(path)
                     ? qv_wrap(err, result, "expert '%s': ", name)
                     : qv_fail(err, QV_ENOTFOUND, "no expert '%s' in %s", name, lib->dir);

out:
    qv__arena_free(&a);
    return result;
}

void qv__version_end(struct qv_version *v)
{
    free(v->meta.bytes);
    free(v->config.bytes);
    free(v->weights.bytes);
    *v = (struct qv_version){0};
}

qv_status qv__version_expert(struct qv_expert **out, const struct qv_version *v,
                             const char *name, const struct qv_sites *sites, qv_err *err)
{
    *out = NULL;
    struct qv_st st;
    qv_status result = qv__st_parse(&st, v->weights.bytes, v->weights.size, err);
    if (result)
        return qv_wrap(err, result, "expert '%s': adapter_model.safetensors: ", name);
    const struct qv_peft_files files = {v->config.bytes, v->config.size, &st};
    result = qv__peft_parse(out, name, files, sites, err);
    qv__st_close(&st);
    return result ? qv_wrap(err, result, "expert '%s': ", name) : QV_OK;
}

qv_status qv__version_info(qv_expert_info *info, qv_arena *a, const struct qv_version *v,
                           qv_err *err)
{
    json_t *root;
    qv_status result = qv__json_parse(&root, v->meta.bytes, v->meta.size, err);
    if (!result) {
        result = qv__meta_parse(info, a, root, err);
        json_decref(root);
    }
    return result ? qv_wrap(err, result, "expert.json: ") : QV_OK;
}
