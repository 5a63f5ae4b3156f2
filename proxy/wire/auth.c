/* Proofs and verifiers of the two SHA plugins, made with OpenSSL's EVP and libcrypt. Leaves ed25519 to auth_ed25519.c, the
 * dialogue to session/login and backend/. */
#include "proxy/wire/auth.h"

#include <crypt.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/random.h"

#define SHA1_SIZE 20
#define SHA2_SIZE 32
#define SALT_SIZE 16
#define CRYPT_SIZE 43 /* characters of a $5$ digest */

static const char crypt_alphabet[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

void wire_wipe(void *secret, size_t n)
{
    OPENSSL_cleanse(secret, n);
}

void wire_scramble_make(uint8_t out[WIRE_SCRAMBLE])
{
    random_bytes(out, WIRE_SCRAMBLE);
    for (int i = 0; i < WIRE_SCRAMBLE; i++)
        out[i] = (uint8_t)('%' + out[i] % ('~' - '%' + 1)); /* '%' is the one after '$' */
}

/* The digest of a, then b where there is any. */
static void digest(const EVP_MD *md, uint8_t *out, const void *a, size_t a_len, const void *b, size_t b_len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    CHECK(ctx && EVP_DigestInit_ex(ctx, md, NULL));
    CHECK(EVP_DigestUpdate(ctx, a, a_len) && EVP_DigestUpdate(ctx, b, b_len) && EVP_DigestFinal_ex(ctx, out, NULL));
    EVP_MD_CTX_free(ctx);
}

static void sha1(uint8_t out[SHA1_SIZE], const void *a, size_t a_len, const void *b, size_t b_len)
{
    digest(EVP_sha1(), out, a, a_len, b, b_len);
}

void wire_sha1_text(struct slice text, char out[WIRE_SHA1_TEXT])
{
    uint8_t bytes[SHA1_SIZE];
    sha1(bytes, text.at, text.len, NULL, 0);
    for (int i = 0; i < SHA1_SIZE; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static void sha2(uint8_t out[SHA2_SIZE], const void *a, size_t a_len, const void *b, size_t b_len)
{
    digest(EVP_sha256(), out, a, a_len, b, b_len);
}

static void xor_into(uint8_t *out, const uint8_t *mask, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] ^= mask[i];
}

/* --- verifiers --- */

static int hex_digit(char ch)
{
    if (ch >= '0' && ch <= '9')
        return ch - '0';
    ch |= 0x20;
    return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

static bool native_decode(const char *native, uint8_t out[SHA1_SIZE])
{
    memset(out, 0, SHA1_SIZE);
    if (!native || native[0] != '*' || strlen(native) != 1 + 2 * SHA1_SIZE)
        return false;
    for (int i = 0; i < SHA1_SIZE; i++) {
        int high = hex_digit(native[1 + 2 * i]), low = hex_digit(native[2 + 2 * i]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool wire_verifier_native_ok(const char *native)
{
    uint8_t stored[SHA1_SIZE];
    return native_decode(native, stored);
}

/* $5$[rounds=N$]salt$digest */
bool wire_verifier_crypt_ok(const char *crypt)
{
    if (strncmp(crypt, "$5$", 3) || strlen(crypt) >= 128)
        return false;
    const char *salt = crypt + 3;
    if (!strncmp(salt, "rounds=", 7)) {
        size_t digits = strspn(salt + 7, "0123456789");
        if (!digits || salt[7 + digits] != '$')
            return false;
        salt += 7 + digits + 1;
    }
    size_t n = strspn(salt, crypt_alphabet);
    const char *rest = salt + n;
    return n <= SALT_SIZE && *rest == '$' && strspn(rest + 1, crypt_alphabet) == CRYPT_SIZE && !rest[1 + CRYPT_SIZE];
}

/* The digest of a password as `setting` says, into 128 bytes; empty where libcrypt refuses. */
static void crypt_digest(const char *password, const char *setting, char out[128])
{
    struct crypt_data *work = calloc(1, sizeof *work); /* 32 KiB: too much for a worker's stack */
    CHECK(work);
    const char *text = crypt_rn(password, setting, work, sizeof *work);
    size_t len = text ? strlen(text) : 0;
    if (len >= 128)
        len = 0;
    memcpy(out, len ? text : "", len);
    memset(out + len, 0, 128 - len);
    wire_wipe(work, sizeof *work);
    free(work);
}

static void native_write(const char *password, char out[42])
{
    uint8_t once[SHA1_SIZE], twice[SHA1_SIZE];
    sha1(once, password, strlen(password), NULL, 0);
    sha1(twice, once, sizeof once, NULL, 0);
    *out++ = '*';
    for (int i = 0; i < SHA1_SIZE; i++) {
        *out++ = "0123456789ABCDEF"[twice[i] >> 4];
        *out++ = "0123456789ABCDEF"[twice[i] & 15];
    }
    *out = '\0';
    wire_wipe(once, sizeof once);
}

bool wire_verifier_make(const char *password, char *crypt_out, char *native_out)
{
    if (!*password || strlen(password) > WIRE_PASSWORD_MAX)
        return false;
    uint8_t salt[SALT_SIZE];
    char setting[3 + SALT_SIZE + 2] = "$5$";
    random_bytes(salt, sizeof salt);
    for (int i = 0; i < SALT_SIZE; i++)
        setting[3 + i] = crypt_alphabet[salt[i] % 64];
    setting[3 + SALT_SIZE] = '$';
    crypt_digest(password, setting, crypt_out);
    native_write(password, native_out);
    return wire_verifier_crypt_ok(crypt_out);
}

/* --- as a server --- */

/* proof = SHA1(password) XOR SHA1(scramble, SHA1(SHA1(password))) */
bool wire_check_native(const char *native_verifier, const uint8_t *scramble, struct slice proof)
{
    uint8_t stored[SHA1_SIZE], once[SHA1_SIZE], twice[SHA1_SIZE], given[SHA1_SIZE] = {0};
    bool shaped = proof.len == SHA1_SIZE;
    if (shaped)
        memcpy(given, proof.at, SHA1_SIZE);
    bool known = native_decode(native_verifier, stored);
    sha1(once, scramble, WIRE_SCRAMBLE, stored, sizeof stored);
    xor_into(once, given, sizeof once);
    sha1(twice, once, sizeof once, NULL, 0);
    bool equal = !CRYPTO_memcmp(twice, stored, sizeof stored);
    wire_wipe(once, sizeof once);
    wire_wipe(stored, sizeof stored);
    return equal & known & shaped;
}

/* proof = SHA256(password) XOR SHA256(SHA256(SHA256(password)), scramble) */
bool wire_check_fast(const struct wire_fast_secret *s, const uint8_t *scramble, struct slice proof)
{
    uint8_t once[SHA2_SIZE], twice[SHA2_SIZE], given[SHA2_SIZE] = {0};
    bool shaped = proof.len == SHA2_SIZE;
    if (shaped)
        memcpy(given, proof.at, SHA2_SIZE);
    sha2(once, s->digest, sizeof s->digest, scramble, WIRE_SCRAMBLE);
    xor_into(once, given, sizeof once);
    sha2(twice, once, sizeof once, NULL, 0);
    bool equal = !CRYPTO_memcmp(twice, s->digest, sizeof twice);
    wire_wipe(once, sizeof once);
    return equal & s->known & shaped;
}

static void fast_secret_make(const char *password, struct wire_fast_secret *out)
{
    uint8_t once[SHA2_SIZE];
    sha2(once, password, strlen(password), NULL, 0);
    sha2(out->digest, once, sizeof once, NULL, 0);
    out->known = true;
    wire_wipe(once, sizeof once);
}

bool wire_check_full(const char *crypt, struct slice password, struct wire_fast_secret *learn)
{
    static const char nobody[] = "$5$ZQ3mJ8wWv1TnC4kd$"; /* as many rounds as a real one */
    char text[WIRE_PASSWORD_MAX + 1], made[128], stored[128] = "";
    if (password.len && !password.at[password.len - 1])
        password.len--;
    if (!password.len || password.len > WIRE_PASSWORD_MAX || memchr(password.at, 0, password.len))
        return false; /* the same for every user, so that it tells nothing */
    memcpy(text, password.at, password.len);
    text[password.len] = '\0';
    bool known = crypt && wire_verifier_crypt_ok(crypt);
    if (known)
        memcpy(stored, crypt, strlen(crypt));
    crypt_digest(text, known ? crypt : nobody, made);
    bool right = !CRYPTO_memcmp(made, stored, sizeof made) & known;
    if (right)
        fast_secret_make(text, learn);
    wire_wipe(text, sizeof text);
    wire_wipe(made, sizeof made);
    return right;
}

static bool is_secret(const struct wire_fast_secret *secret, const char *password)
{
    struct wire_fast_secret made;
    fast_secret_make(password, &made);
    bool equal = !CRYPTO_memcmp(made.digest, secret->digest, sizeof made.digest) & secret->known;
    wire_wipe(&made, sizeof made);
    return equal;
}

static bool is_native(const char *verifier, const char *password)
{
    uint8_t stored[SHA1_SIZE], once[SHA1_SIZE], twice[SHA1_SIZE];
    bool known = native_decode(verifier, stored);
    sha1(once, password, strlen(password), NULL, 0);
    sha1(twice, once, sizeof once, NULL, 0);
    bool equal = !CRYPTO_memcmp(twice, stored, sizeof twice);
    wire_wipe(once, sizeof once);
    return equal & known;
}

static bool is_ed25519(const char *verifier, const char *password)
{
    char made[WIRE_ED25519_TEXT + 1];
    bool known = verifier && wire_verifier_ed25519_ok(verifier);
    wire_verifier_ed25519_make(password, made);
    return !CRYPTO_memcmp(made, known ? verifier : "-------------------------------------------", WIRE_ED25519_TEXT) & known;
}

bool wire_check_clear(const struct wire_verifiers *v, struct wire_fast_secret *secret, struct slice password)
{
    char text[WIRE_PASSWORD_MAX + 1];
    if (!password.len || password.len > WIRE_PASSWORD_MAX || memchr(password.at, 0, password.len))
        return false; /* the same for every user, so that it tells nothing */
    memcpy(text, password.at, password.len);
    text[password.len] = '\0';
    bool right = is_secret(secret, text);
    if (!right) {
        bool full = wire_check_full(v->crypt, password, secret), native = is_native(v->native, text);
        right = is_ed25519(v->ed25519, text) | full | native;
    }
    wire_wipe(text, sizeof text);
    return right;
}

uint32_t wire_decoy(const uint8_t key[32], struct slice name)
{
    uint8_t out[SHA2_SIZE];
    uint32_t number;
    sha2(out, key, 32, name.at, name.len);
    memcpy(&number, out, sizeof number);
    return number;
}

/* --- as a client --- */

static const char *const plugin_names[] = {
    [WIRE_PLUGIN_NATIVE] = "mysql_native_password",
    [WIRE_PLUGIN_SHA2] = "caching_sha2_password",
    [WIRE_PLUGIN_ED25519] = "client_ed25519",
    [WIRE_PLUGIN_UNKNOWN] = "unknown",
};

enum wire_plugin wire_plugin_of(struct slice name)
{
    for (int i = 0; i < WIRE_PLUGIN_UNKNOWN; i++)
        if (slice_is(name, plugin_names[i]))
            return (enum wire_plugin)i;
    return WIRE_PLUGIN_UNKNOWN;
}

const char *wire_plugin_name(enum wire_plugin plugin)
{
    return plugin_names[plugin];
}

static size_t native_proof(const char *password, const uint8_t *scramble, uint8_t *out)
{
    uint8_t once[SHA1_SIZE], twice[SHA1_SIZE];
    sha1(once, password, strlen(password), NULL, 0);
    sha1(twice, once, sizeof once, NULL, 0);
    sha1(out, scramble, WIRE_SCRAMBLE, twice, sizeof twice);
    xor_into(out, once, sizeof once);
    wire_wipe(once, sizeof once);
    wire_wipe(twice, sizeof twice);
    return SHA1_SIZE;
}

static size_t fast_proof(const char *password, const uint8_t *scramble, uint8_t *out)
{
    uint8_t once[SHA2_SIZE], twice[SHA2_SIZE];
    sha2(once, password, strlen(password), NULL, 0);
    sha2(twice, once, sizeof once, NULL, 0);
    sha2(out, twice, sizeof twice, scramble, WIRE_SCRAMBLE);
    xor_into(out, once, sizeof once);
    wire_wipe(once, sizeof once);
    wire_wipe(twice, sizeof twice);
    return SHA2_SIZE;
}

size_t wire_scramble_size(enum wire_plugin plugin)
{
    return plugin == WIRE_PLUGIN_ED25519 ? WIRE_NONCE : WIRE_SCRAMBLE;
}

size_t wire_proof(enum wire_plugin plugin, const char *password, const uint8_t *scramble, uint8_t out[WIRE_PROOF_MAX])
{
    CHECK(plugin != WIRE_PLUGIN_UNKNOWN);
    if (plugin == WIRE_PLUGIN_ED25519) {
        wire_ed25519_sign(password, scramble, out);
        return WIRE_ED25519_PROOF;
    }
    if (!*password)
        return 0;
    return plugin == WIRE_PLUGIN_NATIVE ? native_proof(password, scramble, out) : fast_proof(password, scramble, out);
}

/* A server that sends an encrypted PEM must not make us ask the terminal. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
    (void)buf, (void)size, (void)writing, (void)arg;
    return -1;
}

static EVP_PKEY *rsa_key_read(struct slice pem)
{
    BIO *bio = pem.len && pem.len <= 65536 ? BIO_new_mem_buf(pem.at, (int)pem.len) : NULL;
    EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL) : NULL;
    BIO_free(bio);
    if (key && EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    return key;
}

static bool rsa_encrypt(EVP_PKEY *key, const uint8_t *text, size_t n, struct buf *out)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    size_t size = 0;
    bool ok = ctx && EVP_PKEY_encrypt_init(ctx) > 0 && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) > 0 &&
              EVP_PKEY_encrypt(ctx, NULL, &size, text, n) > 0 &&
              EVP_PKEY_encrypt(ctx, buf_reserve(out, size), &size, text, n) > 0;
    if (ok)
        buf_added(out, size);
    EVP_PKEY_CTX_free(ctx);
    return ok;
}

bool wire_rsa_proof(const char *password, const uint8_t *scramble, struct slice pem, struct buf *out)
{
    uint8_t text[WIRE_PASSWORD_MAX + 1];
    size_t n = strlen(password) + 1; /* the NUL is part of it */
    EVP_PKEY *key = n <= sizeof text ? rsa_key_read(pem) : NULL;
    bool ok = false;
    if (key) {
        memcpy(text, password, n);
        for (size_t i = 0; i < n; i++)
            text[i] ^= scramble[i % WIRE_SCRAMBLE];
        ok = rsa_encrypt(key, text, n, out);
        wire_wipe(text, sizeof text);
    }
    EVP_PKEY_free(key);
    ERR_clear_error(); /* the thread's queue is the TLS layer's, which must not find ours there */
    return ok;
}
