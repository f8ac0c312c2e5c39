/* translate.c - everyday words in French, Spanish, German and Italian.
 *
 * A noun is translated with its article, which is most of what there is to learn of it.
 */
#include "tasks.h"

#include <string.h>

enum language { FRENCH, SPANISH, GERMAN, ITALIAN, N_LANGUAGES };

static const char *const languages[N_LANGUAGES] = {"French", "Spanish", "German",
                                                   "Italian"};

static const struct word {
    const char *english;
    const char *foreign[N_LANGUAGES];
} words[] = {{"dog", {"le chien", "el perro", "der Hund", "il cane"}},
             {"cat", {"le chat", "el gato", "die Katze", "il gatto"}},
             {"horse", {"le cheval", "el caballo", "das Pferd", "il cavallo"}},
             {"cow", {"la vache", "la vaca", "die Kuh", "la mucca"}},
             {"bird", {"l'oiseau", "el pájaro", "der Vogel", "l'uccello"}},
             {"fish", {"le poisson", "el pez", "der Fisch", "il pesce"}},
             {"house", {"la maison", "la casa", "das Haus", "la casa"}},
             {"door", {"la porte", "la puerta", "die Tür", "la porta"}},
             {"window", {"la fenêtre", "la ventana", "das Fenster", "la finestra"}},
             {"table", {"la table", "la mesa", "der Tisch", "il tavolo"}},
             {"chair", {"la chaise", "la silla", "der Stuhl", "la sedia"}},
             {"bed", {"le lit", "la cama", "das Bett", "il letto"}},
             {"book", {"le livre", "el libro", "das Buch", "il libro"}},
             {"key", {"la clé", "la llave", "der Schlüssel", "la chiave"}},
             {"street", {"la rue", "la calle", "die Straße", "la strada"}},
             {"tree", {"l'arbre", "el árbol", "der Baum", "l'albero"}},
             {"flower", {"la fleur", "la flor", "die Blume", "il fiore"}},
             {"sun", {"le soleil", "el sol", "die Sonne", "il sole"}},
             {"moon", {"la lune", "la luna", "der Mond", "la luna"}},
             {"star", {"l'étoile", "la estrella", "der Stern", "la stella"}},
             {"water", {"l'eau", "el agua", "das Wasser", "l'acqua"}},
             {"fire", {"le feu", "el fuego", "das Feuer", "il fuoco"}},
             {"bread", {"le pain", "el pan", "das Brot", "il pane"}},
             {"milk", {"le lait", "la leche", "die Milch", "il latte"}},
             {"cheese", {"le fromage", "el queso", "der Käse", "il formaggio"}},
             {"egg", {"l'œuf", "el huevo", "das Ei", "l'uovo"}},
             {"apple", {"la pomme", "la manzana", "der Apfel", "la mela"}},
             {"wine", {"le vin", "el vino", "der Wein", "il vino"}},
             {"salt", {"le sel", "la sal", "das Salz", "il sale"}},
             {"hand", {"la main", "la mano", "die Hand", "la mano"}},
             {"head", {"la tête", "la cabeza", "der Kopf", "la testa"}},
             {"eye", {"l'œil", "el ojo", "das Auge", "l'occhio"}},
             {"heart", {"le cœur", "el corazón", "das Herz", "il cuore"}},
             {"foot", {"le pied", "el pie", "der Fuß", "il piede"}},
             {"mother", {"la mère", "la madre", "die Mutter", "la madre"}},
             {"father", {"le père", "el padre", "der Vater", "il padre"}},
             {"brother", {"le frère", "el hermano", "der Bruder", "il fratello"}},
             {"sister", {"la sœur", "la hermana", "die Schwester", "la sorella"}},
             {"king", {"le roi", "el rey", "der König", "il re"}},
             {"day", {"le jour", "el día", "der Tag", "il giorno"}},
             {"night", {"la nuit", "la noche", "die Nacht", "la notte"}},
             {"year", {"l'année", "el año", "das Jahr", "l'anno"}},
             {"sea", {"la mer", "el mar", "das Meer", "il mare"}},
             {"town", {"la ville", "la ciudad", "die Stadt", "la città"}},
             {"church", {"l'église", "la iglesia", "die Kirche", "la chiesa"}},
             {"school", {"l'école", "la escuela", "die Schule", "la scuola"}},
             {"shoe", {"la chaussure", "el zapato", "der Schuh", "la scarpa"}},
             {"spoon", {"la cuillère", "la cuchara", "der Löffel", "il cucchiaio"}}};

/* {a} is the English word, {b} the foreign one, {c} the language. */
static void put_word(struct rng *rng, struct example *ex, enum language language)
{
    static const char *const wordings[] = {
        "Translate into {c}: the {a}",
        "What is \"the {a}\" in {c}?",
        "How do you say \"the {a}\" in {c}?",
        "English: the {a}. {c}:",
        "Give the {c} word, with its article, for the {a}.",
        "My {c} friend has a word for the {a}. The {c} word is",
        "The {c} for \"the {a}\" is",
        "In {c}, the {a} is called",
        "Put into {c}: \"the {a}\".",
    };
    const struct word *word = &PICK(rng, words);
    put(ex, PICK(rng, wordings), "{b}",
        (struct slots){
            .a = word->english, .b = word->foreign[language], .c = languages[language]});
}

static void make_french(struct rng *rng, struct example *ex)
{
    put_word(rng, ex, FRENCH);
}

static void make_spanish(struct rng *rng, struct example *ex)
{
    put_word(rng, ex, SPANISH);
}

static void make_german(struct rng *rng, struct example *ex)
{
    put_word(rng, ex, GERMAN);
}

static void make_italian(struct rng *rng, struct example *ex)
{
    put_word(rng, ex, ITALIAN);
}

static void make_choose(struct rng *rng, struct example *ex)
{
    static const char *const wordings[] = {
        "Which of these is {d} for \"the {a}\": {e}, {f} or {g}?",
        "Only one of {e}, {f} and {g} is the {d} for \"the {a}\". Which?",
        "Pick the {d} translation of the {a}: {e} / {f} / {g}.",
        "\"The {a}\" in {d}: is it {e}, {f} or {g}?",
    };
    const struct word *word;
    size_t three[3];
    do { // "la casa" is Spanish and Italian: three different words are wanted
        word = &words[below(rng, COUNT(words))];
        distinct(rng, N_LANGUAGES, 3, three);
    } while (!strcmp(word->foreign[three[0]], word->foreign[three[1]]) ||
             !strcmp(word->foreign[three[0]], word->foreign[three[2]]) ||
             !strcmp(word->foreign[three[1]], word->foreign[three[2]]));
    enum language right = (enum language)three[below(rng, 3)];
    put(ex, PICK(rng, wordings), "{b}",
        (struct slots){.a = word->english,
                       .b = word->foreign[right],
                       .d = languages[right],
                       .e = word->foreign[three[0]],
                       .f = word->foreign[three[1]],
                       .g = word->foreign[three[2]]});
}

static const struct task tasks[] = {
    {"translate_french", "Translate an everyday word into French.", false, MANY,
     make_french},
    {"translate_spanish", "Translate an everyday word into Spanish.", false, MANY,
     make_spanish},
    {"translate_german", "Translate an everyday word into German.", false, MANY,
     make_german},
    {"translate_italian", "Translate an everyday word into Italian.", false, MANY,
     make_italian},
    {"translate_choose", "Choose the translation out of three languages.", true, MANY,
     make_choose},
};

FAMILY(translate, "Everyday words in four languages.");
