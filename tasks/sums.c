/* sums.c - small numbers in words: adding, taking away, counting.
 *
 * No number is above twenty, so every sum is a fact that can be learnt by heart.
 */
#include "tasks.h"

#include "vocabulary.h"

static const char *const goods[] = {
    "apples", "pears",  "books",   "coins",   "eggs",  "stamps", "marbles", "buttons",
    "sweets", "shells", "candles", "pencils", "roses", "cups",   "stones",  "plums"};

static void make_add(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "What is {a} plus {b}?",
        "Add {a} and {b}.",
        "{A} and {b} make",
        "The sum of {a} and {b} is",
        "{d} adds {a} to {b}. What is the sum?",
        "{A} plus {b} equals",
    };
    size_t x = 1 + below(rng, 10);
    size_t y = 1 + below(rng, 10);
    put(ex, PICK(rng, wordings), "{c}",
        (struct slots){
            .a = numbers[x], .b = numbers[y], .c = numbers[x + y], .d = PICK(rng, names)});
}

static void make_left(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "{d} has {a} {e} and gives {b} of them away. How many are left?",
        "There are {a} {e} on the table. {d} takes {b}. How many are left?",
        "Of {a} {e}, {d} loses {b}. How many are left?",
        "{A} {e} less {b} {e}: how many are left?",
        "{d} had {a} {e} but sold {b} of them. How many are left to sell?",
    };
    size_t rest = 2 + below(rng, 7);
    size_t gone = 2 + below(rng, 6);
    put(ex, PICK(rng, wordings), "{c} are left",
        (struct slots){.a = numbers[rest + gone],
                       .b = numbers[gone],
                       .c = numbers[rest],
                       .d = PICK(rng, names),
                       .e = PICK(rng, goods)});
}

/* The things and their count, which is two to six. */
static void make_count(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "Count the things: {a}. How many things are there?",
        "{d} packs {a}. Count what is packed.",
        "In the box: {a}. Number of things in the box:",
        "How many things does {d} carry? Count: {a}.",
        "{d} draws {a}. How many things are drawn?",
    };
    size_t n = 2 + below(rng, 5);
    size_t picked[6];
    bool is_portable;
    do {
        distinct(rng, N_THINGS, n, picked);
        is_portable = true;
        for (size_t i = 0; i < n; i++)
            is_portable = is_portable && things[picked[i]].size <= 5;
    } while (!is_portable);
    char list[PROMPT_SIZE];
    fill(list, sizeof list, "{+a}", &(struct slots){.a = things[picked[0]].name});
    for (size_t i = 1; i < n; i++) {
        char longer[PROMPT_SIZE];
        fill(longer, sizeof longer, i + 1 < n ? "{a}, {+b}" : "{a} and {+b}",
             &(struct slots){.a = list, .b = things[picked[i]].name});
        fill(list, sizeof list, "{a}", &(struct slots){.a = longer});
    }
    put(ex, PICK(rng, wordings), "{b} things",
        (struct slots){.a = list, .b = numbers[n], .d = PICK(rng, names)});
}

static const struct task tasks[] = {
    {"sums_add", "Add two small numbers written as words.", false, MANY, make_add},
    {"sums_left", "Say how many are left when some are taken away.", false, MANY,
     make_left},
    {"sums_count", "Count the things in a list.", false, MANY, make_count},
};

FAMILY(sums, "Small numbers in words.");
