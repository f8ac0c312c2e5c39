/* kernels.h - the tables of kernels that this machine can run, the reference first. */
#ifndef QV_TESTS_KERNELS_H
#define QV_TESTS_KERNELS_H

#include "kern/kern.h"

extern const struct qv_kern *table[3];
extern size_t n_tables;

/* For a group of tests: the first thing. Asking for a table by name gives it where the
 * machine can run it. */
int find_tables(void **state);

#endif
