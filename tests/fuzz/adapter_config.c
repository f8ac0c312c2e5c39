/* Whatever adapter_config.json says over two sites' tensors, reading returns;
 * and if it succeeds, ranks are the tensors' and every scale is a number. */
#include "lora/peft.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define Q(i) "\"base_model.model.model.layers." i ".self_attn.q_proj.lora_"
#define F32  ".weight\":{\"dtype\":\"F32\",\"shape\":"

static const char header[] = "{" Q("0") "A" F32 "[2,3],\"data_offsets\":[0,24]}," Q(
    "0") "B" F32
         "[4,2],\"data_offsets\":[24,56]}," Q(
             "1") "A" F32
                  "[1,3],\"data_offsets\":[56,68]}," Q(
                      "1") "B" F32 "[4,1],\"data_offsets\":[68,84]}}";

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static char file[8 + sizeof header - 1 + 84];
    uint64_t n = sizeof header - 1;
    memcpy(file, &n, sizeof n);
    memcpy(file + 8, header, n);
    struct qv_st st;
    qv_check(!qv__st_parse(&st, file, sizeof file, NULL));
    char *exact = malloc(qv__max(size, 1)); // so that reading past `size` traps
    qv_check(exact);
    if (size)
        memcpy(exact, bytes, size);
    struct qv_expert *e;
    if (!qv__peft_parse(&e, "fuzz", exact, size, &st, NULL, NULL)) {
        qv_check(e->n_sites == 2 && e->site[0].R == 2 && e->site[1].R == 1);
        qv_check(isfinite(e->site[0].scale) && isfinite(e->site[1].scale));
        qv__expert_free(e);
    }
    free(exact);
    qv__st_close(&st);
    return 0;
}
