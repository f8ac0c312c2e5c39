/* sense.c - questions that need only common sense, with a yes or a no of some kind.
 *
 * Half of the answers of each task are yes. Each task says its yes and no in words of
 * its own.
 */
#include "tasks.h"

#include "vocabulary.h"

enum { N_ABLE = 12 };

/* Animals that can, and animals that cannot, as far as anyone would say at once. */
static const struct ability {
    const char *what;
    const char *can[N_ABLE];
    const char *cannot[N_ABLE];
} abilities[] = {{"fly",
                  {"sparrow", "pigeon", "butterfly", "bee", "eagle", "swallow", "gull",
                   "wasp", "owl", "bat", "crow", "moth"},
                  {"dog", "cow", "snail", "horse", "pig", "worm", "elephant", "sheep",
                   "tortoise", "mouse", "goat", "crocodile"}},
                 {"live under water",
                  {"shark", "trout", "herring", "salmon", "octopus", "jellyfish", "cod",
                   "eel", "carp", "starfish", "sardine", "squid"},
                  {"hen", "goat", "lion", "camel", "sheep", "monkey", "squirrel", "sparrow",
                   "horse", "rabbit", "donkey", "cat"}},
                 {"lay eggs",
                  {"hen", "duck", "goose", "sparrow", "crocodile", "tortoise", "ostrich",
                   "frog", "penguin", "swan", "pigeon", "trout"},
                  {"dog", "cow", "cat", "horse", "sheep", "lion", "rabbit", "elephant",
                   "monkey", "wolf", "fox", "bear"}},
                 {"bark",
                  {"dog", "puppy", "terrier", "sheepdog", "bulldog", "spaniel", "poodle",
                   "greyhound", "collie", "beagle", "guard dog", "lapdog"},
                  {"fish", "snail", "hen", "rabbit", "cow", "butterfly", "duck", "ant",
                   "worm", "horse", "snake", "pigeon"}},
                 {"climb a tree",
                  {"squirrel", "monkey", "cat", "ape", "leopard", "woodpecker",
                   "chimpanzee", "koala", "gorilla", "tree frog", "panda", "gecko"},
                  {"whale", "cow", "trout", "elephant", "horse", "pig", "shark",
                   "hippopotamus", "sheep", "dolphin", "camel", "rhinoceros"}}};

static const struct property {
    const char *question; // with {a}, a thing with its article where it needs one
    const char *yes[10];
    const char *no[10];
} properties[] = {
    {"Is {a} cold?",
     {"ice", "snow", "an icicle", "frost", "a snowman", "a glacier", "ice cream",
      "a snowball", "an iceberg", "a winter night at the North Pole"},
     {"fire", "boiling water", "a hot stove", "lava", "steam", "a burning candle",
      "an oven", "a glowing coal", "the summer sun", "a lit match"}},
    {"Is {a} hard?",
     {"a stone", "a brick", "an iron bar", "a diamond", "a nail", "a rock",
      "a marble statue", "a horseshoe", "an anvil", "a hammer"},
     {"a pillow", "a feather", "cotton wool", "butter", "a marshmallow", "a cushion",
      "foam", "a cloud", "jelly", "a kitten's fur"}},
    {"Is {a} sharp?",
     {"a knife", "a razor", "a needle", "a thorn", "a sword", "broken glass", "a saw",
      "an axe", "a dagger", "a pin"},
     {"a ball", "a spoon", "a balloon", "a bun", "a sponge", "a blanket", "an egg",
      "a sock", "soup", "a towel"}},
    {"Can {a} burn?",
     {"paper", "dry wood", "straw", "a candle", "petrol", "coal", "hay", "an old newspaper",
      "a matchstick", "a wax torch"},
     {"water", "a stone", "sand", "ice", "a brick", "snow", "rain", "salt", "wet clay",
      "a rock"}},
    {"Can you drink {a}?",
     {"water", "milk", "orange juice", "tea", "coffee", "lemonade", "cocoa", "apple juice",
      "cold lemon tea", "ginger ale"},
     {"a chair", "sand", "a brick", "a book", "a shoe", "gravel", "a spoon", "wool",
      "a key", "a carpet"}},
    {"Is {a} alive?",
     {"a dog", "a tree", "a horse", "a child", "a butterfly", "a rose bush", "a frog",
      "a growing plant", "a swan", "a cow in a field"},
     {"a stone", "a chair", "a spoon", "a hammer", "a car", "a cup", "a brick", "a shoe",
      "a coin", "a bottle"}}};

/* Things to eat and things that nobody eats, all with an article. */
static const char *const eaten[] = {
    "an apple",         "a sandwich",        "a boiled egg",     "a carrot",
    "a slice of bread", "a biscuit",         "a ripe pear",      "a piece of cheese",
    "a fried fish",     "a bowl of rice",    "a pancake",        "a roast potato",
    "a sausage",        "a cherry",          "a plate of beans", "a tomato",
    "a chocolate cake", "a bunch of grapes", "a peeled banana",  "a slice of ham"};
static const char *const not_eaten[] = {
    "a brick",        "a hammer",         "a pair of scissors", "a stone",
    "a bicycle",      "a newspaper",      "a light bulb",       "a wooden chair",
    "a rusty nail",   "a bar of soap",    "a rubber boot",      "a candle",
    "an umbrella",    "a coin",           "a door key",         "a pillow",
    "a glass bottle", "a piece of chalk", "a wool scarf",       "an old tyre"};

static const struct box {
    const char *what;
    int size; // holds things that are at least two sizes smaller
} boxes[] = {{"a matchbox", 3}, {"a teacup", 3},   {"a coat pocket", 4}, {"a shoebox", 5},
             {"a suitcase", 6}, {"a wardrobe", 7}, {"a garden shed", 8}, {"a handbag", 5}};

static void make_animals(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "Can {+a} {b}?",
        "Is {+a} able to {b}?",
        "Common sense about animals: can {+a} {b}?",
        "{+A} wants to {b}. Can it?",
        "A child asks: \"Can {+a} {b}?\" Answer the child.",
        "Do you think {+a} can {b}?",
    };
    const struct ability *ability = &PICK(rng, abilities);
    bool can = below(rng, 2);
    put(ex, PICK(rng, wordings), can ? "Yes, it can." : "No, it cannot.",
        (struct slots){.a = can ? PICK(rng, ability->can) : PICK(rng, ability->cannot),
                       .b = ability->what});
}

static void make_things(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "{a} Yes or no:",     "Answer yes or no. {a}",   "Common sense, yes or no: {a}",
        "Say yes or no: {a}", "{a} Just say yes or no.",
    };
    const struct property *property = &PICK(rng, properties);
    bool is_so = below(rng, 2);
    struct slots slots = {.a = is_so ? PICK(rng, property->yes) : PICK(rng, property->no)};
    char question[PROMPT_SIZE];
    fill(question, sizeof question, property->question, &slots);
    put(ex, PICK(rng, wordings), is_so ? "yes" : "no", (struct slots){.a = question});
}

static void make_fit(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "Would {+a} fit into {b}?",
        "I want to put {+a} into {b}. Is there room for it?",
        "Think of the sizes: {+a} and {b}. Does the first fit into the second?",
        "Can one put {+a} inside {b}?",
        "{c} tries to put {+a} into {b}. Will it fit?",
    };
    bool fits = below(rng, 2);
    const struct box *box;
    const struct thing *thing;
    do {
        box = &boxes[below(rng, COUNT(boxes))];
        thing = &things[below(rng, N_THINGS)];
    } while (fits ? thing->size > box->size - 2 : thing->size < box->size + 1);
    put(ex, PICK(rng, wordings), fits ? "It fits." : "It is too big.",
        (struct slots){.a = thing->name, .b = box->what, .c = PICK(rng, names)});
}

static void make_edible(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "Would a sensible person eat {a}? Yes or no:",
        "Is {a} something to eat, yes or no?",
        "{c} is hungry and is offered {a}. Is it food? Say yes or no.",
        "For lunch {c} has {a}. Is that sensible, yes or no?",
        "Answer yes or no: can {c} eat {a}?",
    };
    bool is_food = below(rng, 2);
    put(ex, PICK(rng, wordings), is_food ? "yes" : "no",
        (struct slots){.a = is_food ? PICK(rng, eaten) : PICK(rng, not_eaten),
                       .c = PICK(rng, names)});
}

static const struct task tasks[] = {
    {"sense_animals", "Say whether an animal can do something.", false, MANY, make_animals},
    {"sense_things", "Answer yes or no about a thing.", false, MANY, make_things},
    {"sense_fit", "Say whether a thing fits into another.", false, MANY, make_fit},
    {"sense_edible", "Answer yes or no: is it food?", true, MANY, make_edible},
};

FAMILY(sense, "Common sense about animals and things.");
