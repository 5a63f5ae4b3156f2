/* Retries: back-off with jitter, and when an action is given up. */
#include "actions/policy.h"

#include "base/check.h"

#define BACK_OFF_FIRST_MS 200
#define BACK_OFF_CAP_MS 60000
#define EARLY_MIN_MS 2
#define EARLY_MAX_MS 500

int64_t action_back_off_ms(uint32_t tries, int64_t cap_ms, uint32_t random)
{
    int64_t ms = BACK_OFF_FIRST_MS;
    for (uint32_t i = 1; i < tries && ms < cap_ms; i++)
        ms *= 2;
    ms = ms < cap_ms ? ms : cap_ms;
    return ms - ms / 5 + (int64_t)random % (2 * (ms / 5) + 1);
}

int64_t action_early_ms(const struct action *a, int64_t now_ms)
{
    int64_t ms = (now_ms - a->due_ms) / 4;
    return ms < EARLY_MIN_MS ? EARLY_MIN_MS : ms < EARLY_MAX_MS ? ms : EARLY_MAX_MS;
}

static bool is_given_up(const struct action *a, int64_t now_ms)
{
    if (a->retriable)
        return false;
    if (a->permanent >= ACTION_PERMANENT_TRIES || (a->max_attempts && a->attempts >= a->max_attempts))
        return true;
    return a->on == ACTION_ON_COMMIT && a->max_age_ms && now_ms - a->due_ms >= a->max_age_ms;
}

void action_attempted(struct action *a, enum action_result result, int64_t now_ms, uint32_t random)
{
    CHECK(result != ACTION_DOWN && result != ACTION_EARLY);
    a->next_ms = 0;
    a->attempts++;
    if (result == ACTION_OK) {
        a->state = ACTION_DONE;
        return;
    }
    a->permanent = result == ACTION_PERMANENT ? a->permanent + 1 : 0;
    a->state = is_given_up(a, now_ms) ? ACTION_DEAD : ACTION_WAIT;
    if (a->state == ACTION_WAIT)
        a->next_ms = now_ms + action_back_off_ms(a->attempts, BACK_OFF_CAP_MS, random);
}
