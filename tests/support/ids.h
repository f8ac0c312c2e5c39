/* ids.h - what a tokenizer makes of a text, written out. */
#ifndef QV_TESTS_IDS_H
#define QV_TESTS_IDS_H

#include <quiver/tokenizer.h>

/* Fail unless the ids of `text` are those of `want`, "1 2 3". */
void assert_ids(const qv_tokenizer *tok, const char *text, bool parse_special,
                const char *want);

#endif
