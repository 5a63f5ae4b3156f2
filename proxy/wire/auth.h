/* Password proofs: OpenSSL's second door, libsodium's only one. caching_sha2_password, mysql_native_password and MariaDB's
 * ed25519, both sides; verifiers at rest. All comparisons are constant-time; every secret is wiped after use. Source: MySQL
 * internals manual, "Authentication Method". ed25519: proxy/wire/auth_ed25519.c. */
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
#define WIRE_SHA256_REQUEST_KEY 1 /* the same wish in sha256_password */

#define WIRE_NONCE 32         /* what ed25519 signs instead of a scramble */
#define WIRE_ED25519_PROOF 64 /* bytes of a signature */
#define WIRE_ED25519_TEXT 43  /* characters of a public key in base64, as MariaDB's mysql.global_priv has it */
#define WIRE_PROOF_MAX WIRE_ED25519_PROOF

/* 20 fresh bytes, printable and without '$', which some clients cut at. */
void wire_scramble_make(uint8_t out[WIRE_SCRAMBLE]);
void wire_nonce_make(uint8_t out[WIRE_NONCE]); /* any bytes, NUL too */

/* --- as a server, against verifiers --- */

/* What the configuration holds for a user: never clear text.
 *   password_verifier = "$5$..." (crypt(3), for the full exchange)
 *   native_verifier = "*" and 40 hex digits (SHA1(SHA1(password)))
 *   ed25519_verifier = 43 characters of base64 (a public key; CREATE USER ... IDENTIFIED VIA ed25519 USING '...') */
/* Writes a fresh "$5$..." verifier and the native one; out sizes >= 128 and 42. For `xaproxy --make-verifier`. false:
 * the password is empty or longer than WIRE_PASSWORD_MAX. */
bool wire_verifier_make(const char *password, char *crypt_out, char *native_out) MUST_USE;
/* Is this text, from a configuration, of the right form? */
bool wire_verifier_crypt_ok(const char *crypt);
bool wire_verifier_native_ok(const char *native);
bool wire_verifier_ed25519_ok(const char *verifier);
void wire_verifier_ed25519_make(const char *password, char out[WIRE_ED25519_TEXT + 1]);

/* SHA256(SHA256(password)), learned at a full log-in, kept in memory so that later log-ins are fast. */
struct wire_fast_secret {
    bool known;
    uint8_t digest[32];
};
/* An absent or malformed verifier, and a secret that is not known, cost the same and say no. An empty proof says no. */
bool wire_check_native(const char *native_verifier, const uint8_t *scramble, struct slice proof);
bool wire_check_fast(const struct wire_fast_secret *s, const uint8_t *scramble, struct slice proof);
bool wire_check_ed25519(const char *verifier, const uint8_t *nonce, struct slice proof);
/* Full exchange: clear text that came over TLS (NUL at the end allowed). Slow by design (about 3 ms); with crypt ==
 * NULL (unknown user) it does the same work and says no. Fills *learn on success. */
bool wire_check_full(const char *crypt, struct slice password, struct wire_fast_secret *learn);

/* 40 lower-case hex digits and a NUL: what Redis calls a script by. */
#define WIRE_SHA1_TEXT 41
void wire_sha1_text(struct slice text, char out[WIRE_SHA1_TEXT]);

/* A password in clear text, as Redis' clients send it, against all that is known of a user; NULL: that is not. Fast where the
 * secret is known and right, else as slow as wire_check_full, whatever there is to check against. Fills *secret where the first
 * says yes. */
struct wire_verifiers {
    const char *crypt, *native, *ed25519;
};
bool wire_check_clear(const struct wire_verifiers *v, struct wire_fast_secret *secret, struct slice password);

/* A number for a name that nobody without the key can foresee: what an unknown user looks like, today and tomorrow. */
uint32_t wire_decoy(const uint8_t key[32], struct slice name);

/* --- as a client, towards a backend --- */

enum wire_plugin { WIRE_PLUGIN_NATIVE, WIRE_PLUGIN_SHA2, WIRE_PLUGIN_ED25519, WIRE_PLUGIN_UNKNOWN };
enum wire_plugin wire_plugin_of(struct slice name);
const char *wire_plugin_name(enum wire_plugin plugin);
size_t wire_scramble_size(enum wire_plugin plugin); /* WIRE_SCRAMBLE or WIRE_NONCE */
/* The proof for the plugin, from a scramble of wire_scramble_size bytes: 20, 32 or 64 bytes; 0 bytes for an empty password, which
 * only ed25519 signs with. */
size_t wire_proof(enum wire_plugin plugin, const char *password, const uint8_t *scramble, uint8_t out[WIRE_PROOF_MAX]);
void wire_ed25519_sign(const char *password, const uint8_t *nonce, uint8_t out[WIRE_ED25519_PROOF]);
/* caching_sha2 without TLS: the password, XORed with the scramble, under the server's RSA key (OAEP). false: bad key,
 * or a password too long for it. */
bool wire_rsa_proof(const char *password, const uint8_t *scramble, struct slice pem, struct buf *out) MUST_USE;

void wire_wipe(void *secret, size_t n);

#endif
