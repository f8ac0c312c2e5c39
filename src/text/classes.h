/* classes.h - which characters are space, and which are of words. */
#ifndef QV_TEXT_CLASSES_H
#define QV_TEXT_CLASSES_H

#include "base/base.h"

/* Unicode's White_Space. */
bool qv__is_space(uint32_t code);

/* \w as Rust's regular expressions have it. */
bool qv__is_word(uint32_t code);

#endif
