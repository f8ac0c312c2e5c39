/* keys.h - who may ask: secrets from a file, one a line. */
#ifndef QV_SERVER_KEYS_H
#define QV_SERVER_KEYS_H

#include "base/base.h"
#include "base/hash.h"

struct qv_keys {
    char (*hash)[QV_HASH_TEXT]; // [n] of each key; the keys themselves are not kept
    size_t n;
};

/* Blank lines and those that begin with '#' are left out. The caller ends *k. Fails as
 * reading does, and with QV_EFORMAT if there is no key, or one of fewer than 16
 * characters. */
qv_status qv__keys_read(struct qv_keys *k, const char *path, qv_err *err) QV_MUST_CHECK;
void qv__keys_end(struct qv_keys *k);

/* Whether the value of a header, "Bearer KEY", names one of them (NULL does not). How long
 * it takes says nothing of any key. */
bool qv__keys_admit(const struct qv_keys *k, const char *authorization);

#endif
