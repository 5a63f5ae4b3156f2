/* What the sweeps of servers and of Redis have in common: the question to the workers, people's verdicts, publishing a picture,
 * when to connect again. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "proxy/resolver/impl.h"

void waits_on(struct resolver *r, _Atomic int *place, int fd)
{
    pthread_mutex_lock(&r->lock);
    *place = fd;
    if (r->stopping && fd >= 0)
        shutdown(fd, SHUT_RDWR);
    pthread_mutex_unlock(&r->lock);
}

struct slice slice_of_text(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

uint64_t number_of(struct slice digits)
{
    uint64_t n = 0;
    for (size_t i = 0; i < digits.len && digits.at[i] >= '0' && digits.at[i] <= '9' && n < UINT64_MAX / 16; i++)
        n = n * 10 + (digits.at[i] - '0');
    return n;
}

bool ask_workers(struct resolver *r, struct live_set *out)
{
    if (r->stopping || !r->o.live_gtrids(r->o.arg, &out->text, ASK_WORKERS_MS))
        return false;
    live_set_sort(out);
    return true;
}

void describe_row(struct resolver *r, struct picture_row *row, const char *gtrid)
{
    struct xa_decision d;
    struct xa_person_verdict v;
    if (xa_registry_find(journal_registry(r->o.journal), gtrid, &d, NULL)) {
        snprintf(row->decision, sizeof row->decision, "commit");
        snprintf(row->who, sizeof row->who, "%s", d.who);
    } else {
        snprintf(row->decision, sizeof row->decision, "none");
    }
    if (journal_person_said(r->o.journal, gtrid, &v))
        snprintf(row->decision, sizeof row->decision, "person: %s", v.commit ? "commit" : "rollback");
}

void publish(struct resolver *r, struct picture *place, struct picture *fresh)
{
    struct picture old;
    pthread_mutex_lock(&r->lock);
    old = *place;
    *place = *fresh;
    pthread_mutex_unlock(&r->lock);
    *fresh = (struct picture){0};
    picture_fini(&old);
}

static bool mentioned_anywhere(struct resolver *r, const char *gtrid)
{
    bool found = false;
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->o.backends->n && !found; i++)
        found = !r->backends[i].swept || picture_mentions(&r->backends[i].seen, gtrid);
    for (size_t i = 0; i < r->o.redis->n && !found; i++)
        found = picture_mentions(&r->redis[i].seen, gtrid);
    pthread_mutex_unlock(&r->lock);
    return found;
}

void person_carried_out(struct resolver *r, const char *gtrid)
{
    if (!mentioned_anywhere(r, gtrid) && !xa_registry_find(journal_registry(r->o.journal), gtrid, NULL, NULL))
        journal_person_done(r->o.journal, gtrid);
}

/* --- connecting again ---------------------------------------------------------------------------------------------------- */

void retry_failed(struct retry *t)
{
    uint16_t dice;
    int64_t now_ms = clock_mono_ms();
    random_bytes(&dice, sizeof dice);
    if (!t->failing_since_ms)
        t->failing_since_ms = now_ms;
    int64_t pause = now_ms - t->failing_since_ms < RETRY_FAST_FOR_MS ? RETRY_FAST_MS : RETRY_SLOW_MS;
    t->next_ms = now_ms + pause + dice % RETRY_FAST_MS;
}

int retry_wait_ms(const struct retry *t)
{
    int64_t left = t->next_ms - clock_mono_ms();
    return left > 0 ? (int)left : 0;
}
