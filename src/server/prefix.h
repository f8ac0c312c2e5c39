/* prefix.h - keys and values that prompts have left, for prompts that begin alike.
 *
 * They are kept chunk by chunk, as prompts are read: what a chunk's keys and values are
 * depends on who answers and on the tokens up to its end, and on nothing else (mix.h), so
 * that a copy of them is, to the last bit, what would be computed. A chunk is known by the
 * SHA-256 of those.
 *
 * When there is no more room, the chunk goes that was used least lately. A chunk is never
 * used without those before it, and never goes before those behind it.
 *
 * One thread uses it.
 */
#ifndef QV_SERVER_PREFIX_H
#define QV_SERVER_PREFIX_H

#include "base/hash.h"
#include "model/decoder.h"

struct qv_prefix;

/* Tokens so far, and who answers. */
struct qv_chain {
    char hash[QV_HASH_TEXT];
};

/* No tokens yet. With `read` [n_read]: who answers has read them before, and their keys and
 * values depend on that. */
void qv__chain_begin(struct qv_chain *c, const char *who, const int *read, size_t n_read);
void qv__chain_add(struct qv_chain *c, const int *token, size_t n);

/* Room for as many chunks as fit in so many bytes. The caller owns *out. Fails with
 * QV_ENOMEM. */
qv_status qv__prefix_new(struct qv_prefix **out, const qv_model *m, size_t chunk,
                         size_t bytes, qv_err *err) QV_MUST_CHECK;
void qv__prefix_free(struct qv_prefix *p); // NULL is allowed

/* Fill an empty cache with the first chunks of token [most, chunk] that are there, one
 * after another; *c goes on behind them. Returns how many. */
size_t qv__prefix_fetch(struct qv_prefix *p, struct qv_chain *c, const int *token,
                        size_t most, struct qv_cache *cache);

/* Keep the chunk at `past` of a cache, of those tokens, which come after *c; *c goes on
 * behind them. */
void qv__prefix_keep(struct qv_prefix *p, struct qv_chain *c, const int *token,
                     const struct qv_cache *cache, size_t past);

size_t qv__prefix_bytes(const struct qv_prefix *p); // in use; of NULL, 0

#endif
