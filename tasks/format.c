/* format.c - the same facts written another way: lists, names, records, speech. */
#include "tasks.h"

#include "vocabulary.h"

#include <stdio.h>

static const char *const wares[] = {
    "apples", "pears",   "plums",  "bread", "butter", "cheese", "milk",   "honey",
    "salt",   "tea",     "coffee", "sugar", "rice",   "beans",  "onions", "carrots",
    "soap",   "candles", "paper",  "ink",   "wool",   "nails",  "rope",   "flour"};

static const char *const colours[] = {"red",   "green", "blue",   "yellow",
                                      "black", "white", "brown",  "orange",
                                      "pink",  "grey",  "purple", "silver"};

/* Three or four wares, with one separator all through and as a person writes them. */
static void make_list(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "Write this list with commas and \"and\": {a}",
        "List: {a}. The same list as part of a sentence:",
        "Join the items with commas and the word \"and\": {a}",
        "{d}'s notes: {a}. Turn the notes into a proper list.",
        "Make a smooth list of the items {a}.",
    };
    size_t c[4];
    distinct(rng, COUNT(wares), 4, c);
    bool has_four = below(rng, 3) == 0;
    struct slots items = {
        .a = wares[c[0]], .b = wares[c[1]], .c = wares[c[2]], .d = wares[c[3]]};
    char raw[COMPLETION_SIZE];
    char smooth[COMPLETION_SIZE];
    fill(raw, sizeof raw, has_four ? "{a}; {b}; {c}; {d}" : "{a}; {b}; {c}", &items);
    fill(smooth, sizeof smooth, has_four ? "{a}, {b}, {c} and {d}" : "{a}, {b} and {c}",
         &items);
    put(ex, PICK(rng, wordings), "{b}",
        (struct slots){.a = raw, .b = smooth, .d = PICK(rng, names)});
}

static void make_slashes(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "The flag is {a}. Name its colours with commas and \"and\".",
        "Colours: {a}. Write them without slashes, as in a sentence.",
        "Write the colours {a} as a list with \"and\".",
        "{d} paints in {a}. List the colours properly.",
    };
    size_t c[3];
    distinct(rng, COUNT(colours), 3, c);
    struct slots items = {.a = colours[c[0]], .b = colours[c[1]], .c = colours[c[2]]};
    char raw[COMPLETION_SIZE];
    char smooth[COMPLETION_SIZE];
    fill(raw, sizeof raw, "{a}/{b}/{c}", &items);
    fill(smooth, sizeof smooth, "{a}, {b} and {c}", &items);
    put(ex, PICK(rng, wordings), "{b}",
        (struct slots){.a = raw, .b = smooth, .d = PICK(rng, names)});
}

static void make_initials(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "What are the initials of {a} {b}?",
        "Name: {a} {b}. Initials:",
        "{a} {b} signs with initials only. Write the initials.",
        "Shorten the name {a} {b} to its initials.",
        "Which initials are on the bag of {a} {b}?",
    };
    const char *first = PICK(rng, names);
    const char *last = PICK(rng, surnames);
    char initials[16];
    snprintf(initials, sizeof initials, "%c. %c.", first[0], last[0]);
    put(ex, PICK(rng, wordings), "{c}",
        (struct slots){.a = first, .b = last, .c = initials});
}

static void make_surname(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "Write the name {a} {b} with the surname first.",
        "In the phone book, how is {a} {b} listed?",
        "Name: {a} {b}. Surname first:",
        "Index entry for the author {a} {b}:",
        "Turn the name round, surname first: {a} {b}",
    };
    put(ex, PICK(rng, wordings), "{b}, {a}",
        (struct slots){.a = PICK(rng, names), .b = PICK(rng, surnames)});
}

static void make_record(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "Turn the record into a sentence: {a},{b},{c}",
        "Record (name, age, city): {a}, {b}, {c}. Sentence:",
        "Name {a}; age {b}; city {c}. Write it as one sentence.",
        "The table row says {a} | {b} | {c}. Say it in a sentence.",
        "Make a sentence from name={a} age={b} city={c}.",
    };
    char age[16];
    snprintf(age, sizeof age, "%zu", 18 + below(rng, 70));
    put(ex, PICK(rng, wordings), "{a} is {b} and lives in {c}.",
        (struct slots){.a = PICK(rng, names), .b = age, .c = PICK(rng, cities)});
}

static void make_speech(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "Speaker: {a}. Words: {b}. Write it as direct speech.",
        "Put the words of {a} in quotation marks: {b}.",
        "{a}: {b}. Write this line of a play as in a novel.",
        "Direct speech, please. Who: {a}. What: {b}.",
        "Write as in a novel what {a} says: {b}.",
    };
    static const char *const sayings[] = {
        "I am tired",       "It is late",     "Come in",         "We must go",
        "The door is open", "I do not know",  "Wait for me",     "Dinner is ready",
        "You are right",    "It is raining",  "I have a plan",   "Look at the moon",
        "Nobody is here",   "That is my hat", "Give me the key", "The train is late",
        "Sit down",         "I heard a noise"};
    put(ex, PICK(rng, wordings), "\"{b},\" says {a}.",
        (struct slots){.a = PICK(rng, names), .b = PICK(rng, sayings)});
}

static const struct task tasks[] = {
    {"format_list", "Write a list with commas and \"and\".", false, MANY, make_list},
    {"format_initials", "Shorten a name to its initials.", false, MANY, make_initials},
    {"format_surname", "Write a name with the surname first.", false, MANY, make_surname},
    {"format_record", "Turn a record of name, age and city into a sentence.", false, MANY,
     make_record},
    {"format_speech", "Write what someone says as direct speech.", false, MANY,
     make_speech},
    {"format_slashes", "Write colours joined by slashes as a list with \"and\".", true,
     MANY, make_slashes},
};

FAMILY(format, "The same facts written another way.");
