/* form.c - see form.h. */
#include "support/form.h"

#include "base/file.h"
#include "support/scratch.h"
#include "support/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

const char multipart[] = "multipart/form-data; boundary=XyZ";

void add_bytes(struct form *f, const char *bytes, size_t n)
{
    f->bytes = realloc(f->bytes, f->size + n + 1);
    assert_non_null(f->bytes);
    memcpy(f->bytes + f->size, bytes, n);
    f->size += n;
}

void add_text(struct form *f, const char *text)
{
    add_bytes(f, text, strlen(text));
}

void add_part(struct form *f, const char *name, const char *bytes, size_t n)
{
    char head[256];
    snprintf(head, sizeof head,
             "--XyZ\r\nContent-Disposition: form-data; name=\"%s\"; filename=\"../../%s\""
             "\r\nContent-Type: application/octet-stream\r\n\r\n",
             name, name);
    add_text(f, head);
    add_bytes(f, bytes, n);
    add_text(f, "\r\n");
}

void add_file(struct form *f, const char *name, const char *path)
{
    struct qv_map map;
    qv_err err;
    assert_works(qv__map(&map, in_world(path), &err), &err);
    add_part(f, name, map.bytes, map.size);
    qv__unmap(&map);
}

void end_form(struct form *f)
{
    add_text(f, "--XyZ--\r\n");
}

struct form form_of(const char *adapter)
{
    struct form f = {0};
    char path[64];
    snprintf(path, sizeof path, "%s/adapter_config.json", adapter);
    add_file(&f, "config", path);
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", adapter);
    add_file(&f, "weights", path);
    end_form(&f);
    return f;
}

void send_bytes(int fd, const char *bytes, size_t n)
{
    while (n) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return; // the server has closed it: what it said is to be read
        bytes += sent;
        n -= (size_t)sent;
    }
}

int begin(const struct served *s, const char *method, const char *name, const char *more,
          const char *type, const struct form *f, size_t n)
{
    char head[2048];
    snprintf(head, sizeof head,
             "%s " EXPERTS "%s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\n"
             "Content-Length: %zu\r\n%s\r\n",
             method, name, type, f->size, more);
    int fd = dial(s);
    send_text(fd, head);
    send_bytes(fd, f->bytes, n);
    return fd;
}
