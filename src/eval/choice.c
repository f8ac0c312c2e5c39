/* choice.c - scores from likelihoods: of an example's options, whose prompt is computed
 * once for all of them (options.h), or of its first target. */
#include "eval/options.h"
#include "eval/run.h"
#include "model/model.h"
#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>

/* The sequences of all examples, a group of them each. */
struct scored {
    struct qv_sequence *s; // [n]
    struct qv_group *g;    // [r->n]
    double *logprob;       // [n]
    size_t n;
};

static const char *prompt_of(const struct qv_example *e, size_t option)
{
    return e->prompts ? e->prompts[option] : e->prompt;
}

static const char *target_of(const struct qv_run *r, const struct qv_example *e, size_t i)
{
    return qv__metric_is_choice(r->task->metric) ? e->options[i] : e->targets[0];
}

/* Tokens that a prompt with shots may have, so that each of n targets fits after it: the
 * same for all, which then follow the same shots. */
static qv_status room_before(size_t *room, const struct qv_run *r,
                             const struct qv_example *e, size_t n, qv_err *err)
{
    size_t longest = 0;
    for (size_t i = 0; i < n; i++) {
        int *ids;
        size_t n_ids;
        const char *target = target_of(r, e, i);
        qv_status result = qv_tokenizer_encode(r->m->tokenizer, target, strlen(target),
                                               false, &ids, &n_ids, err);
        if (result)
            return result;
        free(ids);
        longest = qv__max(longest, n_ids);
    }
    longest += 2; // EOS, and a space that is a token of its own
    *room = r->m->c.n_ctx > longest ? r->m->c.n_ctx - longest : 1;
    return QV_OK;
}

static qv_status add(struct scored *d, struct qv_run *r, const struct qv_example *e,
                     size_t i, size_t room, qv_err *err)
{
    struct qv_sequence *s = &d->s[d->n];
    const char *target = target_of(r, e, i), *prompt = prompt_of(e, i);
    qv_status result = qv__run_prompt(&prompt, r, e->shots, prompt, room, err);
    if (!result)
        result = qv__sequence_make(s, &r->arena, r->m->tokenizer, prompt, target,
                                   r->m->c.n_ctx, err);
    if (result)
        return qv_wrap(err, result, "%s: ", r->data->path);
    bool ends = s->n > s->n_prompt && s->ids[s->n - 1] == qv_tokenizer_eos(r->m->tokenizer);
    if (r->task->is_open && ends && s->n > 2)
        s->n--;
    d->n++;
    return QV_OK;
}

static qv_status prepare(struct scored *d, struct qv_run *r, qv_err *err)
{
    size_t n = 0;
    bool choice = qv__metric_is_choice(r->task->metric);
    for (size_t i = 0; i < r->n; i++) {
        if (choice && (r->at[i]->n_options == 0 || r->at[i]->label < 0))
            return qv_fail(err, QV_EFORMAT, "%s: example %zu has no options to choose from",
                           r->data->path, i);
        n += choice ? r->at[i]->n_options : 1;
    }
    d->s = qv_new_n(&r->arena, struct qv_sequence, n);
    d->g = qv_new_n(&r->arena, struct qv_group, r->n);
    d->logprob = qv_new_n(&r->arena, double, n);
    for (size_t i = 0; i < r->n; i++) {
        size_t n_here = choice ? r->at[i]->n_options : 1, room = 0;
        d->g[i] = (struct qv_group){&d->s[d->n], n_here};
        qv_status result =
            r->at[i]->shots ? room_before(&room, r, r->at[i], n_here, err) : QV_OK;
        for (size_t j = 0; !result && j < n_here; j++)
            result = add(d, r, r->at[i], j, room, err);
        if (result)
            return result;
    }
    return QV_OK;
}

/* What an option's log-likelihood is divided by. */
static double length_of(const struct qv_run *r, const struct qv_sequence *s,
                        const char *option)
{
    switch (r->task->metric) {
    case QV_CHOICE_SUM:
        return 1;
    case QV_CHOICE_CHAR:
        return (double)qv__max(qv__utf8_count(option), 1);
    default:
        return (double)qv__max(s->n - s->n_prompt, 1);
    }
}

/* The first of the likeliest options. */
static size_t best_of(const struct qv_run *r, const struct qv_group *g, const double *sum,
                      const struct qv_example *e)
{
    size_t best = 0;
    double most = 0;
    for (size_t j = 0; j < g->n; j++) {
        double l = sum[j] / length_of(r, &g->s[j], e->options[j]);
        if (j == 0 || l > most) {
            best = j;
            most = l;
        }
    }
    return best;
}

qv_status qv__run_likelihood(struct qv_run *r, qv_err *err)
{
    struct scored d = {0};
    qv_status result = prepare(&d, r, err);
    if (!result)
        result = qv__score_groups(d.logprob, r->m, r->reuse, r->task->name, d.g, r->n,
                                  r->o->pass_tokens, err);
    for (size_t i = 0, at = 0; !result && i < r->n; at += d.g[i++].n) {
        const struct qv_group *g = &d.g[i];
        if (r->task->metric == QV_LOGLIK)
            r->score[i] = d.logprob[at] / length_of(r, g->s, "");
        else
            r->score[i] = (int)best_of(r, g, d.logprob + at, r->at[i]) == r->at[i]->label;
    }
    return result;
}
