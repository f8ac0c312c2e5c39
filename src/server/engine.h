/* engine.h - the thread that answers: a queue of jobs, a mix of those in progress.
 *
 * First come, first served: a job waits until a slot is free. The queue has an end, at
 * which submit refuses: who asks is to come again later. Every function may be called
 * from any thread.
 */
#ifndef QV_SERVER_ENGINE_H
#define QV_SERVER_ENGINE_H

#include <quiver/model.h>

#include "server/job.h"

struct qv_engine;

/* All-zero means default. */
struct qv_engine_opts {
    size_t n_slots; // jobs in progress at most (16)
    size_t n_queue; // jobs waiting at most (64)
    size_t n_ctx;   // tokens of a job, prompt and answer, at most (the model's, up to 4096)
    size_t chunk;   // prompt tokens in a pass (128), and half as many again in the last
    size_t prefix_bytes; // for keys and values of how prompts begin, at most (none)
};

/* What has happened so far. */
struct qv_engine_counts {
    size_t n_running, n_waiting;
    size_t n_passes, n_rows;
    size_t n_done, n_failed, n_refused; // jobs: ended, failed or canceled, not taken
    size_t n_recalled, prefix_bytes;    // prompt tokens that needed no pass; memory for it
    double busy;                        // seconds in passes
};

/* Start it. The model is borrowed. The caller owns *out. Fails with QV_ELIMIT for a context
 * that the model does not have, QV_ENOMEM, or QV_EIO if there is no thread. */
qv_status qv__engine_new(struct qv_engine **out, const qv_model *model,
                         const struct qv_engine_opts *opts, qv_err *err) QV_MUST_CHECK;

/* Ends its work: jobs not done end as failed, and it takes no more. NULL is allowed, here
 * and below. */
void qv__engine_stop(struct qv_engine *e);
void qv__engine_free(struct qv_engine *e); // after stopping it

size_t qv__engine_context(const struct qv_engine *e);

/* Whether n jobs with such a prompt and answer could ever be taken together: to be asked
 * before memory is had for them. Fails with QV_ELIMIT. */
qv_status qv__engine_could(const struct qv_engine *e, size_t n, size_t n_prompt,
                           size_t max_new, qv_err *err) QV_MUST_CHECK;

/* Take all n jobs or none; it shares those it takes. Fails with QV_ELIMIT if a job is
 * longer than the context or there are more than the queue could ever hold; with
 * QV_EEXIST if they do not fit in the queue now; with QV_ECANCEL after qv__engine_drain. */
qv_status qv__engine_submit(struct qv_engine *e, struct qv_job *const *job, size_t n,
                            qv_err *err) QV_MUST_CHECK;

/* From now on take nothing; what was taken goes on. */
void qv__engine_drain(struct qv_engine *e);

/* Whether nothing is in progress or waiting. */
bool qv__engine_is_idle(struct qv_engine *e);

struct qv_engine_counts qv__engine_counts(struct qv_engine *e);

#endif
