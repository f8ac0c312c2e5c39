/* Whatever the bytes, parsing returns; and if it succeeds, tensors tile the file,
 * every element can be read, and each is found by its name. */
#include "format/safetensors.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    uint8_t *exact = malloc(qv__max(size, 1)); // so that reading past `size` traps
    qv_check(exact);
    if (size)
        memcpy(exact, bytes, size);
    struct qv_st st;
    if (!qv__st_parse(&st, exact, size, NULL)) {
        uint64_t header;
        memcpy(&header, exact, sizeof header);
        size_t used = sizeof header + header;
        for (size_t i = 0; i < st.n; i++) {
            const struct qv_tensor *t = &st.tensor[i];
            qv_check(qv__st_find(&st, t->name) == t);
            qv_check(t->data == exact + used);
            used += t->bytes;
            float x;
            for (size_t k = 0; k < t->n && t->dtype <= QV_BF16; k++)
                qv__st_f32(&x, t, k, 1);
        }
        qv_check(used == size);
        for (size_t i = 0; i < st.n_meta; i++)
            qv_check(qv__st_meta(&st, st.meta_key[i]) == st.meta_value[i]);
        qv__st_close(&st);
    }
    free(exact);
    return 0;
}
