/* build.c - quiver build: a library of experts from many tasks. */
#include "base/clock.h"
#include "build/build.h"
#include "cli/cli.h"
#include "library/library.h"

#include <string.h>

struct args {
    struct qv_base base;
    qv_build_opts opts;
    struct qv_words tasks;
    const char *library;
    bool as_json;
};

enum {
    KEY_TASKS = 256,
    KEY_LIBRARY,
    KEY_METHOD,
    KEY_CLUSTERS,
    KEY_SKILLS,
    KEY_HEADS,
    KEY_SIMILARITY,
    KEY_FIRST_PART,
    KEY_LIMIT,
};

static void check(const struct args *a, const struct argp_state *state)
{
    qv__arg_needed(state, a->tasks.n, "--tasks");
    qv__arg_needed(state, a->library, "--library");
    qv__arg_needed(state, a->opts.method, "--method");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct args *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        qv_inputs(state, &a->base, &a->opts.train, &a->opts.train.seed, &a->as_json);
        break;
    case KEY_TASKS:
    case ARGP_KEY_ARG:
        qv__words_add(&a->tasks, arg);
        break;
    case KEY_LIBRARY:
        a->library = arg;
        break;
    case KEY_METHOD:
        if (!qv__method_find(arg))
            argp_error(state, "--method: no method is named '%s'", arg);
        a->opts.method = arg;
        break;
    case KEY_CLUSTERS:
        a->opts.tries_clusters = strcmp(arg, "auto") == 0;
        if (!a->opts.tries_clusters)
            a->opts.clusters = qv__arg_size(state, "--clusters", arg, 1);
        break;
    case KEY_SKILLS:
        a->opts.skills = qv__arg_size(state, "--skills", arg, 1);
        break;
    case KEY_HEADS:
        a->opts.heads = qv__arg_size(state, "--heads", arg, 1);
        break;
    case KEY_SIMILARITY:
        (void)qv__arg_second(state, "--similarity", arg, "mbc", "gauge");
        a->opts.similarity = arg;
        break;
    case KEY_FIRST_PART:
        a->opts.first_part = qv__arg_float(state, "--first-part", arg, 0.001, 0.999);
        break;
    case KEY_LIMIT:
        a->opts.limit = qv__arg_size(state, "--limit", arg, 1);
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
    for (const struct qv_method *const *m = qv__methods(); *m; m++)
        fprintf(f, "%s %s: %s", m == qv__methods() ? "" : ";", (*m)->name, (*m)->about);
}

static char *filter_help(int key, const char *text, void *input)
{
    (void)input;
    return qv__help_list(key == KEY_METHOD, text, list_methods);
}

static const struct argp_option options[] = {
    {"tasks", KEY_TASKS, "DIR|FILE...", 0, "Task files, or directories of them", 0},
    {"library", KEY_LIBRARY, "LIB", 0, "The library, made if it is not there", 0},
    {"method", KEY_METHOD, "HOW", 0, "Which tasks are learnt together:", 0},
    {"clusters", KEY_CLUSTERS, "K|auto", 0,
     "Of mbc, embedding, random and random-example (10); auto: the best by validation of "
     "2, "
     "4, 8 ... (not random-example)",
     0},
    {"skills", KEY_SKILLS, "S", 0, "Of poly and mhr (8)", 0},
    {"heads", KEY_HEADS, "H", 0, "Of mhr: blocks that are mixed apart (8)", 0},
    {"similarity", KEY_SIMILARITY, "HOW", 0,
     "How mbc compares experts: mbc (the authors') or gauge (their updates)", 0},
    {"first-part", KEY_FIRST_PART, "P", 0, "Share of mbc's steps before clustering (0.4)",
     0},
    {"limit", KEY_LIMIT, "N", 0, "Training examples a task (all)", 0},
    {0},
};
static const struct argp spec = {
    .options = options,
    .parser = parse,
    .args_doc = "[DIR|FILE...]",
    .doc = "Train a library of experts on many tasks.\v"
           "One that is stopped or killed goes on where it was when the same command is "
           "given again: experts that are done stay, the one in training resumes.\n\n"
           "With --json: {\"library\":...,\"experts\":[name,...],\"seconds\":...}.",
    .children = qv__train_children,
    .help_filter = filter_help,
};

static qv_status print_library(const struct args *a, double seconds, qv_err *err)
{
    qv_snapshot *snap;
    qv_status result = qv__library_view(&snap, a->library, NULL, err);
    if (!result)
        qv__print(json_pack("{s:s, s:o, s:f}", "library", a->library, "experts",
                            qv__json_names(snap), "seconds", seconds),
                  a->as_json);
    qv_snapshot_release(snap);
    return result;
}

int cmd_build(int argc, char **argv)
{
    struct args a = {0};
    argp_parse(&spec, argc, argv, 0, NULL, &a);
    qv_err err;
    qv_model *m = NULL;
    struct qv_teller teller;
    double begun = qv__seconds();
    a.opts.train.progress = qv__teller_begin(&teller);
    qv_status result = qv_model_open(&m, a.base.dir, &a.base.opts, &err);
    if (!result)
        result = qv_build(m, a.tasks.at, a.tasks.n, a.library, &a.opts, &err);
    qv__teller_end(&teller);
    if (!result)
        result = print_library(&a, qv__seconds() - begun, &err);
    qv__words_free(&a.tasks);
    qv_model_close(m);
    return result ? qv__say_stopped(&err) : 0;
}
