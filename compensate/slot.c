/* Slots of keys, and keys for slots. */
#include "compensate/slot.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

#define NUMBERS 16384

/* CRC-16/XMODEM, as the specification of Redis Cluster says. */
static uint16_t crc16(struct slice s)
{
    uint16_t crc = 0;
    for (size_t i = 0; i < s.len; i++) {
        crc = (uint16_t)(crc ^ s.at[i] << 8);
        for (int bit = 0; bit < 8; bit++)
            crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
    }
    return crc;
}

/* What stands between the first { and the next }, if anything does; else all of it. */
static struct slice hashed_part(struct slice key)
{
    const uint8_t *open = key.len ? memchr(key.at, '{', key.len) : NULL;
    const uint8_t *end = key.at + key.len;
    const uint8_t *close = open ? memchr(open, '}', (size_t)(end - open)) : NULL;
    return close && close > open + 1 ? (struct slice){open + 1, (size_t)(close - open - 1)} : key;
}

uint16_t comp_slot_of_key(struct slice key)
{
    return comp_slot_of_number(crc16(hashed_part(key)) % NUMBERS);
}

uint16_t comp_slot_of_number(unsigned number)
{
    CHECK(number < NUMBERS);
    return (uint16_t)(number + 1);
}

unsigned comp_slot_number(uint16_t slot)
{
    CHECK(slot != COMP_SLOT_ALONE && slot < COMP_SLOTS);
    return slot - 1u;
}

const char *comp_slot_text(uint16_t slot, char out[COMP_SLOT_TEXT])
{
    if (slot == COMP_SLOT_ALONE)
        snprintf(out, COMP_SLOT_TEXT, "-");
    else
        snprintf(out, COMP_SLOT_TEXT, "%u", slot - 1u);
    return out;
}

/* Six octal digits that hash to the slot. The checksum is linear: which bits of the digits turn which bit of it was
 * solved once. */
static unsigned tag_of(unsigned number)
{
    static const unsigned turns[] = {0240607, 061230, 041324, 042553, 0200233, 0201162, 0221743,
                                     041320,  01104,  041657, 0240717, 061010, 041764,  0240571};
    unsigned tag = 0242353; /* of slot 0 */
    for (unsigned bit = 0; bit < sizeof turns / sizeof turns[0]; bit++)
        if (number >> bit & 1)
            tag ^= turns[bit];
    return tag;
}

void comp_control_of_slot(struct comp_control *out, uint16_t slot)
{
    char tag[8] = "c";
    CHECK(slot < COMP_SLOTS);
    if (slot != COMP_SLOT_ALONE)
        snprintf(tag, sizeof tag, "%06o", tag_of(comp_slot_number(slot)) & 0777777);
    snprintf(out->key, sizeof out->key, COMP_KEY_PREFIX "%s}:c", tag);
    snprintf(out->conflicts, sizeof out->conflicts, COMP_KEY_PREFIX "%s}:k", tag);
    out->absent[0] = '\0';
    if (slot != COMP_SLOT_ALONE)
        snprintf(out->absent, sizeof out->absent, COMP_KEY_PREFIX "%s}:-", tag);
}

bool comp_key_is_ours(struct slice key)
{
    size_t n = strlen(COMP_KEY_PREFIX);
    return key.len >= n && !memcmp(key.at, COMP_KEY_PREFIX, n);
}
