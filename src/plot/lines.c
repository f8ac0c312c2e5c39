/* lines.c - curves, or points, over a common axis. */
#include "plot/svg.h"

#include <math.h>
#include <stdlib.h>

enum {
    WIDTH = 760,
    HEIGHT = 330,
    LEFT = 58,
    TOP = 14,
    BOTTOM = 46,
    NAMED = 10,  // series that get their name at the end of the curve
    POINTS = 300 // longer series are drawn as the means of this many runs
};

struct span {
    double low, high;
};

static void widen(struct span *s, double v)
{
    if (isfinite(v)) {
        s->low = fmin(s->low, v);
        s->high = fmax(s->high, v);
    }
}

/* As how many runs a series is drawn: a long curve's points would lie on each other. */
static size_t runs_of(const struct qv_lines *c, const struct qv_series *s)
{
    return c->marks ? s->n : qv__min(s->n, POINTS);
}

/* The i-th of the runs that a long series is drawn as, as the axes count. */
static void run_of(const struct qv_lines *c, const struct qv_series *s, size_t i, size_t n,
                   double *x, double *y)
{
    size_t begin = i * s->n / n, end = (i + 1) * s->n / n;
    double sum_x = 0, sum_y = 0;
    for (size_t k = begin; k < end; k++) {
        sum_x += s->x[k];
        sum_y += s->y[k];
    }
    *x = sum_x / (double)(end - begin);
    *y = sum_y / (double)(end - begin);
    *x = c->log_x ? log2(*x) : *x;
    *y = c->log_y ? log2(*y) : *y;
}

/* The axis of what run_of gives. */
static struct qv_scale axis(struct span d, bool is_log, double at, double span,
                            size_t ticks, bool loose)
{
    struct qv_scale s = qv__scale(d.low, d.high, at, span, ticks, loose);
    if (is_log && s.step < 1) {
        s.step = 1;
        s.decimals = 0;
        s.from = loose ? floor(d.low) : s.from;
        s.to = loose ? fmax(ceil(d.high), s.from + 1) : s.to;
    }
    return s;
}

/* A tick's number. */
static const char *tick(char text[QV_NUMBER], const struct qv_scale *s, bool is_log,
                        double v)
{
    if (!is_log)
        return qv__number(text, v, s->decimals);
    return qv__number(text, exp2(v), v < 0 ? (int)ceil(-v) : 0);
}

static void curve(FILE *out, const struct qv_lines *c, const struct qv_series *s,
                  const struct qv_scale *ax, const struct qv_scale *ay)
{
    double x[POINTS], y[POINTS];
    size_t n = qv__min(s->n, POINTS);
    for (size_t i = 0; i < n; i++) {
        run_of(c, s, i, n, &x[i], &y[i]);
        x[i] = qv__scale_at(ax, x[i]);
        y[i] = qv__scale_at(ay, y[i]);
    }
    char cls[32];
    snprintf(cls, sizeof cls, "curve%s s%zu", c->n_series > NAMED ? " thin" : "",
             s->group % QV_HUES);
    qv__svg_path(out, cls, x, y, n, s->name);
}

/* Each point as a dot. */
static void marks(FILE *out, const struct qv_lines *c, const struct qv_series *s,
                  const struct qv_scale *ax, const struct qv_scale *ay)
{
    for (size_t i = 0; i < s->n; i++) {
        double x, y;
        run_of(c, s, i, s->n, &x, &y);
        if (isfinite(x) && isfinite(y))
            qv__svg_marker(out, qv__scale_at(ax, x), qv__scale_at(ay, y),
                           s->n > POINTS ? 1.5 : 4, s->group, s->name);
    }
}

struct tag {
    double y;
    const struct qv_series *series;
};

static int by_height(const void *a, const void *b)
{
    const struct tag *p = a, *q = b;
    return (p->y > q->y) - (p->y < q->y);
}

/* Names at the ends of the curves, pushed apart where they would touch. */
static void names(FILE *out, const struct qv_lines *c, const struct qv_scale *ay, double x)
{
    struct tag tags[NAMED];
    size_t n = 0;
    for (size_t i = 0; i < c->n_series; i++)
        if (c->series[i].n) {
            double unused, last;
            size_t runs = qv__min(c->series[i].n, POINTS);
            run_of(c, &c->series[i], runs - 1, runs, &unused, &last);
            if (isfinite(last))
                tags[n++] = (struct tag){qv__scale_at(ay, last), &c->series[i]};
        }
    qsort(tags, n, sizeof tags[0], by_height);
    for (size_t i = 1; i < n; i++)
        tags[i].y = fmax(tags[i].y, tags[i - 1].y + 14);
    double over = n ? fmax(0, tags[n - 1].y - (HEIGHT - BOTTOM)) : 0;
    for (size_t i = n; i-- > 0 && over > 0;) {
        double limit = i + 1 < n ? tags[i + 1].y - 14 : HEIGHT - BOTTOM;
        tags[i].y = fmin(tags[i].y, limit);
    }
    for (size_t i = 0; i < n; i++) {
        char cls[16];
        snprintf(cls, sizeof cls, "label c%zu", tags[i].series->group % QV_HUES);
        qv__svg_text(out, cls, x + 8, tags[i].y + 4, 's', tags[i].series->name);
    }
}

static void axes(FILE *out, const struct qv_lines *c, const struct qv_scale *ax,
                 const struct qv_scale *ay)
{
    char text[QV_NUMBER];
    double v, right = ax->at + ax->span, floor_y = ay->at;
    for (size_t k = 0; qv__scale_tick(ay, k, &v); k++) {
        double y = qv__scale_at(ay, v);
        qv__svg_line(out, "grid", LEFT, y, right, y);
        qv__svg_text(out, "tick", LEFT - 8, y + 4, 'e', tick(text, ay, c->log_y, v));
    }
    qv__svg_line(out, "base", LEFT, floor_y, right, floor_y);
    for (size_t k = 0; qv__scale_tick(ax, k, &v); k++) {
        double x = qv__scale_at(ax, v);
        qv__svg_line(out, "base", x, floor_y, x, floor_y + 5);
        qv__svg_text(out, "tick", x, floor_y + 18, 'm', tick(text, ax, c->log_x, v));
    }
    qv__svg_text(out, "axis", right, floor_y + 36, 'e', c->x_label);
    qv__svg_text_up(out, "axis", 14, TOP, 'e', c->y_label);
}

void qv__plot_lines(FILE *out, const struct qv_lines *c)
{
    struct span dx = {INFINITY, -INFINITY}, dy = dx;
    bool named = c->n_series <= NAMED && !c->marks;
    double room = 16;
    for (size_t i = 0; i < c->n_series; i++) {
        const struct qv_series *s = &c->series[i];
        size_t runs = runs_of(c, s);
        for (size_t k = 0; k < runs; k++) {
            double x, y;
            run_of(c, s, k, runs, &x, &y);
            widen(&dx, x);
            widen(&dy, y);
        }
        if (named)
            room = fmax(room, 16 + qv__text_width(s->name, 12));
    }
    room = fmin(room, WIDTH / 3.0);

    double legend =
        named || c->marks ? 0 : qv__svg_legend_height(c->groups, c->n_groups, WIDTH - LEFT);
    struct qv_scale ax = axis(dx, c->log_x, LEFT, WIDTH - LEFT - room, 8, false);
    struct qv_scale ay = axis(dy, c->log_y, 0, 1, 5, true);
    ay.at = HEIGHT - BOTTOM;
    ay.span = -(HEIGHT - BOTTOM - TOP);

    qv__svg_begin(out, &c->plot, WIDTH, HEIGHT + legend);
    axes(out, c, &ax, &ay);
    for (size_t i = 0; i < c->n_series; i++)
        (c->marks ? marks : curve)(out, c, &c->series[i], &ax, &ay);
    if (named)
        names(out, c, &ay, ax.at + ax.span);
    else if (!c->marks)
        qv__svg_legend(out, c->groups, c->n_groups, LEFT, HEIGHT, WIDTH - LEFT);
    qv__svg_end(out);
}
