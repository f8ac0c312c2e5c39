/* adapt.c - quiver adapt: one expert for a new task, with the help of a library. */
#include "adapt/adapt.h"
#include "base/clock.h"
#include "cli/cli.h"

#include <string.h>

struct args {
    struct qv_base base;
    qv_adapt_opts opts;
    struct qv_words data;
    const char *out;
    bool resumes, as_json;
};

enum {
    KEY_DATA = 256,
    KEY_LIBRARY,
    KEY_METHOD,
    KEY_EXPERT,
    KEY_RETRIEVE,
    KEY_NEAREST,
    KEY_HEADS,
    KEY_EVALUATIONS,
    KEY_JUDGED,
    KEY_FRACTION,
    KEY_RESUME,
};

static void check(const struct args *a, const struct argp_state *state)
{
    qv__arg_needed(state, a->data.n, "--data");
    qv__arg_needed(state, a->opts.method, "--method");
    qv__arg_needed(state, a->out, "--out");
}

static error_t parse_numbers(int key, const char *arg, struct argp_state *state)
{
    struct args *a = state->input;
    switch (key) {
    case KEY_NEAREST:
        a->opts.nearest = qv__arg_size(state, "--nearest", arg, 1);
        break;
    case KEY_HEADS:
        a->opts.heads = qv__arg_size(state, "--heads", arg, 1);
        break;
    case KEY_EVALUATIONS:
        a->opts.evaluations = qv__arg_size(state, "--evaluations", arg, 1);
        break;
    case KEY_JUDGED:
        a->opts.judged = qv__arg_size(state, "--judged", arg, 1);
        break;
    case KEY_FRACTION:
        a->opts.fraction = qv__arg_double(state, "--fraction", arg, 1e-9, 1);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct args *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        qv_inputs(state, &a->base, &a->opts.train, &a->opts.train.seed, &a->as_json);
        break;
    case KEY_DATA:
    case ARGP_KEY_ARG:
        qv__words_add(&a->data, arg);
        break;
    case 'o':
        a->out = arg;
        break;
    case KEY_LIBRARY:
        a->opts.library = arg;
        break;
    case KEY_METHOD:
        if (!qv__adapter_find(arg))
            argp_error(state, "--method: no way to adapt is named '%s'", arg);
        a->opts.method = arg;
        break;
    case KEY_EXPERT:
        a->opts.expert = arg;
        break;
    case KEY_RETRIEVE:
        a->opts.retrieve = arg;
        break;
    case KEY_RESUME:
        a->resumes = true;
        break;
    case ARGP_KEY_END:
        check(a, state);
        break;
    default:
        return parse_numbers(key, arg, state);
    }
    return 0;
}

static void list_methods(FILE *f)
{
    fputc('\n', f);
    for (const struct qv_adapter_ops *const *m = qv__adapters(); *m; m++)
        fprintf(f, "\n  %-8s %s", (*m)->name, (*m)->about);
}

static char *filter_help(int key, const char *text, void *input)
{
    (void)input;
    return qv__help_list(key == ARGP_KEY_HELP_PRE_DOC, text, list_methods);
}

static const struct argp_option options[] = {
    {"data", KEY_DATA, "FILE...", 0, "The new task", 0},
    {"library", KEY_LIBRARY, "LIB", 0, "Whose experts help", 0},
    {"method", KEY_METHOD, "NAME", 0, "One of those above", 0},
    {"out", 'o', "DIR", 0, "Where the adapter goes", 0},
    {"fraction", KEY_FRACTION, "X", 0,
     "Of the training examples: the first ones of a fixed permutation (1)", 0},
    {"resume", KEY_RESUME, NULL, 0, "Accept an output that is finished, and do nothing", 0},
    {"expert", KEY_EXPERT, "NAME", 0,
     "shared: what to start from (shared, or the only one)", 1},
    {"retrieve", KEY_RETRIEVE, "HOW", 0,
     "Use some of the experts alone: random, or those most like a fresh LoRA of the "
     "task by lora, svd, gauge or fisher (pi: fisher)",
     1},
    {"nearest", KEY_NEAREST, "N", 0, "How many of them (5)", 1},
    {"heads", KEY_HEADS, "H", 0, "mhr: blocks that are mixed apart (8)", 1},
    {"evaluations", KEY_EVALUATIONS, "N", 0, "lorahub: of the loss (30)", 1},
    {"judged", KEY_JUDGED, "N", 0, "lorahub: examples it is judged by (half of all)", 1},
    {0},
};
static const struct argp spec = {
    .options = options,
    .parser = parse,
    .args_doc = "[FILE...]",
    .doc =
        "Make one expert for a new task, with the help of a library.\v"
        "What each method computes: docs/adapting.md. One that is stopped or killed goes "
        "on from what stands in DIR.checkpoint when the same command is given again.\n\n"
        "With --json: {\"out\":...,\"seconds\":...}, and what is in "
        "DIR/adaptation.json.",
    .children = qv__train_children,
    .help_filter = filter_help,
};

static qv_status adapt(const struct args *a, qv_err *err)
{
    qv_model *m;
    qv_status result = qv_model_open(&m, a->base.dir, &a->base.opts, err);
    if (result)
        return result;
    result = qv_adapt(m, a->data.at, a->data.n, a->out, &a->opts, err);
    qv_model_close(m);
    return result;
}

static qv_status print(const struct args *a, double seconds, qv_err *err)
{
    qv_arena arena = {0};
    json_t *v;
    qv_status result = qv__json_read(
        &v, qv__arena_fmt(&arena, "%s/adaptation.json", a->out), 64 << 20, err);
    if (!result) {
        json_object_set_new(v, "out", json_string(a->out));
        json_object_set_new(v, "seconds", json_real(seconds));
        if (!a->as_json) // long, and in the file
            json_object_del(v, "weights");
        qv__print(v, a->as_json);
    }
    qv__arena_free(&arena);
    return result;
}

int cmd_adapt(int argc, char **argv)
{
    struct args a = {0};
    argp_parse(&spec, argc, argv, 0, NULL, &a);
    qv_err err;
    double begun = qv__seconds();
    bool is_done;
    qv_status result = qv__is_done(&is_done, a.out, "adapter_config.json", a.resumes, &err);
    if (!result && !is_done) {
        struct qv_teller teller;
        a.opts.train.progress = qv__teller_begin(&teller);
        result = adapt(&a, &err);
        qv__teller_end(&teller);
    }
    if (!result)
        result = print(&a, qv__seconds() - begun, &err);
    qv__words_free(&a.data);
    return result ? qv__say_stopped(&err) : 0;
}
