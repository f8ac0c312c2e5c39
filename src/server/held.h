/* held.h - one expert of the library as the server holds it: read once, checked, and never
 * changed after. Any number of generations share it.
 */
#ifndef QV_SERVER_HELD_H
#define QV_SERVER_HELD_H

#include "lora/pack.h"
#include "model/reuse.h"

struct qv_held {
    qv_expert_info info; // its strings are in the arena
    struct qv_pack *pack;
    qv_reuse *alone; // that expert by itself
    qv_arena arena;
    atomic_uint owners;
    double used_at; // seconds; these two are for who keeps the budget of memory
    bool is_resident;
};

/* Whether an expert of which that is known belongs into the library and over the model:
 * as qv_library_check_base, and if it tells of a hash that is the model's. Fails with
 * QV_EFORMAT. */
qv_status qv__held_check_base(const qv_library *lib, const qv_model *m,
                              const qv_expert_meta *meta, qv_err *err) QV_MUST_CHECK;

/* Read expert `name`, one whole version of it: its weights must be those that its
 * expert.json tells the hash of, over that model, fit it, and be finite. Prototypes kept
 * beside it are taken, else computed. With `spill_dir` its factors lie in a file there.
 * The caller owns *out, one share. Fails as reading and binding do. */
qv_status qv__held_read(struct qv_held **out, const qv_library *lib, const qv_model *m,
                        const char *name, const char *spill_dir, qv_err *err) QV_MUST_CHECK;

struct qv_held *qv__held_share(struct qv_held *h); // returns it
void qv__held_release(struct qv_held *h);          // NULL is allowed

#endif
