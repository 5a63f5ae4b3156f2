/* One row an option; the same names on the command line and in the file. */
#include "tools/xactl_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define DEFAULT_SOCKET "/run/xaproxy/admin.sock"
#define DEFAULT_HOST "127.0.0.1"
#define DEFAULT_PORT 6034
#define DEFAULT_TIMEOUT_S 30
#define DEFAULT_USER "root"

enum option_kind { TEXT, NUMBER, FLAG };
#define FIELD(name) offsetof(struct xactl_options, name)

static const struct option_row {
    const char *name, *argument, *help; /* help NULL: another name of the row before */
    enum option_kind kind;
    bool in_file;
    size_t field;
} option_rows[] = {
    {"host", "NAME", "the admin listener's address", TEXT, true, FIELD(connect.host)},
    {"port", "N", "its port (6034)", NUMBER, true, FIELD(connect.port)},
    {"socket", "PATH", "its local socket (" DEFAULT_SOCKET ", if there and no host is given)", TEXT, true,
     FIELD(connect.socket)},
    {"user", "NAME", "an [admin NAME] of the configuration (root)", TEXT, true, FIELD(connect.user)},
    {"password-file", "FILE", "its first line; else XACTL_PASSWORD, MYSQL_PWD, the terminal", TEXT, true,
     FIELD(password_file)},
    {"tls-ca", "FILE", "who may vouch for the listener's certificate; the system's CAs otherwise", TEXT, true,
     FIELD(connect.tls_ca)},
    {"ca", "FILE", NULL, TEXT, false, FIELD(connect.tls_ca)},
    {"tls-cert", "FILE", "our certificate, where the listener asks for one", TEXT, true, FIELD(connect.tls_cert)},
    {"tls-key", "FILE", "and its key", TEXT, true, FIELD(connect.tls_key)},
    {"tls-skip-verify", NULL, "encrypt without knowing to whom: for trials only", FLAG, true,
     FIELD(connect.tls_skip_verify)},
    {"timeout", "SECONDS", "for connecting, and for each answer (30)", NUMBER, true, FIELD(connect.timeout_s)},
    {"format", "FORMAT", "table, json or tsv", TEXT, true, FIELD(format_name)},
    {"config", "FILE", "options, a line each, name = value (~/.xactl.cnf)", TEXT, false, FIELD(config_file)},
    {"force", NULL, "commit, rollback: even against the log", FLAG, false, FIELD(force)},
    {"why", "TEXT", "commit, rollback, dismiss-action: kept with the verdict", TEXT, false, FIELD(why)},
    {"body", "TEXT", "edit-action: the new statement or command", TEXT, false, FIELD(body)},
    {"exit-code", NULL, "in-doubt: exit with 4 when there are any", FLAG, false, FIELD(exit_code)},
    {"repair", NULL, "reconcile: settle at once what is certain, and wait for it", FLAG, false, FIELD(repair)},
    {"help", NULL, "this text", FLAG, false, FIELD(help)},
    {"version", NULL, "versions of xactl and of the MySQL library", FLAG, false, FIELD(version)},
};
#define N_OPTIONS (sizeof option_rows / sizeof *option_rows)

void xactl_usage(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("xactl: ", stderr);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputs("\nxactl --help says what there is\n", stderr);
    exit(XACTL_USAGE);
}

static void *field_of(struct xactl_options *o, const struct option_row *row)
{
    return (char *)o + row->field;
}

static unsigned read_number(const char *text, const char *where, const char *name)
{
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (errno || *end || number < 1 || number > 65535)
        xactl_usage("%s%s wants a number from 1 to 65535, not %s", where, name, text);
    return (unsigned)number;
}

static void assign(struct xactl_options *o, const struct option_row *row, const char *text, const char *where)
{
    if (row->kind == TEXT)
        *(const char **)field_of(o, row) = text;
    else if (row->kind == NUMBER)
        *(unsigned *)field_of(o, row) = read_number(text, where, row->name);
    else
        *(bool *)field_of(o, row) = true;
}

static bool is_set(struct xactl_options *o, const struct option_row *row)
{
    if (row->kind == TEXT)
        return *(const char **)field_of(o, row) != NULL;
    return row->kind == NUMBER ? *(unsigned *)field_of(o, row) != 0 : *(bool *)field_of(o, row);
}

static void read_command_line(struct xactl_options *o, int argc, char **argv)
{
    struct option options[N_OPTIONS + 1] = {{NULL, 0, NULL, 0}};
    for (size_t i = 0; i < N_OPTIONS; i++)
        options[i] = (struct option){option_rows[i].name, option_rows[i].argument ? required_argument : no_argument,
                                     NULL, (int)i + 256};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c < 256) { /* getopt has said why */
            fputs("xactl --help says what there is\n", stderr);
            exit(XACTL_USAGE);
        }
        assign(o, &option_rows[c - 256], optarg, "--");
    }
    o->argument = argv + optind;
    o->n_arguments = argc - optind;
}

static char *trim(char *text)
{
    text += strspn(text, " \t");
    size_t len = strlen(text);
    while (len && strchr(" \t\r\n", text[len - 1]))
        text[--len] = '\0';
    return text;
}

/* name = value; # and [section] lines are passed over. What the command line said stays. */
static void read_line(struct xactl_options *o, char *line, const char *where)
{
    char *name = trim(line), *equals = strchr(name, '=');
    if (!*name || *name == '#' || *name == '[')
        return;
    if (equals)
        *equals = '\0';
    const char *value = equals ? trim(equals + 1) : NULL;
    name = trim(name);
    for (size_t i = 0; i < N_OPTIONS; i++) {
        const struct option_row *row = &option_rows[i];
        if (!row->in_file || strcmp(row->name, name) != 0)
            continue;
        if ((value && *value) != (row->argument != NULL))
            xactl_usage("%s%s %s", where, name, row->argument ? "wants a value" : "wants no value");
        char *kept = value ? strdup(value) : NULL; /* for the life of the process, as argv */
        if (!is_set(o, row))
            assign(o, row, kept, where);
        return;
    }
    xactl_usage("%s%s is no option here", where, name);
}

static void read_file(struct xactl_options *o)
{
    char path[4096], line[1024], where[4096 + 32];
    const char *home = getenv("HOME");
    snprintf(path, sizeof path, "%s/.xactl.cnf", home ? home : "");
    const char *name = o->config_file ? o->config_file : path;
    FILE *f = fopen(name, "re");
    if (!f && (o->config_file || errno != ENOENT))
        xactl_usage("cannot read %s: %s", name, strerror(errno));
    for (unsigned number = 1; f && fgets(line, sizeof line, f); number++) {
        snprintf(where, sizeof where, "%s:%u: ", name, number);
        read_line(o, line, where);
    }
    if (f)
        fclose(f);
}

static void set_defaults(struct xactl_options *o)
{
    struct admin_client_options *c = &o->connect;
    if (c->host && c->socket)
        xactl_usage("either host or socket, not both");
    if (!c->host && !c->socket && !c->port && access(DEFAULT_SOCKET, F_OK) == 0)
        c->socket = DEFAULT_SOCKET;
    if (!c->host && !c->socket)
        c->host = DEFAULT_HOST;
    c->port = c->port ? c->port : DEFAULT_PORT;
    c->user = c->user ? c->user : DEFAULT_USER;
    c->timeout_s = c->timeout_s ? c->timeout_s : DEFAULT_TIMEOUT_S;
}

static void read_format(struct xactl_options *o)
{
    static const char *const names[] = {[ROWS_TABLE] = "table", [ROWS_JSON] = "json", [ROWS_TSV] = "tsv"};
    const char *name = o->format_name ? o->format_name : names[ROWS_TABLE];
    size_t i = 0;
    while (i < sizeof names / sizeof *names && strcmp(names[i], name) != 0)
        i++;
    if (i == sizeof names / sizeof *names)
        xactl_usage("format is table, json or tsv, not %s", name);
    o->format = (enum rows_format)i;
}

void xactl_options_read(struct xactl_options *o, int argc, char **argv)
{
    *o = (struct xactl_options){.format = ROWS_TABLE};
    read_command_line(o, argc, argv);
    if (o->help || o->version)
        return;
    read_file(o);
    read_format(o);
    set_defaults(o);
}

static char *first_line(FILE *f)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t len = getline(&line, &cap, f);
    if (len < 0) {
        free(line);
        return NULL;
    }
    line[strcspn(line, "\r\n")] = '\0';
    return line;
}

static const char *password_of_file(const char *name)
{
    struct stat st;
    FILE *f = fopen(name, "re");
    if (!f)
        xactl_usage("cannot read the password file %s: %s", name, strerror(errno));
    if (fstat(fileno(f), &st) == 0 && st.st_mode & (S_IRWXG | S_IRWXO))
        fprintf(stderr, "xactl: others may read %s: chmod 600 it\n", name);
    const char *password = first_line(f);
    if (!password)
        xactl_usage("the password file %s is empty", name);
    fclose(f);
    return password;
}

static const char *password_of_terminal(const char *user)
{
    struct termios shown, hidden;
    FILE *tty = fopen("/dev/tty", "r+e");
    if (!tty || tcgetattr(fileno(tty), &shown) != 0)
        xactl_usage("no password: set XACTL_PASSWORD, or give --password-file");
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    fprintf(tty, "Password of %s: ", user);
    fflush(tty);
    tcsetattr(fileno(tty), TCSAFLUSH, &hidden);
    const char *password = first_line(tty);
    tcsetattr(fileno(tty), TCSAFLUSH, &shown);
    fputs("\n", tty);
    fclose(tty);
    return password ? password : "";
}

void xactl_options_password(struct xactl_options *o)
{
    const char *own = getenv("XACTL_PASSWORD"), *usual = getenv("MYSQL_PWD");
    if (o->password_file)
        o->connect.password = password_of_file(o->password_file);
    else if (own || usual)
        o->connect.password = own ? own : usual;
    else
        o->connect.password = password_of_terminal(o->connect.user);
}

void xactl_options_help(void)
{
    for (size_t i = 0; i < N_OPTIONS; i++) {
        const struct option_row *row = &option_rows[i];
        if (row->help)
            printf("  --%s%s%s%*s%s\n", row->name, row->argument ? " " : "", row->argument ? row->argument : "",
                   24 - (int)strlen(row->name) - (row->argument ? (int)strlen(row->argument) + 1 : 0), "", row->help);
    }
}
