/* avx512.c - kernels for AVX-512 (Skylake-X, 2017; Zen 4, 2022; and later). */
#if defined(__x86_64__)
#include "kern/vector.h"

const struct qv_kern qv__kern_avx512 = QV_VECTOR_TABLE("avx512");
#else
typedef int qv__no_avx512; // a translation unit may not be empty
#endif
