/* dataset.h - a task as examples with a prompt and a target.
 *
 * A task is one file, whose name without the extension is the task's. Examples
 * keep the file's order.
 *
 * A file named *.json is a Natural Instructions task as published:
 * {"Definition", "Instances": [{"input", "output"}]}. Its prompt is
 *
 *     Definition: <the definition, ending in punctuation>
 *
 *     Now complete the following example -
 *     Input: <input>
 *     Output:
 *
 * Any other file is JSON lines {"prompt", "completion"} (other field names by
 * option). A completion is a string or a list of strings, each an acceptable
 * answer. "options": [...] with "label": n, or with a completion that is one of
 * them, makes it a multiple choice. If the first line has a "definition" and no
 * prompt, the others are Natural Instructions instances {"input", "output"}.
 *
 * A byte-order mark, carriage returns, blank lines, unknown fields and a
 * missing newline at the end are accepted; a line may have any length. Bytes
 * that are not UTF-8, NULs, a key given twice in an object, and a file without
 * examples are refused. One "<|endoftext|>" at a completion's end is dropped.
 */
#ifndef QV_DATA_DATASET_H
#define QV_DATA_DATASET_H

#include "base/arena.h"
#include "base/base.h"

#include <quiver/tokenizer.h>

/* Solved examples that stand before a prompt, each "prompt target", blank lines between. */
struct qv_shots {
    const char *header;     // before them, or ""
    const char *const *one; // [n]
    size_t n;
};

struct qv_example {
    const char *prompt;
    const char *const *prompts; // [n_options] each option's own, or NULL: all have `prompt`
    const struct qv_shots *shots; // or NULL
    const char *tests;            // a program that judges an answer, or NULL
    const char *const *targets;   // [n_targets] >= 1; the first is trained on
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

/* The same for bytes[0..size) that came from `path`, which names them in errors
 * and decides the format; the file itself is not opened. */
qv_status qv__dataset_parse(struct qv_dataset **out, const char *path, const char *bytes,
                            size_t size, const struct qv_dataset_opts *opts,
                            qv_err *err) QV_MUST_CHECK;
void qv__dataset_free(struct qv_dataset *d);

/* The task files of a directory (*.jsonl, *.json), sorted by name; or `path`
 * itself if it is a file. Names in `a`. Fails with QV_ENOTFOUND if there are
 * none and with QV_EEXIST if two of them have the same task's name. */
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
    size_t task;     // 0 when made; the caller's to set
};

/* Join a prompt and a target as the paper's code does: if the tokenizer merges a
 * space with the word after it, a space that ends the prompt moves to the
 * target; if then neither the prompt ends nor the target begins with a space or
 * newline, the target gets a space. (An empty prompt or target gets none.) The
 * two are tokenised as one text; the target's share is what follows the tokens
 * that the prompt has alone. BOS comes first if the tokenizer adds it, EOS last. Longer
 * than `max_tokens`, the prompt is cut on the left; a target that does not fit alone is cut
 * on the right. At least the first id belongs to the prompt: nothing predicts it. ids in
 * `a`. Fails with QV_ELIMIT if max_tokens < 2 and with QV_EUNSUPPORTED if the tokenizer has
 * no EOS. */
qv_status qv__sequence_make(struct qv_sequence *out, qv_arena *a, const qv_tokenizer *tok,
                            const char *prompt, const char *target, size_t max_tokens,
                            qv_err *err) QV_MUST_CHECK;

/* The prompt alone, ready for generation: what qv__sequence_make would put before
 * a target, cut on the left to `max_tokens`. Fails with QV_ELIMIT if that is 0 and
 * with QV_EFORMAT if there is no token at all. */
qv_status qv__sequence_prompt(struct qv_sequence *out, qv_arena *a, const qv_tokenizer *tok,
                              const char *prompt, size_t max_tokens,
                              qv_err *err) QV_MUST_CHECK;

#endif
