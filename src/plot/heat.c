/* heat.c - a matrix as shades, with its groups marked off. */
#include "plot/svg.h"

#include <math.h>
#include <stdlib.h>

enum { WIDTH = 760, TIPS = 4096 };

static double longest(const char *const *names, size_t n, double size)
{
    double width = 0;
    for (size_t i = 0; i < n; i++)
        width = fmax(width, qv__text_width(names[i], size));
    return width;
}

static void cells(FILE *out, const struct qv_heat *c, double left, double top, double size)
{
    qv_arena a = {0};
    bool tips = c->n_rows * c->n_columns <= TIPS;
    for (size_t i = 0; i < c->n_rows; i++)
        for (size_t j = 0; j < c->n_columns; j++) {
            double v = (double)c->value[i * c->n_columns + j];
            if (!isfinite(v))
                continue;
            char text[QV_NUMBER];
            const char *tip = qv__arena_fmt(&a, "%s, %s: %s", c->rows[i], c->columns[j],
                                            qv__number(text, v, 2));
            // Rounded, so that equal-looking shades are equal bytes.
            double full = c->from > 0 ? (v - c->from) / (1 - c->from) : fabs(v);
            double shade = round(fmin(fmax(full, 0), 1) * 100) / 100;
            qv__svg_rect(out, v < 0 ? "cold" : "heat", left + size * (double)j,
                         top + size * (double)i, size, size, shade, tips ? tip : NULL);
        }
    qv__arena_free(&a);
}

static void groups(FILE *out, const struct qv_heat *c, double left, double top, double size)
{
    double at = 0, wide = size * (double)c->n_columns, high = size * (double)c->n_rows;
    for (size_t g = 0; g < c->n_groups; g++) {
        double side = size * (double)c->group[g];
        if (g) {
            qv__svg_line(out, "cut", left, top + at, left + wide, top + at);
            qv__svg_line(out, "cut", left + at, top, left + at, top + high);
        }
        at += side;
    }
}

static void key(FILE *out, const struct qv_heat *c, double left, double top)
{
    bool cold = false;
    for (size_t i = 0; i < c->n_rows * c->n_columns; i++)
        cold = cold || c->value[i] < 0;
    char text[QV_NUMBER];
    int low = cold ? -10 : 0;
    for (int i = low; i <= 10; i++)
        qv__svg_rect(out, i < 0 ? "cold" : "heat", left + 12.0 * (i - low), top, 12, 10,
                     abs(i) / 10.0, NULL);
    double first = c->from > 0 ? c->from : low / 10.0;
    qv__svg_text(out, "tick", left, top + 24, 's',
                 qv__number(text, first, c->from > 0 ? 2 : 0));
    if (cold)
        qv__svg_text(out, "tick", left + 12.0 * 10.5, top + 24, 'm', "0");
    qv__svg_text(out, "tick", left + 12.0 * (11 - low), top + 24, 'e', "1");
}

void qv__plot_heat(FILE *out, const struct qv_heat *c)
{
    size_t n = qv__max(qv__max(c->n_rows, c->n_columns), 1);
    double size = fmin(fmax(floor(560.0 / (double)n), 6), 26);
    double letters = fmin(size - 1, 11);
    const char *cls = letters >= 11 ? "label soft" : letters >= 9 ? "label small" : "tiny";
    double written = letters >= 11 ? 11 : letters >= 9 ? 10 : 9;
    bool name_all = size >= 9; // below, names would overlap: the tooltips have them
    double left = name_all ? longest(c->rows, c->n_rows, written) + 8 : 2;
    double top = name_all ? longest(c->columns, c->n_columns, written) + 8 : 2;
    double high = size * (double)c->n_rows, wide = size * (double)c->n_columns;

    qv__svg_begin(out, &c->plot, fmax(left + wide + 8, 280), top + high + 48);
    qv__svg_rect(out, "none", left, top, wide, high, 0.35, NULL);
    cells(out, c, left, top, size);
    groups(out, c, left, top, size);
    for (size_t i = 0; name_all && i < c->n_rows; i++)
        qv__svg_text(out, cls, left - 5, top + size * ((double)i + 0.5) + written * 0.35,
                     'e', c->rows[i]);
    for (size_t j = 0; name_all && j < c->n_columns; j++)
        qv__svg_text_up(out, cls, left + size * ((double)j + 0.5) + written * 0.35, top - 5,
                        's', c->columns[j]);
    key(out, c, left, top + high + 14);
    qv__svg_end(out);
}
