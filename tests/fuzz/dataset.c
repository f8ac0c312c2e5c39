/* Whatever the bytes, parsing a task file returns; if it succeeds, every example
 * has a prompt and a target and a label within its options. */
#include "data/dataset.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(const char *path, const char *bytes, size_t size)
{
    struct qv_dataset *d;
    if (qv__dataset_parse(&d, path, bytes, size, NULL, NULL)) {
        qv_check(!d);
        return;
    }
    qv_check(d->n > 0);
    size_t total = 0;
    for (size_t i = 0; i < d->n; i++) {
        const struct qv_example *e = &d->at[i];
        qv_check(e->n_targets > 0 && e->label < (int)e->n_options);
        total += strlen(e->prompt);
        for (size_t j = 0; j < e->n_targets; j++)
            total += strlen(e->targets[j]);
    }
    // Prompts of a published task repeat the definition; nothing else may grow.
    qv_check(total <= (size + 100) * d->n);
    qv__dataset_free(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char *exact = malloc(size ? size : 1); // so that reading past `size` traps
    qv_check(exact);
    if (size)
        memcpy(exact, bytes, size);
    check("t.jsonl", exact, size);
    check("t.json", exact, size);
    free(exact);
    return 0;
}
