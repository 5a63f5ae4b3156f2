/* Error replies by their first word, which is the stable part of them. */
#include "compensate/reply.h"

#include <string.h>

#include "base/check.h"

static const struct {
    const char *begins;
    enum comp_reply reply;
} by_word[] = {
    {"XALOCKED", COMP_REPLY_LOCKED},
    {"XAEMPTY", COMP_REPLY_EMPTY},
    {"XABOUND", COMP_REPLY_BOUND},
    {"XAFENCED", COMP_REPLY_FENCED},
    {"XASTALE", COMP_REPLY_STALE},
    {"XATOOBIG", COMP_REPLY_TOO_BIG},
    {"XALOST", COMP_REPLY_LOST},
    {"XAREFUSED", COMP_REPLY_REFUSED},
    {"XAMISSING", COMP_REPLY_MISSING},
    {"ERR Function not found", COMP_REPLY_NO_FUNCTION},
    {"BUSY", COMP_REPLY_NOT_NOW},
    {"LOADING", COMP_REPLY_NOT_NOW},
    {"MASTERDOWN", COMP_REPLY_NOT_NOW},
    {"MISCONF", COMP_REPLY_NOT_NOW},
    {"NOREPLICAS", COMP_REPLY_NOT_NOW},
    {"TRYAGAIN", COMP_REPLY_NOT_NOW},
    {"CLUSTERDOWN", COMP_REPLY_NOT_NOW},
    {"OOM", COMP_REPLY_NO_MEMORY},
    {"READONLY", COMP_REPLY_NOT_MASTER},
    {"MOVED", COMP_REPLY_NOT_MASTER},
    {"ASK", COMP_REPLY_NOT_MASTER},
    {"NOAUTH", COMP_REPLY_NO_RIGHT},
    {"NOPERM", COMP_REPLY_NO_RIGHT},
    {"WRONGPASS", COMP_REPLY_NO_RIGHT},
};

/* The words of `begins` and then the end or a space: BUSYGROUP and BUSYKEY are errors of commands. */
static bool begins_with(struct slice text, const char *begins)
{
    size_t n = strlen(begins);
    return text.len >= n && !memcmp(text.at, begins, n) && (text.len == n || text.at[n] == ' ');
}

enum comp_reply comp_reply_of_error(struct slice text)
{
    for (size_t i = 0; text.len && i < sizeof by_word / sizeof by_word[0]; i++)
        if (begins_with(text, by_word[i].begins))
            return by_word[i].reply;
    return COMP_REPLY_ERROR;
}

unsigned comp_reply_sql(enum comp_reply reply, const char **sqlstate)
{
    static const struct {
        unsigned code;
        const char *sqlstate;
    } sql[] = {
        [COMP_REPLY_OK] = {0, "00000"},           [COMP_REPLY_ERROR] = {1644, "45000"},
        [COMP_REPLY_LOST] = {1402, "XA100"},
        [COMP_REPLY_LOCKED] = {1205, "HY000"},    [COMP_REPLY_FENCED] = {1402, "XA100"},
        [COMP_REPLY_BOUND] = {1690, "22003"},
        [COMP_REPLY_STALE] = {1402, "XA100"},     [COMP_REPLY_TOO_BIG] = {1235, "42000"},
        [COMP_REPLY_REFUSED] = {1235, "42000"},   [COMP_REPLY_MISSING] = {1402, "XA100"},
        [COMP_REPLY_NO_FUNCTION] = {1105, "HY000"}, [COMP_REPLY_NOT_NOW] = {1105, "HY000"},
        [COMP_REPLY_NO_MEMORY] = {1041, "HY000"}, [COMP_REPLY_NOT_MASTER] = {1105, "HY000"},
        [COMP_REPLY_NO_RIGHT] = {1105, "HY000"},  [COMP_REPLY_EMPTY] = {1205, "HY000"},
    };
    CHECK((size_t)reply < sizeof sql / sizeof sql[0]);
    *sqlstate = sql[reply].sqlstate;
    return sql[reply].code;
}

static struct slice word(struct slice *rest)
{
    struct slice w = *rest;
    const uint8_t *space = rest->len ? memchr(rest->at, ' ', rest->len) : NULL;
    if (space)
        w.len = (size_t)(space - rest->at);
    size_t used = w.len + (space != NULL);
    *rest = (struct slice){rest->at + used, rest->len - used};
    return w;
}

bool comp_reply_locked(struct slice text, struct slice *owner, struct slice *key)
{
    struct slice rest = text;
    if (!slice_is(word(&rest), "XALOCKED"))
        return false;
    *owner = word(&rest);
    *key = rest;
    return owner->len > 0;
}
