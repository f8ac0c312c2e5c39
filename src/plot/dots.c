/* dots.c - estimates with their intervals, a row a name and a mark a method. */
#include "plot/svg.h"

#include <math.h>

enum { WIDTH = 760, TOP = 8, BOTTOM = 44, LANE = 13, GAP = 12, LEVEL = 24 };

struct layout {
    struct qv_scale x;
    double left, row, bottom;
};

static struct layout place(const struct qv_dots *c, double legend)
{
    double low = c->bars ? 0 : INFINITY, high = c->bars ? 0 : -INFINITY, label = 0;
    for (size_t i = 0; i < c->n_rows * c->n_series; i++) {
        struct qv_estimate e = c->at[i];
        bool interval = e.low <= e.high;
        if (!isfinite(e.value))
            continue;
        low = fmin(low, interval ? fmin(e.low, e.value) : e.value);
        high = fmax(high, interval ? fmax(e.high, e.value) : e.value);
    }
    for (size_t i = 0; i < c->n_rows; i++)
        label = fmax(label, qv__text_width(c->rows[i], 12));
    struct layout l = {.left = fmin(label + 20, WIDTH / 2.5)};
    l.x = qv__scale(low, high, l.left, WIDTH - l.left - 24, 7, true);
    l.row = c->level ? LEVEL : (double)(c->n_series * LANE + GAP);
    l.bottom = TOP + legend + l.row * (double)c->n_rows;
    return l;
}

static void estimate(FILE *out, const struct qv_dots *c, const struct layout *l, size_t row,
                     size_t i, double y)
{
    struct qv_estimate e = c->at[row * c->n_series + i];
    if (!isfinite(e.value))
        return;
    int decimals = l->x.decimals + 1;
    char value[QV_NUMBER], low[QV_NUMBER], high[QV_NUMBER], cls[16];
    double x = qv__scale_at(&l->x, e.value);
    bool interval = e.low <= e.high;
    qv__number(value, e.value, decimals);
    qv_arena a = {0};
    const char *tip = qv__arena_fmt(&a, "%s, %s: %s", c->rows[row], c->series[i], value);
    if (interval)
        tip = qv__arena_fmt(&a, "%s [%s, %s]", tip, qv__number(low, e.low, decimals),
                            qv__number(high, e.high, decimals));

    if (c->bars) {
        double zero = qv__scale_at(&l->x, 0);
        snprintf(cls, sizeof cls, "c%zu", i % QV_HUES);
        qv__svg_rect(out, cls, fmin(x, zero), y - LANE / 2.0 + 1, fabs(x - zero), LANE - 2,
                     1, tip);
    }
    if (interval) {
        snprintf(cls, sizeof cls, "whisker s%zu", i % QV_HUES);
        qv__svg_line(out, c->bars ? "cut" : cls, qv__scale_at(&l->x, e.low), y,
                     qv__scale_at(&l->x, e.high), y);
    }
    if (!c->bars)
        qv__svg_marker(out, x, y, 4.5, i, tip);
    qv__arena_free(&a);
}

/* From the least to the greatest mark of a row whose marks share one line. */
static void reach(FILE *out, const struct qv_dots *c, const struct layout *l, size_t row,
                  double y)
{
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < c->n_series; i++) {
        double v = c->at[row * c->n_series + i].value;
        if (isfinite(v)) {
            low = fmin(low, v);
            high = fmax(high, v);
        }
    }
    if (low < high)
        qv__svg_line(out, "reach", qv__scale_at(&l->x, low), y, qv__scale_at(&l->x, high),
                     y);
}

static void row(FILE *out, const struct qv_dots *c, const struct layout *l, size_t r,
                double top)
{
    double middle = top + l->row / 2;
    qv__svg_line(out, "base", 0, top, l->left + l->x.span, top);
    qv__svg_text(out, "label", 0, middle + 4, 's', c->rows[r]);
    if (c->level)
        reach(out, c, l, r, middle);
    for (size_t i = 0; i < c->n_series; i++) {
        double lane = top + GAP / 2.0 + LANE * ((double)i + 0.5);
        estimate(out, c, l, r, i, c->level ? middle : lane);
    }
}

void qv__plot_dots(FILE *out, const struct qv_dots *c)
{
    bool keyed = c->n_series > 1;
    double legend = keyed ? qv__svg_legend_height(c->series, c->n_series, WIDTH) + 6 : 0;
    struct layout l = place(c, legend);
    char text[QV_NUMBER];
    double v;

    qv__svg_begin(out, &c->plot, WIDTH, l.bottom + BOTTOM);
    if (keyed)
        qv__svg_legend(out, c->series, c->n_series, l.left, 2, WIDTH - l.left);
    for (size_t k = 0; qv__scale_tick(&l.x, k, &v); k++) {
        double x = qv__scale_at(&l.x, v);
        qv__svg_line(out, "grid", x, TOP + legend, x, l.bottom);
        qv__svg_text(out, "tick", x, l.bottom + 16, 'm', qv__number(text, v, l.x.decimals));
    }
    qv__svg_text(out, "axis", l.left + l.x.span, l.bottom + 34, 'e', c->x_label);
    for (size_t r = 0; r < c->n_rows; r++)
        row(out, c, &l, r, TOP + legend + l.row * (double)r);
    qv__svg_line(out, "base", 0, l.bottom, l.left + l.x.span, l.bottom);
    qv__svg_end(out);
}
