/* upload.c - PUT and DELETE of /v1/library/experts/NAME.
 *
 * The parts of a form go to files of fixed names in a directory of the library's own for
 * changes (library/store.h): no name that a request brings is ever a file's, but the
 * expert's, which is checked before. The next change removes what a server that was killed
 * has left there.
 */
#include "library/meta.h"
#include "library/store.h"
#include "server/server.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONFIG, WEIGHTS, META, GGUF, N_PARTS };
static const struct {
    const char *part, *file;
} parts[N_PARTS] = {
    [CONFIG] = {"config", "adapter_config.json"},
    [WEIGHTS] = {"weights", "adapter_model.safetensors"},
    [META] = {"meta", "expert.json"},
    [GGUF] = {"gguf", "adapter.gguf"},
};

struct upload {
    const char *name; // of the expert, in the change's arena
    struct qv_change change;
    const char *dir; // in the change's, named like the expert
    int fd;          // of the part that is coming
    bool has[N_PARTS];
    qv_status result; // of what has come so far
    qv_err err;
};

const char *qv__expert_named(const struct qv_call *c)
{
    return qv__call_path(c) + strlen(QV_EXPERTS_PATH);
}

/* What a library says of its files is not for those who ask. */
static void hide(qv_err *err, const char *dir)
{
    size_t n = strlen(dir);
    for (char *at; n && (at = strstr(err->msg, dir)) != NULL;) {
        const char *rest = at + n + (at[n] == '/');
        memmove(at, rest, strlen(rest) + 1);
    }
}

static void reply_failure(struct qv_server *s, struct qv_call *c, qv_err *err)
{
    hide(err, qv_library_dir(s->lib));
    qv__live_count_refusal(s->live);
    if (err->code == QV_ENOTFOUND && strcmp(qv__call_method(c), "PUT") == 0)
        err->code = QV_EFORMAT; // a file or tensor of the form, not the path
    qv__reply_error(s, c, err, NULL);
}

/* ---- the form ---- */

static void end_upload(void *arg)
{
    struct upload *u = arg;
    if (u->fd >= 0)
        close(u->fd);
    qv__change_end(&u->change);
    free(u);
}

static qv_status begin_part(struct upload *u, const char *name)
{
    size_t i = 0;
    while (i < N_PARTS && !(name && strcmp(parts[i].part, name) == 0))
        i++;
    if (i == N_PARTS)
        return qv_fail(&u->err, QV_EFORMAT, "no part is called '%.60s' here",
                       name ? name : "");
    if (u->has[i])
        return qv_fail(&u->err, QV_EFORMAT, "the part '%s' comes twice", name);
    u->has[i] = true;
    if (u->fd >= 0)
        close(u->fd);
    const char *path = qv__arena_fmt(&u->change.arena, "%s/%s", u->dir, parts[i].file);
    u->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    return u->fd >= 0 ? QV_OK
                      : qv_fail(&u->err, QV_EIO, "%s: %s", parts[i].part, strerror(errno));
}

static void take(void *arg, const char *name, size_t offset, const char *bytes, size_t n)
{
    struct upload *u = arg;
    if (!u->result && offset == 0)
        u->result = begin_part(u, name);
    for (size_t at = 0; !u->result && at < n;) {
        ssize_t written = write(u->fd, bytes + at, n - at);
        if (written < 0 && errno != EINTR)
            u->result = qv_fail(&u->err, QV_EIO, "%s: %s", name, strerror(errno));
        at += written > 0 ? (size_t)written : 0;
    }
}

static qv_status new_upload(struct upload **out, struct qv_server *s, const char *name,
                            qv_err *err)
{
    struct upload *u = calloc(1, sizeof *u);
    if (!u)
        return qv_fail(err, QV_ENOMEM, "no memory for an upload");
    u->fd = -1;
    qv_status result = qv__change_begin(&u->change, s->lib, err);
    if (!result) {
        u->name = qv__arena_str(&u->change.arena, name);
        u->dir = qv__arena_fmt(&u->change.arena, "%s/%s", u->change.dir, name);
        result = qv__make_dir(u->dir, err);
    }
    if (result)
        end_upload(u);
    else
        *out = u;
    return result;
}

void qv__admit_expert(struct qv_server *s, struct qv_call *c)
{
    qv_err err;
    struct upload *u = NULL;
    const char *name = qv__expert_named(c);
    bool is_put = strcmp(qv__call_method(c), "PUT") == 0;
    qv_status result = qv__check_name("expert", name, &err);
    if (!result && is_put)
        result = new_upload(&u, s, name, &err);
    if (result) {
        reply_failure(s, c, &err);
        return;
    }
    const struct qv_form form = {s->o.upload_max, take, end_upload, u};
    if (is_put && !qv__call_read_form(c, &form)) {
        end_upload(u);
        qv__live_count_refusal(s->live);
        qv__reply_refusal(s, c, 415, "invalid_request_error",
                          "the body's Content-Type must be multipart/form-data");
    }
}

/* ---- the answers ---- */

static qv_status check_parts(const struct upload *u, qv_err *err)
{
    bool is_peft = u->has[CONFIG] && u->has[WEIGHTS] && !u->has[GGUF];
    bool is_gguf = u->has[GGUF] && !u->has[CONFIG] && !u->has[WEIGHTS];
    if (u->result)
        return qv_fail(err, u->result, "%s", u->err.msg);
    return is_peft || is_gguf
               ? QV_OK
               : qv_fail(err, QV_EFORMAT,
                         "an expert is the parts 'config' and 'weights', or 'gguf'");
}

static qv_status add(struct qv_server *s, const struct upload *u, bool *is_new,
                     size_t *generation, qv_err *err)
{
    qv_arena a = {0};
    qv_expert_info info = {0};
    struct qv_arrival from = {.dir = u->dir};
    qv_status result = check_parts(u, err);
    if (!result && u->has[META])
        result = qv__meta_read(&info, &a, u->dir, err);
    if (!result && u->has[GGUF]) {
        from.dir = NULL;
        from.gguf = qv__arena_fmt(&a, "%s/%s", u->dir, parts[GGUF].file);
    }
    if (!result) {
        from.meta = info.meta;
        from.hash = u->has[META] && !u->has[GGUF] ? info.hash : NULL;
        result = qv__live_add(s->live, u->name, &from, is_new, generation, err);
    }
    qv__arena_free(&a);
    return result;
}

static void reply_changed(struct qv_server *s, struct qv_call *c, unsigned status,
                          const char *name, size_t generation)
{
    qv__reply_json(s, c, status,
                   json_pack("{s:o, s:I}", "name", qv__json_text(name, strlen(name)),
                             "generation", (json_int_t)generation));
}

void qv__answer_put_expert(struct qv_server *s, struct qv_call *c)
{
    struct upload *u = qv__call_form(c);
    enum qv_form_end end = qv__call_end_form(c);
    bool is_new = false;
    size_t generation;
    qv_err err;
    if (end == QV_FORM_IS_TOO_LARGE) {
        qv__live_count_refusal(s->live);
        qv_fail(&err, QV_ELIMIT, "a body of more than %zu bytes", s->o.upload_max);
        qv__reply_refusal(s, c, 413, "invalid_request_error", err.msg);
        return;
    }
    qv_status result = end == QV_FORM_IS_BROKEN
                           ? qv_fail(&err, QV_EFORMAT, "the form is broken or cut short")
                           : add(s, u, &is_new, &generation, &err);
    if (result) {
        hide(&err, u->dir);
        reply_failure(s, c, &err);
        return;
    }
    reply_changed(s, c, is_new ? 201 : 200, u->name, generation);
}

void qv__answer_delete_expert(struct qv_server *s, struct qv_call *c)
{
    const char *name = qv__expert_named(c);
    size_t generation;
    qv_err err;
    qv_status result = qv__live_remove(s->live, name, &generation, &err);
    if (result == QV_ENOTFOUND)
        result = qv_fail(&err, result, "no expert is named '%s'", name);
    if (result) {
        reply_failure(s, c, &err);
        return;
    }
    qv__count_reply(s, 204);
    qv__call_reply(c, 204, "application/json", "", 0);
}
