/* reuse.h - who answers: the base alone, one expert, or a library and a router.
 *
 * Reuse binds experts to a model once. It never changes afterwards and may be
 * shared by any number of sessions and threads.
 */
#ifndef QUIVER_REUSE_H
#define QUIVER_REUSE_H

#include <quiver/base.h>
#include <quiver/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qv_reuse qv_reuse;

/* How weighted experts become one update. */
typedef enum qv_composition {
    QV_COMPOSE_DEFAULT = 0, // as the router's authors do: output for phatgoose, else factor
    QV_COMPOSE_FACTOR,      // (sum w B)(sum w A), as in the paper
    QV_COMPOSE_OUTPUT,      // sum w B A, as PEFT does
} qv_composition;

/* How general experts are taken from the others. */
typedef enum qv_subtraction {
    QV_SUBTRACT_FACTOR = 0, // A - mean A and B - mean B, as GenKnowSub and PEFT do
    QV_SUBTRACT_EXACT,      // B A - mean B A
} qv_subtraction;

/* Either `adapter`, or `library` with `router` or `expert`; all NULL is the base
 * alone. */
typedef struct qv_reuse_opts {
    const char *adapter; // a PEFT adapter's directory, or a GGUF adapter; used alone, it
                         // may do more than an expert of a library (docs/adapters.md)
    const char *library; // a library's directory
    const char *router;  // uniform, oracle, arrow, ...
    const char *expert;  // the name of one expert of the library
    size_t top_k;        // experts a token may use (the router's own; mostly 4)
    size_t filter;       // experts that pass the router lag's filter (20)
    float temperature;   // of the router's softmax (1)
    qv_composition compose;
    const char *general; // experts, parted by commas, whose mean the others do without
    qv_subtraction subtract;
} qv_reuse_opts;

/* Bind what `opts` names to the model, which is borrowed. The caller owns *out.
 * Fails with QV_ENOTFOUND, QV_EIO, QV_EFORMAT (a mismatch is named),
 * QV_EUNSUPPORTED or QV_ENOMEM. */
qv_status qv_reuse_open(qv_reuse **out, const qv_model *model, const qv_reuse_opts *opts,
                        qv_err *err) QV_MUST_CHECK;
void qv_reuse_close(qv_reuse *r);

/* The experts bound, in the library's order. */
size_t qv_reuse_experts(const qv_reuse *r);
const char *qv_reuse_expert(const qv_reuse *r, size_t i);

#ifdef __cplusplus
}
#endif
#endif
