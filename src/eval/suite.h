/* suite.h - tasks and how each is scored. Knows no model.
 *
 * A suite is a JSON file
 *
 *     {"name": "held-out", "metric": "rougeL", "split": "test", "limit": 100,
 *      "tasks": ["a.jsonl", {"file": "b.json", "metric": "exact"}, "more/"]}
 *
 * where "name" defaults to the file's, a task's own "metric", "split", "limit" and other
 * settings win over the suite's, files are relative to a directory, the suite's own unless
 * another is given, and a directory stands for the task files in it. A task with a "prompt"
 * says how the fields of any data file become a task's (data/mapping.h). Or a suite is a
 * list of such files and one metric. Task names must differ. All keys:
 * docs/evaluation.md.
 */
#ifndef QV_EVAL_SUITE_H
#define QV_EVAL_SUITE_H

#include "base/arena.h"
#include "base/base.h"

enum qv_metric {
    QV_ROUGE_L,     // "rougeL": of what is generated
    QV_EXACT,       // "exact": the same, matched after normalisation
    QV_CHOICE,      // "choice": the option likeliest a token is the labelled one
    QV_LOGLIK,      // "loglik": mean log-likelihood of a target's tokens
    QV_CHOICE_SUM,  // "choice_sum": the option likeliest as a whole is
    QV_CHOICE_CHAR, // "choice_char": the option likeliest a character is
    QV_PASS,        // "pass@1": the program that is generated passes its tests
};

/* The name of a metric, and the metric of a name or QV_EFORMAT with the names
 * there are. */
const char *qv__metric_name(enum qv_metric metric);
qv_status qv__metric_of(enum qv_metric *out, const char *name, qv_err *err) QV_MUST_CHECK;

/* What is asked of the model, and how it is asked. */
bool qv__metric_is_choice(enum qv_metric metric);
bool qv__metric_generates(enum qv_metric metric);

/* Which of a file's examples: all, or one part of the project's split. */
enum qv_part { QV_PART_ALL, QV_PART_TRAIN, QV_PART_VALID, QV_PART_TEST };

/* The name of a part, and whether a name is one's. */
const char *qv__part_name(enum qv_part part);
bool qv__part_named(enum qv_part *out, const char *name);

struct qv_mapping;

struct qv_suite_task {
    const char *name;         // the file's, without directory and extension
    const char *const *paths; // [n_paths] one, unless files are pooled
    size_t n_paths;
    const struct qv_mapping *map; // of its fields; NULL: the files are task files
    enum qv_metric metric;
    enum qv_part part;
    size_t skip;             // first so many examples of the file that are left out
    size_t limit;            // first so many examples of the part; 0 is all
    size_t sample;           // so many of them, drawn at random; 0 is all
    size_t max_tokens;       // of an answer; 0: the caller's choice
    const char *const *stop; // [n_stop] texts that end an answer
    size_t n_stop;
    bool is_open;     // options do not end with EOS
    size_t seconds;   // that a program may take; 0: the default
    size_t megabytes; // of memory that it may use; 0: the default
};

struct qv_suite {
    const char *name;
    struct qv_suite_task *at; // [n]
    size_t n, room;
    struct qv_mapping **map; // [n_maps]
    size_t n_maps, maps_room;
    qv_arena arena; // owns everything
};

/* A suite from the command line: one suite file, or task files and directories
 * scored by `metric` (NULL: "rougeL"; of a suite file it is the default where the
 * file names none). A suite's files are looked for in the directory `data`; NULL: in the
 * suite's own. The caller ends *out with qv__suite_end. Fails with
 * QV_ENOTFOUND, QV_EIO, QV_EFORMAT, and QV_EEXIST if two tasks share a name. */
qv_status qv__suite_open(struct qv_suite *out, const char *const *paths, size_t n,
                         const char *metric, const char *data, qv_err *err) QV_MUST_CHECK;
void qv__suite_end(struct qv_suite *s);

#endif
