/* Whatever a suite's task says, reading it returns; if it succeeds, so does asking it for
 * the examples of a small file, or that is refused. */
#include "data/mapping.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const char file[] = "tests/fuzz/corpus/records/lines.jsonl";

static void check(const struct qv_dataset *d)
{
    for (size_t i = 0; i < d->n; i++) {
        const struct qv_example *e = &d->at[i];
        qv_check(e->prompt && e->n_targets > 0 && e->label < (int)e->n_options);
        for (size_t j = 0; j < e->n_targets; j++)
            qv_check(e->targets[j]);
        for (size_t j = 0; j < e->n_options; j++)
            qv_check(e->options[j] && (!e->prompts || e->prompts[j]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    json_t *task;
    qv_arena a = {0};
    struct qv_mapping *m;
    struct qv_dataset *d;
    const char *path = file;
    if (qv__json_parse(&task, (const char *)bytes, size, NULL))
        return 0;
    if (!qv__mapping_parse(&m, &a, task, "", NULL)) {
        m->records.n_beside = 0; // files of other names are not the fuzzer's to open
        m->shots.file = NULL;
        if (!qv__mapping_read(&d, m, "t", &path, 1, NULL)) {
            check(d);
            qv__dataset_free(d);
        }
        qv__mapping_end(m);
    }
    json_decref(task);
    qv__arena_free(&a);
    return 0;
}
