/* Greeting, log-in answer, TLS request, plugin switch: each message with its reader and writer side by side. Leaves
 * proofs to auth.h and the order of messages to session/ and backend/. Readers refuse what is cut short. */
#ifndef PROXY_WIRE_HANDSHAKE_H
#define PROXY_WIRE_HANDSHAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "proxy/wire/protocol.h"

#define WIRE_SCRAMBLE 20

struct wire_greeting {
    char version[64];         /* as the server says it, with MariaDB's 5.5.5- prefix taken off when read */
    uint32_t connection_id;
    uint8_t scramble[WIRE_SCRAMBLE];
    uint64_t caps;
    uint8_t charset;
    uint16_t status;
    char plugin[64];
    bool mariadb;
};
/* false: no greeting of protocol 10 with the 4.1 authentication (an ERR, first byte 0xFF, is the caller's to look for
 * before). */
bool wire_greeting_read(struct slice payload, struct wire_greeting *out);
/* caps must not hold any of WIRE_CAPS_FORBIDDEN and must hold PROTOCOL_41, SECURE_CONNECTION and PLUGIN_AUTH.
 * Extended ones go without LONG_PASSWORD only. mariadb is not written. */
void wire_greeting_write(struct buf *payload, const struct wire_greeting *g);

/* The client's answer. Slices point into the payload. */
struct wire_login {
    uint64_t caps;
    uint32_t max_packet;
    uint16_t charset; /* one byte at log-in, two in COM_CHANGE_USER */
    struct slice user, auth, schema, plugin, attributes;
    uint8_t zstd_level; /* with ZSTD only */
};
bool wire_login_is_tls_request(struct slice payload);
/* false: cut short, a length beyond the packet, or not protocol 4.1. What a client asks for beyond our greeting is in
 * out->caps all the same: the caller ANDs. Parts that caps say are not there have at == NULL. */
bool wire_login_read(struct slice payload, struct wire_login *out);
/* Which parts are written is decided by l->caps; auth at most 255 bytes unless PLUGIN_AUTH_LENENC; user, schema and
 * plugin without NUL. */
void wire_login_write(struct buf *payload, const struct wire_login *l);
void wire_tls_request_write(struct buf *payload, uint64_t caps, uint32_t max_packet, uint8_t charset);

/* 0xFE: use this plugin with this scramble. */
struct wire_auth_switch {
    struct slice plugin, data; /* data: the scramble, without the NUL that servers put after it */
};
bool wire_auth_switch_read(struct slice payload, struct wire_auth_switch *out);
/* n: WIRE_SCRAMBLE, behind which a NUL is written, or what another plugin takes. */
void wire_auth_switch_write(struct buf *payload, const char *plugin, const uint8_t *scramble, size_t n);
/* 0x01 + data. */
bool wire_auth_more_read(struct slice payload, struct slice *data);
void wire_auth_more_write(struct buf *payload, const void *data, size_t n);

/* COM_CHANGE_USER, command byte included; caps = the connection's. */
bool wire_change_user_read(struct slice payload, uint64_t caps, struct wire_login *out);

#endif
