/* report.h - what a run made, as numbers and as one page.
 *
 * A run is a directory. Everything in it is optional; what is absent is left out
 * of the report, what is there must be readable.
 *
 *     run.json                  {"title","lead","model"}: words for the page
 *     tasks.json                {"tasks":{NAME:{"family":...}}}
 *     commands.tsv              seconds, a tab, a command: how it was made
 *     libraries/NAME/           libraries; the experts of "mbc" are its clusters
 *     eval/SYSTEM.SUITE.json    what `quiver eval --json` prints; SYSTEM is "base",
 *                               LIBRARY or LIBRARY-ROUTER. Of SYSTEM.SUITE.PART.json, any
 *                               number of parts make up one: a task's score is the mean
 *                               of the parts that have it (seeds, or a task each)
 *     routes/SYSTEM.NAME.json   what `quiver route --json` prints of a text; NAME is a
 *                               task or any word
 *     studies/NAME.json         what `quiver study --json` prints
 *     tables.json               tables and figures to make of eval/: report_wanted.c
 */
#ifndef QV_PLOT_REPORT_H
#define QV_PLOT_REPORT_H

#include "base/arena.h"
#include "plot/plot.h"

/* The first ones stand in every run's table; accuracies of any kind where a table of
 * tables.json asks for them. */
enum qv_report_metric {
    QV_REPORT_ROUGE_L,
    QV_REPORT_LOGLIK,
    QV_REPORT_METRICS,
    QV_REPORT_ACCURACY = QV_REPORT_METRICS,
    QV_REPORT_ALL_METRICS
};

/* Who answered: "private-arrow" of library "private" and router "arrow". The
 * base has neither, one expert alone no router; both are then "". */
struct qv_report_system {
    const char *name, *library, *router;
};

/* The scores of every system on the tasks of one suite. */
struct qv_report_suite {
    const char *name;
    const char **task;                    // [n_tasks] sorted
    const char **family;                  // [n_tasks] NULL where unknown
    size_t *n;                            // [n_tasks] examples
    double *score[QV_REPORT_ALL_METRICS]; // [n_systems, n_tasks]; NaN: not measured
    size_t n_tasks;
};

struct qv_report_expert {
    const char *name;
    const char **task; // [n_tasks] it was trained on
    size_t n_tasks;
    const char *family;  // of its tasks, NULL if unknown or not one
    double *step, *loss; // [n_loss] of training
    double *at, *valid;  // [n_valid] step and validation loss
    size_t n_loss, n_valid;
    double seconds, tokens, steps; // of training; 0 where unknown
};

struct qv_report_library {
    const char *name, *base_name, *base_hash, *made_by; // NULL where unknown
    const char *settings; // of the first expert's training, a JSON object, or NULL
    struct qv_report_expert *expert; // [n]
    size_t n;
};

/* Experts of single tasks, compared by their weights. */
struct qv_report_map {
    const char **name, **family; // [n] families all known, or family is NULL
    size_t n;
    int *cluster; // [n] of mbc, an index into cluster_name; or NULL
    const char **cluster_name;
    size_t n_clusters;
    float *sim, *xy;     // [n, n] and [n, 2]
    size_t *order;       // [n] in which to draw sim
    bool is_first;       // the experts of mbc's first part, which it clustered
    double rand, chance; // adjusted Rand index of clusters and families, and the
                         // 97.5% quantile of that of shuffled families; NaN
};

/* Where the tokens of one text went. */
struct qv_report_route {
    const char *system, *name;
    const char **token;  // [T]
    const char **site;   // [n_sites]
    const char **expert; // [K] those of the library, then any other that is named
    size_t T, n_sites, K;
    int *top;      // [n_sites, T] the heaviest expert, or -1
    float *weight; // [n_sites, T] its weight
    double *share; // [K] of all weight
};

struct qv_report_command {
    const char *text;
    double seconds; // NaN where unknown
};

struct qv_report {
    const char *title, *lead, *model; // NULL where unknown
    struct qv_report_system *system;  // [n_systems] in the order of the table
    struct qv_report_suite *suite;
    struct qv_report_library *library;
    struct qv_report_map map;
    struct qv_report_route *route;
    struct qv_report_command *command;
    size_t n_systems, n_suites, n_libraries, n_routes, n_commands;
    struct json_t *families; // task -> family
    struct json_t *tables;   // of tables.json, or NULL
    struct json_t *studies;  // name -> what it found
    qv_arena arena;
};

/* Read the run in `dir`. The caller ends *r with qv__report_end, whether or not
 * this succeeds. Fails with QV_ENOTFOUND if there is no such directory, QV_EIO,
 * QV_EFORMAT, naming the file, and QV_ENOMEM. */
qv_status qv__report_read(struct qv_report *r, const char *dir, qv_err *err) QV_MUST_CHECK;
void qv__report_end(struct qv_report *r);

/* The page. */
void qv__report_write(FILE *out, const struct qv_report *r);

/* ---- report_scores.c: what the numbers say ---- */

/* The place of a system or suite, or the number of them. */
size_t qv__report_system(const struct qv_report *r, const char *name);
size_t qv__report_suite(const struct qv_report *r, const char *name);

/* Mean over the tasks a system was measured on, with an interval over tasks;
 * all but log-likelihood in points of 100. Without a task the value is NaN. */
struct qv_estimate qv__report_mean(const struct qv_report *r, size_t suite,
                                   enum qv_report_metric metric, size_t system);

/* Mean over the tasks of both of how much better a is than b. */
struct qv_estimate qv__report_difference(const struct qv_report *r, size_t suite,
                                         enum qv_report_metric metric, size_t a, size_t b);

/* The share of the way from `low` to `high` that `at` has gone, by the means over
 * the tasks of all three. NaN unless high is above low; no interval unless it is
 * so in every resample. */
struct qv_estimate qv__report_closed(const struct qv_report *r, size_t suite, size_t low,
                                     size_t at, size_t high);

#endif
