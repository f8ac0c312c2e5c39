/* output.c - results on stdout, failures on stderr.
 *
 * A command makes one JSON object. A person is shown the same: numbers and words
 * as "name  value" lines, lists of objects as tables.
 */
#include "cli/cli.h"
#include "text/utf8.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int qv__say_failure(const qv_err *err)
{
    fflush(stdout);
    fprintf(stderr, "quiver: %s\n", err->msg);
    return QV_FAILED;
}

int qv__say_stopped(const qv_err *err)
{
    if (err->code != QV_ECANCEL)
        return qv__say_failure(err);
    fprintf(stderr, "quiver: %s; the same command goes on from there\n", err->msg);
    return QV_FAILED;
}

json_t *qv__json_number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

json_t *qv__json_square(const float *x, size_t n)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *row = json_array();
        for (size_t j = 0; j < n; j++)
            json_array_append_new(row, json_real((double)x[i * n + j]));
        json_array_append_new(rows, row);
    }
    return rows;
}

json_t *qv__json_strings(const char *const *s, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_string(s[i]));
    return list;
}

json_t *qv__json_names(const qv_snapshot *snap)
{
    json_t *list = json_array();
    for (size_t i = 0; i < qv_snapshot_size(snap); i++)
        json_array_append_new(list, json_string(qv_snapshot_info(snap, i)->name));
    return list;
}

/* A value in one cell. Ended with free(). */
static char *cell(const json_t *v)
{
    if (json_is_string(v))
        return strdup(json_string_value(v));
    char text[64];
    if (json_is_integer(v)) {
        snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
        return strdup(text);
    }
    if (json_is_real(v)) {
        snprintf(text, sizeof text, "%.4g", json_real_value(v));
        return strdup(text);
    }
    if (json_is_boolean(v))
        return strdup(json_is_true(v) ? "yes" : "no");
    if (json_is_object(v))
        return json_dumps(v, JSON_REAL_PRECISION(5));
    if (!json_is_array(v))
        return strdup("-");
    char *out = NULL;
    size_t size = 0, i;
    FILE *f = open_memstream(&out, &size);
    qv_check(f);
    json_t *item;
    json_array_foreach(v, i, item)
    {
        char *one = cell(item);
        fprintf(f, "%s%s", i ? " " : "", one);
        free(one);
    }
    fclose(f);
    return out;
}

static void pad(size_t n)
{
    printf("%*s", (int)n, "");
}

/* "n_sites" is told as "sites", "bits_per_char" as "bits per char"; a key with a dot is
 * a file's own, as in GGUF, and told as it is. */
static void put_label(const char *key, size_t room)
{
    const char *label = strncmp(key, "n_", 2) == 0 ? key + 2 : key;
    bool is_ours = !strchr(key, '.');
    for (const char *c = label; *c; c++)
        putchar(is_ours && *c == '_' ? ' ' : *c);
    pad(room - qv__utf8_count(label));
}

static size_t label_width(const char *key)
{
    return qv__utf8_count(key) - (strncmp(key, "n_", 2) == 0 ? 2 : 0);
}

void qv__print_table(const json_t *rows)
{
    enum { MOST = 16 };
    const char *key;
    json_t *row, *v;
    size_t room[MOST] = {0}, n = 0, i;
    json_object_foreach(json_array_get(rows, 0), key, v) if (n < MOST) room[n++] =
        label_width(key);
    json_array_foreach(rows, i, row)
    {
        size_t c = 0;
        json_object_foreach(row, key, v)
        {
            char *text = cell(v);
            if (c < n)
                room[c] = qv__max(room[c], qv__utf8_count(text));
            free(text);
            c++;
        }
    }
    size_t c = 0;
    json_object_foreach(json_array_get(rows, 0), key, v)
    {
        put_label(key, c + 1 < n ? room[c] + 2 : label_width(key));
        c++;
    }
    putchar('\n');
    json_array_foreach(rows, i, row)
    {
        c = 0;
        json_object_foreach(row, key, v)
        {
            char *text = cell(v);
            size_t empty = c + 1 < n ? room[c] + 2 - qv__utf8_count(text) : 0;
            if (json_is_number(v) && c + 1 < n) { // numbers end below one another
                pad(empty - 2);
                empty = 2;
            }
            fputs(text, stdout);
            pad(empty);
            free(text);
            c++;
        }
        putchar('\n');
    }
}

static bool is_table(const json_t *v)
{
    return json_is_array(v) && json_is_object(json_array_get(v, 0));
}

static void print_facts(const json_t *object, size_t indent)
{
    const char *key;
    json_t *v;
    size_t room = 0;
    json_object_foreach((json_t *)(uintptr_t)object, key, v) if (!is_table(v)) room =
        qv__max(room, label_width(key));
    json_object_foreach((json_t *)(uintptr_t)object, key, v)
    {
        if (json_is_null(v) || (json_is_array(v) && json_array_size(v) == 0))
            continue;
        pad(indent);
        if (is_table(v)) {
            putchar('\n');
            qv__print_table(v);
        } else if (json_is_object(v)) {
            put_label(key, label_width(key));
            putchar('\n');
            print_facts(v, indent + 2);
        } else {
            char *text = cell(v);
            put_label(key, room + 2);
            puts(text);
            free(text);
        }
    }
}

void qv__print(json_t *value, bool as_json)
{
    if (as_json) {
        json_dumpf(value, stdout, JSON_REAL_PRECISION(9) | JSON_COMPACT);
        putchar('\n');
    } else {
        print_facts(value, 0);
    }
    json_decref(value);
}
