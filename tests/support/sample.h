/* sample.h - a report of made-up numbers that holds every kind of figure, for the
 * tests to check and for people to look at: QV_SAMPLE=page.html keeps it. */
#ifndef QV_TESTS_SAMPLE_H
#define QV_TESTS_SAMPLE_H

#include <stdio.h>

void write_sample_report(FILE *out);

#endif
