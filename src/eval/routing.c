/* routing.c - see routing.h. */
#include "eval/routing.h"

#include "eval/walk.h"
#include "library/library.h"
#include "model/reuse.h"

#include <math.h>
#include <string.h>

/* Sums over rows. */
struct sums {
    double entropy, agrees, own, chance;
    size_t n, n_known;
};

/* What prompts are counted by: each sum and how many there were. */
struct told {
    size_t right, n;
};

struct study {
    struct qv_routing_study *out;
    const qv_reuse *reuse;
    const qv_snapshot *snap;
    struct sums *at; // [sites of the model]
    struct qv_walk_at now;
    const char *known;             // the task that learnt [K] is of
    bool *learnt;                  // [K] whether an expert learnt it
    struct qv_update *ear;         // of the passes in which prompts are heard
    struct told tokens, last;      // pairs
    struct told vote, vote_of_all; // prompts
    double *sum, *sum_of_all;      // [K] of weights, in the prompt that is heard
};

/* Which experts learnt the task of the example in the pass. Experts bound are looked up
 * by name: general ones are in the library and not among them. */
static void find_learnt(struct study *s)
{
    if (s->known && strcmp(s->known, s->now.task) == 0)
        return;
    s->known = s->now.task;
    for (size_t e = 0; e < s->reuse->n; e++) {
        size_t i = qv_snapshot_find(s->snap, s->reuse->name[e]);
        s->learnt[e] = qv__expert_learnt(qv_snapshot_info(s->snap, i), s->now.task);
    }
}

/* One row's k experts of a site, by place in its list, and their weights. */
static void count_row(struct study *s, struct sums *sum, const int *expert,
                      const struct qv_routing *r, size_t row)
{
    const int *place = r->expert + row * r->k;
    const float *weight = r->weight + row * r->k;
    size_t heaviest = 0;
    double own = 0;
    for (size_t j = 0; j < r->k; j++) {
        double w = (double)weight[j];
        size_t e = (size_t)expert[place[j]];
        sum->entropy -= w > 0 ? w * log(w) : 0;
        own += s->learnt[e] ? w : 0;
        s->out->share[e] += w;
        heaviest = weight[j] > weight[heaviest] ? j : heaviest;
    }
    sum->n++;
    sum->own += own;
    sum->agrees += s->learnt[expert[place[heaviest]]];
}

static void watch(void *arg, size_t site, size_t T, const struct qv_routing *r)
{
    struct study *s = arg;
    const struct qv_bank_site *b = &s->reuse->bank->site[site];
    size_t n_learnt = 0;
    (void)T;
    find_learnt(s);
    for (size_t j = 0; j < b->K; j++)
        n_learnt += s->learnt[b->expert[j]];
    for (size_t row = s->now.first; row < s->now.last; row++)
        count_row(s, &s->at[site], b->expert, r, row);
    if (n_learnt) {
        size_t rows = s->now.last - s->now.first;
        s->at[site].n_known += rows;
        s->at[site].chance += (double)(rows * n_learnt) / (double)b->K;
    }
}

/* ---- prompts, as the base hears them ---- */

static bool is_known(const struct study *s)
{
    size_t e = 0;
    while (e < s->reuse->n && !s->learnt[e])
        e++;
    return e < s->reuse->n;
}

static void count(struct told *t, bool is_right)
{
    t->right += is_right;
    t->n++;
}

/* A site's input at the rows of the prompt and after it: what the router makes of the
 * prompt. */
static void hear(void *arg, size_t site, size_t T, const float *x)
{
    struct study *s = arg;
    const struct qv_bank_site *b = &s->reuse->bank->site[site];
    struct qv_routing *r = &s->ear->routing;
    const size_t last = s->now.first;
    qv_check(last < T);
    find_learnt(s);
    if (!is_known(s))
        return;
    s->reuse->router->ops->route(s->reuse->router, site, x, last + 1, s->ear->z, r);
    for (size_t t = 0; t <= last; t++) {
        const int *place = r->expert + t * r->k;
        const float *weight = r->weight + t * r->k;
        size_t heaviest = 0;
        for (size_t j = 0; j < r->k; j++) {
            const int e = b->expert[place[j]];
            s->sum_of_all[e] += (double)weight[j];
            s->sum[e] += t == last ? (double)weight[j] : 0;
            heaviest = weight[j] > weight[heaviest] ? j : heaviest;
        }
        const bool is_right = s->learnt[b->expert[place[heaviest]]];
        count(&s->tokens, is_right);
        if (t == last)
            count(&s->last, is_right);
    }
}

/* Whether the expert with the largest sum (of equal ones the first) learnt the task; the
 * sums are then those of no prompt. */
static bool elects(const struct study *s, double *sum)
{
    size_t best = 0;
    for (size_t e = 1; e < s->reuse->n; e++)
        best = sum[e] > sum[best] ? e : best;
    memset(sum, 0, s->reuse->n * sizeof *sum);
    return s->learnt[best];
}

static void end_prompt(void *arg)
{
    struct study *s = arg;
    if (!is_known(s))
        return;
    count(&s->vote, elects(s, s->sum));
    count(&s->vote_of_all, elects(s, s->sum_of_all));
}

static double share_of(struct told t)
{
    return t.n ? (double)t.right / (double)t.n : (double)NAN;
}

/* ---- from sums to means ---- */

static void add(struct sums *to, const struct sums *s)
{
    to->entropy += s->entropy;
    to->agrees += s->agrees;
    to->own += s->own;
    to->chance += s->chance;
    to->n += s->n;
    to->n_known += s->n_known;
}

static struct qv_routing_stats stats_of(const struct sums *s)
{
    const double n = s->n ? (double)s->n : (double)NAN;
    const double known = s->n_known ? (double)s->n_known : (double)NAN;
    return (struct qv_routing_stats){.entropy = s->entropy / n,
                                     .agreement = s->agrees / known,
                                     .own = s->own / known,
                                     .n = s->n,
                                     .n_known = s->n_known,
                                     .chance = s->chance / known};
}

/* The place of a map's name in the list, where it is put if it is new. */
static size_t map_of(struct qv_routing_study *out, const char *path)
{
    const char *dot = strrchr(path, '.'), *name = dot ? dot + 1 : path;
    size_t i = 0;
    while (i < out->n_maps && strcmp(out->map_name[i], name) != 0)
        i++;
    if (i == out->n_maps)
        out->map_name[out->n_maps++] = name;
    return i;
}

/* From sums to means: of each site, of each layer and kind of map, and of all. */
static void conclude(struct study *s, const qv_model *m)
{
    struct qv_routing_study *out = s->out;
    qv_arena *a = &out->arena;
    size_t n = m->sites.n;
    struct sums *layer = qv_new_n(a, struct sums, m->c.L), all = {0};
    struct sums *map = qv_new_n(a, struct sums, n);
    out->site = qv_new_n(a, const char *, n);
    out->layer = qv_new_n(a, size_t, n);
    out->map = qv_new_n(a, size_t, n);
    out->map_name = qv_new_n(a, const char *, n);
    out->at = qv_new_n(a, struct qv_routing_stats, n);
    for (size_t i = 0; i < n; i++) {
        if (s->reuse->bank->site[i].K == 0)
            continue;
        size_t j = out->n_sites++;
        out->site[j] = qv__arena_str(a, m->sites.at[i].path);
        out->layer[j] = i / m->n_maps;
        out->map[j] = map_of(out, out->site[j]);
        out->at[j] = stats_of(&s->at[i]);
        add(&layer[out->layer[j]], &s->at[i]);
        add(&map[out->map[j]], &s->at[i]);
        add(&all, &s->at[i]);
    }
    out->n_layers = m->c.L;
    out->by_layer = qv_new_n(a, struct qv_routing_stats, out->n_layers);
    for (size_t i = 0; i < out->n_layers; i++)
        out->by_layer[i] = stats_of(&layer[i]);
    out->by_map = qv_new_n(a, struct qv_routing_stats, out->n_maps);
    for (size_t i = 0; i < out->n_maps; i++)
        out->by_map[i] = stats_of(&map[i]);
    out->all = stats_of(&all);
    for (size_t e = 0; e < out->K; e++)
        out->share[e] = all.n ? out->share[e] / (double)all.n : 0;
    out->prompts = (struct qv_routing_prompts){.tokens = share_of(s->tokens),
                                               .last = share_of(s->last),
                                               .vote = share_of(s->vote),
                                               .vote_of_all = share_of(s->vote_of_all),
                                               .n = s->vote.n};
}

static qv_status run(struct study *s, const qv_model *m, const char *const *paths, size_t n,
                     const struct qv_routing_opts *opts, qv_err *err)
{
    struct qv_update u;
    qv_status result = qv__reuse_update(&u, s->reuse, NULL, m->c.n_ctx, err);
    if (result)
        return result;
    struct qv_walk walk = {.m = m,
                           .paths = paths,
                           .n = n,
                           .limit = opts->limit,
                           .update = &u,
                           .at = &s->now,
                           .progress = opts->progress};
    u.watch = watch;
    u.watch_arg = s;
    result = qv__walk(&walk, err);
    if (!result && s->out->has_prompts) {
        s->ear = &u;
        s->known = NULL; // the first walk's names are gone
        u.see = hear;
        u.only_sees = true;
        walk.ends = end_prompt;
        walk.arg = s;
        result = qv__walk(&walk, err);
    }
    qv__update_end(&u);
    return result;
}

static void name_experts(struct qv_routing_study *out, const qv_reuse *reuse)
{
    out->K = reuse->n;
    out->expert = qv_new_n(&out->arena, const char *, out->K);
    out->share = qv_new_n(&out->arena, double, out->K);
    for (size_t e = 0; e < out->K; e++)
        out->expert[e] = qv__arena_str(&out->arena, reuse->name[e]);
}

qv_status qv__routing_study(struct qv_routing_study *out, const qv_model *m,
                            const qv_reuse_opts *who, const char *const *paths, size_t n,
                            const struct qv_routing_opts *opts, qv_err *err)
{
    static const struct qv_routing_opts none = {0};
    *out = (struct qv_routing_study){.n_sites = 0};
    qv_reuse *reuse = NULL;
    qv_snapshot *snap = NULL;
    qv_status result = qv_reuse_open(&reuse, m, who, err);
    if (!result && !reuse->router)
        result = qv_fail(err, QV_EUNSUPPORTED,
                         "router '%s' does not look at tokens: there is nothing to show",
                         who->router ? who->router : "");
    if (!result)
        result = qv__library_view(&snap, who->library, NULL, err);
    for (size_t e = 0; !result && e < reuse->n; e++)
        if (qv_snapshot_find(snap, reuse->name[e]) == qv_snapshot_size(snap))
            result = qv_fail(err, QV_ENOTFOUND, "%s: expert '%s' has gone", who->library,
                             reuse->name[e]);
    if (!result) {
        struct study s = {.out = out, .reuse = reuse, .snap = snap};
        s.at = qv_new_n(&out->arena, struct sums, m->sites.n);
        s.learnt = qv_new_n(&out->arena, bool, reuse->n);
        s.sum = qv_new_n(&out->arena, double, reuse->n);
        s.sum_of_all = qv_new_n(&out->arena, double, reuse->n);
        out->has_prompts = reuse->router->ops->route != NULL;
        name_experts(out, reuse);
        result = run(&s, m, paths, n, opts ? opts : &none, err);
        if (!result)
            conclude(&s, m);
    }
    qv_snapshot_release(snap);
    qv_reuse_close(reuse);
    return result;
}

void qv__routing_study_end(struct qv_routing_study *s)
{
    qv__arena_free(&s->arena);
    *s = (struct qv_routing_study){.n_sites = 0};
}
