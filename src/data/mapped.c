/* mapped.c - records to examples, as a mapping says; see mapping.h. */
#include "data/mapping.h"
#include "base/file.h"
#include "base/regex.h"

#include <stdlib.h>
#include <string.h>

struct reader {
    const struct qv_mapping *m;
    struct qv_dataset *d;
    struct qv_fields of; // the record at hand
    size_t room;         // for examples
};

/* ---- fields ---- */

static void set_group(void *record, const char *name, const char *text, size_t n)
{
    json_t *v = json_stringn(text, n);
    if (v) // of a text that was UTF-8 already
        json_object_set_new(record, name, v);
}

/* What patterns find in the record's fields becomes fields too. */
static qv_status extract(const struct qv_mapping *m, json_t *record, qv_err *err)
{
    for (size_t i = 0; i < m->n_extract; i++) {
        const struct qv_extract *x = &m->extract[i];
        json_t *v = json_incref(json_object_get(record, x->field));
        const char *text = json_string_value(v);
        bool found = false;
        qv_status result = QV_OK;
        if (!text)
            result = qv_fail(err, QV_EFORMAT, "'%s' is not a text", x->field);
        for (size_t j = 0; !result && !found && j < x->n; j++)
            result = qv__regex_groups(&found, x->re[j], text, json_string_length(v),
                                      set_group, record, err);
        if (!result && !found)
            result =
                qv_fail(err, QV_EFORMAT, "'%s' matches no pattern: %.80s", x->field, text);
        json_decref(v);
        if (result)
            return result;
    }
    return QV_OK;
}

/* A text that must be there. */
static qv_status fill(const char **out, const struct reader *r, const struct qv_template *t,
                      qv_err *err)
{
    char *text;
    const char *why;
    qv_status result = qv__template_fill(&text, &why, &r->d->arena, t, r->of, err);
    if (!result && !text)
        result = qv_fail(err, QV_EFORMAT, "no '%s'", why);
    *out = text;
    return result;
}

/* All texts of some templates; of those whose fields are absent there are none. */
static qv_status fill_all(const char *const **out, size_t *n, const struct reader *r,
                          const struct qv_template *const *t, size_t n_t, qv_err *err)
{
    qv_arena *a = &r->d->arena;
    const char **all = NULL;
    *n = 0;
    for (size_t i = 0; i < n_t; i++) {
        char **some;
        size_t n_some;
        qv_status result = qv__template_list(&some, &n_some, a, t[i], r->of, err);
        if (result)
            return result;
        const char **more = qv_new_n(a, const char *, *n + n_some + 1);
        if (*n)
            memcpy(more, all, *n * sizeof *more);
        for (size_t j = 0; j < n_some; j++)
            more[*n + j] = some[j];
        all = more;
        *n += n_some;
    }
    *out = all;
    return QV_OK;
}

static bool says(const struct qv_label *l, const char *text)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->said[i], text) == 0)
            return true;
    return false;
}

static qv_status find_label(struct qv_example *e, const struct reader *r, qv_err *err)
{
    const char *text;
    qv_status result = fill(&text, r, r->m->label, err);
    if (result)
        return result;
    size_t at = 0;
    if (r->m->n_labels) {
        while (at < r->m->n_labels && !says(&r->m->labels[at], text))
            at++;
    } else {
        char *end;
        at = strtoul(text, &end, 10);
        if (*text < '0' || *text > '9' || *end)
            at = SIZE_MAX;
    }
    if (at >= e->n_options)
        return qv_fail(err, QV_EFORMAT, "label '%s' is none of %zu options", text,
                       e->n_options);
    e->label = (int)at;
    return QV_OK;
}

static qv_status make_example(struct qv_example *e, const struct reader *r, qv_err *err)
{
    static const char *const nothing[] = {""};
    const struct qv_mapping *m = r->m;
    *e = (struct qv_example){.label = -1};
    const char **prompts = qv_new_n(&r->d->arena, const char *, m->n_prompts);
    qv_status result = QV_OK;
    for (size_t i = 0; !result && i < m->n_prompts; i++)
        result = fill(&prompts[i], r, m->prompt[i], err);
    if (!result)
        result = fill_all(&e->options, &e->n_options, r, m->option, m->n_options, err);
    if (!result && m->n_options)
        result = find_label(e, r, err);
    if (!result)
        result = fill_all(&e->targets, &e->n_targets, r, m->target, m->n_targets, err);
    if (!result && m->tests)
        result = fill(&e->tests, r, m->tests, err);
    if (result)
        return result;
    e->prompt = prompts[0];
    if (m->n_prompts > 1) {
        e->prompts = prompts;
        if (e->n_options != m->n_prompts)
            return qv_fail(err, QV_EFORMAT, "%zu options for %zu prompts", e->n_options,
                           m->n_prompts);
    }
    if (e->n_targets == 0 && e->label >= 0) {
        e->targets = &e->options[e->label];
        e->n_targets = 1;
    } else if (e->n_targets == 0 && e->tests) {
        e->targets = nothing;
        e->n_targets = 1;
    }
    return e->n_targets ? QV_OK : qv_fail(err, QV_EFORMAT, "no target");
}

/* ---- files ---- */

/* Prompt and answer as they stand before another prompt. */
static const char *as_shot(qv_arena *a, const struct qv_example *e)
{
    size_t n = strlen(e->prompt);
    bool apart = n && e->prompt[n - 1] != ' ' && e->prompt[n - 1] != '\n';
    return qv__arena_fmt(a, "%s%s%s", e->prompt, apart ? " " : "", e->targets[0]);
}

/* What all records of a file may name: what stands beside their list, and "task". */
static json_t *common_of(const struct qv_records *records, const char *path)
{
    qv_arena a = {0};
    json_t *common = records->common ? json_copy(records->common) : json_object();
    json_object_set_new(common, "task", json_string(qv__stem(&a, path)));
    qv__arena_free(&a);
    return common;
}

static qv_status each_record(struct reader *r, const struct qv_records *records,
                             const char *path, size_t at, struct qv_example *e, qv_err *err)
{
    json_t *record = json_copy(json_array_get(records->list, at));
    r->of.record = record;
    qv_status result = extract(r->m, record, err);
    if (!result)
        result = make_example(e, r, err);
    json_decref(record);
    return result ? qv_wrap(err, result, "%s: record %zu: ", path, at + 1) : QV_OK;
}

/* The shots that stand before the prompts of the file at `path`. */
static qv_status read_shots(struct qv_shots **out, struct reader *r, const char *path,
                            const struct qv_records *own, qv_err *err)
{
    const struct qv_mapping *m = r->m;
    qv_arena *a = &r->d->arena;
    struct qv_records other = {0};
    const char *from = path;
    *out = NULL;
    if (m->shots.n == 0)
        return QV_OK;
    struct qv_shots *s = *out = qv_new(a, struct qv_shots);
    const char **one = qv_new_n(a, const char *, m->shots.n);
    qv_status result = QV_OK;
    s->header = "";
    s->one = one;
    r->of.record = NULL;
    if (m->shots.header)
        result = fill(&s->header, r, m->shots.header, err);
    if (!result && m->shots.file) {
        result = fill(&from, r, m->shots.file, err);
        if (!result && from[0] != '/')
            from = qv__arena_fmt(a, "%s%s", m->dir, from);
        struct qv_records_opts o = m->records;
        o.n_beside = 0;
        if (!result)
            result = qv__records_read(&other, from, &o, err);
        own = &other;
    }
    for (; !result && s->n < m->shots.n && s->n < json_array_size(own->list); s->n++) {
        struct qv_example e;
        result = each_record(r, own, from, s->n, &e, err);
        if (!result)
            one[s->n] = as_shot(a, &e);
    }
    qv__records_end(&other);
    return result;
}

static void add(struct reader *r, const struct qv_example *e)
{
    struct qv_dataset *d = r->d;
    d->at = qv_more(&d->arena, struct qv_example, d->at, d->n, &r->room);
    d->at[d->n++] = *e;
}

static qv_status read_file(struct reader *r, const char *path, qv_err *err)
{
    struct qv_records records;
    struct qv_shots *shots;
    qv_status result = qv__records_read(&records, path, &r->m->records, err);
    if (result)
        return result;
    json_t *common = common_of(&records, path);
    r->of.common = common;
    result = read_shots(&shots, r, path, &records, err);
    bool skips = shots && r->m->shots.skip && !r->m->shots.file;
    size_t n = json_array_size(records.list);
    for (size_t i = skips ? shots->n : 0; !result && i < n; i++) {
        struct qv_example e;
        result = each_record(r, &records, path, i, &e, err);
        e.shots = shots;
        if (!result)
            add(r, &e);
    }
    json_decref(common);
    qv__records_end(&records);
    return result;
}

qv_status qv__mapping_read(struct qv_dataset **out, const struct qv_mapping *m,
                           const char *name, const char *const *paths, size_t n,
                           qv_err *err)
{
    *out = NULL;
    struct qv_dataset *d = calloc(1, sizeof *d);
    if (!d)
        return qv_fail(err, QV_ENOMEM, "%s: no memory", name);
    d->name = qv__arena_str(&d->arena, name);
    d->path = qv__arena_str(&d->arena, n ? paths[0] : "");
    struct reader r = {.m = m, .d = d};
    qv_status result = QV_OK;
    for (size_t i = 0; !result && i < n; i++)
        result = read_file(&r, paths[i], err);
    if (result)
        qv__dataset_free(d);
    else
        *out = d;
    return result;
}
