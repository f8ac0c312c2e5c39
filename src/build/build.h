/* build.h - what the ways of building a library share.
 *
 * A method decides which tasks are learnt together; qv__build_group does the
 * rest. Each method is one file and one line in build.c's list.
 */
#ifndef QV_BUILD_BUILD_H
#define QV_BUILD_BUILD_H

#include <quiver/build.h>

#include "base/arena.h"
#include "base/base.h"
#include "base/json.h"
#include "data/task.h"
#include "library/library.h"
#include "train/trainer.h"

/* A build in progress. */
struct qv_builder {
    const qv_model *m;
    const qv_build_opts *o;
    struct qv_task **task; // [n_tasks] sorted by name
    size_t n_tasks;
    const char *dir;  // the library's
    const char *work; // dir/.build: checkpoints and what methods keep
    qv_library *lib;
    size_t n_planned, n_done; // experts, for progress
    qv_arena arena;
};

struct qv_method {
    const char *name;  // as written after --method
    const char *about; // one line for help
    qv_status (*build)(struct qv_builder *b, qv_err *err);
};

/* The methods, NULL-terminated; and the one of that name, or NULL. */
const struct qv_method *const *qv__methods(void);
const struct qv_method *qv__method_find(const char *name);
extern const struct qv_method qv__private, qv__shared, qv__mbc, qv__poly, qv__mhr;
extern const struct qv_method qv__random_task, qv__random_example, qv__embedding;

/* The library NAME in the builder's own directory, made if it is not there. */
qv_status qv__build_beside(qv_library **out, struct qv_builder *b, const char *name,
                           qv_err *err) QV_MUST_CHECK;

/* Some tasks, learnt by one expert. */
struct qv_group {
    const char *name;
    struct qv_task *const *task; // [n]
    size_t n;
    float share;  // of the steps that training the tasks apart would take
    size_t steps; // or so many; 0: by share
};

/* The steps that training the tasks apart would take. */
size_t qv__build_steps(const qv_train_opts *o, struct qv_task *const *task, size_t n);

/* Train the group's expert and add it to `lib`, unless it is there already from
 * the same run. Resumes from its checkpoint. Fails with QV_EEXIST if an expert
 * of that name comes from another run. */
qv_status qv__build_group(struct qv_builder *b, qv_library *lib, const struct qv_group *g,
                          qv_err *err) QV_MUST_CHECK;

/* One expert a task, each with that share of its steps. */
qv_status qv__build_each(struct qv_builder *b, qv_library *lib, float share,
                         qv_err *err) QV_MUST_CHECK;

/* One expert a label: "<prefix>_00" learns the tasks labelled 0. */
qv_status qv__build_labelled(struct qv_builder *b, qv_library *lib, const char *prefix,
                             const int *label, size_t n_labels, float share,
                             qv_err *err) QV_MUST_CHECK;

/* A way to group the tasks: label [n_tasks] in 0..K-1, K at most n_tasks. */
typedef qv_status (*qv_grouping_fn)(int *label, struct qv_builder *b, void *arg, size_t K,
                                    qv_err *err);

/* One expert a group, with that share of the steps: as many groups as the options say,
 * or of those tried the number whose experts have the lowest validation loss. */
qv_status qv__build_clusters(struct qv_builder *b, const char *prefix, qv_grouping_fn group,
                             void *arg, float share, qv_err *err) QV_MUST_CHECK;

/* How many experts qv__build_clusters trains. */
size_t qv__clusters_planned(const struct qv_builder *b);

/* A new expert for the options' sites, rank and alpha, started from the seed. */
qv_status qv__build_expert(struct qv_expert **out, const char *name, const qv_model *m,
                           const qv_train_opts *o, qv_err *err) QV_MUST_CHECK;

/* x [D] = the mean over the prompts of the task's first training examples, at most
 * `most` of them, of the mean over a prompt's tokens of what the base's last layer but
 * one gives out: what the last layer sees; at length 1. Fails with QV_ENOMEM. */
qv_status qv__task_embedding(float *x, const qv_model *m, const struct qv_task *t,
                             size_t most, qv_err *err) QV_MUST_CHECK;

/* The settings that an expert is stored with, as JSON. The caller owns it. */
json_t *qv__build_settings(const qv_train_opts *o, size_t steps, size_t batch);

/* What is told of an expert that learnt these tasks: their names and files; in `a`. */
qv_expert_meta qv__tasks_meta(qv_arena *a, struct qv_task *const *task, size_t n);

/* Read the task files among paths[0..n) (files or directories), sorted by name.
 * The tasks are the caller's; the table is in `a`. Fails with QV_EEXIST if two
 * have the same name. */
qv_status qv__build_tasks(struct qv_task ***out, size_t *n_out, qv_arena *a,
                          const qv_model *m, const char *const *paths, size_t n,
                          const qv_build_opts *o, qv_err *err) QV_MUST_CHECK;

#endif
