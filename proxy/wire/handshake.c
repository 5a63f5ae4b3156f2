/* The messages of log-in, as HandshakeV10 and HandshakeResponse41 say. Leaves proofs to auth.c. */
#include "proxy/wire/handshake.h"

#include <string.h>

#include "base/check.h"
#include "proxy/wire/packet.h"

#define TLS_REQUEST_SIZE 32
#define SCRAMBLE_HEAD 8 /* the scramble travels in two parts, for clients older than 4.1 */
#define PLUGIN_DATA_SIZE (WIRE_SCRAMBLE + 1)

static void text_copy(char *out, size_t size, struct slice text)
{
    size_t n = text.len < size ? text.len : size - 1;
    if (n)
        memcpy(out, text.at, n);
    out[n] = '\0';
}

/* MariaDB puts "5.5.5-" before its version, for replicas that think a leading 1 old; newer ones no longer do. */
static void version_take(struct wire_greeting *g, struct slice version)
{
    static const char prefix[] = "5.5.5-";
    size_t n = sizeof prefix - 1;
    bool prefixed = version.len > n && !memcmp(version.at, prefix, n);
    if (prefixed)
        version = (struct slice){version.at + n, version.len - n};
    text_copy(g->version, sizeof g->version, version);
    g->mariadb = prefixed || strstr(g->version, "MariaDB");
}

/* With LONG_PASSWORD nobody looks for extended ones. */
static bool caps_are_sound(uint64_t caps)
{
    return !(caps & WIRE_CAPS_FORBIDDEN) && !(caps >> 32 && (caps & WIRE_CAP_LONG_PASSWORD));
}

static void scramble_tail_take(struct wire_greeting *g, struct slice tail)
{
    if (tail.len >= WIRE_SCRAMBLE - SCRAMBLE_HEAD)
        memcpy(g->scramble + SCRAMBLE_HEAD, tail.at, WIRE_SCRAMBLE - SCRAMBLE_HEAD);
}

bool wire_greeting_read(struct slice payload, struct wire_greeting *out)
{
    *out = (struct wire_greeting){0};
    if (!payload.len)
        return false;
    struct cursor c = cursor_make(payload.at, payload.len);
    if (cursor_u8(&c) != 10)
        return false;
    version_take(out, cursor_until_nul(&c));
    out->connection_id = cursor_u32le(&c);
    struct slice head = cursor_bytes(&c, SCRAMBLE_HEAD);
    if (head.len)
        memcpy(out->scramble, head.at, head.len);
    cursor_skip(&c, 1);
    out->caps = cursor_u16le(&c);
    out->charset = cursor_u8(&c);
    out->status = cursor_u16le(&c);
    out->caps |= (uint32_t)cursor_u16le(&c) << 16;
    uint8_t data_len = cursor_u8(&c);
    cursor_skip(&c, 6);
    uint32_t extended = cursor_u32le(&c);
    if (!(out->caps & WIRE_CAP_LONG_PASSWORD)) {
        out->caps |= (uint64_t)extended << 32;
        out->mariadb = true;
    }
    /* At least 13 bytes, whatever data_len says; the last of them is a NUL. */
    size_t whole = data_len > PLUGIN_DATA_SIZE ? data_len : PLUGIN_DATA_SIZE;
    scramble_tail_take(out, cursor_bytes(&c, whole - SCRAMBLE_HEAD));
    if (out->caps & WIRE_CAP_PLUGIN_AUTH)
        text_copy(out->plugin, sizeof out->plugin, cursor_until_nul(&c));
    uint32_t needed = WIRE_CAP_PROTOCOL_41 | WIRE_CAP_SECURE_CONNECTION;
    return !c.bad && (out->caps & needed) == needed;
}

void wire_greeting_write(struct buf *payload, const struct wire_greeting *g)
{
    uint32_t needed = WIRE_CAP_PROTOCOL_41 | WIRE_CAP_SECURE_CONNECTION | WIRE_CAP_PLUGIN_AUTH;
    CHECK((g->caps & needed) == needed && caps_are_sound(g->caps));
    buf_u8(payload, 10);
    buf_append(payload, g->version, strlen(g->version) + 1);
    buf_u32le(payload, g->connection_id);
    buf_append(payload, g->scramble, SCRAMBLE_HEAD);
    buf_u8(payload, 0);
    buf_u16le(payload, (uint16_t)g->caps);
    buf_u8(payload, g->charset);
    buf_u16le(payload, g->status);
    buf_u16le(payload, (uint16_t)(g->caps >> 16));
    buf_u8(payload, PLUGIN_DATA_SIZE);
    buf_zeros(payload, 6);
    buf_u32le(payload, (uint32_t)(g->caps >> 32));
    buf_append(payload, g->scramble + SCRAMBLE_HEAD, WIRE_SCRAMBLE - SCRAMBLE_HEAD);
    buf_u8(payload, 0);
    buf_append(payload, g->plugin, strlen(g->plugin) + 1);
}

bool wire_login_is_tls_request(struct slice payload)
{
    if (payload.len != TLS_REQUEST_SIZE)
        return false;
    struct cursor c = cursor_make(payload.at, payload.len);
    uint32_t needed = WIRE_CAP_SSL | WIRE_CAP_PROTOCOL_41;
    return (cursor_u32le(&c) & needed) == needed;
}

/* Connection attributes are read over, not used: their length must fit all the same. */
static struct slice attributes_read(struct cursor *c, uint64_t caps)
{
    return caps & WIRE_CAP_CONNECT_ATTRS ? wire_lenenc_str(c, NULL) : (struct slice){NULL, 0};
}

static struct slice proof_read(struct cursor *c, uint64_t caps)
{
    if (caps & WIRE_CAP_PLUGIN_AUTH_LENENC)
        return wire_lenenc_str(c, NULL);
    if (caps & WIRE_CAP_SECURE_CONNECTION)
        return cursor_bytes(c, cursor_u8(c));
    return cursor_until_nul(c);
}

bool wire_login_read(struct slice payload, struct wire_login *out)
{
    *out = (struct wire_login){0};
    if (!payload.len)
        return false;
    struct cursor c = cursor_make(payload.at, payload.len);
    out->caps = cursor_u32le(&c);
    out->max_packet = cursor_u32le(&c);
    out->charset = cursor_u8(&c);
    cursor_skip(&c, 19);
    uint32_t extended = cursor_u32le(&c);
    if (!(out->caps & WIRE_CAP_LONG_PASSWORD))
        out->caps |= (uint64_t)extended << 32;
    out->user = cursor_until_nul(&c);
    out->auth = proof_read(&c, out->caps);
    if (out->caps & WIRE_CAP_CONNECT_WITH_DB)
        out->schema = cursor_until_nul(&c);
    if (out->caps & WIRE_CAP_PLUGIN_AUTH)
        out->plugin = cursor_until_nul(&c);
    out->attributes = attributes_read(&c, out->caps);
    if (out->caps & WIRE_CAP_ZSTD)
        out->zstd_level = cursor_u8(&c);
    return !c.bad && (out->caps & WIRE_CAP_PROTOCOL_41);
}

static void nul_text_write(struct buf *payload, struct slice text)
{
    CHECK(!text.len || !memchr(text.at, 0, text.len));
    buf_append(payload, text.at, text.len);
    buf_u8(payload, 0);
}

static void proof_write(struct buf *payload, uint64_t caps, struct slice auth)
{
    if (caps & WIRE_CAP_PLUGIN_AUTH_LENENC) {
        wire_lenenc_str_write(payload, auth.at, auth.len);
        return;
    }
    CHECK(auth.len <= 255 && (caps & WIRE_CAP_SECURE_CONNECTION));
    buf_u8(payload, (uint8_t)auth.len);
    buf_append(payload, auth.at, auth.len);
}

static void login_head_write(struct buf *payload, uint64_t caps, uint32_t max_packet, uint8_t charset)
{
    CHECK((caps & WIRE_CAP_PROTOCOL_41) && caps_are_sound(caps));
    buf_u32le(payload, (uint32_t)caps);
    buf_u32le(payload, max_packet);
    buf_u8(payload, charset);
    buf_zeros(payload, 19);
    buf_u32le(payload, (uint32_t)(caps >> 32));
}

void wire_login_write(struct buf *payload, const struct wire_login *l)
{
    CHECK(l->charset <= 255);
    login_head_write(payload, l->caps, l->max_packet, (uint8_t)l->charset);
    nul_text_write(payload, l->user);
    proof_write(payload, l->caps, l->auth);
    if (l->caps & WIRE_CAP_CONNECT_WITH_DB)
        nul_text_write(payload, l->schema);
    if (l->caps & WIRE_CAP_PLUGIN_AUTH)
        nul_text_write(payload, l->plugin);
    if (l->caps & WIRE_CAP_CONNECT_ATTRS)
        wire_lenenc_str_write(payload, l->attributes.at, l->attributes.len);
    if (l->caps & WIRE_CAP_ZSTD)
        buf_u8(payload, l->zstd_level);
}

void wire_tls_request_write(struct buf *payload, uint64_t caps, uint32_t max_packet, uint8_t charset)
{
    CHECK(caps & WIRE_CAP_SSL);
    login_head_write(payload, caps, max_packet, charset);
}

bool wire_auth_switch_read(struct slice payload, struct wire_auth_switch *out)
{
    *out = (struct wire_auth_switch){0};
    if (!payload.len)
        return false;
    struct cursor c = cursor_make(payload.at, payload.len);
    if (cursor_u8(&c) != 0xFE)
        return false;
    out->plugin = cursor_until_nul(&c); /* a lone 0xFE asks for the proof of before 4.1: refused here */
    out->data = cursor_rest(&c);
    if (out->data.len == WIRE_SCRAMBLE + 1 && !out->data.at[WIRE_SCRAMBLE])
        out->data.len--; /* ed25519's nonce has no NUL behind it, and may end with one of its own */
    return !c.bad;
}

void wire_auth_switch_write(struct buf *payload, const char *plugin, const uint8_t *scramble, size_t n)
{
    buf_u8(payload, 0xFE);
    buf_append(payload, plugin, strlen(plugin) + 1);
    buf_append(payload, scramble, n);
    if (n == WIRE_SCRAMBLE)
        buf_u8(payload, 0);
}

bool wire_auth_more_read(struct slice payload, struct slice *data)
{
    *data = (struct slice){NULL, 0};
    if (!payload.len)
        return false;
    struct cursor c = cursor_make(payload.at, payload.len);
    if (cursor_u8(&c) != 0x01)
        return false;
    *data = cursor_rest(&c);
    return true;
}

void wire_auth_more_write(struct buf *payload, const void *data, size_t n)
{
    buf_u8(payload, 0x01);
    buf_append(payload, data, n);
}

bool wire_change_user_read(struct slice payload, uint64_t caps, struct wire_login *out)
{
    *out = (struct wire_login){.caps = caps};
    if (!payload.len)
        return false;
    struct cursor c = cursor_make(payload.at, payload.len);
    uint8_t command = cursor_u8(&c);
    out->user = cursor_until_nul(&c);
    out->auth = cursor_bytes(&c, cursor_u8(&c));
    out->schema = cursor_until_nul(&c);
    if (cursor_left(&c)) /* old clients stop here */
        out->charset = cursor_u16le(&c);
    if (cursor_left(&c) && (caps & WIRE_CAP_PLUGIN_AUTH)) {
        out->plugin = cursor_until_nul(&c);
        if (cursor_left(&c))
            out->attributes = attributes_read(&c, caps);
    }
    return !c.bad && command == WIRE_COM_CHANGE_USER;
}
