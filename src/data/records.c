/* records.c - see records.h. */
#include "data/records.h"
#include "base/file.h"

#include <string.h>

struct reader {
    const char *path;
    const struct qv_records_opts *o;
    json_t *list;
};

/* ---- lines ---- */

struct lines {
    const char *at, *end;
    size_t number; // of the line last given
};

/* The next line without its end, or false. */
static bool next_line(struct lines *l, const char **line, size_t *n)
{
    if (l->at == l->end)
        return false;
    const char *newline = memchr(l->at, '\n', (size_t)(l->end - l->at));
    const char *stop = newline ? newline : l->end;
    *line = l->at;
    *n = (size_t)(stop - l->at);
    if (*n && (*line)[*n - 1] == '\r')
        --*n;
    l->at = newline ? newline + 1 : l->end;
    l->number++;
    return true;
}

/* Blank lines at the end hold nothing. */
static struct lines lines_of(const char *bytes, size_t size)
{
    while (size && (bytes[size - 1] == '\n' || bytes[size - 1] == '\r'))
        size--;
    return (struct lines){.at = bytes, .end = bytes + size};
}

static qv_status set_text(json_t *record, const char *field, const char *text, size_t n,
                          qv_err *err)
{
    json_t *v = json_stringn(text, n);
    if (!v || memchr(text, '\0', n)) {
        json_decref(v);
        return qv_fail(err, QV_EFORMAT, "not UTF-8 text");
    }
    json_object_set_new(record, field, v);
    return QV_OK;
}

static qv_status read_jsonl(struct reader *r, const char *bytes, size_t size, qv_err *err)
{
    struct lines l = lines_of(bytes, size);
    const char *line;
    size_t n;
    while (next_line(&l, &line, &n)) {
        json_t *record;
        if (n == 0)
            continue;
        qv_status result = qv__json_parse(&record, line, n, err);
        if (result)
            return qv_wrap(err, result, "line %zu: ", l.number);
        json_array_append_new(r->list, record);
    }
    return QV_OK;
}

static qv_status read_lines(struct reader *r, const char *bytes, size_t size, qv_err *err)
{
    struct lines l = lines_of(bytes, size);
    const char *line;
    size_t n, column = 0;
    json_t *record = NULL;
    if (r->o->n_columns == 0)
        return qv_fail(err, QV_EFORMAT, "lines need 'columns', the names of a record's");
    while (next_line(&l, &line, &n)) {
        if (column == 0) {
            record = json_object();
            json_array_append_new(r->list, record);
        }
        qv_status result = set_text(record, r->o->columns[column], line, n, err);
        if (result)
            return qv_wrap(err, result, "line %zu: ", l.number);
        column = (column + 1) % r->o->n_columns;
    }
    return column ? qv_fail(err, QV_EFORMAT, "%zu lines, a record has %zu", l.number,
                            r->o->n_columns)
                  : QV_OK;
}

/* ---- CSV ---- */

struct csv {
    const char *at, *end;
    size_t line; // of the record being read
    char *cell;  // [size of the file] scratch
    size_t n;    // of the cell
    bool last;   // the cell ends its record
};

/* One cell; a quote in a quoted one is doubled. */
static qv_status next_cell(struct csv *c, qv_err *err)
{
    bool quoted = c->at < c->end && *c->at == '"', closed = false;
    size_t begun = c->line;
    c->n = 0;
    c->at += quoted;
    for (; c->at < c->end; c->at++) {
        if (quoted && *c->at == '"' && c->at + 1 < c->end && c->at[1] == '"')
            c->at++;
        else if (quoted && *c->at == '"' && !closed) {
            closed = true;
            quoted = false;
            continue;
        } else if (!quoted && (*c->at == ',' || *c->at == '\n' || *c->at == '\r'))
            break;
        c->line += *c->at == '\n';
        c->cell[c->n++] = *c->at;
    }
    if (quoted)
        return qv_fail(err, QV_EFORMAT, "line %zu: a quote is not closed", begun);
    if (c->at < c->end && *c->at == '\r')
        c->at++;
    c->last = c->at == c->end || *c->at == '\n';
    c->line += c->at < c->end && *c->at == '\n';
    c->at += c->at < c->end;
    return QV_OK;
}

/* The cells of one record as a list. */
static qv_status next_row(json_t **row, struct csv *c, qv_err *err)
{
    size_t line = c->line;
    *row = json_array();
    do {
        qv_status result = next_cell(c, err);
        if (result)
            return result;
        json_t *v = memchr(c->cell, '\0', c->n) ? NULL : json_stringn(c->cell, c->n);
        if (!v)
            return qv_fail(err, QV_EFORMAT, "line %zu: not UTF-8 text", line);
        json_array_append_new(*row, v);
    } while (!c->last);
    return QV_OK;
}

static qv_status add_row(struct reader *r, const json_t *names, const json_t *row,
                         size_t line, qv_err *err)
{
    size_t n = names ? json_array_size(names) : r->o->n_columns;
    if (json_array_size(row) != n)
        return qv_fail(err, QV_EFORMAT, "line %zu: %zu cells, there are %zu columns", line,
                       json_array_size(row), n);
    json_t *record = json_object();
    for (size_t i = 0; i < n; i++)
        json_object_set(
            record, names ? json_string_value(json_array_get(names, i)) : r->o->columns[i],
            json_array_get(row, i));
    json_array_append_new(r->list, record);
    return QV_OK;
}

static qv_status read_csv(struct reader *r, const char *bytes, size_t size, qv_err *err)
{
    struct lines l = lines_of(bytes, size);
    qv_arena a = {0};
    struct csv c = {
        .at = l.at, .end = l.end, .line = 1, .cell = qv_new_n(&a, char, size + 1)};
    json_t *names = NULL, *row = NULL;
    qv_status result = QV_OK;
    if (r->o->n_columns == 0 && c.at < c.end)
        result = next_row(&names, &c, err);
    while (!result && c.at < c.end) {
        size_t line = c.line;
        result = next_row(&row, &c, err);
        if (!result)
            result = add_row(r, names, row, line, err);
        json_decref(row);
        row = NULL;
    }
    json_decref(names);
    json_decref(row);
    qv__arena_free(&a);
    return result;
}

/* ---- files ---- */

static qv_status read_json(struct reader *r, struct qv_records *out, const char *bytes,
                           size_t size, qv_err *err)
{
    json_t *whole;
    qv_status result = qv__json_parse(&whole, bytes, size, err);
    if (result)
        return result;
    const json_t *list = r->o->list ? json_object_get(whole, r->o->list) : whole;
    if (json_is_array(list))
        json_array_extend(r->list, (json_t *)(uintptr_t)list);
    else if (r->o->list)
        result = qv_fail(err, QV_EFORMAT, "no list '%s'", r->o->list);
    else
        result = qv_fail(err, QV_EFORMAT, "not a list of records");
    if (r->o->list)
        out->common = json_incref(whole);
    json_decref(whole);
    return result;
}

static qv_status read_beside(struct reader *r, const struct qv_beside *b, qv_err *err)
{
    struct qv_map map;
    qv_status result = qv__map(&map, b->path, err);
    if (result)
        return result;
    struct lines l = lines_of(map.bytes, map.size);
    const char *line;
    size_t n, i = 0, had = json_array_size(r->list);
    while (!result && next_line(&l, &line, &n)) {
        if (i < had)
            result = set_text(json_array_get(r->list, i), b->field, line, n, err);
        i++;
    }
    if (result)
        result = qv_wrap(err, result, "%s: line %zu: ", b->path, l.number);
    else if (i != had)
        result = qv_fail(err, QV_EFORMAT, "%s: %zu lines for %zu records", b->path, i, had);
    qv__unmap(&map);
    return result;
}

static bool is_compressed(const char *bytes, size_t size)
{
    return size > 3 && (memcmp(bytes, "\x1f\x8b", 2) == 0 || memcmp(bytes, "BZh", 3) == 0 ||
                        memcmp(bytes, "\xfd\x37\x7a", 3) == 0);
}

static qv_status read_list(struct reader *r, struct qv_records *out, const char *bytes,
                           size_t size, qv_err *err)
{
    const char *format = r->o->format;
    if (!format)
        format = qv__ends_with(r->path, ".json")  ? "json"
                 : qv__ends_with(r->path, ".csv") ? "csv"
                                                  : "jsonl";
    if (is_compressed(bytes, size))
        return qv_fail(err, QV_EFORMAT, "compressed: unpack it first");
    if (strcmp(format, "jsonl") == 0)
        return read_jsonl(r, bytes, size, err);
    if (strcmp(format, "lines") == 0)
        return read_lines(r, bytes, size, err);
    if (strcmp(format, "csv") == 0)
        return read_csv(r, bytes, size, err);
    if (strcmp(format, "json") == 0)
        return read_json(r, out, bytes, size, err);
    return qv_fail(err, QV_EFORMAT, "no format '%s': there are jsonl, json, csv, lines",
                   format);
}

qv_status qv__records_parse(struct qv_records *out, const char *path, const char *bytes,
                            size_t size, const struct qv_records_opts *opts, qv_err *err)
{
    static const struct qv_records_opts none = {0};
    *out = (struct qv_records){.list = json_array()};
    struct reader r = {.path = path, .o = opts ? opts : &none, .list = out->list};
    if (size >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0) {
        bytes += 3;
        size -= 3;
    }
    qv_status result = read_list(&r, out, bytes, size, err);
    size_t i;
    json_t *record;
    json_array_foreach(out->list, i, record) if (!result && !json_is_object(record))
        result = qv_fail(err, QV_EFORMAT, "record %zu is not an object", i + 1);
    if (!result && json_array_size(out->list) == 0)
        result = qv_fail(err, QV_EFORMAT, "no records");
    if (result)
        result = qv_wrap(err, result, "%s: ", path);
    for (i = 0; !result && i < r.o->n_beside; i++)
        result = read_beside(&r, &r.o->beside[i], err);
    if (result)
        qv__records_end(out);
    return result;
}

qv_status qv__records_read(struct qv_records *out, const char *path,
                           const struct qv_records_opts *opts, qv_err *err)
{
    struct qv_map map;
    *out = (struct qv_records){0};
    qv_status result = qv__map(&map, path, err);
    if (result)
        return result;
    result = qv__records_parse(out, path, map.bytes, map.size, opts, err);
    qv__unmap(&map);
    return result;
}

void qv__records_end(struct qv_records *r)
{
    json_decref(r->list);
    json_decref(r->common);
    *r = (struct qv_records){0};
}
