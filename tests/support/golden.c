/* golden.c - see golden.h. */
#include "support/golden.h"

#include "base/json.h"
#include "format/safetensors.h"
#include "support/scratch.h"

#include <stdlib.h>

static size_t numbers(int *ids, size_t room, const json_t *list)
{
    size_t i;
    json_t *value;
    assert_true(json_is_array(list));
    assert_in_range(json_array_size(list), 1, room);
    json_array_foreach(list, i, value) ids[i] = (int)json_integer_value(value);
    return json_array_size(list);
}

static json_t *read(const char *path)
{
    json_t *value;
    qv_err err = {0};
    assert_works(qv__json_read(&value, path, 1 << 20, &err), &err);
    return value;
}

size_t golden_ids(int *ids, size_t room, const char *path, const char *key)
{
    json_t *all = read(path);
    size_t n = numbers(ids, room, json_object_get(all, key));
    json_decref(all);
    return n;
}

float *golden_tensor(size_t *n, const char *path, const char *name)
{
    struct qv_st st;
    qv_err err = {0};
    assert_works(qv__st_open(&st, path, &err), &err);
    const struct qv_tensor *t = qv__st_find(&st, name);
    if (!t)
        fail_msg("%s has no tensor '%s'", path, name);
    float *x = malloc(qv__max(t->n, 1) * sizeof *x);
    assert_non_null(x);
    qv__st_f32(x, t, 0, t->n);
    if (n)
        *n = t->n;
    qv__st_close(&st);
    return x;
}

void golden_batch(struct golden_batch *b, const char *path)
{
    json_t *all = read(path), *one;
    size_t i, at = 0;
    assert_int_equal(json_array_size(all), QV_COUNT(b->s));
    json_array_foreach(all, i, one)
    {
        size_t n = numbers(b->ids + at, QV_COUNT(b->ids) - at, json_object_get(one, "ids"));
        b->s[i] = (struct qv_sequence){
            .ids = b->ids + at,
            .n = n,
            .n_prompt = (size_t)json_integer_value(json_object_get(one, "prompt"))};
        b->list[i] = &b->s[i];
        at += n;
    }
    json_decref(all);
}
