/* job.h - one text to be continued: what is asked of the engine, and what it has said.
 *
 * A job has two owners. Whoever asks makes it, hands it to the engine and reads what is
 * said while it is being said; the engine adds tokens and at last the end. The engine
 * never waits for a reader: there is room for all that may be said. Each owner releases it
 * once, from any thread; the last one ends it.
 */
#ifndef QV_SERVER_JOB_H
#define QV_SERVER_JOB_H

#include <quiver/session.h>

#include "base/base.h"
#include "server/trace.h"

struct qv_job;

/* What is asked. */
struct qv_job_opts {
    const int *prompt; // [n_prompt] > 0, copied
    size_t n_prompt;
    size_t max_new; // tokens to say at most; 0: the prompt is only read
    qv_sample_opts sample;
    int end[2];          // tokens that end the text and are not said; -1: none
    size_t n_top;        // likeliest tokens to tell with each that is said
    bool wants_logprobs; // of the tokens said
    bool wants_prompt;   // and of the prompt's
    size_t wants_mean;   // width of the mean of the prompt's last hidden states; 0: no
    bool wants_routing;  // of the tokens said
    bool routes_prompt;  // and of the prompt's

    /* Who answers, borrowed by all copies of these options; NULL is the base. `keep` is
     * called when a job is made of them, `let_go` when it ends; both may be NULL. Prompts
     * that begin alike share work among jobs of one `who_id`: the same for the same
     * answers; NULL shares with none. */
    const qv_reuse *reuse;
    const char *who_id;
    void *who;
    void (*keep)(void *who);
    void (*let_go)(void *who);
};

struct qv_likely {
    int id;
    float logprob; // natural
};

enum qv_finish {
    QV_GOES_ON,
    QV_FINISH_STOP,   // the text ended
    QV_FINISH_LENGTH, // max_new tokens
    QV_FINISH_FAILED, // see qv__job_error
};

/* The caller owns *out. Fails with QV_ENOMEM. */
qv_status qv__job_new(struct qv_job **out, const struct qv_job_opts *opts,
                      qv_err *err) QV_MUST_CHECK;
void qv__job_release(struct qv_job *job); // NULL is allowed

const struct qv_job_opts *qv__job_opts(const struct qv_job *job); // its own copy

/* ---- for who asks ---- */

/* Wait until more than `n` tokens are said, the job has ended, or `seconds` have passed.
 * Returns how many are said; *finish is QV_GOES_ON until it ends. */
size_t qv__job_wait(struct qv_job *job, size_t n, double seconds, enum qv_finish *finish);

/* Nobody is interested any more; the engine drops it before its next pass. */
void qv__job_cancel(struct qv_job *job);

/* The i-th token said, i below what wait returned; its n_top likeliest beside it. */
struct qv_likely qv__job_said(struct qv_job *job, size_t i);
const struct qv_likely *qv__job_top(struct qv_job *job, size_t i);

/* Once it has ended: whether a token of `end` ended it. With wants_logprobs that token then
 * stands where the next one said would. */
bool qv__job_has_ending(const struct qv_job *job);

/* Once it has ended: the prompt's tokens i > 0 the same way, and the mean. */
struct qv_likely qv__job_prompt(struct qv_job *job, size_t i);
const struct qv_likely *qv__job_prompt_top(struct qv_job *job, size_t i);
const float *qv__job_mean(struct qv_job *job);

/* The routing of tokens, the prompt's before those said; NULL unless it is wanted and there
 * is any. A token is told of, as said, once it is routed. */
struct qv_trace *qv__job_trace(struct qv_job *job);
const qv_err *qv__job_error(struct qv_job *job);

/* Tokens of its prompt whose keys and values an earlier prompt had left: known once a token
 * is said, or at the end. */
size_t qv__job_recalled(const struct qv_job *job);

/* ---- for the engine ---- */

struct qv_job *qv__job_share(struct qv_job *job);
bool qv__job_is_canceled(const struct qv_job *job);

/* A token that logits [V] led to: it is said, it ends the text, or (i > 0) it is the
 * prompt's i-th. */
void qv__job_say(struct qv_job *job, int id, const float *logits, size_t V);
void qv__job_stop(struct qv_job *job, int id, const float *logits, size_t V);
void qv__job_read(struct qv_job *job, size_t i, const float *logits, size_t V);

void qv__job_set_recalled(struct qv_job *job, size_t n);

/* The first n tokens, prompt and answer, have been through the model. */
void qv__job_fed(struct qv_job *job, size_t n);

/* Hidden states [n, D] of the prompt's next tokens; the last of them make the mean. */
void qv__job_add_hidden(struct qv_job *job, const float *hidden, size_t n, size_t D);

/* The end; `err` is borrowed and told only of QV_FINISH_FAILED. */
void qv__job_end(struct qv_job *job, enum qv_finish finish, const qv_err *err);

#endif
