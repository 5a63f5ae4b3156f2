/* The daemon from its command line to its last log line. Leaves each job to its own folder. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"
#include "proxy/config/config.h"
#include "proxy/daemon.h"
#include "proxy/wire/auth.h"

static const char usage[] =
    "Usage: xaproxy --config FILE\n"
    "       xaproxy --check FILE\n"
    "       xaproxy --make-verifier < PASSWORD\n"
    "\n"
    "One transaction out of several MySQL or MariaDB servers and Redis, for any MySQL client.\n"
    "\n"
    "  -c, --config FILE     run with this configuration, in the foreground\n"
    "      --check FILE      say what is wrong with a configuration, or nothing; exit code 0 or 1\n"
    "      --make-verifier   read a password from standard input, print what [user] and [admin] sections need\n"
    "      --options         print every option of the configuration with its default\n"
    "  -h, --help            this text\n"
    "  -V, --version         the version\n"
    "\n"
    "Signals: TERM and INT drain and end (twice: at once), HUP reopens the log file and reads the certificates again.\n"
    "See xaproxy(8), xaproxy.conf(5), xactl(1).\n";

/* What is wrong with it goes to standard error. */
static struct config *load(const char *path)
{
    char *errors = NULL;
    struct config *config = config_load(path, &errors);
    if (errors)
        fputs(errors, stderr);
    free(errors);
    return config;
}

static int check_config(const char *path)
{
    struct config *config = load(path);
    if (!config)
        return 1;
    printf("%s: good: %zu listeners, %zu users, %zu backends, %zu Redis resources\n", path, config->n_listeners, config->n_users,
           config->n_backends, config->n_redis);
    config_free(config);
    return 0;
}

static int make_verifier(void)
{
    char password[1024], crypt_text[128], native[64], ed25519[WIRE_ED25519_TEXT + 1];
    if (isatty(STDIN_FILENO))
        fputs("Password: ", stderr);
    if (!fgets(password, sizeof password, stdin)) {
        fputs("xaproxy: no password on standard input\n", stderr);
        return 2;
    }
    password[strcspn(password, "\r\n")] = '\0';
    bool made = wire_verifier_make(password, crypt_text, native);
    wire_verifier_ed25519_make(password, ed25519);
    wire_wipe(password, sizeof password);
    if (!made) {
        fputs("xaproxy: the password is empty or too long\n", stderr);
        return 2;
    }
    printf("password_verifier = %s\nnative_verifier = %s\ned25519_verifier = %s\n", crypt_text, native, ed25519);
    return 0;
}

static void print_option(void *arg, const char *section, const char *option, const char *type, const char *default_text,
                         const char *help)
{
    const char **last = arg;
    if (!*last || strcmp(*last, section))
        printf("%s[%s]\n", *last ? "\n" : "", section);
    *last = section;
    printf("  %-22s %-10s %s%s\n", option, type, help, "");
    if (default_text && *default_text)
        printf("  %-22s %-10s default: %s\n", "", "", default_text);
}

static int run(const char *path)
{
    struct config *config = load(path);
    if (!config)
        return 2;
    prctl(PR_SET_DUMPABLE, 0); /* secrets are in memory: no core, no tracing by others */
    signal(SIGPIPE, SIG_IGN);
    int status = daemon_run(config);
    config_free(config);
    return status;
}

int main(int argc, char **argv)
{
    enum { OPT_CHECK = 256, OPT_VERIFIER, OPT_OPTIONS };
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},   {"check", required_argument, NULL, OPT_CHECK},
        {"make-verifier", no_argument, NULL, OPT_VERIFIER}, {"options", no_argument, NULL, OPT_OPTIONS},
        {"help", no_argument, NULL, 'h'},           {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    const char *section = NULL, *config = NULL;
    for (int c; (c = getopt_long(argc, argv, "c:hV", options, NULL)) != -1;) {
        switch (c) {
        case 'c':
            config = optarg;
            break;
        case OPT_CHECK:
            return check_config(optarg);
        case OPT_VERIFIER:
            return make_verifier();
        case OPT_OPTIONS:
            config_each_option(print_option, &section);
            return 0;
        case 'h':
            fputs(usage, stdout);
            return 0;
        case 'V':
            puts(PACKAGE_STRING);
            return 0;
        default:
            fputs("Try 'xaproxy --help'.\n", stderr);
            return 2;
        }
    }
    if (!config || optind != argc) {
        fputs(usage, stderr);
        return 2;
    }
    return run(config);
}
