/* choice.c - see choice.h. Completions tell log-probabilities in four lists side by side,
 * chats token by token; both from the same numbers. */
#include "server/choice.h"
#include "server/routed.h"
#include "server/spell.h"
#include "text/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t characters(const char *bytes, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < size; i++)
        n += ((unsigned char)bytes[i] & 0xc0) != 0x80;
    return n;
}

/* What has no probability at all is told as OpenAI tells it. */
static json_t *number(float logprob)
{
    return json_real(logprob > -9999 ? (double)logprob : -9999);
}

static json_t *bytes_of(const struct qv__str *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->size; i++)
        json_array_append_new(list, json_integer((unsigned char)s->bytes[i]));
    return list;
}

/* {"token", "logprob", "bytes"} of a token that might come next. */
static json_t *chat_token(const struct qv_text *t, struct qv_likely l)
{
    struct qv__str s = {0};
    qv__text_piece(t, l.id, true, &s);
    json_t *v =
        json_pack("{s:o, s:o, s:o}", "token", qv__json_text(s.size ? s.bytes : "", s.size),
                  "logprob", number(l.logprob), "bytes", bytes_of(&s));
    qv__str_free(&s);
    return v;
}

static void tell_chat(struct qv_choice_text *c, const struct qv_text *t, struct qv_likely l,
                      const struct qv_likely *top, size_t n_top)
{
    json_t *one = chat_token(t, l), *list = json_array();
    for (size_t i = 0; i < n_top; i++)
        json_array_append_new(list, chat_token(t, top[i]));
    json_object_set_new(one, "top_logprobs", list);
    json_array_append_new(json_object_get(c->logprobs, "content"), one);
}

/* `l` NULL: nothing came before it. */
static void tell_text(struct qv_choice_text *c, const struct qv_text *t, int id,
                      const struct qv_likely *l, const struct qv_likely *top, size_t n_top)
{
    struct qv__str s = {0};
    json_t *o = c->logprobs, *tops = l ? json_object() : json_null();
    qv__text_piece(t, id, true, &s);
    json_array_append_new(json_object_get(o, "tokens"), qv__spelled(&s));
    json_array_append_new(json_object_get(o, "token_logprobs"),
                          l ? number(l->logprob) : json_null());
    json_array_append_new(json_object_get(o, "text_offset"),
                          json_integer((json_int_t)c->offset));
    for (size_t i = 0; l && i < n_top; i++) {
        qv__text_piece(t, top[i].id, true, &s);
        json_t *key = qv__spelled(&s);
        if (!json_object_get(tops, json_string_value(key))) // the likelier one stays
            json_object_set_new(tops, json_string_value(key), number(top[i].logprob));
        json_decref(key);
    }
    json_array_append_new(json_object_get(o, "top_logprobs"), tops);
    qv__str_free(&s);
}

static json_t *empty_logprobs(bool is_chat)
{
    return is_chat ? json_pack("{s:[]}", "content")
                   : json_pack("{s:[], s:[], s:[], s:[]}", "tokens", "token_logprobs",
                               "top_logprobs", "text_offset");
}

void qv__choice_init(struct qv_choice_text *c, struct qv_job *job, const qv_tokenizer *tok,
                     bool is_chat, const char *const *stop, size_t n_stops,
                     const char *echo)
{
    const struct qv_job_opts *o = qv__job_opts(job);
    *c = (struct qv_choice_text){.job = job,
                                 .is_chat = is_chat,
                                 .tells_prompt = o->wants_prompt || o->routes_prompt};
    qv__text_init(&c->text, tok, o->prompt, o->n_prompt, stop, n_stops);
    qv__text_init(&c->reading, tok, NULL, 0, NULL, 0);
    if (echo) {
        c->echo = strdup(echo);
        qv_check(c->echo);
    }
    if (echo && !o->wants_prompt)
        c->offset = characters(echo, strlen(echo));
    if (o->wants_logprobs)
        c->logprobs = empty_logprobs(is_chat);
    if (o->wants_routing)
        c->routed = json_array();
}

void qv__choice_end(struct qv_choice_text *c)
{
    if (c->job)
        qv__job_cancel(c->job);
    qv__job_release(c->job);
    qv__text_end(&c->text);
    qv__text_end(&c->reading);
    free(c->echo);
    json_decref(c->logprobs);
    json_decref(c->routed);
}

/* Token i, counted from the prompt's first, which `t` is about to write. */
static void tell_routing(struct qv_choice_text *c, const struct qv_text *t, size_t i,
                         int id)
{
    struct qv__str s = {0};
    qv__text_piece(t, id, true, &s);
    json_array_append_new(c->routed, qv__routed_token(qv__job_trace(c->job), i, &s));
    qv__str_free(&s);
}

/* How likely the prompt's i-th token was. */
static void tell_likely(struct qv_choice_text *c, size_t i)
{
    const struct qv_job_opts *o = qv__job_opts(c->job);
    struct qv__str s = {0};
    struct qv_likely l = i ? qv__job_prompt(c->job, i) : (struct qv_likely){0};
    tell_text(c, &c->reading, o->prompt[i], i ? &l : NULL,
              i ? qv__job_prompt_top(c->job, i) : NULL, o->n_top);
    qv__text_piece(&c->reading, o->prompt[i], false, &s);
    c->offset += characters(s.bytes, s.size);
    qv__str_free(&s);
}

/* Once the prompt is read: what is asked of its tokens. */
static void take_prompt(struct qv_choice_text *c)
{
    const struct qv_job_opts *o = qv__job_opts(c->job);
    for (size_t i = 0; i < o->n_prompt; i++) {
        if (o->wants_prompt)
            tell_likely(c, i);
        if (o->routes_prompt)
            tell_routing(c, &c->reading, i, o->prompt[i]);
        qv__text_add(&c->reading, o->prompt[i]);
    }
    c->tells_prompt = false;
}

static void take_token(struct qv_choice_text *c, size_t i)
{
    struct qv_likely l = qv__job_said(c->job, i);
    const struct qv_job_opts *o = qv__job_opts(c->job);
    if (c->logprobs && c->is_chat)
        tell_chat(c, &c->text, l, qv__job_top(c->job, i), o->n_top);
    else if (c->logprobs)
        tell_text(c, &c->text, l.id, &l, qv__job_top(c->job, i), o->n_top);
    if (c->routed)
        tell_routing(c, &c->text, o->n_prompt + i, l.id);
    size_t before = c->text.made.size;
    qv__text_add(&c->text, l.id);
    if (c->text.made.size > before)
        c->offset += characters(c->text.made.bytes + before, c->text.made.size - before);
    c->n_taken++;
}

/* The token that ended the text is not in it, but among a completion's log-probabilities:
 * who asked for an answer after an echo finds one token there, whichever it is. */
static void take_ending(struct qv_choice_text *c)
{
    size_t i = c->n_taken;
    if (!c->logprobs || c->is_chat || !qv__job_has_ending(c->job))
        return;
    struct qv_likely l = qv__job_said(c->job, i);
    tell_text(c, &c->text, l.id, &l, qv__job_top(c->job, i), qv__job_opts(c->job)->n_top);
}

bool qv__choice_take(struct qv_choice_text *c, double seconds)
{
    enum qv_finish finish;
    if (c->finish)
        return false;
    size_t n = qv__job_wait(c->job, c->n_taken, seconds, &finish), before = c->n_taken;
    if (c->tells_prompt && (n > 0 || (finish && finish != QV_FINISH_FAILED)))
        take_prompt(c);
    while (c->n_taken < n && !c->text.has_stopped)
        take_token(c, c->n_taken);
    if (c->text.has_stopped) {
        qv__job_cancel(c->job);
        c->finish = QV_FINISH_STOP;
    } else if (c->n_taken == n) {
        c->finish = finish;
        if (finish == QV_FINISH_STOP)
            take_ending(c);
    }
    return c->finish || c->n_taken > before;
}

json_t *qv__choice_news(struct qv_choice_text *c)
{
    const char *bytes;
    size_t n = qv__text_take(&c->text, &bytes, c->finish != QV_GOES_ON);
    if (!c->echo)
        return n ? qv__json_text(bytes, n) : NULL;
    struct qv__str all = {0};
    qv__str_add(&all, c->echo, strlen(c->echo));
    qv__str_add(&all, bytes, n);
    json_t *v = qv__json_text(all.size ? all.bytes : "", all.size);
    qv__str_free(&all);
    free(c->echo);
    c->echo = NULL;
    return v;
}

json_t *qv__choice_logprobs(struct qv_choice_text *c)
{
    if (!c->logprobs)
        return json_null();
    json_t *told = c->logprobs;
    c->logprobs = empty_logprobs(c->is_chat);
    return told;
}

json_t *qv__choice_routed(struct qv_choice_text *c)
{
    json_t *told = c->routed;
    c->routed = json_array();
    return told;
}

json_t *qv__choice_reason(const struct qv_choice_text *c)
{
    return c->finish == QV_FINISH_STOP     ? json_string("stop")
           : c->finish == QV_FINISH_LENGTH ? json_string("length")
                                           : json_null();
}
