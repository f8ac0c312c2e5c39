/* thin.h - one LoRA's factors a second time, as whole numbers of 16 bits, for single rows.
 *
 * A row alone waits for A and B to come from memory; half the bytes are half the time. Each
 * row of A and of B transposed counts in steps of its own, 1/32767 of its largest number,
 * so that no number is off by more than half a step. That is what x itself is off by where
 * it meets a base in blocks (kern/block_dot.h), and a LoRA is narrowed beside such a base
 * only.
 */
#ifndef QV_LORA_THIN_H
#define QV_LORA_THIN_H

#include "lora/bank.h"

struct qv_thin {
    int16_t *A, *Bt; // [R, D_in], [R, D_out]
    float *step_A;   // [R]
    float *step_B;   // [R]
};

/* Narrow the only expert of a bank, at every site. The plain kernels (QV_KERN=ref) go on
 * with floats: then nothing happens. Fails with QV_ENOMEM. */
qv_status qv__bank_thin(struct qv_bank *b, qv_err *err) QV_MUST_CHECK;

/* y [D_out] += scale B A x [D_in] of a narrowed site; z [R] is scratch. The number of
 * threads changes nothing. */
void qv__thin_apply(float *y, const float *x, const struct qv_bank_site *s, float *z);

#endif
