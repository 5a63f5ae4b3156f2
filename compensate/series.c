/* Series of commands. */
#include "compensate/series.h"

#include <stdlib.h>

static void add_words(struct comp_argv *out, const struct comp_argv *from, size_t first, size_t n)
{
    for (size_t i = first; i < first + n; i++)
        comp_argv_add(out, comp_argv_at(from, i).at, comp_argv_at(from, i).len);
}

static void add_keys(struct comp_series *s, const struct comp_argv *command, const struct comp_command_use *use)
{
    for (unsigned i = 0; i < use->n_keys; i++)
        add_words(i < use->n_written ? &s->written : &s->read, command, use->key[i], 1);
}

void comp_series_add(struct comp_series *s, const struct comp_argv *command, const struct comp_command_use *use)
{
    CHECK(command->n > 0);
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 16;
        s->part = realloc(s->part, s->cap * sizeof *s->part);
        CHECK(s->part);
    }
    s->part[s->n++] = (struct comp_series_part){s->words.n, command->n, use ? use->row : NULL, use && use->class == COMP_CLASS_WRITE};
    add_words(&s->words, command, 0, command->n);
    if (use)
        add_keys(s, command, use);
}

void comp_series_words(const struct comp_series *s, size_t i, struct comp_argv *out)
{
    CHECK(i < s->n);
    comp_argv_clear(out);
    add_words(out, &s->words, s->part[i].first, s->part[i].n);
}

void comp_series_use(const struct comp_series *s, struct comp_argv *command, struct comp_command_use *use)
{
    size_t n_written = s->written.n < COMP_MAX_KEYS ? s->written.n : COMP_MAX_KEYS;
    size_t n_read = s->read.n < COMP_MAX_KEYS - n_written ? s->read.n : COMP_MAX_KEYS - n_written;
    comp_argv_clear(command);
    comp_argv_text(command, "EXEC");
    add_words(command, &s->written, 0, n_written);
    add_words(command, &s->read, 0, n_read);
    *use = (struct comp_command_use){.row = comp_command_find(comp_argv_at(command, 0), (struct slice){NULL, 0}),
                                     .class = n_written ? COMP_CLASS_WRITE : COMP_CLASS_READ,
                                     .shape = COMP_SHAPE_NESTED,
                                     .n_written = (unsigned)n_written,
                                     .n_keys = (unsigned)(n_written + n_read)};
    for (unsigned i = 0; i < use->n_keys; i++)
        use->key[i] = (uint16_t)(i + 1);
}

void comp_series_clear(struct comp_series *s)
{
    comp_argv_clear(&s->words);
    comp_argv_clear(&s->written);
    comp_argv_clear(&s->read);
    s->n = 0;
}

void comp_series_fini(struct comp_series *s)
{
    comp_argv_fini(&s->words);
    comp_argv_fini(&s->written);
    comp_argv_fini(&s->read);
    free(s->part);
    *s = (struct comp_series){0};
}
