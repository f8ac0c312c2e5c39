/* html.h - one page that needs nothing but itself: the report.
 *
 * Written from top to bottom to a stream: begin, then sections with prose,
 * tables and figures, then end. All text is escaped here, except what a figure
 * draws between figure_begin and figure_end with plot.h. The page has a light and
 * a dark look, prints well, and holds no script and no link to elsewhere.
 */
#ifndef QV_PLOT_HTML_H
#define QV_PLOT_HTML_H

#include "plot/plot.h"

/* `lead` is a paragraph under the title, or NULL. */
void qv__html_begin(FILE *out, const char *title, const char *lead);
/* `foot` says how the page was made, or is NULL. */
void qv__html_end(FILE *out, const char *foot);

/* A heading that the contents at the top link to by `id`. */
void qv__html_section(FILE *out, const char *id, const char *title);
/* Links to n sections: ids and titles, in the order of the page. */
void qv__html_contents(FILE *out, const char *const *ids, const char *const *titles,
                       size_t n);

/* A paragraph. Text between backquotes is set as code. */
void qv__html_prose(FILE *out, const char *text);
/* Text as it is, in a typewriter face: commands. */
void qv__html_code(FILE *out, const char *text);

/* A few large figures with what they mean, side by side. */
struct qv_fact {
    const char *value, *gist;
};
void qv__html_facts(FILE *out, const struct qv_fact *facts, size_t n);

/* A drawing with a caption that says what is shown; `title` is bold, and begins
 * the caption. */
void qv__html_figure_begin(FILE *out);
void qv__html_figure_end(FILE *out, const char *title, const char *caption);

/* One cell: text, or (when text is NULL) a number with its interval. */
struct qv_cell {
    const char *text;
    struct qv_estimate number;
    bool best; // set in bold
};

struct qv_table {
    const char *title, *caption;
    const char *const *columns; // [n_columns]; the first names the rows
    size_t n_columns, n_rows;
    const struct qv_cell *cells; // [n_rows, n_columns]
    const int *decimals;         // [n_columns]
    const size_t *rules;         // [n_rules] rows that a rule stands above
    size_t n_rules;
};
void qv__html_table(FILE *out, const struct qv_table *t);

#endif
