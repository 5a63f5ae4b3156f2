/* The command table, looked up and applied: class, keys, shape, and refusals in words. Where keys stand is keys.c. */
#include "compensate/command.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compensate/keys.h"
#include "compensate/slot.h"
#include "compensate/streams.h"

#define ADMINISTERS "it administers the server"
#define CONNECTION "it changes the state of a connection that others share"
#define NO_KEYS "it has no keys to restore, and would remove the locks of open transactions"
#define OTHER_DATABASE "it moves keys between databases"
#define RULES "a series would write to others that no command names"
#define SQL_DOES "BEGIN, COMMIT and ROLLBACK do that here"
#define UNSAID "a message cannot be unsaid"

#define NO_TIMEOUT (-1)
static const struct comp_command rows[] = {
#define READ(name, arity, keys, shape) {name, arity, COMP_CLASS_READ, NULL, keys, COMP_SHAPE_##shape, NULL, NO_TIMEOUT},
#define READ_CACHING(name, arity, keys, shape) \
    {name, arity, COMP_CLASS_READ, "caching", keys, COMP_SHAPE_##shape, NULL, NO_TIMEOUT},
#define WRITE(name, arity, handler, keys, shape) WAITING(name, arity, handler, keys, shape, NO_TIMEOUT)
#define WAITING(name, arity, handler, keys, shape, timeout) \
    {name, arity, COMP_CLASS_WRITE, handler, keys, COMP_SHAPE_##shape, NULL, timeout},
#define OUTSIDE(name, arity, shape, reason) \
    {name, arity, COMP_CLASS_OUTSIDE, NULL, "", COMP_SHAPE_##shape, reason, NO_TIMEOUT},
#define REFUSED(name, arity, reason) {name, arity, COMP_CLASS_REFUSED, NULL, "", COMP_SHAPE_ANY, reason, NO_TIMEOUT},
#include "compensate/commands.def"
#undef READ
#undef READ_CACHING
#undef WRITE
#undef WAITING
#undef OUTSIDE
#undef REFUSED
};
#define N_ROWS (sizeof rows / sizeof rows[0])

const struct comp_command *comp_command_row(size_t i)
{
    return i < N_ROWS ? &rows[i] : NULL;
}

bool comp_command_can_wait(const struct comp_command_use *use)
{
    static const char *const handlers[] = {"escrow", "lock", "eval"};
    const struct comp_command *row = use->row;
    for (size_t i = 0; row->handler && i < sizeof handlers / sizeof handlers[0]; i++)
        if (!strcmp(row->handler, handlers[i]))
            return false;
    return row >= rows && row < rows + N_ROWS && use->class != COMP_CLASS_READ;
}

bool comp_command_counts(const struct comp_command_use *use)
{
    return use->row->handler && !strcmp(use->row->handler, "escrow");
}

/* Order of a word (any case, any bytes) against a name of the table, which is sorted by its upper-case ASCII. */
static int compare(const char *word, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)word[i], d = (unsigned char)name[i];
        if (c >= 'a' && c <= 'z')
            c = (unsigned char)(c - 'a' + 'A');
        if (c != d || !d)
            return c < d ? -1 : 1;
    }
    return name[n] ? -1 : 0;
}

static const struct comp_command *find(const char *word, size_t n)
{
    size_t low = 0, high = N_ROWS;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = compare(word, n, rows[middle].name);
        if (!order)
            return &rows[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const struct comp_command *comp_command_find(struct slice name, struct slice second)
{
    char words[64];
    if (name.len + 1 + second.len < sizeof words && second.at && name.len) {
        memcpy(words, name.at, name.len);
        words[name.len] = ' ';
        memcpy(words + name.len + 1, second.at, second.len);
        const struct comp_command *both = find(words, name.len + 1 + second.len);
        if (both)
            return both;
    }
    return name.len && name.len < sizeof words ? find((const char *)name.at, name.len) : NULL;
}

static bool PRINTF_LIKE(4, 5) refuse(struct comp_refusal *why, unsigned code, const char *sqlstate, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    why->code = code;
    snprintf(why->sqlstate, sizeof why->sqlstate, "%s", sqlstate);
    vsnprintf(why->text, sizeof why->text, fmt, args);
    va_end(args);
    return false;
}

static bool unknown(const struct comp_argv *command, struct comp_refusal *why)
{
    char name[48];
    struct slice s = comp_argv_at(command, 0);
    size_t n = 0;
    for (; n < s.len && n < sizeof name - 1; n++)
        name[n] = s.at[n] > ' ' && s.at[n] < 127 ? (char)s.at[n] : '?';
    name[n] = '\0';
    return refuse(why, 1305, "42000", "Redis command %s does not exist", name);
}

static bool count_fits(const struct comp_command *row, size_t n)
{
    return row->arity >= 0 ? n == (size_t)row->arity : n >= (size_t)-row->arity;
}

static bool has_word(const struct comp_argv *command, const char *word)
{
    for (size_t i = 2; i < command->n; i++)
        if (slice_is_word(comp_argv_at(command, i), word))
            return true;
    return false;
}

/* What a reply looks like may hang on an option. */
static enum comp_shape shape_of(const struct comp_command *row, const struct comp_argv *command)
{
    if (row->shape != COMP_SHAPE_OPTION)
        return row->shape;
    if (has_word(command, "WITHCOORD") || has_word(command, "WITHDIST") || has_word(command, "WITHHASH"))
        return COMP_SHAPE_NESTED;
    if (has_word(command, "WITHSCORES"))
        return COMP_SHAPE_SCORES;
    if (has_word(command, "WITHVALUES"))
        return COMP_SHAPE_PAIRS;
    return COMP_SHAPE_ANY;
}

static bool refused_class(const struct comp_command *row, bool in_transaction, struct comp_refusal *why)
{
    if (row->class == COMP_CLASS_REFUSED)
        return refuse(why, 1235, "42000", "Redis command %s cannot be used through the proxy: %s", row->name, row->reason);
    if (row->class == COMP_CLASS_OUTSIDE && in_transaction)
        return refuse(why, 1235, "42000", "Redis command %s cannot be used in a transaction: %s. Run it outside", row->name,
                      row->reason);
    return true;
}

/* Seconds with a fraction, as Redis reads them. NULL: read; else what Redis would say. */
static const char *read_timeout(const struct comp_command *row, const struct comp_argv *command, int64_t *out_ms)
{
    static const char no_number[] = "timeout is not a float or out of range";
    char text[32], *end;
    struct slice s = comp_argv_at(command, row->timeout ? (size_t)row->timeout : command->n - 1);
    if (!s.len || s.len >= sizeof text || !strchr("-.0123456789", s.at[0]))
        return no_number;
    memcpy(text, s.at, s.len);
    text[s.len] = '\0';
    double seconds = strtod(text, &end);
    if (*end || !(seconds < 1e12))
        return no_number;
    *out_ms = seconds > 0 && seconds < 0.001 ? 1 : (int64_t)(seconds * 1000);
    return seconds < 0 ? "timeout is negative" : NULL;
}

static bool may_wait_for_streams(const struct comp_argv *command, bool in_transaction, struct comp_command_use *use,
                                 struct comp_refusal *why)
{
    struct comp_streams streams;
    if (!comp_streams_find(command, &streams) || !streams.block)
        return true;
    const char *wrong = comp_streams_timeout(command, streams.block, &use->timeout_ms);
    use->waits = true;
    if (wrong)
        return refuse(why, 1644, "45000", "Redis command %s: ERR %s", use->row->name, wrong);
    return !in_transaction || refuse(why, 1235, "42000", "Redis command %s cannot be used with BLOCK in a transaction: it may hold"
                                     " what others wait for", use->row->name);
}

static bool may_wait(const struct comp_command *row, const struct comp_argv *command, bool in_transaction,
                     struct comp_command_use *use, struct comp_refusal *why)
{
    if (strchr(row->keys, 'S'))
        return may_wait_for_streams(command, in_transaction, use, why);
    use->waits = row->timeout != NO_TIMEOUT;
    const char *wrong = use->waits ? read_timeout(row, command, &use->timeout_ms) : NULL;
    return !wrong || refuse(why, 1644, "45000", "Redis command %s: ERR %s", row->name, wrong);
}

static bool keys_fit(const struct comp_argv *command, const struct comp_command_use *use, struct comp_refusal *why)
{
    for (unsigned i = 0; i < use->n_keys; i++)
        if (comp_key_is_ours(comp_argv_at(command, use->key[i])))
            return refuse(why, 1235, "42000", "Redis keys that begin with %s belong to the proxy", COMP_KEY_PREFIX);
    return true;
}

bool comp_command_is_script(const struct comp_command *row)
{
    return row->handler && !strcmp(row->handler, "eval");
}

bool comp_command_reads_by_script(const struct comp_command *row)
{
    return row && (!strcmp(row->name, "EVAL_RO") || !strcmp(row->name, "EVALSHA_RO") || !strcmp(row->name, "FCALL_RO"));
}

/* In Redis' words; what is no number may be a key in its place. */
static bool refuse_key_count(const struct comp_argv *command, const struct comp_command *row, struct comp_refusal *why)
{
    struct slice count = comp_argv_at(command, 2);
    bool numeric = count.len;
    for (size_t i = 0; i < count.len; i++)
        numeric = numeric && count.at[i] >= '0' && count.at[i] <= '9';
    if (numeric)
        return refuse(why, 1235, "42000", "Number of keys can't be greater than number of args");
    if (count.len && *count.at == '-')
        return refuse(why, 1235, "42000", "Number of keys can't be negative");
    return refuse(why, 1235, "42000", "Bad number of keys provided: Redis command %s must declare the keys that the script touches",
                  row->name);
}

static bool find_keys(const struct comp_argv *command, struct comp_command_use *use, struct comp_refusal *why)
{
    switch (comp_keys_find(use->row->keys, command, use)) {
    case COMP_KEYS_FOUND:
        return keys_fit(command, use, why);
    case COMP_KEYS_TOO_MANY:
        return refuse(why, 1235, "42000", "Redis command %s names more than %d keys", use->row->name, COMP_MAX_KEYS);
    case COMP_KEYS_MALFORMED:
        if (comp_command_is_script(use->row))
            return refuse_key_count(command, use->row, why);
        break;
    }
    return refuse(why, 1318, "42000", "Redis command %s: the keys cannot be found in these arguments", use->row->name);
}

bool comp_command_check(const struct comp_argv *command, bool in_transaction, struct comp_command_use *use,
                        struct comp_refusal *why)
{
    CHECK(command->n > 0);
    struct slice second = command->n > 1 ? comp_argv_at(command, 1) : (struct slice){NULL, 0};
    const struct comp_command *row = comp_command_find(comp_argv_at(command, 0), second);
    if (!row)
        return unknown(command, why);
    if (!refused_class(row, in_transaction, why))
        return false;
    if (!count_fits(row, command->n))
        return refuse(why, 1318, "42000", "Incorrect number of arguments for Redis command %s; got %zu", row->name,
                      command->n - 1);
    if (command->n > COMP_MAX_ARGS)
        return refuse(why, 1235, "42000", "Redis command %s has more than %d arguments", row->name, COMP_MAX_ARGS);
    use->row = row;
    use->class = row->class;
    use->shape = shape_of(row, command);
    use->slot = COMP_SLOT_ALONE;
    use->waits = false;
    if (!find_keys(command, use, why) || !may_wait(row, command, in_transaction, use, why))
        return false;
    if (row->class == COMP_CLASS_WRITE && !use->n_written && !comp_command_is_script(row))
        use->class = COMP_CLASS_READ; /* SORT and GEORADIUS without STORE */
    return true;
}

/* Means the same whichever node answers. */
static bool is_for_any_node(const struct comp_command *row)
{
    static const char *const names[] = {"ECHO", "PING", "PUBLISH", "SCRIPT EXISTS", "SCRIPT LOAD", "TIME"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!strcmp(row->name, names[i]))
            return true;
    return false;
}

bool comp_command_slot(const struct comp_argv *command, struct comp_command_use *use, struct comp_refusal *why)
{
    if (!use->n_keys && !is_for_any_node(use->row))
        return refuse(why, 1235, "42000", "Redis command %s names no key, and a cluster is many servers: ask the one that is meant"
                      " directly", use->row->name);
    for (unsigned i = 0; i < use->n_keys; i++) {
        uint16_t slot = comp_slot_of_key(comp_argv_at(command, use->key[i]));
        if (i && slot != use->slot)
            return refuse(why, 1235, "42000", "Redis command %s names keys in different slots of the cluster; a common {tag} in their"
                          " names brings them together", use->row->name);
        use->slot = slot;
    }
    return true;
}
