/* select.c - see select.h. */
#include "server/select.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES = 4096 }; // in one list

static const double heaviest = 1e6;

bool qv__wanted_is_all(const struct qv_wanted *w)
{
    return !w->experts && !w->excluded && !w->weights;
}

/* After a mismatch, the last star takes one letter more: earlier ones need no other try. */
bool qv__is_like(const char *name, const char *pattern)
{
    const char *star = NULL, *from = NULL;
    while (*name) {
        if (*pattern == '*') {
            star = pattern++;
            from = name;
        } else if (*pattern == '?' || *pattern == *name) {
            pattern++;
            name++;
        } else if (star) {
            pattern = star + 1;
            name = ++from;
        } else {
            return false;
        }
    }
    return pattern[strspn(pattern, "*")] == '\0';
}

static size_t find(const char *const *name, size_t K, const char *what)
{
    size_t i = 0;
    while (i < K && strcmp(name[i], what) != 0)
        i++;
    return i;
}

/* Mark those that an entry of a list means. */
static qv_status mark(bool *is_in, bool mark, const char *const *name, size_t K,
                      const char *what, qv_err *err)
{
    size_t found = 0, exact = find(name, K, what);
    const bool is_pattern = exact == K && strpbrk(what, "*?");
    for (size_t i = 0; i < K; i++)
        if (i == exact || (is_pattern && qv__is_like(name[i], what))) {
            is_in[i] = mark;
            found++;
        }
    return found ? QV_OK
                 : qv_fail(err, QV_EFORMAT,
                           is_pattern ? "no expert is like '%.200s'"
                                      : "no expert is named '%.200s'",
                           what);
}

static qv_status mark_all(bool *is_in, bool as, const char *const *name, size_t K,
                          const json_t *list, const char *param, qv_err *err)
{
    size_t i;
    json_t *one;
    if (!json_is_array(list))
        return qv_fail(err, QV_EFORMAT, "'%s' is not a list of names", param);
    if (json_array_size(list) > NAMES)
        return qv_fail(err, QV_EFORMAT, "'%s' has %zu names, at most %d", param,
                       json_array_size(list), NAMES);
    json_array_foreach(list, i, one)
    {
        if (!json_is_string(one))
            return qv_fail(err, QV_EFORMAT, "'%s': name %zu is not a text", param, i);
        qv_status result = mark(is_in, as, name, K, json_string_value(one), err);
        if (result)
            return result;
    }
    return QV_OK;
}

static qv_status select_by_name(bool *is_in, const char *const *name, size_t K,
                                const struct qv_wanted *w, const char **param, qv_err *err)
{
    qv_status result = QV_OK;
    *param = "experts";
    for (size_t i = 0; i < K; i++)
        is_in[i] = !w->experts;
    if (w->experts)
        result = mark_all(is_in, true, name, K, w->experts, *param, err);
    if (result || !w->excluded)
        return result;
    *param = "experts_excluded";
    return mark_all(is_in, false, name, K, w->excluded, *param, err);
}

static qv_status weigh(bool *is_in, float *weight, const char *const *name, size_t K,
                       const json_t *weights, qv_err *err)
{
    const char *key;
    json_t *v;
    if (!json_is_object(weights))
        return qv_fail(err, QV_EFORMAT, "'weights' is not an object of names and numbers");
    json_object_foreach((json_t *)(uintptr_t)weights, key, v) // jansson has no const here
    {
        size_t i = find(name, K, key);
        double w = json_number_value(v);
        if (i == K)
            return qv_fail(err, QV_EFORMAT, "no expert is named '%.200s'", key);
        if (!json_is_number(v) || !(fabs(w) <= heaviest))
            return qv_fail(err, QV_EFORMAT,
                           "'weights': that of '%.200s' is not a number in -1e6 .. 1e6",
                           key);
        weight[i] = (float)w;
        is_in[i] = weight[i] != 0;
    }
    return QV_OK;
}

qv_status qv__select(struct qv_selection *s, const char *const *name, size_t K,
                     const struct qv_wanted *wanted, const char **param, qv_err *err)
{
    *s = (struct qv_selection){0};
    bool *is_in = calloc(qv__max(K, 1), sizeof *is_in);
    float *weight = calloc(qv__max(K, 1), sizeof *weight);
    s->at = calloc(qv__max(K, 1), sizeof *s->at);
    qv_status result = QV_OK;
    if (!is_in || !weight || !s->at) {
        result = qv_fail(err, QV_ENOMEM, "no memory to choose among %zu experts", K);
    } else if (wanted->weights) {
        *param = "weights";
        result = weigh(is_in, weight, name, K, wanted->weights, err);
    } else {
        result = select_by_name(is_in, name, K, wanted, param, err);
    }
    for (size_t i = 0; !result && i < K; i++) {
        if (!is_in[i])
            continue;
        weight[s->n] = weight[i];
        s->at[s->n++] = i;
    }
    if (!result && s->n == 0)
        result = qv_fail(err, QV_EFORMAT,
                         wanted->weights ? "'weights' has no expert with a weight but 0"
                                         : "no expert is left to choose from");
    if (wanted->weights)
        s->weight = weight;
    else
        free(weight);
    free(is_in);
    return result;
}

void qv__selection_end(struct qv_selection *s)
{
    free(s->at);
    free(s->weight);
    *s = (struct qv_selection){0};
}
