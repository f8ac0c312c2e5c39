/* session.h - one timeline of tokens over a model, and what comes next.
 *
 * A session holds a KV cache and what is reused with it (quiver/reuse.h). It is
 * told the whole sequence every time and computes only what it has not seen.
 * One thread at a time may use a session; sessions are independent.
 */
#ifndef QUIVER_SESSION_H
#define QUIVER_SESSION_H

#include <quiver/base.h>
#include <quiver/model.h>
#include <quiver/reuse.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qv_session qv_session;

/* A new session of up to n_ctx positions (0: the model's). `reuse` may be NULL:
 * the base alone. Model and reuse are borrowed. The caller owns *out. Fails with
 * QV_ELIMIT if n_ctx is more than the model has, or QV_ENOMEM. */
qv_status qv_session_new(qv_session **out, const qv_model *model, const qv_reuse *reuse,
                         size_t n_ctx, qv_err *err) QV_MUST_CHECK;
void qv_session_free(qv_session *s);

/* Make the timeline tokens[0..n), n > 0. What it shares with the tokens it has
 * is kept, the rest of the cache is dropped, and only new tokens are computed.
 * Fails with QV_ELIMIT if n is more than n_ctx, or QV_EFORMAT for a token out of
 * the vocabulary; the timeline is then unchanged. */
qv_status qv_session_sync(qv_session *s, const int *tokens, size_t n,
                          qv_err *err) QV_MUST_CHECK;

/* Logits [vocabulary] of what follows the last token, borrowed until the next
 * sync; NULL before the first. */
const float *qv_session_logits(const qv_session *s);

/* How the next token is chosen. All-zero is greedy. */
typedef struct qv_sample_opts {
    float temperature; // 0: the most likely token
    size_t top_k;      // among the k most likely (0: all)
    float top_p;       // among the fewest whose probability reaches p (0: all)
    uint64_t seed;
} qv_sample_opts;

/* A token drawn from logits [n]; a function of (logits, opts, position), so a
 * text can be made again. Ties go to the lower id. `opts` may be NULL. */
int qv_sample(const float *logits, size_t n, const qv_sample_opts *opts, size_t position);

#ifdef __cplusplus
}
#endif
#endif
