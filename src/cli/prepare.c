/* prepare.c - quiver library prepare: what a router needs besides the experts. */
#include "cli/cli.h"

enum {
    KEY_ROUTER = 512,
    KEY_TASKS,
    KEY_LIMIT,
    KEY_LAYERS,
    KEY_EPOCHS,
    KEY_STEPS,
    KEY_BATCH,
    KEY_LR
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct qv_prepare *p = state->input;
    qv_prepare_opts *o = &p->opts;
    switch (key) {
    case ARGP_KEY_INIT:
        p->base.is_optional = true; // other actions need none
        qv_inputs(state, &p->base, &o->train.seed);
        break;
    case KEY_ROUTER:
        o->router = arg;
        break;
    case KEY_TASKS:
        qv__words_add(&p->tasks, arg);
        break;
    case KEY_LIMIT:
        o->limit = qv__arg_size(state, "--limit", arg, 1);
        break;
    case KEY_LAYERS:
        o->layers = qv__arg_size(state, "--layers", arg, 1);
        break;
    case KEY_EPOCHS:
        o->train.epochs = qv__arg_size(state, "--epochs", arg, 1);
        break;
    case KEY_STEPS:
        o->train.steps = qv__arg_size(state, "--steps", arg, 1);
        break;
    case KEY_BATCH:
        o->train.batch = qv__arg_size(state, "--batch", arg, 1);
        break;
    case KEY_LR:
        o->train.lr = qv__arg_float(state, "--lr", arg, 1e-12, 1e3);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "prepare:", 2},
    {"router", KEY_ROUTER, "R", 0, "Make what this router needs", 2},
    {"tasks", KEY_TASKS, "DIR", 0,
     "Where the files of the experts' tasks are; may be given again", 2},
    {"limit", KEY_LIMIT, "N", 0, "Training examples a task (100; phatgoose: all)", 2},
    {"layers", KEY_LAYERS, "N", 0,
     "retrieval and tp: of the base, these first make a text's features (all but the last)",
     2},
    {"epochs", KEY_EPOCHS, "N", 0, "tp and phatgoose: times that the data is seen (tp 20)",
     2},
    {"steps", KEY_STEPS, "N", 0, "phatgoose: steps, instead of epochs (100)", 2},
    {"batch", KEY_BATCH, "N", 0, "Examples a step (tp 64, phatgoose 16)", 2},
    {"lr", KEY_LR, "X", 0, "Highest learning rate (tp 0.03, phatgoose 0.005)", 2},
    {0},
};
static const struct argp_child children[] = {
    {&qv__base_argp, 0, NULL, 0},
    {&qv__seed_argp, 0, NULL, 0},
    {0},
};
const struct argp qv__prepare_argp = {
    .options = options, .parser = parse, .children = children};

qv_status qv__prepare(const char *library, struct qv_prepare *p, bool as_json, qv_err *err)
{
    struct qv_teller teller;
    qv_model *m = NULL;
    size_t n_made = 0;
    qv_status result = qv_model_open(&m, p->base.dir, &p->base.opts, err);
    p->opts.train.progress = qv__teller_begin(&teller);
    if (!result)
        result = qv_prepare(&n_made, m, library, p->tasks.at, p->tasks.n, &p->opts, err);
    qv__teller_end(&teller);
    if (!result)
        qv__print(json_pack("{s:s, s:s, s:I}", "library", library, "router", p->opts.router,
                            "made", (json_int_t)n_made),
                  as_json);
    qv_model_close(m);
    return result;
}
