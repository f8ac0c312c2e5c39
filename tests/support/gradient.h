/* gradient.h - derivatives by differences, which a backward pass must equal.
 *
 * The loss is the sum of an operator's outputs times fixed weights, added up in
 * double. Its derivative is taken by the five-point rule with steps of 1/32: the
 * rule is off by h^4/30 of the fifth derivative, float rounding by about 3e-6 of
 * the outputs, so 1e-4 of the largest derivative is a calm bound.
 */
#ifndef QV_TESTS_GRADIENT_H
#define QV_TESTS_GRADIENT_H

#include "support/near.h"

/* Fills y [n_y] from inputs that lie in the test's memory. */
struct function {
    void (*fill)(void *arg);
    void *arg;
    const float *y;
    const float *weight; // [n_y] what the backward pass was given as dy
    size_t n_y;
};

/* Fail unless dx [n], which began as `was` (NULL: zeros), has had the gradient of
 * the loss with respect to the input x [n] added to it. */
#define assert_gradient(f, x, n, dx, was)                                                  \
    assert_gradient_at((f), (x), (n), (dx), (was), #dx, __FILE__, __LINE__)
void assert_gradient_at(const struct function *f, float *x, size_t n, const float *dx,
                        const float *was, const char *name, const char *file, int line);

#endif
