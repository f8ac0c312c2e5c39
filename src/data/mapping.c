/* mapping.c - the JSON of a mapping; what is done with it is in mapped.c. */
#include "data/mapping.h"
#include "base/regex.h"

#include <string.h>

struct parser {
    struct qv_mapping *m;
    qv_arena *a;
    const json_t *task;
    struct qv_filter *filters; // [n_filters]
    size_t n_filters;
    size_t n_room; // in m->re
};

static qv_status new_regex(struct qv_regex **out, struct parser *p, const json_t *v,
                           qv_err *err)
{
    const char *text = json_string_value(v);
    if (!text)
        return qv_fail(err, QV_EFORMAT, "a pattern is not a string");
    qv_status result = qv__regex_new(out, text, strlen(text), err);
    if (result)
        return result;
    p->m->re = qv_more(p->a, struct qv_regex *, p->m->re, p->m->n_re, &p->n_room);
    p->m->re[p->m->n_re++] = *out;
    return QV_OK;
}

/* A string is a list of one; absent, *n is 0. */
static size_t length_of(const json_t *v)
{
    return json_is_array(v) ? json_array_size(v) : v && !json_is_null(v) ? 1 : 0;
}

static const json_t *item_of(const json_t *v, size_t i)
{
    return json_is_array(v) ? json_array_get(v, i) : v;
}

static qv_status read_strings(const char *const **out, size_t *n, struct parser *p,
                              const json_t *v, const char *key, qv_err *err)
{
    const char **s = qv_new_n(p->a, const char *, length_of(v) + 1);
    for (*n = 0; *n < length_of(v); ++*n) {
        const char *text = json_string_value(item_of(v, *n));
        if (!text)
            return qv_fail(err, QV_EFORMAT, "'%s' is neither a string nor a list of them",
                           key);
        s[*n] = qv__arena_str(p->a, text);
    }
    *out = s;
    return QV_OK;
}

/* ---- templates ---- */

static qv_status read_templates(const struct qv_template ***out, size_t *n,
                                struct parser *p, const char *key, qv_err *err)
{
    const char *const *text;
    qv_status result = read_strings(&text, n, p, json_object_get(p->task, key), key, err);
    *out = qv_new_n(p->a, const struct qv_template *, *n + 1);
    for (size_t i = 0; !result && i < *n; i++)
        result =
            qv__template_parse(&(*out)[i], p->a, text[i], p->filters, p->n_filters, err);
    return result;
}

/* *out stays NULL without the key. */
static qv_status read_template(const struct qv_template **out, struct parser *p,
                               const json_t *of, const char *key, qv_err *err)
{
    const char *text = NULL;
    qv_status result = qv__json_str(of, key, &text, err);
    if (!result && text)
        result = qv__template_parse(out, p->a, text, p->filters, p->n_filters, err);
    return result;
}

static qv_status read_filter(struct qv_filter *f, struct parser *p, const char *name,
                             const json_t *steps, qv_err *err)
{
    struct qv_regex **re = qv_new_n(p->a, struct qv_regex *, length_of(steps) + 1);
    const char **with = qv_new_n(p->a, const char *, length_of(steps) + 1);
    size_t i;
    json_t *step;
    *f = (struct qv_filter){.name = qv__arena_str(p->a, name), .re = re, .with = with};
    if (!json_is_array(steps))
        return qv_fail(err, QV_EFORMAT, "not a list of [pattern, text]");
    json_array_foreach(steps, i, step)
    {
        const char *text = json_string_value(json_array_get(step, 1));
        if (json_array_size(step) != 2 || !text)
            return qv_fail(err, QV_EFORMAT, "step %zu is not [pattern, text]", i + 1);
        qv_status result = new_regex(&re[i], p, json_array_get(step, 0), err);
        if (result)
            return result;
        with[i] = qv__arena_str(p->a, text);
        f->n++;
    }
    return QV_OK;
}

static qv_status read_filters(struct parser *p, qv_err *err)
{
    json_t *all = json_object_get(p->task, "filters"), *steps;
    const char *name;
    p->filters = qv_new_n(p->a, struct qv_filter, json_object_size(all) + 1);
    json_object_foreach(all, name, steps)
    {
        qv_status result = read_filter(&p->filters[p->n_filters++], p, name, steps, err);
        if (result)
            return qv_wrap(err, result, "filter '%s': ", name);
    }
    return QV_OK;
}

/* ---- files and fields ---- */

static const char *place(struct parser *p, const char *path)
{
    return path[0] == '/' ? qv__arena_str(p->a, path)
                          : qv__arena_fmt(p->a, "%s%s", p->m->dir, path);
}

static qv_status read_records(struct parser *p, qv_err *err)
{
    struct qv_records_opts *o = &p->m->records;
    json_t *beside = json_object_get(p->task, "beside"), *path;
    const char *name;
    struct qv_beside *b = qv_new_n(p->a, struct qv_beside, json_object_size(beside) + 1);
    qv_status result = qv__json_str(p->task, "format", &o->format, err);
    if (!result)
        result = qv__json_str(p->task, "list", &o->list, err);
    if (!result)
        result = read_strings(&o->columns, &o->n_columns, p,
                              json_object_get(p->task, "columns"), "columns", err);
    if (o->format)
        o->format = qv__arena_str(p->a, o->format);
    if (o->list)
        o->list = qv__arena_str(p->a, o->list);
    o->beside = b;
    json_object_foreach(beside, name, path)
    {
        if (!result && !json_is_string(path))
            result = qv_fail(err, QV_EFORMAT, "'beside': '%s' is not a file's name", name);
        if (!result)
            b[o->n_beside++] = (struct qv_beside){qv__arena_str(p->a, name),
                                                  place(p, json_string_value(path))};
    }
    return result;
}

static qv_status read_extract(struct parser *p, qv_err *err)
{
    json_t *all = json_object_get(p->task, "extract"), *patterns;
    const char *field;
    p->m->extract = qv_new_n(p->a, struct qv_extract, json_object_size(all) + 1);
    json_object_foreach(all, field, patterns)
    {
        struct qv_extract *x = &p->m->extract[p->m->n_extract++];
        struct qv_regex **re = qv_new_n(p->a, struct qv_regex *, length_of(patterns) + 1);
        *x = (struct qv_extract){.field = qv__arena_str(p->a, field), .re = re};
        for (; x->n < length_of(patterns); x->n++) {
            qv_status result = new_regex(&re[x->n], p, item_of(patterns, x->n), err);
            if (result)
                return qv_wrap(err, result, "extract '%s': ", field);
        }
    }
    return QV_OK;
}

static qv_status read_labels(struct parser *p, qv_err *err)
{
    const json_t *all = json_object_get(p->task, "labels");
    p->m->labels = qv_new_n(p->a, struct qv_label, length_of(all) + 1);
    for (; p->m->n_labels < json_array_size(all); p->m->n_labels++) {
        struct qv_label *l = &p->m->labels[p->m->n_labels];
        qv_status result = read_strings(&l->said, &l->n, p,
                                        json_array_get(all, p->m->n_labels), "labels", err);
        if (result)
            return result;
    }
    return QV_OK;
}

static qv_status read_shots(struct parser *p, qv_err *err)
{
    const json_t *shots = json_object_get(p->task, "shots");
    struct qv_mapping *m = p->m;
    qv_status result = QV_OK;
    if (!shots)
        return QV_OK;
    if (!json_is_object(shots))
        return qv_fail(err, QV_EFORMAT, "'shots' is not an object");
    result = qv__json_size(shots, "n", &m->shots.n, err);
    if (!result)
        result = qv__json_bool(shots, "skip", &m->shots.skip, err);
    if (!result)
        result = read_template(&m->shots.header, p, shots, "header", err);
    if (!result)
        result = read_template(&m->shots.file, p, shots, "file", err);
    return result;
}

static qv_status check(const struct qv_mapping *m, qv_err *err)
{
    if (m->n_prompts == 0)
        return qv_fail(err, QV_EFORMAT, "no 'prompt'");
    if (m->n_prompts > 1 && m->n_prompts != m->n_options)
        return qv_fail(err, QV_EFORMAT, "%zu prompts for %zu options", m->n_prompts,
                       m->n_options);
    if (m->n_options && !m->label)
        return qv_fail(err, QV_EFORMAT, "options without a 'label'");
    if (!m->n_options && !m->n_targets && !m->tests)
        return qv_fail(err, QV_EFORMAT, "neither 'options', 'target' nor 'tests'");
    return QV_OK;
}

qv_status qv__mapping_parse(struct qv_mapping **out, qv_arena *a, const json_t *task,
                            const char *dir, qv_err *err)
{
    struct qv_mapping *m = qv_new(a, struct qv_mapping);
    struct parser p = {.m = m, .a = a, .task = task};
    m->dir = qv__arena_str(a, dir);
    *out = m;
    qv_status result = read_filters(&p, err);
    if (!result)
        result = read_records(&p, err);
    if (!result)
        result = read_extract(&p, err);
    if (!result)
        result = read_templates(&m->prompt, &m->n_prompts, &p, "prompt", err);
    if (!result)
        result = read_templates(&m->option, &m->n_options, &p, "options", err);
    if (!result)
        result = read_templates(&m->target, &m->n_targets, &p, "target", err);
    if (!result)
        result = read_template(&m->label, &p, task, "label", err);
    if (!result)
        result = read_template(&m->tests, &p, task, "tests", err);
    if (!result)
        result = read_labels(&p, err);
    if (!result)
        result = read_shots(&p, err);
    if (!result)
        result = check(m, err);
    if (result) {
        qv__mapping_end(m);
        *out = NULL;
    }
    return result;
}

void qv__mapping_end(struct qv_mapping *m)
{
    for (size_t i = 0; m && i < m->n_re; i++)
        qv__regex_free(m->re[i]);
    if (m)
        m->n_re = 0;
}
