/* time.c - months, weekdays, seasons and the clock.
 *
 * The facts are few, so names and occasions vary the sentences around them.
 */
#include "tasks.h"

#include "vocabulary.h"

#include <stdio.h>

static const char *const occasions[] = {
    "birthday", "wedding", "holiday", "exam",        "first day at school", "concert",
    "journey",  "party",   "visit",   "dance class", "interview",           "race"};

static const char *const seasons[] = {"winter", "spring", "summer", "autumn"};

static void make_month(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "Which month comes after {a}?",
        "What is the month after {a}?",
        "This month is {a}. What is the name of next month?",
        "{c}'s {d} is in the month after {a}. Which month is that?",
        "It is {a} now, and {c}'s {d} is next month. In which month is it?",
        "The {d} was moved from {a} to the following month. Which month?",
        "Turn the calendar from {a} to the next month. Month:",
        "{c} has to wait one month from {a}. Which month will it be?",
    };
    size_t i = below(rng, N_MONTHS);
    put(ex, PICK(rng, wordings), "{b}",
        (struct slots){.a = months[i],
                       .b = months[(i + 1) % N_MONTHS],
                       .c = PICK(rng, names),
                       .d = PICK(rng, occasions)});
}

static void make_weekday(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "Today is {a}. On which day of the week is {c}'s {d}, if it is tomorrow?",
        "{c}'s {d} is on the day after {a}. Which day of the week is that?",
        "The {d} was on {a}, and {c} came one day later. On which day of the week?",
        "If {c} leaves on {a} and arrives the next day, on which day is that?",
        "{c} missed the {d} on {a} and tried again the day after. On which day?",
        "Yesterday was {a}. On which day of the week is {c}'s {d}, if it is today?",
    };
    size_t i = below(rng, N_DAYS);
    put(ex, PICK(rng, wordings), "on {b}",
        (struct slots){.a = days[i],
                       .b = days[(i + 1) % N_DAYS],
                       .c = PICK(rng, names),
                       .d = PICK(rng, occasions)});
}

static void make_clock(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "Write {a} in the 12-hour clock.",
        "The clock at the station shows {a}. What is that with am or pm?",
        "{c}'s train leaves at {a}. Say it with am or pm.",
        "24-hour clock: {a}. 12-hour clock:",
        "Convert the time {a} to am or pm.",
        "The {d} starts at {a}. What time is that in the 12-hour clock?",
    };
    static const unsigned minutes[] = {0, 5, 10, 15, 20, 30, 40, 45, 50};
    unsigned hour = 1 + (unsigned)below(rng, 23);
    unsigned minute = PICK(rng, minutes);
    char long_time[32];
    char short_time[32];
    snprintf(long_time, sizeof long_time, "%02u:%02u", hour, minute);
    snprintf(short_time, sizeof short_time, "%u:%02u %s", hour > 12 ? hour - 12 : hour,
             minute, hour < 12 ? "am" : "pm");
    put(ex, PICK(rng, wordings), "{b}",
        (struct slots){.a = long_time,
                       .b = short_time,
                       .c = PICK(rng, names),
                       .d = PICK(rng, occasions)});
}

static void make_season(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "In Europe, in which season is {a}?",
        "{c} goes to {e} in {a}. What season is it there?",
        "{c}'s {d} in {e} was in {a}. In which season was it?",
        "Every {a} {c} remembers the {d} in {e}. Which season is it in Europe?",
        "Season of {+d} in {e} in {a}:",
    };
    static const char *const european[] = {"London", "Paris",  "Rome",   "Berlin", "Madrid",
                                           "Vienna", "Dublin", "Prague", "Warsaw", "Oslo"};
    static const size_t clear[] = {0, 1, 3, 4, 6, 7, 9, 10}; // the months no one disputes
    size_t i = PICK(rng, clear);
    put(ex, PICK(rng, wordings), "in {b}",
        (struct slots){.a = months[i],
                       .b = seasons[(i + 1) % N_MONTHS / 3],
                       .c = PICK(rng, names),
                       .d = PICK(rng, occasions),
                       .e = PICK(rng, european)});
}

static void make_date_month(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "{c} was born on {f} {a} {e}. What is the month of {c}'s birth?",
        "Date of the {d}: {f} {a} {e}. Month of the {d}:",
        "The {d} took place on {f} {a} {e}. Which month was that?",
        "On {f} {a} {e} {c} moved house. In which month was it?",
        "The letter to {c} is dated {f} {a} {e}. Name the month.",
    };
    char day[16];
    char year[16];
    snprintf(day, sizeof day, "%zu", 1 + below(rng, 28));
    snprintf(year, sizeof year, "%zu", 1850 + below(rng, 150));
    put(ex, PICK(rng, wordings), "{a}",
        (struct slots){.a = PICK(rng, months),
                       .c = PICK(rng, names),
                       .d = PICK(rng, occasions),
                       .e = year,
                       .f = day});
}

static const struct task tasks[] = {
    {"time_month", "Name the month after a month.", false, MANY, make_month},
    {"time_weekday", "Name the day of the week after a day, with \"on\".", false, MANY,
     make_weekday},
    {"time_clock", "Write a time of the 24-hour clock with am or pm.", false, MANY,
     make_clock},
    {"time_season", "Name the season of a month in Europe, with \"in\".", false, MANY,
     make_season},
    {"time_date_month", "Find the month in a date.", true, MANY, make_date_month},
};

FAMILY(time, "Months, weekdays, seasons and the clock.");
