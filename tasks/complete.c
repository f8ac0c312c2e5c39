/* complete.c - the end of a saying, the voice of an animal, the word for a definition. */
#include "tasks.h"

struct line {
    const char *start, *end;
};

static const struct line similes[] = {{"cold", "ice"},
                                      {"white", "snow"},
                                      {"black", "coal"},
                                      {"busy", "a bee"},
                                      {"brave", "a lion"},
                                      {"sly", "a fox"},
                                      {"stubborn", "a mule"},
                                      {"light", "a feather"},
                                      {"quiet", "a mouse"},
                                      {"blind", "a bat"},
                                      {"strong", "an ox"},
                                      {"free", "a bird"},
                                      {"proud", "a peacock"},
                                      {"wise", "an owl"},
                                      {"gentle", "a lamb"},
                                      {"hungry", "a wolf"},
                                      {"slow", "a snail"},
                                      {"slippery", "an eel"},
                                      {"flat", "a pancake"},
                                      {"dry", "dust"},
                                      {"hard", "nails"},
                                      {"good", "gold"},
                                      {"sharp", "a razor"},
                                      {"sweet", "honey"},
                                      {"clear", "crystal"},
                                      {"old", "the hills"},
                                      {"regular", "clockwork"},
                                      {"thin", "a rake"},
                                      {"fit", "a fiddle"},
                                      {"cool", "a cucumber"},
                                      {"red", "a beetroot"},
                                      {"sick", "a dog"},
                                      {"fresh", "a daisy"},
                                      {"deaf", "a post"},
                                      {"steady", "a rock"},
                                      {"stiff", "a board"},
                                      {"warm", "toast"},
                                      {"smooth", "silk"},
                                      {"tough", "old boots"},
                                      {"happy", "a lark"},
                                      {"poor", "a church mouse"},
                                      {"round", "a barrel"}};

static const struct line sounds[] = {
    {"dog", "barks"},         {"cat", "miaows"},     {"cow", "moos"},
    {"sheep", "bleats"},      {"horse", "neighs"},   {"pig", "grunts"},
    {"lion", "roars"},        {"wolf", "howls"},     {"duck", "quacks"},
    {"hen", "clucks"},        {"cock", "crows"},     {"frog", "croaks"},
    {"bee", "buzzes"},        {"snake", "hisses"},   {"owl", "hoots"},
    {"mouse", "squeaks"},     {"donkey", "brays"},   {"pigeon", "coos"},
    {"bear", "growls"},       {"goose", "honks"},    {"turkey", "gobbles"},
    {"elephant", "trumpets"}, {"sparrow", "chirps"}, {"monkey", "chatters"},
    {"crow", "caws"},         {"puppy", "yelps"},    {"goat", "bleats"},
    {"gull", "screams"},      {"fly", "buzzes"},     {"tiger", "roars"},
    {"kitten", "miaows"},     {"raven", "croaks"},   {"piglet", "squeals"},
    {"pony", "neighs"},       {"chick", "cheeps"},   {"bull", "bellows"}};

static const struct line definitions[] = {
    {"place where books are lent", "library"},
    {"place where sick people are cared for", "hospital"},
    {"place where children are taught", "school"},
    {"place where plays are performed", "theatre"},
    {"place where bread is sold", "bakery"},
    {"place where old paintings are shown", "museum"},
    {"place where trains stop", "station"},
    {"place where ships load and unload", "harbour"},
    {"place where films are shown", "cinema"},
    {"place where meals are cooked", "kitchen"},
    {"place where money is kept safe", "bank"},
    {"place where aeroplanes land", "airport"},
    {"place where wild animals are shown", "zoo"},
    {"place where prisoners are kept", "prison"},
    {"building where grain is ground", "mill"},
    {"building where a king lives", "palace"},
    {"building where travellers sleep", "hotel"},
    {"house for cars", "garage"},
    {"tool for driving in nails", "hammer"},
    {"tool for cutting wood", "saw"},
    {"tool for digging", "spade"},
    {"tool for sweeping the floor", "broom"},
    {"thing that tells the time", "clock"},
    {"thing that shows where north is", "compass"},
    {"thing to keep off the rain", "umbrella"},
    {"thing to open a lock with", "key"},
    {"thing to write on a blackboard with", "piece of chalk"},
    {"thing to see your own face in", "mirror"},
    {"thing to eat soup with", "spoon"},
    {"thing to cut paper with", "pair of scissors"},
    {"thing to sleep on", "bed"},
    {"thing that shows the days of the year", "calendar"},
    {"book that explains words", "dictionary"},
    {"book of maps", "atlas"},
    {"book in which one writes every day", "diary"},
    {"piece of land with sea all round it", "island"},
    {"very high hill", "mountain"},
    {"mountain that spits fire", "volcano"},
    {"large dry land of sand", "desert"},
    {"stream that flows to the sea", "river"},
    {"large group of trees", "forest"},
    {"young dog", "puppy"},
    {"young cat", "kitten"},
    {"young sheep", "lamb"},
    {"young cow", "calf"},
    {"young horse", "foal"},
    {"young duck", "duckling"},
    {"period of ten years", "decade"},
    {"period of a hundred years", "century"},
    {"period of seven days", "week"},
    {"shape with three sides", "triangle"},
    {"shape with four equal sides", "square"},
    {"meal eaten out of doors", "picnic"},
    {"vehicle with two wheels and pedals", "bicycle"}};

static void make_simile(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "Complete the saying: as {a} as",
        "Finish the comparison: as {a} as",
        "People say \"as {a} as\" what?",
        "In the well-known saying, someone is as {a} as",
        "How does the comparison go on? As {a} as",
        "The poet looked for a comparison and wrote: as {a} as",
        "An old saying: as {a} as",
        "Say it with the usual comparison: he was as {a} as",
        "{A}? Yes, as {a} as",
    };
    struct line line = PICK(rng, similes);
    put(ex, PICK(rng, wordings), "{b}", (struct slots){.a = line.start, .b = line.end});
}

static void make_sound(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "What does {+a} do when it makes its sound? It",
        "Complete the sentence with the sound of the animal: the {a}",
        "It makes the sound that all of its kind make: the {a}",
        "Which verb says what sound {+a} makes? {+A}",
        "Animal: {a}. What it does when we hear it:",
        "Listen, {+a}! Hear how it",
        "Finish with the right animal sound: when it calls, {+a}",
        "Each animal has its sound. The {a}",
        "One hears at once that it is {+a}, because it",
        "Every child knows the sound: {+a}",
    };
    struct line line = PICK(rng, sounds);
    put(ex, PICK(rng, wordings), "{b}", (struct slots){.a = line.start, .b = line.end});
}

static void make_definition(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "Complete the definition: {+a} is called",
        "{+A} is called what?",
        "What is the word for {+a}?",
        "Definition: {+a}. Word:",
        "The dictionary says: \"{+A}.\" Which word is explained?",
        "What do we call {+a}?",
        "Guess the word from its definition: {+a}.",
        "Give the word that means {+a}.",
    };
    struct line line = PICK(rng, definitions);
    put(ex, PICK(rng, wordings), "{+b}", (struct slots){.a = line.start, .b = line.end});
}

static const struct task tasks[] = {
    {"complete_simile", "Complete a well-known comparison.", false, 320, make_simile},
    {"complete_sound", "Say what an animal does when it makes its sound.", false, 320,
     make_sound},
    {"complete_definition", "Find the word for a definition.", false, MANY,
     make_definition},
};

FAMILY(complete, "The end of a saying or a definition.");
