/* ask.h - what a request's JSON asks for, read and checked once.
 *
 * The names and ranges are those of OpenAI's API; what it has and this server has not is
 * refused by name, unless its value changes nothing. So is a name that nobody knows: an
 * option that is misspelled and ignored costs more than an error.
 */
#ifndef QV_SERVER_ASK_H
#define QV_SERVER_ASK_H

#include "base/json.h"
#include "server/roster.h"

/* Where a name may stand. */
enum qv_asks {
    QV_ASKS_TEXT = 1, // /v1/completions
    QV_ASKS_CHAT = 2, // /v1/chat/completions
    QV_ASKS_EMBEDDINGS = 4,
    QV_ASKS_TOKENS = 8, // /tokenize
};

enum { QV_STOPS = 16 };

/* Strings and values borrow from the request's JSON; NULL where they are not there. */
struct qv_ask {
    const json_t *prompt, *messages, *input, *stop_value;
    const json_t *experts, *excluded, *weights;
    const char *model, *router, *compose, *encoding;
    size_t max_tokens; // SIZE_MAX: not said
    float temperature, top_p;
    size_t top_k, n, best_of;
    size_t seed;         // SIZE_MAX: not said
    size_t logprobs;     // of completions: how many likeliest; SIZE_MAX: none
    bool wants_logprobs; // of chats
    size_t top_logprobs;
    bool echo, stream, include_usage, add_special, ignore_eos, routing;
    const char *stop[QV_STOPS];
    size_t n_stops;
    size_t router_top_k; // 0: not said
    float router_temperature;
};

/* Read the object `o` as one of those requests. On failure *param is the name that is wrong
 * (borrowed), or NULL. Fails with QV_EFORMAT or QV_EUNSUPPORTED. */
qv_status qv__ask_read(struct qv_ask *a, const json_t *o, enum qv_asks what,
                       const char **param, qv_err *err) QV_MUST_CHECK;

/* The i-th name that may stand in some request, those in *where; NULL after the last. */
const char *qv__ask_name(size_t i, unsigned *where);

/* Who is to answer: by `model`, where `router` and its options may override what that says;
 * or `otherwise`, if nothing is said. Fails as above. */
qv_status qv__ask_choice(struct qv_choice *out, const struct qv_ask *a,
                         const struct qv_choice *otherwise, const char **param,
                         qv_err *err) QV_MUST_CHECK;

#endif
