/* The table of configured servers and what people read about them. Leaves finding it out to the resolver. */
#include "proxy/backend/backend.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void backends_init(struct backends *b, const struct config *config)
{
    b->n = config->n_backends;
    b->at = calloc(b->n ? b->n : 1, sizeof *b->at);
    b->configured = config;
    b->barrier = calloc(config->n_accounts + 1, sizeof *b->barrier);
    CHECK(b->at && b->barrier);
    for (size_t i = 0; i < b->n; i++) {
        b->at[i].config = &config->backends[i];
        b->at[i].index = (unsigned)i;
        b->at[i].safety = BACKEND_UNKNOWN;
        pthread_mutex_init(&b->at[i].lock, NULL);
    }
}

void backends_fini(struct backends *b)
{
    for (size_t i = 0; i < b->n; i++)
        pthread_mutex_destroy(&b->at[i].lock);
    free(b->at);
    free(b->barrier);
    *b = (struct backends){0};
}

int backends_barrier(const struct backends *b, const struct config_account *account)
{
    return b->barrier[account - b->configured->accounts];
}

void backends_set_barrier(struct backends *b, const struct config_account *account, int usable)
{
    b->barrier[account - b->configured->accounts] = (signed char)usable;
}

void backends_doubt_barrier(struct backends *b, const struct config_account *account)
{
    signed char no = -1;
    atomic_compare_exchange_strong(&b->barrier[account - b->configured->accounts], &no, -2);
}

void backend_texts(struct backend *b, struct backend_texts *out)
{
    pthread_mutex_lock(&b->lock);
    memcpy(out->version, b->version, sizeof out->version);
    memcpy(out->identity, b->identity, sizeof out->identity);
    memcpy(out->verdict, b->verdict, sizeof out->verdict);
    pthread_mutex_unlock(&b->lock);
}

void backend_set_identity(struct backend *b, const char *version, const char *identity)
{
    pthread_mutex_lock(&b->lock);
    snprintf(b->version, sizeof b->version, "%s", version);
    snprintf(b->identity, sizeof b->identity, "%s", identity);
    pthread_mutex_unlock(&b->lock);
}

void backend_set_verdict(struct backend *b, enum backend_safety safety, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    pthread_mutex_lock(&b->lock);
    vsnprintf(b->verdict, sizeof b->verdict, fmt, args);
    pthread_mutex_unlock(&b->lock);
    va_end(args);
    b->safety = (int)safety;
}

const char *backend_safety_name(enum backend_safety s)
{
    static const char *const names[] = {
#define X(name, text) #name,
        BACKEND_SAFETIES(X)
#undef X
    };
    CHECK((size_t)s < sizeof names / sizeof *names);
    return names[s];
}
