/* Greeting, log-in answer, TLS request, plugin switch: each message with its reader and writer side by side. */
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
    uint32_t caps;
    uint32_t mariadb_caps;    /* 0 on MySQL */
    uint8_t charset;
    uint16_t status;
    char plugin[64];
    bool mariadb;
};
bool wire_greeting_read(struct slice payload, struct wire_greeting *out);
void wire_greeting_write(struct buf *payload, const struct wire_greeting *g);

/* The client's answer. Slices point into the payload. */
struct wire_login {
    uint32_t caps;
    uint32_t max_packet;
    uint16_t charset; /* one byte on the wire, ids above 255 are not sent at log-in */
    struct slice user, auth, schema, plugin, attributes;
};
bool wire_login_is_tls_request(struct slice payload);
bool wire_login_read(struct slice payload, struct wire_login *out);
void wire_login_write(struct buf *payload, const struct wire_login *l);
void wire_tls_request_write(struct buf *payload, uint32_t caps, uint32_t max_packet, uint8_t charset);

/* 0xFE: use this plugin with this scramble. */
struct wire_auth_switch {
    struct slice plugin, data;
};
bool wire_auth_switch_read(struct slice payload, struct wire_auth_switch *out);
void wire_auth_switch_write(struct buf *payload, const char *plugin, const uint8_t *scramble);
/* 0x01 + data. */
bool wire_auth_more_read(struct slice payload, struct slice *data);
void wire_auth_more_write(struct buf *payload, const void *data, size_t n);

/* COM_CHANGE_USER is understood only to be refused or replayed: its parts as a wire_login. */
bool wire_change_user_read(struct slice payload, uint32_t caps, struct wire_login *out);

#endif
