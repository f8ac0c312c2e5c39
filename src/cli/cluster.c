/* cluster.c - quiver cluster: which experts belong together. */
#include "cluster/cluster.h"
#include "cli/cli.h"
#include "library/library.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct args {
    const char *library;
    size_t clusters;
    struct qv_similarity_opts opts;
    uint64_t seed;
    bool as_json;
};

enum { KEY_CLUSTERS = 256, KEY_METHOD };

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct args *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        qv_inputs(state, &a->seed, &a->as_json);
        break;
    case KEY_CLUSTERS:
        a->clusters = qv__arg_size(state, "--clusters", arg, 1);
        break;
    case KEY_METHOD:
        a->opts.kind = qv__arg_second(state, "--method", arg, "mbc", "gauge") ? QV_SIM_GAUGE
                                                                              : QV_SIM_MBC;
        break;
    case ARGP_KEY_ARG:
        qv__arg_only(state, &a->library, arg, "library");
        break;
    case ARGP_KEY_END:
        if (!a->library)
            argp_error(state, "there is no library");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp_option options[] = {
    {"clusters", KEY_CLUSTERS, "K", 0, "How many (10, or one an expert)", 0},
    {"method", KEY_METHOD, "HOW", 0,
     "How experts are compared: mbc (the authors'; for experts of one shape and start) or "
     "gauge (their updates; for any)",
     0},
    {0},
};
static const struct argp spec = {
    .options = options,
    .parser = parse,
    .args_doc = "LIB",
    .doc = "Group a library's experts by their weights.\v"
           "With --json: {\"clusters\":[[\"name\",...],...],\"within\":[...],\"to_others\":"
           "[...],\"experts\":[...],\"similarity\":[[...],...]}: the mean similarity of "
           "pairs within each cluster and with one end in it, and of all pairs. With "
           "--clusters 1, \"within\" is that of the whole library.",
    .children = qv__seed_children,
};

/* What is compared, and how it came out. */
struct grouping {
    qv_snapshot *snap;
    struct qv_expert **e; // [n]
    size_t n, k;
    float *sim; // [n, n]
    int *label; // [n]
};

static qv_status group(struct grouping *g, const struct args *a, qv_err *err)
{
    g->n = qv_snapshot_size(g->snap);
    if (g->n == 0)
        return qv_fail(err, QV_ENOTFOUND, "%s: the library has no experts", a->library);
    g->k = a->clusters ? a->clusters : qv__min(10, g->n);
    g->e = calloc(g->n, sizeof *g->e);
    g->sim = malloc(g->n * g->n * sizeof *g->sim);
    g->label = malloc(g->n * sizeof *g->label);
    if (!g->e || !g->sim || !g->label)
        return qv_fail(err, QV_ENOMEM, "no memory to compare %zu experts", g->n);
    qv_status result = QV_OK;
    for (size_t i = 0; !result && i < g->n; i++)
        result = qv__snapshot_read(&g->e[i], g->snap, i, NULL, err);
    if (!result)
        result = qv__similarity(g->sim, g->e, g->n, &a->opts, err);
    if (!result)
        result = qv__kmeans(g->label, NULL, g->sim, g->n, g->n, g->k, 0, a->seed, err);
    return result;
}

/* Mean similarity of the pairs with one end in `cluster` and the other in it too,
 * or outside; NaN if there are none. */
static double mean_similarity(const struct grouping *g, int cluster, bool inside)
{
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < g->n; i++)
        for (size_t j = 0; j < g->n; j++)
            if (i != j && g->label[i] == cluster && (g->label[j] == cluster) == inside) {
                sum += (double)g->sim[i * g->n + j];
                n++;
            }
    return n ? sum / (double)n : (double)NAN;
}

static json_t *column_of(const json_t *rows, const char *key)
{
    json_t *list = json_array(), *row;
    size_t i;
    json_array_foreach(rows, i, row) json_array_append(list, json_object_get(row, key));
    return list;
}

static void print_grouping(const struct grouping *g, bool as_json)
{
    json_t *clusters = json_array(), *rows = json_array();
    for (size_t c = 0; c < g->k; c++) {
        json_t *names = json_array();
        for (size_t i = 0; i < g->n; i++)
            if (g->label[i] == (int)c)
                json_array_append_new(names,
                                      json_string(qv_snapshot_info(g->snap, i)->name));
        json_t *row =
            json_pack("{s:I, s:I, s:o, s:o, s:O}", "cluster", (json_int_t)c, "n_experts",
                      (json_int_t)json_array_size(names), "within",
                      qv__json_number(mean_similarity(g, (int)c, true)), "to_others",
                      qv__json_number(mean_similarity(g, (int)c, false)), "names", names);
        json_array_append_new(rows, row);
        json_array_append_new(clusters, names);
    }
    if (as_json)
        qv__print(json_pack("{s:O, s:o, s:o, s:o, s:o}", "clusters", clusters, "within",
                            column_of(rows, "within"), "to_others",
                            column_of(rows, "to_others"), "experts",
                            qv__json_names(g->snap), "similarity",
                            qv__json_square(g->sim, g->n)),
                  true);
    else
        qv__print_table(rows);
    json_decref(clusters);
    json_decref(rows);
}

int cmd_cluster(int argc, char **argv)
{
    struct args a = {0};
    argp_parse(&spec, argc, argv, 0, NULL, &a);
    qv_err err;
    struct grouping g = {0};
    qv_status result = qv__library_view(&g.snap, a.library, NULL, &err);
    if (!result)
        result = group(&g, &a, &err);
    if (!result)
        print_grouping(&g, a.as_json);
    for (size_t i = 0; g.e && i < g.n; i++)
        qv__expert_free(g.e[i]);
    free(g.e);
    free(g.sim);
    free(g.label);
    qv_snapshot_release(g.snap);
    return result ? qv__say_failure(&err) : 0;
}
