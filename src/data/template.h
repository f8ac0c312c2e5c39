/* template.h - texts made from the fields of a record.
 *
 * "Question: {question}\nAnswer:" is a template. In braces stands a field, or a part of
 * one after dots ("choices.text.0"), then filters, each after a bar, which change what the
 * field holds in their order. {{ and }} stand for braces. Filters are
 *
 *     strip lstrip     without white space at both ends, or at the start
 *     capitalize       the first letter in upper case, the others in lower case (ASCII)
 *     join:SEP         of a list: its items with SEP between them
 *
 * and those that the caller names: regular expressions, replaced in turn.
 *
 * Numbers are written as JSON writes them; null is absent. A template that is one field,
 * not joined, may hold a list, and then stands for that many texts.
 */
#ifndef QV_DATA_TEMPLATE_H
#define QV_DATA_TEMPLATE_H

#include "base/arena.h"
#include "base/json.h"

struct qv_regex;

/* A filter by name: every match of re[i] becomes with[i], for i in order. */
struct qv_filter {
    const char *name;
    struct qv_regex *const *re; // [n]
    const char *const *with;    // [n]
    size_t n;
};

struct qv_template;

/* Parse `text` into `a`; filters [n] are borrowed. Fails with QV_EFORMAT. */
qv_status qv__template_parse(const struct qv_template **out, qv_arena *a, const char *text,
                             const struct qv_filter *filters, size_t n,
                             qv_err *err) QV_MUST_CHECK;

/* Where fields are looked for: in the record, else among what its file says of all. */
struct qv_fields {
    const json_t *record, *common; // common may be NULL
};

/* The text in `a`, or *out NULL if a field is absent; *why then names it. Fails with
 * QV_EFORMAT if a field is neither text nor number, or a list without join. */
qv_status qv__template_fill(char **out, const char **why, qv_arena *a,
                            const struct qv_template *t, struct qv_fields of,
                            qv_err *err) QV_MUST_CHECK;

/* The texts: one for each item if the template is one field that holds a list, else one,
 * or none if a field is absent. */
qv_status qv__template_list(char ***out, size_t *n, qv_arena *a,
                            const struct qv_template *t, struct qv_fields of,
                            qv_err *err) QV_MUST_CHECK;

/* `text` with every match of `re` replaced, in `a`. */
qv_status qv__replace_all(char **out, qv_arena *a, const struct qv_regex *re,
                          const char *text, const char *with, qv_err *err) QV_MUST_CHECK;

#endif
