/* mapping.h - how a data file that was not written for quiver becomes a task: which of
 * its fields stand where in prompts, options and answers. docs/evaluation.md has the JSON
 * that says so, a suite's task; its keys are the members below.
 */
#ifndef QV_DATA_MAPPING_H
#define QV_DATA_MAPPING_H

#include "data/dataset.h"
#include "data/records.h"
#include "data/template.h"

/* Fields found in another by a regular expression's named groups; of several
 * expressions, the first that matches. */
struct qv_extract {
    const char *field;
    struct qv_regex *const *re; // [n]
    size_t n;
};

/* A rendered label is option i if it is one of said[i], or if it is the number i where
 * there are no `labels`. */
struct qv_label {
    const char *const *said; // [n]
    size_t n;
};

struct qv_mapping {
    struct qv_records_opts records; // with paths as given
    struct qv_extract *extract;     // [n_extract]
    size_t n_extract;
    const struct qv_template **prompt; // [n_prompts], of several: each option's
    size_t n_prompts;
    const struct qv_template **option; // [n_options]
    size_t n_options;
    const struct qv_template *label, *tests; // or NULL
    struct qv_label *labels;                 // [n_labels]
    size_t n_labels;
    const struct qv_template **target; // [n_targets]
    size_t n_targets;
    struct {
        size_t n;                         // so many first records; 0: none
        const struct qv_template *header; // or NULL
        const struct qv_template *file;   // NULL: the task's own
        bool skip;                        // its own are not scored then
    } shots;
    struct qv_regex **re; // [n_re] every one there is
    size_t n_re;
    const char *dir; // before relative paths: "" or ending in a slash
};

/* Read the keys of a suite's task into `a`, where paths are relative to `dir`. The caller
 * ends *out with qv__mapping_end. Fails with QV_EFORMAT. */
qv_status qv__mapping_parse(struct qv_mapping **out, qv_arena *a, const json_t *task,
                            const char *dir, qv_err *err) QV_MUST_CHECK;
void qv__mapping_end(struct qv_mapping *m);

/* The examples of all files, one after another. The caller owns *out. Fails as records
 * do, and with QV_EFORMAT where a record does not have what a template names. */
qv_status qv__mapping_read(struct qv_dataset **out, const struct qv_mapping *m,
                           const char *name, const char *const *paths, size_t n,
                           qv_err *err) QV_MUST_CHECK;

#endif
