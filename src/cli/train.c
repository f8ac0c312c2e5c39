/* train.c - quiver train: one expert, or with --full a whole model. */
#include "base/clock.h"
#include "cli/cli.h"

#include <string.h>

struct args {
    struct qv_base base;
    qv_train_opts opts;
    struct qv_words data;
    const char *out, *init;
    bool is_full, is_random, keeps_f32, resumes, as_json;
    size_t window;
};

enum {
    KEY_DATA = 256,
    KEY_INIT,
    KEY_FULL,
    KEY_RANDOM,
    KEY_WINDOW,
    KEY_F32,
    KEY_MUON,
    KEY_RESUME
};

/* Options that contradict one another. */
static void check(const struct args *a, const struct argp_state *state)
{
    qv__arg_needed(state, a->data.n, "--data");
    qv__arg_needed(state, a->out, "--out");
    if (!a->is_full && (a->is_random || a->window || a->opts.muon || a->keeps_f32))
        argp_error(state, "%s goes with --full",
                   a->is_random   ? "--random"
                   : a->window    ? "--window"
                   : a->opts.muon ? "--muon"
                                  : "--f32");
    else if (a->is_full && a->init)
        argp_error(state, "--init is an expert's, and goes without --full");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct args *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        qv_inputs(state, &a->base, &a->opts, &a->opts.seed, &a->as_json);
        break;
    case KEY_DATA:
    case ARGP_KEY_ARG:
        qv__words_add(&a->data, arg);
        break;
    case 'o':
        a->out = arg;
        break;
    case KEY_INIT:
        a->init = arg;
        break;
    case KEY_FULL:
        a->is_full = true;
        break;
    case KEY_RANDOM:
        a->is_random = true;
        break;
    case KEY_WINDOW:
        a->window = qv__arg_size(state, "--window", arg, 1);
        break;
    case KEY_F32:
        a->keeps_f32 = true;
        break;
    case KEY_MUON:
        a->opts.muon = true;
        break;
    case KEY_RESUME:
        a->resumes = true;
        break;
    case ARGP_KEY_END:
        check(a, state);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp_option options[] = {
    {"data", KEY_DATA, "FILE...", 0,
     "Task files, or directories of them; with --window, plain text", 0},
    {"out", 'o', "DIR", 0, "Where the adapter, or with --full the model, goes", 0},
    {"init", KEY_INIT, "PATH", 0, "Start from this adapter", 0},
    {"resume", KEY_RESUME, NULL, 0, "Accept an output that is finished, and do nothing", 0},
    {"full", KEY_FULL, NULL, 0, "Train all weights of the model", 1},
    {"random", KEY_RANDOM, NULL, 0, "With --full: from random weights", 1},
    {"window", KEY_WINDOW, "N", 0,
     "With --full: on all of a plain text, N tokens at a time", 1},
    {"muon", KEY_MUON, NULL, 0,
     "With --full: train the maps of the layers by Muon, the rest by AdamW", 1},
    {"f32", KEY_F32, NULL, 0, "With --full: write floats (bf16)", 1},
    {0},
};
static const struct argp spec = {
    .options = options,
    .parser = parse,
    .args_doc = "[FILE...]",
    .doc =
        "Train one LoRA expert on the targets of tasks, and write it as a PEFT adapter.\v"
        "A task file is JSON lines {\"prompt\",\"completion\"} or a Natural Instructions "
        "task. One that is stopped or killed goes on from its checkpoint, "
        "DIR.checkpoint, when the same command is given again.\n\n"
        "With --json: {\"out\":...,\"seconds\":...}.",
    .children = qv__train_children,
};

static qv_status train_expert(const struct args *a, qv_err *err)
{
    qv_model *m;
    qv_status result = qv_model_open(&m, a->base.dir, &a->base.opts, err);
    if (result)
        return result;
    result = qv_train(m, a->data.at, a->data.n, a->out, a->init, &a->opts, err);
    qv_model_close(m);
    return result;
}

static qv_status train_full(const struct args *a, qv_err *err)
{
    const qv_full_opts opts = {.model_dir = a->base.dir,
                               .random = a->is_random,
                               .window = a->window,
                               .keep_f32 = a->keeps_f32,
                               .train = a->opts};
    return qv_train_full(a->data.at, a->data.n, a->out, &opts, err);
}

int cmd_train(int argc, char **argv)
{
    struct args a = {0};
    argp_parse(&spec, argc, argv, 0, NULL, &a);
    qv_err err;
    double begun = qv__seconds();
    const char *last = a.is_full ? "config.json" : "adapter_config.json";
    bool is_done;
    qv_status result = qv__is_done(&is_done, a.out, last, a.resumes, &err);
    if (!result && !is_done) {
        struct qv_teller teller;
        a.opts.progress = qv__teller_begin(&teller);
        result = a.is_full ? train_full(&a, &err) : train_expert(&a, &err);
        qv__teller_end(&teller);
    }
    if (!result)
        qv__print(json_pack("{s:s, s:f}", "out", a.out, "seconds", qv__seconds() - begun),
                  a.as_json);
    qv__words_free(&a.data);
    return result ? qv__say_stopped(&err) : 0;
}
