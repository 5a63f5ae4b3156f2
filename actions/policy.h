/* What an attempt comes to, and when to try again. Pure: time and chance are given. */
#ifndef ACTIONS_POLICY_H
#define ACTIONS_POLICY_H

#include "actions/action.h"

enum action_result {
    ACTION_OK,
    ACTION_DOWN,      /* the resource could not be reached: nothing was attempted */
    ACTION_EARLY,     /* what it follows has not come to its end there: nothing was attempted */
    ACTION_TRANSIENT, /* failed, or nobody knows: the barrier tells next time */
    ACTION_PERMANENT, /* refused in a way that no repetition mends */
};

/* 200 ms, 400 ms, ... up to cap_ms, +-20 %. tries >= 1; random: any. */
int64_t action_back_off_ms(uint32_t tries, int64_t cap_ms, uint32_t random);
/* After ACTION_EARLY: a quarter of the time since it became due, from 2 ms to half a second. */
int64_t action_early_ms(const struct action *a, int64_t now_ms);
/* The new state, attempts and next_ms of an action that ran; neither for ACTION_DOWN nor for ACTION_EARLY. */
void action_attempted(struct action *a, enum action_result result, int64_t now_ms, uint32_t random);

#endif
