/* screen.h - the k largest of K dot products, without computing most of them exactly.
 *
 * Each vector v_e is kept a second time in 8 bits, as c_e. All c_e . x are computed, and
 * a bound of how far each may be from v_e . x decides which of the products may be among
 * the k largest; those are computed from v_e itself. What is returned is what computing
 * all of them with the dot product of kern.h returns, to the bit, equal ones included: the
 * proof is in screen.c. It reads 8.5 bits a number in place of 32, which is what one token
 * waits for.
 */
#ifndef QV_ROUTE_SCREEN_H
#define QV_ROUTE_SCREEN_H

#include "base/base.h"
#include "base/carve.h"

struct qv_screen {
    size_t K, D;           // K 0: there is none, and vectors are compared one by one
    const float *const *v; // [K] of each [D], borrowed
    void *code;            // [K] rows of D numbers as blocks of Q8_0
    float *off;            // [K] at least |v_e - c_e|
    float size;            // at least |v_e| and |c_e|, for all e
};

/* Tokens that may be looked at together; more are better served by a matrix product. */
enum { QV_SCREEN_TOKENS = 16 };

/* Lay out a screen of K vectors of D numbers; or none if it would not pay. */
void qv__screen_carve(struct qv_screen *s, qv_carve *c, size_t K, size_t D);

/* Fill it from v [K] of each [D], which it borrows. */
void qv__screen_fill(struct qv_screen *s, const float *const *v);

/* The same, where `before`, of vectors that are still there, has most of them in the same
 * order: what it knows of those that are equal is copied. */
void qv__screen_refill(struct qv_screen *s, const float *const *v,
                       const struct qv_screen *before);

/* Floats of scratch for T tokens. */
size_t qv__screen_room(const struct qv_screen *s, size_t T);

/* For each of T <= QV_SCREEN_TOKENS tokens x [T, D], the k largest of |v_e . x|, or of
 * v_e . x if is_signed, as qv__top gives them: expert [T, k], value [T, k]. */
void qv__screen_top(int *expert, float *value, const struct qv_screen *s, const float *x,
                    size_t T, size_t k, bool is_signed, float *scratch);

#endif
