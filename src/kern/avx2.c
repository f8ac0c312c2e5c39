/* avx2.c - kernels for AVX2 and FMA (Haswell, 2013, and later). */
#if defined(__x86_64__)
#include "kern/vector.h"

const struct qv_kern qv__kern_avx2 = QV_VECTOR_TABLE("avx2");
#else
typedef int qv__no_avx2; // a translation unit may not be empty
#endif
