/* dispatch.c - which table of kernels this machine runs. */
#include "kern/kern.h"

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>

/* Half floats to floats and back; gcc's own list of features came by it late. */
static int has_f16c(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

static int can(const struct qv_kern *k)
{
    if (k != &qv__kern_ref &&
        !(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c()))
        return 0;
    if (k == &qv__kern_avx512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl");
    return 1;
}

const struct qv_kern *qv__kern(void)
{
    static const struct qv_kern *const table[] = {&qv__kern_avx512, &qv__kern_avx2,
                                                  &qv__kern_ref};
    const char *asked = getenv("QV_KERN");
    for (size_t i = 0; i < 3; i++)
        if (can(table[i]) && (!asked || strcmp(asked, table[i]->name) == 0))
            return table[i];
    return &qv__kern_ref;
}

int qv__has_bf16(void)
{
    unsigned a, b, c, d;
    if (!__builtin_cpu_supports("avx512f") || !__get_cpuid_count(7, 1, &a, &b, &c, &d))
        return 0;
    return a >> 5 & 1; // AVX512_BF16; every AMX machine has it too
}
#else
const struct qv_kern *qv__kern(void)
{
    return &qv__kern_ref;
}

int qv__has_bf16(void)
{
    return 0;
}
#endif
