/* plot.h - charts as SVG, from plain numbers and names.
 *
 * A chart is a struct of borrowed arrays; drawing it writes one <svg> element to
 * a stream. The same numbers give the same bytes, whatever the locale, so tests
 * compare text. Colours are classes, which the style sheet (qv__plot_style) maps
 * to a light and a dark palette that colour-blind readers can tell apart; where
 * a colour carries meaning, a shape or a word says it too.
 *
 * Nothing here fails: what a stream refuses shows in ferror(). Values that are
 * not finite are left out of the drawing.
 */
#ifndef QV_PLOT_PLOT_H
#define QV_PLOT_PLOT_H

#include "base/base.h"

#include <stdio.h>

/* What every chart has. */
struct qv_plot {
    const char *title; // read aloud, and shown as the tooltip of the whole
    bool alone;        // a file of its own: it carries its style sheet
};

/* A value and its interval; low > high means that it has none. */
struct qv_estimate {
    double value, low, high;
};

struct qv_series {
    const char *name;
    const double *x, *y; // [n]
    size_t n;
    size_t group; // which colour
};

/* Curves over a common axis, such as losses over steps. Up to ten are named at
 * their ends; more are drawn thin and named by `groups` in a legend. */
struct qv_lines {
    struct qv_plot plot;
    const char *x_label, *y_label;
    bool log_x, log_y; // an axis of powers of two, for values above 0
    bool marks;        // a dot a point in place of a curve, and no names
    const struct qv_series *series;
    size_t n_series;
    const char *const *groups; // [n_groups] or NULL
    size_t n_groups;
};
void qv__plot_lines(FILE *out, const struct qv_lines *c);

/* One row a name, one dot a series, with intervals; to compare methods. */
struct qv_dots {
    struct qv_plot plot;
    const char *x_label;
    const char *const *rows; // [n_rows]
    size_t n_rows;
    const char *const *series; // [n_series]
    size_t n_series;
    const struct qv_estimate *at; // [n_rows, n_series]
    bool bars;                    // bars from zero in place of dots
    bool level; // dots alone, those of a row on one line, which joins them
};
void qv__plot_dots(FILE *out, const struct qv_dots *c);

/* A matrix as shades. Values are -1..1 (below zero in a second hue) or 0..1. */
struct qv_heat {
    struct qv_plot plot;
    const char *const *rows;    // [n_rows]
    const char *const *columns; // [n_columns]
    size_t n_rows, n_columns;
    const float *value;  // [n_rows, n_columns]
    double from;         // what has no shade, below 1: for values that are all high
    const size_t *group; // [n_groups] sizes of consecutive groups, of both axes; or NULL
    size_t n_groups;
};
void qv__plot_heat(FILE *out, const struct qv_heat *c);

struct qv_point {
    const char *name;
    double x, y;
    size_t group;
};

/* A map: points by their coordinates, coloured, shaped and enclosed by group,
 * with as many names as find room. */
struct qv_scatter {
    struct qv_plot plot;
    const struct qv_point *points;
    size_t n_points;
    const char *const *groups; // [n_groups]
    size_t n_groups;
    bool hulls; // shade the area of each group
};
void qv__plot_scatter(FILE *out, const struct qv_scatter *c);

/* A text, token by token, and below each token one cell a site, in the colour of
 * the expert that weighed most there; the stronger the shade, the more it did. The
 * first word of a site's name is its layer ("3 q"); layers stand a little apart. */
struct qv_strip {
    struct qv_plot plot;
    const char *const *tokens; // [T]
    size_t T;
    const char *const *sites; // [n_sites]
    size_t n_sites;
    const char *const *experts; // [K]
    size_t K;
    const int *top;      // [n_sites, T] an expert, or -1 for none
    const float *weight; // [n_sites, T] its weight, 0..1
    const double *share; // [K] of all weight, for the legend; NULL: of those above
};
void qv__plot_strip(FILE *out, const struct qv_strip *c);

/* The style sheet that the charts' classes refer to. */
void qv__plot_style(FILE *out);

#endif
