/* live.h - the library while it changes: what is added, replaced or removed, by requests or
 * by hands in its directory, becomes the roster's next generation.
 *
 * A thread looks at the directory every second, and sooner where the system tells of
 * changes. An expert whose files have changed is read; one that cannot be is tried again
 * when its files have been still for a second, and then refused, with one line to the log,
 * until they change again. A refused version leaves the one that was read before in place.
 * A PEFT adapter without expert.json is taken into the library as `quiver library add`
 * would, once it is still.
 *
 * With a budget of memory, experts' factors lie in files without names (base/spill.h), and
 * the same thread lets go of those that were least recently used while more than that are
 * in memory. Prototypes stay.
 *
 * Every function may be called from any thread.
 */
#ifndef QV_SERVER_LIVE_H
#define QV_SERVER_LIVE_H

#include "server/roster.h"

struct qv_live;

struct qv_live_opts {
    const char *model_path; // where its numbers can be read
    size_t memory;          // bytes of experts' factors in memory; 0: all
    void (*log)(void *arg, const char *sentence); // of any thread; may be NULL
    void *arg;
};

/* What has happened so far. */
struct qv_live_counts {
    size_t n_adds, n_replaces, n_removes, n_refusals;
    size_t n_rests;  // times that an expert's factors were let go of
    size_t resident; // bytes of factors in memory; of all where there is no budget
};

/* Read what is there, of which the roster's first generation with experts is made, after
 * clearing what writers that died have left. All but `opts` is borrowed. The caller owns
 * *out. Fails with QV_EFORMAT if the library is over another model, and as reading a
 * directory does; an expert that cannot be read is refused and fails nothing. */
qv_status qv__live_open(struct qv_live **out, struct qv_roster *roster, qv_library *lib,
                        const qv_model *model, const struct qv_live_opts *opts,
                        qv_err *err) QV_MUST_CHECK;
void qv__live_close(struct qv_live *l); // NULL is allowed

/* Where an adapter may be checked and added from: either a PEFT adapter's directory, or a
 * GGUF file; `meta` is what else is known of it. */
struct qv_arrival {
    const char *dir, *gguf;
    qv_expert_meta meta;
    const char *hash; // that its weights should have, or NULL
};

/* Add or replace expert `name`. When it returns it is on disk, and in a generation whose
 * number is *generation. *is_new: nobody had the name. Fails as reading an adapter does and
 * as qv_library_add does; the library is then as it was. */
qv_status qv__live_add(struct qv_live *l, const char *name, const struct qv_arrival *from,
                       bool *is_new, size_t *generation, qv_err *err) QV_MUST_CHECK;

/* Likewise. Fails with QV_ENOTFOUND. */
qv_status qv__live_remove(struct qv_live *l, const char *name, size_t *generation,
                          qv_err *err) QV_MUST_CHECK;

struct qv_live_counts qv__live_counts(struct qv_live *l);

/* Add to the refusals: a request that was not let through. */
void qv__live_count_refusal(struct qv_live *l);

#endif
