/* spell.h - a token as text, in replies. */
#ifndef QV_SERVER_SPELL_H
#define QV_SERVER_SPELL_H

#include "base/json.h"
#include "text/pieces.h"

/* Its bytes as a JSON string; a token that is a part of a character, or holds a NUL, as
 * OpenAI writes it, "bytes:\xe2", so that different tokens differ. */
json_t *qv__spelled(const struct qv__str *bytes);

#endif
