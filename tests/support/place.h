/* place.h - where a group of tests works that writes models and libraries: a directory made
 * once, what lies in it and how it is called. It is in memory where the system offers that,
 * because every write of a library waits for the disk. Whatever goes wrong fails the test.
 */
#ifndef QV_TESTS_PLACE_H
#define QV_TESTS_PLACE_H

#include "base/arena.h"
#include "base/json.h"
#include "library/library.h"
#include "model/model.h"

/* For a group of tests: the first and the last thing. The models are the caller's to open,
 * and may stay NULL. */
int open_place(void **state);
int close_place(void **state);

extern char *root;                    // the directory, which has another: "tasks"
extern qv_model *model, *other_model; // closed with it
extern qv_arena names;                // ended with it

/* The path of what is in the directory under that name; and of tasks/NAME.jsonl. */
const char *at(const char *name);
const char *task_at(const char *name);

/* Write that text there; its path. */
const char *file_at(const char *name, const char *text);

/* A library there, verified and listed. */
struct listing {
    qv_library *lib;
    qv_snapshot *snap;
    size_t n;
};
struct listing list(const char *lib);
void end_list(struct listing *l);

/* What it says of an expert; and a whole number among the settings of its training. */
const qv_expert_info *expert_in(const struct listing *l, const char *name);
json_t *settings_of(const qv_expert_info *info); // the caller's
json_int_t setting_of(const qv_expert_info *info, const char *key);

/* Put an expert of rank R at all sites of `model` into the library: a function of the seed,
 * small, and made for that task. */
void put_drawn(qv_library *lib, const char *name, const char *task, size_t R,
               uint64_t seed);

/* A progress function that asks its work to stop, and counts in *(int *)arg how often it
 * was called. */
bool stop_at_once(void *arg, const char *what, double done, double total, const char *note);

#endif
