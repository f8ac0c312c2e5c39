/* topic.c - what a headline is about, which lesson a question belongs to, where a
 * shopping list goes.
 *
 * A headline joins a who and a what of one topic; their words come back under other
 * wordings and in the held-out radio items, so the words tell the topic.
 */
#include "tasks.h"

#include "vocabulary.h"

enum { N_HALVES = 8 };

static const struct topic {
    const char *label;
    const char *who[N_HALVES];
    const char *what[N_HALVES];
} topics[] = {
    {"Sports",
     {"Goalkeeper", "Home team", "Young tennis star", "Cup champions", "Swimmer",
      "Football coach", "Racing cyclist", "Olympic runner"},
     {"wins the final", "breaks a national record", "is beaten in the final",
      "takes the gold medal", "misses the tournament", "trains for the championship",
      "celebrates victory in the cup", "is cheered in the stadium"}},
    {"Politics",
     {"Prime minister", "Parliament", "Mayor", "President", "Opposition leader",
      "City council", "Foreign minister", "Senate"},
     {"demands an early election", "votes on a new law", "loses the vote",
      "promises lower taxes", "faces a second vote", "debates the budget",
      "resigns after a scandal", "argues about the reform"}},
    {"Weather",
     {"Heavy snow", "Thick fog", "Strong wind", "Summer storm", "Heat wave", "Hard frost",
      "Cold rain", "Warm sunshine"},
     {"expected tomorrow", "moves in from the north", "to last until the weekend",
      "follows a cloudy morning", "sweeps across the coast", "forecast for the valley",
      "to bring a change in temperature", "predicted for the hills tonight"}},
    {"Business",
     {"Large bank", "Car maker", "Steel company", "Airline", "Shoe factory",
      "Supermarket chain", "Oil firm", "Insurance company"},
     {"reports record profits", "opens a new branch", "raises its prices",
      "cuts a thousand jobs", "buys its rival", "sells shares to investors",
      "warns of falling sales", "goes bankrupt"}},
    {"Science",
     {"Scientists", "Researchers", "Two professors", "University experts",
      "European scientists", "Young researchers", "Laboratory teams",
      "Nobel prize winners"},
     {"find a new planet", "measure the speed of light", "discover an unknown species",
      "publish a study of cells", "test a theory about atoms", "explain an experiment",
      "map the genes of a plant", "date the bones of a dinosaur"}},
    {"Music",
     {"Opera singer", "Rock band", "Famous pianist", "Orchestra", "Jazz trumpeter",
      "Children's choir", "Young composer", "Folk duo"},
     {"releases a new album", "gives a sold-out concert", "performs for the queen",
      "rehearses for a concert", "revives an old tune", "cancels the tour",
      "records songs with strings", "opens the summer festival"}},
};

static const struct lesson {
    const char *label;
    const char *questions[11];
} lessons[] = {
    {"history",
     {"Which king built the castle", "When did the Roman empire fall",
      "Who won the battle of Waterloo", "Why did the revolution begin",
      "How did people live in the Middle Ages", "Who was the first emperor",
      "What did the pharaohs build", "When was the peace treaty signed",
      "Who ruled after the old queen", "What was a knight's duty",
      "Why did the ancient city burn"}},
    {"geography",
     {"Which river flows through Egypt", "What is the capital of Spain",
      "Where are the highest mountains", "Which ocean lies west of Portugal",
      "How large is the desert", "Which countries border France", "What is a peninsula",
      "Where does the river meet the sea", "On which continent is Brazil",
      "Which island lies south of Italy", "What does this map show"}},
    {"biology",
     {"How do plants drink", "What does the heart do", "Why do leaves turn green",
      "How do birds hatch", "What do cells consist of", "How many legs has an insect",
      "How do fish breathe", "Why do animals sleep in winter",
      "Which bones protect the brain", "What do worms eat", "How does a seed grow"}},
    {"mathematics",
     {"What is seven times eight", "How many sides has a triangle",
      "What is half of ninety", "How do you add two fractions",
      "What is the area of a square", "Is thirteen a prime number",
      "What is ten per cent of fifty", "How do you divide by four",
      "What is the square root of nine", "How large is a right angle",
      "What is the sum of the numbers"}},
    {"music",
     {"What is a major chord", "How many strings has a violin",
      "What does the conductor do", "Who composed this symphony", "How long is a half note",
      "Which key is this song in", "What is a melody", "How do you tune a guitar",
      "What is the beat of a waltz", "Which voice sings highest in a choir",
      "How does a trumpet make its sound"}},
};

static const struct shop {
    const char *label;
    const char *goods[9];
} shops[] = {
    {"the bakery",
     {"a loaf of bread", "six rolls", "a chocolate cake", "two buns", "a bag of flour",
      "an apple tart", "a fruit loaf", "four doughnuts", "a tray of pastries"}},
    {"the butcher's",
     {"a pound of beef", "four sausages", "two lamb chops", "some bacon", "a whole ham",
      "minced beef", "six pork chops", "a leg of lamb", "a slice of liver"}},
    {"the bookshop",
     {"a dictionary", "a novel", "a book of poems", "an atlas", "a cookery book",
      "a comic book", "a travel guide", "a picture book", "a detective story"}},
    {"the chemist's",
     {"cough syrup", "a box of plasters", "some headache pills", "a bandage", "eye drops",
      "throat sweets", "a thermometer", "vitamin tablets", "a tube of skin cream"}},
    {"the florist's",
     {"a dozen roses", "a bunch of tulips", "a wreath", "a pot of violets",
      "yellow daffodils", "a bridal bouquet", "white lilies", "three orchids",
      "a basket of daisies"}},
    {"the shoe shop",
     {"a pair of boots", "brown laces", "a pair of slippers", "some shoe polish",
      "summer sandals", "black leather shoes", "rubber boots", "dancing shoes",
      "a pair of trainers"}},
};

static struct slots headline(struct rng *rng)
{
    const struct topic *topic = &PICK(rng, topics);
    return (struct slots){
        .a = PICK(rng, topic->who), .b = PICK(rng, topic->what), .c = topic->label};
}

static void make_headline(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "Headline: {a} {b}. Topic of the headline:",
        "To which page of the newspaper does the headline \"{a} {b}\" belong?",
        "\"{a} {b}\" What is the topic of this headline?",
        "Sort this headline by topic: {a} {b}.",
        "The newspaper prints: {a} {b}. Which topic is that?",
    };
    put(ex, PICK(rng, wordings), "{c}", headline(rng));
}

static void make_radio(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "Radio news at {d} o'clock: {a} {b}. Which topic is this news item about?",
        "\"{a} {b},\" said the radio at {d} o'clock. Name the topic of the news.",
        "News item for the radio at {d}: {a} {b}. Topic of the item:",
        "It is {d} o'clock and the radio says: {a} {b}. What is the topic?",
    };
    struct slots slots = headline(rng);
    slots.d = numbers[1 + below(rng, 12)];
    put(ex, PICK(rng, wordings), "{c}", slots);
}

static void make_lesson(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "A pupil asks: \"{a}?\" In which lesson is this asked?",
        "{a}? Which school subject is this question about?",
        "Test question: {a}? School subject:",
        "Which teacher would ask \"{a}?\" in a lesson? Name the subject.",
        "In which school lesson do you learn the answer to \"{a}?\"",
        "The exam asks: {a}? It must be the exam in the subject",
        "School subject of the question \"{a}?\"",
    };
    const struct lesson *lesson = &PICK(rng, lessons);
    put(ex, PICK(rng, wordings), "the {b} lesson",
        (struct slots){.a = PICK(rng, lesson->questions), .b = lesson->label});
}

static void make_shop(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "Shopping list: {a} and {b}. Which shop should I go to?",
        "I need {a} and {b}. In which shop can I buy them?",
        "{d} has {a} and {b} in the basket. Which shop is this?",
        "Where does one buy {a} or {b}? At",
        "{d} wants to buy {a} and {b}, so the right shop is",
        "Send {d} to the right shop for {a} and {b}.",
    };
    const struct shop *shop = &PICK(rng, shops);
    size_t two[2];
    distinct(rng, COUNT(shop->goods), 2, two);
    put(ex, PICK(rng, wordings), "{c}",
        (struct slots){.a = shop->goods[two[0]],
                       .b = shop->goods[two[1]],
                       .c = shop->label,
                       .d = PICK(rng, names)});
}

static const struct task tasks[] = {
    {"topic_headline", "Name the topic of a newspaper headline.", false, MANY,
     make_headline},
    {"topic_lesson", "Say in which lesson a question is asked.", false, 320, make_lesson},
    {"topic_shop", "Say which shop sells what is on the list.", false, MANY, make_shop},
    {"topic_radio", "Name the topic of an item of the radio news.", true, MANY, make_radio},
};

FAMILY(topic, "What a short text is about.");
