/* served.h - a server of our own to be loaded: its library of random experts, the changes
 * that go round in it, the process and its memory.
 */
#ifndef BENCH_CLIENTS_SERVED_H
#define BENCH_CLIENTS_SERVED_H

#include "clients/client.h"
#include "model/model.h"

#include <sys/types.h>

/* A new directory in the current one, in which all of it lies; its name is the caller's to
 * keep. Whatever fails before the load begins ends the program, and leaves nothing. */
const char *make_place(void);
void remove_place(void);
_Noreturn void give_up(const char *why);

/* Make the library PLACE/lib of experts e000, e001, ..., rank 4 at every site, each a
 * function of its number. */
void make_library(const qv_model *m, size_t n);

/* The changes go round: after STATES of them the library is what it was. It is then in
 * state 0, and in state s after s more. They touch the experts x0 and x1 alone. */
enum { STATES = 6 };

/* Make ready what is sent. */
void make_changes(const qv_model *m);
void end_changes(void);

/* Bring the library from state s to the next one. *generation: what the server says it has
 * become, or -1 where it says nothing of it. Fails if it does not reply as it should. */
qv_status change_library(struct client *c, size_t s, long *generation, qv_err *err);

/* "QUIVER serve" over PLACE/lib, with `slots` texts in progress at most, whose prompts are
 * read `chunk` tokens at a time. It listens when this returns. */
struct server {
    pid_t pid;
    unsigned port;
};
struct server begin_server(const char *quiver, const char *model, size_t slots,
                           size_t chunk);

/* Tell it to end; its exit code, or minus the signal that ended it. */
int end_server(struct server *s);

/* MiB of a process in memory, files' pages included. */
double resident(pid_t pid);

#endif
