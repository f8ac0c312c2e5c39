/* Whatever the bytes, reading them as records of any format returns; if it succeeds, there
 * are records, all objects, and together they hold no more text than the file. */
#include "data/records.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static size_t text_of(const json_t *record)
{
    size_t n = 0;
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)record, key, v) n += json_string_length(v);
    return n;
}

static void check(const char *bytes, size_t size, const struct qv_records_opts *o)
{
    struct qv_records r;
    if (qv__records_parse(&r, "f", bytes, size, o, NULL)) {
        qv_check(!r.list && !r.common);
        return;
    }
    size_t i, total = 0;
    json_t *record;
    qv_check(json_array_size(r.list) > 0);
    json_array_foreach(r.list, i, record)
    {
        qv_check(json_is_object(record));
        total += text_of(record);
    }
    qv_check(total <= size);
    qv__records_end(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const columns[] = {"a", "b"};
    const struct qv_records_opts o[] = {
        {.format = "jsonl"},
        {.format = "json"},
        {.format = "json", .list = "rows"},
        {.format = "csv"},
        {.format = "csv", .columns = columns, .n_columns = 2},
        {.format = "lines", .columns = columns, .n_columns = 2},
    };
    char *exact = malloc(size ? size : 1); // so that reading past `size` traps
    qv_check(exact);
    if (size)
        memcpy(exact, bytes, size);
    for (size_t i = 0; i < QV_COUNT(o); i++)
        check(exact, size, &o[i]);
    free(exact);
    return 0;
}
