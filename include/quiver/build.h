/* build.h - from tasks to a library of experts.
 *
 * A build can be stopped or killed at any moment and run again: experts that
 * are in the library stay, the one in training resumes from its checkpoint, and
 * the library ends with the same weights as if nothing had happened.
 */
#ifndef QUIVER_BUILD_H
#define QUIVER_BUILD_H

#include <quiver/base.h>
#include <quiver/model.h>
#include <quiver/train.h>

#ifdef __cplusplus
extern "C" {
#endif

/* All-zero means default. */
typedef struct qv_build_opts {
    const char *method;     // private, shared, mbc, poly ... (required)
    size_t clusters;        // K of mbc, embedding, random and random-example (10)
    bool tries_clusters;    // instead: the best by validation of 2, 4, 8 ...
    size_t skills, heads;   // of poly and mhr (8); heads of mhr (8)
    float first_part;       // share of mbc's steps before clustering (0.4)
    const char *similarity; // mbc's: "mbc", the authors', or "gauge" ("mbc")
    size_t limit;           // training examples a task (all)
    qv_train_opts train;    // its seed is the build's
} qv_build_opts;

/* Train the task files (or the directories of them) paths[0..n) over the model
 * into the library at `library`, which is made if it is not there. Fails with
 * QV_ECANCEL when progress asks to stop, and as reading, training and the
 * library do. */
qv_status qv_build(const qv_model *model, const char *const *paths, size_t n,
                   const char *library, const qv_build_opts *opts,
                   qv_err *err) QV_MUST_CHECK;

/* All-zero means default. Of `train`, centroids and embeddings use max_tokens; task
 * predictors also epochs (20), batch (64), lr (0.03), weight_decay (1e-4) and seed; gates
 * all that is not of LoRAs or validation, with steps (100), lr (5e-3) and clip (1). */
typedef struct qv_prepare_opts {
    const char *router;  // the router that shall find what it needs (required)
    size_t limit;        // training examples a task (100; for gates all)
    size_t layers;       // of the base that make a text's features (all but the last)
    qv_train_opts train; // and where progress goes
} qv_prepare_opts;

/* Make what the router needs of the experts in the library at `library`, from the task
 * files (or directories of them) paths[0..n) that they were trained on. *n_made artifacts
 * are new; those that were made of the same expert, model, data and settings stay. Fails
 * with QV_ENOTFOUND if a task's file is not there, QV_EUNSUPPORTED if the router needs
 * nothing, QV_ECANCEL, and as reading and training do. */
qv_status qv_prepare(size_t *n_made, const qv_model *model, const char *library,
                     const char *const *paths, size_t n, const qv_prepare_opts *opts,
                     qv_err *err) QV_MUST_CHECK;

/* Train one expert on task files as `quiver train` does, and write it to the
 * directory `out` as a PEFT adapter. A checkpoint stands beside it, in
 * out.checkpoint, until it is done. `init` (or NULL) is an adapter to start
 * from. */
qv_status qv_train(const qv_model *model, const char *const *paths, size_t n,
                   const char *out, const char *init, const qv_train_opts *opts,
                   qv_err *err) QV_MUST_CHECK;

/* Train all weights of a trainable model (qv_model_opts.trainable), on the
 * targets of task files or, with a `window`, on every token of plain text, and
 * write it to the directory `out`, with the tokenizer of `model_dir`. */
typedef struct qv_full_opts {
    const char *model_dir; // what to start from (required)
    bool random;           // its config.json and tokenizer alone; weights anew
    size_t window;         // tokens; 0: task files
    bool keep_f32;         // write F32 (default: BF16)
    qv_train_opts train;
} qv_full_opts;
qv_status qv_train_full(const char *const *paths, size_t n, const char *out,
                        const qv_full_opts *opts, qv_err *err) QV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
