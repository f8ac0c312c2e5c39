/* dataset.c - task files to examples; see dataset.h for the formats.
 *
 * Everything about a file is decided in parse_lines and parse_published; both
 * end in add_example, which checks one record's fields. Errors name the file
 * and the line (or the instance, of a published task).
 */
#include "data/dataset.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct parser {
    struct qv_dataset *d;
    const char *prompt_field, *completion_field;
    size_t limit, room;
    const char *definition; // of a Natural Instructions task, or NULL
};

/* ---- fields ---- */

static const char *copy_target(qv_arena *a, const char *s)
{
    static const char mark[] = "<|endoftext|>";
    size_t n = strlen(s), cut = sizeof mark - 1;
    if (n >= cut && strcmp(s + n - cut, mark) == 0)
        n -= cut;
    return qv__arena_strn(a, s, n);
}

/* A string or a list of at least one; *n stays 0 if the field is absent. */
static qv_status read_strings(const char *const **out, size_t *n, qv_arena *a,
                              const json_t *record, const char *field, qv_err *err)
{
    json_t *v = json_object_get(record, field);
    if (!v || json_is_null(v))
        return QV_OK;
    if (!json_is_string(v) && !json_is_array(v))
        return qv_fail(err, QV_EFORMAT, "'%s' is neither a string nor a list", field);
    size_t count = json_is_array(v) ? json_array_size(v) : 1;
    if (count == 0)
        return qv_fail(err, QV_EFORMAT, "'%s' is an empty list", field);
    const char **s = qv_new_n(a, const char *, count);
    for (size_t i = 0; i < count; i++) {
        const char *item = json_string_value(json_is_array(v) ? json_array_get(v, i) : v);
        if (!item)
            return qv_fail(err, QV_EFORMAT, "'%s'[%zu] is not a string", field, i);
        s[i] = copy_target(a, item);
    }
    *out = s;
    *n = count;
    return QV_OK;
}

/* Which option is right: what "label" says, else the one equal to the target. */
static qv_status read_label(struct qv_example *e, const json_t *record, qv_err *err)
{
    size_t label = SIZE_MAX;
    e->label = -1;
    if (e->n_options == 0)
        return QV_OK;
    qv_status result = qv__json_size(record, "label", &label, err);
    if (result)
        return result;
    if (label != SIZE_MAX && label >= e->n_options)
        return qv_fail(err, QV_EFORMAT, "'label' is %zu of %zu options", label,
                       e->n_options);
    for (size_t i = 0; label == SIZE_MAX && e->n_targets && i < e->n_options; i++)
        if (strcmp(e->options[i], e->targets[0]) == 0)
            label = i;
    if (label != SIZE_MAX)
        e->label = (int)label;
    return QV_OK;
}

static const char *instruct(qv_arena *a, const char *definition, const char *input)
{
    return qv__arena_fmt(a,
                         "Definition: %s\n\nNow complete the following example -\n"
                         "Input: %s\nOutput:",
                         definition, input);
}

static qv_status add_example(struct parser *p, const json_t *record, qv_err *err)
{
    struct qv_dataset *d = p->d;
    struct qv_example e = {0};
    const char *prompt = NULL;
    if (!json_is_object(record))
        return qv_fail(err, QV_EFORMAT, "not an object");
    qv_status result = qv__json_str(record, p->prompt_field, &prompt, err);
    if (!result && !prompt)
        result = qv_fail(err, QV_EFORMAT, "no '%s'", p->prompt_field);
    if (!result)
        result = read_strings(&e.targets, &e.n_targets, &d->arena, record,
                              p->completion_field, err);
    if (!result)
        result = read_strings(&e.options, &e.n_options, &d->arena, record, "options", err);
    if (!result)
        result = read_label(&e, record, err);
    if (result)
        return result;
    if (e.n_targets == 0 && e.label >= 0) {
        e.targets = &e.options[e.label];
        e.n_targets = 1;
    }
    if (e.n_targets == 0)
        return qv_fail(err, QV_EFORMAT, "no '%s'", p->completion_field);
    e.prompt = p->definition ? instruct(&d->arena, p->definition, prompt)
                             : qv__arena_str(&d->arena, prompt);

    d->at = qv_more(&d->arena, struct qv_example, d->at, d->n, &p->room);
    d->at[d->n++] = e;
    return QV_OK;
}

/* A definition as the prompt says it: lines joined, no space around, and a full
 * stop unless some punctuation ends it. */
static qv_status read_definition(struct parser *p, const json_t *v, qv_err *err)
{
    qv_arena *a = &p->d->arena;
    char *text = NULL;
    if (json_is_string(v))
        text = qv__arena_str(a, json_string_value(v));
    for (size_t i = 0; i < json_array_size(v); i++) {
        const char *line = json_string_value(json_array_get(v, i));
        if (!line)
            return qv_fail(err, QV_EFORMAT, "the definition's line %zu is not a string", i);
        text = text ? qv__arena_fmt(a, "%s\n%s", text, line) : qv__arena_str(a, line);
    }
    if (!text)
        return qv_fail(err, QV_EFORMAT, "the definition is neither a string nor a list");
    text += strspn(text, " \t\r\n");
    size_t n = strlen(text);
    while (n && isspace((unsigned char)text[n - 1]))
        text[--n] = '\0';
    bool ends = n && ispunct((unsigned char)text[n - 1]);
    p->definition = n && !ends ? qv__arena_fmt(a, "%s.", text) : text;
    return QV_OK;
}

/* ---- files ---- */

static qv_status parse_published(struct parser *p, const char *bytes, size_t size,
                                 qv_err *err)
{
    json_t *task, *instance;
    size_t i;
    qv_status result = qv__json_parse(&task, bytes, size, err);
    if (result)
        return qv_wrap(err, result, "%s: ", p->d->path);
    json_t *instances = json_object_get(task, "Instances");
    p->prompt_field = "input";
    p->completion_field = "output";
    if (!json_is_array(instances)) {
        result = qv_fail(err, QV_EFORMAT,
                         "%s: no list 'Instances', so not a Natural Instructions task",
                         p->d->path);
        goto out;
    }
    result = read_definition(p, json_object_get(task, "Definition"), err);
    if (result) {
        result = qv_wrap(err, result, "%s: ", p->d->path);
        goto out;
    }
    json_array_foreach(instances, i, instance)
    {
        if (p->d->n == p->limit)
            break;
        result = add_example(p, instance, err);
        if (result) {
            result = qv_wrap(err, result, "%s: instance %zu of %zu: ", p->d->path, i + 1,
                             json_array_size(instances));
            break;
        }
    }

out:
    json_decref(task);
    return result;
}

/* A first line that defines a Natural Instructions task, rather than being an
 * example of another kind of file. */
static bool is_definition(const struct parser *p, const json_t *record)
{
    return p->d->n == 0 && !p->definition && json_object_get(record, "definition") &&
           !json_object_get(record, p->prompt_field);
}

static qv_status add_line(struct parser *p, const char *line, size_t n, qv_err *err)
{
    json_t *record;
    qv_status result = qv__json_parse(&record, line, n, err);
    if (result)
        return result;
    if (is_definition(p, record)) {
        p->prompt_field = "input";
        p->completion_field = "output";
        result = read_definition(p, json_object_get(record, "definition"), err);
    } else {
        result = add_example(p, record, err);
    }
    json_decref(record);
    return result;
}

static qv_status parse_lines(struct parser *p, const char *at, size_t size, qv_err *err)
{
    const char *end = at + size;
    for (size_t line = 1; at < end && p->d->n < p->limit; line++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline : end, *last = stop;
        while (last > at && (last[-1] == '\r' || last[-1] == ' ' || last[-1] == '\t'))
            last--;
        qv_status result = last > at ? add_line(p, at, (size_t)(last - at), err) : QV_OK;
        if (result)
            return qv_wrap(err, result, "%s: line %zu: ", p->d->path, line);
        at = newline ? newline + 1 : end;
    }
    return QV_OK;
}

qv_status qv__dataset_parse(struct qv_dataset **out, const char *path, const char *bytes,
                            size_t size, const struct qv_dataset_opts *opts, qv_err *err)
{
    static const struct qv_dataset_opts defaults = {0};
    if (!opts)
        opts = &defaults;
    *out = NULL;
    struct qv_dataset *d = calloc(1, sizeof *d);
    if (!d)
        return qv_fail(err, QV_ENOMEM, "%s: no memory", path);
    d->path = qv__arena_str(&d->arena, path);
    d->name = qv__stem(&d->arena, path);
    qv__hash_bytes(d->hash, bytes, size);

    struct parser p = {
        .d = d,
        .prompt_field = opts->prompt_field ? opts->prompt_field : "prompt",
        .completion_field = opts->completion_field ? opts->completion_field : "completion",
        .limit = opts->limit ? opts->limit : SIZE_MAX,
    };
    if (size >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0) {
        bytes += 3;
        size -= 3;
    }
    qv_status result = qv__ends_with(path, ".json") ? parse_published(&p, bytes, size, err)
                                                    : parse_lines(&p, bytes, size, err);
    if (!result && d->n == 0)
        result = qv_fail(err, QV_EFORMAT, "%s: no examples", path);
    if (result) {
        qv__dataset_free(d);
        return result;
    }
    *out = d;
    return QV_OK;
}

qv_status qv__dataset_read(struct qv_dataset **out, const char *path,
                           const struct qv_dataset_opts *opts, qv_err *err)
{
    struct qv_map map;
    *out = NULL;
    qv_status result = qv__map(&map, path, err);
    if (result)
        return result;
    result = qv__dataset_parse(out, path, map.bytes, map.size, opts, err);
    qv__unmap(&map);
    return result;
}

void qv__dataset_free(struct qv_dataset *d)
{
    if (!d)
        return;
    qv__arena_free(&d->arena);
    free(d);
}

qv_status qv__dataset_list(char ***paths, size_t *n, qv_arena *a, const char *path,
                           qv_err *err)
{
    char **names;
    size_t n_names;
    *n = 0;
    if (!qv__is_dir(path)) {
        if (!qv__is_file(path))
            return qv_fail(err, QV_ENOTFOUND, "%s: no such file or directory", path);
        *paths = qv_new(a, char *);
        (*paths)[(*n)++] = qv__arena_str(a, path);
        return QV_OK;
    }
    qv_status result = qv__list_dir(&names, &n_names, a, path, err);
    if (result)
        return result;
    *paths = qv_new_n(a, char *, n_names + 1);
    for (size_t i = 0; i < n_names; i++) {
        if (names[i][0] == '.' ||
            (!qv__ends_with(names[i], ".jsonl") && !qv__ends_with(names[i], ".json")))
            continue;
        char *file = qv__arena_fmt(a, "%s/%s", path, names[i]);
        if (!qv__is_file(file))
            continue;
        const char *before = *n ? (*paths)[*n - 1] : "", *task = qv__stem(a, file);
        if (strcmp(qv__stem(a, before), task) == 0)
            return qv_fail(err, QV_EEXIST, "%s: two files hold task '%s'", path, task);
        (*paths)[(*n)++] = file;
    }
    if (*n == 0)
        return qv_fail(err, QV_ENOTFOUND, "%s: no task files (*.jsonl, *.json)", path);
    return QV_OK;
}
