/* tiny.h - a model of 40 thousand random weights and tasks of a few lines, small
 * enough to train in a test. Whatever goes wrong fails the test. */
#ifndef QV_TESTS_TINY_H
#define QV_TESTS_TINY_H

#include "model/model.h"
#include "route/update.h"

/* Write a model directory: two layers of width 32, 128 positions, the tokenizer of
 * tests/golden/text/tiny_llama3, weights a function of the seed. */
void write_tiny_model(const char *dir, uint64_t seed);

/* The model at `path`; products are of floats. */
qv_model *opened(const char *path);

/* Write a tiny one and open it. */
qv_model *tiny_model(const char *dir, uint64_t seed);

/* The same, field by field: the bytes between them mean nothing. */
void assert_same_config(const struct qv_config *a, const struct qv_config *b);

/* Write a task of n lines at `path`: prompt "<opening> <a word that tells lines
 * apart>", completion answer[line % n_answers]. */
void write_tiny_task(const char *path, size_t n, const char *opening,
                     const char *const *answer, size_t n_answers);

/* Logits [n, V] of ids[0..n), one sequence, in one pass; the caller's. */
float *logits_of(const qv_model *m, struct qv_update *u, const int *ids, size_t n);

/* The same of a text that begins with a prompt of n_prompt tokens, which is what routers
 * by text read. */
float *logits_after(const qv_model *m, struct qv_update *u, const int *ids, size_t n,
                    size_t n_prompt);

#endif
