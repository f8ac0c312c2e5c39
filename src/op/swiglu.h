/* swiglu.h - y = silu(gate) * up, forward and backward, over n numbers. */
#ifndef QV_OP_SWIGLU_H
#define QV_OP_SWIGLU_H

#include "base/base.h"

void qv__swiglu(float *y, const float *gate, const float *up, size_t n);

/* dgate and dup are added to. */
void qv__swiglu_back(float *dgate, float *dup, const float *dy, const float *gate,
                     const float *up, size_t n);

#endif
