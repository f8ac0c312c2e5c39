/* answer.c - see answer.h. */
#include "clients/answer.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/rng.h"

#include <stdio.h>
#include <string.h>

/* ---- requests ---- */

static const char *const word[] = {
    "the",   "cat",  "house", "river",  "seven",  "because",   "and",    "opposite",
    "of",    "hot",  "is",    "red",    "letter", "translate", "a",      "quick",
    "story", "who",  "in",    "spring", "French", "sum",       "ninety", "from",
    "to",    "bird", "never", "write",  "answer", "three",     "again",  "window",
};

void write_prompt(char *text, size_t size, size_t i, size_t n_words)
{
    size_t at = 0;
    for (size_t k = 0; k < n_words && at < size; k++)
        at += (size_t)snprintf(text + at, size - at, "%s%s", k ? " " : "",
                               word[qv__seed_of(i, k) % QV_COUNT(word)]);
    qv_check(at < size);
}

/* `who` is the rest of the body, with its comma. */
static void write_ask(struct ask *a, size_t i, size_t n_words, size_t n_tokens,
                      const char *who)
{
    char prompt[800];
    write_prompt(prompt, sizeof prompt, i, n_words);
    int n = snprintf(a->body, sizeof a->body,
                     "{\"prompt\":\"%s\",\"max_tokens\":%zu,\"temperature\":0,"
                     "\"ignore_eos\":true,\"stream\":true,"
                     "\"stream_options\":{\"include_usage\":true}%s}",
                     prompt, n_tokens, who);
    qv_check(n > 0 && (size_t)n < sizeof a->body);
    a->n_tokens = n_tokens;
}

void ask_plain(struct ask *a, size_t i, size_t n_words, bool routed, size_t n_tokens)
{
    write_ask(a, i, n_words, n_tokens, routed ? ",\"model\":\"quiver/arrow\"" : "");
    a->follows = routed;
}

/* Ways to say who answers; @ is the number of an expert. */
static const struct {
    const char *rest;
    bool follows;
} kind[ASK_KINDS] = {
    {"", false}, // the base: BASE_ASK
    {",\"model\":\"quiver/expert/e@\"", false},
    {",\"model\":\"quiver/arrow\"", true},
    {",\"router\":\"arrow\",\"experts\":[\"e*\"]", false},
    {",\"model\":\"quiver/expert/e@\",\"logprobs\":3", false},
    {",\"weights\":{\"e@\":0.7,\"e@\":-0.4}", false},
    {",\"model\":\"quiver/arrow\",\"router_top_k\":1,\"logprobs\":0", true},
    {",\"model\":\"quiver/arrow_vote\"", true},
    {",\"model\":\"quiver/uniform\"", true},
    {",\"router\":\"arrow\",\"experts\":[\"*0\",\"*1\",\"e@\"]", true},
    {",\"router\":\"arrow\",\"compose\":\"output\",\"logprobs\":1", true},
    {",\"router\":\"spectr\",\"experts\":[\"e@\",\"e@\"]", false},
};

void ask_of_load(struct ask *a, size_t i, size_t n_experts, size_t n_tokens)
{
    char who[256];
    size_t n = 0, expert = i * 37;
    for (const char *at = kind[i % ASK_KINDS].rest; *at; at++)
        if (*at == '@') {
            n += (size_t)snprintf(who + n, sizeof who - n, "%03zu", expert % n_experts);
            expert += 11;
        } else {
            who[n++] = *at;
        }
    qv_check(n < sizeof who);
    who[n] = '\0';
    write_ask(a, i, 6 + i * 5 / 3 % 60, n_tokens / 2 + i * 13 % (n_tokens / 2 + 1), who);
    a->follows = kind[i % ASK_KINDS].follows;
}

/* ---- answers ---- */

/* What one event says: text, then numbers, as in the reply, to the last digit. */
static qv_status take_event(struct answer *a, struct qv__str *text, struct qv__str *numbers,
                            const char *bytes, size_t size, qv_err *err)
{
    json_t *v;
    if (size == 6 && memcmp(bytes, "[DONE]", 6) == 0)
        return QV_OK;
    qv_status result = qv__json_parse(&v, bytes, size, err);
    if (result)
        return result;
    if (json_object_get(v, "error"))
        result = qv_fail(err, QV_EIO, "an event says: %.120s", bytes);
    const json_t *one = json_array_get(json_object_get(v, "choices"), 0);
    const json_t *said = json_object_get(one, "text");
    const json_t *usage = json_object_get(v, "usage");
    json_t *told = json_object_get(json_object_get(one, "logprobs"), "token_logprobs");
    if (said)
        qv__str_add(text, json_string_value(said), json_string_length(said));
    for (size_t i = 0; i < json_array_size(told); i++) {
        char number[40];
        int n = snprintf(number, sizeof number, "%.17g,",
                         json_number_value(json_array_get(told, i)));
        qv__str_add(numbers, number, (size_t)n);
    }
    if (json_is_object(usage))
        a->n_tokens =
            (size_t)json_integer_value(json_object_get(usage, "completion_tokens"));
    json_decref(v);
    return result;
}

/* The events of in[*at ..] that are whole. */
static qv_status take_events(struct answer *a, struct qv__str *text,
                             struct qv__str *numbers, const struct qv__str *in, size_t *at,
                             qv_err *err)
{
    static const char data[] = "data: ";
    const size_t n_data = strlen(data);
    qv_status result = QV_OK;
    for (;;) {
        const char *from = in->bytes + *at;
        const size_t left = in->size - *at;
        size_t n = 0;
        while (n + 1 < left && !(from[n] == '\n' && from[n + 1] == '\n'))
            n++;
        if (n + 1 >= left || result)
            return result;
        if (n > n_data && memcmp(from, data, n_data) == 0)
            result = take_event(a, text, numbers, from + n_data, n - n_data, err);
        *at += n + 2;
    }
}

static qv_status refusal(struct client *c, const struct head *h, qv_err *err)
{
    struct qv__str body = {0};
    qv_status result = client_body(c, h, &body, err);
    if (!result)
        result = qv_fail(err, QV_EIO, "status %d: %.*s", h->status,
                         (int)qv__min(body.size, 160), body.bytes);
    qv__str_free(&body);
    return result;
}

static qv_status read_stream(struct answer *a, struct client *c, bool vanishes, qv_err *err)
{
    struct qv__str in = {0}, text = {0}, numbers = {0};
    size_t at = 0;
    bool more = true;
    qv_status result = QV_OK;
    while (!result && more && !(vanishes && text.size)) {
        result = client_chunk(c, &in, &more, err);
        if (!result)
            result = take_events(a, &text, &numbers, &in, &at, err);
        if (a->first == 0 && at > 0)
            a->first = qv__seconds();
    }
    qv__str_add(&text, "", 1);
    qv__str_add(&text, numbers.bytes, numbers.size);
    qv_check(!text.failed && !numbers.failed && !in.failed);
    qv__hash_bytes(a->hash, text.bytes, text.size);
    qv__str_free(&in);
    qv__str_free(&text);
    qv__str_free(&numbers);
    return result;
}

qv_status ask_for(struct answer *a, struct client *c, const struct ask *ask, bool vanishes,
                  qv_err *err)
{
    struct head h;
    *a = (struct answer){.begun = qv__seconds()};
    qv_status result = client_send(c, "POST", "/v1/completions", "", "application/json",
                                   ask->body, strlen(ask->body), err);
    if (!result)
        result = client_head(c, &h, err);
    if (!result && h.status != 200)
        result = refusal(c, &h, err);
    if (!result)
        result = read_stream(a, c, vanishes, err);
    a->end = qv__seconds();
    if (!result && h.closes)
        client_close(c);
    a->generation = result ? -1 : h.generation;
    if (!result && !vanishes && a->n_tokens != ask->n_tokens)
        result = qv_fail(err, QV_EIO, "an answer of %zu tokens, should be %zu", a->n_tokens,
                         ask->n_tokens);
    return result;
}
