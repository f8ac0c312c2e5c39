/* answer.h - what is asked of the server, and what it says to it. */
#ifndef BENCH_CLIENTS_ANSWER_H
#define BENCH_CLIENTS_ANSWER_H

#include "base/hash.h"
#include "clients/client.h"

/* One request. */
struct ask {
    char body[1024];
    size_t n_tokens; // of the answer
    bool follows;    // who answers depends on the library as it is
};

/* The i-th of those that the load is made of: prompts, routers and experts differ. Every
 * ASK_KINDS-th, from the first on, is for the base alone. The library has the experts e000,
 * e001, ..., which stay, and others that come and go, x0 and x1. */
enum { ASK_KINDS = 12 };
void ask_of_load(struct ask *a, size_t i, size_t n_experts, size_t n_tokens);

/* One to the base alone, or to arrow over all; the i-th prompt of n_words words. */
void ask_plain(struct ask *a, size_t i, size_t n_words, bool routed, size_t n_tokens);

/* The i-th prompt of n_words words, without the quotes. */
void write_prompt(char *text, size_t size, size_t i, size_t n_words);

struct answer {
    char hash[QV_HASH_TEXT]; // of all it says: text and log-probabilities
    size_t n_tokens;
    long generation;
    double begun, first, end; // sent; its first event; its last
};

/* Ask, and read the stream to its end, or, with `vanishes`, to its first event. Fails with
 * QV_EIO if it is not answered as it should be. */
qv_status ask_for(struct answer *a, struct client *c, const struct ask *ask, bool vanishes,
                  qv_err *err);

#endif
