/* stub.h - a server that has the page and speaks its API, with answers that are made up.
 *
 * It says the same text to everybody, a word every few milliseconds; token t is routed to
 * the experts t, t + 1, ... of its library, in turn, and by quiver/uniform to all alike. So
 * a test knows what the page must show, sees it while it comes, and provokes what a real
 * server does only when something is wrong.
 */
#ifndef TESTS_SUPPORT_STUB_H
#define TESTS_SUPPORT_STUB_H

#include "base/json.h"

#define STUB_KEY "the-key-of-the-library" // without which nothing is added or removed

struct stub_opts {
    unsigned pause;      // milliseconds between words
    bool hides_routing;  // does not know the word, as servers before it
    bool hides_library;  // has no such path
    const char *key;     // without which nothing is told; NULL: needless
    const char *failure; // what completions are refused with, or NULL
};

/* Begin to listen; it serves until close_stub. The port. */
unsigned open_stub(const struct stub_opts *opts);
void close_stub(void); // also if it does not serve

/* From now on, others. */
void set_stub(const struct stub_opts *opts);

/* The last request for a text, or the last but `back`. The caller ends it. */
json_t *stub_was_asked(size_t back);

#endif
