/* info.c - quiver info: what is at a path. Each kind is one function that makes a
 * JSON object; a person is shown the same. */
#include "base/arena.h"
#include "base/file.h"
#include "cli/cli.h"
#include "cli/info_files.h"
#include "data/dataset.h"
#include "eval/suite.h"
#include "format/gguf.h"
#include "format/safetensors.h"
#include "lora/gguf_lora.h"
#include "lora/mttl.h"
#include "lora/peft.h"
#include "model/model.h"

#include <string.h>

struct args {
    const char *path;
    bool as_json;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct args *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->as_json;
        break;
    case ARGP_KEY_ARG:
        qv__arg_only(state, &a->path, arg, "path");
        break;
    case ARGP_KEY_END:
        if (!a->path)
            argp_error(state, "there is no path");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp spec = {
    .parser = parse,
    .args_doc = "PATH",
    .doc = "What a model, adapter, library, tokenizer, safetensors, GGUF, task or suite "
           "file holds, or one of mttl's.\v"
           "With --json: {\"kind\":...,...}.",
    .children = qv__json_children,
};

static json_t *count(size_t n)
{
    return json_integer((json_int_t)n);
}

static json_t *tokenizer_facts(const qv_tokenizer *tok)
{
    const char *bos = qv_tokenizer_token(tok, qv_tokenizer_bos(tok));
    const char *eos = qv_tokenizer_token(tok, qv_tokenizer_eos(tok));
    return json_pack("{s:o, s:s?, s:s?, s:b}", "n_tokens", count(qv_tokenizer_size(tok)),
                     "bos", bos, "eos", eos, "adds_bos", qv_tokenizer_adds_bos(tok));
}

static qv_status tokenizer_info(json_t **out, const char *path, qv_err *err)
{
    qv_tokenizer *tok;
    qv_status result = qv_tokenizer_open(&tok, path, err);
    if (result)
        return result;
    *out = json_pack("{s:s}", "kind", "tokenizer");
    json_t *facts = tokenizer_facts(tok);
    json_object_update(*out, facts);
    json_decref(facts);
    qv_tokenizer_close(tok);
    return QV_OK;
}

static qv_status model_info(json_t **out, const char *path, qv_err *err)
{
    qv_model *m;
    qv_status result = qv_model_open(&m, path, NULL, err);
    if (result)
        return result;
    const struct qv_config *c = &m->c;
    *out =
        json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:s}", "kind",
                  "model", "n_parameters", count(qv_model_parameters(m)), "n_layers",
                  count(c->L), "width", count(c->D), "n_heads", count(c->H),
                  "n_key_value_heads", count(c->Hk), "feed_forward", count(c->F),
                  "vocabulary", count(c->V), "context", count(c->n_ctx), "tied", c->is_tied,
                  "n_sites", count(qv_model_sites(m)), "identity", qv_model_identity(m));
    json_object_set_new(*out, "tokenizer",
                        m->tokenizer ? tokenizer_facts(m->tokenizer) : json_null());
    qv_model_close(m);
    return QV_OK;
}

/* Add a number to a list that has none twice. */
static void add_once(json_t *list, json_t *number)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_equal(json_array_get(list, i), number)) {
            json_decref(number);
            return;
        }
    json_array_append_new(list, number);
}

static void add_sites(json_t *rows, json_t *ranks, json_t *scales,
                      const struct qv_expert *e)
{
    for (size_t i = 0; i < e->n_sites; i++) {
        const struct qv_expert_site *s = &e->site[i];
        add_once(ranks, count(s->R));
        add_once(scales, json_real((double)s->scale));
        json_array_append_new(rows, qv__site_row(s));
    }
}

static json_t *extra_rows(const struct qv_adapter *a)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < a->n_extra; i++) {
        const struct qv_extra *e = &a->extra[i];
        json_array_append_new(rows, json_pack("{s:s, s:s, s:o, s:o}", "module", e->path,
                                              "holds", qv__extra_name(e->kind), "rows",
                                              count(e->rows), "columns", count(e->cols)));
    }
    return rows;
}

static qv_status adapter_info(json_t **out, const char *path, qv_err *err)
{
    struct qv_adapter *a;
    qv_status result = qv__peft_read_adapter(&a, path, NULL, err);
    if (result)
        return result;
    const bool is_expert = a->tables->n_sites == 0 && a->n_extra == 0 && a->n_saved == 0;
    char hash[65];
    qv__expert_hash(hash, a->expert);
    json_t *sites = json_array(), *ranks = json_array(), *scales = json_array();
    json_t *features = json_array();
    for (size_t i = 0; i < a->n_features; i++)
        json_array_append_new(features, json_string(a->feature[i]));
    add_sites(sites, ranks, scales, a->expert);
    add_sites(sites, ranks, scales, a->tables);
    *out =
        json_pack("{s:s, s:s?, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:b, s:s?, s:o}", "kind",
                  "adapter", "base", a->expert->base, "ranks", ranks, "scales", scales,
                  "features", features, "dtype", a->dtype, "bytes", count(a->bytes),
                  "n_sites", count(a->expert->n_sites + a->tables->n_sites), "n_weights",
                  count(a->expert->n_w + a->tables->n_w), "is_expert", is_expert, "hash",
                  is_expert ? hash : NULL, "sites", sites);
    if (a->n_extra)
        json_object_set_new(*out, "extras", extra_rows(a));
    qv__adapter_free(a);
    return result;
}

static qv_status library_info(json_t **out, const char *path, qv_err *err)
{
    qv_library *lib;
    qv_snapshot *snap = NULL;
    qv_status result = qv_library_open(&lib, path, err);
    if (!result)
        result = qv_library_snapshot(&snap, lib, err);
    if (!result) {
        json_t *experts = json_array();
        size_t n = qv_snapshot_size(snap), n_weights = 0;
        for (size_t i = 0; i < n; i++) {
            const qv_expert_info *e = qv_snapshot_info(snap, i);
            n_weights += e->n_weights;
            json_array_append_new(experts, json_string(e->name));
        }
        const qv_library_opts *facts = qv_library_facts(lib);
        *out = json_pack("{s:s, s:s?, s:s?, s:o, s:o, s:o}", "kind", "library", "base",
                         facts->base_name, "base_hash", facts->base_hash, "n_experts",
                         count(n), "n_weights", count(n_weights), "experts", experts);
    }
    qv_snapshot_release(snap);
    qv_library_close(lib);
    return result;
}

static json_t *shape_of(const size_t *shape, int rank)
{
    json_t *list = json_array();
    for (int d = 0; d < rank; d++)
        json_array_append_new(list, count(shape[d]));
    return list;
}

static qv_status safetensors_info(json_t **out, const char *path, qv_err *err)
{
    struct qv_st st;
    qv_status result = qv__st_open(&st, path, err);
    if (result)
        return result;
    json_t *tensors = json_array(), *meta = json_object();
    size_t elements = 0;
    for (size_t i = 0; i < st.n; i++) {
        const struct qv_tensor *t = &st.tensor[i];
        json_array_append_new(tensors, json_pack("{s:s, s:s, s:o}", "name", t->name, "type",
                                                 t->dtype_name, "shape",
                                                 shape_of(t->shape, t->rank)));
        elements += t->n;
    }
    for (size_t i = 0; i < st.n_meta; i++)
        json_object_set_new(meta, st.meta_key[i], json_string(st.meta_value[i]));
    *out = json_pack("{s:s, s:o, s:o, s:o, s:o}", "kind", "safetensors", "n_tensors",
                     count(st.n), "n_elements", count(elements), "metadata", meta,
                     "tensors", tensors);
    qv__st_close(&st);
    return QV_OK;
}

/* One item of a value; *at walks through its strings. */
static json_t *gguf_item(const struct qv_gguf_value *v, size_t i, const char **at)
{
    if (v->kind == QV_GGUF_STR) {
        struct qv_gguf_str s = qv__gguf_next(at);
        return qv__json_text(s.at, s.n);
    }
    if (v->kind == QV_GGUF_BOOL)
        return json_boolean(qv__gguf_int_at(v, i));
    if (v->kind == QV_GGUF_F32 || v->kind == QV_GGUF_F64)
        return qv__json_number(qv__gguf_float_at(v, i));
    return json_integer(qv__gguf_int_at(v, i));
}

/* A value, but of a long list or text only how long it is. */
static json_t *gguf_value(const struct qv_gguf_value *v)
{
    const char *at = v->data;
    if (v->text && strlen(v->text) > 1000)
        return json_sprintf("%zu bytes", strlen(v->text));
    if (!v->is_list)
        return gguf_item(v, 0, &at);
    if (v->n > 16)
        return json_sprintf("%zu items", v->n);
    json_t *list = json_array();
    for (size_t i = 0; i < v->n; i++)
        json_array_append_new(list, gguf_item(v, i, &at));
    return list;
}

static qv_status gguf_info(json_t **out, const char *path, qv_err *err)
{
    struct qv_gguf g;
    qv_status result = qv__gguf_open(&g, path, err);
    if (result)
        return result;
    if (qv__gguf_is_adapter(&g)) {
        qv__gguf_close(&g);
        return qv__gguf_adapter_info(out, path, err);
    }
    json_t *tensors = json_array(), *values = json_object();
    size_t elements = 0, bytes = 0;
    for (size_t i = 0; i < g.n; i++) {
        const struct qv_gguf_tensor *t = &g.tensor[i];
        json_array_append_new(tensors, json_pack("{s:o, s:s, s:o}", "name",
                                                 qv__json_text(t->name, strlen(t->name)),
                                                 "type", t->type->name, "shape",
                                                 shape_of(t->shape, t->rank)));
        elements += t->n;
        bytes += t->bytes;
    }
    for (size_t i = 0; i < g.n_values; i++)
        json_object_set_new(values, g.value[i].key, gguf_value(&g.value[i]));
    *out =
        json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "kind", "gguf", "version",
                  count(g.version), "n_tensors", count(g.n), "n_elements", count(elements),
                  "bytes", count(bytes), "values", values, "tensors", tensors);
    qv__gguf_close(&g);
    return QV_OK;
}

static qv_status task_info(json_t **out, const char *path, qv_err *err)
{
    struct qv_dataset *d;
    qv_status result = qv__dataset_read(&d, path, NULL, err);
    if (result)
        return result;
    size_t choices = 0, targets = 0, prompt_bytes = 0, target_bytes = 0;
    for (size_t i = 0; i < d->n; i++) {
        choices += d->at[i].n_options > 0;
        targets += d->at[i].n_targets;
        prompt_bytes += strlen(d->at[i].prompt);
        target_bytes += strlen(d->at[i].targets[0]);
    }
    *out = json_pack("{s:s, s:s, s:o, s:o, s:o, s:f, s:f, s:s, s:s, s:s}", "kind", "task",
                     "name", d->name, "n_examples", count(d->n), "n_answers",
                     count(targets), "n_multiple_choice", count(choices), "prompt_bytes",
                     (double)prompt_bytes / (double)d->n, "target_bytes",
                     (double)target_bytes / (double)d->n, "hash", d->hash, "first_prompt",
                     d->at[0].prompt, "first_target", d->at[0].targets[0]);
    qv__dataset_free(d);
    return QV_OK;
}

static qv_status tasks_info(json_t **out, const char *path, qv_err *err)
{
    qv_arena arena = {0};
    char **files;
    size_t n, examples = 0;
    json_t *rows = json_array();
    qv_status result = qv__dataset_list(&files, &n, &arena, path, err);
    for (size_t i = 0; !result && i < n; i++) {
        struct qv_dataset *d;
        result = qv__dataset_read(&d, files[i], NULL, err);
        if (result)
            break;
        examples += d->n;
        json_array_append_new(
            rows, json_pack("{s:s, s:o}", "task", d->name, "n_examples", count(d->n)));
        qv__dataset_free(d);
    }
    if (!result)
        *out = json_pack("{s:s, s:o, s:o, s:O}", "kind", "tasks", "n_tasks", count(n),
                         "n_examples", count(examples), "tasks", rows);
    json_decref(rows);
    qv__arena_free(&arena);
    return result;
}

static qv_status suite_info(json_t **out, const char *path, qv_err *err)
{
    struct qv_suite suite;
    qv_status result = qv__suite_open(&suite, &path, 1, NULL, NULL, err);
    if (result)
        return result;
    json_t *rows = json_array();
    for (size_t i = 0; i < suite.n; i++) {
        const struct qv_suite_task *t = &suite.at[i];
        json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:o, s:s}", "task", t->name,
                                              "metric", qv__metric_name(t->metric), "split",
                                              qv__part_name(t->part), "limit",
                                              t->limit ? count(t->limit) : json_null(),
                                              "path", t->paths[0]));
    }
    *out = json_pack("{s:s, s:s, s:o, s:o}", "kind", "suite", "name", suite.name, "n_tasks",
                     count(suite.n), "tasks", rows);
    qv__suite_end(&suite);
    return QV_OK;
}

/* Whether a *.json file is an object with that key. */
static bool has_key(const char *path, const char *key)
{
    json_t *value;
    qv_err quiet;
    if (qv__json_read(&value, path, (size_t)1 << 30, &quiet))
        return false;
    bool has = json_object_get(value, key) != NULL;
    json_decref(value);
    return has;
}

static qv_status file_info(json_t **out, const char *path, qv_err *err)
{
    if (qv__ends_with(path, ".safetensors"))
        return safetensors_info(out, path, err);
    if (qv__ends_with(path, ".gguf"))
        return gguf_info(out, path, err);
    if (qv__ends_with(path, ".model"))
        return tokenizer_info(out, path, err);
    if (qv__ends_with(path, ".json") && has_key(path, "model"))
        return tokenizer_info(out, path, err);
    if (qv__ends_with(path, ".json") && has_key(path, "tasks"))
        return suite_info(out, path, err);
    if (qv__ends_with(path, ".json") && has_key(path, "expert_name"))
        return qv__mttl_info(out, path, err);
    if (qv__ends_with(path, ".ckpt") || qv__ends_with(path, ".meta"))
        return qv__mttl_pickle(path, err);
    return task_info(out, path, err);
}

static qv_status dir_info(json_t **out, const char *path, qv_err *err)
{
    static const struct {
        const char *file;
        qv_status (*info)(json_t **out, const char *path, qv_err *err);
    } marks[] = {
        {"library.json", library_info},      {"adapter_config.json", adapter_info},
        {"config.json", model_info},         {"tokenizer.json", tokenizer_info},
        {"tokenizer.model", tokenizer_info}, {"vocab.json", tokenizer_info},
    };
    qv_arena arena = {0};
    qv_status (*info)(json_t **, const char *, qv_err *) = tasks_info;
    for (size_t i = QV_COUNT(marks); i-- > 0;)
        if (qv__is_file(qv__arena_fmt(&arena, "%s/%s", path, marks[i].file)))
            info = marks[i].info;
    if (info == tasks_info && qv__mttl_is_dir(path))
        info = qv__mttl_dir_info;
    qv__arena_free(&arena);
    return info(out, path, err);
}

int cmd_info(int argc, char **argv)
{
    struct args a = {0};
    argp_parse(&spec, argc, argv, 0, NULL, &a);
    qv_err err;
    json_t *facts = NULL;
    qv_status result = QV_OK;
    if (qv__is_dir(a.path))
        result = dir_info(&facts, a.path, &err);
    else if (qv__is_file(a.path))
        result = file_info(&facts, a.path, &err);
    else
        result =
            qv_fail(&err, QV_ENOTFOUND, "%s: there is no such file or directory", a.path);
    if (!result)
        qv__print(facts, a.as_json);
    return result ? qv__say_failure(&err) : 0;
}
