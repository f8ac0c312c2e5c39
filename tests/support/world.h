/* world.h - a directory in which the program is run as its users run it.
 *
 * It holds the model "m", task files "tasks", the text "text.txt", the adapter "ad"
 * and the library "lib", made by the program itself. Commands run inside it.
 */
#ifndef TESTS_SUPPORT_WORLD_H
#define TESTS_SUPPORT_WORLD_H

#include "base/json.h"

#include <sys/types.h>

/* What the last command printed, and how it ended: its exit status, or the number of
 * the signal that ended it, below zero. */
extern struct said {
    char *out, *err;
    int code;
} said;

/* For a group of tests: the first and the last thing. */
int make_world(void **state);
int end_world(void **state);

/* The path of what is in the world under that name; four are good at a time. */
const char *in_world(const char *name);

/* Run "quiver ARGS", with a shell's quoting: to its end, or so that it can be awaited. */
void quiver(const char *args);
pid_t start(const char *args);
void await(pid_t pid);

/* Run it, which succeeds; and the object on stdout, which is all there is. The caller ends
 * it. */
void works(const char *args);
json_t *json_of(const char *args);

/* Run it, which ends with `want` and says `words` on stderr. */
void says(const char *args, int want, const char *words);

#endif
