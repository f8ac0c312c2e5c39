/* draw.c - the random numbers and the filling of wordings that every family uses.
 *
 * The generator is splitmix64: a counter pushed through a mixing function, so that a
 * state made from (seed, task, index) is as good as any other.
 */
#include "tasks.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t hash(const char *s) // FNV-1a
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
    return h;
}

size_t below(struct rng *rng, size_t n)
{
    rng->state += UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(mix(rng->state) % n); // n is tiny beside 2^64: the bias is nothing
}

size_t chosen(const struct rng *rng, const char *table, size_t n)
{
    return (size_t)(mix(mix(rng->key) ^ hash(table)) % n);
}

void distinct(struct rng *rng, size_t n, size_t k, size_t *out)
{
    for (size_t i = 0; i < k;) {
        out[i] = below(rng, n);
        bool is_new = true;
        for (size_t j = 0; j < i; j++)
            is_new = is_new && out[j] != out[i];
        i += is_new;
    }
}

struct rng rng_for(uint64_t seed, const char *name, uint64_t index)
{
    uint64_t key = mix(mix(mix(seed) ^ hash(name)) ^ index);
    return (struct rng){key, key};
}

/* "an" goes before a vowel that is heard, which the first letter mostly tells. */
static bool takes_an(const char *word)
{
    static const char *const silent_h[] = {"hour", "honest", "heir"};
    static const char *const says_you[] = {"unicorn", "uniform", "use", "uni", "one", "eu"};
    for (size_t i = 0; i < COUNT(silent_h); i++)
        if (!strncmp(word, silent_h[i], strlen(silent_h[i])))
            return true;
    for (size_t i = 0; i < COUNT(says_you); i++)
        if (!strncmp(word, says_you[i], strlen(says_you[i])))
            return false;
    return strchr("aeiouAEIOU", word[0]) != NULL;
}

static const char *find_slot(const struct slots *s, int letter)
{
    const char *const all[] = {s->a, s->b, s->c, s->d, s->e, s->f, s->g};
    int i = tolower(letter) - 'a';
    return i < 0 || (size_t)i >= COUNT(all) ? NULL : all[i];
}

/* Adds n bytes of `text` to the *used bytes in out, if they fit. */
static bool append(char *out, size_t size, size_t *used, const char *text, size_t n)
{
    if (*used + n >= size)
        return false;
    memcpy(out + *used, text, n);
    *used += n;
    return true;
}

/* Adds what stands for the slot at *wording, an opening brace, and moves past it. */
static bool append_slot(char *out, size_t size, size_t *used, const char **wording,
                        const struct slots *slots)
{
    bool has_article = (*wording)[1] == '+';
    int letter = (unsigned char)(*wording)[1 + has_article];
    const char *fact = find_slot(slots, letter);
    if (!fact || !*fact || (*wording)[2 + has_article] != '}')
        return false;
    size_t start = *used;
    if (has_article) {
        const char *article = takes_an(fact) ? "an " : "a ";
        if (!append(out, size, used, article, strlen(article)))
            return false;
    }
    if (!append(out, size, used, fact, strlen(fact)))
        return false;
    if (isupper(letter))
        out[start] = (char)toupper((unsigned char)out[start]);
    *wording += 3 + has_article;
    return true;
}

void fill(char *out, size_t size, const char *wording, const struct slots *slots)
{
    size_t used = 0;
    bool is_good = true;
    for (const char *p = wording; *p && is_good;) {
        if (*p == '{')
            is_good = append_slot(out, size, &used, &p, slots);
        else
            is_good = append(out, size, &used, p++, 1);
    }
    if (!is_good)
        fprintf(stderr, "generate: a slot without a fact, or too much text: %s\n", wording);
    out[is_good ? used : 0] = 0;
}

void put(struct example *example, const char *prompt, const char *completion,
         struct slots slots)
{
    fill(example->prompt, sizeof example->prompt, prompt, &slots);
    fill(example->completion, sizeof example->completion, completion, &slots);
}
