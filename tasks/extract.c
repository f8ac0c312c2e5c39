/* extract.c - who, what, where and when in one sentence.
 *
 * The same sentences serve all the tasks: only the question tells which part of the
 * sentence is wanted.
 */
#include "tasks.h"

#include "vocabulary.h"

static const struct action {
    const char *past, *base, *object;
} actions[] = {{"found", "find", "a silver key"},   {"lost", "lose", "a glove"},
               {"read", "read", "a long letter"},   {"drew", "draw", "a picture"},
               {"sang", "sing", "an old song"},     {"wrote", "write", "a poem"},
               {"dropped", "drop", "a plate"},      {"met", "meet", "an old friend"},
               {"ate", "eat", "an apple"},          {"saw", "see", "a red fox"},
               {"opened", "open", "a parcel"},      {"hid", "hide", "a small box"},
               {"told", "tell", "a story"},         {"caught", "catch", "a ball"},
               {"painted", "paint", "a chair"},     {"forgot", "forget", "an umbrella"},
               {"broke", "break", "a cup"},         {"heard", "hear", "a strange noise"},
               {"played", "play", "the violin"},    {"drank", "drink", "a glass of milk"},
               {"repaired", "repair", "a bicycle"}, {"chased", "chase", "a black cat"},
               {"wore", "wear", "a blue coat"},     {"carried", "carry", "a heavy bag"}};

static const char *const places[] = {
    "in the kitchen",  "in the garden", "at school",         "at the market",
    "on the beach",    "in the park",   "at the station",    "behind the house",
    "near the church", "in the barn",   "on the bridge",     "by the river",
    "at the farm",     "in the forest", "under the old oak", "in the village",
    "at the harbour",  "on the stairs", "next to the well",  "in the courtyard"};

static const char *const times[] = {
    "on Monday",        "on Tuesday",       "on Wednesday", "on Thursday",   "on Friday",
    "on Saturday",      "on Sunday",        "yesterday",    "last week",     "in March",
    "in August",        "at noon",          "at midnight",  "this morning",  "last night",
    "in the afternoon", "before breakfast", "after supper", "in the summer", "two days ago",
    "at five o'clock",  "at dawn"};

/* {a} past, {b} base, {c} object, {d} person, {e} place, {f} time; the sentence made of
 * them becomes {g} of the prompt. */
static void put_about_sentence(struct rng *rng, struct example *ex, const char *prompt,
                               const char *completion)
{
    static const char *const sentences[] = {
        "{D} {a} {c} {e} {f}.",
        "{F}, {d} {a} {c} {e}.",
        "{E}, {d} {a} {c} {f}.",
        "{D} {a} {c} {f} {e}.",
    };
    struct action action = PICK(rng, actions);
    struct slots slots = {.a = action.past,
                          .b = action.base,
                          .c = action.object,
                          .d = PICK(rng, names),
                          .e = PICK(rng, places),
                          .f = PICK(rng, times)};
    char sentence[PROMPT_SIZE];
    fill(sentence, sizeof sentence, PICK(rng, sentences), &slots);
    slots.g = sentence;
    put(ex, prompt, completion, slots);
}

static void make_who(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "{g} Who {a} {c}?",
        "{g} Who was it?",
        "Read the sentence and answer: who {a} {c}? {g} Who:",
        "Who {a} {c}? The sentence says: {g} Answer:",
        "{g} Name the person who {a} {c}.",
        "Find out who did it. {g}",
    };
    put_about_sentence(rng, ex, PICK(rng, wordings), "{d}");
}

static void make_what(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "{g} What did {d} {b}?",
        "{g} What was it that {d} {a}?",
        "Read the sentence and answer: what did {d} {b}? {g} What:",
        "What did {d} {b}? The sentence says: {g} Answer:",
        "{g} Name the thing that {d} {a}.",
    };
    put_about_sentence(rng, ex, PICK(rng, wordings), "{c}");
}

static void make_where(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "{g} Where did {d} {b} {c}?",
        "{g} Where was that?",
        "Read the sentence and answer: where did it happen? {g} Where:",
        "Where did {d} {b} {c}? The sentence says: {g} Answer:",
        "{g} Name the place where it happened.",
        "Find out where {d} {a} {c}. {g}",
    };
    put_about_sentence(rng, ex, PICK(rng, wordings), "{e}");
}

static void make_when(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "{g} When did {d} {b} {c}?",
        "{g} When was that?",
        "Read the sentence and answer: when did it happen? {g} When:",
        "When did {d} {b} {c}? The sentence says: {g} Answer:",
        "{g} Name the time when it happened.",
        "Find out when {d} {a} {c}. {g}",
    };
    put_about_sentence(rng, ex, PICK(rng, wordings), "{f}");
}

static void make_speaker(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "\"I {a} {c} {f},\" said {d} {e}. Who said this?",
        "\"{F} I {a} {c},\" {d} told us {e}. Who told us this?",
        "{E}, {d} said: \"I {a} {c}.\" Who was the speaker?",
        "{D} told the others: \"{F} I {a} {c} {e}.\" Who is \"I\"?",
        "\"I {a} {c} {e},\" said {d}. Name the speaker.",
    };
    put_about_sentence(rng, ex, PICK(rng, wordings), "{d}");
}

static const struct task tasks[] = {
    {"extract_who", "Find the person in a sentence.", false, MANY, make_who},
    {"extract_what", "Find the thing that is dealt with in a sentence.", false, MANY,
     make_what},
    {"extract_where", "Find the place in a sentence.", false, MANY, make_where},
    {"extract_when", "Find the time in a sentence.", false, MANY, make_when},
    {"extract_speaker", "Find who speaks in a sentence with direct speech.", true, MANY,
     make_speaker},
};

FAMILY(extract, "Who, what, where and when in one sentence.");
