/* style.c - the look of charts and pages: one ink, one paper, eight hues.
 *
 * The hues are told apart by readers with any common colour blindness: they
 * differ in lightness too, and markers differ in shape. Dark mode changes the
 * variables and nothing else.
 */
#include "plot/plot.h"

static const char style[] =
    ":root{color-scheme:light dark;--paper:#fcfbf8;--card:#ffffff;--ink:#20242a;"
    "--soft:#646b75;--rule:#d9d6cf;--grid:#e9e6df;--accent:#0067a5;--second:#c4570a;--rest:"
    "#a9a59c;\n"
    "--c0:#0067a5;--c1:#d2640f;--c2:#13936b;--c3:#c25c94;--c4:#d99a00;--c5:#4aa8dd;"
    "--c6:#6c4fa3;--c7:#8a6d3b;}\n"
    "@media(prefers-color-scheme:dark){:root{--paper:#16181c;--card:#1d2025;--ink:#e7e5e0;"
    "--soft:#9aa1ab;--rule:#3a3e46;--grid:#2b2f36;--accent:#5aaef0;--second:#f08c45;--rest:"
    "#6a6f78;\n"
    "--c0:#5aaef0;--c1:#f08c45;--c2:#3ecb9c;--c3:#e790bf;--c4:#f0bb45;--c5:#93d4f7;"
    "--c6:#b199e6;--c7:#cbae78;}}\n"
    ".plot{display:block;max-width:100%;height:auto;"
    "font-family:\"Inter\",\"Helvetica Neue\",Helvetica,Arial,\"Liberation "
    "Sans\",sans-serif;"
    "font-size:12px;font-variant-numeric:tabular-nums}\n"
    ".plot text{fill:var(--ink)}\n"
    ".plot .paper{fill:var(--paper)}\n"
    ".plot .tick,.plot .soft{fill:var(--soft);font-size:11px}\n"
    ".plot .axis{fill:var(--soft);font-size:12px}\n"
    ".plot .small{font-size:10px}\n"
    ".plot .tiny{font-size:9px;fill:var(--soft)}\n"
    ".plot .mono{font-family:ui-monospace,\"SF Mono\",Menlo,Consolas,\"Liberation Mono\","
    "monospace;font-size:12px;white-space:pre}\n"
    ".plot .grid{stroke:var(--grid);stroke-width:1}\n"
    ".plot .base{stroke:var(--rule);stroke-width:1}\n"
    ".plot .cut{stroke:var(--ink);stroke-width:1;opacity:.55}\n"
    ".plot .halo{paint-order:stroke;stroke:var(--paper);stroke-width:3px;"
    "stroke-linejoin:round}\n"
    ".plot .curve{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}\n"
    ".plot .thin{stroke-width:1;opacity:.55}\n"
    ".plot .curve:hover{stroke-width:3;opacity:1}\n"
    ".plot .whisker{stroke-width:1.6;opacity:.75}\n"
    ".plot .reach{stroke:var(--rule);stroke-width:4;stroke-linecap:round}\n"
    ".plot .hull{stroke-width:26;stroke-linejoin:round;stroke-linecap:round;opacity:.11}\n"
    ".plot .mark{stroke:var(--paper);stroke-width:1}\n"
    ".plot .none{fill:var(--grid)}.plot .rest{fill:var(--rest)}\n"
    ".plot .heat{fill:var(--accent)}.plot .cold{fill:var(--second)}\n"
    ".plot .heat:hover,.plot .cold:hover,.plot .cell:hover{stroke:var(--ink);"
    "stroke-width:1.5}\n"
    ".plot .c0{fill:var(--c0)}.plot .c1{fill:var(--c1)}.plot .c2{fill:var(--c2)}"
    ".plot .c3{fill:var(--c3)}\n"
    ".plot .c4{fill:var(--c4)}.plot .c5{fill:var(--c5)}.plot .c6{fill:var(--c6)}"
    ".plot .c7{fill:var(--c7)}\n"
    ".plot .s0{stroke:var(--c0)}.plot .s1{stroke:var(--c1)}.plot .s2{stroke:var(--c2)}"
    ".plot .s3{stroke:var(--c3)}\n"
    ".plot .s4{stroke:var(--c4)}.plot .s5{stroke:var(--c5)}.plot .s6{stroke:var(--c6)}"
    ".plot .s7{stroke:var(--c7)}\n";

void qv__plot_style(FILE *out)
{
    fputs(style, out);
}
