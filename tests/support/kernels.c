/* kernels.c - see kernels.h. */
#include "support/kernels.h"

#include "support/near.h"

#include <stdlib.h>
#include <string.h>

const struct qv_kern *table[3];
size_t n_tables;

int find_tables(void **state)
{
    (void)state;
    static const char *const names[] = {"ref", "avx2", "avx512"};
    for (size_t i = 0; i < QV_COUNT(names); i++) {
        const struct qv_kern *k = qv__kern_use(names[i]);
        if (strcmp(k->name, names[i]) == 0)
            table[n_tables++] = k;
    }
    qv__kern_use(NULL);
    for (size_t i = 0; i < n_tables; i++)
        print_message("# kernels: %s\n", table[i]->name);
    return 0;
}
