/* words.c - the first word, the last word, the word that rhymes. None of this family is
 * trained on: it shows what a library does with a family that it has never seen. */
#include "tasks.h"

#include "vocabulary.h"

static const char *const firsts[] = {"poets",   "children", "farmers", "soldiers",
                                     "friends", "sailors",  "dancers", "teachers",
                                     "doctors", "kings"};
static const char *const middles[] = {"often talk about",     "never forget",
                                      "always dream of",      "seldom think of",
                                      "sometimes sing about", "rarely speak of"};
static const char *const lasts[] = {"summer", "home", "money", "rain", "music",  "bread",
                                    "war",    "love", "work",  "snow", "winter", "gold"};

/* Words of one row rhyme with one another and with no word of another row. */
enum { N_RHYMES = 4 };
static const char *const rhymes[][N_RHYMES] = {
    {"cat", "hat", "bat", "mat"},          {"dog", "fog", "frog", "log"},
    {"house", "mouse", "louse", "blouse"}, {"tree", "bee", "knee", "sea"},
    {"night", "light", "kite", "bite"},    {"day", "hay", "play", "way"},
    {"king", "ring", "sing", "wing"},      {"ball", "wall", "tall", "fall"},
    {"boat", "coat", "goat", "note"},      {"moon", "spoon", "tune", "noon"},
    {"cake", "lake", "snake", "rake"},     {"bed", "head", "red", "bread"},
    {"bell", "shell", "well", "smell"},    {"sock", "clock", "rock", "lock"},
    {"bear", "chair", "hair", "pear"},     {"nose", "rose", "toes", "shows"},
    {"gold", "cold", "old", "told"},       {"book", "cook", "hook", "look"}};

static void put_sentence(struct rng *rng, struct example *ex, const char *prompt,
                         const char *completion)
{
    put(ex, prompt, completion,
        (struct slots){
            .a = PICK(rng, firsts), .b = PICK(rng, middles), .c = PICK(rng, lasts)});
}

static void make_first(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "What is the first word of \"{a} {b} {c}\"?",
        "Copy only the first word: {a} {b} {c}",
        "Words: {a} {b} {c}. First word:",
        "With which word does \"{a} {b} {c}\" begin?",
    };
    put_sentence(rng, ex, PICK(rng, wordings), "{a}");
}

static void make_last(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "What is the last word of \"{a} {b} {c}\"?",
        "Copy only the last word: {a} {b} {c}",
        "Words: {a} {b} {c}. Last word:",
        "With which word does \"{a} {b} {c}\" end?",
    };
    put_sentence(rng, ex, PICK(rng, wordings), "{c}");
}

static void make_rhyme(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "Which word rhymes with {a}: {c} or {d}?",
        "Does {c} or {d} rhyme with {a}?",
        "The poet needs a rhyme for {a}. Which will do, {c} or {d}?",
        "Find the rhyme for {a}. Words: {c}, {d}.",
    };
    size_t rows[2];
    size_t two[2];
    distinct(rng, COUNT(rhymes), 2, rows);
    distinct(rng, N_RHYMES, 2, two);
    const char *right = rhymes[rows[0]][two[1]];
    const char *wrong = rhymes[rows[1]][below(rng, N_RHYMES)];
    bool is_first = below(rng, 2);
    put(ex, PICK(rng, wordings), "{b}",
        (struct slots){.a = rhymes[rows[0]][two[0]],
                       .b = right,
                       .c = is_first ? right : wrong,
                       .d = is_first ? wrong : right});
}

static const struct task tasks[] = {
    {"words_first", "Copy the first word of a line.", true, MANY, make_first},
    {"words_last", "Copy the last word of a line.", true, MANY, make_last},
    {"words_rhyme", "Choose the word that rhymes.", true, MANY, make_rhyme},
};

FAMILY(words, "Words by their place and their sound.");
