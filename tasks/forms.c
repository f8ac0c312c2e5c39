/* forms.c - plurals, past tenses, comparatives and the names of doers.
 *
 * One table serves each task; the plurals come back in a held-out task that asks for
 * them by counting.
 */
#include "tasks.h"

#include "vocabulary.h"

struct form {
    const char *base, *derived;
};

static const struct form plurals[] = {
    {"child", "children"},    {"mouse", "mice"},    {"foot", "feet"},
    {"tooth", "teeth"},       {"goose", "geese"},   {"man", "men"},
    {"woman", "women"},       {"ox", "oxen"},       {"leaf", "leaves"},
    {"knife", "knives"},      {"wife", "wives"},    {"wolf", "wolves"},
    {"loaf", "loaves"},       {"shelf", "shelves"}, {"thief", "thieves"},
    {"half", "halves"},       {"city", "cities"},   {"baby", "babies"},
    {"lady", "ladies"},       {"story", "stories"}, {"cherry", "cherries"},
    {"country", "countries"}, {"army", "armies"},   {"fly", "flies"},
    {"box", "boxes"},         {"fox", "foxes"},     {"church", "churches"},
    {"bush", "bushes"},       {"dish", "dishes"},   {"glass", "glasses"},
    {"watch", "watches"},     {"dress", "dresses"}, {"potato", "potatoes"},
    {"tomato", "tomatoes"},   {"hero", "heroes"},   {"echo", "echoes"},
    {"boy", "boys"},          {"key", "keys"},      {"day", "days"},
    {"monkey", "monkeys"},    {"book", "books"},    {"tree", "trees"},
    {"horse", "horses"},      {"house", "houses"},  {"friend", "friends"},
    {"river", "rivers"},      {"apple", "apples"},  {"ship", "ships"}};

static const struct form pasts[] = {
    {"go", "went"},       {"see", "saw"},       {"eat", "ate"},     {"come", "came"},
    {"take", "took"},     {"give", "gave"},     {"make", "made"},   {"find", "found"},
    {"think", "thought"}, {"bring", "brought"}, {"buy", "bought"},  {"teach", "taught"},
    {"catch", "caught"},  {"write", "wrote"},   {"drive", "drove"}, {"speak", "spoke"},
    {"break", "broke"},   {"sing", "sang"},     {"swim", "swam"},   {"drink", "drank"},
    {"begin", "began"},   {"run", "ran"},       {"sit", "sat"},     {"stand", "stood"},
    {"sleep", "slept"},   {"keep", "kept"},     {"feel", "felt"},   {"leave", "left"},
    {"lose", "lost"},     {"fly", "flew"},      {"grow", "grew"},   {"know", "knew"},
    {"draw", "drew"},     {"fall", "fell"},     {"hold", "held"},   {"tell", "told"},
    {"sell", "sold"},     {"hear", "heard"},    {"pay", "paid"},    {"send", "sent"},
    {"build", "built"},   {"walk", "walked"},   {"play", "played"}, {"stop", "stopped"},
    {"carry", "carried"}, {"dance", "danced"},  {"cry", "cried"},   {"open", "opened"}};

static const struct form comparatives[] = {{"big", "bigger"},
                                           {"hot", "hotter"},
                                           {"thin", "thinner"},
                                           {"wet", "wetter"},
                                           {"sad", "sadder"},
                                           {"happy", "happier"},
                                           {"easy", "easier"},
                                           {"heavy", "heavier"},
                                           {"pretty", "prettier"},
                                           {"dirty", "dirtier"},
                                           {"lazy", "lazier"},
                                           {"angry", "angrier"},
                                           {"good", "better"},
                                           {"bad", "worse"},
                                           {"far", "farther"},
                                           {"large", "larger"},
                                           {"nice", "nicer"},
                                           {"wide", "wider"},
                                           {"safe", "safer"},
                                           {"brave", "braver"},
                                           {"tall", "taller"},
                                           {"short", "shorter"},
                                           {"long", "longer"},
                                           {"cold", "colder"},
                                           {"warm", "warmer"},
                                           {"fast", "faster"},
                                           {"slow", "slower"},
                                           {"young", "younger"},
                                           {"strong", "stronger"},
                                           {"weak", "weaker"},
                                           {"rich", "richer"},
                                           {"poor", "poorer"},
                                           {"beautiful", "more beautiful"},
                                           {"careful", "more careful"},
                                           {"dangerous", "more dangerous"},
                                           {"famous", "more famous"},
                                           {"useful", "more useful"},
                                           {"difficult", "more difficult"},
                                           {"expensive", "more expensive"},
                                           {"patient", "more patient"},
                                           {"comfortable", "more comfortable"},
                                           {"interesting", "more interesting"}};

static const struct form agents[] = {{"bakes bread", "baker"},
                                     {"teaches children", "teacher"},
                                     {"paints pictures", "painter"},
                                     {"writes books", "writer"},
                                     {"drives a bus", "driver"},
                                     {"sings songs", "singer"},
                                     {"dances on a stage", "dancer"},
                                     {"builds houses", "builder"},
                                     {"works on a farm", "farmer"},
                                     {"plays a game", "player"},
                                     {"runs in races", "runner"},
                                     {"swims in a pool", "swimmer"},
                                     {"hunts deer", "hunter"},
                                     {"leads a group", "leader"},
                                     {"reads a newspaper", "reader"},
                                     {"speaks to a crowd", "speaker"},
                                     {"sails the seas", "sailor"},
                                     {"acts in plays", "actor"},
                                     {"visits a town", "visitor"},
                                     {"governs a state", "governor"},
                                     {"edits a paper", "editor"},
                                     {"invents machines", "inventor"},
                                     {"inspects tickets", "inspector"},
                                     {"directs films", "director"},
                                     {"collects stamps", "collector"},
                                     {"plays the piano", "pianist"},
                                     {"plays the violin", "violinist"},
                                     {"makes works of art", "artist"},
                                     {"travels on a tour", "tourist"},
                                     {"looks after teeth", "dentist"},
                                     {"studies science", "scientist"},
                                     {"makes music", "musician"},
                                     {"does magic tricks", "magician"},
                                     {"looks after a library", "librarian"},
                                     {"works in politics", "politician"},
                                     {"begs for money", "beggar"},
                                     {"tells lies", "liar"},
                                     {"robs banks", "robber"},
                                     {"keeps a shop", "shopkeeper"},
                                     {"keeps bees", "beekeeper"},
                                     {"looks after a garden", "gardener"},
                                     {"digs for coal", "miner"}};

static void make_plural(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "What is the plural of \"{a}\"?",
        "Give the plural form of the noun {a}.",
        "Singular: {a}. Plural:",
        "The noun \"{a}\" is singular. Put it in the plural.",
        "How do you spell the plural of {a}?",
        "Write the plural of this noun: {a}.",
        "Plural form of {a}:",
        "Which plural belongs to the singular noun {a}?",
        "Make the noun {a} plural.",
    };
    struct form form = PICK(rng, plurals);
    put(ex, PICK(rng, wordings), "{b}", (struct slots){.a = form.base, .b = form.derived});
}

static void make_past(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "What is the past tense of the verb \"{a}\"?",
        "Give the simple past form of {a}.",
        "Present: they {a}. Past: they",
        "Today they {a}. Put the verb in the past tense.",
        "Past tense of to {a}:",
        "Which past form belongs to the verb to {a}?",
        "Write the verb \"{a}\" in the simple past.",
        "Every day we {a}. Give the past form for yesterday.",
        "Verb form needed: {a}, in the past tense.",
    };
    struct form form = PICK(rng, pasts);
    put(ex, PICK(rng, wordings), "{b}", (struct slots){.a = form.base, .b = form.derived});
}

static void make_comparative(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "What is the comparative of the adjective \"{a}\"?",
        "Give the comparative form of {a}.",
        "Positive: {a}. Comparative:",
        "This one is {a}, but that one is even more so. Use the comparative form.",
        "Comparative of {a}:",
        "Write the form of \"{a}\" that is used to compare two things.",
        "Which comparative belongs to the adjective {a}?",
        "Two things are compared, and both are {a}. Write the comparative form.",
        "Put the adjective {a} in the comparative.",
    };
    struct form form = PICK(rng, comparatives);
    put(ex, PICK(rng, wordings), "{b}", (struct slots){.a = form.base, .b = form.derived});
}

static void make_agent(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "What do you call a person who {a}?",
        "Give the noun for someone who {a}.",
        "One noun for a person who {a}:",
        "Somebody who {a} is called",
        "Form the noun that names a person who {a}.",
        "Which noun belongs to a person who {a}?",
        "She {a}. Which noun says what she is?",
        "Write the noun for a man or woman who {a}.",
        "He {a}. Form the noun for such a person.",
    };
    struct form form = PICK(rng, agents);
    put(ex, PICK(rng, wordings), "{+b}", (struct slots){.a = form.base, .b = form.derived});
}

static void make_counted(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "Here is one {a}; over there are more, {c} in all. How many of what?",
        "First there was one {a}, then there were {c}. How many of what?",
        "There is not just one {a} but {c}. Say the number and the noun.",
        "One {a}, another {a}, and so on up to {c}. How many are there, and of what?",
    };
    struct form form = PICK(rng, plurals);
    const char *number = numbers[3 + below(rng, 8)];
    put(ex, PICK(rng, wordings), "{c} {b}",
        (struct slots){.a = form.base, .b = form.derived, .c = number});
}

static const struct task tasks[] = {
    {"forms_plural", "Put a noun in the plural.", false, MANY, make_plural},
    {"forms_past", "Put a verb in the simple past.", false, MANY, make_past},
    {"forms_comparative", "Form the comparative of an adjective.", false, MANY,
     make_comparative},
    {"forms_agent", "Name a person after what they do.", false, MANY, make_agent},
    {"forms_counted", "Put a noun in the plural because there are several.", true, MANY,
     make_counted},
};

FAMILY(forms, "The forms of nouns, verbs and adjectives.");
