/* eval.c - quiver eval: how well a model, with what is reused, does on tasks. */
#include "cli/cli.h"
#include "eval/suite.h"
#include "route/route.h"

#include <string.h>

struct args {
    struct qv_base base;
    qv_reuse_opts who;
    qv_eval_opts opts;
    struct qv_words suite, metrics;
    const char *out;
    bool as_json;
};

enum {
    KEY_SUITE = 256,
    KEY_METRIC,
    KEY_DATA,
    KEY_SPLIT,
    KEY_LIMIT,
    KEY_MAX_TOKENS,
    KEY_PASS_TOKENS,
    KEY_OUT,
};

/* "rougeL,loglik" is two. */
static void add_metrics(struct args *a, char *list, const struct argp_state *state)
{
    size_t i = a->metrics.n;
    for (qv__words_split(&a->metrics, list); i < a->metrics.n; i++) {
        enum qv_metric metric;
        qv_err err;
        if (qv__metric_of(&metric, a->metrics.at[i], &err))
            argp_error(state, "--metric: %s", err.msg);
    }
}

static void choose_split(struct args *a, const char *name, const struct argp_state *state)
{
    enum qv_part part;
    a->opts.split = name;
    if (!qv__part_named(&part, name))
        argp_error(state, "--split: '%s' is not all, train, valid or test", name);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct args *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        qv_inputs(state, &a->base, &a->who, &a->as_json);
        break;
    case KEY_SUITE:
    case ARGP_KEY_ARG:
        qv__words_add(&a->suite, arg);
        break;
    case KEY_METRIC:
        add_metrics(a, arg, state);
        break;
    case KEY_DATA:
        a->opts.data = arg;
        break;
    case KEY_SPLIT:
        choose_split(a, arg, state);
        break;
    case KEY_LIMIT:
        a->opts.limit = qv__arg_size(state, "--limit", arg, 1);
        break;
    case KEY_MAX_TOKENS:
        a->opts.max_tokens = qv__arg_size(state, "--max-tokens", arg, 1);
        break;
    case KEY_PASS_TOKENS:
        a->opts.pass_tokens = qv__arg_size(state, "--pass-tokens", arg, 1);
        break;
    case KEY_OUT:
        a->out = arg;
        break;
    case ARGP_KEY_END:
        qv__arg_needed(state, a->suite.n, "--suite");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp_option options[] = {
    {"suite", KEY_SUITE, "FILE...", 0,
     "A suite's file, or task files and directories of them", 0},
    {"metric", KEY_METRIC, "NAME", 0,
     "rougeL, exact, choice, choice_sum, choice_char, loglik or pass@1, where the suite "
     "names none (rougeL); several apart by commas, or given again",
     0},
    {"data", KEY_DATA, "DIR", 0, "Where the suite's files are (the suite's own directory)",
     0},
    {"split", KEY_SPLIT, "PART", 0,
     "all, or the part of each task that a build trains, validates or tests on: train, "
     "valid, test (the suite's, or all)",
     0},
    {"limit", KEY_LIMIT, "N", 0, "Examples a task (all)", 0},
    {"max-tokens", KEY_MAX_TOKENS, "N", 0,
     "Of an answer, where the suite says nothing (32)", 0},
    {"pass-tokens", KEY_PASS_TOKENS, "N", 0, "Tokens in one pass (1024)", 0},
    {"out", KEY_OUT, "FILE", 0,
     "Write the result there too, with every example's score and answer", 0},
    {0},
};
static const struct argp spec = {
    .options = options,
    .parser = parse,
    .args_doc = "[FILE...]",
    .doc =
        "Score a model on tasks: greedy answers, or likelihoods.\v"
        "rougeL: ROUGE-L F1 with stemming; exact: exact match; choice: the option "
        "likeliest "
        "a token is the right one (choice_sum: as a whole, choice_char: a character); "
        "pass@1: the program passes its tests, in a sandbox; loglik: mean log-likelihood "
        "of a target's tokens.\n\n"
        "With --json: {\"tasks\":{name:{metric:value,\"n\":n}},\"mean\":{metric:value}}; "
        "where a suite's metrics are accuracies of several kinds, \"mean\" has also "
        "\"accuracy\", of all tasks. "
        "The file of --out has also, in each task, \"scores\":{metric:[...]} and, where "
        "the model was asked for one, \"answers\":[...]; and what was scored under "
        "\"run\".",
    .children = qv__reuse_children,
};

static json_t *answers_of(const qv_task_result *t)
{
    json_t *answers = json_array();
    for (size_t j = 0; j < t->n; j++)
        json_array_append_new(answers, qv__json_text(t->answer[j], strlen(t->answer[j])));
    return answers;
}

/* The mean of a suite whose tasks are scored by accuracies of several kinds. */
static void add_accuracy(json_t *mean, const qv_eval_result *r)
{
    bool differ = false;
    for (size_t i = 0; i < qv_eval_tasks(r); i++) {
        const char *metric = qv_eval_task(r, i)->metric;
        if (strcmp(metric, "rougeL") == 0 || strcmp(metric, "loglik") == 0)
            return;
        differ = differ || strcmp(metric, qv_eval_task(r, 0)->metric) != 0;
    }
    if (differ)
        json_object_set_new(mean, "accuracy", qv__json_number(qv_eval_mean(r)));
}

/* One metric's results into `tasks`, and their mean into `mean`. */
static void merge(json_t *tasks, json_t *mean, const qv_eval_result *r)
{
    json_t *sums = json_object(); // metric -> [sum, number of tasks]
    for (size_t i = 0; i < qv_eval_tasks(r); i++) {
        const qv_task_result *t = qv_eval_task(r, i);
        json_t *task = json_object_get(tasks, t->name);
        if (!task) {
            task = json_pack("{s:{}}", "scores");
            json_object_set_new(tasks, t->name, task);
        }
        json_t *scores = json_array();
        for (size_t j = 0; j < t->n; j++)
            json_array_append_new(scores, qv__json_number(t->score[j]));
        json_object_set_new(task, t->metric, qv__json_number(t->mean));
        json_object_set_new(task, "n", json_integer((json_int_t)t->n));
        json_object_set_new(json_object_get(task, "scores"), t->metric, scores);
        if (t->answer) // greedy: the same for every metric that has any
            json_object_set_new(task, "answers", answers_of(t));
        if (t->n == 0)
            continue;
        json_t *sum = json_object_get(sums, t->metric);
        double had = json_real_value(json_array_get(sum, 0));
        json_int_t n = json_integer_value(json_array_get(sum, 1));
        json_object_set_new(sums, t->metric, json_pack("[f, I]", had + t->mean, n + 1));
    }
    const char *metric;
    json_t *sum;
    json_object_foreach(sums, metric, sum) json_object_set_new(
        mean, metric,
        qv__json_number(json_real_value(json_array_get(sum, 0)) /
                        (double)json_integer_value(json_array_get(sum, 1))));
    json_decref(sums);
    add_accuracy(mean, r);
}

/* What was scored. */
static json_t *run_of(const struct args *a, const qv_model *m)
{
    const qv_reuse_opts *w = &a->who;
    json_t *run =
        json_pack("{s:s, s:s, s:s?, s:s?, s:s?, s:s?, s:o, s:s?, s:I}", "model",
                  a->base.dir, "identity", qv_model_identity(m), "adapter", w->adapter,
                  "library", w->library, "router", w->router, "expert", w->expert, "suite",
                  qv__json_strings(a->suite.at, a->suite.n), "split", a->opts.split,
                  "limit", (json_int_t)a->opts.limit);
    if (a->opts.data)
        json_object_set_new(run, "data", json_string(a->opts.data));
    if (w->router) {
        const struct qv_router_ops *ops = qv__router_find(w->router);
        json_object_set_new(run, "top_k",
                            json_integer((json_int_t)qv__router_top_k(ops, w->top_k)));
        json_object_set_new(run, "temperature",
                            json_real(w->temperature > 0 ? (double)w->temperature : 1.0));
        json_object_set_new(run, "compose",
                            json_string(qv__router_compose(ops, w->compose) == QV_OUTPUT
                                            ? "output"
                                            : "factor"));
    }
    if (w->filter)
        json_object_set_new(run, "filter", json_integer((json_int_t)w->filter));
    if (w->general) {
        bool exactly = w->subtract == QV_SUBTRACT_EXACT;
        json_object_set_new(run, "general", json_string(w->general));
        json_object_set_new(run, "subtract", json_string(exactly ? "exact" : "factor"));
    }
    return run;
}

/* For a person: a line a task, and their mean. */
static void print_table(const json_t *tasks, const json_t *mean)
{
    json_t *rows = json_array(), *task, *v;
    const char *name, *metric;
    json_object_foreach((json_t *)(uintptr_t)tasks, name, task)
    {
        json_t *row =
            json_pack("{s:s, s:O}", "task", name, "n", json_object_get(task, "n"));
        json_object_foreach((json_t *)(uintptr_t)mean, metric, v)
        {
            json_t *value = json_object_get(task, metric);
            json_object_set(row, metric, value ? value : json_null());
        }
        json_array_append_new(rows, row);
    }
    json_t *last = json_pack("{s:s, s:n}", "task", "mean", "n");
    json_object_update(last, (json_t *)(uintptr_t)mean);
    json_array_append_new(rows, last);
    qv__print_table(rows);
    json_decref(rows);
}

static qv_status finish(const struct args *a, const qv_model *m, json_t *tasks,
                        json_t *mean, qv_err *err)
{
    qv_status result = QV_OK;
    if (a->out) {
        json_t *full =
            json_pack("{s:o, s:O, s:O}", "run", run_of(a, m), "tasks", tasks, "mean", mean);
        result = qv__json_write(full, a->out, err);
        json_decref(full);
    }
    const char *name;
    json_t *task;
    json_object_foreach(tasks, name, task)
    {
        json_object_del(task, "scores");
        json_object_del(task, "answers");
    }
    if (!result && a->as_json)
        qv__print(json_pack("{s:O, s:O}", "tasks", tasks, "mean", mean), true);
    else if (!result)
        print_table(tasks, mean);
    return result;
}

int cmd_eval(int argc, char **argv)
{
    struct args a = {0};
    argp_parse(&spec, argc, argv, 0, NULL, &a);
    qv_err err;
    qv_model *m;
    qv_reuse *reuse;
    json_t *tasks = json_object(), *mean = json_object();
    struct qv_teller teller;
    a.opts.progress = qv__teller_begin(&teller);
    qv_status result = qv__reuse_begin(&m, &reuse, &a.base, &a.who, &err);
    for (size_t i = 0; !result && i < qv__max(a.metrics.n, 1); i++) {
        qv_eval_result *r;
        a.opts.metric = a.metrics.n ? a.metrics.at[i] : NULL;
        result = qv_eval(&r, m, reuse, a.suite.at, a.suite.n, &a.opts, &err);
        if (!result)
            merge(tasks, mean, r);
        qv_eval_free(r);
    }
    qv__teller_end(&teller);
    if (!result)
        result = finish(&a, m, tasks, mean, &err);
    json_decref(tasks);
    json_decref(mean);
    qv__words_free(&a.suite);
    qv__words_free(&a.metrics);
    qv_reuse_close(reuse);
    qv_model_close(m);
    return result ? qv__say_failure(&err) : 0;
}
