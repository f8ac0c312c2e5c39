/* tasks.h - what a family of bundled tasks is made of, and the tools its makers use.
 *
 * A task is a function that writes one example from a random state. The state is a
 * function of (seed, task, index) alone, so an example never depends on what was
 * drawn before it. A maker draws facts from its tables, a wording from its list, and
 * joins them with put(): a wording is text in which {a} ... {g} stand for the facts.
 */
#ifndef TASKS_H
#define TASKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PROMPT_SIZE = 512, COMPLETION_SIZE = 128, MANY = 360 };

#define COUNT(array)     (sizeof(array) / sizeof *(array))
#define PICK(rng, array) ((array)[chosen((rng), #array, COUNT(array))])
#define FAMILY(id, about)                                                                  \
    const struct family id##_family = {#id, about, tasks, COUNT(tasks)}

struct rng {
    uint64_t key;   // what the example is, never changed
    uint64_t state; // moves on with every number drawn
};

/* The facts of one example, by the letter that stands for them in a wording. */
struct slots {
    const char *a, *b, *c, *d, *e, *f, *g;
};

struct example {
    char prompt[PROMPT_SIZE];
    char completion[COMPLETION_SIZE];
};

struct task {
    const char *name; // family_rest
    const char *about;
    bool is_held_out;
    size_t n; // examples
    void (*make)(struct rng *rng, struct example *example);
};

struct family {
    const char *name;
    const char *about;
    const struct task *tasks;
    size_t n_tasks;
};

extern const struct family opposites_family, forms_family, sentiment_family, topic_family,
    extract_family, sense_family, time_family, sums_family, order_family, translate_family,
    repair_family, format_family, category_family, complete_family, entail_family,
    words_family, riddle_family;

/* The next number below n, which is at least 1. */
size_t below(struct rng *rng, size_t n);

/* A number below n that depends on the example and on `table` alone. PICK draws with
 * it, because C does not say in which order the arguments of a call are evaluated. So
 * PICK takes the same row however often it is asked: use distinct() for several. */
size_t chosen(const struct rng *rng, const char *table, size_t n);

/* k different numbers below n, in random order. */
void distinct(struct rng *rng, size_t n, size_t k, size_t *out);

/* The state for example `index` of the task called `name`. */
struct rng rng_for(uint64_t seed, const char *name, uint64_t index);

/* Write `wording` into out with its slots filled: {a} is the slot, {A} the slot with
 * a capital, {+a} the slot after "a" or "an", {+A} the same with a capital. If the
 * text does not fit or a slot has no fact, the tables are at fault: it says so on
 * stderr and out is empty, which generate.c refuses to write. */
void fill(char *out, size_t size, const char *wording, const struct slots *slots);

/* Fill both halves of an example. */
void put(struct example *example, const char *prompt, const char *completion,
         struct slots slots);

/* Read the files of every task in `dir` back and look for faults; says each on
 * stderr and returns how many there are. */
size_t check_all(const char *dir, const struct family *const *families, size_t n_families);

#endif
