/* svg.c - elements, text that fits, axes: see svg.h. */
#include "plot/svg.h"
#include "text/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Writes |v| with that many decimals, and says whether it is below zero. */
static bool digits(char text[QV_NUMBER], double v, int decimals)
{
    static const double ten[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
    decimals = decimals < 0 ? 0 : decimals > 6 ? 6 : decimals;
    double scaled = round(fabs(v) * ten[decimals]);
    if (!(scaled < 1e15)) {
        snprintf(text, QV_NUMBER, "%s", isnan(v) ? "\xe2\x80\x93" : "\xe2\x88\x9e");
        return v < 0;
    }
    int64_t whole = (int64_t)(scaled / ten[decimals]);
    int64_t part = (int64_t)scaled - whole * (int64_t)ten[decimals];
    int n = snprintf(text, QV_NUMBER, "%" PRId64, whole);
    if (decimals)
        snprintf(text + n, QV_NUMBER - (size_t)n, ".%0*" PRId64, decimals, part);
    return v < 0 && scaled > 0;
}

const char *qv__number(char text[QV_NUMBER], double v, int decimals)
{
    char plain[QV_NUMBER];
    bool negative = digits(plain, v, decimals);
    snprintf(text, QV_NUMBER, "%s%.28s", negative ? "\xe2\x88\x92" : "", plain);
    return text;
}

const char *qv__num(qv_arena *a, double v, int decimals)
{
    char text[QV_NUMBER];
    return qv__arena_str(a, qv__number(text, v, decimals));
}

void qv__svg_num(FILE *out, double v)
{
    char text[QV_NUMBER];
    int64_t hundredths = llround(fmin(fmax(v, -1e6), 1e6) * 100);
    int decimals = hundredths % 10 ? 2 : hundredths % 100 ? 1 : 0;
    if (digits(text, (double)hundredths / 100, decimals))
        fputc('-', out);
    fputs(text, out);
}

void qv__svg_escape(FILE *out, const char *text)
{
    size_t left = strlen(text), n;
    for (const char *s = text; left; s += n, left -= n) {
        n = qv__utf8_valid(s, left);
        uint32_t code = n ? qv__utf8_read(s) : 0;
        if (code == '&')
            fputs("&amp;", out);
        else if (code == '<')
            fputs("&lt;", out);
        else if (code == '>')
            fputs("&gt;", out);
        else if (code == '"')
            fputs("&quot;", out);
        else if (code == '\'')
            fputs("&#39;", out);
        else if (code >= 0x20 || code == '\n' || code == '\t')
            fwrite(s, 1, n, out);
        else
            fputs("\xef\xbf\xbd", out); // U+FFFD, for what XML cannot hold
        n = n ? n : 1;
    }
}

static void attribute(FILE *out, const char *name, double v)
{
    fprintf(out, " %s=\"", name);
    qv__svg_num(out, v);
    fputc('"', out);
}

static void close_with(FILE *out, const char *element, const char *tip)
{
    if (!tip) {
        fputs("/>\n", out);
        return;
    }
    fputs("><title>", out);
    qv__svg_escape(out, tip);
    fprintf(out, "</title></%s>\n", element);
}

void qv__svg_begin(FILE *out, const struct qv_plot *p, double width, double height)
{
    fputs("<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" role=\"img\"", out);
    fputs(" viewBox=\"0 0 ", out);
    qv__svg_num(out, width);
    fputc(' ', out);
    qv__svg_num(out, height);
    fputc('"', out);
    attribute(out, "width", width);
    attribute(out, "height", height);
    fputs(" aria-label=\"", out);
    qv__svg_escape(out, p->title ? p->title : "");
    fputs("\">\n", out);
    if (p->alone) {
        fputs("<style>\n", out);
        qv__plot_style(out);
        fputs("</style>\n", out);
        qv__svg_rect(out, "paper", 0, 0, width, height, 1, NULL);
    }
}

void qv__svg_end(FILE *out)
{
    fputs("</svg>\n", out);
}

void qv__svg_line(FILE *out, const char *cls, double x1, double y1, double x2, double y2)
{
    fprintf(out, "<line class=\"%s\"", cls);
    attribute(out, "x1", x1);
    attribute(out, "y1", y1);
    attribute(out, "x2", x2);
    attribute(out, "y2", y2);
    close_with(out, "line", NULL);
}

void qv__svg_rect(FILE *out, const char *cls, double x, double y, double w, double h,
                  double alpha, const char *tip)
{
    fprintf(out, "<rect class=\"%s\"", cls);
    attribute(out, "x", x);
    attribute(out, "y", y);
    attribute(out, "width", w);
    attribute(out, "height", h);
    if (alpha < 1)
        attribute(out, "fill-opacity", alpha);
    close_with(out, "rect", tip);
}

static void text_tail(FILE *out, char anchor, const char *text)
{
    if (anchor != 's')
        fprintf(out, " text-anchor=\"%s\"", anchor == 'm' ? "middle" : "end");
    fputc('>', out);
    qv__svg_escape(out, text);
    fputs("</text>\n", out);
}

void qv__svg_text(FILE *out, const char *cls, double x, double y, char anchor,
                  const char *text)
{
    fprintf(out, "<text class=\"%s\"", cls);
    attribute(out, "x", x);
    attribute(out, "y", y);
    text_tail(out, anchor, text);
}

void qv__svg_text_up(FILE *out, const char *cls, double x, double y, char anchor,
                     const char *text)
{
    fprintf(out, "<text class=\"%s\" transform=\"translate(", cls);
    qv__svg_num(out, x);
    fputc(' ', out);
    qv__svg_num(out, y);
    fputs(") rotate(-90)\"", out);
    text_tail(out, anchor, text);
}

/* Corners of the polygons, on the unit circle's scale. A circle is no polygon. */
static const struct {
    size_t n;
    double x[4], y[4];
} shapes[QV_SHAPES] = {
    {0, {0}, {0}},
    {4, {-0.88, 0.88, 0.88, -0.88}, {-0.88, -0.88, 0.88, 0.88}},
    {3, {0, 1.1, -1.1}, {-1.2, 0.8, 0.8}},
    {4, {0, 1.25, 0, -1.25}, {-1.25, 0, 1.25, 0}},
    {3, {0, 1.1, -1.1}, {1.2, -0.8, -0.8}},
};

void qv__svg_marker(FILE *out, double x, double y, double radius, size_t group,
                    const char *tip)
{
    // Both the hue and the shape change with the group; the pair repeats after 40.
    size_t shape = (group + group / QV_HUES) % QV_SHAPES;
    if (!shapes[shape].n) {
        fprintf(out, "<circle class=\"mark c%zu\"", group % QV_HUES);
        attribute(out, "cx", x);
        attribute(out, "cy", y);
        attribute(out, "r", radius);
        close_with(out, "circle", tip);
        return;
    }
    fprintf(out, "<path class=\"mark c%zu\" d=\"", group % QV_HUES);
    for (size_t i = 0; i < shapes[shape].n; i++) {
        fputc(i ? 'L' : 'M', out);
        qv__svg_num(out, x + radius * shapes[shape].x[i]);
        fputc(' ', out);
        qv__svg_num(out, y + radius * shapes[shape].y[i]);
    }
    fputs("Z\"", out);
    close_with(out, "path", tip);
}

void qv__svg_path(FILE *out, const char *cls, const double *x, const double *y, size_t n,
                  const char *tip)
{
    bool pen = false;
    fprintf(out, "<path class=\"%s\" d=\"", cls);
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(x[i]) || !isfinite(y[i])) {
            pen = false;
            continue;
        }
        fputc(pen ? 'L' : 'M', out);
        qv__svg_num(out, x[i]);
        fputc(' ', out);
        qv__svg_num(out, y[i]);
        pen = true;
    }
    fputc('"', out);
    close_with(out, "path", tip);
}

/* Advance widths of printable ASCII in a common sans-serif, in hundredths of the
 * size; generous, because a label that is given too much room is still legible. */
static const unsigned char advance[95] = {
    30, 32, 40, 66, 62, 90, 72, 24, 36, 36, 48, 66, 32, 36, 32, 36, 60, 60, 60,
    60, 60, 60, 60, 60, 60, 60, 34, 34, 66, 66, 66, 54, 98, 70, 70, 72, 76, 66,
    60, 78, 76, 32, 44, 68, 58, 86, 76, 80, 66, 80, 70, 66, 64, 74, 70, 98, 68,
    66, 66, 38, 36, 38, 66, 52, 40, 58, 60, 54, 60, 60, 34, 60, 60, 27, 27, 56,
    27, 92, 60, 60, 60, 60, 40, 52, 38, 60, 55, 78, 56, 55, 50, 42, 30, 42, 66,
};

double qv__text_width(const char *text, double size)
{
    double hundredths = 0;
    for (const char *s = text; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c >= 32 && c < 127)
            hundredths += advance[c - 32];
        else if (c >= 0xe3)
            hundredths += 105; // the leading byte of a wide character
        else if (c >= 0xc0)
            hundredths += 62;
    }
    return hundredths * size / 100;
}

double qv__mono_width(const char *text, double size)
{
    double columns = 0;
    for (const char *s = text; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c < 0x80 || c >= 0xc0) // not the continuation of a character
            columns += c >= 0xe3 ? 2 : 1;
    }
    return columns * size * 0.61;
}

struct qv_scale qv__scale(double low, double high, double at, double span, size_t ticks,
                          bool loose)
{
    if (!isfinite(low) || !isfinite(high) || low > high)
        low = 0, high = 1;
    if (high - low < 1e-9 * fmax(fabs(high), 1e-3))
        low -= 0.5 * fmax(fabs(low), 1e-3), high += 0.5 * fmax(fabs(high), 1e-3);
    double rough = (high - low) / (double)qv__max(ticks, 1);
    double power = pow(10, floor(log10(rough)));
    double lead = rough / power;
    double step = power * (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10);
    int decimals = (int)-floor(log10(step) + 1e-9);
    struct qv_scale s = {.from = low, .to = high, .at = at, .span = span, .step = step};
    s.decimals = decimals < 0 ? 0 : decimals;
    if (loose) {
        s.from = step * floor(low / step + 1e-9);
        s.to = step * ceil(high / step - 1e-9);
    }
    return s;
}

double qv__scale_at(const struct qv_scale *s, double v)
{
    return s->at + s->span * (v - s->from) / (s->to - s->from);
}

bool qv__scale_tick(const struct qv_scale *s, size_t k, double *v)
{
    double first = ceil(s->from / s->step - 1e-9);
    *v = s->step * (first + (double)k);
    return *v <= s->to + 1e-9 * s->step;
}

/* Places one legend entry after another; draws them if `out` is given. */
static double legend(FILE *out, const char *const *names, size_t n, double x, double y,
                     double width)
{
    double at = 0, down = 0;
    for (size_t i = 0; i < n; i++) {
        double wide = 18 + qv__text_width(names[i], 12) + 16;
        if (at > 0 && at + wide > width)
            at = 0, down += 20;
        if (out) {
            qv__svg_marker(out, x + at + 6, y + down + 8, 4.5, i, NULL);
            qv__svg_text(out, "label", x + at + 16, y + down + 12, 's', names[i]);
        }
        at += wide;
    }
    return n ? down + 24 : 0;
}

double qv__svg_legend(FILE *out, const char *const *names, size_t n, double x, double y,
                      double width)
{
    return legend(out, names, n, x, y, width);
}

double qv__svg_legend_height(const char *const *names, size_t n, double width)
{
    return legend(NULL, names, n, 0, 0, width);
}
