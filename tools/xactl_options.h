/* What xactl was told: command line, then ~/.xactl.cnf, then defaults; and the password. Leaves what it means to
 * xactl.c. */
#ifndef TOOLS_XACTL_OPTIONS_H
#define TOOLS_XACTL_OPTIONS_H

#include "tools/admin_client.h"

enum xactl_exit { XACTL_OK = 0, XACTL_REFUSED = 1, XACTL_USAGE = 2, XACTL_NO_CONNECTION = 3, XACTL_IN_DOUBT = 4 };

struct xactl_options {
    struct admin_client_options connect;
    const char *password_file, *config_file;
    const char *format_name; /* as said; `format` is what it means */
    enum rows_format format;
    const char *why, *body;
    bool force, exit_code, repair, help, version;
    char **argument; /* the command and what follows it */
    int n_arguments;
};

/* Reads all of it; exits with XACTL_USAGE and a message when something makes no sense. Texts live as long as argv. */
void xactl_options_read(struct xactl_options *o, int argc, char **argv);
/* From --password-file, XACTL_PASSWORD, MYSQL_PWD or the terminal, into o->connect. Exits likewise. */
void xactl_options_password(struct xactl_options *o);
void xactl_options_help(void); /* the lines of the options, to standard output */

_Noreturn void xactl_usage(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
