/* Writers and readers of touch and horizon records. */
#include "compensate/journal.h"

#include <string.h>

static void put_text(struct buf *out, const char *text, size_t max)
{
    size_t n = strlen(text);
    CHECK(n && n <= max);
    buf_u8(out, (uint8_t)n);
    buf_append(out, text, n);
}

/* Names are printable and not empty; anything else is not a record of ours. */
static void get_text(struct cursor *c, char *text, size_t max)
{
    cursor_text(c, cursor_u8(c), text, max + 1);
    c->bad = c->bad || !*text;
    for (; *text; text++)
        c->bad |= *text <= ' ' || *text > '~';
}

void comp_touch_write(struct buf *out, const struct comp_touch_record *r)
{
    put_text(out, r->resource, COMP_RESOURCE_MAX);
    put_text(out, r->node, COMP_NODE_MAX);
    buf_u64le(out, r->epoch);
    buf_u16le(out, r->slot);
}

bool comp_touch_read(struct slice payload, struct comp_touch_record *r)
{
    struct cursor c = cursor_make(payload.at, payload.len);
    *r = (struct comp_touch_record){0};
    get_text(&c, r->resource, COMP_RESOURCE_MAX);
    get_text(&c, r->node, COMP_NODE_MAX);
    r->epoch = cursor_u64le(&c);
    r->slot = cursor_u16le(&c);
    return cursor_done(&c);
}

void comp_horizon_write(struct buf *out, const struct comp_horizon_record *r)
{
    put_text(out, r->resource, COMP_RESOURCE_MAX);
    buf_u64le(out, r->epoch);
    buf_u64le(out, r->counter);
}

bool comp_horizon_read(struct slice payload, struct comp_horizon_record *r)
{
    struct cursor c = cursor_make(payload.at, payload.len);
    *r = (struct comp_horizon_record){0};
    get_text(&c, r->resource, COMP_RESOURCE_MAX);
    r->epoch = cursor_u64le(&c);
    r->counter = cursor_u64le(&c);
    return cursor_done(&c);
}
