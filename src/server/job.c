/* job.c - see job.h. */
#include "server/job.h"
#include "base/carve.h"
#include "server/likely.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct qv_job {
    struct qv_job_opts o;
    int *prompt;                       // [n_prompt]
    struct qv_likely *said, *top;      // [max_new] [max_new, n_top]
    struct qv_likely *read, *read_top; // [n_prompt] [n_prompt, n_top] if wanted
    double *sum;                       // [wants_mean] of hidden states so far
    float *mean;                       // [wants_mean]
    void *mem;                         // owns the arrays
    size_t n_hidden;
    atomic_size_t n_recalled;
    size_t n_made;          // tokens, of which n_said are told of
    bool has_ending;        // said[n_made] ends the text
    struct qv_trace *trace; // owned, or NULL
    atomic_uint owners;
    atomic_bool is_canceled;

    pthread_mutex_t lock; // guards what follows; said[i] is written before n_said passes i
    pthread_cond_t moved;
    size_t n_said;
    enum qv_finish finish;
    qv_err err;
};

static size_t lay_out(struct qv_job *j, void *base)
{
    const struct qv_job_opts *o = &j->o;
    size_t n_read = o->wants_prompt ? o->n_prompt : 0;
    qv_carve c = {.base = base};
    j->prompt = qv__carve(&c, o->n_prompt, 1, 1, sizeof *j->prompt);
    j->said = qv__carve(&c, o->max_new, 1, 1, sizeof *j->said);
    j->top = qv__carve(&c, o->max_new, o->n_top, 1, sizeof *j->top);
    j->read = qv__carve(&c, n_read, 1, 1, sizeof *j->read);
    j->read_top = qv__carve(&c, n_read, o->n_top, 1, sizeof *j->read_top);
    j->sum = qv__carve(&c, o->wants_mean, 1, 1, sizeof *j->sum);
    j->mean = qv__carve_f32(&c, o->wants_mean, 1);
    return c.used;
}

static qv_status new_trace(struct qv_job *j, qv_err *err)
{
    const struct qv_job_opts *o = &j->o;
    size_t first = o->routes_prompt ? 0 : o->n_prompt;
    return o->wants_routing ? qv__trace_new(&j->trace, o->reuse, first,
                                            o->n_prompt - first + o->max_new, err)
                            : QV_OK;
}

qv_status qv__job_new(struct qv_job **out, const struct qv_job_opts *opts, qv_err *err)
{
    qv_check(opts->n_prompt > 0);
    *out = NULL;
    struct qv_job *j = calloc(1, sizeof *j);
    if (!j)
        return qv_fail(err, QV_ENOMEM, "no memory for a request");
    j->o = *opts;
    qv_status result = new_trace(j, err);
    if (result) {
        free(j);
        return result;
    }
    qv_carve need = {.used = lay_out(j, NULL)};
    j->mem = qv__carve_alloc(&need);
    if (!j->mem) {
        qv__trace_free(j->trace);
        free(j);
        return qv_fail(err, QV_ENOMEM, "no memory for a request of %zu and %zu tokens",
                       opts->n_prompt, opts->max_new);
    }
    lay_out(j, j->mem);
    memcpy(j->prompt, opts->prompt, opts->n_prompt * sizeof *j->prompt);
    j->o.prompt = j->prompt;
    atomic_init(&j->owners, 1);
    atomic_init(&j->is_canceled, false);
    pthread_mutex_init(&j->lock, NULL);
    pthread_condattr_t steady;
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_cond_init(&j->moved, &steady);
    pthread_condattr_destroy(&steady);
    if (j->o.keep)
        j->o.keep(j->o.who);
    *out = j;
    return QV_OK;
}

struct qv_job *qv__job_share(struct qv_job *j)
{
    atomic_fetch_add(&j->owners, 1);
    return j;
}

void qv__job_release(struct qv_job *j)
{
    if (!j || atomic_fetch_sub(&j->owners, 1) > 1)
        return;
    if (j->o.let_go)
        j->o.let_go(j->o.who);
    pthread_cond_destroy(&j->moved);
    pthread_mutex_destroy(&j->lock);
    qv__trace_free(j->trace);
    free(j->mem);
    free(j);
}

const struct qv_job_opts *qv__job_opts(const struct qv_job *j)
{
    return &j->o;
}

static struct timespec in_seconds(double seconds)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    double whole = floor(seconds);
    t.tv_sec += (time_t)whole;
    t.tv_nsec += (long)((seconds - whole) * 1e9);
    if (t.tv_nsec >= 1000000000) {
        t.tv_nsec -= 1000000000;
        t.tv_sec++;
    }
    return t;
}

size_t qv__job_wait(struct qv_job *j, size_t n, double seconds, enum qv_finish *finish)
{
    struct timespec until = in_seconds(seconds);
    int late = 0;
    pthread_mutex_lock(&j->lock);
    while (j->n_said <= n && j->finish == QV_GOES_ON && !late)
        late = pthread_cond_timedwait(&j->moved, &j->lock, &until);
    size_t n_said = j->n_said;
    *finish = j->finish;
    pthread_mutex_unlock(&j->lock);
    return n_said;
}

void qv__job_cancel(struct qv_job *j)
{
    atomic_store(&j->is_canceled, true);
}

bool qv__job_is_canceled(const struct qv_job *j)
{
    return atomic_load(&j->is_canceled);
}

struct qv_likely qv__job_said(struct qv_job *j, size_t i)
{
    return j->said[i];
}

const struct qv_likely *qv__job_top(struct qv_job *j, size_t i)
{
    return j->top + i * j->o.n_top;
}

bool qv__job_has_ending(const struct qv_job *j)
{
    return j->has_ending;
}

struct qv_likely qv__job_prompt(struct qv_job *j, size_t i)
{
    return j->read[i];
}

const struct qv_likely *qv__job_prompt_top(struct qv_job *j, size_t i)
{
    return j->read_top + i * j->o.n_top;
}

const float *qv__job_mean(struct qv_job *j)
{
    return j->mean;
}

struct qv_trace *qv__job_trace(struct qv_job *j)
{
    return j->trace;
}

const qv_err *qv__job_error(struct qv_job *j)
{
    return &j->err;
}

static void tell(struct qv_job *j, size_t n_said)
{
    pthread_mutex_lock(&j->lock);
    j->n_said = n_said;
    pthread_cond_broadcast(&j->moved);
    pthread_mutex_unlock(&j->lock);
}

static void make(struct qv_job *j, int id, const float *logits, size_t V)
{
    size_t n = j->n_made;
    qv_check(n < j->o.max_new);
    j->said[n].id = id;
    if (j->o.wants_logprobs)
        qv__likely(&j->said[n], j->top + n * j->o.n_top, j->o.n_top, logits, V);
}

void qv__job_say(struct qv_job *j, int id, const float *logits, size_t V)
{
    make(j, id, logits, V);
    j->n_made++;
    if (!j->trace)
        tell(j, j->n_made);
}

void qv__job_stop(struct qv_job *j, int id, const float *logits, size_t V)
{
    make(j, id, logits, V);
    j->has_ending = true; // read by others once qv__job_end has told that it is over
}

void qv__job_set_recalled(struct qv_job *j, size_t n)
{
    atomic_store(&j->n_recalled, n);
}

size_t qv__job_recalled(const struct qv_job *j)
{
    return atomic_load(&j->n_recalled);
}

void qv__job_fed(struct qv_job *j, size_t n)
{
    if (j->trace && n > j->o.n_prompt)
        tell(j, n - j->o.n_prompt);
}

void qv__job_read(struct qv_job *j, size_t i, const float *logits, size_t V)
{
    j->read[i].id = j->prompt[i];
    qv__likely(&j->read[i], j->read_top + i * j->o.n_top, j->o.n_top, logits, V);
}

void qv__job_add_hidden(struct qv_job *j, const float *hidden, size_t n, size_t D)
{
    qv_check(D == j->o.wants_mean);
    for (size_t t = 0; t < n; t++)
        for (size_t i = 0; i < D; i++)
            j->sum[i] += (double)hidden[t * D + i];
    j->n_hidden += n;
    for (size_t i = 0; i < D && j->n_hidden == j->o.n_prompt; i++)
        j->mean[i] = (float)(j->sum[i] / (double)j->n_hidden);
}

void qv__job_end(struct qv_job *j, enum qv_finish finish, const qv_err *err)
{
    pthread_mutex_lock(&j->lock);
    j->finish = finish;
    if (err)
        j->err = *err;
    pthread_cond_broadcast(&j->moved);
    pthread_mutex_unlock(&j->lock);
}
