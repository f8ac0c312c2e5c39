/* lorahub.c - one weight an expert, found without gradients: LoraHub.
 *
 * The candidate for w [K] is A = sum w A_k, B = sum w B_k, at every site alike. It is
 * judged by
 *     the mean loss on the first half of the examples + 0.05 mean |w|
 * within |w| <= 1.5, from w = 0, as often as the options say: 30 times by default, the
 * paper's 30 passes over half of the data, to cost what 5 epochs of training cost. Where
 * training takes less, fewer examples can be judged by. The search is COBYLA, which needs
 * no gradients, keeps within bounds and draws nothing by chance (NLopt, included here
 * alone). The authors' code takes nevergrad's NGOpt, which chooses among many; only budget,
 * bounds and objective are theirs.
 *
 * Because the search draws nothing, it is resumed by running it again: it asks for the
 * same candidates, and those judged before are answered from the file they were kept in.
 */
#include "adapt/adapt.h"
#include "base/file.h"
#include "base/hash.h"
#include "model/model.h"
#include "train/objective.h"

#include <math.h>
#include <nlopt.h>
#include <stdlib.h>
#include <string.h>

static const double BOUND = 1.5, L1 = 0.05, STEP = 0.5; // of the first candidates

struct search {
    struct qv_adapting *a;
    struct qv_mixture *mix;
    struct qv_expert *candidate;
    struct qv_objective obj;
    const struct qv_sequence **judged; // [n_judged]
    size_t n_judged, most;             // evaluations
    double *asked, *value;             // [most, K] [most] in order
    size_t n_known, n;                 // answered from the file; so far
    size_t best;
    const char *path;
    char fingerprint[QV_HASH_TEXT];
    nlopt_opt opt;
    qv_status failed;
    qv_err *err;
};

/* What must be equal for evaluations to be those of this search. */
static qv_status fingerprint(struct search *s, qv_err *err)
{
    const qv_train_opts *o = &s->a->o->train;
    struct qv_source src;
    char experts[QV_HASH_TEXT];
    qv_status result = qv__source_init(&src, s->a->train, s->n_judged, 1, 0, err);
    if (result)
        return result;
    qv__mixture_hash(experts, s->mix);
    char *all =
        qv__arena_fmt(&s->a->arena, "%s %s %s %zu %zu %zu", experts, src.fingerprint,
                      s->a->m->identity, s->most, o->lanes, o->pass_tokens);
    qv__hash_bytes(s->fingerprint, all, strlen(all));
    qv__source_end(&src);
    return QV_OK;
}

static qv_status read_known(struct search *s, qv_err *err)
{
    struct qv_st st;
    size_t K = s->a->K;
    if (!qv__is_file(s->path))
        return QV_OK;
    qv_status result = qv__st_open(&st, s->path, err);
    if (result)
        return result;
    const struct qv_tensor *w = qv__st_find(&st, "w"), *f = qv__st_find(&st, "f");
    const char *whose = qv__st_meta(&st, "fingerprint");
    if (!whose || strcmp(whose, s->fingerprint) != 0) {
        result = qv_fail(err, QV_EFORMAT,
                         "%s: belongs to a search with other data or settings; remove it "
                         "to start anew",
                         s->path);
    } else if (!w || !f || w->dtype != QV_F64 || f->dtype != QV_F64 || f->n > s->most ||
               w->n != f->n * K) {
        result = qv_fail(err, QV_EFORMAT, "%s: evaluations of other sizes", s->path);
    } else {
        s->n_known = f->n;
        memcpy(s->asked, w->data, w->n * sizeof *s->asked);
        memcpy(s->value, f->data, f->n * sizeof *s->value);
    }
    qv__st_close(&st);
    return result;
}

static qv_status write_known(const struct search *s, qv_err *err)
{
    const struct qv_tensor_out out[] = {{"w", QV_F64, 2, {s->n, s->a->K}, s->asked},
                                        {"f", QV_F64, 1, {s->n}, s->value}};
    const char *const meta[][2] = {{"fingerprint", s->fingerprint}};
    return qv__st_write(s->path, out, 2, meta, 1, err);
}

static qv_status judge(double *value, struct search *s, const double *w, qv_err *err)
{
    size_t K = s->a->K;
    float *small = qv_new_n(&s->a->arena, float, K);
    double loss, sum = 0;
    for (size_t k = 0; k < K; k++) {
        small[k] = (float)w[k];
        sum += fabs(w[k]);
    }
    qv__mixture_fold(s->candidate->w, s->mix, small);
    qv_status result = qv__loss(&loss, &s->obj, s->judged, s->n_judged, NULL, err);
    *value = isfinite(loss) ? loss + L1 * sum / (double)K : HUGE_VAL;
    return result;
}

static bool is_stopped(const struct search *s)
{
    const qv_progress *p = &s->a->o->train.progress;
    return p->fn && p->fn(p->arg, s->a->name, (double)s->n, (double)s->most, "");
}

static double evaluate(unsigned K, const double *w, double *gradient, void *arg)
{
    struct search *s = arg;
    (void)gradient; // COBYLA asks for none
    if (s->failed || s->n == s->most)
        return HUGE_VAL;
    double *own = s->asked + s->n * K;
    bool is_known = s->n < s->n_known && memcmp(own, w, K * sizeof *w) == 0;
    if (!is_known) {
        s->n_known = 0; // what was kept leads elsewhere
        memcpy(own, w, K * sizeof *w);
        s->failed = judge(&s->value[s->n], s, w, s->err);
    }
    size_t at = s->n++;
    if (s->value[at] < s->value[s->best])
        s->best = at;
    if (!s->failed && !is_known)
        s->failed = write_known(s, s->err);
    if (!s->failed && !is_known && is_stopped(s))
        s->failed = qv_fail(s->err, QV_ECANCEL, "stopped after %zu of %zu evaluations",
                            s->n, s->most);
    if (s->failed || s->n == s->most)
        nlopt_force_stop(s->opt);
    return s->value[at];
}

static qv_status prepare(struct search *s, qv_err *err)
{
    struct qv_adapting *a = s->a;
    const struct qv_mixture_opts shared = {.is_shared = true};
    size_t pass_tokens = a->o->train.pass_tokens ? a->o->train.pass_tokens : 1024;
    size_t longest = 1;
    if (a->n_train == 0)
        return qv_fail(err, QV_EFORMAT, "no examples to search by");
    s->n_judged = (a->n_train + 1) / 2;
    if (a->o->judged)
        s->n_judged = qv__min(s->n_judged, a->o->judged);
    s->most = a->o->evaluations ? a->o->evaluations : 30;
    s->path = qv__arena_fmt(&a->arena, "%s/evaluations.safetensors", a->work);
    s->judged = qv_new_n(&a->arena, const struct qv_sequence *, s->n_judged);
    for (size_t i = 0; i < s->n_judged; i++) {
        s->judged[i] = &a->train[i];
        longest = qv__max(longest, a->train[i].n);
    }
    s->asked = calloc(s->most * a->K, sizeof *s->asked);
    s->value = calloc(s->most, sizeof *s->value);
    if (!s->asked || !s->value)
        return qv_fail(err, QV_ENOMEM, "no memory for %zu evaluations", s->most);
    qv_status result = qv__mixture_new(&s->mix, a->expert, a->K, &shared, err);
    if (!result)
        result = qv__expert_copy(&s->candidate, s->mix->like, err);
    const struct qv_objective_of of = {.m = a->m, .expert = s->candidate};
    if (!result)
        result =
            qv__objective_init(&s->obj, &of, longest, pass_tokens, a->o->train.lanes, err);
    if (!result)
        result = fingerprint(s, err);
    return result ? result : read_known(s, err);
}

static qv_status search(struct search *s, qv_err *err)
{
    double *w = qv_new_n(&s->a->arena, double, s->a->K), value;
    s->err = err;
    s->opt = nlopt_create(NLOPT_LN_COBYLA, (unsigned)s->a->K);
    if (!s->opt)
        return qv_fail(err, QV_ENOMEM, "no memory to search for %zu weights", s->a->K);
    nlopt_set_lower_bounds1(s->opt, -BOUND);
    nlopt_set_upper_bounds1(s->opt, BOUND);
    nlopt_set_initial_step1(s->opt, STEP);
    nlopt_set_min_objective(s->opt, evaluate, s);
    nlopt_set_maxeval(s->opt, (int)s->most);
    nlopt_optimize(s->opt, w, &value); // how it ended is in s
    nlopt_destroy(s->opt);
    if (!s->failed && !isfinite(s->value[s->best]))
        return qv_fail(err, QV_EFORMAT, "no weights have a finite loss");
    return s->failed;
}

static qv_status adapt(struct qv_expert **out, struct qv_adapting *a, qv_err *err)
{
    struct search s = {.a = a};
    qv_status result = qv__adapt_retrieve(a, NULL, err);
    if (!result)
        result = prepare(&s, err);
    if (!result)
        result = search(&s, err);
    if (!result) {
        const double *w = s.asked + s.best * a->K;
        float *small = qv_new_n(&a->arena, float, a->K);
        json_t *list = json_array();
        for (size_t k = 0; k < a->K; k++) {
            small[k] = (float)w[k];
            json_array_append_new(list, json_real(w[k]));
        }
        json_object_set_new(a->learnt, "weights", list);
        json_object_set_new(a->learnt, "evaluations", json_integer((json_int_t)s.n));
        json_object_set_new(a->learnt, "objective", json_real(s.value[s.best]));
        result = qv__mixture_expert(out, a->name, s.mix, small, err);
    }
    qv__objective_end(&s.obj);
    qv__expert_free(s.candidate);
    qv__mixture_free(s.mix);
    free(s.asked);
    free(s.value);
    return result;
}

const struct qv_adapter_ops qv__adapt_lorahub = {
    .name = "lorahub",
    .about = "one weight an expert, searched for without gradients",
    .takes = QV_TAKES_LIBRARY | QV_TAKES_NEAREST | QV_TAKES_EVALUATIONS,
    .adapt = adapt,
};
