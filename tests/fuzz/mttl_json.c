/* Whatever the JSON says over a few tensors of mttl's, reading returns; if it succeeds and
 * the expert is not deleted, ranks are the tensors' and every scale is a number. */
#include "lora/mttl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define T(name, shape, at, end)                                                            \
    "\"h.0." name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" at        \
    "," end "]}"

/* q with its A, and k and v, whose A may be tied to it. */
static const char header[] =
    "{" T("q.lora_a", "[3,1]", "0", "12") "," T("q.lora_b", "[1,2]", "12", "20") "," T(
        "k.lora_b", "[1,2]", "20", "28") "," T("v.lora_b", "[1,2]", "28", "36") "}";
enum { DATA = 36 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static char file[8 + sizeof header - 1 + DATA];
    uint64_t n = sizeof header - 1;
    memcpy(file, &n, sizeof n);
    memcpy(file + 8, header, n);
    struct qv_st st;
    struct qv_mttl x;
    qv_check(!qv__st_parse(&st, file, sizeof file, NULL));
    char *exact = malloc(qv__max(size, 1)); // so that reading past `size` traps
    qv_check(exact);
    if (size)
        memcpy(exact, bytes, size);
    if (!qv__mttl_parse(&x, exact, size, &st, NULL)) {
        qv_check(x.is_deleted == !x.expert);
        for (size_t i = 0; x.expert && i < x.expert->n_sites; i++)
            qv_check(x.expert->site[i].R == 1 && isfinite(x.expert->site[i].scale));
        qv__mttl_end(&x);
    }
    free(exact);
    qv__st_close(&st);
    return 0;
}
