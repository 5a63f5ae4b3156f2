/* The forms of tests/support/redis-forms.txt, and what their placeholders stand for. */
#include "tests/unit/comp_lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define MAX_LINES 400

const char *const *comp_lines(void)
{
    static const char *lines[MAX_LINES + 1];
    static char text[64 * MAX_LINES];
    if (lines[0])
        return lines;
    char path[512];
    snprintf(path, sizeof path, "%s/tests/support/redis-forms.txt", getenv("srcdir") ? getenv("srcdir") : ".");
    FILE *f = fopen(path, "r");
    CHECK(f);
    size_t length = fread(text, 1, sizeof text - 1, f), n = 0;
    CHECK(feof(f));
    fclose(f);
    text[length] = '\0';
    for (char *save = NULL, *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        CHECK(n < MAX_LINES);
        if (*line != '#')
            lines[n++] = line;
    }
    return lines;
}

unsigned dice_roll(struct dice *d, unsigned sides)
{
    d->state = d->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(d->state >> 33) % sides;
}

static const char *pick(struct dice *d, const char *const *list, unsigned n)
{
    return list[dice_roll(d, n)];
}
#define PICK(...) pick(d, (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static const char *any_key(struct dice *d)
{
    return PICK("s0", "s1", "s2", "h0", "h1", "e0", "e2", "z0", "z1", "l0", "l1", "x0", "g0", "p0", "d0", "v0", "none");
}

static const char *word_for(char kind, struct dice *d)
{
    switch (kind) {
    case 's': return dice_roll(d, 20) ? PICK("s0", "s1", "s2", "s3", "s4", "s5") : any_key(d);
    case 'h': return dice_roll(d, 20) ? PICK("h0", "h1", "h2") : any_key(d);
    case 'e': return dice_roll(d, 20) ? PICK("e0", "e1", "e2", "e3") : any_key(d);
    case 'z': return dice_roll(d, 20) ? PICK("z0", "z1", "z2", "z3") : any_key(d);
    case 'l': return dice_roll(d, 20) ? PICK("l0", "l1", "l2", "l3") : any_key(d);
    case 'x': return PICK("x0", "x0", "x1", "x2");
    case 'g': return PICK("g0", "g1");
    case 'p': return PICK("p0", "p1", "p2");
    case 'k': return any_key(d);
    case 'v':
        return PICK("1", "-9", "0", "abc", "\"\"", "a", "b", "9007199254740993",
                    "a-value-that-is-longer-than-forty-bytes-in-all");
    case 'f': return PICK("f0", "f1", "f2", "f3", "m0", "m1", "m2", "m4", "a");
    case 'i': return PICK("0", "1", "2", "-1", "-2", "5", "-7", "100");
    case 'n': return PICK("0", "1", "2", "3", "7");
    case 'c': return PICK("1", "-2.5", "0.1", "3e10", "0");
    case 't': return PICK("6000", "10000", "7200", "500000");
    case 'T': return PICK("33000000000500", "34000000000000");
    default: return PICK("LEFT", "RIGHT");
    }
}

void comp_line_fill(char *out, size_t size, const char *line, struct dice *d)
{
    size_t n = 0;
    for (const char *p = line; *p && n + 1 < size; p++) {
        if (*p != '$' || p[1] < 'A') {
            out[n++] = *p;
            continue;
        }
        const char *word = word_for(*++p, d);
        size_t len = strlen(word) < size - 1 - n ? strlen(word) : size - 1 - n;
        memcpy(out + n, word, len);
        n += len;
    }
    out[n] = '\0';
}
