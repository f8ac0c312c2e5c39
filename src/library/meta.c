/* meta.c - see meta.h. */
#include "library/meta.h"

#include "base/file.h"
#include "base/hash.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const size_t MAX_META = 64 << 20;
static const size_t FORMAT = 1;

qv_status qv__meta_object(json_t **out, const char *what, const char *text, qv_err *err)
{
    *out = NULL;
    if (!text)
        return QV_OK;
    qv_status result = qv__json_parse(out, text, strlen(text), err);
    if (result)
        return qv_wrap(err, result, "%s: ", what);
    if (json_is_object(*out))
        return QV_OK;
    json_decref(*out);
    *out = NULL;
    return qv_fail(err, QV_EFORMAT, "%s: not an object", what);
}

/* The value, or NULL if some string inside is not UTF-8. Takes `value`. */
static bool set(json_t *root, const char *key, json_t *value)
{
    return json_object_set_new(root, key, value) == 0;
}

static json_t *list_of_tasks(const qv_expert_meta *meta)
{
    json_t *list = json_array();
    for (size_t i = 0; i < meta->n_tasks; i++)
        if (json_array_append_new(list, json_string(meta->task[i]))) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *list_of_data(const qv_expert_meta *meta)
{
    json_t *list = json_array();
    for (size_t i = 0; i < meta->n_data; i++)
        if (json_array_append_new(list, json_pack("{s:s, s:s?}", "path", meta->data[i].path,
                                                  "hash", meta->data[i].hash))) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static void add_sizes(json_t *root, const struct qv_expert *e)
{
    size_t min = SIZE_MAX, max = 0;
    for (size_t i = 0; i < e->n_sites; i++) {
        min = qv__min(min, e->site[i].R);
        max = qv__max(max, e->site[i].R);
    }
    set(root, "sites", json_integer((json_int_t)e->n_sites));
    set(root, "weights", json_integer((json_int_t)e->n_w));
    set(root, "min_rank", json_integer((json_int_t)qv__min(min, max)));
    set(root, "max_rank", json_integer((json_int_t)max));
}

static qv_status add_meta(json_t *root, const qv_expert_meta *meta, qv_err *err)
{
    json_t *settings;
    qv_status result = qv__meta_object(&settings, "settings", meta->settings, err);
    if (result)
        return result;
    if (settings)
        set(root, "settings", settings);
    if (!set(root, "tasks", list_of_tasks(meta)))
        return qv_fail(err, QV_EFORMAT, "the name of a task is not UTF-8");
    if (!set(root, "data", list_of_data(meta)))
        return qv_fail(err, QV_EFORMAT, "the path or hash of a data file is not UTF-8");
    if (!set(root, "base",
             json_pack("{s:s?, s:s?}", "name", meta->base_name, "hash", meta->base_hash)))
        return qv_fail(err, QV_EFORMAT, "the name or hash of the base model is not UTF-8");
    for (size_t i = 0; i < meta->n_scores && !result; i++)
        result = qv__meta_set_score(root, &meta->score[i], err);
    return result;
}

qv_status qv__meta_make(json_t **out, const struct qv_expert *e, const qv_expert_meta *meta,
                        qv_err *err)
{
    char hash[QV_HASH_TEXT];
    qv__expert_hash(hash, e);
    json_t *root = json_pack("{s:I, s:s, s:s, s:[]}", "format", (json_int_t)FORMAT, "hash",
                             hash, "created_by", "quiver " QV_VERSION, "scores");
    add_sizes(root, e);
    qv_status result = add_meta(root, meta, err);
    if (result)
        json_decref(root);
    *out = result ? NULL : root;
    return result;
}

qv_status qv__meta_set_score(json_t *root, const qv_score *score, qv_err *err)
{
    if (!isfinite(score->value))
        return qv_fail(err, QV_EFORMAT, "the score is not a finite number");
    json_t *entry = json_pack("{s:s, s:s, s:f}", "task", score->task, "metric",
                              score->metric, "value", score->value);
    if (!entry)
        return qv_fail(err, QV_EFORMAT, "the task or metric of a score is not UTF-8");
    json_t *scores = json_object_get(root, "scores");
    if (!scores) {
        scores = json_array();
        set(root, "scores", scores);
    }
    for (size_t i = 0; i < json_array_size(scores); i++) {
        const json_t *old = json_array_get(scores, i);
        const char *task = json_string_value(json_object_get(old, "task"));
        const char *metric = json_string_value(json_object_get(old, "metric"));
        if (task && metric && strcmp(task, score->task) == 0 &&
            strcmp(metric, score->metric) == 0) {
            json_array_set_new(scores, i, entry);
            return QV_OK;
        }
    }
    json_array_append_new(scores, entry);
    return QV_OK;
}

static qv_status read_string(const char **out, qv_arena *a, const json_t *obj,
                             const char *key, qv_err *err)
{
    const char *text = NULL;
    qv_status result = qv__json_str(obj, key, &text, err);
    *out = text ? qv__arena_str(a, text) : NULL;
    return result;
}

/* The list under `key`, empty if absent. */
static qv_status read_list(const json_t **out, size_t *n, const json_t *root,
                           const char *key, qv_err *err)
{
    *out = json_object_get(root, key);
    *n = json_array_size(*out);
    if (*out && !json_is_array(*out))
        return qv_fail(err, QV_EFORMAT, "'%s' is not a list", key);
    return QV_OK;
}

static qv_status read_tasks(qv_expert_meta *m, qv_arena *a, const json_t *root, qv_err *err)
{
    const json_t *list;
    qv_status result = read_list(&list, &m->n_tasks, root, "tasks", err);
    const char **task = qv_new_n(a, const char *, m->n_tasks);
    m->task = task;
    for (size_t i = 0; i < m->n_tasks && !result; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text)
            task[i] = qv__arena_str(a, text);
        else
            result = qv_fail(err, QV_EFORMAT, "'tasks': entry %zu is not a string", i);
    }
    return result;
}

static qv_status read_data(qv_expert_meta *m, qv_arena *a, const json_t *root, qv_err *err)
{
    const json_t *list;
    qv_status result = read_list(&list, &m->n_data, root, "data", err);
    qv_data_file *data = qv_new_n(a, qv_data_file, m->n_data);
    m->data = data;
    for (size_t i = 0; i < m->n_data && !result; i++) {
        const json_t *entry = json_array_get(list, i);
        result = read_string(&data[i].path, a, entry, "path", err);
        if (!result)
            result = read_string(&data[i].hash, a, entry, "hash", err);
        if (!result && !data[i].path)
            result = qv_fail(err, QV_EFORMAT, "'data': entry %zu has no path", i);
    }
    return result;
}

static qv_status read_scores(qv_expert_meta *m, qv_arena *a, const json_t *root,
                             qv_err *err)
{
    const json_t *list;
    qv_status result = read_list(&list, &m->n_scores, root, "scores", err);
    qv_score *score = qv_new_n(a, qv_score, m->n_scores);
    m->score = score;
    for (size_t i = 0; i < m->n_scores && !result; i++) {
        const json_t *entry = json_array_get(list, i),
                     *value = json_object_get(entry, "value");
        result = read_string(&score[i].task, a, entry, "task", err);
        if (!result)
            result = read_string(&score[i].metric, a, entry, "metric", err);
        if (!result && (!score[i].task || !score[i].metric || !json_is_number(value)))
            result = qv_fail(err, QV_EFORMAT,
                             "'scores': entry %zu lacks task, metric or value", i);
        score[i].value = json_number_value(value);
    }
    return result;
}

static qv_status read_meta(qv_expert_meta *m, qv_arena *a, const json_t *root, qv_err *err)
{
    const json_t *base = json_object_get(root, "base");
    const json_t *settings = json_object_get(root, "settings");
    qv_status result = QV_OK;
    if (base && !json_is_object(base))
        return qv_fail(err, QV_EFORMAT, "'base' is not an object");
    if (settings && !json_is_object(settings))
        return qv_fail(err, QV_EFORMAT, "'settings' is not an object");
    if (settings) {
        char *text = json_dumps(settings, JSON_COMPACT | JSON_SORT_KEYS);
        m->settings = text ? qv__arena_str(a, text) : NULL;
        free(text);
    }
    result = read_string(&m->base_name, a, base, "name", err);
    if (!result)
        result = read_string(&m->base_hash, a, base, "hash", err);
    if (!result)
        result = read_tasks(m, a, root, err);
    if (!result)
        result = read_data(m, a, root, err);
    return result ? result : read_scores(m, a, root, err);
}

qv_status qv__meta_parse(qv_expert_info *info, qv_arena *a, const json_t *root, qv_err *err)
{
    size_t format = 0;
    *info = (qv_expert_info){0};
    if (!json_is_object(root))
        return qv_fail(err, QV_EFORMAT, "not an object");
    qv_status result = qv__json_size(root, "format", &format, err);
    if (result)
        return result;
    if (format != FORMAT)
        return qv_fail(err, QV_EUNSUPPORTED, "format %zu, this quiver reads %zu", format,
                       FORMAT);
    result = read_string(&info->hash, a, root, "hash", err);
    if (!result &&
        (!info->hash || strspn(info->hash, "0123456789abcdef") != QV_HASH_TEXT - 1 ||
         strlen(info->hash) != QV_HASH_TEXT - 1))
        result = qv_fail(err, QV_EFORMAT, "'hash' is not 64 hexadecimal digits");
    if (!result)
        result = read_string(&info->created_by, a, root, "created_by", err);
    if (!result)
        result = qv__json_size(root, "sites", &info->n_sites, err);
    if (!result)
        result = qv__json_size(root, "weights", &info->n_weights, err);
    if (!result)
        result = qv__json_size(root, "min_rank", &info->min_rank, err);
    if (!result)
        result = qv__json_size(root, "max_rank", &info->max_rank, err);
    return result ? result : read_meta(&info->meta, a, root, err);
}

qv_status qv__meta_read(qv_expert_info *info, qv_arena *a, const char *dir, qv_err *err)
{
    json_t *root;
    qv_arena mine = {0};
    const char *path = qv__arena_fmt(&mine, "%s/expert.json", dir);
    qv_status result = qv__json_read(&root, path, MAX_META, err);
    if (!result) {
        result = qv__meta_parse(info, a, root, err);
        json_decref(root);
        if (result)
            result = qv_wrap(err, result, "%s: ", path);
    }
    qv__arena_free(&mine);
    return result;
}

bool qv__same_base(const char *name, const char *hash, const char *other_name,
                   const char *other_hash)
{
    if (hash && other_hash)
        return strcmp(hash, other_hash) == 0;
    if (name && other_name)
        return strcmp(qv__base_name(name), qv__base_name(other_name)) == 0;
    return true;
}
