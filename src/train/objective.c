/* objective.c - see objective.h. */
#include "train/objective.h"
#include "base/carve.h"
#include "base/rng.h"
#include "op/loss.h"

#include <stdlib.h>

enum { MAX_LOGITS = 1 << 25 }; // floats of logits a pass may need: 128 MiB

static size_t lay_out(struct qv_objective *o, void *base)
{
    qv_carve c = {.base = base};
    o->token = qv__carve(&c, o->T_max, 1, 1, sizeof *o->token);
    o->pos = qv__carve(&c, o->T_max, 1, 1, sizeof *o->pos);
    o->seq = qv__carve(&c, o->T_max, 1, 1, sizeof *o->seq);
    o->row = qv__carve(&c, o->n_rows, 1, 1, sizeof *o->row);
    o->target = qv__carve(&c, o->n_rows, 1, 1, sizeof *o->target);
    o->weight = qv__carve_f32(&c, o->n_rows, 1);
    o->logprob = qv__carve_f32(&c, o->n_rows, 1);
    return c.used;
}

qv_status qv__objective_init(struct qv_objective *o, const qv_model *m, size_t longest,
                             size_t tokens, bool trains, size_t R_max, qv_err *err)
{
    size_t T_max = qv__max(qv__max(longest, tokens), 1);
    size_t n_rows = qv__max(qv__min(T_max, MAX_LOGITS / m->c.V), longest);
    *o = (struct qv_objective){.m = m, .T_max = T_max, .n_rows = qv__max(n_rows, 1)};
    qv_carve need = {.used = lay_out(o, NULL)};
    o->mem = qv__carve_alloc(&need);
    if (!o->mem)
        return qv_fail(err, QV_ENOMEM, "no memory for passes of %zu tokens", T_max);
    lay_out(o, o->mem);
    qv_status result =
        qv__acts_init(&o->acts, m, T_max, longest, o->n_rows, trains, R_max, err);
    if (result)
        qv__objective_end(o);
    return result;
}

void qv__objective_end(struct qv_objective *o)
{
    qv__acts_end(&o->acts);
    free(o->mem);
    *o = (struct qv_objective){0};
}

/* Append one sequence to the pass. The last token predicts nothing and is left
 * out of the rows. Returns false if it does not fit. */
static bool append(struct qv_objective *o, struct qv_batch *b, size_t *n_rows,
                   const struct qv_sequence *s, float share)
{
    size_t n = s->n > 0 ? s->n - 1 : 0, first = qv__max(s->n_prompt, 1);
    size_t n_targets = s->n > first ? s->n - first : 0;
    if (b->T + n > o->T_max || *n_rows + n_targets > o->n_rows)
        return false;
    o->seq[b->n_seq++] = (struct qv_seq){.begin = b->T, .n = n};
    for (size_t i = 0; i < n; i++) {
        o->token[b->T + i] = s->ids[i];
        o->pos[b->T + i] = (int)i;
    }
    for (size_t i = first; i < s->n; i++) {
        o->row[*n_rows] = (int)(b->T + i - 1);
        o->target[*n_rows] = s->ids[i];
        o->weight[*n_rows] = share / (float)n_targets;
        ++*n_rows;
    }
    b->T += n;
    return true;
}

double qv__objective(struct qv_objective *o, const struct qv_sequence *const *s, size_t n,
                     const struct qv_trainee *train, bool backward, float *nll)
{
    struct qv_trainee turn = train ? *train : (struct qv_trainee){0};
    double loss = 0;
    for (size_t done = 0, pass = 0; done < n; pass++) {
        struct qv_batch b = {.token = o->token, .pos = o->pos, .seq = o->seq};
        size_t n_rows = 0, first = done;
        while (done < n && append(o, &b, &n_rows, s[done], 1 / (float)n))
            done++;
        qv_check(done > first); // init was told of the longest
        turn.drop.seed = train ? qv__seed_of(train->drop.seed, pass) : 0;
        struct qv_pass p = {
            .m = o->m, .a = &o->acts, .b = &b, .train = train ? &turn : NULL};
        qv__llama_forward(&p);
        qv__llama_logits(&p, o->row, n_rows);
        if (backward) {
            qv__cross_entropy(o->logprob, o->acts.logits, o->target, o->weight, n_rows,
                              o->m->c.V);
            qv__llama_backward(&p, o->row, n_rows);
        } else {
            qv__logprob(o->logprob, o->acts.logits, o->target, n_rows, o->m->c.V);
        }
        for (size_t i = first, r = 0; i < done; i++) {
            size_t from = qv__max(s[i]->n_prompt, 1);
            size_t n_targets = s[i]->n > from ? s[i]->n - from : 0;
            double sum = 0;
            for (size_t j = 0; j < n_targets; j++)
                sum -= (double)o->logprob[r++];
            double mean = n_targets ? sum / (double)n_targets : 0;
            loss += mean / (double)n;
            if (nll)
                nll[i] = (float)mean;
        }
    }
    return loss;
}
