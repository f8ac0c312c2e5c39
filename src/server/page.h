/* page.h - the files of web/, which are in the program: what a browser is given at "/".
 *
 * A file has one address, in a list that is made when the program is. No request's path
 * becomes a file's name.
 */
#ifndef QV_SERVER_PAGE_H
#define QV_SERVER_PAGE_H

#include "server/http.h"

/* Whether there is something to show under that path. */
bool qv__page_has(const char *path);

/* Reply with what the call's path names, or that the caller's copy is still good. Returns
 * the reply's status. */
unsigned qv__page_reply(struct qv_call *c);

/* ---- the files ---- */

/* FILE(name in C, address, name in web/, type) */
#define QV_PAGE_FILES(FILE)                                                                \
    FILE(index, "/", "index.html", "text/html; charset=utf-8")                             \
    FILE(style, "/page.css", "page.css", "text/css; charset=utf-8")                        \
    FILE(icon, "/icon.svg", "icon.svg", "image/svg+xml")                                   \
    FILE(page, "/page.js", "page.js", "text/javascript; charset=utf-8")                    \
    FILE(api, "/api.js", "api.js", "text/javascript; charset=utf-8")                       \
    FILE(make, "/make.js", "make.js", "text/javascript; charset=utf-8")                    \
    FILE(marks, "/marks.js", "marks.js", "text/javascript; charset=utf-8")                 \
    FILE(answer, "/answer.js", "answer.js", "text/javascript; charset=utf-8")              \
    FILE(routing, "/routing.js", "routing.js", "text/javascript; charset=utf-8")           \
    FILE(map, "/map.js", "map.js", "text/javascript; charset=utf-8")                       \
    FILE(library, "/library.js", "library.js", "text/javascript; charset=utf-8")

/* Where the bytes of each begin and end. */
#define QV_PAGE_BYTES(name, address, file, type)                                           \
    extern const char qv__page_##name[], qv__page_##name##_end[];
QV_PAGE_FILES(QV_PAGE_BYTES)

#endif
