/* mix.h - the jobs in progress, and the pass that they share.
 *
 * A turn is one pass over the base with one row for each job that is speaking and a chunk
 * of the prompt of the one that has waited longest among those still being read, and of
 * the next ones while theirs fit into what a chunk may have. Each job has its own keys and
 * values and its own update (base, expert or router). A router by text reads a prompt first
 * (reader.h): in that turn, in place of the chunk. The rows of a small model are dealt to
 * threads instead, a pass each (lane.h).
 *
 * What a job says does not depend on the mix, to the last bit: the rows of jobs stay apart
 * (model/parts.h), and a prompt is cut at multiples of the chunk's size, wherever those
 * fall in time. Its last chunk has up to half as many tokens again.
 *
 * One thread uses a mix.
 */
#ifndef QV_SERVER_MIX_H
#define QV_SERVER_MIX_H

#include "model/model.h"
#include "server/job.h"

struct qv_mix;

/* Room for n_slots jobs of up to n_ctx tokens each, prompt and answer, whose prompts are
 * read `chunk` tokens at a time. What prompts begin with is remembered in up to
 * `prefix_bytes` (prefix.h). The caller owns *out. Fails with QV_ENOMEM. */
qv_status qv__mix_new(struct qv_mix **out, const qv_model *model, size_t n_slots,
                      size_t n_ctx, size_t chunk, size_t prefix_bytes,
                      qv_err *err) QV_MUST_CHECK;
void qv__mix_free(struct qv_mix *mix); // its jobs end as failed

/* Take a job up; there must be a free slot. The mix shares it until it ends, which it does
 * at once, as failed, where memory is short. */
void qv__mix_add(struct qv_mix *mix, struct qv_job *job);

size_t qv__mix_busy(const struct qv_mix *mix); // slots

/* Prompt tokens that were remembered so far, and the bytes that are in use for it. */
size_t qv__mix_reused(const struct qv_mix *mix);
size_t qv__mix_prefix_bytes(const struct qv_mix *mix);

/* One pass, after jobs that were canceled are dropped. Returns the rows it had. */
size_t qv__mix_turn(struct qv_mix *mix);

#endif
