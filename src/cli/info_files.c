/* info_files.c - see info_files.h. */
#include "cli/info_files.h"
#include "cli/cli.h"
#include "lora/gguf_lora.h"
#include "lora/mttl.h"

#include <string.h>

static json_t *count(size_t n)
{
    return json_integer((json_int_t)n);
}

json_t *qv__site_row(const struct qv_expert_site *s)
{
    return json_pack("{s:s, s:o, s:f, s:o, s:o}", "site", s->path, "rank", count(s->R),
                     "scale", (double)s->scale, "inputs", count(s->D_in), "outputs",
                     count(s->D_out));
}

qv_status qv__gguf_adapter_info(json_t **out, const char *path, qv_err *err)
{
    struct qv_gguf_lora l;
    qv_status result = qv__gguf_lora_open(&l, path, err);
    if (result)
        return result;
    json_t *tensors = json_array();
    size_t n_weights = 0;
    for (size_t i = 0; i < l.n; i++) {
        const struct qv_gguf_pair *p = &l.pair[i];
        n_weights += p->A->n + p->B->n;
        json_array_append_new(
            tensors, json_pack("{s:o, s:o, s:f, s:o, s:o, s:s}", "tensor",
                               qv__json_text(p->name, strlen(p->name)), "rank", count(p->R),
                               "scale", (double)p->scale, "inputs", count(p->D_in),
                               "outputs", count(p->D_out), "type", p->A->type->name));
    }
    const char *base = l.base ? l.base : "", *task = l.task ? l.task : "";
    *out = json_pack(
        "{s:s, s:s, s:o, s:o, s:o, s:f, s:o, s:o, s:o}", "kind", "adapter", "format",
        "gguf", "architecture", qv__json_text(l.arch, strlen(l.arch)), "base",
        l.base ? qv__json_text(base, strlen(base)) : json_null(), "task",
        l.task ? qv__json_text(task, strlen(task)) : json_null(), "alpha", (double)l.alpha,
        "n_sites", count(l.n), "n_weights", count(n_weights), "tensors", tensors);
    qv__gguf_lora_close(&l);
    return QV_OK;
}

/* What is told of an expert, in a list or alone. Of a deleted one nothing is read. */
static json_t *facts_of(const struct qv_mttl *x)
{
    const struct qv_expert *e = x->expert;
    json_t *tasks = json_array();
    size_t min = SIZE_MAX, max = 0;
    for (size_t i = 0; i < x->n_tasks; i++)
        json_array_append_new(tasks, json_string(x->task[i]));
    for (size_t i = 0; e && i < e->n_sites; i++) {
        min = qv__min(min, e->site[i].R);
        max = qv__max(max, e->site[i].R);
    }
    return json_pack("{s:s, s:b, s:s?, s:o, s:o, s:o, s:o, s:o, s:o}", "expert", x->name,
                     "deleted", x->is_deleted, "base", e ? e->base : NULL, "min_rank",
                     count(qv__min(min, max)), "max_rank", count(max), "scale",
                     e ? json_real((double)e->site[0].scale) : json_null(), "n_sites",
                     count(e ? e->n_sites : 0), "n_weights", count(e ? e->n_w : 0), "tasks",
                     tasks);
}

static json_t *sites_of(const struct qv_mttl *x)
{
    json_t *sites = json_array();
    for (size_t i = 0; x->expert && i < x->expert->n_sites; i++)
        json_array_append_new(sites, qv__site_row(&x->expert->site[i]));
    return sites;
}

qv_status qv__mttl_info(json_t **out, const char *path, qv_err *err)
{
    qv_arena a = {0};
    struct qv_mttl x;
    char *stem = qv__arena_strn(&a, path, strlen(path) - strlen(".json"));
    qv_status result = qv__mttl_read(&x, stem, err);
    if (!result) {
        json_t *facts = facts_of(&x);
        *out = json_pack("{s:s}", "kind", "mttl");
        json_object_update(*out, facts);
        json_object_set_new(*out, "sites", sites_of(&x));
        json_decref(facts);
        qv__mttl_end(&x);
    }
    qv__arena_free(&a);
    return result;
}

qv_status qv__mttl_dir_info(json_t **out, const char *dir, qv_err *err)
{
    qv_arena a = {0};
    char **stems;
    size_t n;
    json_t *experts = json_array();
    qv_status result = qv__mttl_list(&stems, &n, &a, dir, err);
    for (size_t i = 0; !result && i < n; i++) {
        struct qv_mttl x;
        result = qv__mttl_read(&x, stems[i], err);
        if (result)
            break;
        json_array_append_new(experts, facts_of(&x));
        qv__mttl_end(&x);
    }
    if (!result)
        *out = json_pack("{s:s, s:o, s:O}", "kind", "mttl", "n_experts", count(n),
                         "experts", experts);
    json_decref(experts);
    qv__arena_free(&a);
    return result;
}
