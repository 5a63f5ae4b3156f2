/* The daemon from its command line to its last log line. Leaves each job to its own folder. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <termios.h>
#include <unistd.h>

#include "base/log.h"
#include "proxy/backend/pool.h"
#include "proxy/config/config.h"
#include "proxy/daemon.h"
#include "proxy/redis/resource.h"
#include "proxy/session/rights.h"
#include "proxy/wire/auth.h"

static const char usage[] =
    "Usage: xaproxy --config FILE\n"
    "       xaproxy --check FILE\n"
    "       xaproxy --make-verifier < PASSWORD\n"
    "\n"
    "One transaction out of several MySQL or MariaDB servers and Redis, for any MySQL client.\n"
    "\n"
    "  -c, --config FILE     run with this configuration, in the foreground\n"
    "      --check FILE      say what is wrong with a configuration and the files that it names; exit code 0 or 1\n"
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
    struct buf complaints = {0};
    if (config && !rights_check(config, path, &complaints)) {
        fputs(buf_cstr(&complaints), stderr);
        config_free(config);
        config = NULL;
    }
    buf_fini(&complaints);
    return config;
}

/* Whether what one section needs for TLS, if anything, is there and fits together. */
static bool tls_fits(const char *path, const char *kind, const char *name, struct net_tls *tls, const char *why)
{
    if (!tls && *why)
        fprintf(stderr, "%s: [%s %s]: %s\n", path, kind, name, why);
    bool fits = tls || !*why;
    if (tls)
        net_tls_free(tls);
    return fits;
}

static bool check_tls(const char *path, const struct config *config)
{
    bool good = true;
    char why[512];
    for (const struct config_listener *l = config->listeners; l < config->listeners + config->n_listeners; l++)
        good &= tls_fits(path, "listener", l->name, daemon_listener_tls(l, why, sizeof why), why);
    for (const struct config_backend *b = config->backends; b < config->backends + config->n_backends; b++)
        good &= tls_fits(path, "backend", b->name, backend_tls_new(b, why, sizeof why), why);
    for (const struct config_redis *r = config->redis; r < config->redis + config->n_redis; r++)
        good &= tls_fits(path, "redis", r->name, redis_tls_new(r, why, sizeof why), why);
    return good;
}

static int check_config(const char *path)
{
    struct config *config = load(path);
    if (!config)
        return 1;
    if (!check_tls(path, config)) {
        config_free(config);
        return 1;
    }
    printf("%s: good: %zu listeners, %zu users, %zu backends, %zu Redis resources\n", path, config->n_listeners, config->n_users,
           config->n_backends, config->n_redis);
    config_free(config);
    return 0;
}

/* A line of standard input; from a terminal it is not shown. */
static bool read_password(char *password, int size)
{
    struct termios shown;
    bool terminal = isatty(STDIN_FILENO) && !tcgetattr(STDIN_FILENO, &shown);
    if (terminal) {
        struct termios hidden = shown;
        hidden.c_lflag &= ~(tcflag_t)ECHO;
        fputs("Password: ", stderr);
        tcsetattr(STDIN_FILENO, TCSANOW, &hidden);
    }
    bool read = fgets(password, size, stdin);
    if (terminal) {
        tcsetattr(STDIN_FILENO, TCSANOW, &shown);
        fputs("\n", stderr);
    }
    return read;
}

static int make_verifier(void)
{
    char password[1024], crypt_text[128], native[64], ed25519[WIRE_ED25519_TEXT + 1];
    if (!read_password(password, sizeof password)) {
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

/* A shell or a container gives little at first (1024), and leave to take the rest. */
static void take_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit))
        log_warn("descriptors_few", "why=\"%s\"", strerror(errno));
}

static int run(const char *path)
{
    daemon_hold_signals();
    struct config *config = load(path);
    if (!config)
        return 2;
    prctl(PR_SET_DUMPABLE, 0); /* secrets are in memory: no core, no tracing by others */
    signal(SIGPIPE, SIG_IGN);
    take_descriptors();
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
    const char *section = NULL, *config = NULL, *to_check = NULL;
    for (int c; (c = getopt_long(argc, argv, "c:hV", options, NULL)) != -1;) {
        switch (c) {
        case 'c':
            config = optarg;
            break;
        case OPT_CHECK:
            to_check = optarg;
            break;
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
    if (!config == !to_check || optind != argc) {
        fputs(usage, stderr);
        return 2;
    }
    return to_check ? check_config(to_check) : run(config);
}
