/* match.h - exact match: two texts that say the same, but for how they are set.
 *
 * Normalised, a text is in lower case (ASCII), without ASCII punctuation, and has
 * one space where it had white space, none at its ends. Articles stay.
 */
#ifndef QV_EVAL_MATCH_H
#define QV_EVAL_MATCH_H

#include "base/arena.h"

char *qv__normalised(qv_arena *a, const char *text);

/* Whether the normalised prediction equals one of the normalised references. */
bool qv__exact_match(const char *prediction, const char *const *references, size_t n);

#endif
