/* lane.h - a pass being made of rows of several jobs, and the room that it takes.
 *
 * A mix has one lane for the whole team of threads; with a small model, where the threads
 * would wait for one another more than they work, also one for each thread, which single
 * rows are dealt to.
 */
#ifndef QV_SERVER_LANE_H
#define QV_SERVER_LANE_H

#include "model/decoder.h"

struct qv_lane {
    struct qv_acts acts;
    struct qv_batch b;
    struct qv_parts parts;
    size_t n_rows; // of logits that lead to tokens

    struct qv_seq *seq;        // [n_jobs] of b
    struct qv_pass_part *part; // [n_jobs] of parts
    int *token, *pos;          // [T_max] of b
    int *row;                  // [n_jobs] the rows that lead to a token
    size_t *slot;              // [n_jobs] and whose they are
    void *mem;
};

/* For up to n_jobs jobs and T_max rows in a pass, of up to n_ctx positions, with room for
 * n_rows rows of logits. Fails with QV_ENOMEM. */
qv_status qv__lane_init(struct qv_lane *l, const qv_model *m, size_t n_jobs, size_t T_max,
                        size_t n_ctx, size_t n_rows, qv_err *err) QV_MUST_CHECK;
void qv__lane_end(struct qv_lane *l);

/* A new pass, of nothing yet. */
void qv__lane_begin(struct qv_lane *l);

/* The next rows, their tokens and positions to be filled in: of the slot, rows.n after
 * rows.n_past positions of its cache, under its own update (or NULL). If they lead to a
 * token, the last of them does. Returns the first row. */
size_t qv__lane_feed(struct qv_lane *l, size_t slot, struct qv_seq rows,
                     struct qv_update *update, bool leads);

/* The pass, with the caches of all slots. */
struct qv_pass qv__lane_pass(const qv_model *m, struct qv_lane *l,
                             struct qv_cache *const *cache);

#endif
