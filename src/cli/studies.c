/* studies.c - what `quiver study` can find out, and how each is told. */
#include "cli/study.h"
#include "eval/joint.h"
#include "eval/norms.h"
#include "eval/routing.h"
#include "eval/transfer.h"
#include "library/library.h"
#include "lora/prototypes.h"
#include "route/route.h"

#include <math.h>
#include <string.h>

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

static json_t *correlation(const struct qv_correlation *c)
{
    return json_pack("{s:o, s:o, s:o, s:I}", "r", qv__json_number(c->r), "low",
                     qv__json_number(c->low), "high", qv__json_number(c->high), "n_pairs",
                     (json_int_t)c->n);
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

static qv_status study_transfer(struct qv_found *f, const qv_model *m,
                                const struct qv_study_args *a, qv_err *err)
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
        f->facts = correlation(&c);
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

/* ---- joint ---- */

static json_t *joint_pairs(const struct qv_joint *j)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < j->n; i++) {
        const struct qv_joint_pair *p = &j->pair[i];
        json_array_append_new(rows,
                              json_pack("{s:s, s:s, s:f, s:o, s:o, s:o}", "a", p->task[0],
                                        "b", p->task[1], "similarity", p->similarity,
                                        "apart", qv__json_number(p->apart), "together",
                                        qv__json_number(p->together), "gain",
                                        qv__json_number(p->together - p->apart)));
    }
    return rows;
}

static qv_status study_joint(struct qv_found *f, const qv_model *m,
                             const struct qv_study_args *a, qv_err *err)
{
    struct qv_joint j;
    const struct qv_joint_opts opts = {.bins = a->pairs,
                                       .seed = a->seed,
                                       .work = a->work,
                                       .eval = a->opts,
                                       .progress = a->progress};
    qv_status result =
        qv__joint(&j, m, a->words.at[1], a->tasks.at, a->tasks.n, &opts, err);
    if (!result) {
        f->facts = correlation(&j.correlation);
        f->rows = joint_pairs(&j);
        f->all = json_pack("{s:s, s:s, s:O, s:O}", "library", a->words.at[1], "metric",
                           j.metric, "pairs", f->rows, "correlation", f->facts);
    }
    qv__joint_end(&j);
    return result;
}

/* ---- norms ---- */

static qv_status study_norms(struct qv_found *f, const qv_model *m,
                             const struct qv_study_args *a, qv_err *err)
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

static void tell_routing(struct qv_found *f, const struct qv_routing_study *s,
                         const struct qv_study_args *a)
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

static qv_status study_routing(struct qv_found *f, const qv_model *m,
                               const struct qv_study_args *a, qv_err *err)
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

static qv_status expert_spectra(struct qv_found *f, const qv_snapshot *snap, size_t i,
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

static qv_status study_spectra(struct qv_found *f, const qv_model *m,
                               const struct qv_study_args *a, qv_err *err)
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

/* ---- the list ---- */

static const struct qv_study studies[] = {
    {.name = "transfer",
     .gist = "every expert on every task, and whether likeness of weights predicts it",
     .needs_tasks = true,
     .scores = true,
     .run = study_transfer},
    {.name = "joint",
     .gist = "pairs of tasks learnt together, and whether likeness predicts the gain",
     .needs_tasks = true,
     .scores = true,
     .trains = true,
     .run = study_joint},
    {.name = "norms",
     .gist = "the updates' norms on a task: of the expert that learnt it, and of others",
     .needs_tasks = true,
     .run = study_norms},
    {.name = "routing",
     .gist = "a router's entropy and agreement with the oracle, site by site",
     .needs_tasks = true,
     .needs_router = true,
     .run = study_routing},
    {.name = "spectra",
     .gist = "how far each update's first singular value stands out",
     .run = study_spectra},
};

const struct qv_study *qv__studies(size_t *n)
{
    *n = QV_COUNT(studies);
    return studies;
}

const struct qv_study *qv__study_find(const char *name)
{
    for (size_t i = 0; i < QV_COUNT(studies); i++)
        if (strcmp(studies[i].name, name) == 0)
            return &studies[i];
    return NULL;
}
