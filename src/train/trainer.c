/* trainer.c - see trainer.h. */
#include "train/trainer.h"
#include "base/carve.h"
#include "base/hash.h"
#include "base/rng.h"
#include "op/adamw.h"
#include "train/checkpoint.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* One training in flight. */
struct trainer {
    struct qv_train_opts o; // with defaults filled in
    struct qv_source *src;
    const struct qv_sequence *const *valid;
    size_t n_valid;
    struct qv_objective obj;
    struct qv_trainee train;
    struct qv_state st; // parameters, moments, curves: what a checkpoint holds
    float *g;           // [st.n] gradient
    const struct qv_sequence **batch; // [o.batch]
    const char *checkpoint;
    char fingerprint[QV_HASH_TEXT];
    struct qv_train_log *log;
};

static float pick(float asked, float otherwise)
{
    return asked < 0 ? 0 : asked > 0 ? asked : otherwise;
}

static void defaults(struct qv_train_opts *o, bool full, struct qv_source *src)
{
    o->lr = pick(o->lr, full ? 3e-5f : 1e-4f);
    o->warmup = pick(o->warmup, 0.06f);
    o->weight_decay = pick(o->weight_decay, 0);
    o->beta2 = pick(o->beta2, 0.999f);
    o->clip = pick(o->clip, 0.1f);
    o->dropout = pick(o->dropout, full ? 0 : 0.05f);
    o->batch = src->batch;
    o->epochs = o->epochs ? o->epochs : 5;
    o->steps = o->steps ? o->steps : o->epochs * src->steps_per_epoch;
    if (!o->stop_after || o->stop_after > o->steps)
        o->stop_after = o->steps;
    o->pass_tokens = o->pass_tokens ? o->pass_tokens : 2048;
    o->valid_every = o->valid_every ? o->valid_every : src->steps_per_epoch;
    o->save_every = o->save_every ? o->save_every : 60;
}

/* What must be equal for a checkpoint to be continued. */
static void fingerprint(struct trainer *t)
{
    const struct qv_train_opts *o = &t->o;
    char text[640];
    int n = snprintf(
        text, sizeof text, "%s %s %zu %.9g %.9g %.9g %.9g %.9g %.9g %zu %zu %zu %zu %llu",
        t->src->fingerprint, t->obj.m->identity, t->st.n, (double)o->dropout, (double)o->lr,
        (double)o->warmup, (double)o->weight_decay, (double)o->beta2, (double)o->clip,
        o->batch, o->steps, o->valid_every, t->n_valid, (unsigned long long)o->seed);
    qv__hash_bytes(t->fingerprint, text, (size_t)n);
}

static void validate(struct trainer *t)
{
    struct qv_trainee quiet = t->train;
    quiet.drop.rate = 0;
    float loss = (float)qv__objective(&t->obj, t->valid, t->n_valid, &quiet, false, NULL);
    struct qv_state *st = &t->st;
    st->valid[st->n_valid][0] = (float)st->step;
    st->valid[st->n_valid++][1] = loss;
    if (loss < st->best_loss) {
        st->best_loss = loss;
        memcpy(st->best, st->p, st->n * sizeof *st->p);
    }
}

static qv_status step(struct trainer *t, qv_err *err)
{
    const struct qv_train_opts *o = &t->o;
    struct qv_state *st = &t->st;
    size_t n = qv__source_draw(t->src, st->step, t->batch);
    memset(t->g, 0, st->n * sizeof *t->g);
    t->train.drop.seed = qv__seed_of(o->seed, st->step);
    double loss = qv__objective(&t->obj, t->batch, n, &t->train, true, NULL);
    double norm = qv__norm(t->g, st->n);
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
    double shrink = o->clip > 0 ? (double)o->clip / (norm + 1e-6) : 1;
    qv__adamw(st->p, t->g, st->m, st->v, st->n, &adamw, st->step + 1,
              (float)fmin(shrink, 1));
    for (size_t i = 0; i < n; i++)
        st->tokens += t->batch[i]->n;
    st->loss[st->step++] = (float)loss;
    if (t->n_valid && (st->step % o->valid_every == 0 || st->step == o->stop_after))
        validate(t);
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
    return t->o.progress.fn(t->o.progress.arg, what, (double)st->step,
                            (double)t->o.stop_after, note);
}

static qv_status run(struct trainer *t, const char *what, qv_err *err)
{
    double begin = now(), saved = begin, told = 0;
    qv_status result = QV_OK;
    while (!result && t->st.step < t->o.stop_after) {
        result = step(t, err);
        double at = now();
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
                             t->o.stop_after);
    }
    t->log->seconds = now() - begin;
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

/* p [n] are the parameters, already holding the start; `wire` points the trainee
 * at the gradient once there is one. */
static qv_status train(struct trainer *t, const qv_model *m, float *p, size_t n,
                       size_t R_max, void (*wire)(struct trainer *t, void *arg), void *arg,
                       const char *what, qv_err *err)
{
    *t->log = (struct qv_train_log){0};
    size_t longest = t->src->longest;
    for (size_t i = 0; i < t->n_valid; i++)
        longest = qv__max(longest, t->valid[i]->n);
    size_t n_valid = t->n_valid ? t->o.steps / t->o.valid_every + 2 : 0;
    qv_status result = qv__state_init(&t->st, p, n, t->o.steps, n_valid, err);
    t->g = malloc(qv__max(n, 1) * sizeof *t->g);
    t->batch = calloc(t->o.batch, sizeof *t->batch);
    if (!result && (!t->g || !t->batch))
        result = qv_fail(err, QV_ENOMEM, "no memory for the gradient of %zu numbers", n);
    if (!result)
        result =
            qv__objective_init(&t->obj, m, longest, t->o.pass_tokens, true, R_max, err);
    if (!result) {
        wire(t, arg);
        fingerprint(t);
        if (t->checkpoint)
            result = qv__state_load(&t->st, t->checkpoint, t->fingerprint, err);
    }
    if (!result)
        result = run(t, what, err);
    if (!result)
        finish(t);
    qv__objective_end(&t->obj);
    qv__state_end(&t->st);
    free(t->g);
    free(t->batch);
    return result;
}

struct lora_wiring {
    struct qv_expert *e;
    const struct qv_sites *sites;
    struct qv_lora_map *map; // [n_sites]
    float **z;               // [n_sites]
    float *z_mem;
};

static void wire_lora(struct trainer *t, void *arg)
{
    struct lora_wiring *w = arg;
    float *z = w->z_mem;
    t->train = (struct qv_trainee){
        .map = w->map, .z = w->z, .lowest = SIZE_MAX, .drop.rate = t->o.dropout};
    for (size_t i = 0; i < w->e->n_sites; i++) {
        const struct qv_expert_site *s = &w->e->site[i];
        size_t site = qv__site_find(w->sites, s->path);
        w->map[site] = (struct qv_lora_map){
            .A = s->A,
            .B = s->B,
            .dA = t->g + (s->A - w->e->w),
            .dB = t->g + (s->B - w->e->w),
            .R = s->R,
            .D_in = s->D_in,
            .D_out = s->D_out,
            .scale = s->scale,
        };
        w->z[site] = z;
        z += t->obj.T_max * s->R;
        t->train.lowest = qv__min(t->train.lowest, w->sites->at[site].layer);
    }
}

qv_status qv__train_expert(struct qv_expert *e, const qv_model *m,
                           struct qv_source *src,
                           const struct qv_sequence *const *valid, size_t n_valid,
                           const struct qv_train_opts *opts, const char *checkpoint,
                           struct qv_train_log *log, qv_err *err)
{
    struct trainer t = {.o = opts ? *opts : (struct qv_train_opts){0},
                        .src = src,
                        .valid = valid,
                        .n_valid = n_valid,
                        .checkpoint = checkpoint,
                        .log = log};
    defaults(&t.o, false, src);
    size_t R_sum = 0, R_max = 0, longest = src->longest;
    for (size_t i = 0; i < e->n_sites; i++) {
        R_sum += e->site[i].R;
        R_max = qv__max(R_max, e->site[i].R);
    }
    for (size_t i = 0; i < n_valid; i++)
        longest = qv__max(longest, valid[i]->n);
    size_t T_max = qv__max(qv__max(longest, t.o.pass_tokens), 1);
    struct lora_wiring w = {.e = e, .sites = &m->sites};
    w.map = calloc(m->sites.n, sizeof *w.map);
    w.z = calloc(m->sites.n, sizeof *w.z);
    w.z_mem = malloc(qv__max(T_max * R_sum, 1) * sizeof *w.z_mem);
    qv_status result = QV_OK;
    if (!w.map || !w.z || !w.z_mem)
        result = qv_fail(err, QV_ENOMEM, "no memory to train %zu sites", e->n_sites);
    else
        result = train(&t, m, e->w, e->n_w, R_max, wire_lora, &w, e->name, err);
    free(w.map);
    free(w.z);
    free(w.z_mem);
    return result;
}

static void wire_full(struct trainer *t, void *arg)
{
    (void)arg;
    t->train = (struct qv_trainee){.dw = t->g};
}

qv_status qv__train_full(qv_model *m, struct qv_source *src,
                         const struct qv_sequence *const *valid, size_t n_valid,
                         const struct qv_train_opts *opts, const char *checkpoint,
                         struct qv_train_log *log, qv_err *err)
{
    qv_check(m->is_trainable);
    struct trainer t = {.o = opts ? *opts : (struct qv_train_opts){0},
                        .src = src,
                        .valid = valid,
                        .n_valid = n_valid,
                        .checkpoint = checkpoint,
                        .log = log};
    defaults(&t.o, true, src);
    return train(&t, m, m->own, m->n_own, 0, wire_full, NULL, "full", err);
}
