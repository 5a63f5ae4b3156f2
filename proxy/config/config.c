/* From a file to a checked struct config: reads the text, has it cut, fills the structs row by row, has them checked.
 * Answers what everybody asks of it afterwards. */
#include "proxy/config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "proxy/config/table.h"

enum { FILE_MAX_BYTES = 4 << 20 };

/* --- filling --- */

static void *add_object(struct config *c, enum config_kind kind, size_t *index)
{
    const struct config_section *s = &config_sections[kind];
    char *array;
    size_t n = config_count(c, kind);
    memcpy(&array, (char *)c + s->array, sizeof array);
    array = realloc(array, (n + 1) * s->size);
    CHECK(array);
    memset(array + n * s->size, 0, s->size);
    memcpy((char *)c + s->array, &array, sizeof array);
    *index = n++;
    memcpy((char *)c + s->count, &n, sizeof n);
    return config_object(c, kind, *index);
}

static char *copy_of(const char *text)
{
    char *copy = strdup(text);
    CHECK(copy);
    return copy;
}

/* Of a section whose name is USER@PLACE. */
static char **second_name(void *object, enum config_kind kind)
{
    return kind == CONFIG_KIND_account ? &((struct config_account *)object)->backend : &((struct config_grant *)object)->redis;
}

static void set_name(void *object, const struct config_part *p)
{
    char *name = strdup(p->name), *at;
    CHECK(name);
    *(char **)((char *)object + config_sections[p->kind].name) = name;
    if (p->kind == CONFIG_KIND_admin)
        ((struct config_user *)object)->admin = true;
    if (!config_kind_is_pair(p->kind))
        return;
    at = strrchr(name, '@');
    *second_name(object, p->kind) = copy_of(at ? at + 1 : ""); /* without @ it was complained of */
    if (at)
        *at = '\0';
}

static const struct config_item *item_for_field(const struct config_part *p, const struct config_option *o)
{
    for (size_t n = 0; n < p->n_items; n++)
        if (p->items[n].option->offset == o->offset)
            return &p->items[n];
    return NULL;
}

static void fill_defaults(struct config_source *s, const struct config_part *p, void *object)
{
    char why[300];
    CONFIG_FOR_OPTION(o, p->kind) {
        if (!o->default_text || item_for_field(p, o))
            continue;
        if (o->default_text == config_required)
            config_complain(s, p->line, "[%s%s%s] needs \"%s\": %s", config_sections[p->kind].word, *p->name ? " " : "",
                            p->name, o->name, o->help);
        else
            CHECK(config_value_read(o, o->default_text, s->folder, object, why, sizeof why));
    }
}

static void fill_items(struct config_source *s, const struct config_part *p, void *object)
{
    char why[512];
    for (size_t n = 0; n < p->n_items; n++) {
        const struct config_item *item = &p->items[n];
        if (!config_value_read(item->option, item->value, s->folder, object, why, sizeof why))
            config_complain(s, item->line, "\"%s\": %s", item->option->name, why);
    }
}

static void fill_part(struct config_source *s, struct config *c, struct config_part *p)
{
    void *object = c;
    p->index = 0;
    if (p->kind != CONFIG_KIND_proxy) {
        object = add_object(c, p->kind, &p->index);
        set_name(object, p);
    }
    fill_defaults(s, p, object);
    fill_items(s, p, object);
}

static bool given(const struct config_source *s, enum config_kind kind, size_t index, const char *option)
{
    const struct config_part *p = config_source_part(s, kind, index);
    return p && config_part_item(p, option);
}

/* Defaults that depend on other values. */
static void derive(const struct config_source *s, struct config *c)
{
    if (!c->workers)
        c->workers = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (c->workers < 1)
        c->workers = 1;
    for (size_t n = 0; n < c->n_listeners; n++)
        if (*c->listeners[n].address == '/' && !given(s, CONFIG_KIND_listener, n, "tls_required"))
            c->listeners[n].tls_required = false;
    for (size_t n = 0; n < c->n_accounts; n++)
        if (!c->accounts[n].backend_user)
            c->accounts[n].backend_user = copy_of(c->accounts[n].user);
    for (size_t n = 0; n < c->n_redis; n++)
        c->redis[n].tls_said = given(s, CONFIG_KIND_redis, n, "tls");
    for (size_t n = 0; n < c->n_backends; n++) {
        struct config_backend *b = &c->backends[n];
        if (*b->address == '/' && !given(s, CONFIG_KIND_backend, n, "tls"))
            b->tls = false;
        if (!b->tls_name)
            b->tls_name = copy_of(b->address);
    }
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return copy_of(".");
    char *folder = strndup(path, slash == path ? 1 : (size_t)(slash - path));
    CHECK(folder);
    return folder;
}

static bool has_proxy_part(const struct config_source *s)
{
    return config_source_part(s, CONFIG_KIND_proxy, 0);
}

static void fill(struct config_source *s, struct config *c)
{
    for (size_t n = 0; n < s->n_parts; n++)
        fill_part(s, c, &s->parts[n]);
    if (!has_proxy_part(s))
        config_complain(s, 1, "there is no [proxy] section");
    if (s->n_complaints)
        return; /* what follows takes every value for granted */
    derive(s, c);
    config_check(s, c);
}

static bool holds_secrets(const struct config_source *s)
{
    for (size_t n = 0; n < s->n_parts; n++)
        for (size_t m = 0; m < s->parts[n].n_items; m++)
            if (s->parts[n].items[m].option->type == CONFIG_TYPE_SECRET && *s->parts[n].items[m].value)
                return true;
    return false;
}

/* `secrets`, where not NULL: do passwords stand in the text itself? */
static struct config *build(const char *path, const void *text, size_t n, char **errors, bool *secrets)
{
    struct config_source s = {.path = path, .folder = folder_of(path)};
    struct config *c = calloc(1, sizeof *c);
    CHECK(c);
    config_source_read(&s, text, n);
    fill(&s, c);
    *errors = NULL;
    if (s.n_complaints) {
        *errors = copy_of(buf_cstr(&s.complaints));
        config_free(c);
        c = NULL;
    }
    if (secrets)
        *secrets = holds_secrets(&s);
    config_source_fini(&s);
    return c;
}

struct config *config_parse(const char *path, const void *text, size_t n, char **errors)
{
    return build(path, text, n, errors, NULL);
}

/* --- the file --- */

static void *read_file(const char *path, size_t *n, struct stat *st, char **errors)
{
    char *text = NULL;
    ssize_t got = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    const char *why = NULL;
    if (fd < 0 || fstat(fd, st) < 0)
        why = strerror(errno);
    else if (!S_ISREG(st->st_mode))
        why = "not a regular file";
    else if (st->st_size > FILE_MAX_BYTES)
        why = "larger than 4 MiB";
    if (!why) {
        text = malloc((size_t)st->st_size + 1);
        CHECK(text);
        got = read(fd, text, (size_t)st->st_size);
        if (got < 0)
            why = strerror(errno);
    }
    if (fd >= 0)
        close(fd);
    if (!why) {
        *n = (size_t)got;
        return text;
    }
    free(text);
    CHECK(asprintf(errors, "%s:0: cannot be read: %s\n", path, why) >= 0);
    return NULL;
}

struct config *config_load(const char *path, char **errors)
{
    struct stat st;
    size_t n;
    char *text = read_file(path, &n, &st, errors);
    if (!text)
        return NULL;
    bool secrets;
    struct config *c = build(path, text, n, errors, &secrets);
    explicit_bzero(text, n);
    free(text);
    if (c && st.st_mode & S_IROTH && secrets)
        log_warn("config_secret_open",
                 "file=%s why=\"it holds passwords and everybody can read it\" remedy=\"chmod 640\"", path);
    return c;
}

void config_free(struct config *c)
{
    if (!c)
        return;
    for (enum config_kind kind = CONFIG_KINDS; kind-- > 0;) {
        for (size_t n = 0; n < config_count(c, kind); n++) {
            void *object = config_object(c, kind, n);
            if (!config_is_kind(c, kind, n))
                continue;
            CONFIG_FOR_OPTION(o, kind)
                config_value_free(o, object);
            if (kind != CONFIG_KIND_proxy)
                free(*(char **)((char *)object + config_sections[kind].name));
            if (config_kind_is_pair(kind))
                free(*second_name(object, kind));
        }
    }
    free(c->listeners);
    free(c->users);
    free(c->accounts);
    free(c->backends);
    free(c->redis);
    free(c->grants);
    free(c);
}

/* --- questions --- */

const struct config_user *config_user(const struct config *c, const char *name, size_t len, bool admin)
{
    for (size_t n = 0; n < c->n_users; n++)
        if (c->users[n].admin == admin && strlen(c->users[n].name) == len && !memcmp(c->users[n].name, name, len))
            return &c->users[n];
    return NULL;
}

const struct config_account *config_account(const struct config *c, const char *user, const char *backend)
{
    const struct config_account *anyone = NULL;
    for (size_t n = 0; n < c->n_accounts; n++) {
        const struct config_account *a = &c->accounts[n];
        if (strcmp(a->backend, backend))
            continue;
        if (!strcmp(a->user, user))
            return a;
        if (!strcmp(a->user, "*"))
            anyone = a;
    }
    return anyone;
}

const struct config_grant *config_grant(const struct config *c, const char *user, const char *redis)
{
    const struct config_grant *anyone = NULL;
    for (size_t n = 0; n < c->n_grants; n++) {
        const struct config_grant *g = &c->grants[n];
        if (strcasecmp(g->redis, redis))
            continue;
        if (!strcmp(g->user, user))
            return g;
        if (!strcmp(g->user, "*"))
            anyone = g;
    }
    return anyone;
}

bool config_lists(char *const *words, const char *word)
{
    for (; words && *words; words++)
        if (!strcmp(*words, word))
            return true;
    return false;
}

static int backend_that_lists(const struct config *c, const char *schema)
{
    for (size_t n = 0; n < c->n_backends; n++)
        if (config_lists(c->backends[n].schemas, schema))
            return (int)n;
    return -1;
}

int config_backend_of_schema(const struct config *c, const char *schema)
{
    int backend = backend_that_lists(c, schema);
    return backend >= 0 ? backend : backend_that_lists(c, "*");
}

int config_default_backend(const struct config *c)
{
    for (size_t n = 0; n < c->n_backends; n++)
        if (c->backends[n].is_default)
            return (int)n;
    int backend = backend_that_lists(c, "*");
    return backend >= 0 ? backend : 0;
}

int config_backend(const struct config *c, const char *name)
{
    for (size_t n = 0; n < c->n_backends; n++)
        if (!strcmp(c->backends[n].name, name))
            return (int)n;
    return -1;
}

int config_redis(const struct config *c, const char *name)
{
    for (size_t n = 0; n < c->n_redis; n++)
        if (!strcasecmp(c->redis[n].name, name))
            return (int)n;
    return -1;
}
