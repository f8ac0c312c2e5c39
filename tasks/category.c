/* category.c - what kind of thing a thing is, which does not belong, what colour it has. */
#include "tasks.h"

#include "vocabulary.h"

static const struct coloured {
    const char *thing, *colour;
} coloured[] = {{"a ripe banana", "yellow"},
                {"a lemon", "yellow"},
                {"the yolk of an egg", "yellow"},
                {"a canary", "yellow"},
                {"butter", "yellow"},
                {"a ripe corn cob", "yellow"},
                {"snow", "white"},
                {"milk", "white"},
                {"salt", "white"},
                {"a swan", "white"},
                {"flour", "white"},
                {"a polar bear", "white"},
                {"a snowman", "white"},
                {"coal", "black"},
                {"tar", "black"},
                {"a raven", "black"},
                {"soot", "black"},
                {"a crow", "black"},
                {"a liquorice stick", "black"},
                {"grass", "green"},
                {"a frog", "green"},
                {"spinach", "green"},
                {"a cucumber", "green"},
                {"a pea", "green"},
                {"a lettuce", "green"},
                {"a blade of grass", "green"},
                {"a shamrock", "green"},
                {"blood", "red"},
                {"a ripe tomato", "red"},
                {"a strawberry", "red"},
                {"a fire engine", "red"},
                {"a ripe cherry", "red"},
                {"a raspberry", "red"},
                {"a poppy", "red"},
                {"a ladybird", "red"},
                {"a clear sky", "blue"},
                {"the deep sea", "blue"},
                {"a sapphire", "blue"},
                {"a cornflower", "blue"},
                {"a bluebell", "blue"},
                {"chocolate", "brown"},
                {"a chestnut", "brown"},
                {"tree bark", "brown"},
                {"toast", "brown"},
                {"mud", "brown"},
                {"a coconut shell", "brown"},
                {"a carrot", "orange"},
                {"a pumpkin", "orange"},
                {"an apricot", "orange"},
                {"a tangerine", "orange"}};

static void make_kind(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "To which category does {+a} belong?",
        "Category of the word \"{a}\":",
        "Name the group of things to which {+a} belongs.",
        "Under which heading would you list {+a}?",
        "{d} is sorting words into categories. Into which one goes \"{a}\"?",
        "Which category of things includes {+a}?",
    };
    const struct thing *thing = &PICK(rng, things);
    put(ex, PICK(rng, wordings), "{b}",
        (struct slots){.a = thing->name, .b = kinds[thing->kind], .d = PICK(rng, names)});
}

static void make_odd(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "Which one does not belong: {a}, {b}, {c}, {d}?",
        "Three of these are of one kind. Name the odd one out: {a}, {b}, {c}, {d}.",
        "Odd one out of {a}, {b}, {c} and {d}:",
        "Find the word that does not fit: {a}, {b}, {c}, {d}.",
        "{A}, {b}, {c}, {d}: which is the odd one out?",
    };
    size_t four[4];
    bool is_fair;
    do { // the first three are of a kind, the fourth is not
        distinct(rng, N_THINGS, 4, four);
        enum kind kind = things[four[0]].kind;
        is_fair = things[four[1]].kind == kind && things[four[2]].kind == kind &&
                  things[four[3]].kind != kind;
    } while (!is_fair);
    const char *odd = things[four[3]].name;
    size_t place = below(rng, 4);
    four[3] = four[place];
    struct slots slots = {.e = odd};
    slots.a = place == 0 ? odd : things[four[0]].name;
    slots.b = place == 1 ? odd : things[four[1]].name;
    slots.c = place == 2 ? odd : things[four[2]].name;
    slots.d = place == 3 ? odd : things[four[3]].name;
    put(ex, PICK(rng, wordings), "the {e}", slots);
}

static void make_colour(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "What colour is {a}?",
        "Which colour does {a} usually have?",
        "Colour of {a}:",
        "A child paints {a}. Which colour is needed?",
        "Name the usual colour of {a}.",
        "What is the colour of {a}?",
        "If you think of {a}, which colour do you see?",
        "In a picture book, {a} has the colour",
    };
    const struct coloured *c = &PICK(rng, coloured);
    put(ex, PICK(rng, wordings), "{b}", (struct slots){.a = c->thing, .b = c->colour});
}

static const struct task tasks[] = {
    {"category_kind", "Name the kind of thing that a thing is.", false, MANY, make_kind},
    {"category_odd", "Find the odd one out of four things.", false, MANY, make_odd},
    {"category_colour", "Name the usual colour of a thing.", false, 320, make_colour},
};

FAMILY(category, "Kinds of things and their colours.");
