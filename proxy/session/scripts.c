/* A table of texts by digest, in lists by the digest's first two digits and in one list by last use. */
#include "proxy/session/scripts.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/list.h"
#include "proxy/wire/auth.h"

#define N_LISTS 256

struct script {
    struct list same; /* digests that begin alike */
    struct list used; /* the one used last at the end */
    char digest[WIRE_SHA1_TEXT];
    size_t len;
    uint8_t text[];
};
struct scripts {
    pthread_mutex_t lock;
    size_t bytes, max_bytes;
    struct list used;
    struct list lists[N_LISTS];
};

struct scripts *scripts_new(size_t max_bytes)
{
    struct scripts *c = calloc(1, sizeof *c);
    CHECK(c);
    pthread_mutex_init(&c->lock, NULL);
    c->max_bytes = max_bytes;
    list_init(&c->used);
    for (size_t i = 0; i < N_LISTS; i++)
        list_init(&c->lists[i]);
    return c;
}

static size_t size_of(size_t len)
{
    return sizeof(struct script) + len;
}

static void forget(struct scripts *c, struct script *one)
{
    c->bytes -= size_of(one->len);
    list_remove(&one->same);
    list_remove(&one->used);
    free(one);
}

static void make_room(struct scripts *c, size_t bytes)
{
    struct list *oldest;
    while (c->bytes + bytes > c->max_bytes && (oldest = list_first(&c->used)))
        forget(c, CONTAINER_OF(oldest, struct script, used));
}

void scripts_free(struct scripts *c)
{
    make_room(c, c->max_bytes + 1);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

void scripts_forget(struct scripts *c)
{
    pthread_mutex_lock(&c->lock);
    make_room(c, c->max_bytes + 1);
    pthread_mutex_unlock(&c->lock);
}

static unsigned digit(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static struct list *list_of(struct scripts *c, const char *digest)
{
    return &c->lists[16 * digit(digest[0]) + digit(digest[1])];
}

/* Found is used. */
static struct script *find(struct scripts *c, const char *digest)
{
    struct list *same = list_of(c, digest);
    LIST_FOR (it, same) {
        struct script *one = CONTAINER_OF(it, struct script, same);
        if (!strcmp(one->digest, digest)) {
            list_remove(&one->used);
            list_push_back(&c->used, &one->used);
            return one;
        }
    }
    return NULL;
}

static void add(struct scripts *c, struct slice text, const char *digest)
{
    struct script *one = malloc(size_of(text.len));
    CHECK(one);
    make_room(c, size_of(text.len));
    one->len = text.len;
    memcpy(one->text, text.at, text.len);
    memcpy(one->digest, digest, sizeof one->digest);
    list_push_back(&c->used, &one->used);
    list_push_back(list_of(c, digest), &one->same);
    c->bytes += size_of(text.len);
}

void scripts_note(struct scripts *c, struct slice text)
{
    char digest[WIRE_SHA1_TEXT];
    if (size_of(text.len) > c->max_bytes)
        return;
    wire_sha1_text(text, digest);
    pthread_mutex_lock(&c->lock);
    if (!find(c, digest))
        add(c, text, digest);
    pthread_mutex_unlock(&c->lock);
}

static bool read_digest(struct slice text, char out[WIRE_SHA1_TEXT])
{
    if (text.len != WIRE_SHA1_TEXT - 1)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = (char)text.at[i];
        out[i] = c >= 'A' && c <= 'F' ? (char)(c - 'A' + 'a') : c;
        if (!((out[i] >= '0' && out[i] <= '9') || (out[i] >= 'a' && out[i] <= 'f')))
            return false;
    }
    out[text.len] = '\0';
    return true;
}

bool scripts_find(struct scripts *c, struct slice digest, struct buf *out)
{
    char name[WIRE_SHA1_TEXT];
    if (!read_digest(digest, name))
        return false;
    pthread_mutex_lock(&c->lock);
    const struct script *one = find(c, name);
    if (one && out)
        buf_append(out, one->text, one->len);
    pthread_mutex_unlock(&c->lock);
    return one;
}
