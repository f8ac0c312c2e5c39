/* embed.h - rows of the embedding table, and plain sums of rows. */
#ifndef QV_OP_EMBED_H
#define QV_OP_EMBED_H

#include "base/base.h"
#include "op/linear.h"

/* x [T, D] = the table's rows for token [T]; table [V, D]. */
void qv__embed(float *x, const int *token, const struct qv_weight *table, size_t T);

/* dtable [V, D] += dx's rows, for full training. In token order: the result does
 * not depend on the number of threads. */
void qv__embed_back(float *dtable, const float *dx, const int *token, size_t T, size_t D);

/* y = a + b over n numbers; y may be a or b. */
void qv__sum(float *y, const float *a, const float *b, size_t n);

/* to[i] = from[row[i]] for i < n, rows of D numbers; and its backward pass,
 * dfrom[row[i]] += dto[i] (rows distinct). */
void qv__gather(float *to, const float *from, const int *row, size_t n, size_t D);
void qv__gather_back(float *dfrom, const float *dto, const int *row, size_t n, size_t D);

#endif
