/* merge.c - quiver merge: several experts of a library made into one. */
#include "base/clock.h"
#include "cli/cli.h"
#include "merge/merge.h"

#include <stdlib.h>
#include <string.h>

struct args {
    const char *library, *out;
    struct qv_words experts, general, weights;
    double *weight; // [weights.n] owned
    qv_merge_opts opts;
    bool as_json;
};

enum {
    KEY_METHOD = 256,
    KEY_EXPERTS,
    KEY_WEIGHTS,
    KEY_GENERAL,
    KEY_DENSITY,
    KEY_GAMMA,
    KEY_RANK,
    KEY_ELECT,
};

static void check(struct args *a, const struct argp_state *state)
{
    if (!a->library)
        argp_error(state, "there is no library");
    qv__arg_needed(state, a->opts.method, "--method");
    qv__arg_needed(state, a->out, "--out");
    if (a->weights.n && a->weights.n != a->experts.n)
        argp_error(state, "--weights has %zu numbers, and --experts %zu names",
                   a->weights.n, a->experts.n);
    a->weight = a->weights.n ? calloc(a->weights.n, sizeof *a->weight) : NULL;
    qv_check(a->weight || !a->weights.n);
    for (size_t i = 0; i < a->weights.n; i++)
        a->weight[i] = qv__arg_double(state, "--weights", a->weights.at[i], -1e6, 1e6);
    a->opts.expert = a->experts.at;
    a->opts.n_experts = a->experts.n;
    a->opts.general = a->general.at;
    a->opts.n_general = a->general.n;
    a->opts.weight = a->weight;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct args *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        qv_inputs(state, &a->opts.seed, &a->as_json);
        break;
    case KEY_METHOD:
        a->opts.method = arg;
        break;
    case 'o':
        a->out = arg;
        break;
    case KEY_EXPERTS:
        qv__words_split(&a->experts, arg);
        break;
    case KEY_WEIGHTS:
        qv__words_split(&a->weights, arg);
        break;
    case KEY_GENERAL:
        qv__words_split(&a->general, arg);
        break;
    case KEY_DENSITY:
        a->opts.density = qv__arg_double(state, "--density", arg, 1e-9, 1);
        break;
    case KEY_GAMMA:
        a->opts.gamma = qv__arg_double(state, "--gamma", arg, 0, 1);
        if (!(a->opts.gamma > 0))
            a->opts.gamma = -1;
        break;
    case KEY_RANK:
        a->opts.rank = qv__arg_size(state, "--rank", arg, 1);
        break;
    case KEY_ELECT:
        a->opts.count_signs = qv__arg_second(state, "--elect", arg, "sum", "count");
        break;
    case ARGP_KEY_ARG:
        qv__arg_only(state, &a->library, arg, "library");
        break;
    case ARGP_KEY_END:
        check(a, state);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static void list_methods(FILE *f)
{
    fputc('\n', f);
    for (const struct qv_merge_ops *const *m = qv__mergers(); *m; m++)
        fprintf(f, "\n  %-16s %s", (*m)->name, (*m)->about);
}

static char *filter_help(int key, const char *text, void *input)
{
    (void)input;
    return qv__help_list(key == ARGP_KEY_HELP_PRE_DOC, text, list_methods);
}

static const struct argp_option options[] = {
    {"method", KEY_METHOD, "NAME", 0, "One of those above", 0},
    {"out", 'o', "DIR", 0, "Where the merged adapter goes", 0},
    {"experts", KEY_EXPERTS, "A,B,...", 0, "What is merged (all)", 0},
    {"weights", KEY_WEIGHTS, "X,Y,...", 0,
     "How much each of --experts counts (1 / K; 1 with ties, ties_whole, dare_ties and "
     "task_arithmetic)",
     0},
    {"general", KEY_GENERAL, "A,B,...", 0,
     "subtract: whose mean is taken from the one of --experts", 0},
    {"density", KEY_DENSITY, "X", 0, "Share of the entries that pruning keeps (0.2)", 0},
    {"gamma", KEY_GAMMA, "X", 0, "breadcrumbs: share of the largest that go (0.01)", 0},
    {"rank", KEY_RANK, "R", 0,
     "At most, of each merged site (svd: the largest; task_arithmetic, subtract_exact: "
     "all)",
     0},
    {"elect", KEY_ELECT, "HOW", 0,
     "ties: signs by the sum of the entries, or by their count (sum)", 0},
    {0},
};
static const struct argp spec = {
    .options = options,
    .parser = parse,
    .args_doc = "LIB",
    .doc = "Make one expert of several, as a PEFT adapter.\v"
           "What each method computes: docs/merging.md.\n\n"
           "With --json: {\"out\":...,\"method\":...,\"n_experts\":...,\"n_sites\":...,"
           "\"min_rank\":...,\"max_rank\":...,\"seconds\":...}, and \"discarded\" where a "
           "rank may cut something off: its share of the update's squared norm.",
    .children = qv__seed_children,
    .help_filter = filter_help,
};

static void print_report(const struct args *a, const qv_merge_report *r, double seconds)
{
    json_t *v =
        json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "out", a->out, "method", a->opts.method,
                  "n_experts", (json_int_t)r->n_experts, "n_sites", (json_int_t)r->n_sites,
                  "min_rank", (json_int_t)r->min_rank, "max_rank", (json_int_t)r->max_rank);
    if (r->discarded >= 0)
        json_object_set_new(v, "discarded", json_real(r->discarded));
    json_object_set_new(v, "seconds", json_real(seconds));
    qv__print(v, a->as_json);
}

int cmd_merge(int argc, char **argv)
{
    struct args a = {0};
    argp_parse(&spec, argc, argv, 0, NULL, &a);
    qv_err err;
    qv_library *lib;
    qv_merge_report report;
    double begun = qv__seconds();
    qv_status result = qv_library_open(&lib, a.library, &err);
    if (!result)
        result = qv_merge(lib, a.out, &a.opts, &report, &err);
    if (!result)
        print_report(&a, &report, qv__seconds() - begun);
    qv_library_close(lib);
    qv__words_free(&a.experts);
    qv__words_free(&a.general);
    qv__words_free(&a.weights);
    free(a.weight);
    return result ? qv__say_failure(&err) : 0;
}
