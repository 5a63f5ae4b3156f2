/* Password proofs: OpenSSL's second door. caching_sha2_password and mysql_native_password, both sides; verifiers at
 * rest. All comparisons are constant-time; every secret is wiped after use. Source: MySQL internals manual,
 * "Authentication Method". */
#ifndef PROXY_WIRE_AUTH_H
#define PROXY_WIRE_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/check.h"
#include "proxy/wire/handshake.h"

#define WIRE_PASSWORD_MAX 511 /* bytes; libcrypt's own limit. Longer ones are refused everywhere */

/* caching_sha2_password's one-byte words: in wire_auth_more from the server, and the client's wish for the RSA key. */
enum { WIRE_SHA2_REQUEST_KEY = 2, WIRE_SHA2_FAST_OK = 3, WIRE_SHA2_FULL = 4 };

/* 20 fresh bytes, printable and without '$', which some clients cut at. */
void wire_scramble_make(uint8_t out[WIRE_SCRAMBLE]);

/* --- as a server, against verifiers --- */

/* What the configuration holds for a user: never clear text.
 *   password_verifier = "$5$..." (crypt(3), for the full exchange)
 *   native_verifier = "*" and 40 hex digits (SHA1(SHA1(password))) */
struct wire_verifier {
    const char *crypt;  /* NULL: none */
    const char *native; /* NULL: none */
};
/* Writes a fresh "$5$..." verifier and the native one; out sizes >= 128 and 42. For `xaproxy --make-verifier`. false:
 * the password is empty or longer than WIRE_PASSWORD_MAX. */
bool wire_verifier_make(const char *password, char *crypt_out, char *native_out) MUST_USE;
/* Is this text, from a configuration, of the right form? */
bool wire_verifier_crypt_ok(const char *crypt);
bool wire_verifier_native_ok(const char *native);

/* SHA256(SHA256(password)), learned at a full log-in, kept in memory so that later log-ins are fast. */
struct wire_fast_secret {
    bool known;
    uint8_t digest[32];
};
/* An absent or malformed verifier, and a secret that is not known, cost the same and say no. An empty proof says no. */
bool wire_check_native(const char *native_verifier, const uint8_t *scramble, struct slice proof);
bool wire_check_fast(const struct wire_fast_secret *s, const uint8_t *scramble, struct slice proof);
/* Full exchange: clear text that came over TLS (NUL at the end allowed). Slow by design (about 3 ms); with crypt ==
 * NULL (unknown user) it does the same work and says no. Fills *learn on success. */
bool wire_check_full(const char *crypt, struct slice password, struct wire_fast_secret *learn);

/* --- as a client, towards a backend --- */

enum wire_plugin { WIRE_PLUGIN_NATIVE, WIRE_PLUGIN_SHA2, WIRE_PLUGIN_UNKNOWN };
enum wire_plugin wire_plugin_of(struct slice name);
const char *wire_plugin_name(enum wire_plugin plugin);
/* The proof for the plugin, from a scramble of 20 bytes: 20 or 32 bytes; 0 bytes for an empty password. */
size_t wire_proof(enum wire_plugin plugin, const char *password, const uint8_t *scramble, uint8_t out[32]);
/* caching_sha2 without TLS: the password, XORed with the scramble, under the server's RSA key (OAEP). false: bad key,
 * or a password too long for it. */
bool wire_rsa_proof(const char *password, const uint8_t *scramble, struct slice pem, struct buf *out) MUST_USE;

void wire_wipe(void *secret, size_t n);

#endif
