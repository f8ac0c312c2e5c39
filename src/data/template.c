/* template.c - see template.h. A template is a list of parts: literal text, or a field
 * with its filters. */
#include "data/template.h"
#include "base/regex.h"

#include <stdlib.h>
#include <string.h>

enum kind { STRIP, LSTRIP, CAPITALIZE, JOIN, NAMED };

struct step {
    enum kind kind;
    const char *separator;          // of JOIN
    const struct qv_filter *filter; // of NAMED
};

struct part {
    const char *text;   // literal, or NULL
    const char **field; // [n_names] names and indices, outermost first
    size_t n_names;
    struct step *step; // [n_steps]
    size_t n_steps;
};

struct qv_template {
    const char *text;
    struct part *part; // [n]
    size_t n;
};

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* ---- parsing ---- */

static qv_status read_step(struct step *s, qv_arena *a, const char *name,
                           const struct qv_filter *filters, size_t n, qv_err *err)
{
    static const char *const kinds[] = {
        [STRIP] = "strip", [LSTRIP] = "lstrip", [CAPITALIZE] = "capitalize"};
    if (strncmp(name, "join:", 5) == 0) {
        *s = (struct step){.kind = JOIN, .separator = qv__arena_str(a, name + 5)};
        return QV_OK;
    }
    for (size_t i = 0; i < QV_COUNT(kinds); i++)
        if (strcmp(kinds[i], name) == 0) {
            *s = (struct step){.kind = (enum kind)i};
            return QV_OK;
        }
    for (size_t i = 0; i < n; i++)
        if (strcmp(filters[i].name, name) == 0) {
            *s = (struct step){.kind = NAMED, .filter = &filters[i]};
            return QV_OK;
        }
    return qv_fail(err, QV_EFORMAT, "no filter is named '%s'", name);
}

/* How many pieces `text` has between the characters `cut`. */
static size_t count_pieces(const char *text, char cut)
{
    size_t n = 1;
    for (; *text; text++)
        n += *text == cut;
    return n;
}

/* What stands between braces. */
static qv_status read_field(struct part *p, qv_arena *a, const char *inside,
                            const struct qv_filter *filters, size_t n, qv_err *err)
{
    char *text = qv__arena_str(a, inside), *bar = strchr(text, '|');
    p->step = qv_new_n(a, struct step, count_pieces(text, '|'));
    if (bar)
        *bar++ = '\0';
    while (bar) {
        char *next = strchr(bar, '|');
        if (next)
            *next++ = '\0';
        qv_status result = read_step(&p->step[p->n_steps++], a, bar, filters, n, err);
        if (result)
            return result;
        bar = next;
    }
    p->field = qv_new_n(a, const char *, count_pieces(text, '.'));
    for (char *name = text; name;) {
        char *dot = strchr(name, '.');
        if (dot)
            *dot++ = '\0';
        if (*name == '\0')
            return qv_fail(err, QV_EFORMAT, "an empty name in '{%s}'", inside);
        p->field[p->n_names++] = name;
        name = dot;
    }
    return QV_OK;
}

/* Literal text from *at on, up to a single brace or the end. */
static char *read_literal(qv_arena *a, const char **at)
{
    char *out = qv_new_n(a, char, strlen(*at) + 1), *to = out;
    const char *s = *at;
    for (; *s; s++) {
        bool is_brace = *s == '{' || *s == '}';
        if (is_brace && s[1] != *s)
            break;
        *to++ = *s;
        s += is_brace;
    }
    *at = s;
    return out;
}

qv_status qv__template_parse(const struct qv_template **out, qv_arena *a, const char *text,
                             const struct qv_filter *filters, size_t n, qv_err *err)
{
    struct qv_template *t = qv_new(a, struct qv_template);
    t->text = qv__arena_str(a, text);
    t->part = qv_new_n(a, struct part, 2 * count_pieces(text, '{'));
    *out = t;
    for (const char *at = text; *at;) {
        char *literal = read_literal(a, &at);
        if (*literal)
            t->part[t->n++].text = literal;
        const char *end = *at == '{' ? strchr(at, '}') : NULL;
        if (*at && !end)
            return qv_fail(err, QV_EFORMAT, "template '%s': a brace without its other",
                           text);
        if (!*at)
            break;
        const char *inside = qv__arena_strn(a, at + 1, (size_t)(end - at - 1));
        qv_status result = read_field(&t->part[t->n++], a, inside, filters, n, err);
        if (result)
            return qv_wrap(err, result, "template '%s': ", text);
        at = end + 1;
    }
    return QV_OK;
}

/* ---- filling ---- */

qv_status qv__replace_all(char **out, qv_arena *a, const struct qv_regex *re,
                          const char *text, const char *with, qv_err *err)
{
    size_t size = strlen(text), done = 0;
    char *made = qv__arena_str(a, "");
    for (size_t at = 0; at <= size;) {
        bool found;
        size_t begin, end;
        qv_status result = qv__regex_find(&found, &begin, &end, re, text, size, at, err);
        if (result)
            return result;
        if (!found)
            break;
        made = qv__arena_fmt(a, "%s%.*s%s", made, (int)(begin - done), text + done, with);
        done = end;
        at = end > begin ? end : end + 1; // an empty match moves on
    }
    *out = qv__arena_fmt(a, "%s%s", made, text + done);
    return QV_OK;
}

static const json_t *member(const json_t *v, const char *name)
{
    if (json_is_object(v))
        return json_object_get(v, name);
    char *end;
    unsigned long i = strtoul(name, &end, 10);
    return json_is_array(v) && *end == '\0' ? json_array_get(v, i) : NULL;
}

/* The field's value, or NULL. */
static const json_t *find(const struct part *p, struct qv_fields of)
{
    const json_t *v = member(of.record, p->field[0]);
    if (!v && of.common)
        v = member(of.common, p->field[0]);
    for (size_t i = 1; v && i < p->n_names; i++)
        v = member(v, p->field[i]);
    return json_is_null(v) ? NULL : v;
}

static char *stripped(qv_arena *a, const char *text, bool at_end)
{
    size_t n = strlen(text);
    while (is_space(*text))
        text++, n--;
    while (at_end && n && is_space(text[n - 1]))
        n--;
    return qv__arena_strn(a, text, n);
}

static char *capitalized(qv_arena *a, const char *text)
{
    char *out = qv__arena_str(a, text);
    for (char *c = out; *c; c++) {
        if (c == out && *c >= 'a' && *c <= 'z')
            *c = (char)(*c - 32);
        else if (c > out && *c >= 'A' && *c <= 'Z')
            *c = (char)(*c + 32);
    }
    return out;
}

/* The filters but join, which came before them. */
static qv_status change(char **text, qv_arena *a, const struct part *p, qv_err *err)
{
    qv_status result = QV_OK;
    for (size_t i = 0; !result && i < p->n_steps; i++) {
        const struct step *s = &p->step[i];
        if (s->kind == STRIP || s->kind == LSTRIP)
            *text = stripped(a, *text, s->kind == STRIP);
        else if (s->kind == CAPITALIZE)
            *text = capitalized(a, *text);
        for (size_t j = 0; !result && s->kind == NAMED && j < s->filter->n; j++)
            result =
                qv__replace_all(text, a, s->filter->re[j], *text, s->filter->with[j], err);
    }
    return result;
}

/* A single value as text; NULL if it has none. */
static char *text_of(qv_arena *a, const json_t *v)
{
    if (json_is_string(v))
        return qv__arena_str(a, json_string_value(v));
    if (json_is_integer(v))
        return qv__arena_fmt(a, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    if (json_is_real(v))
        return qv__arena_fmt(a, "%.17g", json_real_value(v));
    if (json_is_boolean(v))
        return qv__arena_str(a, json_is_true(v) ? "true" : "false");
    return NULL;
}

static const char *separator_of(const struct part *p)
{
    return p->n_steps && p->step[0].kind == JOIN ? p->step[0].separator : NULL;
}

static qv_status value_text(char **out, qv_arena *a, const struct part *p, const json_t *v,
                            qv_err *err)
{
    const char *separator = separator_of(p);
    size_t i;
    json_t *item;
    *out = text_of(a, v);
    if (json_is_array(v) && separator) {
        *out = qv__arena_str(a, "");
        json_array_foreach(v, i, item)
        {
            const char *one = text_of(a, item);
            if (!one)
                return qv_fail(err, QV_EFORMAT, "'%s'[%zu] is not a text", p->field[0], i);
            *out = qv__arena_fmt(a, "%s%s%s", *out, i ? separator : "", one);
        }
    }
    if (!*out)
        return qv_fail(err, QV_EFORMAT, "'%s' is not a text%s", p->field[0],
                       json_is_array(v) ? " but a list" : "");
    return change(out, a, p, err);
}

qv_status qv__template_fill(char **out, const char **why, qv_arena *a,
                            const struct qv_template *t, struct qv_fields of, qv_err *err)
{
    *out = qv__arena_str(a, "");
    *why = NULL;
    for (size_t i = 0; i < t->n; i++) {
        const struct part *p = &t->part[i];
        char *text;
        if (p->text) {
            *out = qv__arena_fmt(a, "%s%s", *out, p->text);
            continue;
        }
        const json_t *v = find(p, of);
        if (!v) {
            *out = NULL;
            *why = p->field[0];
            return QV_OK;
        }
        qv_status result = value_text(&text, a, p, v, err);
        if (result)
            return result;
        *out = qv__arena_fmt(a, "%s%s", *out, text);
    }
    return QV_OK;
}

qv_status qv__template_list(char ***out, size_t *n, qv_arena *a,
                            const struct qv_template *t, struct qv_fields of, qv_err *err)
{
    const struct part *p = &t->part[0];
    const json_t *v = t->n == 1 && !p->text ? find(p, of) : NULL;
    const char *why;
    *n = 0;
    if (!json_is_array(v) || separator_of(p)) {
        *out = qv_new(a, char *);
        qv_status result = qv__template_fill(&(*out)[0], &why, a, t, of, err);
        *n = (*out)[0] ? 1 : 0;
        return result;
    }
    *out = qv_new_n(a, char *, json_array_size(v) + 1);
    for (size_t i = 0; i < json_array_size(v); i++) {
        qv_status result = value_text(&(*out)[i], a, p, json_array_get(v, i), err);
        if (result)
            return result;
        ++*n;
    }
    return QV_OK;
}
