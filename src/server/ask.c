/* ask.c - see ask.h. The table below is the list of all names. */
#include "server/ask.h"

#include <math.h>
#include <string.h>

enum kind {
    SIZE,    // a whole number, least .. most, into a size_t
    FLOAT,   // a number, least .. most, into a float
    BOOL,    // into a bool
    STRING,  // into a const char *
    VALUE,   // any, into a const json_t *
    IGNORED, // says nothing to us
    NEUTRAL, // must be absent, null, 0, false or empty
};

enum {
    TEXT = QV_ASKS_TEXT,
    CHAT = QV_ASKS_CHAT,
    EMBED = QV_ASKS_EMBEDDINGS,
    TOKENS = QV_ASKS_TOKENS,
    SAYS = TEXT | CHAT,
    ROUTED = TEXT | CHAT | EMBED,
};

#define AT(field) offsetof(struct qv_ask, field)

static const struct field {
    const char *name;
    unsigned where;
    enum kind kind;
    size_t at;
    double least, most;
} fields[] = {
    {"model", SAYS | EMBED | TOKENS, STRING, AT(model), 0, 0},
    {"prompt", TEXT | TOKENS, VALUE, AT(prompt), 0, 0},
    {"content", TOKENS, VALUE, AT(prompt), 0, 0},
    {"messages", CHAT, VALUE, AT(messages), 0, 0},
    {"input", EMBED, VALUE, AT(input), 0, 0},
    {"max_tokens", SAYS, SIZE, AT(max_tokens), 0, 1e9},
    {"max_completion_tokens", CHAT, SIZE, AT(max_tokens), 0, 1e9},
    {"temperature", SAYS, FLOAT, AT(temperature), 0, 2},
    {"top_p", SAYS, FLOAT, AT(top_p), 0, 1},
    {"top_k", SAYS, SIZE, AT(top_k), 0, 1e9},
    {"n", SAYS, SIZE, AT(n), 1, 128},
    {"best_of", TEXT, SIZE, AT(best_of), 1, 128},
    {"seed", SAYS, SIZE, AT(seed), 0, 9e15},
    {"logprobs", TEXT, SIZE, AT(logprobs), 0, 20},
    {"logprobs", CHAT, BOOL, AT(wants_logprobs), 0, 0},
    {"top_logprobs", CHAT, SIZE, AT(top_logprobs), 0, 20},
    {"echo", TEXT, BOOL, AT(echo), 0, 0},
    {"stream", SAYS, BOOL, AT(stream), 0, 0},
    {"ignore_eos", SAYS, BOOL, AT(ignore_eos), 0, 0},
    {"routing", SAYS, BOOL, AT(routing), 0, 0},
    {"stop", SAYS, VALUE, AT(stop_value), 0, 0},
    {"stream_options", SAYS, IGNORED, 0, 0, 0}, // looked into below
    {"encoding_format", EMBED, STRING, AT(encoding), 0, 0},
    {"add_special_tokens", TOKENS, BOOL, AT(add_special), 0, 0},
    {"router", ROUTED, STRING, AT(router), 0, 0},
    {"router_top_k", ROUTED, SIZE, AT(router_top_k), 1, 1e6},
    {"router_temperature", ROUTED, FLOAT, AT(router_temperature), 1e-6, 1e6},
    {"experts", ROUTED, VALUE, AT(experts), 0, 0},
    {"experts_excluded", ROUTED, VALUE, AT(excluded), 0, 0},
    {"weights", ROUTED, VALUE, AT(weights), 0, 0},
    {"compose", ROUTED, STRING, AT(compose), 0, 0},
    {"user", SAYS | EMBED, IGNORED, 0, 0, 0},
    {"store", CHAT, IGNORED, 0, 0, 0},
    {"metadata", CHAT, IGNORED, 0, 0, 0},
    {"service_tier", CHAT, IGNORED, 0, 0, 0},
    {"safety_identifier", CHAT, IGNORED, 0, 0, 0},
    {"prompt_cache_key", CHAT, IGNORED, 0, 0, 0},
    {"parallel_tool_calls", CHAT, IGNORED, 0, 0, 0},
    {"frequency_penalty", SAYS, NEUTRAL, 0, 0, 0},
    {"presence_penalty", SAYS, NEUTRAL, 0, 0, 0},
    {"logit_bias", SAYS, NEUTRAL, 0, 0, 0},
    {"suffix", TEXT, NEUTRAL, 0, 0, 0},
    {"tools", CHAT, NEUTRAL, 0, 0, 0},
    {"tool_choice", CHAT, NEUTRAL, 0, 0, 0},
    {"functions", CHAT, NEUTRAL, 0, 0, 0},
    {"response_format", CHAT, NEUTRAL, 0, 0, 0},
    {"dimensions", EMBED, NEUTRAL, 0, 0, 0},
};

const char *qv__ask_name(size_t i, unsigned *where)
{
    *where = i < QV_COUNT(fields) ? fields[i].where : 0;
    return i < QV_COUNT(fields) ? fields[i].name : NULL;
}

static bool is_neutral(const json_t *v)
{
    return json_is_null(v) || json_is_false(v) ||
           (json_is_number(v) && json_number_value(v) == 0) ||
           (json_is_string(v) && json_string_length(v) == 0) ||
           (json_is_array(v) && json_array_size(v) == 0) ||
           (json_is_object(v) && json_object_size(v) == 0);
}

static qv_status read_number(void *to, const struct field *f, const json_t *v, qv_err *err)
{
    double x = json_number_value(v);
    bool is_whole = json_is_number(v) && x == floor(x);
    if (!json_is_number(v) || (f->kind == SIZE && !is_whole))
        return qv_fail(err, QV_EFORMAT, "'%s' is not a %s", f->name,
                       f->kind == SIZE ? "whole number" : "number");
    if (!(x >= f->least && x <= f->most))
        return qv_fail(err, QV_EFORMAT, "'%s' is %g, which is not in %g .. %g", f->name, x,
                       f->least, f->most);
    if (f->kind == SIZE)
        *(size_t *)to = (size_t)x;
    else
        *(float *)to = (float)x;
    return QV_OK;
}

static qv_status read_field(struct qv_ask *a, const struct field *f, const json_t *v,
                            qv_err *err)
{
    void *to = (char *)a + f->at;
    if (json_is_null(v) || f->kind == IGNORED)
        return QV_OK;
    if (f->kind == SIZE || f->kind == FLOAT)
        return read_number(to, f, v, err);
    if (f->kind == NEUTRAL)
        return is_neutral(v) ? QV_OK
                             : qv_fail(err, QV_EUNSUPPORTED,
                                       "'%s' is not supported by this server", f->name);
    if (f->kind == BOOL && !json_is_boolean(v))
        return qv_fail(err, QV_EFORMAT, "'%s' is not true or false", f->name);
    if (f->kind == STRING && !json_is_string(v))
        return qv_fail(err, QV_EFORMAT, "'%s' is not a text", f->name);
    if (f->kind == BOOL)
        *(bool *)to = json_is_true(v);
    else if (f->kind == STRING)
        *(const char **)to = json_string_value(v);
    else
        *(const json_t **)to = v;
    return QV_OK;
}

static const struct field *find(const char *name, enum qv_asks what)
{
    for (size_t i = 0; i < QV_COUNT(fields); i++)
        if ((fields[i].where & (unsigned)what) && strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

/* A text, or a list of them. */
static qv_status read_stops(struct qv_ask *a, const char **param, qv_err *err)
{
    const json_t *v = a->stop_value;
    size_t n = json_is_array(v) ? json_array_size(v) : v ? 1 : 0;
    *param = "stop";
    if (n > QV_STOPS)
        return qv_fail(err, QV_EFORMAT, "%zu stops, at most %d", n, QV_STOPS);
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_is_array(v) ? json_array_get(v, i) : v;
        if (!json_is_string(one) || json_string_length(one) == 0)
            return qv_fail(err, QV_EFORMAT, "'stop' is not a text, or an empty one");
        a->stop[a->n_stops++] = json_string_value(one);
    }
    *param = NULL;
    return QV_OK;
}

static qv_status check(const struct qv_ask *a, const char **param, qv_err *err)
{
    *param = "best_of";
    if (a->best_of && a->best_of != a->n)
        return qv_fail(err, QV_EUNSUPPORTED, "'best_of' other than 'n' is not supported");
    *param = "top_logprobs";
    if (a->top_logprobs && !a->wants_logprobs)
        return qv_fail(err, QV_EFORMAT, "'top_logprobs' needs 'logprobs'");
    *param = "encoding_format";
    if (a->encoding && strcmp(a->encoding, "float") != 0 &&
        strcmp(a->encoding, "base64") != 0)
        return qv_fail(err, QV_EFORMAT, "'encoding_format' is not float or base64");
    *param = "compose";
    if (a->compose && strcmp(a->compose, "factor") != 0 &&
        strcmp(a->compose, "output") != 0)
        return qv_fail(err, QV_EFORMAT, "'compose' is not factor or output");
    *param = NULL;
    return QV_OK;
}

qv_status qv__ask_read(struct qv_ask *a, const json_t *o, enum qv_asks what,
                       const char **param, qv_err *err)
{
    *a = (struct qv_ask){.max_tokens = SIZE_MAX,
                         .temperature = 1,
                         .top_p = 1,
                         .n = 1,
                         .seed = SIZE_MAX,
                         .logprobs = SIZE_MAX,
                         .add_special = true};
    const char *name;
    json_t *v;
    *param = NULL;
    if (!json_is_object(o))
        return qv_fail(err, QV_EFORMAT, "the request is not a JSON object");
    json_object_foreach((json_t *)(uintptr_t)o, name, v) // jansson has no const here
    {
        const struct field *f = find(name, what);
        qv_status result = QV_OK;
        *param = name;
        if (!f)
            result = qv_fail(err, QV_EFORMAT, "nothing is called '%.60s' here", name);
        if (!result)
            result = read_field(a, f, v, err);
        if (result)
            return result;
    }
    *param = "stream_options";
    const json_t *stream = json_object_get(o, "stream_options");
    qv_status result = QV_OK;
    if (json_is_object(stream))
        result = qv__json_bool(stream, "include_usage", &a->include_usage, err);
    if (!result)
        result = read_stops(a, param, err);
    return result ? result : check(a, param, err);
}

/* "quiver", "quiver/expert/NAME" or "quiver/ROUTER". */
static bool read_model(struct qv_choice *c, const char *model)
{
    static const char own[] = "quiver", expert[] = "expert/";
    if (strncmp(model, own, strlen(own)) != 0)
        return false;
    model += strlen(own);
    if (*model == '\0')
        return true;
    if (*model++ != '/')
        return false;
    if (strncmp(model, expert, strlen(expert)) == 0)
        c->expert = model + strlen(expert);
    else
        c->router = model;
    return true;
}

qv_status qv__ask_choice(struct qv_choice *out, const struct qv_ask *a,
                         const struct qv_choice *otherwise, const char **param, qv_err *err)
{
    struct qv_choice c = {0};
    *param = "model";
    if (a->model && !read_model(&c, a->model))
        return qv_fail(err, QV_ENOTFOUND, "no model is named '%.200s'", a->model);
    if (!a->model && !a->weights)
        c = *otherwise;
    if (a->router) {
        *param = "router";
        if (c.expert)
            return qv_fail(err, QV_EFORMAT, "one expert answers: it goes without a router");
        c.router = a->router;
    }
    if (a->weights) {
        *param = "weights";
        if (c.expert || c.router)
            return qv_fail(err, QV_EFORMAT,
                           "'weights' take a router's place: they go without another, "
                           "and without one expert");
        if (a->experts || a->excluded)
            return qv_fail(err, QV_EFORMAT,
                           "'weights' name their experts: they go without 'experts' and "
                           "'experts_excluded'");
    }
    *param = a->router_top_k             ? "router_top_k"
             : a->router_temperature > 0 ? "router_temperature"
             : a->experts                ? "experts"
             : a->excluded               ? "experts_excluded"
             : a->compose && !a->weights ? "compose"
                                         : NULL;
    if (*param && !c.router)
        return qv_fail(err, QV_EFORMAT, "'%s' is a router's, and there is none", *param);
    if (a->router_top_k)
        c.top_k = a->router_top_k;
    if (a->router_temperature > 0)
        c.temperature = a->router_temperature;
    if (a->compose)
        c.compose = *a->compose == 'o' ? QV_COMPOSE_OUTPUT : QV_COMPOSE_FACTOR;
    c.wanted = (struct qv_wanted){a->experts, a->excluded, a->weights};
    *param = "model";
    *out = c;
    return QV_OK;
}
