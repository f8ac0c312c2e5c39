/* html.c - one page that needs nothing but itself: see html.h. */
#include "plot/html.h"
#include "plot/svg.h"

#include <string.h>

static const char style[] =
    "*{box-sizing:border-box}\n"
    "html{-webkit-text-size-adjust:100%}\n"
    "body{margin:0;background:var(--paper);color:var(--ink);"
    "font:17px/1.55 Charter,\"Bitstream Charter\",\"Sitka Text\",Cambria,Georgia,"
    "\"Liberation Serif\",serif}\n"
    "main{max-width:820px;margin:0 auto;padding:56px 24px 40px}\n"
    "h1{font-size:38px;line-height:1.12;letter-spacing:-.015em;font-weight:600;"
    "margin:0 0 14px}\n"
    "h2{font-size:23px;line-height:1.25;font-weight:600;margin:60px 0 10px;"
    "padding-top:14px;border-top:1px solid var(--rule)}\n"
    "p{margin:0 0 14px;max-width:41em;hyphens:auto}\n"
    ".lead{font-size:20px;line-height:1.45;color:var(--soft);margin-bottom:26px}\n"
    "code,pre{font-family:ui-monospace,\"SF Mono\",Menlo,Consolas,\"Liberation Mono\","
    "monospace;font-size:.84em}\n"
    "pre{background:var(--card);border:1px solid var(--rule);border-radius:6px;"
    "padding:12px 14px;overflow-x:auto;line-height:1.5}\n"
    "nav{font:14px/1.5 \"Inter\",\"Helvetica Neue\",Helvetica,Arial,\"Liberation Sans\","
    "sans-serif;margin:0 0 30px}\n"
    "nav a{color:var(--soft);text-decoration:none;margin-right:18px;white-space:nowrap;"
    "border-bottom:1px solid var(--rule)}\nnav a:hover{color:var(--ink)}\n"
    ".facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:1px;"
    "margin:26px 0 34px;background:var(--rule);border:1px solid var(--rule);"
    "border-radius:8px;overflow:hidden}\n"
    ".facts div{background:var(--card);padding:14px 16px}\n"
    ".facts b{display:block;font:600 28px/1.15 \"Inter\",\"Helvetica "
    "Neue\",Helvetica,Arial,"
    "\"Liberation "
    "Sans\",sans-serif;letter-spacing:-.02em;font-variant-numeric:tabular-nums}\n"
    ".facts span{display:block;margin-top:3px}\n"
    ".facts span,figcaption,caption{font:14px/1.45 \"Inter\",\"Helvetica Neue\",Helvetica,"
    "Arial,\"Liberation Sans\",sans-serif;color:var(--soft)}\n"
    "figure{margin:26px 0 34px}\n"
    "figcaption{max-width:52em;margin-top:12px}\n"
    "figcaption b,caption b{color:var(--ink);font-weight:600}\n"
    ".scroll{overflow-x:auto;margin:26px 0 34px}\n"
    "table{border-collapse:collapse;width:100%;font:14px/1.4 \"Inter\",\"Helvetica Neue\","
    "Helvetica,Arial,\"Liberation Sans\",sans-serif;font-variant-numeric:tabular-nums}\n"
    "caption{caption-side:bottom;text-align:left;padding-top:10px}\n"
    "th{font-weight:600;text-align:right;vertical-align:bottom;padding:6px 0 6px 16px;"
    "border-bottom:1.5px solid var(--ink)}\n"
    "td{text-align:right;padding:5px 0 5px 16px;border-bottom:1px solid var(--grid);"
    "white-space:nowrap}\n"
    ".text{text-align:left}th:first-child,td:first-child{padding-left:0}\n"
    "tr.rule td{border-top:1.5px solid var(--soft)}\n"
    "tbody tr:last-child td{border-bottom:1.5px solid var(--ink)}\n"
    "tbody tr:hover td{background:var(--grid)}\n"
    "td small{display:inline-block;min-width:7.2em;margin-left:.3em;text-align:left;"
    "color:var(--soft);"
    "font-size:12px}\n"
    "td b{font-weight:650}\n"
    "footer{margin-top:64px;padding-top:12px;border-top:1px solid var(--rule);"
    "font-size:14px;color:var(--soft)}\n"
    "@media(max-width:600px){body{font-size:16px}main{padding-top:32px}h1{font-size:30px}"
    "figure{overflow-x:auto}figure .plot{max-width:none}figcaption{position:sticky;left:0}}"
    "\n"
    "@media print{main{max-width:none}h2{break-after:avoid}figure,.scroll{break-inside:"
    "avoid}}\n";

static void element(FILE *out, const char *open, const char *text, const char *close)
{
    fputs(open, out);
    qv__svg_escape(out, text);
    fputs(close, out);
}

void qv__html_begin(FILE *out, const char *title, const char *lead)
{
    fputs("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n",
          out);
    element(out, "<title>", title, "</title>\n<style>\n");
    qv__plot_style(out);
    fputs(style, out);
    fputs("</style>\n</head>\n<body>\n<main>\n", out);
    element(out, "<h1>", title, "</h1>\n");
    if (lead)
        element(out, "<p class=\"lead\">", lead, "</p>\n");
}

void qv__html_end(FILE *out, const char *foot)
{
    if (foot)
        element(out, "<footer>", foot, "</footer>\n");
    fputs("</main>\n</body>\n</html>\n", out);
}

void qv__html_section(FILE *out, const char *id, const char *title)
{
    element(out, "<h2 id=\"", id, "\">");
    element(out, "", title, "</h2>\n");
}

void qv__html_contents(FILE *out, const char *const *ids, const char *const *titles,
                       size_t n)
{
    fputs("<nav>", out);
    for (size_t i = 0; i < n; i++) {
        element(out, "<a href=\"#", ids[i], "\">");
        element(out, "", titles[i], "</a>\n");
    }
    fputs("</nav>\n", out);
}

/* Escaped, with text between backquotes as code; an odd backquote stays one. */
static void prose(FILE *out, const char *text)
{
    qv_arena a = {0};
    const char *open, *close;
    while ((open = strchr(text, '`')) && (close = strchr(open + 1, '`'))) {
        qv__svg_escape(out, qv__arena_strn(&a, text, (size_t)(open - text)));
        element(out, "<code>", qv__arena_strn(&a, open + 1, (size_t)(close - open - 1)),
                "</code>");
        text = close + 1;
    }
    qv__svg_escape(out, text);
    qv__arena_free(&a);
}

void qv__html_prose(FILE *out, const char *text)
{
    fputs("<p>", out);
    prose(out, text);
    fputs("</p>\n", out);
}

void qv__html_code(FILE *out, const char *text)
{
    element(out, "<pre>", text, "</pre>\n");
}

void qv__html_facts(FILE *out, const struct qv_fact *facts, size_t n)
{
    fputs("<div class=\"facts\">\n", out);
    for (size_t i = 0; i < n; i++) {
        element(out, "<div><b>", facts[i].value, "</b>");
        element(out, "<span>", facts[i].gist, "</span></div>\n");
    }
    fputs("</div>\n", out);
}

void qv__html_figure_begin(FILE *out)
{
    fputs("<figure>\n", out);
}

static void caption(FILE *out, const char *title, const char *text)
{
    element(out, "<b>", title, "</b> ");
    prose(out, text);
}

void qv__html_figure_end(FILE *out, const char *title, const char *text)
{
    fputs("<figcaption>", out);
    caption(out, title, text);
    fputs("</figcaption>\n</figure>\n", out);
}

static bool has_interval(const struct qv_cell *c)
{
    return !c->text && c->number.low <= c->number.high;
}

/* In a column with intervals, a number without keeps the room of one, so that
 * numbers stay below one another. */
static void cell(FILE *out, const struct qv_cell *c, int decimals, bool room)
{
    char text[QV_NUMBER];
    fputs(c->text ? "<td class=\"text\">" : "<td>", out);
    if (c->best)
        fputs("<b>", out);
    qv__svg_escape(out, c->text ? c->text : qv__number(text, c->number.value, decimals));
    if (c->best)
        fputs("</b>", out);
    if (has_interval(c)) {
        element(out, " <small>[", qv__number(text, c->number.low, decimals), "");
        element(out, ", ", qv__number(text, c->number.high, decimals), "]</small>");
    } else if (room) {
        fputs(" <small></small>", out);
    }
    fputs("</td>", out);
}

void qv__html_table(FILE *out, const struct qv_table *t)
{
    fputs("<div class=\"scroll\"><table>\n<caption>", out);
    caption(out, t->title, t->caption);
    fputs("</caption>\n<thead><tr>", out);
    for (size_t j = 0; j < t->n_columns; j++)
        element(out, t->n_rows && t->cells[j].text ? "<th class=\"text\">" : "<th>",
                t->columns[j], "</th>");
    fputs("</tr></thead>\n<tbody>\n", out);
    for (size_t i = 0; i < t->n_rows; i++) {
        bool rule = false;
        for (size_t k = 0; k < t->n_rules; k++)
            rule = rule || t->rules[k] == i;
        fputs(rule ? "<tr class=\"rule\">" : "<tr>", out);
        for (size_t j = 0; j < t->n_columns; j++) {
            bool room = false;
            for (size_t k = 0; k < t->n_rows; k++)
                room = room || has_interval(&t->cells[k * t->n_columns + j]);
            cell(out, &t->cells[i * t->n_columns + j], t->decimals[j], room);
        }
        fputs("</tr>\n", out);
    }
    fputs("</tbody></table></div>\n", out);
}
