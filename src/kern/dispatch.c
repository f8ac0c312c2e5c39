/* dispatch.c - which table of kernels this machine runs. */
#include "kern/kern.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>

/* What a bit of CPUID says. Asked once: where the machine is virtual, that takes as long as
 * some products do. */
struct question {
    unsigned leaf, sub, bit;
    bool in_eax;       // else in ecx
    atomic_int answer; // 0: not asked yet, 1: no, 2: yes
};

static int ask(struct question *q)
{
    int answer = atomic_load_explicit(&q->answer, memory_order_relaxed);
    if (!answer) {
        unsigned a = 0, b, c = 0, d;
        const int known = __get_cpuid_count(q->leaf, q->sub, &a, &b, &c, &d);
        answer = 1 + (known && ((q->in_eax ? a : c) >> q->bit & 1));
        atomic_store_explicit(&q->answer, answer, memory_order_relaxed);
    }
    return answer - 1;
}

static int has_f16c(void)
{
    static struct question f16c = {1, 0, 29, false, 0};
    return ask(&f16c);
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

static const struct qv_kern *choose(const char *name)
{
    static const struct qv_kern *const table[] = {&qv__kern_avx512, &qv__kern_avx2,
                                                  &qv__kern_ref};
    for (size_t i = 0; i < QV_COUNT(table); i++)
        if (can(table[i]) && (!name || strcmp(name, table[i]->name) == 0))
            return table[i];
    return &qv__kern_ref;
}

int qv__has_bf16(void)
{
    static struct question bf16 = {7, 1, 5, true, 0}; // every AMX machine has it too
    return __builtin_cpu_supports("avx512f") && ask(&bf16);
}
#else
static const struct qv_kern *choose(const char *name)
{
    (void)name;
    return &qv__kern_ref;
}

int qv__has_bf16(void)
{
    return 0;
}
#endif

static _Atomic(const struct qv_kern *) chosen;

const struct qv_kern *qv__kern_use(const char *name)
{
    const struct qv_kern *k = choose(name);
    atomic_store_explicit(&chosen, k, memory_order_relaxed);
    return k;
}

const struct qv_kern *qv__kern(void)
{
    const struct qv_kern *k = atomic_load_explicit(&chosen, memory_order_relaxed);
    return k ? k : qv__kern_use(getenv("QV_KERN"));
}
