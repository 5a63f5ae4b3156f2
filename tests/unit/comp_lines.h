/* Every form of every Redis write (tests/support/redis-forms.txt), and random commands made of them. */
#ifndef TESTS_UNIT_COMP_LINES_H
#define TESTS_UNIT_COMP_LINES_H

#include <stddef.h>
#include <stdint.h>

/* A $ and a letter in a form stand for something random of a kind; NULL behind the last. $srcdir says where the file is. */
const char *const *comp_lines(void);

/* A small generator of its own, so that a seed means the same everywhere. */
struct dice {
    uint64_t state;
};
unsigned dice_roll(struct dice *d, unsigned sides);
/* `out` gets the line with every placeholder filled in. */
void comp_line_fill(char *out, size_t size, const char *line, struct dice *d);

#endif
