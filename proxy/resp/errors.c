/* Errors that the session's files raise as MySQL's, in the words of Redis: the code word in front is what programs look at. */
#include <stdio.h>
#include <string.h>

#include "compensate/command.h"
#include "proxy/resp/client.h"
#include "proxy/resp/reply.h"

static const struct {
    uint16_t code;
    const char *word;
} words[] = {
    {GUEST_GONE, "XAGONE"},  /* the transaction */
    {1041, "OOM"},
    {1105, "XADOWN"},        /* not done, or nobody knows: the text tells */
    {1205, "XALOCKED"},      /* nothing was done, it may be tried again */
    {1142, "NOPERM"},        /* [grant USER@REDIS] */
    {1370, "NOPERM"},
    {1213, "XADEADLOCK"},    /* the whole transaction is rolled back */
    {1317, "XAKILLED"},
    {1402, "XAROLLBACK"},    /* the transaction can only be rolled back */
    {1792, "READONLY"},
};

/* A container's second word is part of its name. */
void resp_copy_name(const struct comp_argv *command, char out[RESP_WORD])
{
    struct slice first = comp_argv_at(command, 0);
    struct slice second = command->n > 1 ? comp_argv_at(command, 1) : (struct slice){NULL, 0};
    const struct comp_command *row = comp_command_find(first, second);
    if (!row) {
        snprintf(out, RESP_WORD, "%.*s", (int)(first.len < RESP_WORD ? first.len : RESP_WORD - 1), (const char *)first.at);
        return;
    }
    snprintf(out, RESP_WORD, "%s", row->name);
    for (char *c = out; *c; c++)
        *c = *c == ' ' ? '|' : *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
}

/* As Redis says it, which programs know. */
static bool put_well_known(struct buf *line, const char *command, uint16_t code)
{
    if (code == 1305)
        buf_printf(line, "ERR unknown command '%s', with args beginning with: ", command);
    else if (code == 1318)
        buf_printf(line, "ERR wrong number of arguments for '%s' command", command);
    return code == 1305 || code == 1318;
}

void resp_put_sql_error(struct buf *out, const char *command, uint16_t code, const char *text)
{
    const char *word = "ERR";
    struct buf line = {0};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (words[i].code == code)
            word = words[i].word;
    const char *own = code == 1644 ? strstr(text, ": ") : NULL;
    if (own && (!strncmp(text, "Redis resource ", 15) || !strncmp(own + 2, "ERR ", 4)))
        buf_text(&line, own + 2); /* the server's own words, or those it would have said */
    else if (!*command || !put_well_known(&line, command, code))
        buf_printf(&line, "%s %s", word, text);
    resp_put_error(out, buf_cstr(&line));
    buf_fini(&line);
}
