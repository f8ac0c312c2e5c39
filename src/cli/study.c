/* study.c - quiver study: what a library's experts are to one another and to tasks. Each
 * study is one function and one line in the table. */
#include "cli/cli.h"
#include "eval/norms.h"
#include "eval/routing.h"
#include "eval/suite.h"
#include "eval/transfer.h"
#include "library/library.h"
#include "lora/prototypes.h"
#include "route/route.h"

#include <math.h>
#include <string.h>

struct args {
    struct qv_words words; // the study and the library
    struct qv_words tasks;
    struct qv_base base;
    qv_reuse_opts who;
    qv_eval_opts opts;
    qv_progress progress;
    bool as_json;
};

/* A study's result as an object; `facts` and `rows` are what a person is told of it: a
 * line each, and a table. */
struct found {
    json_t *all, *facts, *rows;
};

struct study {
    const char *name, *takes, *gist;
    bool needs_tasks, needs_router; // and a model to run
    qv_status (*run)(struct found *f, const qv_model *m, const struct args *a, qv_err *err);
};

static json_t *numbers(const double *x, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, qv__json_number(x[i]));
    return list;
}

static json_t *matrix(const double *x, size_t rows, size_t columns)
{
    json_t *list = json_array();
    for (size_t i = 0; i < rows; i++)
        json_array_append_new(list, numbers(x + i * columns, columns));
    return list;
}

/* ---- transfer ---- */

/* A row a task: the base, its own expert, and the best of the others. */
static json_t *transfer_rows(const struct qv_transfer *t)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < t->T; i++) {
        size_t best = t->K;
        for (size_t e = 0; e < t->K; e++)
            if ((int)e != t->own[i] &&
                (best == t->K || t->score[e * t->T + i] > t->score[best * t->T + i]))
                best = e;
        double own = t->own[i] < 0 ? (double)NAN : t->score[(size_t)t->own[i] * t->T + i];
        double other = best < t->K ? t->score[best * t->T + i] : (double)NAN;
        json_array_append_new(
            rows, json_pack("{s:s, s:o, s:o, s:o, s:s}", "task", t->task[i], "base",
                            qv__json_number(t->base[i]), "own", qv__json_number(own),
                            "best_other", qv__json_number(other), "which",
                            best < t->K ? t->expert[best] : "-"));
    }
    return rows;
}

static qv_status study_transfer(struct found *f, const qv_model *m, const struct args *a,
                                qv_err *err)
{
    struct qv_transfer t;
    qv_eval_opts opts = a->opts;
    opts.progress = a->progress;
    qv_status result =
        qv__transfer(&t, m, a->words.at[1], a->tasks.at, a->tasks.n, &opts, err);
    if (!result) {
        struct qv_correlation c = qv__transfer_correlation(&t);
        json_t *own = json_array();
        for (size_t i = 0; i < t.T; i++)
            json_array_append_new(own, t.own[i] < 0 ? json_null()
                                                    : json_string(t.expert[t.own[i]]));
        f->facts = json_pack("{s:o, s:o, s:o, s:I}", "r", qv__json_number(c.r), "low",
                             qv__json_number(c.low), "high", qv__json_number(c.high),
                             "n_pairs", (json_int_t)c.n);
        f->rows = transfer_rows(&t);
        f->all = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:s, s:O}", "metric",
                           t.metric, "similarity_by", t.is_gauge ? "gauge" : "mbc",
                           "experts", qv__json_strings(t.expert, t.K), "tasks",
                           qv__json_strings(t.task, t.T), "own", own, "base",
                           numbers(t.base, t.T), "score", matrix(t.score, t.K, t.T),
                           "library", a->words.at[1], "correlation", f->facts);
        json_object_set_new(f->all, "similarity", qv__json_square(t.similarity, t.K));
    }
    qv__transfer_end(&t);
    return result;
}

/* ---- norms ---- */

static qv_status study_norms(struct found *f, const qv_model *m, const struct args *a,
                             qv_err *err)
{
    struct qv_norms s;
    const struct qv_norms_opts opts = {.limit = a->opts.limit, .progress = a->progress};
    qv_status result =
        qv__norms(&s, m, a->words.at[1], a->tasks.at, a->tasks.n, &opts, err);
    if (!result) {
        size_t above = 0;
        double sum = 0;
        f->rows = json_array();
        for (size_t i = 0; i < s.n_tasks; i++)
            json_array_append_new(
                f->rows, json_pack("{s:s, s:I, s:f, s:f, s:f}", "task", s.task[i].name, "n",
                                   (json_int_t)s.task[i].n, "own", s.task[i].own, "others",
                                   s.task[i].others, "ratio", s.task[i].ratio));
        for (size_t i = 0; i < s.n; i++) {
            above += s.ratio[i] > 1;
            sum += s.ratio[i];
        }
        f->facts =
            json_pack("{s:f, s:f, s:I}", "mean_ratio", sum / (double)s.n, "share_above_1",
                      (double)above / (double)s.n, "n_examples", (json_int_t)s.n);
        f->all = json_pack("{s:s, s:O, s:o}", "library", a->words.at[1], "tasks", f->rows,
                           "ratios", numbers(s.ratio, s.n));
        json_object_update(f->all, f->facts);
    }
    qv__norms_end(&s);
    return result;
}

/* ---- routing ---- */

static json_t *stats(const struct qv_routing_stats *s)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:I}", "entropy", qv__json_number(s->entropy),
                     "agreement", qv__json_number(s->agreement), "own_weight",
                     qv__json_number(s->own), "chance", qv__json_number(s->chance), "n",
                     (json_int_t)s->n);
}

/* The same with what it is of in front. */
static json_t *stats_of(const char *key, json_t *name, const struct qv_routing_stats *s)
{
    json_t *row = json_object(), *rest = stats(s);
    json_object_set_new(row, key, name);
    json_object_update(row, rest);
    json_decref(rest);
    return row;
}

static json_t *prompts(const struct qv_routing_prompts *p)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:I}", "tokens", qv__json_number(p->tokens),
                     "last", qv__json_number(p->last), "vote", qv__json_number(p->vote),
                     "vote_of_all", qv__json_number(p->vote_of_all), "n", (json_int_t)p->n);
}

static json_t *shares(const struct qv_routing_study *s)
{
    json_t *list = json_array();
    for (size_t e = 0; e < s->K; e++)
        json_array_append_new(
            list, json_pack("{s:s, s:f}", "expert", s->expert[e], "share", s->share[e]));
    return list;
}

static void tell_routing(struct found *f, const struct qv_routing_study *s,
                         const struct args *a)
{
    json_t *sites = json_array(), *layers = json_array();
    f->rows = json_array();
    for (size_t i = 0; i < s->n_sites; i++)
        json_array_append_new(sites, stats_of("site", json_string(s->site[i]), &s->at[i]));
    for (size_t i = 0; i < s->n_layers; i++)
        if (s->by_layer[i].n)
            json_array_append_new(
                layers, stats_of("layer", json_integer((json_int_t)i), &s->by_layer[i]));
    for (size_t i = 0; i < s->n_maps; i++)
        json_array_append_new(f->rows,
                              stats_of("map", json_string(s->map_name[i]), &s->by_map[i]));
    json_t *all = stats(&s->all), *heard = s->has_prompts ? prompts(&s->prompts) : NULL;
    f->facts = json_copy(all);
    if (heard)
        json_object_set(f->facts, "prompts", heard);
    const struct qv_router_ops *ops = qv__router_find(a->who.router);
    f->all = json_pack("{s:s, s:s, s:I, s:f, s:o, s:o, s:O, s:o, s:o, s:o*}", "library",
                       a->words.at[1], "router", a->who.router, "top_k",
                       (json_int_t)qv__router_top_k(ops, a->who.top_k), "temperature",
                       a->who.temperature > 0 ? (double)a->who.temperature : 1.0, "all",
                       all, "layers", layers, "maps", f->rows, "sites", sites, "experts",
                       shares(s), "prompts", heard);
}

static qv_status study_routing(struct found *f, const qv_model *m, const struct args *a,
                               qv_err *err)
{
    struct qv_routing_study s;
    qv_reuse_opts who = a->who;
    const struct qv_routing_opts opts = {.limit = a->opts.limit, .progress = a->progress};
    who.library = a->words.at[1];
    qv_status result = qv__routing_study(&s, m, &who, a->tasks.at, a->tasks.n, &opts, err);
    if (!result)
        tell_routing(f, &s, a);
    qv__routing_study_end(&s);
    return result;
}

/* ---- spectra ---- */

/* How far the largest singular value stands out: 1 of an update of rank 1, 0 where the
 * direction that Arrow takes is not settled. */
static double gap(const float *sigma)
{
    return sigma[0] > 0 ? (double)(sigma[0] - sigma[1]) / (double)sigma[0] : (double)NAN;
}

static qv_status expert_spectra(struct found *f, const qv_snapshot *snap, size_t i,
                                qv_err *err)
{
    struct qv_expert *e;
    struct qv_prototypes p = {0};
    qv_status result = qv__snapshot_read(&e, snap, i, NULL, err);
    if (!result)
        result = qv__prototypes_of(&p, e, err);
    if (!result) {
        json_t *sites = json_array();
        double sum = 0, least = INFINITY;
        size_t n = 0;
        for (size_t s = 0; s < p.n_sites; s++) {
            const float *sigma = p.sigma + 2 * s;
            double scale = (double)e->site[s].scale, g = gap(sigma);
            json_array_append_new(
                sites, json_pack("{s:s, s:f, s:f, s:o}", "site", e->site[s].path, "sigma1",
                                 scale * (double)sigma[0], "sigma2",
                                 scale * (double)sigma[1], "gap", qv__json_number(g)));
            if (isfinite(g)) {
                sum += g;
                least = fmin(least, g);
                n++;
            }
        }
        json_t *row = json_pack("{s:s, s:o, s:o}", "expert", e->name, "mean_gap",
                                qv__json_number(n ? sum / (double)n : (double)NAN),
                                "least_gap", qv__json_number(least));
        json_array_append(f->rows, row);
        json_t *whole = json_copy(row);
        json_object_set_new(whole, "sites", sites);
        json_array_append_new(json_object_get(f->all, "experts"), whole);
        json_decref(row);
    }
    qv__prototypes_end(&p);
    qv__expert_free(e);
    return result;
}

static qv_status study_spectra(struct found *f, const qv_model *m, const struct args *a,
                               qv_err *err)
{
    (void)m;
    qv_snapshot *snap;
    qv_status result = qv__library_view(&snap, a->words.at[1], NULL, err);
    f->facts = json_object();
    f->rows = json_array();
    f->all = json_pack("{s:s, s:[]}", "library", a->words.at[1], "experts");
    for (size_t i = 0; !result && i < qv_snapshot_size(snap); i++)
        result = expert_spectra(f, snap, i, err);
    qv_snapshot_release(snap);
    return result;
}

/* ---- the command ---- */

static const struct study studies[] = {
    {"transfer", "LIB",
     "every expert on every task, and whether likeness of weights predicts it", true, false,
     study_transfer},
    {"norms", "LIB",
     "the updates' norms on a task: of the expert that learnt it, and of others", true,
     false, study_norms},
    {"routing", "LIB", "a router's entropy and agreement with the oracle, site by site",
     true, true, study_routing},
    {"spectra", "LIB", "how far each update's first singular value stands out", false,
     false, study_spectra},
};

static const struct study *find(const char *name)
{
    for (size_t i = 0; i < QV_COUNT(studies); i++)
        if (strcmp(studies[i].name, name) == 0)
            return &studies[i];
    return NULL;
}

enum {
    KEY_TASKS = 256,
    KEY_ROUTER,
    KEY_TOP_K,
    KEY_TEMPERATURE,
    KEY_METRIC,
    KEY_LIMIT,
    KEY_MAX_TOKENS,
};

static void check(const struct args *a, const struct argp_state *state)
{
    const struct study *s = a->words.n ? find(a->words.at[0]) : NULL;
    bool transfers = s && s->run == study_transfer;
    if (a->words.n == 0)
        argp_error(state, "what is to be studied?");
    else if (!s)
        argp_error(state, "no study is named '%s'", a->words.at[0]);
    else if (a->words.n != 2)
        argp_error(state, "%s takes %s", s->name, s->takes);
    else if (s->needs_tasks && !a->base.dir)
        argp_error(state, "--model is missing");
    else if (s->needs_tasks && !a->tasks.n)
        argp_error(state, "--tasks is missing");
    else if (!s->needs_tasks && (a->base.dir || a->tasks.n))
        argp_error(state, "spectra looks at the library alone");
    else if (s->needs_router != (a->who.router != NULL))
        argp_error(state,
                   s->needs_router ? "--router is missing" : "--router goes with routing");
    else if (!transfers && (a->opts.metric || a->opts.max_tokens))
        argp_error(state, "--metric and --max-tokens go with transfer");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct args *a = state->input;
    enum qv_metric metric;
    qv_err err;
    switch (key) {
    case ARGP_KEY_INIT:
        a->base.is_optional = true; // one study needs none
        qv_inputs(state, &a->base, &a->as_json);
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
    fputc('\n', f);
    for (size_t i = 0; i < QV_COUNT(studies); i++)
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
    {"metric", KEY_METRIC, "NAME", 0, "transfer: of quiver eval (loglik)", 0},
    {"max-tokens", KEY_MAX_TOKENS, "N", 0, "transfer: of an answer (32)", 0},
    {0},
};
static const struct argp_child children[] = {
    {&qv__base_argp, 0, NULL, 0}, {&qv__json_argp, 0, NULL, 0}, {0}};
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

static void tell(const struct found *f, const char *name, bool as_json)
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
    struct args a = {.opts = {.split = "valid"}};
    argp_parse(&spec, argc, argv, 0, NULL, &a);
    const struct study *study = find(a.words.at[0]);
    qv_err err;
    qv_model *m = NULL;
    struct found f = {NULL, NULL, NULL};
    struct qv_teller teller;
    a.progress = qv__teller_begin(&teller);
    if (study->run == study_transfer && !a.opts.metric)
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
    return result ? qv__say_failure(&err) : 0;
}
