/* rouge.c - see rouge.h. The only file that includes libstemmer.
 *
 * libstemmer has Porter's algorithm as published in 1980; the paper's scores were
 * computed with NLTK's variant. Steps 2 to 5 are the same up to a few rules, and
 * step 1 does nothing to a word that ends in none of s, ed, ing and y. So where
 * the variant differs we do its rule ourselves and hand the result on:
 *
 * - a table of irregular words, and ties -> tie, tied -> tie;
 * - a final y becomes i after a consonant that is not the first letter, where
 *   Porter asks for a vowel anywhere before it (enjoy stays, fly becomes fli);
 * - any doubled consonant but l, s, z is halved before ed and ing; libstemmer
 *   knows only nine of them (trekking -> trek);
 * - vowel + consonant counts as a short syllable, so that its e stays or comes
 *   back (used, using, useful -> use);
 * - bli -> ble, fulli -> ful, logi -> log, and step 2 starts over after alli -> al.
 */
#include "eval/rouge.h"

#include <string.h>

#include <libstemmer.h>

static const struct {
    const char *word, *stem;
} irregular[] = {
    {"skies", "sky"},       {"sky", "sky"},          {"dying", "die"},
    {"lying", "lie"},       {"tying", "tie"},        {"news", "news"},
    {"innings", "inning"},  {"inning", "inning"},    {"outings", "outing"},
    {"outing", "outing"},   {"cannings", "canning"}, {"canning", "canning"},
    {"howe", "howe"},       {"proceed", "proceed"},  {"exceed", "exceed"},
    {"succeed", "succeed"},
};

/* ---- stems ---- */

static bool is_vowel(const char *w, size_t i)
{
    if (w[i] == 'y')
        return i > 0 && !is_vowel(w, i - 1);
    return strchr("aeiou", w[i]) != NULL;
}

/* Porter's m: how often a consonant follows a vowel in w[0..n). */
static size_t measure(const char *w, size_t n)
{
    size_t m = 0;
    for (size_t i = 1; i < n; i++)
        m += is_vowel(w, i - 1) && !is_vowel(w, i);
    return m;
}

static bool has_vowel(const char *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (is_vowel(w, i))
            return true;
    return false;
}

static bool ends(const char *w, size_t n, const char *suffix)
{
    size_t m = strlen(suffix);
    return n >= m && memcmp(w + n - m, suffix, m) == 0;
}

/* What step 1 leaves of w[0..n) before its rules about double consonants, e and
 * y; and whether it took an ed or ing. */
static size_t stripped(const char *w, size_t n, bool *took)
{
    *took = false;
    if (ends(w, n, "ies"))
        n -= n == 4 ? 1 : 2;
    else if (ends(w, n, "s") && !ends(w, n, "ss"))
        n -= ends(w, n, "sses") ? 2 : 1;
    if (ends(w, n, "ied"))
        return n - (n == 4 ? 1 : 2);
    if (ends(w, n, "eed"))
        return n;
    size_t suffix = ends(w, n, "ing") ? 3 : ends(w, n, "ed") ? 2 : 0;
    *took = suffix && has_vowel(w, n - suffix);
    return *took ? n - suffix : n;
}

/* A word on its way through the steps, in place; one letter more must fit. */
struct stem {
    char *w;
    size_t n;
    struct sb_stemmer *porter;
};

/* libstemmer's answer; the word itself if it has no memory. */
static void published(struct stem *s)
{
    const sb_symbol *got = sb_stemmer_stem(s->porter, (const sb_symbol *)s->w, (int)s->n);
    if (!got)
        return;
    s->n = (size_t)sb_stemmer_length(s->porter);
    memcpy(s->w, got, s->n);
}

/* Steps 2 to 5, of a word to which libstemmer's step 1 does nothing or the same
 * as NLTK's. */
static void later_steps(struct stem *s)
{
    char *w = s->w;
    size_t n = s->n;
    if (ends(w, n, "alli") && measure(w, n - 4) > 0)
        s->n -= 2;
    else if (ends(w, n, "fulli") && measure(w, n - 5) > 0)
        s->n -= 2;
    else if (ends(w, n, "logi") && measure(w, n - 3) > 0)
        s->n -= 1;
    else if (ends(w, n, "bli") && !ends(w, n, "abli") && measure(w, n - 3) > 0)
        w[n - 1] = 'e';
    bool had_e = n > 2 && w[2] == 'e';
    published(s);
    if (had_e && s->n == 2 && is_vowel(w, 0) && !is_vowel(w, 1))
        w[s->n++] = 'e';
}

static void all_steps(struct stem *s)
{
    bool took;
    char *w = s->w;
    size_t n = stripped(w, s->n, &took);
    char last = w[n - 1];
    bool doubled =
        took && n > 1 && last == w[n - 2] && !is_vowel(w, n - 1) && !strchr("lsz", last);
    if (n == 3 && ends(w, n, "ie")) { // ties, tied
        s->n = n;
        return;
    }
    if (took && n == 2 && is_vowel(w, 0) && !is_vowel(w, 1)) { // used, using
        w[n++] = 'e';
        s->n = n;
        return;
    }
    n -= doubled;
    if (last == 'y' && n > 2 && !is_vowel(w, n - 2))
        last = w[n - 1] = 'i';
    if (last == 'i' || last == 'y' || (doubled && !strchr("bdfgmnprt", last)))
        s->n = n;
    if (last != 'y') // which no later step changes
        later_steps(s);
}

static const char *stemmed(qv_arena *a, const char *word, size_t n,
                           struct sb_stemmer *porter)
{
    struct stem s = {.w = qv_new_n(a, char, n + 2), .n = n, .porter = porter};
    memcpy(s.w, word, n);
    for (size_t i = 0; i < QV_COUNT(irregular); i++)
        if (strcmp(s.w, irregular[i].word) == 0)
            return irregular[i].stem;
    if (n > 2)
        all_steps(&s);
    s.w[s.n] = '\0';
    return s.w;
}

const char *qv__porter(qv_arena *a, const char *word)
{
    struct sb_stemmer *porter = sb_stemmer_new("porter", "UTF_8");
    qv_check(porter);
    const char *stem = stemmed(a, word, strlen(word), porter);
    sb_stemmer_delete(porter);
    return stem;
}

/* ---- scores ---- */

struct words {
    const char **at;
    size_t n;
};

static struct words words_of(qv_arena *a, const char *text, struct sb_stemmer *porter)
{
    enum { SHORTEST_STEMMED = 4 };
    size_t size = strlen(text);
    struct words words = {.at = qv_new_n(a, const char *, size / 2 + 1)};
    char *low = qv__arena_strn(a, text, size);
    for (size_t i = 0; i < size; i++)
        if (low[i] >= 'A' && low[i] <= 'Z')
            low[i] = (char)(low[i] + 32);
    for (const char *at = low; *at;) {
        size_t n = strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789");
        if (n)
            words.at[words.n++] =
                n < SHORTEST_STEMMED ? qv__arena_strn(a, at, n) : stemmed(a, at, n, porter);
        at += n ? n : 1;
    }
    return words;
}

/* The length of the longest common subsequence. */
static size_t common(qv_arena *a, struct words x, struct words y)
{
    size_t *row = qv_new_n(a, size_t, y.n + 1);
    for (size_t i = 0; i < x.n; i++) {
        size_t diagonal = 0; // of the previous row
        for (size_t j = 0; j < y.n; j++) {
            size_t above = row[j + 1];
            bool same = strcmp(x.at[i], y.at[j]) == 0;
            row[j + 1] = same ? diagonal + 1 : qv__max(above, row[j]);
            diagonal = above;
        }
    }
    return row[y.n];
}

double qv__rouge_l(const char *prediction, const char *const *references, size_t n)
{
    qv_arena a = {0};
    struct sb_stemmer *porter = sb_stemmer_new("porter", "UTF_8");
    qv_check(porter);
    double best = 0;
    struct words said = words_of(&a, prediction, porter);
    for (size_t i = 0; i < n; i++) {
        struct words want = words_of(&a, references[i], porter);
        // With P = L/|said| and R = L/|want|, 2PR/(P+R) = 2L/(|said| + |want|).
        double f1 = said.n && want.n
                        ? 2.0 * (double)common(&a, said, want) / (double)(said.n + want.n)
                        : 0;
        if (f1 > best)
            best = f1;
    }
    sb_stemmer_delete(porter);
    qv__arena_free(&a);
    return best;
}
