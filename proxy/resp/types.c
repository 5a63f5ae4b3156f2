/* The types of replies, looked up. */
#include "proxy/resp/types.h"

#include <stdlib.h>
#include <string.h>

#include "compensate/command.h"

static const struct resp_type_row rows[] = {
#define TYPE(name, when, type) {name, when, type},
#include "proxy/resp/types.def"
#undef TYPE
};
#define N_ROWS (sizeof rows / sizeof rows[0])

const struct resp_type_row *resp_type_row(size_t i)
{
    return i < N_ROWS ? &rows[i] : NULL;
}

/* Upper case, in `out`; false: longer than any name. */
static bool add_word(char *out, size_t size, size_t *n, struct slice word)
{
    if (*n + word.len >= size)
        return false;
    for (size_t i = 0; i < word.len; i++)
        out[(*n)++] = (char)(word.at[i] >= 'a' && word.at[i] <= 'z' ? word.at[i] - 'a' + 'A' : word.at[i]);
    out[*n] = '\0';
    return true;
}

static int compare(const void *name, const void *row)
{
    return strcmp(name, ((const struct resp_type_row *)row)->name);
}

/* The first of its rows, or NULL. */
static const struct resp_type_row *find(const char *name)
{
    const struct resp_type_row *row = bsearch(name, rows, N_ROWS, sizeof rows[0], compare);
    while (row && row > rows && !strcmp(row[-1].name, name))
        row--;
    return row;
}

static const struct resp_type_row *find_command(const struct comp_argv *command)
{
    char name[64];
    size_t n = 0;
    if (!add_word(name, sizeof name, &n, comp_argv_at(command, 0)))
        return NULL;
    size_t first = n;
    if (command->n > 1 && add_word(name, sizeof name, &n, (struct slice){(const uint8_t *)" ", 1}) &&
        add_word(name, sizeof name, &n, comp_argv_at(command, 1))) {
        const struct resp_type_row *row = find(name);
        if (row)
            return row;
    }
    name[first] = '\0';
    return find(name);
}

static bool applies(const struct resp_type_row *row, const struct comp_argv *command)
{
    if (*row->when <= '9')
        return command->n >= strtoul(row->when, NULL, 10); /* "" is 0 */
    for (size_t i = 2; i < command->n; i++)
        if (slice_is_word(comp_argv_at(command, i), row->when))
            return true;
    return false;
}

static const char *type_by_shape(const struct comp_argv *command)
{
    struct slice second = command->n > 1 ? comp_argv_at(command, 1) : (struct slice){NULL, 0};
    const struct comp_command *known = comp_command_find(comp_argv_at(command, 0), second);
    return known && known->shape == COMP_SHAPE_INTEGER ? ":" : ".";
}

const char *resp_type_of(const struct comp_argv *command)
{
    const struct resp_type_row *row = find_command(command);
    for (const char *name = row ? row->name : NULL; row && row < rows + N_ROWS && !strcmp(row->name, name); row++)
        if (applies(row, command))
            return row->type;
    return type_by_shape(command);
}
