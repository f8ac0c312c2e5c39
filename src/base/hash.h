/* hash.h - the content hash that names what an artifact was computed from:
 * SHA-256 (nettle), written as 64 hexadecimal digits. */
#ifndef QV_BASE_HASH_H
#define QV_BASE_HASH_H

#include "base/base.h"

enum { QV_HASH_TEXT = 65 }; // 64 digits and the NUL

void qv__hash_bytes(char hex[QV_HASH_TEXT], const void *bytes, size_t n);

/* The hash of a file's bytes. Fails as qv__map does. */
qv_status qv__hash_file(char hex[QV_HASH_TEXT], const char *path,
                        qv_err *err) QV_MUST_CHECK;

#endif
