/* riddle.c - "who am I?" with two answers to choose from. None of this family is trained
 * on: it shows what a library does with a family that it has never seen. */
#include "tasks.h"

struct riddle {
    const char *answer;
    const char *clues[3];
};

static const struct riddle animals[] = {
    {"dog",
     {"I bark and guard the house", "I wag my tail when I am glad",
      "I like to chew bones"}},
    {"cat",
     {"I purr and catch mice", "I have whiskers and sharp claws",
      "I miaow and walk on roofs"}},
    {"cow",
     {"I give milk and eat grass", "I say moo in the field", "I have horns and an udder"}},
    {"hen",
     {"I lay eggs in a nest of straw", "I cluck and scratch the ground",
      "I sit on my eggs in the henhouse"}},
    {"bee",
     {"I make honey from flowers", "I buzz and I can sting", "I serve my queen in a hive"}},
    {"fish",
     {"I live in water and have fins", "I breathe through gills",
      "I am often caught with a hook and line"}},
    {"horse",
     {"I pull a cart and love oats", "I neigh and I gallop",
      "I wear a saddle and iron shoes"}},
    {"owl",
     {"I hoot at night", "I hunt by night and turn my head right round",
      "I am a bird with large round eyes"}},
    {"elephant",
     {"I have a long trunk", "I have tusks and very large ears",
      "I am the largest animal on land"}},
    {"spider",
     {"I spin a web to catch flies", "I walk on eight legs",
      "I hang from a thread of silk"}},
    {"sheep",
     {"I give wool to make jumpers", "I follow a shepherd",
      "I bleat and have a thick fleece"}},
    {"camel",
     {"I carry loads through the desert", "I have a hump on my back",
      "I can go for days without water"}},
    {"snake",
     {"I have no legs and I hiss", "I shed my skin and creep",
      "I may have poison in my fangs"}},
    {"penguin",
     {"I am a bird that swims but cannot fly", "I look as if I wore a black tailcoat",
      "I live on the ice of the far south"}}};

static const struct riddle objects[] = {
    {"clock", {"I tell the time", "I have two hands but no fingers", "I tick all day"}},
    {"chair",
     {"I have four legs but never walk", "People sit on me at the table",
      "I have a seat and a back"}},
    {"book",
     {"I have many pages", "I tell stories without a voice",
      "I stand on a shelf to be read"}},
    {"candle", {"I give light and grow shorter", "I am made of wax", "I have a wick"}},
    {"key",
     {"I open locks", "I hang on a ring and turn in the door", "I fit one lock only"}},
    {"mirror",
     {"I show you your own face", "I hang on the wall and copy what I see",
      "I bring bad luck if you break me"}},
    {"umbrella",
     {"I keep you dry in the rain", "I am opened when it pours",
      "I am a roof with a handle"}},
    {"needle",
     {"I have an eye but cannot see", "I pull the thread through the cloth",
      "I am thin and sharp and I sew"}},
    {"broom",
     {"I sweep the floor", "I am a stick with bristles", "Witches are said to ride on me"}},
    {"bed",
     {"You sleep on me at night", "I hold your pillow and your blanket",
      "I am made every morning"}},
    {"drum",
     {"I am beaten but do not cry", "I make music with sticks",
      "I lead the march of the soldiers"}},
    {"ship",
     {"I sail across the sea", "I have a captain and a crew",
      "I rest at anchor in the harbour"}},
    {"ladder",
     {"You climb up my rungs", "I lean against the wall", "I help you reach the roof"}},
    {"spoon",
     {"You eat soup with me", "I stir your tea", "I lie beside the knife and fork"}}};

/* {a} a clue, {b} the answer, {c} and {d} what to choose from. */
static void put_riddle(struct rng *rng, struct example *ex, const char *prompt,
                       const struct riddle *riddles, size_t n)
{
    size_t two[2];
    distinct(rng, n, 2, two);
    const char *right = riddles[two[0]].answer;
    const char *wrong = riddles[two[1]].answer;
    bool is_first = below(rng, 2);
    put(ex, prompt, "{+b}",
        (struct slots){.a = PICK(rng, riddles[two[0]].clues),
                       .b = right,
                       .c = is_first ? right : wrong,
                       .d = is_first ? wrong : right});
}

static void make_animals(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "{a}. Am I {+c} or {+d}?",
        "Riddle: which animal am I? {a}. Choose {+c} or {+d}.",
        "{a}. Guess the animal: {+c} or {+d}?",
        "An animal says: \"{a}.\" Is it {+c} or {+d}?",
    };
    put_riddle(rng, ex, PICK(rng, wordings), animals, COUNT(animals));
}

static void make_objects(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "{a}. What am I, {+c} or {+d}?",
        "Riddle of the house: {a}. Choose {+c} or {+d}.",
        "{a}. Guess what I am: {+c} or {+d}?",
        "If a thing could say \"{a}\", would it be {+c} or {+d}?",
    };
    put_riddle(rng, ex, PICK(rng, wordings), objects, COUNT(objects));
}

static const struct task tasks[] = {
    {"riddle_animals", "Guess an animal from a clue, out of two.", true, MANY,
     make_animals},
    {"riddle_objects", "Guess a thing from a clue, out of two.", true, MANY, make_objects},
};

FAMILY(riddle, "Who or what am I?");
