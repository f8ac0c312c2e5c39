/* Whatever the bytes, parsing config.json returns; if it succeeds, the sizes fit
 * together and no later product of them can overflow. */
#include "model/config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct qv_config c;
    char *exact = malloc(size ? size : 1); // so that reading past `size` traps
    qv_check(exact);
    if (size)
        memcpy(exact, bytes, size);
    if (!qv__config_parse(&c, exact, size, NULL)) {
        qv_check(c.D && c.L && c.H && c.Hk && c.E && c.F && c.V && c.n_ctx);
        qv_check(c.H % c.Hk == 0 && c.E % 2 == 0);
        qv_check(c.theta > 0 && isfinite(c.theta) && c.eps >= 0 && isfinite(c.eps));
        qv_check(c.bos >= -1 && c.bos < (int)c.V && c.eos >= -1 && c.eos < (int)c.V);
        size_t n;
        qv_check(!__builtin_mul_overflow(c.H * c.E * c.L, c.D, &n));
    }
    free(exact);
    return 0;
}
