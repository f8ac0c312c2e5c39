/* suite.h - tasks and how each is scored. Knows no model.
 *
 * A suite is a JSON file
 *
 *     {"name": "held-out", "metric": "rougeL", "split": "test", "limit": 100,
 *      "tasks": ["a.jsonl", {"file": "b.json", "metric": "exact"}, "more/"]}
 *
 * where "name" defaults to the file's, a task's own "metric", "split" and "limit"
 * win over the suite's, files are relative to the suite's directory, and a
 * directory stands for the task files in it. Or a suite is a list of such files
 * and one metric. Task names must differ.
 */
#ifndef QV_EVAL_SUITE_H
#define QV_EVAL_SUITE_H

#include "base/arena.h"
#include "base/base.h"

enum qv_metric {
    QV_ROUGE_L, // "rougeL": of what is generated
    QV_EXACT,   // "exact": the same, matched after normalisation
    QV_CHOICE,  // "choice": the option likeliest a token is the labelled one
    QV_LOGLIK,  // "loglik": mean log-likelihood of a target's tokens
};

/* The name of a metric, and the metric of a name or QV_EFORMAT with the names
 * there are. */
const char *qv__metric_name(enum qv_metric metric);
qv_status qv__metric_of(enum qv_metric *out, const char *name, qv_err *err) QV_MUST_CHECK;

/* Which of a file's examples: all, or one part of the project's split. */
enum qv_part { QV_PART_ALL, QV_PART_TRAIN, QV_PART_VALID, QV_PART_TEST };

struct qv_suite_task {
    const char *name; // the file's, without directory and extension
    const char *path;
    enum qv_metric metric;
    enum qv_part part;
    size_t limit; // first so many examples of the part; 0 is all
};

struct qv_suite {
    const char *name;
    struct qv_suite_task *at;
    size_t n;
    qv_arena arena; // owns everything
};

/* A suite from the command line: one suite file, or task files and directories
 * scored by `metric` (NULL: "rougeL"; of a suite file it is the default where the
 * file names none). The caller ends *out with qv__suite_end. Fails with
 * QV_ENOTFOUND, QV_EIO, QV_EFORMAT, and QV_EEXIST if two tasks share a name. */
qv_status qv__suite_open(struct qv_suite *out, const char *const *paths, size_t n,
                         const char *metric, qv_err *err) QV_MUST_CHECK;
void qv__suite_end(struct qv_suite *s);

#endif
