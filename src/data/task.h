/* task.h - a task ready for the model: its examples as token sequences, in the
 * project's split.
 *
 * Every task is split the same way wherever it is used: 80% of its examples are
 * for training, 10% for validation and 10% for testing, by position in the file
 * (data/dataset.h), so that what one command trained on, no other tests on.
 */
#ifndef QV_DATA_TASK_H
#define QV_DATA_TASK_H

#include "base/base.h"
#include "data/dataset.h"

/* The part of the project's split that an example of a task is in. */
enum qv_split qv__part_of(const char *task, size_t position);

/* Zero means default. */
struct qv_task_opts {
    struct qv_dataset_opts data;
    size_t max_tokens;  // of a sequence (required)
    size_t limit;       // of training examples, the first so many (default: all)
    size_t valid_limit; // the same of validation examples
};

struct qv_task {
    struct qv_dataset *data; // owned
    const char *name;
    struct qv_sequence *train, *valid; // [n_train] [n_valid]
    size_t n_train, n_valid;
    qv_arena arena;
};

/* Read and tokenise the task file at `path`. The caller owns *out. Fails as
 * qv__dataset_read does. */
qv_status qv__task_read(struct qv_task **out, const char *path, const qv_tokenizer *tok,
                        const struct qv_task_opts *opts, qv_err *err) QV_MUST_CHECK;
void qv__task_free(struct qv_task *t);

#endif
