/* client.h - a server under test, and requests to it over plain sockets: whole ones, and
 * those that a library would not send. Whatever goes wrong fails the test.
 */
#ifndef TESTS_SUPPORT_CLIENT_H
#define TESTS_SUPPORT_CLIENT_H

#include "base/json.h"

#include <sys/types.h>

/* A "quiver serve" in the world of support/world.h. */
struct served {
    pid_t pid;
    unsigned port;
};

/* Start "quiver serve ARGS" at a free port, and wait until it listens. */
struct served serve(const char *args);

/* Wait until it has ended, which it does with 0; or ask it to, first. */
void await_server(struct served *s);
void end_server(struct served *s);

/* One reply, owned by the caller. */
struct reply {
    int status;
    char *head; // status line and headers
    char *body; // chunks put together
    size_t size;
};
void free_reply(struct reply *r);

/* A connection; and bytes over it. A read that takes 30 seconds fails the test. */
int dial(const struct served *s);
void send_text(int fd, const char *text);

/* The bytes that come next, up to `size`; 0 when the server has closed it. */
size_t read_some(int fd, char *bytes, size_t size);

/* The reply that comes next, to its end. */
struct reply read_reply(int fd);

/* Send a request with a JSON body (NULL: a GET without), and other headers ("" or
 * "A: b\r\n"), without waiting. */
int ask(const struct served *s, const char *path, const char *headers, const char *body);

/* The same, and the reply. */
struct reply asked(const struct served *s, const char *path, const char *headers,
                   const char *body);

/* The reply as JSON, of that status. The caller ends it. */
json_t *told(const struct served *s, const char *path, int status, const char *body);

/* The events of a stream in one list, without [DONE], which must be the last. */
json_t *events_of(const struct reply *r);

#endif
