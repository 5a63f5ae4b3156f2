/* Configuration from files, with passwords in files of their own; what --help and SHOW say of it; the sample that is shipped. */
#include "tests/unit/config_side.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

/* --- files --- */

static char folder[] = "/tmp/test_config.XXXXXX";

static char *in_folder(const char *name)
{
    static char paths[4][200];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static char *put(const char *name, const char *text, mode_t mode)
{
    char *path = in_folder(name);
    FILE *f = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(text, f);
    fclose(f);
    chmod(path, mode);
    return path;
}

static struct config *load(const char *path)
{
    free(errors);
    errors = NULL;
    return config_load(path, &errors);
}

/* Log lines that the load wrote. */
static char warnings[4000];
static struct config *load_and_listen(const char *path)
{
    FILE *log = tmpfile();
    CU_ASSERT_PTR_NOT_NULL_FATAL(log);
    int old = dup(STDERR_FILENO);
    dup2(fileno(log), STDERR_FILENO);
    struct config *c = load(path);
    dup2(old, STDERR_FILENO);
    close(old);
    rewind(log);
    warnings[fread(warnings, 1, sizeof warnings - 1, log)] = '\0';
    fclose(log);
    return c;
}

static void passwords_may_stand_in_files_of_their_own(void)
{
    put("app.password", "s3cret with blanks \nsecond line\n", 0600);
    put("r.password", "r", 0640);
    char *path = put("x.conf",
                     PROXY LISTENER USER BACKEND "resolver_password_file = r.password\n"
                                                 "[account app@one]\npassword_file = app.password\n",
                     0644);
    struct config *c = load(path);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    CU_ASSERT_STRING_EQUAL(c->accounts[0].password, "s3cret with blanks ");
    CU_ASSERT_STRING_EQUAL(c->backends[0].resolver_password, "r");
    config_free(c);
}

static void open_secrets_are_warned_of(void)
{
    put("open.password", "x\n", 0644);
    put("good.password", "x\n", 0600);
    char *path = put("x.conf", LEAST "[account app@one]\npassword_file = open.password\n", 0600);
    struct config *c = load_and_listen(path);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    CU_ASSERT_PTR_NOT_NULL(strstr(warnings, "open.password"));
    config_free(c);
    path = put("x.conf", LEAST "[account app@one]\npassword = x\n", 0644);
    config_free(load_and_listen(path));
    CU_ASSERT_PTR_NOT_NULL(strstr(warnings, "x.conf why=\"it holds passwords"));
    path = put("x.conf", LEAST "[account app@one]\npassword_file = good.password\n", 0644);
    config_free(load_and_listen(path));
    CU_ASSERT_STRING_EQUAL(warnings, "");
}

static void files_that_cannot_be_read_are_named(void)
{
    CU_ASSERT_PTR_NULL(load(in_folder("none.conf")));
    CU_ASSERT_PTR_NOT_NULL(strstr(errors, "none.conf:0: cannot be read: No such file or directory\n"));
    CU_ASSERT_PTR_NULL(load(folder));
    CU_ASSERT_PTR_NOT_NULL(strstr(errors, "not a regular file"));
    CU_ASSERT_EQUAL(mkfifo(in_folder("fifo"), 0600), 0);
    CU_ASSERT_PTR_NULL(load(in_folder("fifo")));
    char *path = put("x.conf", LEAST "[account app@one]\npassword_file = fifo\n", 0600);
    CU_ASSERT_PTR_NULL(load(path));
    CU_ASSERT_PTR_NOT_NULL(strstr(errors, "x.conf:13: \"password_file\": "));
    CU_ASSERT_PTR_NOT_NULL(strstr(errors, "fifo is not a regular file"));
    path = put("x.conf", LEAST "[account app@one]\npassword_file = none\n", 0600);
    CU_ASSERT_PTR_NULL(load(path));
    CU_ASSERT_PTR_NOT_NULL(strstr(errors, "none: No such file"));
}

/* --- the table, shown --- */

struct row {
    char section[20], option[40], type[200], default_text[40];
};
static struct row rows[200];
static size_t n_rows;
static void keep_row(void *arg, const char *section, const char *option, const char *type, const char *default_text,
                     const char *help)
{
    struct row *r = &rows[n_rows++];
    (void)arg;
    CU_ASSERT(n_rows < 200);
    CU_ASSERT(strlen(help) > 3);
    snprintf(r->section, sizeof r->section, "%s", section);
    snprintf(r->option, sizeof r->option, "%s", option);
    snprintf(r->type, sizeof r->type, "%s", type);
    snprintf(r->default_text, sizeof r->default_text, "%s", default_text);
}

static struct row *find_row(const char *section, const char *option)
{
    for (size_t n = 0; n < n_rows; n++)
        if (!strcmp(rows[n].section, section) && !strcmp(rows[n].option, option))
            return &rows[n];
    return NULL;
}

static void help_says_type_range_and_default(void)
{
    n_rows = 0;
    config_each_option(keep_row, NULL);
    CU_ASSERT(n_rows > 50);
    CU_ASSERT_STRING_EQUAL(find_row("backend", "port")->type, "number: port, 1 to 65535");
    CU_ASSERT_STRING_EQUAL(find_row("redis", "timeout")->type, "time, 10ms to 1h");
    CU_ASSERT_STRING_EQUAL(find_row("redis", "dirty")->type, "word: delta|skip|force");
    CU_ASSERT_STRING_EQUAL(find_row("backend", "port")->default_text, "3306");
    CU_ASSERT_STRING_EQUAL(find_row("proxy", "node")->default_text, "required");
    CU_ASSERT_STRING_EQUAL(find_row("account", "password")->default_text, "");
}

static struct buf shown;
static void show(void *arg, const char *section, const char *name, const char *option, const char *value)
{
    (void)arg;
    buf_printf(&shown, "%s|%s|%s=%s\n", section, name, option, value);
}

static void values_are_shown_and_secrets_are_not(void)
{
    struct config *c = must_parse(LEAST "[admin dba]\npassword_verifier = " HASH "\n"
                                        "[account app@one]\npassword = hush\n[redis r]\nlock_wait = 90s\n");
    buf_clear(&shown);
    config_each_value(c, show, NULL);
    const char *text = buf_cstr(&shown);
    static const char *const wanted[] = {
        "proxy||node=a1\n",
        "proxy||login_timeout=10s\n",
        "proxy||wal_max_size=1G\n",
        "proxy||max_packet=64M\n",
        "proxy||transaction_timeout=0\n",
        "proxy||log_file=\n",
        "backend|one|schemas=orders stock\n",
        "backend|one|tls=on\n",
        "account|app@one|user=app\n",
        "account|app@one|password=***\n",
        "backend|one|resolver_password=\n",
        "redis|r|durability=none\n",
        "redis|r|lock_wait=90s\n",
        "admin|dba|password_verifier=***\n",
        "user|app|password_verifier=***\n",
    };
    for (size_t n = 0; n < sizeof wanted / sizeof *wanted; n++) {
        if (!strstr(text, wanted[n]))
            fprintf(stderr, "not shown: %s", wanted[n]);
        CU_ASSERT_PTR_NOT_NULL(strstr(text, wanted[n]));
    }
    CU_ASSERT_PTR_NULL(strstr(text, "hush"));
    CU_ASSERT_PTR_NULL(strstr(text, "$5$"));
    CU_ASSERT_PTR_NULL(strstr(text, "user|dba"));
    config_free(c);
    buf_fini(&shown);
}

/* What is shown can be written into a file again and means the same. */
static void what_is_shown_reads_back(void)
{
    struct config *c = must_parse(LEAST "[redis r]\ndurability = wait\nlock_wait = 1234ms\nimage_max_size = 3000\n");
    buf_clear(&shown);
    config_each_value(c, show, NULL);
    config_free(c);
    struct buf again = {0};
    char section[50] = "", *rest, *text = strdup(buf_cstr(&shown));
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char head[50], *bar = strchr(strchr(line, '|') + 1, '|');
        snprintf(head, sizeof head, "%.*s", (int)(bar - line), line);
        *strchr(head, '|') = ' ';
        if (strcmp(head, section))
            buf_printf(&again, "[%s]\n", head);
        strcpy(section, head);
        const char *value = strstr(bar, "***") ? HASH : strchr(bar, '=') + 1;
        if (*value)
            buf_printf(&again, "%.*s = %s\n", (int)strcspn(bar + 1, "="), bar + 1, value);
    }
    free(text);
    struct buf first = shown;
    shown = (struct buf){0};
    c = must_parse(buf_cstr(&again));
    config_each_value(c, show, NULL);
    CU_ASSERT_STRING_EQUAL(buf_cstr(&first), buf_cstr(&shown));
    config_free(c);
    buf_fini(&again);
    buf_fini(&first);
    buf_fini(&shown);
}

/* --- the sample --- */

static char *sample_path(void)
{
    static char path[300];
    const char *source = getenv("srcdir");
    snprintf(path, sizeof path, "%s/proxy/config/xaproxy.conf.sample", source ? source : ".");
    return path;
}

static void the_sample_loads(void)
{
    struct config *c = load(sample_path());
    if (!c)
        fprintf(stderr, "%s", errors);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    CU_ASSERT_EQUAL(c->n_backends, 2);
    CU_ASSERT_EQUAL(c->n_redis, 1);
    config_free(c);
}

/* A commented line shows the default, word for word, where there is one; a line may also stand uncommented. */
static void the_sample_shows_every_option_with_its_default(void)
{
    static bool in_sample[200];
    char line[300], section[20] = "";
    FILE *f = fopen(sample_path(), "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    n_rows = 0;
    config_each_option(keep_row, NULL);
    while (fgets(line, sizeof line, f)) {
        char option[40], value[200];
        if (sscanf(line, "[%19[a-z]", section) == 1)
            continue;
        bool commented = sscanf(line, "# %39[a-z0-9_] = %199[^\n]", option, value) == 2;
        if (!commented && sscanf(line, "%39[a-z0-9_] = %199[^\n]", option, value) != 2)
            continue;
        struct row *r = find_row(section, option);
        if (!r)
            fprintf(stderr, "unknown in the sample: %s", line);
        CU_ASSERT_PTR_NOT_NULL_FATAL(r);
        in_sample[r - rows] = true;
        if (commented && *r->default_text)
            CU_ASSERT_STRING_EQUAL(value, r->default_text);
    }
    fclose(f);
    for (size_t n = 0; n < n_rows; n++) {
        if (!in_sample[n])
            fprintf(stderr, "not in the sample: [%s] %s\n", rows[n].section, rows[n].option);
        CU_ASSERT_TRUE(in_sample[n]);
    }
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"passwords may stand in files of their own", passwords_may_stand_in_files_of_their_own},
        {"open secrets are warned of", open_secrets_are_warned_of},
        {"files that cannot be read are named", files_that_cannot_be_read_are_named},
        {"help says type, range and default", help_says_type_range_and_default},
        {"values are shown, and secrets are not", values_are_shown_and_secrets_are_not},
        {"what is shown reads back", what_is_shown_reads_back},
        {"the sample loads", the_sample_loads},
        {"the sample shows every option with its default", the_sample_shows_every_option_with_its_default},
        {NULL, NULL},
    };
    char command[100];
    if (!mkdtemp(folder))
        return 99;
    int failed = unit_main("config files", tests);
    free(errors);
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command) ? 99 : failed;
}
