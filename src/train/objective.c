/* objective.c - see objective.h. */
#include "train/objective.h"
#include "base/carve.h"
#include "base/memory.h"
#include "base/rng.h"
#include "model/forward.h"
#include "op/loss.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LOGITS = 1 << 25 }; // floats of logits a pass may need: 128 MiB

/* One thread's share. */
struct qv_lane {
    struct qv_acts acts;
    int *token, *pos;         // [T_max]
    struct qv_seq *seq;       // [T_max]
    int *row, *target;        // [n_rows]
    float *weight, *logprob;  // [n_rows]
    struct qv_lora_map *map;  // [n_sites]
    struct qv_gate_map *gate; // [n_sites]
    float **z;                // [n_sites] [T_max, R], of gates [T_max, R + 1]
    float *g;                 // [n] this lane's gradient
    float *mixed, *dmixed;    // [n_w] of a mixture: the pass's own expert, its gradient
    float *share, *dshare;    // [n_weights] of a mixture: its weights, scratch
    struct qv_trainee train;
    double loss; // this lane's part
};

/* The expert whose sites are trained; of a mixture, the shape of them all. */
static const struct qv_expert *shape_of(const struct qv_objective_of *of)
{
    return of->mixture ? of->mixture->like : of->expert;
}

static void carve_lane(struct qv_lane *l, qv_carve *c, const struct qv_objective *o)
{
    size_t T = o->T_max, rows = o->n_rows;
    const struct qv_mixture *mix = o->of.mixture;
    const struct qv_expert *e = shape_of(&o->of);
    l->token = qv__carve(c, T, 1, 1, sizeof *l->token);
    l->pos = qv__carve(c, T, 1, 1, sizeof *l->pos);
    l->seq = qv__carve(c, T, 1, 1, sizeof *l->seq);
    l->row = qv__carve(c, rows, 1, 1, sizeof *l->row);
    l->target = qv__carve(c, rows, 1, 1, sizeof *l->target);
    l->weight = qv__carve_f32(c, rows, 1);
    l->logprob = qv__carve_f32(c, rows, 1);
    l->g = qv__carve_f32(c, o->n, 1);
    if (mix) {
        l->mixed = qv__carve_f32(c, e->n_w, 1);
        l->dmixed = qv__carve_f32(c, e->n_w, 1);
        l->share = qv__carve_f32(c, qv__mixture_n_weights(mix), 1);
        l->dshare = qv__carve_f32(c, qv__mixture_n_weights(mix), 1);
    }
    if (!e)
        return;
    if (o->of.gates)
        l->gate = qv__carve(c, o->of.m->sites.n, 1, 1, sizeof *l->gate);
    else
        l->map = qv__carve(c, o->of.m->sites.n, 1, 1, sizeof *l->map);
    l->z = qv__carve(c, o->of.m->sites.n, 1, 1, sizeof *l->z);
    for (size_t i = 0; i < e->n_sites; i++) {
        float *z = qv__carve_f32(c, T, e->site[i].R + (o->of.gates ? 1 : 0));
        if (l->z)
            l->z[qv__site_find(&o->of.m->sites, e->site[i].path)] = z;
    }
}

static size_t lay_out(struct qv_objective *o, void *base)
{
    qv_carve c = {.base = base};
    struct qv_lane none = {0};
    o->lane = qv__carve(&c, o->n_lanes, 1, 1, sizeof *o->lane);
    o->g = qv__carve_f32(&c, o->n, 1);
    for (size_t i = 0; i < o->n_lanes; i++)
        carve_lane(base ? &o->lane[i] : &none, &c, o);
    return c.used;
}

/* Point a lane's trainee at the expert's weights or gates and the lane's gradient. */
static void wire(struct qv_lane *l, const struct qv_objective *o)
{
    const struct qv_expert *e = shape_of(&o->of);
    const struct qv_sites *sites = &o->of.m->sites;
    float *g = l->dmixed ? l->dmixed : l->g;
    if (o->of.full)
        l->train.dw = l->g;
    if (!e)
        return;
    l->train =
        (struct qv_trainee){.map = l->map, .gate = l->gate, .z = l->z, .lowest = SIZE_MAX};
    for (size_t i = 0; i < e->n_sites; i++) {
        const struct qv_expert_site *s = &e->site[i];
        size_t site = qv__site_find(sites, s->path);
        const float *w = l->mixed ? l->mixed : e->w;
        if (l->gate)
            l->gate[site] = (struct qv_gate_map){
                .A = s->A,
                .B = s->B,
                .v = o->of.gates->v + o->of.gates->first[i],
                .dv = l->g + o->of.gates->first[i],
                .R = s->R,
                .D_in = s->D_in,
                .D_out = s->D_out,
                .scale = s->scale,
            };
        else
            l->map[site] = (struct qv_lora_map){
                .A = w + (s->A - e->w),
                .B = w + (s->B - e->w),
                .dA = g + (s->A - e->w),
                .dB = g + (s->B - e->w),
                .R = s->R,
                .D_in = s->D_in,
                .D_out = s->D_out,
                .scale = s->scale,
            };
        l->train.lowest = qv__min(l->train.lowest, sites->at[site].layer);
    }
}

qv_status qv__objective_init(struct qv_objective *o, const struct qv_objective_of *of,
                             size_t longest, size_t pass_tokens, size_t lanes, qv_err *err)
{
    *o = (struct qv_objective){.of = *of, .pass_tokens = qv__max(pass_tokens, 1)};
    const struct qv_expert *e = shape_of(of);
    size_t R_max = 0;
    for (size_t i = 0; e && i < e->n_sites; i++)
        R_max = qv__max(R_max, e->site[i].R);
    o->n = of->gates  ? of->gates->first[of->gates->n_sites]
           : e        ? e->n_w
           : of->full ? of->m->n_own
                      : 0;
    if (of->mixture)
        qv__mixture_trained(of->mixture, &o->n);
    o->n_lanes = lanes ? lanes : (size_t)omp_get_max_threads();
    o->T_max = pass_tokens + qv__max(longest, 1);
    o->n_rows = qv__max(qv__min(o->T_max, MAX_LOGITS / of->m->c.V), qv__max(longest, 1));
    qv_carve need = {.used = lay_out(o, NULL)};
    o->mem = qv__carve_alloc(&need);
    if (!o->mem)
        return qv_fail(err, QV_ENOMEM, "no memory for passes of %zu tokens", o->T_max);
    lay_out(o, o->mem);
    const size_t memory = of->memory ? of->memory : qv__memory() / 2;
    qv_status result = QV_OK;
    for (size_t i = 0; !result && i < o->n_lanes; i++) {
        result =
            qv__acts_init(&o->lane[i].acts, of->m, o->T_max, qv__max(longest, 1), o->n_rows,
                          o->n > 0 ? qv__max(memory / o->n_lanes, 1) : 0, R_max, err);
        wire(&o->lane[i], o);
    }
    if (result)
        qv__objective_end(o);
    return result;
}

void qv__objective_end(struct qv_objective *o)
{
    for (size_t i = 0; o->lane && i < o->n_lanes; i++)
        qv__acts_end(&o->lane[i].acts);
    free(o->mem);
    free(o->first);
    *o = (struct qv_objective){0};
}

/* Rows that a sequence fills (its last token predicts nothing), and those of
 * them that are scored: first - 1 .. n - 2. */
struct extent {
    size_t first, rows, targets;
};

static struct extent extent(const struct qv_sequence *s)
{
    size_t first = qv__max(s->n_prompt, 1), rows = s->n > 0 ? s->n - 1 : 0;
    return (struct extent){first, rows, s->n > first ? s->n - first : 0};
}

/* Cut the sequences into passes: as many as there are lanes if they are few,
 * else of about pass_tokens rows. Fills o->first. */
static qv_status cut(size_t *n_passes, struct qv_objective *o,
                     const struct qv_sequence *const *s, size_t n, qv_err *err)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += extent(s[i]).rows;
    size_t wanted = (total + o->pass_tokens - 1) / o->pass_tokens;
    wanted = qv__max((wanted + o->n_lanes - 1) / o->n_lanes, 1) * o->n_lanes;
    size_t aim = qv__min((total + wanted - 1) / wanted, o->pass_tokens);
    if (n > o->max_passes) {
        size_t *more = realloc(o->first, (n + 1) * sizeof *more);
        if (!more)
            return qv_fail(err, QV_ENOMEM, "no memory for %zu sequences", n);
        o->first = more;
        o->max_passes = n;
    }
    size_t T = 0, rows = 0;
    *n_passes = 0;
    for (size_t i = 0; i < n; i++) {
        struct extent x = extent(s[i]);
        qv_check(x.rows <= o->T_max && x.targets <= o->n_rows); // init knew the longest
        bool full = T >= aim || T + x.rows > o->T_max || rows + x.targets > o->n_rows;
        bool other = o->of.mixture && i > 0 && s[i]->task != s[i - 1]->task;
        if (i == 0 || full || other) {
            o->first[(*n_passes)++] = i;
            T = rows = 0;
        }
        T += x.rows;
        rows += x.targets;
    }
    o->first[*n_passes] = n;
    return QV_OK;
}

/* Append a sequence to the lane's batch, each target weighing `share` over their
 * number. */
static void append(struct qv_lane *l, struct qv_batch *b, size_t *n_rows,
                   const struct qv_sequence *s, float share)
{
    struct extent x = extent(s);
    l->seq[b->n_seq++] = (struct qv_seq){.begin = b->T,
                                         .n = x.rows,
                                         .n_prompt = s->n_prompt,
                                         .n_unread = qv__min(x.first - 1, x.rows)};
    for (size_t i = 0; i < x.rows; i++) {
        l->token[b->T + i] = s->ids[i];
        l->pos[b->T + i] = (int)i;
    }
    for (size_t i = x.first; i < s->n; i++, ++*n_rows) {
        l->row[*n_rows] = (int)(b->T + i - 1);
        l->target[*n_rows] = s->ids[i];
        l->weight[*n_rows] = share / (float)x.targets;
    }
    b->T += x.rows;
}

/* One pass over sequences first .. last - 1 of n. Those of a mixture have one task. */
static void pass(struct qv_objective *o, struct qv_lane *l, struct qv_update *update,
                 const struct qv_sequence *const *s, size_t first, size_t last, size_t n,
                 bool backward, float *nll)
{
    size_t V = o->of.m->c.V, n_rows = 0;
    struct qv_batch b = {.token = l->token, .pos = l->pos, .seq = l->seq};
    const struct qv_mixture *mix = o->of.mixture;
    for (size_t i = first; i < last; i++)
        append(l, &b, &n_rows, s[i], 1 / (float)n);
    if (mix) {
        qv__mixture_weights(l->share, mix, s[first]->task);
        qv__mixture_fold(l->mixed, mix, l->share);
    }
    struct qv_pass p = {.m = o->of.m,
                        .a = &l->acts,
                        .b = &b,
                        .update = update,
                        .train = o->n ? &l->train : NULL};
    qv__forward(&p);
    qv__decoder_logits(&p, l->row, n_rows);
    if (backward) {
        qv__cross_entropy(l->logprob, l->acts.logits, l->target, l->weight, n_rows, V);
        if (mix)
            memset(l->dmixed, 0, mix->like->n_w * sizeof *l->dmixed);
        qv__decoder_backward(&p, l->row, n_rows);
        if (mix)
            qv__mixture_back(l->g, mix, s[first]->task, l->share, l->dmixed, l->dshare);
    } else {
        qv__logprob(l->logprob, l->acts.logits, l->target, n_rows, V);
    }
    for (size_t i = first, r = 0; i < last; i++) {
        double sum = 0;
        size_t targets = extent(s[i]).targets;
        for (size_t j = 0; j < targets; j++)
            sum -= (double)l->logprob[r++];
        double mean = targets ? sum / (double)targets : 0;
        l->loss += mean / (double)n;
        if (nll)
            nll[i] = (float)mean;
    }
}

/* What is asked for of all lanes. */
struct round {
    const struct qv_sequence *const *s; // [n]
    size_t n, n_passes;
    struct qv_dropout drop;
    bool backward;
    float *nll;
};

/* Lane i's passes. */
static void run_lane(struct qv_objective *o, size_t i, const struct round *r)
{
    struct qv_lane *l = &o->lane[i];
    l->loss = 0;
    if (r->backward)
        memset(l->g, 0, o->n * sizeof *l->g);
    for (size_t j = i; j < r->n_passes; j += o->n_lanes) {
        l->train.drop = (struct qv_dropout){r->drop.rate, qv__seed_of(r->drop.seed, j)};
        pass(o, l, o->of.updates ? &o->of.updates[i] : NULL, r->s, o->first[j],
             o->first[j + 1], r->n, r->backward, r->nll);
    }
}

/* A pass that is alone has all threads for its products. */
static qv_status run(double *loss, struct qv_objective *o,
                     const struct qv_sequence *const *s, size_t n, struct qv_dropout drop,
                     bool backward, float *nll, qv_err *err)
{
    struct round r = {s, n, 0, drop, backward, nll};
    qv_status result = cut(&r.n_passes, o, s, n, err);
    if (result)
        return result;
    if (r.n_passes == 1)
        for (size_t i = 0; i < o->n_lanes; i++)
            run_lane(o, i, &r);
    else
#pragma omp parallel for schedule(static, 1) num_threads((int)o->n_lanes)
        for (size_t i = 0; i < o->n_lanes; i++)
            run_lane(o, i, &r);
    *loss = 0;
    for (size_t i = 0; i < o->n_lanes; i++)
        *loss += o->lane[i].loss;
    return QV_OK;
}

qv_status qv__loss(double *loss, struct qv_objective *o, const struct qv_sequence *const *s,
                   size_t n, float *nll, qv_err *err)
{
    return run(loss, o, s, n, (struct qv_dropout){0}, false, nll, err);
}

qv_status qv__loss_gradient(double *loss, struct qv_objective *o,
                            const struct qv_sequence *const *s, size_t n,
                            struct qv_dropout drop, qv_err *err)
{
    qv_check(o->n);
    qv_status result = run(loss, o, s, n, drop, true, NULL, err);
    if (result)
        return result;
#pragma omp parallel for schedule(static) if (o->n > 1 << 14)
    for (size_t i = 0; i < o->n; i++) {
        float sum = 0;
        for (size_t j = 0; j < o->n_lanes; j++)
            sum += o->lane[j].g[i];
        o->g[i] = sum;
    }
    return QV_OK;
}
