/* order.c - which is bigger, older, earlier in the alphabet, and three numbers in order.
 *
 * The answer stands in the question, but for the sorted numbers, where its parts do.
 */
#include "tasks.h"

#include "vocabulary.h"

#include <stdio.h>
#include <stdlib.h>

static int by_value(const void *x, const void *y)
{
    unsigned a = *(const unsigned *)x;
    unsigned b = *(const unsigned *)y;
    return (a > b) - (a < b);
}

static void make_numbers(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "Sort these numbers from smallest to largest: {a}.",
        "Put the numbers in order: {a}. Smallest first:",
        "{d} wrote {a} on a card. Write the numbers in rising order.",
        "Numbers: {a}. Sorted numbers:",
        "Arrange the numbers {a} in order, beginning with the smallest.",
    };
    size_t picked[3];
    unsigned x[3];
    distinct(rng, 10, 3, picked);
    for (size_t i = 0; i < 3; i++)
        x[i] = (unsigned)picked[i];
    char mixed[16];
    char sorted[16];
    snprintf(mixed, sizeof mixed, "%u, %u, %u", x[0], x[1], x[2]);
    qsort(x, 3, sizeof x[0], by_value);
    snprintf(sorted, sizeof sorted, "%u, %u, %u", x[0], x[1], x[2]);
    put(ex, PICK(rng, wordings), "{b}",
        (struct slots){.a = mixed, .b = sorted, .d = PICK(rng, names)});
}

/* Two things of clearly different size, {a} and {b}, of which {c} is the greater. */
static struct slots two_sizes(struct rng *rng)
{
    size_t two[2];
    int gap;
    do {
        distinct(rng, N_THINGS, 2, two);
        gap = things[two[0]].size - things[two[1]].size;
    } while (gap > -2 && gap < 2);
    return (struct slots){
        .a = things[two[0]].name, .b = things[two[1]].name, .c = things[two[gap < 0]].name};
}

static void make_bigger(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "Which is bigger, {+a} or {+b}?",
        "Compare {+a} and {+b}. Which is the bigger one?",
        "What takes up more space: {+a} or {+b}?",
        "Of these two, name the bigger: {+a}, {+b}.",
        "Is {+a} or {+b} bigger?",
    };
    put(ex, PICK(rng, wordings), "the {c}", two_sizes(rng));
}

static void make_heavier(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "Which weighs more, {+a} or {+b}?",
        "{d} compares {+a} with {+b}. Which of them is heavier?",
        "Heavier of the two: {+a} or {+b}?",
        "On one side of the scales lies {+a}, on the other {+b}. Which is the heavier?",
    };
    struct slots slots = two_sizes(rng);
    slots.d = PICK(rng, names);
    put(ex, PICK(rng, wordings), "the {c}", slots);
}

static void make_older(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "{a} is {e} than {b}. Who is {c}?",
        "If {a} is {e} than {b}, which of the two is {c}?",
        "{a}, who lives in {f}, is {e} than {b}. Who is {c}?",
        "Two friends in {f}: {a} is {e} than {b}. Tell me who is {c}.",
        "We know that {a} is {e} than {b}. So who is {c}?",
    };
    static const char *const ages[] = {"older", "younger"};
    size_t two[2];
    distinct(rng, N_NAMES, 2, two);
    size_t said = below(rng, 2);
    size_t asked = below(rng, 2);
    put(ex, PICK(rng, wordings), "{d} is {c}",
        (struct slots){.a = names[two[0]],
                       .b = names[two[1]],
                       .c = ages[asked],
                       .d = names[two[said != asked]],
                       .e = ages[said],
                       .f = PICK(rng, cities)});
}

static void make_alphabet(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "Which word comes first in the alphabet, {a} or {b}?",
        "In the dictionary, which of {a} and {b} comes first?",
        "Alphabetical order: does {a} or {b} come first?",
        "Words: {a}, {b}. Which is first from A to Z?",
        "{d} sorts the cards {a} and {b} by the alphabet. Which card comes first?",
    };
    size_t two[2];
    do
        distinct(rng, N_THINGS, 2, two);
    while (things[two[0]].name[0] == things[two[1]].name[0]);
    const char *a = things[two[0]].name;
    const char *b = things[two[1]].name;
    put(ex, PICK(rng, wordings), "{c} comes first",
        (struct slots){.a = a, .b = b, .c = a[0] < b[0] ? a : b, .d = PICK(rng, names)});
}

static const struct task tasks[] = {
    {"order_numbers", "Sort three numbers.", false, MANY, make_numbers},
    {"order_bigger", "Say which of two things is bigger.", false, MANY, make_bigger},
    {"order_older", "Say who is older or younger when it has been told.", false, MANY,
     make_older},
    {"order_alphabet", "Say which of two words is first in the alphabet.", false, MANY,
     make_alphabet},
    {"order_heavier", "Say which of two things weighs more.", true, MANY, make_heavier},
};

FAMILY(order, "Comparing and sorting.");
