/* study.c - quiver study: what a library's experts are to one another and to tasks. */
#include "cli/study.h"
#include "eval/suite.h"
#include "route/route.h"

#include <string.h>

enum {
    KEY_TASKS = 256,
    KEY_ROUTER,
    KEY_TOP_K,
    KEY_TEMPERATURE,
    KEY_METRIC,
    KEY_LIMIT,
    KEY_MAX_TOKENS,
    KEY_PAIRS,
    KEY_WORK,
};

static void check(const struct qv_study_args *a, const struct argp_state *state)
{
    const struct qv_study *s = a->words.n ? qv__study_find(a->words.at[0]) : NULL;
    if (a->words.n == 0)
        argp_error(state, "what is to be studied?");
    else if (!s)
        argp_error(state, "no study is named '%s'", a->words.at[0]);
    else if (a->words.n != 2)
        argp_error(state, "%s takes LIB", s->name);
    else if (s->needs_tasks && !a->base.dir)
        argp_error(state, "--model is missing");
    else if (s->needs_tasks && !a->tasks.n)
        argp_error(state, "--tasks is missing");
    else if (!s->needs_tasks && (a->base.dir || a->tasks.n))
        argp_error(state, "spectra looks at the library alone");
    else if (s->needs_router != (a->who.router != NULL))
        argp_error(state,
                   s->needs_router ? "--router is missing" : "--router goes with routing");
    else if (!s->scores && (a->opts.metric || a->opts.max_tokens))
        argp_error(state, "--metric and --max-tokens go with transfer and joint");
    else if (s->trains && !a->work)
        argp_error(state, "--work is missing");
    else if (!s->trains && (a->work || a->pairs || a->seed))
        argp_error(state, "--work, --pairs and --seed go with joint");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct qv_study_args *a = state->input;
    enum qv_metric metric;
    qv_err err;
    switch (key) {
    case ARGP_KEY_INIT:
        a->base.is_optional = true; // one study needs none
        qv_inputs(state, &a->base, &a->seed, &a->as_json);
        break;
    case KEY_TASKS:
        qv__words_add(&a->tasks, arg);
        break;
    case KEY_ROUTER:
        if (!qv__router_find(arg))
            argp_error(state, "--router: no router is named '%s'", arg);
        a->who.router = arg;
        break;
    case KEY_TOP_K:
        a->who.top_k = qv__arg_size(state, "--top-k", arg, 1);
        break;
    case KEY_TEMPERATURE:
        a->who.temperature = qv__arg_float(state, "--temperature", arg, 1e-6, 1e6);
        break;
    case KEY_METRIC:
        if (qv__metric_of(&metric, arg, &err))
            argp_error(state, "--metric: %s", err.msg);
        a->opts.metric = arg;
        break;
    case KEY_LIMIT:
        a->opts.limit = qv__arg_size(state, "--limit", arg, 1);
        break;
    case KEY_MAX_TOKENS:
        a->opts.max_tokens = qv__arg_size(state, "--max-tokens", arg, 1);
        break;
    case KEY_PAIRS:
        a->pairs = qv__arg_size(state, "--pairs", arg, 1);
        break;
    case KEY_WORK:
        a->work = arg;
        break;
    case ARGP_KEY_ARG:
        qv__words_add(&a->words, arg);
        break;
    case ARGP_KEY_END:
        check(a, state);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static void list_studies(FILE *f)
{
    size_t n;
    const struct qv_study *studies = qv__studies(&n);
    fputc('\n', f);
    for (size_t i = 0; i < n; i++)
        fprintf(f, "\n  %-8s %s", studies[i].name, studies[i].gist);
}

static char *filter_help(int key, const char *text, void *input)
{
    (void)input;
    return qv__help_list(key == ARGP_KEY_HELP_PRE_DOC, text, list_studies);
}

static const struct argp_option options[] = {
    {"tasks", KEY_TASKS, "DIR|FILE", 0,
     "Task files, or a directory of them, whose validation examples are looked at; may be "
     "given again",
     0},
    {"limit", KEY_LIMIT, "N", 0, "Examples a task (all)", 0},
    {"router", KEY_ROUTER, "R", 0, "routing: who chooses, such as arrow", 0},
    {"top-k", KEY_TOP_K, "N", 0, "routing: experts a token may use (the router's own)", 0},
    {"temperature", KEY_TEMPERATURE, "X", 0, "routing: of the router's softmax (1)", 0},
    {"metric", KEY_METRIC, "NAME", 0, "transfer, joint: of quiver eval (loglik)", 0},
    {"max-tokens", KEY_MAX_TOKENS, "N", 0, "transfer, joint: of an answer (32)", 0},
    {"work", KEY_WORK, "DIR", 0,
     "joint: where experts of pairs are kept; what is stopped goes on from there", 0},
    {"pairs", KEY_PAIRS, "N", 0,
     "joint: bins of likeness, a pair is drawn from each that has one (50)", 0},
    {0},
};
static const struct argp_child children[] = {{&qv__base_argp, 0, NULL, 0},
                                             {&qv__seed_argp, 0, NULL, 0},
                                             {&qv__json_argp, 0, NULL, 0},
                                             {0}};
static const struct argp spec = {
    .options = options,
    .parser = parse,
    .args_doc = "STUDY LIB",
    .doc = "What a library's experts are to one another and to tasks.\v"
           "With --json: {\"study\":...} and what docs/studies.md says of each; "
           "`quiver report` draws such a file in RUN/studies.",
    .children = children,
    .help_filter = filter_help,
};

static void tell(const struct qv_found *f, const char *name, bool as_json)
{
    if (as_json) {
        json_object_set_new(f->all, "study", json_string(name));
        qv__print(json_incref(f->all), true);
        return;
    }
    if (json_array_size(f->rows))
        qv__print_table(f->rows);
    if (json_object_size(f->facts))
        qv__print(json_incref(f->facts), false);
}

int cmd_study(int argc, char **argv)
{
    struct qv_study_args a = {.opts = {.split = "valid"}};
    argp_parse(&spec, argc, argv, 0, NULL, &a);
    const struct qv_study *study = qv__study_find(a.words.at[0]);
    qv_err err;
    qv_model *m = NULL;
    struct qv_found f = {NULL, NULL, NULL};
    struct qv_teller teller;
    a.progress = qv__teller_begin(&teller);
    if (study->scores && !a.opts.metric)
        a.opts.metric = "loglik";
    qv_status result =
        study->needs_tasks ? qv_model_open(&m, a.base.dir, &a.base.opts, &err) : QV_OK;
    if (!result)
        result = study->run(&f, m, &a, &err);
    qv__teller_end(&teller);
    if (!result)
        tell(&f, study->name, a.as_json);
    json_decref(f.all);
    json_decref(f.facts);
    json_decref(f.rows);
    qv_model_close(m);
    qv__words_free(&a.words);
    qv__words_free(&a.tasks);
    if (!result)
        return 0;
    return study->trains ? qv__say_stopped(&err) : qv__say_failure(&err);
}
