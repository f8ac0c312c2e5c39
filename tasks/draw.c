/* draw.c - the random numbers and the filling of wordings that every family uses.
 *
 * The generator is splitmix64: a counter pushed through a mixing function, so that a
 * state made from (seed, task, index) is as good as any other.
 */
#include "tasks.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
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

static void fault(const char *what, const char *wording)
{
    fprintf(stderr, "generate: %s in the wording \"%s\"\n", what, wording);
    exit(2);
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

static const char *slot(const struct slots *s, int letter, const char *wording)
{
    const char *const all[] = {s->a, s->b, s->c, s->d, s->e, s->f, s->g};
    int i = tolower(letter) - 'a';
    if (i < 0 || (size_t)i >= COUNT(all) || !all[i] || !*all[i])
        fault("a slot without a fact", wording);
    return all[i];
}

void fill(char *out, size_t size, const char *wording, const struct slots *slots)
{
    size_t n = 0;
    for (const char *p = wording; *p; p++) {
        char piece[COMPLETION_SIZE];
        if (*p == '{') {
            bool has_article = p[1] == '+';
            int letter = (unsigned char)p[1 + has_article];
            if (!letter || p[2 + has_article] != '}')
                fault("a brace that is not closed", wording);
            const char *fact = slot(slots, letter, wording);
            const char *article = has_article ? (takes_an(fact) ? "an " : "a ") : "";
            snprintf(piece, sizeof piece, "%s%s", article, fact);
            if (isupper(letter))
                piece[0] = (char)toupper((unsigned char)piece[0]);
            p += 2 + has_article;
        } else
            snprintf(piece, sizeof piece, "%c", *p);
        size_t m = strlen(piece);
        if (n + m + 1 > size)
            fault("more text than fits", wording);
        memcpy(out + n, piece, m);
        n += m;
    }
    out[n] = 0;
}

void put(struct example *example, const char *prompt, const char *completion,
         struct slots slots)
{
    fill(example->prompt, sizeof example->prompt, prompt, &slots);
    fill(example->completion, sizeof example->completion, completion, &slots);
}
