/* entail.c - pairs of sentences: does the second follow, do both mean the same?
 *
 * What decides is a word that stands in one sentence and not in the other.
 */
#include "tasks.h"

#include "vocabulary.h"

static const char *const owned[] = {"car",  "dog", "horse",   "hat",   "ring", "coat",
                                    "boat", "cat", "bicycle", "watch", "book", "piano",
                                    "lamp", "bag", "table",   "clock"};
static const char *const colours[] = {"red",   "blue",  "green", "black",
                                      "white", "brown", "grey",  "yellow"};

static const struct synonyms {
    const char *one, *other;
} synonyms[] = {{"has a big", "owns a large"},
                {"has a little", "owns a small"},
                {"received a fine", "was given a fine"},
                {"would like a new", "wants a new"},
                {"is looking for a lost", "is searching for a lost"},
                {"purchased a cheap", "bought an inexpensive"},
                {"dreams of an old", "is dreaming about an old"},
                {"is talking about a beautiful", "is speaking about a lovely"}};

static void make_follows(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "{a} has a {b} {c}. Does it follow that {a} has {+d}?",
        "Premise: {a} has a {b} {c}. Conclusion: {a} has {+d}. Does it follow?",
        "If {a} has a {b} {c}, does it follow that {a} has {+d}?",
        "{a} has a {b} {c}. \"So {a} has {+d},\" says {e}. Does that follow?",
        "We know that {a} has a {b} {c}. May we conclude that {a} has {+d}?",
    };
    size_t two[2];
    distinct(rng, COUNT(owned), 2, two);
    size_t people[2];
    distinct(rng, N_NAMES, 2, people);
    bool follows = below(rng, 2);
    put(ex, PICK(rng, wordings), follows ? "It follows." : "It does not follow.",
        (struct slots){.a = names[people[0]],
                       .b = PICK(rng, colours),
                       .c = owned[two[0]],
                       .d = owned[two[!follows]],
                       .e = names[people[1]]});
}

static void make_same(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "Same or different in meaning? 1. {a} {b} {c}. 2. {a} {d} {e}.",
        "Sentence one: {a} {b} {c}. Sentence two: {a} {d} {e}. Same meaning or different?",
        "Compare the meaning: \"{a} {b} {c}.\" \"{a} {d} {e}.\"",
        "\"{a} {b} {c}\" and \"{a} {d} {e}\": same meaning or different?",
        "Before: {a} {b} {c}. After: {a} {d} {e}. Same meaning or different?",
    };
    size_t two[2];
    distinct(rng, COUNT(owned), 2, two);
    bool is_same = below(rng, 2);
    bool is_turned = below(rng, 2);
    struct synonyms s = PICK(rng, synonyms);
    put(ex, PICK(rng, wordings), is_same ? "same meaning" : "different meaning",
        (struct slots){.a = PICK(rng, names),
                       .b = is_turned ? s.other : s.one,
                       .c = owned[two[0]],
                       .d = is_turned ? s.one : s.other,
                       .e = owned[two[!is_same]]});
}

static const struct task tasks[] = {
    {"entail_follows", "Say whether a conclusion follows.", false, MANY, make_follows},
    {"entail_same", "Say whether two sentences mean the same.", false, MANY, make_same},
};

FAMILY(entail, "Pairs of sentences.");
