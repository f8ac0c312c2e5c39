/* scan.c - see scan.h. */
#include "server/scan.h"
#include "base/clock.h"
#include "base/file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const double still = 1; // seconds without a change

/* The files of an expert. */
enum { META = 1, CONFIG = 2, WEIGHTS = 4 };
static const char *const file_names[] = {"expert.json", "adapter_config.json",
                                         "adapter_model.safetensors"};

/* A directory in the library. */
struct seen {
    char *name; // owned
    uint64_t print;
    double since; // when its files were first seen as they are
    enum { WAITS, TAKEN, REFUSED } state;
    bool was_tried, is_held; // as it is now; at some time
};

struct qv_scan {
    struct qv_scan_opts o;
    struct seen *at; // [n] by name
    size_t n;
    bool has_looked;
};

qv_status qv__scan_new(struct qv_scan **out, const struct qv_scan_opts *opts, qv_err *err)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return qv_fail(err, QV_ENOMEM, "no memory to look at a library");
    (*out)->o = *opts;
    return QV_OK;
}

void qv__scan_free(struct qv_scan *s)
{
    for (size_t i = 0; s && i < s->n; i++)
        free(s->at[i].name);
    free(s ? s->at : NULL);
    free(s);
}

void qv__changes_end(struct qv_changes *c)
{
    free(c->put);
    qv__arena_free(&c->arena);
    *c = (struct qv_changes){0};
}

/* ---- one directory ---- */

/* FNV-1a. */
static uint64_t mix(uint64_t print, uint64_t x)
{
    for (int i = 0; i < 8; i++)
        print = (print ^ (x >> 8 * i & 255)) * 0x100000001b3;
    return print;
}

/* What tells its files from others; *files are those that are there. */
static uint64_t print_of(unsigned *files, const char *dir)
{
    uint64_t print = 0xcbf29ce484222325;
    struct stat info;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *files = 0;
    if (fd < 0)
        return print;
    if (fstat(fd, &info) == 0)
        print = mix(print, (uint64_t)info.st_ino);
    for (size_t i = 0; i < QV_COUNT(file_names); i++) {
        if (fstatat(fd, file_names[i], &info, 0) < 0)
            continue;
        *files |= 1u << i;
        print = mix(mix(print, i), (uint64_t)info.st_ino);
        print = mix(print, (uint64_t)info.st_size);
        print = mix(print, (uint64_t)info.st_ctim.tv_sec);
        print = mix(print, (uint64_t)info.st_ctim.tv_nsec);
    }
    close(fd);
    return print;
}

static const char *home_of(const struct qv_scan *s, qv_arena *a, const char *name)
{
    return qv__arena_fmt(a, "%s/%s", qv_library_dir(s->o.lib), name);
}

static qv_status read_held(struct qv_held **out, const struct qv_scan *s, const char *name,
                           qv_err *err)
{
    return qv__held_read(out, s->o.lib, s->o.model, name, s->o.spill_dir, err);
}

/* A PEFT adapter by itself becomes an expert of the library. */
static qv_status adopt(struct qv_held **out, struct qv_scan *s, struct seen *e,
                       const char *home, qv_err *err)
{
    unsigned files;
    qv_status result =
        qv_library_add(s->o.lib, e->name, home, &(qv_expert_opts){.replace = true}, err);
    e->print = print_of(&files, home);
    return result ? result : read_held(out, s, e->name, err);
}

static void put(struct qv_changes *c, struct seen *e, struct qv_held *h)
{
    c->put[c->n_put++] = h;
    e->state = TAKEN;
    e->is_held = true;
}

static void refuse(struct qv_scan *s, struct seen *e, const qv_err *err)
{
    qv_err line = *err;
    e->state = REFUSED;
    if (e->is_held)
        qv_wrap(&line, line.code, "the version before stays: ");
    s->o.refused(s->o.arg, line.msg);
}

/* A directory whose files have changed: read it, wait, or refuse it. */
static void consider(struct qv_scan *s, struct qv_changes *c, struct seen *e,
                     unsigned files, const char *home)
{
    qv_err err;
    qv_status result;
    struct qv_held *h = NULL;
    bool is_still = !s->has_looked || qv__seconds() - e->since >= still;
    if ((e->was_tried || !(files & META)) && !is_still)
        return;
    if (files == (CONFIG | WEIGHTS))
        result = adopt(&h, s, e, home, &err);
    else
        result = read_held(&h, s, e->name, &err);
    e->was_tried = true;
    if (!result)
        put(c, e, h);
    else if (is_still)
        refuse(s, e, &err);
}

/* ---- all of them ---- */

static int by_name(const void *key, const void *seen)
{
    return strcmp(key, ((const struct seen *)seen)->name);
}

static struct seen *find(const struct qv_scan *s, const char *name)
{
    return s->n ? bsearch(name, s->at, s->n, sizeof *s->at, by_name) : NULL;
}

static void set_print(struct seen *e, uint64_t print)
{
    if (e->print == print)
        return;
    e->print = print;
    e->since = qv__seconds();
    e->state = WAITS;
    e->was_tried = false;
}

/* The names that are gone; the others have moved to at [n]. */
static void take_gone(struct qv_scan *s, struct qv_changes *c, struct seen *const *moved)
{
    c->gone = qv_new_n(&c->arena, const char *, s->n);
    for (size_t i = 0; i < s->n; i++) {
        if (moved[i])
            continue;
        if (s->at[i].is_held)
            c->gone[c->n_gone++] = qv__arena_str(&c->arena, s->at[i].name);
        free(s->at[i].name);
    }
}

/* names [n] are sorted, and so is at [n]. */
static size_t look_at_all(struct qv_scan *s, struct qv_changes *c, struct seen *at,
                          struct seen **moved, char *const *names, size_t n)
{
    qv_arena a = {0};
    size_t n_seen = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned files;
        const char *home = home_of(s, &a, names[i]);
        uint64_t print = names[i][0] == '.' ? 0 : print_of(&files, home);
        if (names[i][0] == '.' || files == 0)
            continue;
        struct seen *e = &at[n_seen], *old = find(s, names[i]);
        if (old)
            *e = *old;
        else
            *e = (struct seen){.name = strdup(names[i])};
        if (!e->name)
            continue; // no memory: seen next time
        if (old)
            moved[old - s->at] = e;
        n_seen++;
        set_print(e, print);
        if (e->state == WAITS)
            consider(s, c, e, files, home);
    }
    qv__arena_free(&a);
    return n_seen;
}

qv_status qv__scan_look(struct qv_scan *s, struct qv_changes *c, qv_err *err)
{
    char **names;
    size_t n;
    *c = (struct qv_changes){0};
    qv_status result = qv__list_dir(&names, &n, &c->arena, qv_library_dir(s->o.lib), err);
    if (result)
        return result;
    struct seen *at = calloc(qv__max(n, 1), sizeof *at);
    struct seen **moved = calloc(qv__max(s->n, 1), sizeof *moved);
    c->put = calloc(qv__max(n, 1), sizeof *c->put);
    if (at && moved && c->put) {
        size_t n_seen = look_at_all(s, c, at, moved, names, n);
        take_gone(s, c, moved);
        free(s->at);
        s->at = at;
        s->n = n_seen;
        s->has_looked = true;
        at = NULL; // now the scan's
    } else {
        result = qv_fail(err, QV_ENOMEM, "no memory to look at %zu experts", n);
    }
    free(at);
    free(moved);
    return result;
}

/* The entry of that name, made if need be; NULL without memory. */
static struct seen *entry(struct qv_scan *s, const char *name)
{
    struct seen *e = find(s, name);
    if (e)
        return e;
    struct seen *more = realloc(s->at, (s->n + 1) * sizeof *more);
    if (!more)
        return NULL;
    s->at = more;
    size_t i = 0;
    while (i < s->n && strcmp(s->at[i].name, name) < 0)
        i++;
    char *own = strdup(name);
    if (!own)
        return NULL;
    memmove(s->at + i + 1, s->at + i, (s->n - i) * sizeof *s->at);
    s->at[i] = (struct seen){.name = own};
    s->n++;
    return &s->at[i];
}

qv_status qv__scan_read(struct qv_held **out, struct qv_scan *s, const char *name,
                        qv_err *err)
{
    qv_arena a = {0};
    unsigned files;
    uint64_t print = print_of(&files, home_of(s, &a, name));
    struct seen *e = NULL;
    qv_status result = read_held(out, s, name, err);
    if (!result)
        e = entry(s, name);
    if (e) { // else a look finds it changed, and reads it again
        set_print(e, print);
        e->state = TAKEN;
        e->is_held = true;
    }
    qv__arena_free(&a);
    return result;
}

void qv__scan_forget(struct qv_scan *s, const char *name)
{
    struct seen *e = find(s, name);
    if (!e)
        return;
    free(e->name);
    memmove(e, e + 1, (size_t)(s->at + s->n - (e + 1)) * sizeof *e);
    s->n--;
}
