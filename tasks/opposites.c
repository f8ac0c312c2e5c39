/* opposites.c - the opposite of a word, alone, as an infinitive, or in its sentence.
 *
 * The pairs come back in every task and in many wordings, so that what one expert has
 * learnt of a word is of use to another.
 */
#include "tasks.h"

struct pair {
    const char *one, *other;
};

static const struct pair adjectives[] = {
    {"hot", "cold"},        {"big", "small"},      {"tall", "short"},
    {"fast", "slow"},       {"old", "young"},      {"rich", "poor"},
    {"happy", "sad"},       {"bright", "dark"},    {"wet", "dry"},
    {"hard", "soft"},       {"clean", "dirty"},    {"full", "empty"},
    {"strong", "weak"},     {"early", "late"},     {"loud", "quiet"},
    {"thick", "thin"},      {"wide", "narrow"},    {"deep", "shallow"},
    {"high", "low"},        {"open", "shut"},      {"brave", "cowardly"},
    {"sharp", "blunt"},     {"true", "false"},     {"sweet", "bitter"},
    {"safe", "dangerous"},  {"easy", "difficult"}, {"cheap", "expensive"},
    {"good", "bad"},        {"right", "wrong"},    {"rough", "smooth"},
    {"near", "far"},        {"alive", "dead"},     {"asleep", "awake"},
    {"polite", "rude"},     {"beautiful", "ugly"}, {"wise", "foolish"},
    {"guilty", "innocent"}, {"tight", "loose"},    {"heavy", "light"},
    {"ancient", "modern"}};

static const struct pair verbs[] = {
    {"open", "close"},        {"buy", "sell"},        {"laugh", "cry"},
    {"come", "go"},           {"win", "lose"},        {"push", "pull"},
    {"start", "stop"},        {"rise", "fall"},       {"love", "hate"},
    {"give", "take"},         {"remember", "forget"}, {"arrive", "leave"},
    {"enter", "exit"},        {"live", "die"},        {"build", "destroy"},
    {"show", "hide"},         {"ask", "answer"},      {"accept", "refuse"},
    {"attack", "defend"},     {"lend", "borrow"},     {"float", "sink"},
    {"freeze", "melt"},       {"succeed", "fail"},    {"whisper", "shout"},
    {"catch", "throw"},       {"add", "subtract"},    {"teach", "learn"},
    {"praise", "blame"},      {"speak", "listen"},    {"raise", "lower"},
    {"save", "spend"},        {"lead", "follow"},     {"tighten", "loosen"},
    {"increase", "decrease"}, {"agree", "disagree"},  {"appear", "disappear"},
    {"lock", "unlock"},       {"pack", "unpack"},     {"attract", "repel"},
    {"stand", "sit"}};

/* Words that fit before any of the nouns of their row. */
static const struct described {
    const char *noun, *one, *other;
} described[] = {{"soup", "hot", "cold"},         {"water", "hot", "cold"},
                 {"tea", "hot", "cold"},          {"house", "big", "small"},
                 {"garden", "big", "small"},      {"dog", "big", "small"},
                 {"boy", "tall", "short"},        {"horse", "fast", "slow"},
                 {"train", "fast", "slow"},       {"man", "old", "young"},
                 {"woman", "rich", "poor"},       {"farmer", "rich", "poor"},
                 {"girl", "happy", "sad"},        {"king", "happy", "sad"},
                 {"room", "bright", "dark"},      {"road", "wet", "dry"},
                 {"towel", "wet", "dry"},         {"bed", "hard", "soft"},
                 {"floor", "clean", "dirty"},     {"shirt", "clean", "dirty"},
                 {"glass", "full", "empty"},      {"bottle", "full", "empty"},
                 {"rope", "strong", "weak"},      {"bus", "early", "late"},
                 {"music", "loud", "quiet"},      {"book", "thick", "thin"},
                 {"river", "wide", "narrow"},     {"lake", "deep", "shallow"},
                 {"wall", "high", "low"},         {"window", "open", "shut"},
                 {"door", "open", "shut"},        {"soldier", "brave", "cowardly"},
                 {"knife", "sharp", "blunt"},     {"story", "true", "false"},
                 {"bridge", "safe", "dangerous"}, {"question", "easy", "difficult"},
                 {"hat", "cheap", "expensive"},   {"weather", "good", "bad"},
                 {"answer", "right", "wrong"},    {"stone", "rough", "smooth"},
                 {"baby", "asleep", "awake"},     {"waiter", "polite", "rude"},
                 {"queen", "wise", "foolish"},    {"knot", "tight", "loose"},
                 {"picture", "beautiful", "ugly"}};

/* Either word of a pair may be the one that is asked about. */
static struct slots either_way(struct rng *rng, struct pair pair)
{
    bool is_turned = below(rng, 2);
    return is_turned ? (struct slots){.a = pair.other, .b = pair.one}
                     : (struct slots){.a = pair.one, .b = pair.other};
}

static void make_adjectives(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "What is the opposite of {a}?",
        "Give the opposite of the adjective \"{a}\".",
        "The word {a} describes something. Which word is its opposite?",
        "Opposite of {a}:",
        "If a thing is not {a} at all, but just the opposite, what is it?",
        "Complete the pair of opposites: {a} and",
        "Name an adjective that means the opposite of {a}.",
        "The opposite of {a} is",
    };
    put(ex, PICK(rng, wordings), "{b}", either_way(rng, PICK(rng, adjectives)));
}

static void make_verbs(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "What is the opposite of the verb \"to {a}\"?",
        "To {a} is one thing; to do the opposite is",
        "Which verb is the opposite of to {a}?",
        "Verb: to {a}. Opposite verb:",
        "Somebody does not want to {a}, but to do the opposite. What do they want?",
        "Give the verb that means the opposite of \"to {a}\".",
        "Two verbs that are opposites: to {a} and",
        "Turn the verb to its opposite: to {a}.",
    };
    put(ex, PICK(rng, wordings), "to {b}", either_way(rng, PICK(rng, verbs)));
}

static void make_sentence(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "Say the opposite in a sentence: The {c} is {a}.",
        "The {c} is {a}. Rewrite this sentence so that it says the opposite.",
        "Contradict this sentence with an opposite word: The {c} is {a}.",
        "Change one word to its opposite: The {c} is {a}.",
        "Someone claims that the {c} is {a}. State the opposite in a full sentence.",
        "Original sentence: The {c} is {a}. Opposite sentence:",
        "Untrue: The {c} is {a}. The opposite is true; write it as a sentence.",
    };
    struct described d = PICK(rng, described);
    struct slots slots = either_way(rng, (struct pair){d.one, d.other});
    slots.c = d.noun;
    put(ex, PICK(rng, wordings), "The {c} is {b}.", slots);
}

static void make_choice(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "Choose the opposite of {a}: {c} or {d}?",
        "Which of these two is the opposite of {a}, {c} or {d}?",
        "Pick one word. Opposite of {a}: {c} / {d}.",
        "Is the opposite of {a} the word {c} or the word {d}?",
        "Two words are offered, {c} and {d}. Only one is the opposite of {a}. Which?",
    };
    size_t i = below(rng, COUNT(adjectives));
    struct slots slots = either_way(rng, adjectives[i]);
    // Pairs that are near in meaning, as "hard" and "difficult", do not stand this far
    // apart.
    struct pair far_off = adjectives[(i + 18 + below(rng, 5)) % COUNT(adjectives)];
    const char *wrong = below(rng, 2) ? far_off.one : far_off.other;
    bool is_first = below(rng, 2);
    slots.c = is_first ? slots.b : wrong;
    slots.d = is_first ? wrong : slots.b;
    put(ex, PICK(rng, wordings), "{b}", slots);
}

static const struct task tasks[] = {
    {"opposites_adjectives", "Name the opposite of an adjective.", false, MANY,
     make_adjectives},
    {"opposites_verbs", "Name the opposite of a verb, as an infinitive.", false, MANY,
     make_verbs},
    {"opposites_sentence", "Rewrite a short sentence with the opposite adjective.", false,
     MANY, make_sentence},
    {"opposites_choice", "Choose the opposite of an adjective out of two words.", true,
     MANY, make_choice},
};

FAMILY(opposites, "Words and their opposites.");
