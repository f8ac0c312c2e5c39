/* vocabulary.c - the words themselves. */
#include "vocabulary.h"

const char *const names[N_NAMES] = {
    "Anna", "Tom", "Maria", "Peter", "Lucy", "James", "Sarah", "David", "Emma", "Paul",
    "Alice", "George", "Helen", "Henry", "Jane", "John", "Kate", "Mark", "Laura", "Martin",
    "Mary", "Robert", "Nina", "Simon", "Rosa", "Thomas", "Ruth", "Victor", "Sophie", "William",
    "Clara", "Oscar", "Eva", "Hugo", "Grace", "Felix", "Julia", "Arthur", "Martha", "Daniel"};

const char *const surnames[N_SURNAMES] = {
    "Smith", "Brown", "Jones", "Taylor", "Baker", "Cooper", "Wood", "Hill", "Green", "White",
    "Clark", "Walker", "King", "Wright", "Scott", "Young", "Turner", "Parker", "Cook", "Bell",
    "Ward", "Fisher", "Gray", "Hunt", "Mason", "Knight", "Stone", "Lane", "Field", "Marsh",
    "Potter", "Rose", "Sharp", "Swift", "Wells", "West", "Moore", "Black", "Dale", "Fox"};

const char *const cities[N_CITIES] = {
    "London", "Paris", "Rome", "Berlin", "Madrid", "Vienna", "Dublin", "Oxford",
    "Boston", "Lisbon", "Prague", "Athens", "Moscow", "Cairo", "Tokyo", "Chicago",
    "Venice", "Geneva", "Oslo", "Warsaw", "Sydney", "Naples", "York", "Bristol"};

const char *const days[N_DAYS] = {"Monday", "Tuesday", "Wednesday", "Thursday",
                                  "Friday", "Saturday", "Sunday"};

const char *const months[N_MONTHS] = {"January", "February", "March", "April",
                                      "May", "June", "July", "August",
                                      "September", "October", "November", "December"};

const char *const kinds[N_KINDS] = {"animal", "food", "tool", "piece of clothing",
                                    "piece of furniture", "vehicle", "musical instrument",
                                    "plant"};

const char *const numbers[N_NUMBER_WORDS] = {
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen", "twenty"};

const struct thing things[N_THINGS] = {
    {"dog", ANIMAL, 5}, {"cat", ANIMAL, 4}, {"horse", ANIMAL, 7}, {"cow", ANIMAL, 7},
    {"mouse", ANIMAL, 2}, {"lion", ANIMAL, 6}, {"tiger", ANIMAL, 6}, {"elephant", ANIMAL, 8},
    {"whale", ANIMAL, 9}, {"ant", ANIMAL, 1}, {"bee", ANIMAL, 1}, {"rabbit", ANIMAL, 4},
    {"sheep", ANIMAL, 6}, {"pig", ANIMAL, 6}, {"frog", ANIMAL, 2}, {"bear", ANIMAL, 7},
    {"wolf", ANIMAL, 5}, {"owl", ANIMAL, 3}, {"duck", ANIMAL, 3}, {"camel", ANIMAL, 7},
    {"apple", FOOD, 2}, {"loaf of bread", FOOD, 3}, {"egg", FOOD, 2}, {"grape", FOOD, 1},
    {"pear", FOOD, 2}, {"sausage", FOOD, 2}, {"cherry", FOOD, 1}, {"lemon", FOOD, 2},
    {"potato", FOOD, 2}, {"carrot", FOOD, 2}, {"sandwich", FOOD, 2}, {"biscuit", FOOD, 1},
    {"pancake", FOOD, 2}, {"pineapple", FOOD, 3}, {"melon", FOOD, 3}, {"pea", FOOD, 1},
    {"hammer", TOOL, 3}, {"saw", TOOL, 3}, {"spade", TOOL, 4}, {"axe", TOOL, 4},
    {"screwdriver", TOOL, 2}, {"drill", TOOL, 3}, {"rake", TOOL, 4}, {"chisel", TOOL, 2},
    {"spanner", TOOL, 2}, {"pickaxe", TOOL, 4}, {"file", TOOL, 2}, {"needle", TOOL, 1},
    {"shirt", CLOTHING, 3}, {"coat", CLOTHING, 4}, {"hat", CLOTHING, 3}, {"sock", CLOTHING, 2},
    {"glove", CLOTHING, 2}, {"skirt", CLOTHING, 3}, {"scarf", CLOTHING, 2},
    {"dress", CLOTHING, 3}, {"jacket", CLOTHING, 4}, {"belt", CLOTHING, 2},
    {"jumper", CLOTHING, 3}, {"apron", CLOTHING, 2}, {"tie", CLOTHING, 2},
    {"cap", CLOTHING, 2},
    {"chair", FURNITURE, 5}, {"table", FURNITURE, 6}, {"bed", FURNITURE, 7},
    {"sofa", FURNITURE, 7}, {"desk", FURNITURE, 6}, {"wardrobe", FURNITURE, 7},
    {"bookcase", FURNITURE, 6}, {"armchair", FURNITURE, 6}, {"stool", FURNITURE, 5},
    {"bench", FURNITURE, 6}, {"cupboard", FURNITURE, 6}, {"cradle", FURNITURE, 5},
    {"car", VEHICLE, 8}, {"bus", VEHICLE, 8}, {"bicycle", VEHICLE, 5}, {"train", VEHICLE, 9},
    {"lorry", VEHICLE, 8}, {"van", VEHICLE, 8}, {"tram", VEHICLE, 8}, {"taxi", VEHICLE, 8},
    {"tractor", VEHICLE, 8}, {"ship", VEHICLE, 9}, {"motorcycle", VEHICLE, 7},
    {"aeroplane", VEHICLE, 9}, {"cart", VEHICLE, 7}, {"sledge", VEHICLE, 5},
    {"guitar", INSTRUMENT, 4}, {"piano", INSTRUMENT, 7}, {"violin", INSTRUMENT, 3},
    {"flute", INSTRUMENT, 2}, {"drum", INSTRUMENT, 4}, {"trumpet", INSTRUMENT, 3},
    {"harp", INSTRUMENT, 6}, {"cello", INSTRUMENT, 5}, {"clarinet", INSTRUMENT, 3},
    {"organ", INSTRUMENT, 8}, {"banjo", INSTRUMENT, 4}, {"whistle", INSTRUMENT, 1},
    {"rose", PLANT, 2}, {"tulip", PLANT, 2}, {"daisy", PLANT, 1}, {"oak", PLANT, 9},
    {"pine tree", PLANT, 9}, {"cactus", PLANT, 3}, {"fern", PLANT, 3}, {"lily", PLANT, 2},
    {"sunflower", PLANT, 3}, {"willow", PLANT, 9}, {"nettle", PLANT, 2},
    {"birch", PLANT, 8}};
