/* The table of callers: sets of a few entries each, found by a keyed hash, so that nobody can choose whom to push out. */
#include "proxy/session/callers.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

enum { SETS = 512, WAYS = 4, FREE_FAILURES = 5, FIRST_DELAY_MS = 100, FORGET_MS = 60000 };

struct caller {
    uint8_t address[16];
    unsigned waiting, clients, failures;
    int64_t failed_ms; /* the last time */
    uint64_t used;     /* in the order of use; 0 = never */
};

struct callers {
    pthread_mutex_t lock;
    unsigned most, most_clients;
    int max_delay_ms;
    uint64_t key, uses;
    struct caller sets[SETS][WAYS];
};

struct callers *callers_new(unsigned most, unsigned most_clients, int max_delay_ms)
{
    struct callers *c = calloc(1, sizeof *c);
    CHECK(c);
    pthread_mutex_init(&c->lock, NULL);
    c->most = most;
    c->most_clients = most_clients;
    c->max_delay_ms = max_delay_ms;
    random_bytes(&c->key, sizeof c->key);
    return c;
}

void callers_free(struct callers *c)
{
    pthread_mutex_destroy(&c->lock);
    free(c);
}

/* What is no address (a local socket) is all zeros. */
static void normalise(const char *text, uint8_t out[16])
{
    memset(out, 0, 16);
    if (inet_pton(AF_INET, text, out + 12) == 1)
        out[10] = out[11] = 0xff;
    else if (inet_pton(AF_INET6, text, out) == 1)
        memset(out + 8, 0, 8);
}

static struct caller *set_of(struct callers *c, const uint8_t address[16])
{
    uint64_t h = c->key;
    for (int i = 0; i < 16; i++)
        h = (h ^ address[i]) * UINT64_C(0x9e3779b97f4a7c15), h ^= h >> 29;
    return c->sets[h % SETS];
}

static struct caller *find(struct callers *c, const uint8_t address[16])
{
    struct caller *set = set_of(c, address);
    for (int i = 0; i < WAYS; i++)
        if (set[i].used && !memcmp(set[i].address, address, sizeof set[i].address))
            return &set[i];
    return NULL;
}

/* The one that was used longest ago among those that have nothing to give back; NULL: all have. */
static struct caller *replaceable(struct caller *set)
{
    struct caller *oldest = NULL;
    for (int i = 0; i < WAYS; i++)
        if (!set[i].waiting && !set[i].clients && (!oldest || set[i].used < oldest->used))
            oldest = &set[i];
    return oldest;
}

static struct caller *find_or_make(struct callers *c, const char *text)
{
    uint8_t address[16];
    normalise(text, address);
    struct caller *caller = find(c, address);
    if (!caller && (caller = replaceable(set_of(c, address)))) {
        *caller = (struct caller){0};
        memcpy(caller->address, address, sizeof caller->address);
    }
    if (caller)
        caller->used = ++c->uses;
    return caller;
}

bool callers_enter(struct callers *c, const char *address)
{
    pthread_mutex_lock(&c->lock);
    struct caller *caller = find_or_make(c, address);
    bool may = !caller || caller->waiting < c->most; /* without a place in the table the limit for all is what is left */
    if (caller && may)
        caller->waiting++;
    pthread_mutex_unlock(&c->lock);
    return may;
}

void callers_leave(struct callers *c, const char *text)
{
    uint8_t address[16];
    normalise(text, address);
    pthread_mutex_lock(&c->lock);
    struct caller *caller = find(c, address);
    if (caller && caller->waiting)
        caller->waiting--;
    pthread_mutex_unlock(&c->lock);
}

bool callers_stay(struct callers *c, const char *address)
{
    if (!c->most_clients)
        return true;
    pthread_mutex_lock(&c->lock);
    struct caller *caller = find_or_make(c, address);
    bool may = !caller || caller->clients < c->most_clients;
    if (caller && may)
        caller->clients++;
    pthread_mutex_unlock(&c->lock);
    return may;
}

void callers_gone(struct callers *c, const char *text)
{
    uint8_t address[16];
    normalise(text, address);
    pthread_mutex_lock(&c->lock);
    struct caller *caller = find(c, address);
    if (caller && caller->clients)
        caller->clients--;
    pthread_mutex_unlock(&c->lock);
}

static int delay_of(unsigned failures, int max_ms)
{
    if (failures <= FREE_FAILURES)
        return 0;
    unsigned doublings = failures - FREE_FAILURES - 1;
    int delay = FIRST_DELAY_MS << (doublings < 10 ? doublings : 10);
    return delay < max_ms ? delay : max_ms;
}

int callers_failed(struct callers *c, const char *address, int64_t now_ms)
{
    int delay = 0;
    pthread_mutex_lock(&c->lock);
    struct caller *caller = find_or_make(c, address);
    if (caller) {
        if (now_ms - caller->failed_ms > FORGET_MS)
            caller->failures = 0;
        caller->failed_ms = now_ms;
        if (caller->failures < FREE_FAILURES + 20)
            caller->failures++;
        delay = delay_of(caller->failures, c->max_delay_ms);
    }
    pthread_mutex_unlock(&c->lock);
    return delay;
}
