/* tensors.h - safetensors files in memory, described in a line. */
#ifndef QV_TESTS_TENSORS_H
#define QV_TESTS_TENSORS_H

#include "format/safetensors.h"

/* A file of tensors "name:2x3[:DTYPE] ..." whose bytes are all `fill`. The caller ends
 * *st, then frees the bytes. */
char *make_tensors(struct qv_st *st, const char *list, int fill);

#endif
