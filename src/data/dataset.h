/* dataset.h - a task as examples with a prompt and a target.
 *
 * A task is one file: JSON lines {"prompt","completion"} (other field names by
 * option), or a Natural Instructions task file as published. Its name is the
 * file's name without the extension. Examples keep the file's order.
 */
#ifndef QV_DATA_DATASET_H
#define QV_DATA_DATASET_H

#include "base/arena.h"
#include "base/base.h"

#include <quiver/tokenizer.h>

struct qv_example {
    const char *prompt;
    const char *const *targets; // [n_targets] >= 1; the first is trained on
    size_t n_targets;
    const char *const *options; // [n_options] of a multiple choice; 0 without
    size_t n_options;
    int label; // index of the right option, or -1
};

struct qv_dataset {
    const char *name; // of the task
    const char *path;
    char hash[65]; // SHA-256 of the file
    struct qv_example *at;
    size_t n;
    qv_arena arena; // owns the strings
};

/* Zero means default. */
struct qv_dataset_opts {
    const char *prompt_field;     // default: "prompt"
    const char *completion_field; // default: "completion"
    size_t limit;                 // first so many examples (default: all)
};

/* Read the task file at `path`. The caller owns *out. Fails with QV_ENOTFOUND,
 * QV_EIO or QV_EFORMAT (naming file and line). */
qv_status qv__dataset_read(struct qv_dataset **out, const char *path,
                           const struct qv_dataset_opts *opts, qv_err *err) QV_MUST_CHECK;
void qv__dataset_free(struct qv_dataset *d);

/* The task files of a directory (*.jsonl, *.json), sorted by name; or `path`
 * itself if it is a file. Names in `a`. */
qv_status qv__dataset_list(char ***paths, size_t *n, qv_arena *a, const char *path,
                           qv_err *err) QV_MUST_CHECK;

/* Splits by (seed, task, position): an example is in the test part with
 * probability `test`, else in the valid part with `valid`, else in train. The
 * same file always splits the same way, and adding lines at its end moves
 * nothing. */
enum qv_split { QV_TRAIN, QV_VALID, QV_TEST };
enum qv_split qv__split_of(const char *task, size_t position, float valid, float test,
                           uint64_t seed);

/* One training or scoring sequence: prompt tokens, then target tokens. */
struct qv_sequence {
    const int *ids; // [n]
    size_t n;
    size_t n_prompt; // the loss is on ids[n_prompt .. n)
    size_t task;     // index the caller chose
};

/* Join a prompt and a target as the authors do (REFERENCE 10.3): one space is
 * put between them unless there is white space already, or moved from the
 * prompt to the target; BOS first if the tokenizer adds it; the target ends
 * with EOS. Longer than `max_tokens`, the prompt is cut on the left; a target
 * that does not fit alone is cut on the right. ids in `a`. */
qv_status qv__sequence_make(struct qv_sequence *out, qv_arena *a, const qv_tokenizer *tok,
                            const char *prompt, const char *target, size_t max_tokens,
                            qv_err *err) QV_MUST_CHECK;

/* The prompt alone, ready for generation, cut on the left the same way. */
qv_status qv__sequence_prompt(struct qv_sequence *out, qv_arena *a, const qv_tokenizer *tok,
                              const char *prompt, size_t max_tokens,
                              qv_err *err) QV_MUST_CHECK;

#endif
