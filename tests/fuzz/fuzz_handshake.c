/* What is read before anybody is known: greetings, log-ins, plugin dialogue, keys, proofs.
 * Input: which message, then its payload. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "proxy/wire/auth.h"
#include "proxy/wire/handshake.h"
#include "proxy/wire/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(struct slice a, struct slice b)
{
    return a.len == b.len && (!a.len || !memcmp(a.at, b.at, a.len));
}

static void greeting(struct slice payload)
{
    struct wire_greeting g, back;
    struct buf b = {0};
    if (!wire_greeting_read(payload, &g))
        return;
    g.caps = (g.caps & ~WIRE_CAPS_FORBIDDEN) | WIRE_CAP_PLUGIN_AUTH;
    wire_greeting_write(&b, &g);
    CHECK(wire_greeting_read((struct slice){buf_at(&b), buf_len(&b)}, &back));
    CHECK(back.connection_id == g.connection_id && back.caps == g.caps && back.status == g.status);
    CHECK(!memcmp(back.scramble, g.scramble, WIRE_SCRAMBLE) && !strcmp(back.plugin, g.plugin));
    buf_fini(&b);
}

static void login(struct slice payload)
{
    struct wire_login l, back;
    struct buf b = {0};
    if (wire_login_is_tls_request(payload))
        CHECK(payload.len == 32);
    if (!wire_login_read(payload, &l))
        return;
    l.caps = (l.caps & ~WIRE_CAPS_FORBIDDEN) | WIRE_CAP_PLUGIN_AUTH_LENENC;
    wire_login_write(&b, &l);
    CHECK(wire_login_read((struct slice){buf_at(&b), buf_len(&b)}, &back));
    CHECK(back.caps == l.caps && back.max_packet == l.max_packet && back.charset == l.charset);
    CHECK(same(back.user, l.user) && same(back.auth, l.auth) && same(back.schema, l.schema));
    CHECK(same(back.plugin, l.plugin) && same(back.attributes, l.attributes));
    buf_fini(&b);
}

static void dialogue(struct slice payload)
{
    struct wire_auth_switch s;
    struct slice more;
    if (wire_auth_switch_read(payload, &s))
        CHECK(s.plugin.len + s.data.len + 2 <= payload.len && wire_plugin_of(s.plugin) <= WIRE_PLUGIN_UNKNOWN);
    if (wire_auth_more_read(payload, &more))
        CHECK(more.len == payload.len - 1);
}

static void key(struct slice payload)
{
    struct buf sealed = {0};
    bool ok = wire_rsa_proof("password", (const uint8_t *)"abcdefghijklmnopqrst", payload, &sealed);
    CHECK(ok == (buf_len(&sealed) > 0));
    buf_fini(&sealed);
}

/* Nobody guesses a proof. */
static void proof(struct slice payload)
{
    static const struct wire_fast_secret secret = {.known = true, .digest = {1, 2, 3}};
    const uint8_t *scramble = (const uint8_t *)"abcdefghijklmnopqrst";
    CHECK(!wire_check_native("*5BCB3E6AC345B435C7C2E6B7949A04CE6F6563D3", scramble, payload));
    CHECK(!wire_check_fast(&secret, scramble, payload));
    CHECK(!wire_check_ed25519("ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY",
                              (const uint8_t *)"0123456789abcdef0123456789abcdef", payload));
}

/* In the steps that a connection reads it in: the same end, and no step asks for a byte behind the header. */
static void proxied(struct slice payload)
{
    char whole[WIRE_PROXY_ADDRESS], in_steps[WIRE_PROXY_ADDRESS];
    size_t n, step, have = 0;
    enum wire_proxy got, end = wire_proxy_read(payload, whole, &n);
    while ((got = wire_proxy_read((struct slice){payload.at, have}, in_steps, &step)) == WIRE_PROXY_MORE &&
           have + step <= payload.len)
        have += step;
    CHECK(got != WIRE_PROXY_READ || (end == got && have == n && step == n && !strcmp(whole, in_steps)));
    CHECK(end != WIRE_PROXY_READ || (n <= payload.len && n <= WIRE_PROXY_MAX && (got == end || got == WIRE_PROXY_BAD)));
}

static void verifier(struct slice payload)
{
    char *text = slice_dup(payload);
    uint8_t zeros[WIRE_ED25519_PROOF] = {0};
    if (wire_verifier_crypt_ok(text))
        CHECK(strlen(text) < 128);
    wire_check_native(text, zeros, (struct slice){zeros, 20});
    CHECK(!wire_check_ed25519(text, zeros, (struct slice){zeros, sizeof zeros}));
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(struct slice) = {greeting, login, dialogue, key, proof, verifier, proxied};
    if (!size)
        return 0;
    uint8_t *copy = malloc(size > 1 ? size - 1 : 1); /* so that a read past the end is seen */
    memcpy(copy, data + 1, size - 1);
    readers[data[0] % 7]((struct slice){copy, size - 1});
    free(copy);
    return 0;
}
