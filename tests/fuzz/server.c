/* Whatever comes over a connection, the server answers it or hangs up, still answers
 * others, and holds the experts it held. An input is what a client sends: "RAW" and then
 * bytes as they are; or a line with a method and a path, and then a body, which is sent as
 * such requests are: as JSON, or as a form to change the library, with the key that may. */
#include "server/server.h"

#include "base/file.h"
#include "library/library.h"
#include "model/model.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define KEY      "who-may-change-0001"
#define TOKENS   "tests/golden/text/tiny_gpt2/tokenizer.json"
#define FAREWELL "\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

static char dir[] = "/tmp/quiver-fuzz-XXXXXX";
static qv_model *model;
static struct qv_server *server;

static void must(qv_status result, const qv_err *err)
{
    if (result)
        fprintf(stderr, "fuzz: %s\n", err->msg);
    qv_check(!result);
}

static void close_all(void)
{
    qv__server_close(server);
    qv_model_close(model);
    (void)!qv__remove_tree(dir, NULL);
}

/* A model of width 8 that knows 400 tokens, and an empty library. */
static void open_all(void)
{
    static const struct qv_config c = {.D = 8,
                                       .L = 2,
                                       .H = 2,
                                       .Hk = 1,
                                       .E = 4,
                                       .F = 8,
                                       .V = 400,
                                       .n_ctx = 128,
                                       .theta = 1e4f,
                                       .eps = 1e-5f,
                                       .bos = -1,
                                       .eos = -1};
    char lib[64], keys[64];
    qv_library *l;
    qv_err err;
    qv_check(mkdtemp(dir));
    snprintf(lib, sizeof lib, "%s/lib", dir);
    snprintf(keys, sizeof keys, "%s/keys", dir);
    must(qv__model_new(&model, &c, 1, &err), &err);
    must(qv_tokenizer_open(&model->tokenizer, TOKENS, &err), &err);
    must(qv_library_create(&l, lib, NULL, &err), &err);
    qv_library_close(l);
    must(qv__write_file(keys, KEY "\n", strlen(KEY "\n"), &err), &err);
    const struct qv_serve_opts o = {
        .model_path = dir,
        .library = lib,
        .library_key_file = keys,
        .chat = "chatml",
        .seed = 1,
        .seconds = 5,
        .body_max = 1 << 16,
        .upload_max = 1 << 16,
        .engine = {.n_slots = 2, .n_queue = 8, .chunk = 4, .prefix_bytes = 1 << 18}};
    must(qv__server_open(&server, model, &o, &err), &err);
    atexit(close_all);
}

static int dial(void)
{
    const struct sockaddr_in at = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)qv__server_port(server)),
                                   .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    qv_check(fd >= 0 && !connect(fd, (const struct sockaddr *)&at, sizeof at));
    return fd;
}

static void set_patience(int fd, long milliseconds)
{
    const struct timeval t = {milliseconds / 1000, milliseconds % 1000 * 1000};
    qv_check(!setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
}

static void send_all(int fd, const char *bytes, size_t n)
{
    while (n) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        bytes += sent;
        n -= (size_t)sent;
    }
}

enum { FIRST = 64 };

/* To its end; what comes first is added to first [*n]. Whether it ends within the time set.
 */
static bool read_all(int fd, char first[FIRST], size_t *n)
{
    char some[4096];
    for (ssize_t got; (got = recv(fd, some, sizeof some, 0)) != 0;) {
        if (got < 0 && errno == EINTR)
            continue; // stopped, and gone on
        if (got < 0)
            return errno == ECONNRESET;
        size_t more = qv__min((size_t)got, FIRST - 1 - *n);
        memcpy(first + *n, some, more);
        first[ *n += more] = '\0';
    }
    return true;
}

/* Bytes over a connection: a request that is whole is followed by one that ends it; the
 * rest of one that is not will never come. How the first reply begins. */
static void talk(char first[FIRST], const char *head, const char *bytes, size_t n)
{
    size_t n_first = 0;
    *first = '\0';
    int fd = dial();
    send_all(fd, head, strlen(head));
    send_all(fd, bytes, n);
    send_all(fd, FAREWELL, strlen(FAREWELL));
    set_patience(fd, 20);
    if (!read_all(fd, first, &n_first)) {
        shutdown(fd, SHUT_WR);
        set_patience(fd, 20000);
        qv_check(read_all(fd, first, &n_first));
    }
    qv_check(!*first || strncmp(first, "HTTP/1.", 7) == 0);
    close(fd);
}

static bool has_line(const char *text, size_t size, size_t *n)
{
    const char *end = size ? memchr(text, '\n', size) : NULL;
    *n = end ? (size_t)(end - text) : 0;
    return end && *n < 256 && !memchr(text, '\0', *n);
}

/* Experts that came go again, so that each input meets the same library. */
static void empty_library(void)
{
    struct qv_generation *g = qv__roster_now(server->roster);
    for (size_t i = 0; i < qv__generation_size(g); i++) {
        size_t number;
        qv_err err;
        must(qv__live_remove(server->live, qv__generation_held(g, i)->info.name, &number,
                             &err),
             &err);
    }
    qv__roster_back(server->roster, g);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char raw[] = "RAW\n";
    const char *text = (const char *)bytes;
    char head[768], first[FIRST];
    size_t n;
    if (!server)
        open_all();
    if (!has_line(text, size, &n))
        return 0;
    const char *body = text + n + 1;
    const size_t n_body = size - n - 1;
    if (n + 1 == strlen(raw) && memcmp(text, raw, n) == 0) {
        talk(first, "", body, n_body);
    } else {
        snprintf(head, sizeof head,
                 "%.*s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " KEY "\r\n"
                 "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n",
                 (int)n, text,
                 text[0] == 'P' && text[1] == 'U' ? "multipart/form-data; boundary=XyZ"
                                                  : "application/json",
                 n_body);
        talk(first, head, body, n_body);
    }
    empty_library();
    talk(first, "", "", 0);
    qv_check(strncmp(first, "HTTP/1.1 200", 12) == 0);
    return 0;
}
