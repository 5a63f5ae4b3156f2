/* "Did you mean": the distance between two words in typing mistakes. */
#include "proxy/config/table.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { WORD_MAX = 64 };

static size_t least(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Letters added, lost, replaced, or swapped with the next; without regard to case. */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][WORD_MAX + 1], a_len = strlen(a), b_len = strlen(b);
    if (a_len > WORD_MAX || b_len > WORD_MAX)
        return a_len + b_len;
    for (size_t j = 0; j <= b_len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t *now = rows[i % 3], *before = rows[(i + 2) % 3], *earlier = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            bool same = !strncasecmp(a + i - 1, b + j - 1, 1);
            now[j] = least(before[j] + 1, now[j - 1] + 1, before[j - 1] + !same);
            bool swapped =
                i > 1 && j > 1 && !strncasecmp(a + i - 1, b + j - 2, 1) && !strncasecmp(a + i - 2, b + j - 1, 1);
            if (swapped && earlier[j - 2] + 1 < now[j])
                now[j] = earlier[j - 2] + 1;
        }
    }
    return rows[a_len % 3][b_len];
}

void config_suggest(struct config_suggestion *s, const char *candidate)
{
    size_t d = distance(s->word, candidate);
    if (d > strlen(s->word) / 3 + 1 || d >= strlen(candidate) || (s->best && d >= s->distance))
        return;
    s->best = candidate;
    s->distance = d;
}

const char *config_suggested(const struct config_suggestion *s, char *out, size_t out_size)
{
    *out = '\0';
    if (s->best)
        snprintf(out, out_size, ", did you mean \"%s\"?", s->best);
    return out;
}
