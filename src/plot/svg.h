/* svg.h - what the charts draw with: elements, text that fits, axes.
 *
 * Coordinates are pixels at natural size, y downwards. Numbers are written with
 * at most two decimals and a point, in every locale. A class is one or more of
 * the names in style.c; text is escaped here and nowhere else.
 */
#ifndef QV_PLOT_SVG_H
#define QV_PLOT_SVG_H

#include "base/arena.h"
#include "plot/plot.h"

enum {
    QV_HUES = 8,    // colours c0 ... c7 of the style sheet
    QV_SHAPES = 5,  // of markers
    QV_NUMBER = 32, // room for a formatted number
};

void qv__svg_begin(FILE *out, const struct qv_plot *p, double width, double height);
void qv__svg_end(FILE *out);

void qv__svg_line(FILE *out, const char *cls, double x1, double y1, double x2, double y2);
/* `tip` is a tooltip, or NULL. `alpha` is the opacity of the fill. */
void qv__svg_rect(FILE *out, const char *cls, double x, double y, double w, double h,
                  double alpha, const char *tip);
/* `anchor` is 's', 'm' or 'e': start, middle or end of the text stands at x. */
void qv__svg_text(FILE *out, const char *cls, double x, double y, char anchor,
                  const char *text);
/* The same, turned a quarter to the left. */
void qv__svg_text_up(FILE *out, const char *cls, double x, double y, char anchor,
                     const char *text);
/* A marker of colour and shape `group`. */
void qv__svg_marker(FILE *out, double x, double y, double radius, size_t group,
                    const char *tip);
/* Open path: x[i], y[i] joined by straight lines, NaN leaving a gap. */
void qv__svg_path(FILE *out, const char *cls, const double *x, const double *y, size_t n,
                  const char *tip);

void qv__svg_num(FILE *out, double v);
/* `text` as it may stand in an element or an attribute. Bytes that are not UTF-8
 * and characters that XML cannot hold become U+FFFD: tokens may be anything. */
void qv__svg_escape(FILE *out, const char *text);

/* `v` to be read: with that many decimals (6 at most), a point and a true minus
 * sign, whatever the locale; "-0" is "0", what is no number a dash. */
const char *qv__number(char text[QV_NUMBER], double v, int decimals);
const char *qv__num(qv_arena *a, double v, int decimals); // the same, in the arena

/* About how wide a text is: in the sans-serif of the charts, per pixel of size. */
double qv__text_width(const char *text, double size);
/* The same in a typewriter face. */
double qv__mono_width(const char *text, double size);

/* An axis: data from..to drawn at at..at+span, with round ticks. */
struct qv_scale {
    double from, to, at, span;
    double step;  // between ticks
    int decimals; // that a tick needs
};

/* Ticks for the data low..high; `loose` widens the axis to whole ticks. */
struct qv_scale qv__scale(double low, double high, double at, double span, size_t ticks,
                          bool loose);
double qv__scale_at(const struct qv_scale *s, double v);
/* The k-th tick; false once there are no more. */
bool qv__scale_tick(const struct qv_scale *s, size_t k, double *v);

/* A legend of markers in rows of `width` from (x, y) down; returns its height. */
double qv__svg_legend(FILE *out, const char *const *names, size_t n, double x, double y,
                      double width);
double qv__svg_legend_height(const char *const *names, size_t n, double width);

#endif
