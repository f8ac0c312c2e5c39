/* sentiment.c - whether a short review is kind or unkind, and the mood of a diary.
 *
 * A review says two things about its subject, both kind or both unkind. The tasks
 * share cue words and differ in subject and in the labels they ask for.
 */
#include "tasks.h"

/* Words that follow "was". */
static const char *const kind[] = {"wonderful",
                                   "excellent",
                                   "superb",
                                   "delightful",
                                   "perfect",
                                   "splendid",
                                   "lovely",
                                   "marvellous",
                                   "really good",
                                   "a pleasure",
                                   "a joy",
                                   "first-rate",
                                   "better than I had hoped",
                                   "as good as it gets",
                                   "outstanding",
                                   "very pleasing"};
static const char *const unkind[] = {"awful",
                                     "terrible",
                                     "dreadful",
                                     "horrible",
                                     "a disappointment",
                                     "poor",
                                     "dismal",
                                     "hopeless",
                                     "really bad",
                                     "a disgrace",
                                     "a mess",
                                     "second-rate",
                                     "worse than I had feared",
                                     "as bad as it gets",
                                     "unbearable",
                                     "very annoying"};

static const char *const film_parts[] = {
    "the plot",         "the acting",   "the ending",     "the music",  "the script",
    "the leading lady", "the hero",     "the first half", "the humour", "the camera work",
    "the villain",      "the dialogue", "the last scene", "the story"};
static const char *const film_kind[] = {
    "I laughed and cried.",       "I will watch it again.",   "I did not want it to end.",
    "The whole family loved it.", "It deserves every prize.", "Do not miss it.",
    "I was smiling for hours.",   "A film to remember."};
static const char *const film_unkind[] = {
    "I nearly fell asleep.",         "I walked out early.",
    "I could not wait for the end.", "The whole family hated it.",
    "It deserves no prize at all.",  "Do not waste your evening.",
    "I was yawning for hours.",      "A film to forget."};

static const char *const meal_parts[] = {
    "the soup",       "the bread",  "the fish",    "the pudding", "the coffee",
    "the roast beef", "the waiter", "the salad",   "the cheese",  "the pie",
    "the wine",       "the sauce",  "the dessert", "the pasta"};
static const char *const meal_kind[] = {"I asked for more.",
                                        "My plate was empty in no time.",
                                        "We will certainly come back.",
                                        "Everything was fresh.",
                                        "I can still taste it, happily.",
                                        "The cook is a genius.",
                                        "It was worth every penny.",
                                        "Book a table today."};
static const char *const meal_unkind[] = {
    "I could not finish it.",       "My plate went back to the kitchen.",
    "We will never come back.",     "Nothing was fresh.",
    "I can still taste it, sadly.", "The cook should be ashamed.",
    "It was a waste of money.",     "Eat at home instead."};

static const char *const hotel_parts[] = {
    "the room",          "the bed",        "the view",    "the breakfast",
    "the bathroom",      "the porter",     "the service", "the garden",
    "the swimming pool", "the front desk", "the balcony", "the lift"};
static const char *const hotel_kind[] = {"I slept like a baby.", "We hope to stay again.",
                                         "The staff could not do enough for us.",
                                         "I would recommend it to anyone.",
                                         "We did not want to go home."};
static const char *const hotel_unkind[] = {
    "I did not sleep at all.", "We shall never stay again.",
    "The staff did nothing for us.", "I would not recommend it to anyone.",
    "We could not wait to go home."};

/* What happened, in the first person, by the mood it leaves. */
static const char *const happy[] = {"I won first prize",
                                    "my best friend came to visit",
                                    "the sun shone and we danced",
                                    "I got the present I had wished for",
                                    "we laughed until our sides ached",
                                    "my baby sister smiled at me for the first time",
                                    "I was chosen for the team",
                                    "we went on holiday at last",
                                    "my team won the match",
                                    "everyone sang for my birthday",
                                    "the teacher praised my work",
                                    "we had a picnic and played games"};
static const char *const sad[] = {"my old dog died",
                                  "my best friend moved away",
                                  "I lost the ring my mother gave me",
                                  "nobody came to my party",
                                  "I had to say goodbye to my brother",
                                  "I cried when the old house was sold",
                                  "we buried my dear grandfather",
                                  "I sat alone and wept",
                                  "my team lost the match",
                                  "our little bird was found dead",
                                  "I missed my home so much",
                                  "the letter I was waiting for never came"};
static const char *const angry[] = {"someone stole my bicycle",
                                    "my brother broke my toy on purpose",
                                    "he lied to me and I shouted at him",
                                    "they cheated and blamed me",
                                    "I slammed the door and stamped my foot",
                                    "she read my letters without asking",
                                    "the neighbour kicked my dog",
                                    "the shop refused to give back my money",
                                    "they pushed in front of me in the queue",
                                    "my boss insulted me and my blood boiled",
                                    "he spilt ink on my drawing and only laughed",
                                    "that rude man called me a fool"};
static const char *const afraid[] = {"I heard footsteps in the dark",
                                     "a big dog growled at me",
                                     "I was lost in the deep forest",
                                     "the thunder made me hide under the bed",
                                     "I saw a shadow move behind the curtain",
                                     "the lift stuck and my hands trembled",
                                     "a snake slid over my foot",
                                     "I dreamt of a monster and woke up shaking",
                                     "the boat nearly sank in the storm",
                                     "someone followed me home in the fog",
                                     "the ladder shook when I was at the top",
                                     "I was trembling before the operation"};

struct review {
    const char *wording, *part, *other, *word, *other_word, *verdict;
};

/* The review {a} is written as a whole first, for the wordings take it in quotes. */
static void put_review(struct example *ex, const char *prompt, const char *label,
                       const struct review *r)
{
    char text[PROMPT_SIZE];
    struct slots slots = {r->part,    r->other, r->word, r->other_word,
                          r->verdict, NULL,     NULL};
    fill(text, sizeof text, r->wording, &slots);
    put(ex, prompt, label, (struct slots){.a = text});
}

static const char *const review_shapes[] = {
    "{A} was {c}. {e}", "{A} was {c} and {b} was {d}.", "{e} {A} was {c}.",
    "{A} was {c}; {b} was {d}. {e}"};

/* Two different words of the list and two different parts of the subject. */
#define REVIEW(rng, parts, words, verdicts, review)                                        \
    do {                                                                                   \
        size_t two_parts[2];                                                               \
        size_t two_words[2];                                                               \
        distinct((rng), COUNT(parts), 2, two_parts);                                       \
        distinct((rng), COUNT(words), 2, two_words);                                       \
        (review) = (struct review){PICK(rng, review_shapes), (parts)[two_parts[0]],        \
                                   (parts)[two_parts[1]],    (words)[two_words[0]],        \
                                   (words)[two_words[1]],    PICK(rng, verdicts)};         \
    } while (0)

static void make_films(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "Film review: {a} Is this review positive or negative?",
        "A critic writes about a film: \"{a}\" Positive or negative?",
        "{a} Is this opinion of the film positive or negative?",
        "Classify the film review as positive or negative. {a} Label:",
        "After the cinema I wrote: \"{a}\" Does that sound positive or negative?",
    };
    bool is_kind = below(rng, 2);
    struct review review;
    if (is_kind)
        REVIEW(rng, film_parts, kind, film_kind, review);
    else
        REVIEW(rng, film_parts, unkind, film_unkind, review);
    put_review(ex, PICK(rng, wordings), is_kind ? "Positive" : "Negative", &review);
}

static void make_meals(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "Restaurant guest: \"{a}\" Thumbs up or thumbs down?",
        "A guest says about dinner: {a} Is that a thumbs up or a thumbs down?",
        "{a} Does this meal get a thumbs up or a thumbs down?",
        "Thumbs up or thumbs down for the restaurant? {a} Verdict:",
        "From the guest book of a restaurant: {a} Thumbs up, or thumbs down?",
    };
    bool is_kind = below(rng, 2);
    struct review review;
    if (is_kind)
        REVIEW(rng, meal_parts, kind, meal_kind, review);
    else
        REVIEW(rng, meal_parts, unkind, meal_unkind, review);
    put_review(ex, PICK(rng, wordings), is_kind ? "thumbs up" : "thumbs down", &review);
}

static void make_hotels(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "A traveller on a hotel: {a} Is the review positive or negative?",
        "Hotel review: \"{a}\" Would you call it positive or negative?",
        "{a} Was this hotel guest's opinion positive or negative?",
        "Read the hotel review and label it positive or negative. {a} Label:",
    };
    bool is_kind = below(rng, 2);
    struct review review;
    if (is_kind)
        REVIEW(rng, hotel_parts, kind, hotel_kind, review);
    else
        REVIEW(rng, hotel_parts, unkind, hotel_unkind, review);
    put_review(ex, PICK(rng, wordings), is_kind ? "Positive" : "Negative", &review);
}

static void make_mood(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "Dear diary, today {a}. How does the writer feel: happy, sad, angry or afraid?",
        "\"Today {a}.\" Which feeling is it, happy, sad, angry or afraid?",
        "Mood of the diary page (happy, sad, angry, afraid): Today {a}. Mood:",
        "In my diary I wrote that {a}. What did I feel: happy, sad, angry or afraid?",
        "Name the feeling, happy, sad, angry or afraid: {A}.",
        "Last night I told my diary: \"{A}.\" Was I happy, sad, angry or afraid?",
        "Yesterday {a}. Choose my mood from happy, sad, angry and afraid.",
        "One page of my diary says: {a}. Happy, sad, angry or afraid?",
    };
    static const char *const moods[] = {"happy", "sad", "angry", "afraid"};
    size_t mood = below(rng, 4);
    const char *event = mood == 0   ? PICK(rng, happy)
                        : mood == 1 ? PICK(rng, sad)
                        : mood == 2 ? PICK(rng, angry)
                                    : PICK(rng, afraid);
    put(ex, PICK(rng, wordings), moods[mood], (struct slots){.a = event});
}

static const struct task tasks[] = {
    {"sentiment_films", "Say whether a film review is positive or negative.", false, MANY,
     make_films},
    {"sentiment_meals", "Give a restaurant a thumbs up or a thumbs down.", false, MANY,
     make_meals},
    {"sentiment_mood", "Name the mood of a page of a diary.", false, 320, make_mood},
    {"sentiment_hotels", "Say whether a hotel review is positive or negative.", true, MANY,
     make_hotels},
};

FAMILY(sentiment, "What a short review or diary page feels.");
