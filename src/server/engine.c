/* engine.c - see engine.h. */
#include "server/engine.h"
#include "base/clock.h"
#include "server/mix.h"

#include <pthread.h>
#include <stdlib.h>

enum { CONTEXT = 4096 };

struct waiting {
    struct qv_job *job; // shared
    struct waiting *next;
};

struct qv_engine {
    struct qv_engine_opts o;
    struct qv_mix *mix; // the thread's
    bool is_stopped;    // known to who stops it alone
    pthread_t thread;

    pthread_mutex_t lock; // guards what follows
    pthread_cond_t work;
    struct waiting *first, **end; // the queue
    bool is_draining, is_stopping;
    struct qv_engine_counts counts;
};

/* Take the first of the queue off it. */
static struct qv_job *pop(struct qv_engine *e)
{
    struct waiting *w = e->first;
    struct qv_job *job = w->job;
    e->first = w->next;
    if (!e->first)
        e->end = &e->first;
    e->counts.n_waiting--;
    free(w);
    return job;
}

static void refuse(struct qv_engine *e, struct qv_job *job, const char *why)
{
    qv_err err;
    qv_fail(&err, QV_ECANCEL, "%s", why);
    qv__job_end(job, QV_FINISH_FAILED, &err);
    qv__job_release(job);
    e->counts.n_failed++;
}

/* Jobs that nobody waits for leave the queue, wherever in it they stand. */
static void forget_canceled(struct qv_engine *e)
{
    for (struct waiting **at = &e->first; *at;) {
        struct waiting *w = *at;
        if (!qv__job_is_canceled(w->job)) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        if (!w->next)
            e->end = at;
        e->counts.n_waiting--;
        refuse(e, w->job, "canceled");
        free(w);
    }
}

/* From the queue into free slots. Called locked; unlocked while memory is had. */
static void admit(struct qv_engine *e)
{
    forget_canceled(e);
    while (e->first && qv__mix_busy(e->mix) < e->o.n_slots) {
        struct qv_job *job = pop(e);
        e->counts.n_running++;
        pthread_mutex_unlock(&e->lock);
        qv__mix_add(e->mix, job);
        qv__job_release(job); // the mix has its own share
        pthread_mutex_lock(&e->lock);
    }
}

static void *run(void *arg)
{
    struct qv_engine *e = arg;
    pthread_mutex_lock(&e->lock);
    while (!e->is_stopping) {
        admit(e);
        size_t before = qv__mix_busy(e->mix);
        e->counts.n_done += e->counts.n_running - before; // those that ended in adding
        e->counts.n_running = before;
        if (before == 0) {
            if (!e->first)
                pthread_cond_wait(&e->work, &e->lock);
            continue;
        }
        pthread_mutex_unlock(&e->lock);
        double begun = qv__seconds();
        size_t n = qv__mix_turn(e->mix);
        double took = qv__seconds() - begun;
        size_t after = qv__mix_busy(e->mix);
        pthread_mutex_lock(&e->lock);
        e->counts.n_running = after;
        e->counts.n_done += before - after;
        e->counts.n_passes += n > 0;
        e->counts.n_rows += n;
        e->counts.busy += took;
        e->counts.n_recalled = qv__mix_reused(e->mix); // this thread alone changes them
        e->counts.prefix_bytes = qv__mix_prefix_bytes(e->mix);
    }
    pthread_mutex_unlock(&e->lock);
    return NULL;
}

static qv_status start(struct qv_engine *e, const qv_model *m, qv_err *err)
{
    qv_status result = qv__mix_new(&e->mix, m, e->o.n_slots, e->o.n_ctx, e->o.chunk,
                                   e->o.prefix_bytes, err);
    if (result)
        return result;
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->work, NULL);
    if (pthread_create(&e->thread, NULL, run, e) == 0)
        return QV_OK;
    qv__mix_free(e->mix);
    return qv_fail(err, QV_EIO, "no thread for the engine");
}

qv_status qv__engine_new(struct qv_engine **out, const qv_model *m,
                         const struct qv_engine_opts *opts, qv_err *err)
{
    *out = NULL;
    struct qv_engine_opts o = opts ? *opts : (struct qv_engine_opts){0};
    size_t has = qv_model_context(m);
    if (o.n_ctx > has)
        return qv_fail(err, QV_ELIMIT, "a context of %zu positions, the model has %zu",
                       o.n_ctx, has);
    struct qv_engine *e = calloc(1, sizeof *e);
    if (!e)
        return qv_fail(err, QV_ENOMEM, "no memory for an engine");
    e->o = (struct qv_engine_opts){
        .n_slots = o.n_slots ? o.n_slots : 16,
        .n_queue = o.n_queue ? o.n_queue : 64,
        .n_ctx = o.n_ctx ? o.n_ctx : qv__min(has, CONTEXT),
        .chunk = o.chunk ? o.chunk : 128,
        .prefix_bytes = o.prefix_bytes,
    };
    e->end = &e->first;
    qv_status result = start(e, m, err);
    if (result)
        free(e);
    else
        *out = e;
    return result;
}

void qv__engine_stop(struct qv_engine *e)
{
    if (!e || e->is_stopped)
        return;
    pthread_mutex_lock(&e->lock);
    e->is_draining = e->is_stopping = true;
    pthread_cond_signal(&e->work);
    pthread_mutex_unlock(&e->lock);
    pthread_join(e->thread, NULL);
    pthread_mutex_lock(&e->lock);
    while (e->first)
        refuse(e, pop(e), "the server is shutting down");
    e->counts.n_running = 0;
    pthread_mutex_unlock(&e->lock);
    qv__mix_free(e->mix);
    e->is_stopped = true;
}

void qv__engine_free(struct qv_engine *e)
{
    if (!e)
        return;
    qv__engine_stop(e);
    pthread_cond_destroy(&e->work);
    pthread_mutex_destroy(&e->lock);
    free(e);
}

size_t qv__engine_context(const struct qv_engine *e)
{
    return e->o.n_ctx;
}

qv_status qv__engine_could(const struct qv_engine *e, size_t n, size_t n_prompt,
                           size_t max_new, qv_err *err)
{
    if (n > e->o.n_queue)
        return qv_fail(err, QV_ELIMIT, "%zu texts in one request, at most %zu", n,
                       e->o.n_queue);
    if (n_prompt > e->o.n_ctx || max_new > e->o.n_ctx - n_prompt)
        return qv_fail(err, QV_ELIMIT,
                       "a prompt of %zu tokens and an answer of up to %zu are more than "
                       "the context of %zu",
                       n_prompt, max_new, e->o.n_ctx);
    return QV_OK;
}

/* Why the jobs cannot be taken, or QV_OK. Called locked. */
static qv_status check(struct qv_engine *e, struct qv_job *const *job, size_t n,
                       qv_err *err)
{
    for (size_t i = 0; i < n; i++) {
        const struct qv_job_opts *o = qv__job_opts(job[i]);
        qv_status result = qv__engine_could(e, n, o->n_prompt, o->max_new, err);
        if (result)
            return result;
    }
    if (e->is_draining)
        return qv_fail(err, QV_ECANCEL, "the server is shutting down");
    forget_canceled(e);
    if (n > e->o.n_queue - e->counts.n_waiting)
        return qv_fail(err, QV_EEXIST, "%zu requests are waiting, of at most %zu",
                       e->counts.n_waiting, e->o.n_queue);
    return QV_OK;
}

static void push(struct qv_engine *e, struct qv_job *job)
{
    struct waiting *w = calloc(1, sizeof *w);
    qv_check(w);
    w->job = qv__job_share(job);
    *e->end = w;
    e->end = &w->next;
    e->counts.n_waiting++;
}

qv_status qv__engine_submit(struct qv_engine *e, struct qv_job *const *job, size_t n,
                            qv_err *err)
{
    pthread_mutex_lock(&e->lock);
    qv_status result = check(e, job, n, err);
    if (result)
        e->counts.n_refused += n;
    for (size_t i = 0; !result && i < n; i++)
        push(e, job[i]);
    pthread_cond_signal(&e->work);
    pthread_mutex_unlock(&e->lock);
    return result;
}

void qv__engine_drain(struct qv_engine *e)
{
    pthread_mutex_lock(&e->lock);
    e->is_draining = true;
    pthread_mutex_unlock(&e->lock);
}

struct qv_engine_counts qv__engine_counts(struct qv_engine *e)
{
    pthread_mutex_lock(&e->lock);
    struct qv_engine_counts c = e->counts;
    pthread_mutex_unlock(&e->lock);
    return c;
}

bool qv__engine_is_idle(struct qv_engine *e)
{
    struct qv_engine_counts c = qv__engine_counts(e);
    return c.n_running == 0 && c.n_waiting == 0;
}
