/* answer.c - /v1/completions and /v1/chat/completions: a request becomes jobs, and what
 * they say becomes one reply, or a stream of events.
 */
#include "server/choice.h"
#include "server/routed.h"
#include "server/server.h"

#include "base/rng.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_TOKENS = 16 }; // of a completion that does not say how many, as OpenAI has it

static const double glance = 0.01, nap = 0.1; // seconds to wait for a token

/* One request. */
struct answer {
    struct qv_server *s;
    struct qv_call *call;
    bool is_chat;
    json_t *root; // owned; `ask` borrows from it
    struct qv_ask ask;
    struct qv_who *who; // owned
    struct qv_prompt *prompt;
    size_t n_prompts;
    struct qv_choice_text *choice; // [n_choices]: n for each prompt
    size_t n_choices, n_ready;     // made so far
    char id[48], model[256];
    int64_t created;
    enum { BEGINS, SPEAKS, COUNTS, ENDS, IS_OVER } state; // of a stream
    size_t next;                                          // choice to look at
};

static void end_answer(void *arg)
{
    struct answer *a = arg;
    for (size_t i = 0; i < a->n_ready; i++) {
        atomic_fetch_add(&a->s->said_tokens, a->choice[i].n_taken);
        qv__choice_end(&a->choice[i]);
    }
    free(a->choice);
    qv__prompts_free(a->prompt, a->n_prompts);
    qv__who_let_go(a->who);
    json_decref(a->root);
    free(a);
}

/* ---- from the request to jobs ---- */

static struct qv_job_opts opts_of(const struct answer *a, const struct qv_prompt *p,
                                  size_t i, uint64_t seed)
{
    const struct qv_ask *k = &a->ask;
    const qv_tokenizer *tok = a->s->tok;
    size_t n_ctx = qv__engine_context(a->s->engine);
    size_t left = p->n < n_ctx ? n_ctx - p->n : 1;
    bool wants = a->is_chat ? k->wants_logprobs : k->logprobs != SIZE_MAX;
    struct qv_job_opts o = {
        .prompt = p->ids,
        .n_prompt = p->n,
        .max_new = k->max_tokens != SIZE_MAX ? k->max_tokens
                   : a->is_chat              ? left
                                             : qv__min(TEXT_TOKENS, left),
        .sample = {.temperature = k->temperature,
                   .top_k = k->top_k,
                   .top_p = k->top_p,
                   .seed = i ? qv__seed_of(seed, i) : seed},
        .end = {qv_tokenizer_eos(tok), a->is_chat ? qv__chat_stop(a->s->chat, tok) : -1},
        .n_top = !wants       ? 0
                 : a->is_chat ? k->top_logprobs
                              : k->logprobs,
        .wants_logprobs = wants,
        .wants_prompt = wants && k->echo,
        .wants_routing = k->routing,
        .routes_prompt = k->routing && k->echo,
        .reuse = qv__who_reuse(a->who),
        .who_id = qv__who_id(a->who),
        .who = a->who,
        .keep = qv__who_keep,
        .let_go = qv__who_let_go,
    };
    if (k->ignore_eos)
        o.end[0] = o.end[1] = -1;
    o.n_top = qv__min(o.n_top, qv_model_vocabulary(a->s->m));
    return o;
}

/* A reply is made in memory: its routing has an end. */
static qv_status check_routing(const struct answer *a, qv_err *err)
{
    enum { PAIRS = 1 << 22 };
    size_t n = 0;
    for (size_t i = 0; a->ask.routing && i < a->n_prompts; i++) {
        struct qv_job_opts o = opts_of(a, &a->prompt[i], 0, 0);
        size_t tokens = (o.routes_prompt ? o.n_prompt : 0) + o.max_new;
        n += qv__min(qv__trace_size(o.reuse, tokens), PAIRS + 1) * a->ask.n;
    }
    return n <= PAIRS ? QV_OK
                      : qv_fail(err, QV_EFORMAT,
                                "'routing' of so many tokens may have more than %d "
                                "pairs: ask for fewer 'max_tokens'",
                                PAIRS);
}

static qv_status add_choice(struct answer *a, const struct qv_prompt *p, size_t i,
                            uint64_t seed, qv_err *err)
{
    struct qv_job *job;
    char *text = NULL;
    size_t size;
    struct qv_job_opts o = opts_of(a, p, i, seed);
    qv_status result =
        qv__engine_could(a->s->engine, a->n_choices, o.n_prompt, o.max_new, err);
    if (!result && a->ask.echo && !p->text)
        result = qv_tokenizer_decode(a->s->tok, p->ids, p->n, true, &text, &size, err);
    if (!result)
        result = qv__job_new(&job, &o, err);
    if (!result)
        qv__choice_init(&a->choice[a->n_ready++], job, a->s->tok, a->is_chat, a->ask.stop,
                        a->ask.n_stops,
                        !a->ask.echo ? NULL
                        : p->text    ? p->text
                                     : text);
    free(text);
    return result;
}

static qv_status submit(struct answer *a, qv_err *err)
{
    size_t number = atomic_fetch_add(&a->s->n_requests, 1);
    uint64_t seed =
        a->ask.seed != SIZE_MAX ? (uint64_t)a->ask.seed : qv__seed_of(a->s->o.seed, number);
    size_t n = a->n_prompts * a->ask.n;
    qv_status result = qv__engine_could(a->s->engine, n, 0, 0, err);
    if (result)
        return result;
    a->choice = calloc(n, sizeof *a->choice);
    struct qv_job **job = calloc(n, sizeof(struct qv_job *));
    if (!a->choice || !job)
        result = qv_fail(err, QV_ENOMEM, "no memory for %zu answers", n);
    a->n_choices = n;
    for (size_t i = 0; i < n && !result; i++)
        result = add_choice(a, &a->prompt[i / a->ask.n], i % a->ask.n, seed, err);
    for (size_t i = 0; i < n && !result; i++)
        job[i] = a->choice[i].job;
    if (!result)
        result = qv__engine_submit(a->s->engine, job, n, err);
    for (size_t i = 0; i < a->n_prompts && !result; i++)
        atomic_fetch_add(&a->s->prompt_tokens, a->prompt[i].n);
    free(job);
    return result;
}

static qv_status read_ask(struct answer *a, const char **param, qv_err *err)
{
    struct qv_choice who;
    qv_status result = qv__ask_read(&a->ask, a->root,
                                    a->is_chat ? QV_ASKS_CHAT : QV_ASKS_TEXT, param, err);
    if (!result)
        result = qv__ask_choice(&who, &a->ask, &a->s->o.otherwise, param, err);
    if (!result)
        result = qv__roster_bind(&a->who, a->s->roster, &who, param, err);
    if (result)
        return result;
    *param = a->is_chat ? "messages" : "prompt";
    result = a->is_chat ? qv__prompts_of_chat(&a->prompt, &a->n_prompts, a->s,
                                              a->ask.messages, err)
                        : qv__prompts_read(&a->prompt, &a->n_prompts, a->s, a->ask.prompt,
                                           *param, false, err);
    if (result)
        return result;
    result = check_routing(a, err);
    if (result)
        *param = "routing";
    return result ? result : submit(a, err);
}

/* ---- the reply ---- */

static json_t *usage_of(const struct answer *a)
{
    size_t read = 0, said = 0, recalled = 0;
    for (size_t i = 0; i < a->n_prompts; i++) {
        read += a->prompt[i].n;
        recalled += qv__job_recalled(a->choice[i * a->ask.n].job);
    }
    for (size_t i = 0; i < a->n_choices; i++)
        said += a->choice[i].n_taken;
    return json_pack("{s:I, s:I, s:I, s:{s:I}}", "prompt_tokens", (json_int_t)read,
                     "completion_tokens", (json_int_t)said, "total_tokens",
                     (json_int_t)(read + said), "prompt_tokens_details", "cached_tokens",
                     (json_int_t)recalled);
}

/* Takes choices. */
static json_t *envelope(const struct answer *a, json_t *choices)
{
    const char *object = !a->is_chat     ? "text_completion"
                         : a->ask.stream ? "chat.completion.chunk"
                                         : "chat.completion";
    return json_pack("{s:s, s:s, s:I, s:s, s:o}", "id", a->id, "object", object, "created",
                     (json_int_t)a->created, "model", a->model, "choices", choices);
}

/* What was not told yet of the routing; of whom it speaks, the first time. */
static json_t *routing_json(const struct answer *a, struct qv_choice_text *c)
{
    json_t *o = c->tells_routing ? json_object()
                                 : qv__routed_about(a->s->m, a->who, qv__job_trace(c->job));
    c->tells_routing = true;
    json_object_set_new(o, "tokens", qv__choice_routed(c));
    return o;
}

/* One choice with the text since it was last told of. Takes text. */
static json_t *choice_json(const struct answer *a, size_t i, json_t *text)
{
    struct qv_choice_text *c = &a->choice[i];
    json_t *o = json_pack("{s:I, s:o, s:o}", "index", (json_int_t)i, "logprobs",
                          qv__choice_logprobs(c), "finish_reason", qv__choice_reason(c));
    if (a->ask.routing)
        json_object_set_new(o, "routing", routing_json(a, c));
    if (!a->is_chat)
        json_object_set_new(o, "text", text ? text : json_string(""));
    else if (!a->ask.stream)
        json_object_set_new(o, "message",
                            json_pack("{s:s, s:o}", "role", "assistant", "content",
                                      text ? text : json_string("")));
    else
        json_object_set_new(o, "delta",
                            text ? json_pack("{s:o}", "content", text) : json_object());
    return o;
}

static const qv_err *failure_of(const struct answer *a)
{
    for (size_t i = 0; i < a->n_choices; i++)
        if (a->choice[i].finish == QV_FINISH_FAILED)
            return qv__job_error(a->choice[i].job);
    return NULL;
}

static void reply_whole(struct answer *a)
{
    for (size_t i = 0; i < a->n_choices; i++)
        while (!a->choice[i].finish) {
            if (qv__call_is_gone(a->call)) {
                qv__reply_gone(a->s, a->call);
                return;
            }
            qv__choice_take(&a->choice[i], nap);
        }
    const qv_err *failure = failure_of(a);
    if (failure) {
        qv__reply_error(a->s, a->call, failure, NULL);
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < a->n_choices; i++) {
        json_t *text = qv__choice_news(&a->choice[i]);
        json_array_append_new(list, choice_json(a, i, text));
    }
    json_t *o = envelope(a, list);
    json_object_set_new(o, "usage", usage_of(a));
    qv__reply_json(a->s, a->call, 200, o);
}

/* ---- the same as a stream of events ---- */

/* Takes value. */
static void event(struct qv__str *out, json_t *value)
{
    char *line = qv__json_line(value);
    qv__str_add(out, "data: ", 6);
    qv__str_add(out, line, strlen(line));
    qv__str_add(out, "\n\n", 2);
    free(line);
    json_decref(value);
}

/* Chats begin by saying whose turn it is. */
static void say_role(const struct answer *a, struct qv__str *out)
{
    for (size_t i = 0; a->is_chat && i < a->n_choices; i++)
        event(out, envelope(a, json_pack("[{s:I, s:{s:s, s:s}, s:n, s:n}]", "index",
                                         (json_int_t)i, "delta", "role", "assistant",
                                         "content", "", "logprobs", "finish_reason")));
}

/* What choice i has to tell, if anything. */
static void tell(const struct answer *a, size_t i, struct qv__str *out)
{
    struct qv_choice_text *c = &a->choice[i];
    json_t *text = qv__choice_news(c);
    if (!text && !c->finish)
        return;
    c->is_told = c->finish != QV_GOES_ON;
    event(out, envelope(a, json_pack("[o]", choice_json(a, i, text))));
}

static size_t n_open(const struct answer *a)
{
    size_t n = 0;
    for (size_t i = 0; i < a->n_choices; i++)
        n += !a->choice[i].is_told;
    return n;
}

/* Wait for any choice to have something to tell. */
static void listen_to_all(struct answer *a, struct qv__str *out)
{
    const double patience = n_open(a) == 1 ? nap : glance;
    for (size_t k = 0; k < a->n_choices && out->size == 0; k++) {
        size_t i = a->next++ % a->n_choices;
        if (a->choice[i].is_told)
            continue;
        if (qv__choice_take(&a->choice[i], patience))
            tell(a, i, out);
    }
}

/* The last event of a stream that does not come to its end. */
static void break_off(struct answer *a, const qv_err *err, struct qv__str *out)
{
    event(out, qv__error_json(err, NULL));
    a->state = IS_OVER;
}

static bool more(void *arg, struct qv__str *out)
{
    struct answer *a = arg;
    if (a->state == BEGINS) {
        say_role(a, out);
        a->state = SPEAKS;
    }
    while (a->state == SPEAKS && out->size == 0) {
        const qv_err *failure = failure_of(a);
        qv_err gone;
        if (failure)
            break_off(a, failure, out);
        else if (n_open(a) == 0)
            a->state = COUNTS;
        else
            listen_to_all(a, out);
        if (a->state == SPEAKS && out->size == 0 && qv__call_is_gone(a->call)) {
            qv__fail_gone(&gone);
            break_off(a, &gone, out);
        }
    }
    if (a->state == COUNTS && a->ask.include_usage) {
        json_t *o = envelope(a, json_array());
        json_object_set_new(o, "usage", usage_of(a));
        event(out, o);
    }
    if (a->state == COUNTS) {
        qv__str_add(out, "data: [DONE]\n\n", 14);
        a->state = IS_OVER;
    }
    return out->size > 0;
}

static void answer(struct qv_server *s, struct qv_call *c, bool is_chat)
{
    const char *param = NULL;
    qv_err err;
    struct answer *a = calloc(1, sizeof *a);
    qv_check(a);
    *a = (struct answer){
        .s = s, .call = c, .is_chat = is_chat, .created = qv__wall_seconds()};
    if (!qv__read_body(s, c, &a->root)) {
        end_answer(a);
        return;
    }
    if (read_ask(a, &param, &err)) {
        qv__reply_error(s, c, &err, param);
        end_answer(a);
        return;
    }
    qv__tell_generation(c, a->who);
    snprintf(a->id, sizeof a->id, "%s-%" PRId64 "-%zu", is_chat ? "chatcmpl" : "cmpl",
             s->created, atomic_load(&s->n_requests));
    snprintf(a->model, sizeof a->model, "%s", a->ask.model ? a->ask.model : "quiver");
    if (a->ask.stream) {
        qv__count_reply(s, 200);
        qv__call_stream(c, "text/event-stream", more, end_answer, a);
    } else {
        reply_whole(a);
        end_answer(a);
    }
}

void qv__answer_completion(struct qv_server *s, struct qv_call *c)
{
    answer(s, c, false);
}

void qv__answer_chat(struct qv_server *s, struct qv_call *c)
{
    answer(s, c, true);
}
