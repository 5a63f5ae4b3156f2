/* xactl: what a DBA says to a running xaproxy. Each command is one statement to the admin listener; leaves options to
 * xactl_options.c, the connection to admin_client.c, the shape of the answer to rows_text.c. */
#include <stdio.h>
#include <string.h>

#include "tools/reconcile.h"

enum takes { NOTHING_MORE, VERDICT, REASON, BODY }; /* --force and --why; --why; --body: the last two must be given */

static const struct command {
    const char *name;
    const char *argument; /* NULL: none */
    const char *sql;      /* the argument follows, quoted */
    enum takes takes;
    const char *help;
} commands[] = {
    {"in-doubt", NULL, "SHOW IN DOUBT", NOTHING_MORE, "transactions that are prepared or decided and not settled"},
    {"show", "GTRID", "SHOW TRANSACTION", NOTHING_MORE, "all that is known of one"},
    {"commit", "GTRID", "COMMIT TRANSACTION", VERDICT, "a person's verdict; one against the log wants --force"},
    {"rollback", "GTRID", "ROLLBACK TRANSACTION", VERDICT, "likewise"},
    {"backends", NULL, "SHOW BACKENDS", NOTHING_MORE, "the servers, with the verdict of the look at them"},
    {"pools", NULL, "SHOW POOLS", NOTHING_MORE, "connections to the servers, and who waits for them"},
    {"redis", NULL, "SHOW REDIS", NOTHING_MORE, "the Redis resources, likewise"},
    {"tls", NULL, "SHOW TLS", NOTHING_MORE, "certificates in force, whether the last reload failed, handshakes"},
    {"conflicts", NULL, "SHOW CONFLICTS", NOTHING_MORE, "Redis writes that could not be taken back cleanly"},
    {"retry-conflict", "ID", "RETRY CONFLICT", NOTHING_MORE, "take that write back if nothing stands in the way any more"},
    {"force-conflict", "ID", "FORCE CONFLICT", NOTHING_MORE, "take that write back after all, over somebody else's change"},
    {"dismiss-conflict", "ID", "DISMISS CONFLICT", NOTHING_MORE, "leave it as it is, forget the conflict"},
    {"actions", NULL, "SHOW ACTIONS", NOTHING_MORE, "what is to be done after transactions, and what was given up"},
    {"all-actions", NULL, "SHOW ACTIONS ALL", NOTHING_MORE, "those too whose transaction has not ended"},
    {"export-actions", NULL, "SHOW FULL ACTIONS", NOTHING_MORE, "all of them in full: with --format json, to be kept"},
    {"dead-actions", NULL, "SHOW ACTIONS DEAD", NOTHING_MORE, "what was given up"},
    {"action", "ID", "SHOW ACTION", NOTHING_MORE, "all that is known of one"},
    {"retry-action", "ID", "RETRY ACTION", NOTHING_MORE, "a dead one again, one that waits at once"},
    {"edit-action", "ID", "EDIT ACTION", BODY, "another statement or command (--body) for a dead one"},
    {"dismiss-action", "ID", "DISMISS ACTION", REASON, "it need not be done, --why says why"},
    {"reconcile", NULL, NULL, NOTHING_MORE, "what does not agree between log, servers and Redis; see below"},
    {"status", NULL, "SHOW STATUS", NOTHING_MORE, "counters since the start, and what they are now"},
    {"sessions", NULL, "SHOW SESSIONS", NOTHING_MORE, "the clients, their transactions and what they wait for"},
    {"config", NULL, "SHOW CONFIG", NOTHING_MORE, "the options and where each comes from"},
    {"adopt", "LOGID", "ADOPT LOG", NOTHING_MORE, "branches of a lost log of this node are ours to settle"},
    {"accept-failover", "BACKEND", "ACCEPT FAILOVER", NOTHING_MORE, "another server behind this name is right"},
};
#define N_COMMANDS (sizeof commands / sizeof *commands)

static void print_help(void)
{
    puts("Usage: xactl [OPTIONS] COMMAND [ARGUMENT]\n"
         "Looks at and settles transactions of a running xaproxy, through its listener with admin = on.\n");
    for (size_t i = 0; i < N_COMMANDS; i++)
        printf("  %s %-*s%s\n", commands[i].name, 25 - (int)strlen(commands[i].name),
               commands[i].argument ? commands[i].argument : "", commands[i].help);
    puts("");
    xactl_options_help();
    puts("\nExit status: 0 done, 1 xaproxy refused, 2 the command line makes no sense, 3 no connection,\n"
         "4 in-doubt --exit-code and there are some.\n"
         "Of reconcile: 0 all agree, 1 all agree after --repair, 2 something needs a person, 3 not all could be looked at.");
}

static const struct command *find_command(const struct xactl_options *o)
{
    if (!o->n_arguments)
        xactl_usage("which command?");
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (!strcmp(commands[i].name, o->argument[0]))
            return &commands[i];
    xactl_usage("there is no command %s", o->argument[0]);
}

static const struct command *check_command(const struct xactl_options *o)
{
    const struct command *c = find_command(o);
    if (c->argument && o->n_arguments < 2)
        xactl_usage("%s wants its %s", c->name, c->argument);
    if (o->n_arguments > 1 + (c->argument != NULL))
        xactl_usage("%s does not know what to do with %s", c->name, o->argument[1 + (c->argument != NULL)]);
    if ((o->force && c->takes != VERDICT) || (o->why && c->takes != VERDICT && c->takes != REASON))
        xactl_usage("--force and --why go with commit and rollback, --why with dismiss-action, not with %s", c->name);
    if ((c->takes == BODY) != (o->body != NULL) || (c->takes == REASON && !o->why))
        xactl_usage("edit-action wants --body, dismiss-action --why, and no other command a --body");
    if (o->repair && c->sql)
        xactl_usage("--repair goes with reconcile, not with %s", c->name);
    if (o->exit_code && c != &commands[0])
        xactl_usage("--exit-code goes with in-doubt, not with %s", c->name);
    return c;
}

static void append_quoted(struct buf *sql, const char *text)
{
    buf_text(sql, " '");
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            buf_u8(sql, (uint8_t)*text);
        buf_u8(sql, (uint8_t)*text);
    }
    buf_text(sql, "'");
}

static void append_clause(struct buf *sql, const char *word, const char *text)
{
    if (!text)
        return;
    buf_text(sql, word);
    append_quoted(sql, text);
}

static void compose(const struct command *c, const struct xactl_options *o, struct buf *sql)
{
    buf_text(sql, c->sql);
    if (c->argument)
        append_quoted(sql, o->argument[1]);
    if (o->force)
        buf_text(sql, " FORCE");
    append_clause(sql, " BODY", o->body);
    append_clause(sql, " BECAUSE", o->why);
}

/* By the library's number of the error: what a person would try next. */
static const char *remedy(unsigned number)
{
    switch (number) {
    case 1045: /* access denied */
        return "check --user and the password: XACTL_PASSWORD or --password-file";
    case 2002: /* socket */
    case 2003: /* host */
    case 2005: /* unknown host */
        return "is xaproxy running, and is this its listener with admin = on? See --host, --port, --socket";
    case 2026: /* TLS */
        return "--tls-ca names the CA of the listener's certificate, --host a name that stands in it; a listener without "
               "tls_cert is reached by --socket only";
    default:
        return "xaproxy's log says more";
    }
}

static void complain_of_connection(const struct xactl_options *o, struct admin_client *client, struct buf *error)
{
    const struct admin_client_options *c = &o->connect;
    if (c->socket)
        fprintf(stderr, "xactl: no connection to %s as %s: ", c->socket, c->user);
    else
        fprintf(stderr, "xactl: no connection to %s port %u as %s: ", c->host, c->port, c->user);
    fprintf(stderr, "%s\n%s\n", buf_cstr(error), remedy(admin_client_error(client)));
}

static void print_answer(const struct xactl_options *o, const struct rows *rows)
{
    struct buf text = {0};
    rows_print(rows, o->format, &text);
    if (o->format == ROWS_TABLE && !rows_count(rows))
        buf_text(&text, rows->n_columns ? "none\n" : "done\n");
    fwrite(buf_at(&text), 1, buf_len(&text), stdout);
    buf_fini(&text);
}

static enum xactl_exit complain(const char *name, const struct xactl_options *o, struct admin_client *client, bool lost,
                                struct buf *error)
{
    if (lost)
        complain_of_connection(o, client, error);
    else
        fprintf(stderr, "xactl: %s: %s\n", name, buf_cstr(error));
    return lost ? XACTL_NO_CONNECTION : XACTL_REFUSED;
}

static int run_reconcile(const struct xactl_options *o, struct admin_client *client)
{
    struct buf error = {0};
    enum reconcile_exit code = RECONCILE_UNSEEN;
    enum admin_client_status status = reconcile(o, client, &code, &error);
    if (status != ADMIN_CLIENT_OK)
        (void)complain("reconcile", o, client, status == ADMIN_CLIENT_LOST, &error);
    buf_fini(&error);
    return (int)code;
}

static int run(const struct command *c, const struct xactl_options *o, struct admin_client *client)
{
    if (!c->sql)
        return run_reconcile(o, client);
    struct buf sql = {0}, error = {0};
    struct rows rows = {0};
    compose(c, o, &sql);
    enum admin_client_status status = admin_client_run(client, buf_cstr(&sql), &rows, &error);
    enum xactl_exit code = XACTL_OK;
    if (status != ADMIN_CLIENT_OK) {
        code = complain(c->name, o, client, status == ADMIN_CLIENT_LOST, &error);
    } else {
        print_answer(o, &rows);
        if (o->exit_code && rows_count(&rows))
            code = XACTL_IN_DOUBT;
    }
    rows_fini(&rows);
    buf_fini(&sql);
    buf_fini(&error);
    return (int)code;
}

static int connect_and_run(const struct command *c, const struct xactl_options *o)
{
    struct buf error = {0};
    enum admin_client_status status;
    int code = XACTL_NO_CONNECTION;
    struct admin_client *client = admin_client_open(&o->connect, &status, &error);
    if (status == ADMIN_CLIENT_OK)
        code = run(c, o, client);
    else
        complain_of_connection(o, client, &error);
    admin_client_close(client);
    buf_fini(&error);
    return code;
}

int main(int argc, char **argv)
{
    struct xactl_options o;
    xactl_options_read(&o, argc, argv);
    if (o.help)
        print_help();
    else if (o.version)
        printf("xactl %s (MySQL library %s)\n", PACKAGE_VERSION, admin_client_library());
    if (o.help || o.version)
        return XACTL_OK;
    const struct command *c = check_command(&o);
    xactl_options_password(&o);
    int code = connect_and_run(c, &o);
    if (fflush(stdout) != 0) {
        perror("xactl: standard output");
        return XACTL_USAGE;
    }
    return (int)code;
}
