/* parts.h - rows of a pass that stay apart: each part has its own update, and what comes
 * of it does not depend, to the last bit, on the other parts.
 *
 * Products round differently by the number of rows they have: kernels are chosen by it,
 * and so is the order of sums. Here a part of one row is always computed as one row,
 * however many stand beside it, and W is still read once for all of them that follow one
 * another; a part of several rows has a product of its own. All else in a pass is row by
 * row already, or, in attention, sequence by sequence.
 */
#ifndef QV_MODEL_PARTS_H
#define QV_MODEL_PARTS_H

#include "op/linear.h"
#include "route/update.h"

struct qv_pass_part {
    size_t begin, n;          // rows of the pass
    struct qv_update *update; // borrowed, with room for n rows; or NULL
};

struct qv_parts {
    const struct qv_pass_part *at; // [n] covering the rows in order; one a sequence
    size_t n;
};

/* qv__linear_all over the rows of all parts. */
void qv__parts_linear(const struct qv_parts *parts, const struct qv_product *p, size_t n,
                      const float *x, struct qv_linear_room room);

/* y += each part's update of x at `site`, a map as wide as w. */
void qv__parts_update(const struct qv_parts *parts, size_t site, float *y, const float *x,
                      const struct qv_weight *w);

#endif
