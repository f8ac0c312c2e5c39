/* report_route.c - the files of RUN/routes: which experts each token went to.
 *
 * {"tokens":[...],"sites":[{"site":...,"experts":[[name,...],...],"weights":[[...],...]}]}
 * with a list of experts and one of weights for each token, heaviest first.
 */
#include "plot/report_parts.h"
#include "base/file.h"
#include "base/json.h"

#include <ctype.h>
#include <string.h>

enum { MOST_BYTES = 64 << 20, MOST_EXPERTS = 4096 };

/* "model.layers.3.self_attn.q_proj" is shown as "3 q"; other paths as they are. */
static const char *short_site(qv_arena *a, const char *path)
{
    const char *layer = strstr(path, ".layers."), *last = strrchr(path, '.');
    if (!layer || !isdigit((unsigned char)layer[8]))
        return qv__arena_str(a, path);
    layer += 8;
    char *module = qv__arena_str(a, last + 1), *tail = strstr(module, "_proj");
    if (tail && tail[5] == '\0')
        *tail = '\0';
    return qv__arena_fmt(a, "%.*s %s", (int)strspn(layer, "0123456789"), layer, module);
}

static const char *text_at(const json_t *list, size_t i)
{
    return json_string_value(json_array_get(list, i));
}

/* The experts of the library that was routed, then any other that is named. */
static size_t expert_at(struct qv_report_route *t, qv_arena *a, const char *name)
{
    size_t k = 0;
    while (k < t->K && strcmp(t->expert[k], name) != 0)
        k++;
    if (k == t->K && k < MOST_EXPERTS)
        t->expert[t->K++] = qv__arena_str(a, name);
    return k;
}

static void list_experts(struct qv_report_route *t, const struct qv_report *r, qv_arena *a)
{
    const char *dash = strrchr(t->system, '-');
    size_t length = dash ? (size_t)(dash - t->system) : strlen(t->system);
    t->expert = qv_new_n(a, const char *, MOST_EXPERTS);
    t->share = qv_new_n(a, double, MOST_EXPERTS);
    for (size_t i = 0; i < r->n_libraries; i++) {
        const struct qv_report_library *l = &r->library[i];
        if (strlen(l->name) == length && strncmp(l->name, t->system, length) == 0)
            for (size_t k = 0; k < l->n; k++)
                expert_at(t, a, l->expert[k].name);
    }
}

static qv_status read_token(struct qv_report_route *t, qv_arena *a, size_t cell,
                            const json_t *experts, const json_t *weights, qv_err *err)
{
    size_t k = json_array_size(experts);
    t->top[cell] = -1;
    if (!json_is_array(experts) || json_array_size(weights) != k)
        return qv_fail(err, QV_EFORMAT, "token %zu: not as many weights as experts",
                       cell % t->T);
    for (size_t j = 0; j < k; j++) {
        const char *name = text_at(experts, j);
        const json_t *w = json_array_get(weights, j);
        if (!name || !json_is_number(w))
            return qv_fail(err, QV_EFORMAT, "token %zu: no name or no number", cell % t->T);
        size_t e = expert_at(t, a, name);
        if (e == MOST_EXPERTS)
            return qv_fail(err, QV_ELIMIT, "more than %d experts", MOST_EXPERTS);
        double weight = json_number_value(w);
        t->share[e] += weight;
        if (t->top[cell] < 0 || weight > (double)t->weight[cell]) {
            t->top[cell] = (int)e;
            t->weight[cell] = (float)weight;
        }
    }
    return QV_OK;
}

static qv_status read_site(struct qv_report_route *t, qv_arena *a, size_t s,
                           const json_t *site, qv_err *err)
{
    const char *path = json_string_value(json_object_get(site, "site"));
    const json_t *experts = json_object_get(site, "experts");
    const json_t *weights = json_object_get(site, "weights");
    if (!path || json_array_size(experts) != t->T || json_array_size(weights) != t->T)
        return qv_fail(err, QV_EFORMAT,
                       "site %zu: no name, or not a list of experts and one of weights for "
                       "each of %zu tokens",
                       s, t->T);
    t->site[s] = short_site(a, path);
    for (size_t i = 0; i < t->T; i++) {
        qv_status result = read_token(t, a, s * t->T + i, json_array_get(experts, i),
                                      json_array_get(weights, i), err);
        if (result)
            return qv_wrap(err, result, "site '%s', ", path);
    }
    return QV_OK;
}

static qv_status fill(struct qv_report_route *t, qv_arena *a, const json_t *file,
                      qv_err *err)
{
    const json_t *tokens = json_object_get(file, "tokens");
    const json_t *sites = json_object_get(file, "sites");
    if (!json_is_array(tokens) || !json_is_array(sites))
        return qv_fail(err, QV_EFORMAT, "'tokens' or 'sites' is not a list");
    t->T = json_array_size(tokens);
    t->n_sites = json_array_size(sites);
    t->token = qv_new_n(a, const char *, t->T);
    t->site = qv_new_n(a, const char *, t->n_sites);
    t->top = qv_new_n(a, int, t->n_sites * t->T);
    t->weight = qv_new_n(a, float, t->n_sites * t->T);
    for (size_t i = 0; i < t->T; i++) {
        if (!text_at(tokens, i))
            return qv_fail(err, QV_EFORMAT, "token %zu is not a string", i);
        t->token[i] = qv__arena_str(a, text_at(tokens, i));
    }
    qv_status result = QV_OK;
    for (size_t s = 0; !result && s < t->n_sites; s++)
        result = read_site(t, a, s, json_array_get(sites, s), err);
    double total = 0;
    for (size_t k = 0; k < t->K; k++)
        total += t->share[k];
    for (size_t k = 0; k < t->K && total > 0; k++)
        t->share[k] /= total;
    return result;
}

/* "private-arrow.NAME.json": the router private-arrow, and what the text is. */
static qv_status read_file(struct qv_report *r, const char *path, qv_err *err)
{
    struct qv_report_route *t = &r->route[r->n_routes++];
    qv_arena *a = &r->arena;
    char *stem = qv__stem(a, path), *dot = strchr(stem, '.');
    if (!dot || dot == stem || !dot[1])
        return qv_fail(err, QV_EFORMAT, "%s: not named SYSTEM.NAME.json", path);
    *dot = '\0';
    t->system = stem;
    t->name = dot + 1;
    json_t *file;
    qv_status result = qv__json_read(&file, path, MOST_BYTES, err);
    if (result)
        return result;
    list_experts(t, r, a);
    result = fill(t, a, file, err);
    json_decref(file);
    return result ? qv_wrap(err, result, "%s: ", path) : QV_OK;
}

qv_status qv__report_read_routes(struct qv_report *r, const char *dir, qv_err *err)
{
    char **names;
    size_t n;
    qv_status result = qv__list_dir(&names, &n, &r->arena, dir, err);
    if (result)
        return result;
    r->route = qv_new_n(&r->arena, struct qv_report_route, n);
    for (size_t i = 0; !result && i < n; i++)
        if (qv__ends_with(names[i], ".json"))
            result = read_file(r, qv__arena_fmt(&r->arena, "%s/%s", dir, names[i]), err);
    return result;
}
