/* library.h - a directory of experts, and a view of it that holds still.
 *
 * On disk a library is one sub-directory per expert, each a PEFT adapter
 * (adapter_config.json + adapter_model.safetensors) with expert.json beside it
 * for what PEFT has no place for, and library.json for what all experts share.
 * Any tool that reads PEFT reads a library. The directory's listing is the
 * index: an expert appears, changes and goes by one rename(2), so several
 * processes may write at once, and one that is killed leaves nothing behind
 * that a reader could see.
 *
 * In memory a library is read through snapshots. A snapshot never changes and
 * stays valid until released, however many experts are added meanwhile: that
 * is how the server takes on experts without pausing the requests in flight.
 *
 * Every function here may be called from any thread.
 */
#ifndef QUIVER_LIBRARY_H
#define QUIVER_LIBRARY_H

#include <quiver/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qv_library qv_library;
typedef struct qv_snapshot qv_snapshot;

/* How well an expert did: "rouge_l" 0.61 on "opposites". */
typedef struct qv_score {
    const char *task, *metric;
    double value;
} qv_score;

/* A file an expert was trained on. */
typedef struct qv_data_file {
    const char *path, *hash; // SHA-256 in hexadecimal
} qv_data_file;

/* What is known of an expert beyond its weights; NULL or 0 where it is not. */
typedef struct qv_expert_meta {
    const char *const *task; // [n_tasks] it was trained on
    size_t n_tasks;
    const char *base_name, *base_hash; // the model it was trained over
    const qv_data_file *data;          // [n_data]
    size_t n_data;
    const qv_score *score; // [n_scores]
    size_t n_scores;
    const char *settings; // of its training, a JSON object as text
} qv_expert_meta;

/* An expert as a listing shows it. */
typedef struct qv_expert_info {
    const char *name;
    const char *hash;       // SHA-256 of what it computes, in hexadecimal
    const char *created_by; // "quiver 0.1.0"
    size_t n_sites, n_weights;
    size_t min_rank, max_rank;
    qv_expert_meta meta;
} qv_expert_info;

/* What all experts of a library share. */
typedef struct qv_library_opts {
    const char *base_name, *base_hash; // the model; NULL accepts any
    const char *settings;              // a JSON object as text, or NULL
} qv_library_opts;

typedef struct qv_expert_opts {
    qv_expert_meta meta;
    bool replace; // an expert of the same name is replaced, not refused
} qv_expert_opts;

/* Make an empty library at `dir`, a directory that may exist but holds no
 * library. `opts` may be NULL. The caller owns *out and ends it with
 * qv_library_close(). Fails with QV_EEXIST, QV_EIO, or QV_EFORMAT if settings
 * is not a JSON object. */
qv_status qv_library_create(qv_library **out, const char *dir, const qv_library_opts *opts,
                            qv_err *err) QV_MUST_CHECK;

/* Open the library at `dir`, reading library.json and nothing else. On failure
 * *out is NULL. Fails with QV_ENOTFOUND, QV_EIO, QV_EFORMAT, or QV_EUNSUPPORTED
 * if a newer quiver made it. */
qv_status qv_library_open(qv_library **out, const char *dir, qv_err *err) QV_MUST_CHECK;

/* NULL is allowed. Snapshots outlive their library. */
void qv_library_close(qv_library *lib);

/* Borrowed; dir is absolute, fields are NULL where nothing was given. */
const char *qv_library_dir(const qv_library *lib);
const qv_library_opts *qv_library_facts(const qv_library *lib);

/* Whether experts over that base model belong here: equal hashes, or where one
 * is unknown equal names (the part after the last '/'), or nothing to compare.
 * Fails with QV_EFORMAT, naming both. */
qv_status qv_library_check_base(const qv_library *lib, const char *base_name,
                                const char *base_hash, qv_err *err) QV_MUST_CHECK;

/* Copy the PEFT adapter at `path` into the library under `name`. The files are
 * complete on disk before any reader can see them. A name has 1 to 200 bytes of
 * UTF-8 without '/' or control characters and does not start with '.'. `opts`
 * may be NULL. Fails with QV_EEXIST unless opts->replace, as reading an adapter
 * does, and as qv_library_check_base does. */
qv_status qv_library_add(qv_library *lib, const char *name, const char *path,
                         const qv_expert_opts *opts, qv_err *err) QV_MUST_CHECK;

/* Fail with QV_ENOTFOUND; rename also with QV_EEXIST if `to` is there. */
qv_status qv_library_remove(qv_library *lib, const char *name, qv_err *err) QV_MUST_CHECK;
qv_status qv_library_rename(qv_library *lib, const char *name, const char *to,
                            qv_err *err) QV_MUST_CHECK;

/* Copy the expert to `dir` as a plain PEFT adapter. Fails with QV_ENOTFOUND, or
 * QV_EEXIST if an adapter is there. */
qv_status qv_library_export(qv_library *lib, const char *name, const char *dir,
                            qv_err *err) QV_MUST_CHECK;

/* Record a score, in place of an earlier one of that task and metric. Fails with
 * QV_ENOTFOUND, or QV_EFORMAT if the value is not finite. */
qv_status qv_library_set_score(qv_library *lib, const char *name, const qv_score *score,
                               qv_err *err) QV_MUST_CHECK;

/* Told of each problem in one sentence; `expert` is NULL if it is the library's. */
typedef void (*qv_problem_fn)(void *arg, const char *expert, const char *sentence);

/* Read and re-hash everything: each expert's files, its metadata, its base, its
 * artifacts. *n_problems were reported; succeeds whether or not there were any,
 * and fails only where it could not look. */
qv_status qv_library_verify(qv_library *lib, qv_problem_fn report, void *arg,
                            size_t *n_problems, qv_err *err) QV_MUST_CHECK;

/* The experts as they are now, sorted by name. The caller owns *out and ends it
 * with qv_snapshot_release(). Fails with QV_EIO, or QV_EFORMAT if an expert.json
 * is damaged. */
qv_status qv_library_snapshot(qv_snapshot **out, const qv_library *lib,
                              qv_err *err) QV_MUST_CHECK;

/* One more owner of the same view; returns it. */
qv_snapshot *qv_snapshot_share(qv_snapshot *snap);
void qv_snapshot_release(qv_snapshot *snap);

size_t qv_snapshot_size(const qv_snapshot *snap);

/* Borrowed from the snapshot. */
const qv_expert_info *qv_snapshot_info(const qv_snapshot *snap, size_t i);

/* The place of the expert with that name, or the snapshot's size. */
size_t qv_snapshot_find(const qv_snapshot *snap, const char *name);

#ifdef __cplusplus
}
#endif
#endif
