/* facts.c - what the server says of itself: its models, its health, its counters; and how
 * it reads a text.
 */
#include "server/server.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_model(json_t *list, const struct qv_server *s, const char *kind,
                      const char *name)
{
    qv_arena a = {0};
    const char *id = qv__arena_fmt(&a, "quiver%s%s", kind, name);
    json_array_append_new(list, json_pack("{s:o, s:s, s:I, s:s}", "id",
                                          qv__json_text(id, strlen(id)), "object", "model",
                                          "created", (json_int_t)s->created, "owned_by",
                                          "quiver"));
    qv__arena_free(&a);
}

void qv__answer_models(struct qv_server *s, struct qv_call *c)
{
    struct qv_generation *g = qv__roster_now(s->roster);
    json_t *list = json_array();
    add_model(list, s, "", "");
    for (const struct qv_router_ops *const *r = qv__routers(); *r; r++)
        if (qv__generation_is_prepared(g, *r))
            add_model(list, s, "/", (*r)->name);
    for (size_t i = 0; i < qv__generation_size(g); i++)
        add_model(list, s, "/expert/", qv__generation_held(g, i)->info.name);
    qv__roster_back(s->roster, g);
    qv__reply_json(s, c, 200, json_pack("{s:s, s:o}", "object", "list", "data", list));
}

static qv_status tokenize(json_t **out, struct qv_server *s, const json_t *root,
                          const char **param, qv_err *err)
{
    struct qv_ask ask;
    struct qv_prompt *p = NULL;
    size_t n = 0;
    qv_status result = qv__ask_read(&ask, root, QV_ASKS_TOKENS, param, err);
    if (result)
        return result;
    *param = "prompt";
    if (!json_is_string(ask.prompt))
        result = qv_fail(err, QV_EFORMAT, "'prompt' is not a text");
    if (!result)
        result = qv__prompts_read(&p, &n, s, ask.prompt, "prompt", !ask.add_special, err);
    json_t *ids = json_array();
    for (size_t i = 0; !result && i < p->n; i++)
        json_array_append_new(ids, json_integer(p->ids[i]));
    *out = json_pack("{s:I, s:I, s:o}", "count", (json_int_t)json_array_size(ids),
                     "max_model_len", (json_int_t)qv__engine_context(s->engine), "tokens",
                     ids);
    qv__prompts_free(p, n);
    return result;
}

void qv__answer_tokenize(struct qv_server *s, struct qv_call *c)
{
    json_t *root, *out = NULL;
    const char *param = NULL;
    qv_err err;
    if (!qv__read_body(s, c, &root))
        return;
    if (tokenize(&out, s, root, &param, &err)) {
        qv__reply_error(s, c, &err, param);
        json_decref(out);
    } else {
        qv__reply_json(s, c, 200, out);
    }
    json_decref(root);
}

void qv__answer_health(struct qv_server *s, struct qv_call *c)
{
    bool drains = atomic_load(&s->is_draining);
    qv__reply_json(s, c, drains ? 503 : 200,
                   json_pack("{s:s}", "status", drains ? "draining" : "ok"));
}

static void metric(FILE *f, const char *name, const char *kind, const char *help, double x)
{
    fprintf(f, "# HELP quiver_%s %s\n# TYPE quiver_%s %s\nquiver_%s %.17g\n", name, help,
            name, kind, name, x);
}

static void library_metrics(FILE *f, struct qv_server *s)
{
    static const char gauge[] = "gauge", counter[] = "counter";
    struct qv_generation *g = qv__roster_now(s->roster);
    struct qv_live_counts n = {0};
    if (s->live)
        n = qv__live_counts(s->live);
    metric(f, "experts", gauge, "Experts of the library.", (double)qv__generation_size(g));
    metric(f, "library_generation", gauge, "Changes of the library.",
           (double)qv__generation_number(g));
    metric(f, "expert_adds_total", counter, "Experts that came.", (double)n.n_adds);
    metric(f, "expert_replaces_total", counter, "Experts that another took the place of.",
           (double)n.n_replaces);
    metric(f, "expert_removes_total", counter, "Experts that went.", (double)n.n_removes);
    metric(f, "expert_refusals_total", counter,
           "Directories and requests to change the library that were refused.",
           (double)n.n_refusals);
    metric(f, "expert_rests_total", counter,
           "Times that an expert's factors were let go of to keep the budget of memory.",
           (double)n.n_rests);
    metric(f, "expert_resident_bytes", gauge, "Of experts' factors in memory.",
           (double)n.resident);
    qv__roster_back(s->roster, g);
}

void qv__answer_metrics(struct qv_server *s, struct qv_call *c)
{
    static const char gauge[] = "gauge", counter[] = "counter";
    struct qv_engine_counts e = qv__engine_counts(s->engine);
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    qv_check(f);
    metric(f, "running", gauge, "Texts in progress.", (double)e.n_running);
    metric(f, "waiting", gauge, "Texts in the queue.", (double)e.n_waiting);
    metric(f, "texts_ended_total", counter, "Texts that ended, canceled ones among them.",
           (double)e.n_done);
    metric(f, "texts_dropped_total", counter, "Texts that left the queue unanswered.",
           (double)e.n_failed);
    metric(f, "texts_refused_total", counter, "Texts not taken: queue full, too long.",
           (double)e.n_refused);
    metric(f, "passes_total", counter, "Passes over the base.", (double)e.n_passes);
    metric(f, "rows_total", counter, "Tokens in those passes.", (double)e.n_rows);
    metric(f, "busy_seconds_total", counter, "Seconds in those passes.", e.busy);
    metric(f, "prompt_tokens_total", counter, "Tokens of prompts taken.",
           (double)atomic_load(&s->prompt_tokens));
    metric(f, "prefix_tokens_total", counter,
           "Tokens of prompts whose keys and values an earlier one had left.",
           (double)e.n_recalled);
    metric(f, "prefix_bytes", gauge, "Memory for keys and values that prompts left.",
           (double)e.prefix_bytes);
    metric(f, "completion_tokens_total", counter, "Tokens of answers.",
           (double)atomic_load(&s->said_tokens));
    library_metrics(f, s);
    fprintf(f, "# HELP quiver_replies_total Replies by the first digit of their status.\n"
               "# TYPE quiver_replies_total counter\n");
    for (size_t i = 1; i < QV_STATUSES; i++)
        fprintf(f, "quiver_replies_total{status=\"%zuxx\"} %zu\n", i,
                atomic_load(&s->replies[i]));
    fclose(f);
    qv__reply_text(s, c, text);
    free(text);
}
