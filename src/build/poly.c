/* poly.c - skills learnt by all tasks together, each task mixing them its own way
 * (Polytropon); and mhr, where each block of inputs and outputs is mixed its own way.
 *
 * The formulas are in lora/mixture.h. Each site has logits of its own, and the skills
 * start as the authors start them: each from another A, and B as random as A, because
 * with B = 0 the skills' Bs would stay alike. In the library a skill is an expert like
 * any other, which the router "uniform" averages for tasks unknown in training; beside
 * it, as the artifact "poly", stands its own part of the logits, [tasks, sites, heads],
 * the tasks in the order of expert.json.
 */
#include "base/file.h"
#include "base/rng.h"
#include "build/run.h"
#include "lora/mixture.h"

#include <math.h>

static void fill_b(struct qv_expert *e, uint64_t seed)
{
    for (size_t i = 0; i < e->n_sites; i++) {
        const struct qv_expert_site *s = &e->site[i];
        uint64_t stream = qv__seed_named(qv__seed_of(seed, 1), s->path);
        float bound = 1 / sqrtf(3 * (float)s->D_in);
        for (size_t k = 0; k < s->D_out * s->R; k++)
            s->B[k] = (2 * qv__uniform(stream, k) - 1) * bound;
    }
}

static const char *skill_name(struct qv_builder *b, size_t s)
{
    return qv__arena_fmt(&b->arena, "skill_%02zu", s);
}

static qv_status start(struct qv_mixture **out, struct qv_run *k, size_t S, size_t heads,
                       qv_err *err)
{
    struct qv_builder *b = k->b;
    struct qv_expert **e = qv_new_n(&b->arena, struct qv_expert *, S);
    qv_status result = QV_OK;
    for (size_t s = 0; !result && s < S; s++) {
        qv_train_opts own = k->o;
        own.seed = qv__seed_named(k->o.seed, skill_name(b, s));
        result = qv__build_expert(&e[s], skill_name(b, s), b->m, &own, err);
        if (!result)
            fill_b(e[s], own.seed);
    }
    const struct qv_mixture_opts opts = {.n_tasks = k->g->n, .heads = heads};
    if (!result)
        result = qv__mixture_new(out, e, S, &opts, err);
    if (!result)
        qv__mixture_init(*out, k->o.seed);
    for (size_t s = 0; s < S; s++)
        qv__expert_free(e[s]);
    return result;
}

static qv_status store(struct qv_run *k, const struct qv_mixture *m,
                       const struct qv_train_log *log, qv_err *err)
{
    size_t n = m->n_logit / m->S;
    qv_status result = QV_OK;
    for (size_t s = 0; !result && s < m->S; s++) {
        struct qv_expert *e = NULL;
        float *own = qv_new_n(&k->b->arena, float, n);
        for (size_t i = 0; i < n; i++)
            own[i] = m->logit[i * m->S + s];
        const struct qv_tensor_out logit = {
            "logit", QV_F32, 3, {m->T, m->n_groups, m->Q}, own};
        result = qv__mixture_skill(&e, skill_name(k->b, s), m, s, err);
        if (!result)
            result = qv__run_store(k, e, log, &logit, "poly", err);
        qv__expert_free(e);
    }
    return result;
}

/* Whether the library has all skills of this very run. */
static qv_status are_made(bool *made, struct qv_run *k, size_t S, qv_err *err)
{
    *made = true;
    for (size_t s = 0; s < S; s++) {
        bool is_there;
        const char *name = skill_name(k->b, s);
        qv_status result = qv__run_made(&is_there, k, name, "poly", err);
        if (result)
            return qv_wrap(err, result, "expert '%s': ", name);
        *made = *made && is_there;
    }
    return QV_OK;
}

static qv_status make(struct qv_run *k, size_t S, size_t heads, qv_err *err)
{
    struct qv_mixture *m = NULL;
    struct qv_train_log log = {0};
    qv_status result = start(&m, k, S, heads, err);
    if (!result)
        result = qv__train_mixture(m, k->b->m, &k->src, k->valid, k->n_valid, &k->o,
                                   k->checkpoint, &log, err);
    if (!result)
        result = store(k, m, &log, err);
    qv__train_log_end(&log);
    qv__mixture_free(m);
    return result;
}

static qv_status build(struct qv_builder *b, size_t heads, qv_err *err)
{
    size_t S = b->o->skills ? b->o->skills : 8;
    const struct qv_group all = {b->o->method, b->task, b->n_tasks, 1, 0};
    qv_train_opts d = b->o->train;
    qv__train_defaults(&d, false);
    json_t *extra = json_pack("{s:I, s:I, s:f}", "skills", (json_int_t)S, "heads",
                              (json_int_t)heads, "mix_lr", (double)d.mix_lr);
    struct qv_run k;
    bool made = false;
    b->n_planned = 1;
    qv_status result = qv__run_begin(&k, b, b->lib, &all, extra, err);
    if (!result)
        result = are_made(&made, &k, S, err);
    if (!result && !made)
        result = make(&k, S, heads, err);
    if (!result)
        result = qv__remove_tree(k.checkpoint, err);
    qv__run_end(&k);
    return result;
}

static qv_status build_poly(struct qv_builder *b, qv_err *err)
{
    return build(b, 1, err);
}

static qv_status build_mhr(struct qv_builder *b, qv_err *err)
{
    return build(b, b->o->heads ? b->o->heads : 8, err);
}

const struct qv_method qv__poly = {"poly", "skills that every task mixes its own way",
                                   build_poly};
const struct qv_method qv__mhr = {"mhr", "poly, each head of inputs and outputs for itself",
                                  build_mhr};
