/* xactl: what a DBA says to a running xaproxy. Each command is one statement to the admin listener; leaves options to
 * xactl_options.c, the connection to admin_client.c, the shape of the answer to rows_text.c. */
#include <stdio.h>
#include <string.h>

#include "tools/xactl_options.h"

static const struct command {
    const char *name;
    const char *argument; /* NULL: none */
    const char *sql;      /* the argument follows, quoted */
    bool verdict;         /* --force and --why mean something */
    const char *help;
} commands[] = {
    {"in-doubt", NULL, "SHOW IN DOUBT", false, "transactions that are prepared or decided and not settled"},
    {"show", "GTRID", "SHOW TRANSACTION", false, "all that is known of one"},
    {"commit", "GTRID", "COMMIT TRANSACTION", true, "a person's verdict; one against the log wants --force"},
    {"rollback", "GTRID", "ROLLBACK TRANSACTION", true, "likewise"},
    {"backends", NULL, "SHOW BACKENDS", false, "the servers, with the verdict of the look at them"},
    {"pools", NULL, "SHOW POOLS", false, "connections to the servers, and who waits for them"},
    {"redis", NULL, "SHOW REDIS", false, "the Redis resources, likewise"},
    {"tls", NULL, "SHOW TLS", false, "certificates in force, whether the last reload failed, handshakes"},
    {"conflicts", NULL, "SHOW CONFLICTS", false, "Redis writes that could not be taken back cleanly"},
    {"force-conflict", "ID", "FORCE CONFLICT", false, "take that write back after all, over somebody else's change"},
    {"dismiss-conflict", "ID", "DISMISS CONFLICT", false, "leave it as it is, forget the conflict"},
    {"status", NULL, "SHOW STATUS", false, "counters since the start, and what they are now"},
    {"sessions", NULL, "SHOW SESSIONS", false, "the clients, their transactions and what they wait for"},
    {"config", NULL, "SHOW CONFIG", false, "the options and where each comes from"},
    {"adopt", "LOGID", "ADOPT LOG", false, "branches of a lost log of this node are ours to settle"},
    {"accept-failover", "BACKEND", "ACCEPT FAILOVER", false, "another server behind this name is right"},
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
         "4 in-doubt --exit-code and there are some.");
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
    if ((o->force || o->why) && !c->verdict)
        xactl_usage("--force and --why go with commit and rollback, not with %s", c->name);
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

static void compose(const struct command *c, const struct xactl_options *o, struct buf *sql)
{
    buf_text(sql, c->sql);
    if (c->argument)
        append_quoted(sql, o->argument[1]);
    if (o->force)
        buf_text(sql, " FORCE");
    if (o->why) {
        buf_text(sql, " BECAUSE");
        append_quoted(sql, o->why);
    }
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
        return "--tls-ca names the CA of the listener's certificate, --host a name that stands in it";
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

static enum xactl_exit run(const struct command *c, const struct xactl_options *o, struct admin_client *client)
{
    struct buf sql = {0}, error = {0};
    struct rows rows = {0};
    compose(c, o, &sql);
    enum admin_client_status status = admin_client_run(client, buf_cstr(&sql), &rows, &error);
    enum xactl_exit code = XACTL_OK;
    if (status == ADMIN_CLIENT_LOST) {
        complain_of_connection(o, client, &error);
        code = XACTL_NO_CONNECTION;
    } else if (status == ADMIN_CLIENT_REFUSED) {
        fprintf(stderr, "xactl: %s: %s\n", c->name, buf_cstr(&error));
        code = XACTL_REFUSED;
    } else {
        print_answer(o, &rows);
        if (o->exit_code && rows_count(&rows))
            code = XACTL_IN_DOUBT;
    }
    rows_fini(&rows);
    buf_fini(&sql);
    buf_fini(&error);
    return code;
}

static enum xactl_exit connect_and_run(const struct command *c, const struct xactl_options *o)
{
    struct buf error = {0};
    enum admin_client_status status;
    enum xactl_exit code = XACTL_NO_CONNECTION;
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
    enum xactl_exit code = connect_and_run(c, &o);
    if (fflush(stdout) != 0) {
        perror("xactl: standard output");
        return XACTL_USAGE;
    }
    return (int)code;
}
