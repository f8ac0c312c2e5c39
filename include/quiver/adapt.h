/* adapt.h - one expert for a new task, with the help of a library.
 *
 * What each method computes: docs/adapting.md.
 */
#ifndef QUIVER_ADAPT_H
#define QUIVER_ADAPT_H

#include <quiver/base.h>
#include <quiver/model.h>
#include <quiver/train.h>

#ifdef __cplusplus
extern "C" {
#endif

/* All-zero means default; an option that the method has no use for is refused. */
typedef struct qv_adapt_opts {
    const char *method;   // lora, shared, mu, poly ... (required)
    const char *library;  // required by all but lora
    const char *expert;   // what shared starts from ("shared", or the only one)
    const char *retrieve; // use the experts nearest by this alone: random, lora, svd, gauge
                          // or fisher (all experts; pi: fisher)
    size_t nearest;       // how many of them (5)
    size_t heads;         // of mhr (8)
    size_t evaluations;   // of lorahub (30)
    size_t judged;        // examples that it judges by, at most (half of them)
    double fraction;      // of the training examples, above 0 and up to 1 (1)
    qv_train_opts train;  // its seed is that of all that is random
} qv_adapt_opts;

/* Adapt to the task in the files (or directories of them) paths[0..n) and write the
 * expert to the directory `out`: a PEFT adapter, expert.json beside it as in a library,
 * and adaptation.json with what was chosen and learnt. It can be stopped or killed and
 * run again: what is needed to go on stands in out.checkpoint until it is done, and the
 * files end with the same bytes. Fails with QV_ENOTFOUND if there is no such method,
 * library or expert, QV_EFORMAT if options or experts do not go together, QV_ECANCEL
 * when progress asks to stop, and as reading, training and writing do. */
qv_status qv_adapt(const qv_model *model, const char *const *paths, size_t n,
                   const char *out, const qv_adapt_opts *opts, qv_err *err) QV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
