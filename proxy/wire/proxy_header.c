/* Both versions of the header, asked for in steps: what follows it may be TLS, of which not a byte may be taken with it. */
#include "proxy/wire/proxy_header.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define HEAD 4 /* enough to tell a header from a MySQL packet, whose first one has the sequence number 1 in its fourth byte */
#define V1_MAX 107
#define V1_UNKNOWN "PROXY UNKNOWN"
#define V2_HEAD 16

static const uint8_t signature[12] = {'\r', '\n', '\r', '\n', '\0', '\r', '\n', 'Q', 'U', 'I', 'T', '\n'};

static bool starts(struct slice in, const void *with, size_t n)
{
    return !memcmp(in.at, with, in.len < n ? in.len : n);
}

/* Both families as text; an IPv4 address in IPv6's clothes is what it is. */
static bool address_write(int family, const void *bytes, char out[WIRE_PROXY_ADDRESS])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (family == AF_INET6 && !memcmp(bytes, mapped, sizeof mapped))
        return inet_ntop(AF_INET, (const uint8_t *)bytes + sizeof mapped, out, WIRE_PROXY_ADDRESS);
    return inet_ntop(family, bytes, out, WIRE_PROXY_ADDRESS);
}

/* --- version 1: PROXY TCP4 FROM TO PORT PORT\r\n --- */

/* A line ends with \r\n; before that each word that is missing has a blank and a character at the least. */
static size_t v1_missing(struct slice in)
{
    size_t blanks = 0;
    if (in.len < sizeof V1_UNKNOWN - 1)
        return sizeof V1_UNKNOWN - 1 + 2 - in.len; /* the shortest there is */
    if (in.at[in.len - 1] == '\r')
        return 1;
    for (size_t i = 0; i < in.len; i++)
        blanks += in.at[i] == ' ';
    if (starts(in, V1_UNKNOWN, sizeof V1_UNKNOWN - 1) || blanks > 5)
        return 2;
    return 2 * (5 - blanks) + (in.at[in.len - 1] == ' ') + 2;
}

static bool is_port(const char *text)
{
    size_t n = strspn(text, "0123456789");
    return n && n <= 5 && !text[n] && strtol(text, NULL, 10) <= 65535 && (n == 1 || *text != '0');
}

static bool v1_line(char *line, char address[WIRE_PROXY_ADDRESS])
{
    uint8_t from[16], to[16];
    char *word[7] = {line};
    size_t n = 1;
    for (char *at = line; *at && n < 7; at++)
        if (*at == ' ') {
            *at = '\0';
            word[n++] = at + 1;
        }
    if (n >= 2 && !strcmp(word[1], "UNKNOWN"))
        return true;
    if (n != 6 || (strcmp(word[1], "TCP4") && strcmp(word[1], "TCP6")) || !is_port(word[4]) || !is_port(word[5]))
        return false;
    int family = word[1][3] == '4' ? AF_INET : AF_INET6;
    return inet_pton(family, word[2], from) == 1 && inet_pton(family, word[3], to) == 1 && address_write(family, from, address);
}

static enum wire_proxy v1_read(struct slice in, char address[WIRE_PROXY_ADDRESS], size_t *n)
{
    char line[V1_MAX + 1];
    size_t len = in.len < V1_MAX ? in.len : V1_MAX;
    const uint8_t *end = memchr(in.at, '\n', len);
    if (!starts(in, "PROXY ", 6))
        return WIRE_PROXY_BAD;
    if (!end) {
        *n = v1_missing(in);
        return in.len + *n > V1_MAX ? WIRE_PROXY_BAD : WIRE_PROXY_MORE;
    }
    *n = (size_t)(end - in.at) + 1;
    if (*n < 2 || end[-1] != '\r' || memchr(in.at, 0, *n))
        return WIRE_PROXY_BAD;
    memcpy(line, in.at, *n - 2);
    line[*n - 2] = '\0';
    return v1_line(line, address) ? WIRE_PROXY_READ : WIRE_PROXY_BAD;
}

/* --- version 2: signature, version and command, family, length, addresses, additions that are passed over --- */

static bool v2_address(uint8_t command, uint8_t family, struct cursor *c, char address[WIRE_PROXY_ADDRESS])
{
    enum { LOCAL = 0x20, PROXY = 0x21, TCP4 = 0x11, TCP6 = 0x21, LOCAL_STREAM = 0x31 };
    if (command == LOCAL)
        return true; /* the balancer's own: it looks whether we live */
    if (command != PROXY)
        return false;
    if (family != TCP4 && family != TCP6)
        return !family || family == LOCAL_STREAM; /* the others are nothing that could come here */
    struct slice from = cursor_bytes(c, family == TCP4 ? 4 : 16);
    cursor_skip(c, from.len + 4); /* to, and the ports */
    return !c->bad && address_write(family == TCP4 ? AF_INET : AF_INET6, from.at, address);
}

static enum wire_proxy v2_read(struct slice in, char address[WIRE_PROXY_ADDRESS], size_t *n)
{
    if (!starts(in, signature, sizeof signature))
        return WIRE_PROXY_BAD;
    *n = V2_HEAD;
    if (in.len >= V2_HEAD)
        *n += (size_t)in.at[14] << 8 | in.at[15];
    if (*n > WIRE_PROXY_MAX)
        return WIRE_PROXY_BAD;
    if (in.len < *n) {
        *n -= in.len;
        return WIRE_PROXY_MORE;
    }
    struct cursor c = cursor_make(in.at + V2_HEAD, *n - V2_HEAD);
    return v2_address(in.at[12], in.at[13], &c, address) ? WIRE_PROXY_READ : WIRE_PROXY_BAD;
}

enum wire_proxy wire_proxy_read(struct slice in, char address[WIRE_PROXY_ADDRESS], size_t *n)
{
    *n = HEAD - in.len;
    *address = '\0';
    if (in.len < HEAD)
        return WIRE_PROXY_MORE;
    if (starts((struct slice){in.at, HEAD}, "PROX", HEAD))
        return v1_read(in, address, n);
    if (starts((struct slice){in.at, HEAD}, signature, HEAD))
        return v2_read(in, address, n);
    *n = 0;
    return WIRE_PROXY_NONE;
}
