/* vocabulary.h - words that several families draw from: people, places, things. */
#ifndef VOCABULARY_H
#define VOCABULARY_H

enum { N_NAMES = 40, N_SURNAMES = 40, N_CITIES = 24, N_DAYS = 7, N_MONTHS = 12 };
enum { N_KINDS = 8, N_THINGS = 112, N_NUMBER_WORDS = 21 };

enum kind { ANIMAL, FOOD, TOOL, CLOTHING, FURNITURE, VEHICLE, INSTRUMENT, PLANT };

/* Sizes run from 1, an ant, to 9, a whale; things whose sizes differ by two or more
 * differ the same way in weight, so nobody would argue which is bigger or heavier. */
struct thing {
    const char *name;
    enum kind kind;
    int size;
};

extern const char *const names[N_NAMES];
extern const char *const surnames[N_SURNAMES];
extern const char *const cities[N_CITIES];
extern const char *const days[N_DAYS];
extern const char *const months[N_MONTHS];
extern const char *const kinds[N_KINDS];          // "animals", by enum kind
extern const char *const numbers[N_NUMBER_WORDS]; // "zero" to "twenty"
extern const struct thing things[N_THINGS];

#endif
