/* choice.h - one of the texts that a request asked for: its job, its text, and what is told
 * of its tokens. */
#ifndef QV_SERVER_CHOICE_H
#define QV_SERVER_CHOICE_H

#include "base/json.h"
#include "server/job.h"
#include "server/text.h"

struct qv_choice_text {
    struct qv_job *job; // owned: canceled and released at the end
    struct qv_text text;
    struct qv_text reading; // the prompt's tokens, for echo
    bool is_chat;           // how log-probabilities are told
    char *echo;             // the prompt text, which comes first; owned, or NULL
    bool tells_prompt;      // what is asked of its tokens, too
    size_t n_taken;         // tokens
    size_t offset;          // characters before the next token
    json_t *logprobs;       // of tokens taken and not told yet; NULL: none are wanted
    json_t *routed;         // likewise their routing; NULL: it is not wanted
    bool tells_routing;     // of whom its numbers speak was told
    enum qv_finish finish;
    bool is_told; // its end
};

/* Takes the share of `job`. `stop` is borrowed. With `echo` the prompt's text comes first:
 * it is copied; NULL is none. */
void qv__choice_init(struct qv_choice_text *c, struct qv_job *job, const qv_tokenizer *tok,
                     bool is_chat, const char *const *stop, size_t n_stops,
                     const char *echo);
void qv__choice_end(struct qv_choice_text *c);

/* Take what the job has said by now, after waiting for it up to `seconds`. Sets c->finish
 * when all is taken; a stop cancels the job. Returns whether there was anything new. */
bool qv__choice_take(struct qv_choice_text *c, double seconds);

/* The text that is sure and was not told yet, as JSON, or NULL if there is none. The caller
 * ends it. */
json_t *qv__choice_news(struct qv_choice_text *c);

/* What was not told yet of the log-probabilities, as the API has it; null if none are
 * wanted. The caller ends it. */
json_t *qv__choice_logprobs(struct qv_choice_text *c);

/* The routing of tokens taken and not told yet, a list. The caller ends it. */
json_t *qv__choice_routed(struct qv_choice_text *c);

/* "stop", "length" or null. */
json_t *qv__choice_reason(const struct qv_choice_text *c);

#endif
