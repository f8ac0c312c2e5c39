/* study.h - what `quiver study` shares with the studies (studies.c): each is one function
 * and one line in the table. */
#ifndef QV_CLI_STUDY_H
#define QV_CLI_STUDY_H

#include "cli/cli.h"

struct qv_study_args {
    struct qv_words words; // the study and the library
    struct qv_words tasks;
    struct qv_base base;
    qv_reuse_opts who;
    qv_eval_opts opts;
    size_t pairs;     // of joint
    const char *work; // of joint
    uint64_t seed;    // of joint
    qv_progress progress;
    bool as_json;
};

/* A study's result as an object; `facts` and `rows` are what a person is told of it: a
 * line each, and a table. */
struct qv_found {
    json_t *all, *facts, *rows;
};

struct qv_study {
    const char *name, *gist;
    bool needs_tasks;  // and a model to run
    bool needs_router; // --router, --top-k, --temperature
    bool scores;       // --metric, --max-tokens
    bool trains;       // --work, --pairs, --seed
    qv_status (*run)(struct qv_found *f, const qv_model *m, const struct qv_study_args *a,
                     qv_err *err);
};

/* The studies [n]; and the one of that name, or NULL. */
const struct qv_study *qv__studies(size_t *n);
const struct qv_study *qv__study_find(const char *name);

#endif
