/* json.h - text as JSON, which has no bytes that are not UTF-8. */
#ifndef QV_TEXT_JSON_H
#define QV_TEXT_JSON_H

#include "base/json.h"

/* The text as a JSON string: bytes that are not UTF-8 become U+FFFD. */
json_t *qv__json_text(const char *bytes, size_t size);

#endif
