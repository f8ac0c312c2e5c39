/* near.c - see near.h. */
#include "support/near.h"

#include <math.h>

void assert_close_at(const float *got, const float *want, size_t n, double abs, double rel,
                     const char *name, const char *file, int line)
{
    size_t worst = n;
    double excess = 0;
    for (size_t i = 0; i < n; i++) {
        double off = fabs((double)got[i] - (double)want[i]);
        double over = off - (abs + rel * fabs((double)want[i]));
        if (!(over <= excess)) {
            worst = i;
            excess = isnan(over) ? INFINITY : over;
        }
    }
    if (worst < n) {
        print_error("%s[%zu of %zu] is %.9g, should be %.9g within %g + %g of it\n", name,
                    worst, n, (double)got[worst], (double)want[worst], abs, rel);
        _fail(file, line);
    }
}

void assert_close_to_scale_at(const float *got, const float *want, size_t n, double rel,
                              const char *name, const char *file, int line)
{
    double scale = 0;
    for (size_t i = 0; i < n; i++)
        scale = fmax(scale, fabs((double)want[i]));
    assert_close_at(got, want, n, rel * scale, 0, name, file, line);
}
