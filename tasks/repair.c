/* repair.c - sentences with one thing wrong, and the same sentences put right.
 *
 * A missing article, no capitals, words out of order, a word said twice.
 */
#include "tasks.h"

#include "vocabulary.h"

#include <ctype.h>
#include <string.h>

static const char *const seeing[] = {"saw",    "found",  "drew",   "lost",
                                     "bought", "wanted", "forgot", "needed"};

static const char *const spots[] = {"in the garden",  "at the market", "near the bridge",
                                    "in the village", "at the fair",   "in the street",
                                    "by the river",   "on Sunday"};

/* Who does what to whom; any of the doings goes with any of the nouns. */
static const char *const doings[] = {"likes",   "sees",  "paints", "follows", "remembers",
                                     "watches", "loves", "knows",  "hears",   "finds"};
static const char *const nouns[] = {
    "horse",  "farmer", "teacher", "dog",     "queen",  "sailor", "baker",   "cat",
    "doctor", "river",  "singer",  "soldier", "garden", "child",  "painter", "village"};
static const char *const qualities[] = {"old",   "young",  "quiet",   "happy",
                                        "small", "famous", "strange", "beautiful"};

static void make_article(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "Add the missing article: {a} {b} {c} {d}.",
        "An article, a or an, is missing. Correct the sentence: {a} {b} {c} {d}.",
        "{a} {b} {c} {d}. Write the sentence again with the missing article.",
        "Repair the sentence; \"a\" or \"an\" was left out: {a} {b} {c} {d}.",
        "Missing article: {a} {b} {c} {d}. Corrected:",
    };
    const char *thing;
    bool wants_an = below(rng, 3) == 0; // for few things have a name that takes "an"
    do
        thing = things[below(rng, N_THINGS)].name;
    while (wants_an != (strchr("aeiou", thing[0]) != NULL));
    put(ex, PICK(rng, wordings), "{a} {b} {+c} {d}.",
        (struct slots){.a = PICK(rng, names),
                       .b = PICK(rng, seeing),
                       .c = thing,
                       .d = PICK(rng, spots)});
}

static void lower(char *s)
{
    for (; *s; s++)
        *s = (char)tolower((unsigned char)*s);
}

static void make_capitals(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "Put in the capital letters: {a}",
        "Correct the capital letters in this sentence: {a}",
        "The typist never used capital letters: {a} Corrected:",
        "{a} Write this with capitals where they belong.",
        "Repair the sentence, which lacks its capital letters: {a}",
    };
    static const char *const sentences[] = {
        "{A} lives in {c}.",
        "{A} and {b} went to {c}.",
        "On {d}, {a} leaves for {c}.",
        "In {e}, {a} met {b} in {c}.",
        "{A} was born in {e}.",
        "Every {d} {a} writes to {b}.",
        "The train to {c} leaves on {d}.",
    };
    size_t two[2];
    distinct(rng, N_NAMES, 2, two);
    struct slots slots = {.a = names[two[0]],
                          .b = names[two[1]],
                          .c = PICK(rng, cities),
                          .d = PICK(rng, days),
                          .e = PICK(rng, months)};
    char right[COMPLETION_SIZE];
    char wrong[COMPLETION_SIZE];
    fill(right, sizeof right, PICK(rng, sentences), &slots);
    memcpy(wrong, right, sizeof wrong);
    lower(wrong);
    put(ex, PICK(rng, wordings), "{b}", (struct slots){.a = wrong, .b = right});
}

/* A sentence of four or five words, {a} {b} the {d} {c}, where {d} may be missing. */
static size_t simple_sentence(struct rng *rng, const char *words[5])
{
    size_t n = 0;
    words[n++] = PICK(rng, names);
    words[n++] = PICK(rng, doings);
    words[n++] = "the";
    if (below(rng, 2))
        words[n++] = PICK(rng, qualities);
    words[n++] = PICK(rng, nouns);
    return n;
}

/* The words in the order given, with `separator` between them. */
static void join(char *out, size_t size, const char *const *words, size_t n,
                 const char *separator)
{
    fill(out, size, "{a}", &(struct slots){.a = words[0]});
    for (size_t i = 1; i < n; i++) {
        char longer[COMPLETION_SIZE];
        fill(longer, sizeof longer, "{a}{b}{c}",
             &(struct slots){.a = out, .b = separator, .c = words[i]});
        fill(out, size, "{a}", &(struct slots){.a = longer});
    }
}

static void make_order(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "Put these words in the right order: {a}",
        "Make a sentence of these words: {a}",
        "The words of a sentence were mixed up: {a}. The sentence was:",
        "Mixed words: {a}. Right order:",
        "Build a correct sentence out of the words {a}.",
    };
    const char *words[5];
    const char *mixed[5];
    size_t places[5];
    size_t n = simple_sentence(rng, words);
    bool is_mixed = false;
    do {
        distinct(rng, n, n, places);
        for (size_t i = 0; i < n; i++) {
            mixed[i] = words[places[i]];
            is_mixed = is_mixed || places[i] != i;
        }
    } while (!is_mixed);
    char wrong[COMPLETION_SIZE];
    char right[COMPLETION_SIZE];
    join(wrong, sizeof wrong, mixed, n, " / ");
    join(right, sizeof right, words, n, " ");
    put(ex, PICK(rng, wordings), "{b}.", (struct slots){.a = wrong, .b = right});
}

static void make_doubled(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "One word stands twice. Remove it: {a}.",
        "Remove the word that was written twice: {a}.",
        "{a}. A word is doubled; write the sentence without the slip.",
        "Repair the sentence with the doubled word: {a}.",
        "Doubled word: {a}. Without it:",
    };
    const char *words[5];
    const char *with_slip[6];
    size_t n = simple_sentence(rng, words);
    size_t slip = 1 + below(rng, n - 1);
    for (size_t i = 0; i <= n; i++)
        with_slip[i] = words[i > slip ? i - 1 : i];
    char wrong[COMPLETION_SIZE];
    char right[COMPLETION_SIZE];
    join(wrong, sizeof wrong, with_slip, n + 1, " ");
    join(right, sizeof right, words, n, " ");
    put(ex, PICK(rng, wordings), "{b}.", (struct slots){.a = wrong, .b = right});
}

static void make_small_i(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "Write the word \"I\" as it should be: {a}",
        "\"i\" must be a capital letter. Correct: {a}",
        "{a} Write the sentence with a capital I.",
        "Repair the small i in this sentence: {a}",
    };
    static const char *const sentences[] = {
        "I think I know {a} from {b}.", "When I met {a}, I was in {b}.",
        "I told {a} that I like {b}.",  "I hope I can visit {b} with {a}.",
        "I believe I saw {a} in {b}.",
    };
    struct slots slots = {.a = PICK(rng, names), .b = PICK(rng, cities)};
    char right[COMPLETION_SIZE];
    char wrong[COMPLETION_SIZE];
    fill(right, sizeof right, PICK(rng, sentences), &slots);
    memcpy(wrong, right, sizeof wrong);
    for (char *p = wrong; *p; p++)
        if (*p == 'I' && p[1] == ' ' && (p == wrong || p[-1] == ' '))
            *p = 'i';
    put(ex, PICK(rng, wordings), "{b}", (struct slots){.a = wrong, .b = right});
}

static const struct task tasks[] = {
    {"repair_article", "Add the article that a sentence lacks.", false, MANY, make_article},
    {"repair_capitals", "Put in the capital letters.", false, MANY, make_capitals},
    {"repair_order", "Put the words of a sentence in order.", false, MANY, make_order},
    {"repair_doubled", "Remove a word that is written twice.", false, MANY, make_doubled},
    {"repair_small_i", "Write \"I\" with a capital.", true, MANY, make_small_i},
};

FAMILY(repair, "Sentences with one thing wrong.");
