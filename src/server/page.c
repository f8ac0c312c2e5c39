/* page.c - see page.h. The assembler reads the files of web/ into the program.
 *
 * The colours are those of the report: /look.css is what plot/style.c writes. A browser may
 * keep what it was given, and asks each time whether that is still what the server has; the
 * tag is the hash of the bytes. The policy lets the page load from this server alone, and
 * run no script that is not a file of it.
 */
#include "server/page.h"
#include "base/hash.h"
#include "plot/plot.h"

#include <stdlib.h>
#include <string.h>

#define INCLUDE(name, address, file, type)                                                 \
    __asm__(".section .rodata\n"                                                           \
            ".global qv__page_" #name ", qv__page_" #name "_end\n"                         \
            "qv__page_" #name ":\n"                                                        \
            ".incbin \"web/" file "\"\n"                                                   \
            "qv__page_" #name "_end:\n"                                                    \
            ".byte 0\n"                                                                    \
            ".text\n");
QV_PAGE_FILES(INCLUDE)

#define ROW(name, address, file, type)                                                     \
    {address, type, qv__page_##name, qv__page_##name##_end},

static const struct file {
    const char *address, *type, *bytes, *end;
} files[] = {QV_PAGE_FILES(ROW)};

static const char look[] = "/look.css";
static const char policy[] = "default-src 'self'; base-uri 'none'; form-action 'none'; "
                             "frame-ancestors 'none'";

static const struct file *find(const char *path)
{
    for (size_t i = 0; i < QV_COUNT(files); i++)
        if (strcmp(files[i].address, path) == 0)
            return &files[i];
    return NULL;
}

bool qv__page_has(const char *path)
{
    return strcmp(path, look) == 0 || find(path);
}

/* Whether If-None-Match names that tag: alone, in a list, or as the weak one that a proxy
 * makes of it. */
static bool is_known(const struct qv_call *c, const char *tag)
{
    const char *known = qv__call_header(c, "If-None-Match");
    return known && strstr(known, tag);
}

static unsigned reply(struct qv_call *c, const char *type, const char *bytes, size_t size)
{
    char hash[QV_HASH_TEXT], tag[QV_HASH_TEXT + 2];
    qv__hash_bytes(hash, bytes, size);
    snprintf(tag, sizeof tag, "\"%s\"", hash);
    bool known = is_known(c, tag);
    qv__call_add_header(c, "ETag", tag);
    qv__call_add_header(c, "Cache-Control", "no-cache");
    qv__call_add_header(c, "Content-Security-Policy", policy);
    qv__call_add_header(c, "X-Content-Type-Options", "nosniff");
    qv__call_add_header(c, "Referrer-Policy", "no-referrer");
    qv__call_reply(c, known ? 304 : 200, type, bytes, known ? 0 : size);
    return known ? 304 : 200;
}

unsigned qv__page_reply(struct qv_call *c)
{
    const struct file *f = find(qv__call_path(c));
    if (f)
        return reply(c, f->type, f->bytes, (size_t)(f->end - f->bytes));
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    qv_check(out);
    qv__plot_style(out);
    fclose(out);
    unsigned status = reply(c, "text/css; charset=utf-8", text, size);
    free(text);
    return status;
}
