/* hash.h - the content hash that names what an artifact was computed from:
 * SHA-256 (nettle), written as 64 hexadecimal digits. */
#ifndef QV_BASE_HASH_H
#define QV_BASE_HASH_H

#include "base/base.h"

enum { QV_HASH_TEXT = 65 }; // 64 digits and the NUL

void qv__hash_bytes(char hex[QV_HASH_TEXT], const void *bytes, size_t n);

#endif
