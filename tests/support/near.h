/* near.h - closeness of arrays, with a message that names the worst element. */
#ifndef QV_TESTS_NEAR_H
#define QV_TESTS_NEAR_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* Fail unless |got - want| <= abs + rel * |want| everywhere. NaN is never close. */
#define assert_close(got, want, n, abs, rel)                                               \
    assert_close_at((got), (want), (n), (abs), (rel), #got, __FILE__, __LINE__)

void assert_close_at(const float *got, const float *want, size_t n, double abs, double rel,
                     const char *name, const char *file, int line);

/* Fail unless max |got - want| <= rel * max |want|: closeness on the scale of
 * the largest element, which is how two ways of adding up should agree. */
#define assert_close_to_scale(got, want, n, rel)                                           \
    assert_close_to_scale_at((got), (want), (n), (rel), #got, __FILE__, __LINE__)

void assert_close_to_scale_at(const float *got, const float *want, size_t n, double rel,
                              const char *name, const char *file, int line);

#endif
