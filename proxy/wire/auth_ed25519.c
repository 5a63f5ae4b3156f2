/* MariaDB's ed25519 plugin, both sides: OpenSSL verifies, libsodium's curve arithmetic signs. The plugin's secret scalar comes
 * from SHA512(password) where RFC 8032 hashes a seed of 32 bytes, so that no library's sign function fits passwords of any
 * length; what comes out are ordinary Ed25519 keys and signatures. Source: MariaDB Server, plugin/auth_ed25519. */
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <sodium.h>

#include "base/random.h"
#include "proxy/wire/auth.h"

#define KEY_SIZE 32
#define DIGEST_SIZE 64 /* of SHA-512 */

void wire_nonce_make(uint8_t out[WIRE_NONCE])
{
    random_bytes(out, WIRE_NONCE);
}

/* --- verifiers --- */

static bool key_decode(const char *verifier, uint8_t out[KEY_SIZE])
{
    size_t n = 0;
    memset(out, 0, KEY_SIZE);
    return verifier && strlen(verifier) == WIRE_ED25519_TEXT &&
           !sodium_base642bin(out, KEY_SIZE, verifier, WIRE_ED25519_TEXT, NULL, &n, NULL,
                              sodium_base64_VARIANT_ORIGINAL_NO_PADDING) &&
           n == KEY_SIZE;
}

bool wire_verifier_ed25519_ok(const char *verifier)
{
    uint8_t key[KEY_SIZE];
    return key_decode(verifier, key);
}

/* --- as a server --- */

static bool verifies(const uint8_t key[KEY_SIZE], const uint8_t *nonce, const uint8_t *signature)
{
    EVP_PKEY *public_key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, KEY_SIZE);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    CHECK(public_key && ctx);
    /* a point of small order would verify what nobody signed */
    bool good = crypto_core_ed25519_is_valid_point(key) == 1 &&
                EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, public_key) == 1 &&
                EVP_DigestVerify(ctx, signature, WIRE_ED25519_PROOF, nonce, WIRE_NONCE) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(public_key);
    ERR_clear_error(); /* the thread's queue is the TLS layer's, which must not find ours there */
    return good;
}

bool wire_check_ed25519(const char *verifier, const uint8_t *nonce, struct slice proof)
{
    /* the curve's base point: a key like any other, whose secret nobody uses */
    static const uint8_t nobody[KEY_SIZE] = {0x58, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
                                             0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
                                             0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66};
    uint8_t key[KEY_SIZE], given[WIRE_ED25519_PROOF] = {0};
    bool shaped = proof.len == sizeof given;
    if (shaped)
        memcpy(given, proof.at, sizeof given);
    bool known = key_decode(verifier, key);
    bool good = verifies(known ? key : nobody, nonce, given);
    return good & known & shaped;
}

/* --- as a client --- */

/* The secret scalar, and behind it what makes each message's own. */
static void expand(const char *password, uint8_t out[DIGEST_SIZE])
{
    crypto_hash_sha512(out, (const uint8_t *)password, strlen(password));
    out[0] &= 248;
    out[31] &= 127;
    out[31] |= 64;
}

/* SHA512(a, b, message) as a scalar; a or b may be left out. */
static void scalar_of(uint8_t out[KEY_SIZE], const uint8_t *a, const uint8_t *b, const uint8_t *message)
{
    uint8_t digest[DIGEST_SIZE];
    crypto_hash_sha512_state state;
    crypto_hash_sha512_init(&state);
    if (a)
        crypto_hash_sha512_update(&state, a, KEY_SIZE);
    crypto_hash_sha512_update(&state, b, KEY_SIZE);
    crypto_hash_sha512_update(&state, message, WIRE_NONCE);
    crypto_hash_sha512_final(&state, digest);
    crypto_core_ed25519_scalar_reduce(out, digest);
    wire_wipe(digest, sizeof digest);
    wire_wipe(&state, sizeof state);
}

/* R = rB, S = r + SHA512(R, public key, nonce) a */
void wire_ed25519_sign(const char *password, const uint8_t *nonce, uint8_t out[WIRE_ED25519_PROOF])
{
    uint8_t secret[DIGEST_SIZE], key[KEY_SIZE], r[KEY_SIZE], challenge[KEY_SIZE], product[KEY_SIZE];
    expand(password, secret);
    CHECK(!crypto_scalarmult_ed25519_base_noclamp(key, secret));
    scalar_of(r, NULL, secret + KEY_SIZE, nonce);
    CHECK(!crypto_scalarmult_ed25519_base_noclamp(out, r));
    scalar_of(challenge, out, key, nonce);
    crypto_core_ed25519_scalar_mul(product, challenge, secret);
    crypto_core_ed25519_scalar_add(out + KEY_SIZE, product, r);
    wire_wipe(secret, sizeof secret);
    wire_wipe(r, sizeof r);
    wire_wipe(product, sizeof product);
}

void wire_verifier_ed25519_make(const char *password, char out[WIRE_ED25519_TEXT + 1])
{
    uint8_t secret[DIGEST_SIZE], key[KEY_SIZE];
    expand(password, secret);
    CHECK(!crypto_scalarmult_ed25519_base_noclamp(key, secret));
    sodium_bin2base64(out, WIRE_ED25519_TEXT + 1, key, sizeof key, sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
    wire_wipe(secret, sizeof secret);
}
