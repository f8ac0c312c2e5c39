/* trainer.c - see trainer.h. */
#include "train/trainer.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/rng.h"
#include "op/adamw.h"
#include "train/checkpoint.h"
#include "train/optimizer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

double qv__schedule(size_t i, size_t w, size_t N)
{
    if (i < w)
        return (double)i / (double)w;
    return i >= N ? 0 : (double)(N - i) / (double)qv__max(1, N - w);
}

void qv__train_log_end(struct qv_train_log *log)
{
    free(log->loss);
    free(log->valid);
    *log = (struct qv_train_log){0};
}

/* One training in flight. */
struct trainer {
    struct qv_train_opts o; // with defaults filled in
    struct qv_source *src;
    const struct qv_sequence *const *valid;
    size_t n_valid;
    struct qv_objective obj;
    struct qv_state st; // parameters, moments, curves: what a checkpoint holds
    const struct qv_sequence **batch; // [o.batch]
    struct qv_optimizer optimizer;
    const char *checkpoint;
    char fingerprint[QV_HASH_TEXT];
    struct qv_train_log *log;
};

static float pick(float asked, float otherwise)
{
    return asked < 0 ? 0 : asked > 0 ? asked : otherwise;
}

void qv__train_defaults(struct qv_train_opts *o, bool full)
{
    o->lr = pick(o->lr, full ? 3e-5f : 1e-4f);
    o->mix_lr = pick(o->mix_lr, 0.1f);
    o->warmup = pick(o->warmup, 0.06f);
    o->weight_decay = pick(o->weight_decay, 0);
    o->beta2 = pick(o->beta2, 0.999f);
    o->clip = pick(o->clip, 0.1f);
    o->dropout = pick(o->dropout, full ? 0 : 0.05f);
    o->save_every = pick(o->save_every, 60);
}

static void defaults(struct qv_train_opts *o, bool full, struct qv_source *src)
{
    qv__train_defaults(o, full);
    o->batch = src->batch;
    o->epochs = o->epochs ? o->epochs : 5;
    o->steps = o->steps ? o->steps : o->epochs * src->steps_per_epoch;
    o->pass_tokens = o->pass_tokens ? o->pass_tokens : 1024;
    o->valid_every = o->valid_every ? o->valid_every : src->steps_per_epoch;
}

/* What must be equal for a checkpoint to be continued: data, base, where the expert
 * starts from (its sites and scales too) and settings. */
static void fingerprint(struct trainer *t)
{
    const struct qv_train_opts *o = &t->o;
    char text[640], start[QV_HASH_TEXT] = "";
    if (t->obj.of.expert)
        qv__expert_hash(start, t->obj.of.expert);
    if (t->obj.of.mixture)
        qv__mixture_hash(start, t->obj.of.mixture);
    int n = snprintf(text, sizeof text,
                     "%s %s %s %zu %.9g %.9g %.9g %.9g %.9g %.9g %d %zu %zu %zu %zu %llu",
                     t->src->fingerprint, t->obj.of.m->identity, start, t->st.n,
                     (double)o->dropout, (double)o->lr, (double)o->warmup,
                     (double)o->weight_decay, (double)o->beta2, (double)o->clip, o->muon,
                     o->batch, o->steps, o->valid_every, t->n_valid,
                     (unsigned long long)o->seed);
    if (t->obj.of.mixture)
        n += snprintf(text + n, sizeof text - (size_t)n, " %.9g", (double)o->mix_lr);
    qv__hash_bytes(t->fingerprint, text, (size_t)n);
}

static qv_status validate(struct trainer *t, qv_err *err)
{
    struct qv_state *st = &t->st;
    double loss;
    qv_status result = qv__loss(&loss, &t->obj, t->valid, t->n_valid, NULL, err);
    if (result)
        return result;
    st->valid[st->n_valid][0] = (float)st->step;
    st->valid[st->n_valid++][1] = (float)loss;
    if ((float)loss < st->best_loss) {
        st->best_loss = (float)loss;
        memcpy(st->best, st->p, st->n * sizeof *st->p);
    }
    return QV_OK;
}

/* Those of one task stand together, so that a mixture is made once for them. */
static void sort_by_task(const struct qv_sequence **s, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        const struct qv_sequence *one = s[i];
        size_t j = i;
        for (; j > 0 && s[j - 1]->task > one->task; j--)
            s[j] = s[j - 1];
        s[j] = one;
    }
}

static qv_status step(struct trainer *t, qv_err *err)
{
    const struct qv_train_opts *o = &t->o;
    struct qv_state *st = &t->st;
    size_t n = qv__source_draw(t->src, st->step, t->batch);
    if (t->obj.of.mixture)
        sort_by_task(t->batch, n);
    struct qv_dropout drop = {o->dropout, qv__seed_of(o->seed, st->step)};
    double loss;
    qv_status result = qv__loss_gradient(&loss, &t->obj, t->batch, n, drop, err);
    if (result)
        return result;
    const float *g = t->obj.g;
    double norm = qv__norm(g, st->n);
    if (!isfinite(loss) || !isfinite(norm))
        return qv_fail(
            err, QV_EFORMAT,
            "step %zu: the loss is %g and its gradient %g: lower the learning rate",
            st->step, loss, norm);
    size_t w = (size_t)(o->warmup * (float)o->steps);
    const struct qv_adamw adamw = {
        .lr = o->lr * (float)qv__schedule(st->step, w, o->steps),
        .beta1 = 0.9f,
        .beta2 = o->beta2,
        .eps = 1e-8f,
        .decay = o->weight_decay,
    };
    /* The authors' code leaves the logits PyTorch's own decay. */
    struct qv_adamw mixing = adamw;
    mixing.lr = o->mix_lr * (float)qv__schedule(st->step, w, o->steps);
    mixing.decay = 0.01f;
    double shrink = o->clip > 0 ? (double)o->clip / (norm + 1e-6) : 1;
    qv__optimizer_step(&t->optimizer, st, g, &adamw, &mixing, (float)fmin(shrink, 1));
    for (size_t i = 0; i < n; i++)
        st->tokens += t->batch[i]->n;
    st->loss[st->step++] = (float)loss;
    if (t->n_valid && (st->step % o->valid_every == 0 || st->step == o->steps))
        return validate(t, err);
    return QV_OK;
}

static bool report(const struct trainer *t, const char *what, double seconds)
{
    const struct qv_state *st = &t->st;
    if (!t->o.progress.fn)
        return false;
    char note[96];
    float recent = 0;
    size_t n = qv__min(st->step, 20);
    for (size_t i = 0; i < n; i++)
        recent += st->loss[st->step - 1 - i] / (float)n;
    snprintf(note, sizeof note, "loss %.3f, %.0f tokens/s", (double)recent,
             (double)(st->tokens - st->tokens_before) / fmax(seconds, 1e-3));
    return t->o.progress.fn(t->o.progress.arg, what, (double)st->step, (double)t->o.steps,
                            note);
}

static qv_status run(struct trainer *t, const char *what, qv_err *err)
{
    double begin = qv__seconds(), saved = begin, told = 0;
    qv_status result = QV_OK;
    while (!result && t->st.step < t->o.steps) {
        result = step(t, err);
        double at = qv__seconds();
        bool stop = false;
        if (at - told > 0.2) {
            stop = report(t, what, at - begin);
            told = at;
        }
        bool due = at - saved > (double)t->o.save_every;
        if (!result && t->checkpoint && (due || stop)) {
            result = qv__state_save(&t->st, t->checkpoint, t->fingerprint, err);
            saved = at;
        }
        if (!result && stop)
            result = qv_fail(err, QV_ECANCEL, "stopped after %zu of %zu steps", t->st.step,
                             t->o.steps);
    }
    t->log->seconds = qv__seconds() - begin;
    return result;
}

/* Hand the curves over, and leave the best parameters in place. */
static void finish(struct trainer *t)
{
    struct qv_state *st = &t->st;
    if (t->n_valid && st->best_loss < INFINITY)
        memcpy(st->p, st->best, st->n * sizeof *st->p);
    t->log->steps = st->step;
    t->log->tokens = st->tokens;
    t->log->best = t->n_valid ? st->best_loss : st->step ? st->loss[st->step - 1] : 0;
    t->log->loss = st->loss; // the log owns them now
    t->log->valid = st->valid;
    t->log->n_valid = st->n_valid;
    st->loss = NULL;
    st->valid = NULL;
}

/* p [n] are the parameters, already holding the start. */
static qv_status train(struct trainer *t, const struct qv_objective_of *of, float *p,
                       size_t n, const char *what, qv_err *err)
{
    *t->log = (struct qv_train_log){0};
    defaults(&t->o, of->full, t->src);
    size_t longest = t->src->longest;
    for (size_t i = 0; i < t->n_valid; i++)
        longest = qv__max(longest, t->valid[i]->n);
    size_t n_valid = t->n_valid ? t->o.steps / t->o.valid_every + 2 : 0;
    qv_status result = qv__state_init(&t->st, p, n, t->o.steps, n_valid, err);
    t->batch = calloc(t->o.batch, sizeof *t->batch);
    if (!result && !t->batch)
        result = qv_fail(err, QV_ENOMEM, "no memory for batches of %zu", t->o.batch);
    if (!result)
        result = qv__optimizer_init(&t->optimizer, of->m, of->full && t->o.muon, err);
    if (of->mixture)
        t->optimizer.n_mixing = of->mixture->n_logit;
    if (!result)
        result =
            qv__objective_init(&t->obj, of, longest, t->o.pass_tokens, t->o.lanes, err);
    if (!result) {
        fingerprint(t);
        if (t->checkpoint)
            result = qv__state_load(&t->st, t->checkpoint, t->fingerprint, err);
    }
    if (!result)
        result = run(t, what, err);
    if (!result)
        finish(t);
    qv__objective_end(&t->obj);
    qv__optimizer_end(&t->optimizer);
    qv__state_end(&t->st);
    free(t->batch);
    return result;
}

static struct trainer trainer_of(struct qv_source *src,
                                 const struct qv_sequence *const *valid, size_t n_valid,
                                 const struct qv_train_opts *opts, const char *checkpoint,
                                 struct qv_train_log *log)
{
    return (struct trainer){.o = opts ? *opts : (struct qv_train_opts){0},
                            .src = src,
                            .valid = valid,
                            .n_valid = n_valid,
                            .checkpoint = checkpoint,
                            .log = log};
}

qv_status qv__train_expert(struct qv_expert *e, const qv_model *m, struct qv_source *src,
                           const struct qv_sequence *const *valid, size_t n_valid,
                           const struct qv_train_opts *opts, const char *checkpoint,
                           struct qv_train_log *log, qv_err *err)
{
    struct trainer t = trainer_of(src, valid, n_valid, opts, checkpoint, log);
    const struct qv_objective_of of = {.m = m, .expert = e, .memory = t.o.memory << 20};
    return train(&t, &of, e->w, e->n_w, e->name, err);
}

qv_status qv__train_mixture(struct qv_mixture *mix, const qv_model *m,
                            struct qv_source *src, const struct qv_sequence *const *valid,
                            size_t n_valid, const struct qv_train_opts *opts,
                            const char *checkpoint, struct qv_train_log *log, qv_err *err)
{
    struct trainer t = trainer_of(src, valid, n_valid, opts, checkpoint, log);
    const struct qv_objective_of of = {.m = m, .mixture = mix, .memory = t.o.memory << 20};
    size_t n;
    float *p = qv__mixture_trained(mix, &n);
    return train(&t, &of, p, n, "mixture", err);
}

qv_status qv__train_gates(struct qv_prototypes *gates, struct qv_expert *e,
                          const qv_model *m, struct qv_source *src,
                          const struct qv_train_opts *opts, struct qv_train_log *log,
                          qv_err *err)
{
    struct trainer t = trainer_of(src, NULL, 0, opts, NULL, log);
    const struct qv_objective_of of = {.m = m, .expert = e, .gates = gates};
    return train(&t, &of, gates->v, gates->first[gates->n_sites], e->name, err);
}

qv_status qv__train_full(qv_model *m, struct qv_source *src,
                         const struct qv_sequence *const *valid, size_t n_valid,
                         const struct qv_train_opts *opts, const char *checkpoint,
                         struct qv_train_log *log, qv_err *err)
{
    qv_check(m->is_trainable);
    struct trainer t = trainer_of(src, valid, n_valid, opts, checkpoint, log);
    const struct qv_objective_of of = {.m = m, .full = true, .memory = t.o.memory << 20};
    return train(&t, &of, m->own, m->n_own, "full", err);
}
