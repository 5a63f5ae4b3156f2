/* Sample lines for every Redis write that can be taken back, and random commands made of them. */
#ifndef TESTS_UNIT_COMP_LINES_H
#define TESTS_UNIT_COMP_LINES_H

#include <stddef.h>
#include <stdint.h>

/* Templates; NULL behind the last. A $ and a letter stand for something random of a kind: see comp_lines.c. */
extern const char *const comp_lines[];

/* A small generator of its own, so that a seed means the same everywhere. */
struct dice {
    uint64_t state;
};
unsigned dice_roll(struct dice *d, unsigned sides);
/* `out` gets the line with every placeholder filled in. */
void comp_line_fill(char *out, size_t size, const char *line, struct dice *d);

#endif
