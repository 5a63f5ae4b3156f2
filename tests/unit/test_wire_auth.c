/* Proofs and verifiers against answers computed elsewhere and sent by real clients; wrong, unknown and malformed all
 * say no. */
#include "tests/unit/unit.h"

#include <time.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "proxy/wire/auth.h"
#include "tests/unit/wire_hex.h"

static const uint8_t scramble[] = "abcdefghijklmnopqrst";

/* By Python's hashlib and `openssl passwd -5`; "app"'s fast proof is also what MySQL's and MariaDB's clients send. */
static const struct {
    const char *password, *native_proof, *fast_proof, *native_verifier, *fast_secret;
} known[] = {
    {"app", "9b7d5872d84e55f2a3c7ab9dfc24402d68a51040",
     "cc0b57cf8fc973f71933fc35856fe7a0d8117e7ef1d678ae1cc8462c1e56ef9f",
     "*5BCB3E6AC345B435C7C2E6B7949A04CE6F6563D3", "3bfc3d7ca254b2d951bd6aa00bbeb14ff3c0d8d703941aa643f506fee788ff55"},
    {"p\xc3\xa4ssw\xc3\xb6rd", "bbac5880403c8943680f3e56f928c964753198c0",
     "c2f2b3d19aa93ee5d0629e3ec103da650b3d52d906618d526498606d78c7505b", "*0225EC5004ABB0B8CB557541FE53DE1A5D8CC825",
     "e2cd1a228188f0703ba30ffe5e1bc013f0ae431d6213e97a9d2b42f78079ceab"},
};
static const char app_crypt[] = "$5$rasmuslerdorf$p.ka5T14G.pQ4fmJ8E8.3ipTMWaGDhZI1jpMnx1ATy7";

static struct wire_fast_secret secret_of(const char *hex)
{
    struct wire_fast_secret s = {.known = true};
    struct slice bytes = from_hex(hex);
    memcpy(s.digest, bytes.at, sizeof s.digest);
    slice_free(bytes);
    return s;
}

static bool proof_is(enum wire_plugin plugin, const char *password, const char *hex)
{
    uint8_t out[WIRE_PROOF_MAX];
    struct slice expected = from_hex(hex);
    size_t n = wire_proof(plugin, password, scramble, out);
    bool same = slices_same((struct slice){out, n}, expected);
    slice_free(expected);
    return same;
}

static void proofs_are_as_known(void)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        CU_ASSERT(proof_is(WIRE_PLUGIN_NATIVE, known[i].password, known[i].native_proof));
        CU_ASSERT(proof_is(WIRE_PLUGIN_SHA2, known[i].password, known[i].fast_proof));
    }
    CU_ASSERT(proof_is(WIRE_PLUGIN_NATIVE, "", ""));
    CU_ASSERT(proof_is(WIRE_PLUGIN_SHA2, "", ""));
}

static void right_proofs_are_taken(void)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct slice native = from_hex(known[i].native_proof), fast = from_hex(known[i].fast_proof);
        struct wire_fast_secret s = secret_of(known[i].fast_secret);
        CU_ASSERT(wire_check_native(known[i].native_verifier, scramble, native));
        CU_ASSERT(wire_check_fast(&s, scramble, fast));
        slice_free(native);
        slice_free(fast);
    }
}

static void every_wrong_bit_of_a_proof_is_refused(void)
{
    struct slice native = from_hex(known[0].native_proof), fast = from_hex(known[0].fast_proof);
    struct wire_fast_secret s = secret_of(known[0].fast_secret);
    for (size_t bit = 0; bit < 8 * native.len; bit++) {
        ((uint8_t *)(uintptr_t)native.at)[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CU_ASSERT_FALSE(wire_check_native(known[0].native_verifier, scramble, native));
        ((uint8_t *)(uintptr_t)native.at)[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t bit = 0; bit < 8 * fast.len; bit++) {
        ((uint8_t *)(uintptr_t)fast.at)[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CU_ASSERT_FALSE(wire_check_fast(&s, scramble, fast));
        ((uint8_t *)(uintptr_t)fast.at)[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    CU_ASSERT_FALSE(wire_check_native(known[0].native_verifier, (const uint8_t *)"bbcdefghijklmnopqrst", native));
    CU_ASSERT_FALSE(wire_check_fast(&s, (const uint8_t *)"bbcdefghijklmnopqrst", fast));
    slice_free(native);
    slice_free(fast);
}

static void unknown_users_and_misshapen_proofs_are_refused(void)
{
    struct slice native = from_hex(known[0].native_proof), fast = from_hex(known[0].fast_proof);
    struct wire_fast_secret s = secret_of(known[0].fast_secret), unknown = s;
    unknown.known = false;
    CU_ASSERT_FALSE(wire_check_native(NULL, scramble, native));
    CU_ASSERT_FALSE(wire_check_native("*5BCB", scramble, native));
    CU_ASSERT_FALSE(wire_check_native(known[0].native_verifier, scramble, (struct slice){NULL, 0}));
    CU_ASSERT_FALSE(wire_check_native(known[0].native_verifier, scramble, (struct slice){native.at, 19}));
    CU_ASSERT_FALSE(wire_check_native(known[0].native_verifier, scramble, fast));
    CU_ASSERT_FALSE(wire_check_fast(&unknown, scramble, fast));
    CU_ASSERT_FALSE(wire_check_fast(&s, scramble, (struct slice){NULL, 0}));
    CU_ASSERT_FALSE(wire_check_fast(&s, scramble, native));
    slice_free(native);
    slice_free(fast);
}

static bool full(const char *crypt, const char *password, size_t n, struct wire_fast_secret *learn)
{
    struct slice copy = slice_copy(password, n);
    bool ok = wire_check_full(crypt, copy, learn);
    slice_free(copy);
    return ok;
}

static void the_full_exchange_checks_and_learns(void)
{
    struct wire_fast_secret learn = {0}, expected = secret_of(known[0].fast_secret);
    CU_ASSERT(full(app_crypt, "app", 4, &learn)); /* with its NUL */
    CU_ASSERT(learn.known && !memcmp(learn.digest, expected.digest, sizeof learn.digest));
    CU_ASSERT(full(app_crypt, "app", 3, &learn));
    CU_ASSERT(full("$5$0123456789abcdef$spDqErTuRkJk.7971KjbjahW1SJ1JGUutlqu5csbQMA", known[1].password, 10, &learn));
    expected = secret_of(known[1].fast_secret);
    CU_ASSERT(!memcmp(learn.digest, expected.digest, sizeof learn.digest));
}

static void the_full_exchange_refuses(void)
{
    static const char *const none[] = {NULL, "", "*", "$5$", "$5$x$y", "$6$rasmuslerdorf$abc"};
    struct wire_fast_secret learn = {0};
    char longest[WIRE_PASSWORD_MAX + 2];
    memset(longest, 'a', sizeof longest);
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        CU_ASSERT_FALSE(full(none[i], "app", 4, &learn));
    CU_ASSERT_FALSE(full(app_crypt, "apq", 4, &learn));
    CU_ASSERT_FALSE(full(app_crypt, "", 1, &learn));
    CU_ASSERT_FALSE(full(app_crypt, "", 0, &learn));
    CU_ASSERT_FALSE(full(app_crypt, "app\0\0", 5, &learn)); /* one NUL is the end, two are not */
    CU_ASSERT_FALSE(full(app_crypt, "app\0x", 5, &learn));
    CU_ASSERT_FALSE(full(app_crypt, longest, sizeof longest, &learn));
    CU_ASSERT_FALSE(learn.known);
}

static bool clear(const struct wire_verifiers *v, struct wire_fast_secret *secret, const char *password)
{
    struct slice copy = slice_copy(password, strlen(password));
    bool ok = wire_check_clear(v, secret, copy);
    slice_free(copy);
    return ok;
}

static void a_password_in_clear_text_is_checked_against_any_verifier(void)
{
    struct wire_verifiers crypt = {.crypt = app_crypt}, native = {.native = known[0].native_verifier}, none = {0};
    char public_key[WIRE_ED25519_TEXT + 1];
    wire_verifier_ed25519_make("app", public_key);
    struct wire_verifiers ed25519 = {.ed25519 = public_key};
    struct wire_fast_secret learn = {0}, not_learned = {0};
    CU_ASSERT(clear(&native, &not_learned, "app") && clear(&ed25519, &not_learned, "app") && !not_learned.known);
    CU_ASSERT(clear(&crypt, &learn, "app") && learn.known);
    CU_ASSERT(clear(&none, &learn, "app")); /* by the secret alone */
    static const char *const wrong[] = {"", "apq", "appp", "APP"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CU_ASSERT_FALSE(clear(&crypt, &learn, wrong[i]) || clear(&native, &not_learned, wrong[i]));
        CU_ASSERT_FALSE(clear(&ed25519, &not_learned, wrong[i]) || clear(&none, &not_learned, wrong[i]));
    }
    CU_ASSERT_FALSE(clear(&none, &not_learned, "app"));
    CU_ASSERT_FALSE(not_learned.known);
}

static void made_verifiers_are_fresh_and_fit(void)
{
    char crypt[128], again[128], native[42], longest[WIRE_PASSWORD_MAX + 2] = "";
    struct wire_fast_secret learn = {0};
    CU_ASSERT(wire_verifier_make("app", crypt, native));
    CU_ASSERT(wire_verifier_make("app", again, native));
    CU_ASSERT_STRING_NOT_EQUAL(crypt, again);
    CU_ASSERT_STRING_EQUAL(native, known[0].native_verifier);
    CU_ASSERT(wire_verifier_crypt_ok(crypt) && wire_verifier_native_ok(native));
    CU_ASSERT(full(crypt, "app", 4, &learn) && full(again, "app", 4, &learn));
    CU_ASSERT_FALSE(full(crypt, "App", 4, &learn));
    CU_ASSERT_FALSE(wire_verifier_make("", crypt, native));
    memset(longest, 'x', WIRE_PASSWORD_MAX);
    CU_ASSERT(wire_verifier_make(longest, crypt, native) && full(crypt, longest, WIRE_PASSWORD_MAX, &learn));
    CU_ASSERT_STRING_EQUAL(native, "*13D782B80FCA5997D0241A0DC19FD3A28C2BF26C");
    longest[WIRE_PASSWORD_MAX] = 'x';
    CU_ASSERT_FALSE(wire_verifier_make(longest, crypt, native));
}

static void the_form_of_verifiers_is_checked(void)
{
    CU_ASSERT(wire_verifier_crypt_ok(app_crypt));
    CU_ASSERT(wire_verifier_crypt_ok("$5$rounds=10000$saltstringsaltst$3xv.VbSCBX41eDL9L3voZredEqSlVsnThPzPKLNVBKD"));
    CU_ASSERT_FALSE(wire_verifier_crypt_ok("$5$rounds=$salt$3xv.VbSCBX41eDL9L3voZredEqSlVsnThPzPKLNVBKD"));
    CU_ASSERT_FALSE(wire_verifier_crypt_ok("$5$rasmuslerdorf$p.ka5T14G.pQ4fmJ8E8.3ipTMWaGDhZI1jpMnx1ATy"));
    CU_ASSERT_FALSE(wire_verifier_crypt_ok("$5$rasmuslerdorf$p.ka5T14G.pQ4fmJ8E8.3ipTMWaGDhZI1jpMnx1ATy77"));
    CU_ASSERT_FALSE(wire_verifier_crypt_ok("$5$rasmuslerdorfrasmus$p.ka5T14G.pQ4fmJ8E8.3ipTMWaGDhZI1jpMnx1ATy7"));
    CU_ASSERT_FALSE(wire_verifier_crypt_ok("app"));
    CU_ASSERT(wire_verifier_native_ok("*5bcb3e6ac345b435c7c2e6b7949a04ce6f6563d3"));
    CU_ASSERT_FALSE(wire_verifier_native_ok("5BCB3E6AC345B435C7C2E6B7949A04CE6F6563D3"));
    CU_ASSERT_FALSE(wire_verifier_native_ok("*5BCB3E6AC345B435C7C2E6B7949A04CE6F6563DG"));
    CU_ASSERT_FALSE(wire_verifier_native_ok("*5BCB3E6AC345B435C7C2E6B7949A04CE6F6563D3F"));
}

static void scrambles_are_fresh_and_travel_well(void)
{
    uint8_t a[WIRE_SCRAMBLE], b[WIRE_SCRAMBLE];
    unsigned seen[256] = {0};
    for (int i = 0; i < 1000; i++) {
        wire_scramble_make(i % 2 ? a : b);
        for (int j = 0; j < WIRE_SCRAMBLE; j++)
            seen[(i % 2 ? a : b)[j]]++;
    }
    CU_ASSERT(memcmp(a, b, WIRE_SCRAMBLE) != 0);
    for (int ch = 0; ch < 256; ch++)
        CU_ASSERT_EQUAL(seen[ch] > 0, ch > '$' && ch < 127);
}

/* By PyMySQL, which signs with PyNaCl; the first is also the example of MariaDB's own tests. The nonce: 00 01 02 ... 1f. */
static const struct {
    const char *password, *verifier, *signature;
} ed25519[] = {
    {"secret", "ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY",
     "546c3e9311d19ee389d1ae5d945821bfe459423910136f16b3bd2ae89fd7d63b"
     "449e689f4be812891a85b8f999076446d92adb83d0707215aaa60b5a23220907"},
    {"p\xc3\xa4ssw\xc3\xb6rd", "3AcJUN7vR2AnAzs/McwNtGs2GDbHzL5YqZoIOPw62V0",
     "0f3e30293481ff694bfc759a49d40c6a4a858b5128c3e5a61add1406bd6891a7"
     "7094e185f96e492086ff1fbc514c25c99e4833497a35280b1f63ced28d8acc0e"},
};

static void nonce_of(uint8_t out[WIRE_NONCE])
{
    for (uint8_t i = 0; i < WIRE_NONCE; i++)
        out[i] = i;
}

static void ed25519_signs_and_verifies_as_mariadb_does(void)
{
    uint8_t nonce[WIRE_NONCE], out[WIRE_PROOF_MAX];
    char made[WIRE_ED25519_TEXT + 1];
    nonce_of(nonce);
    for (size_t i = 0; i < sizeof ed25519 / sizeof *ed25519; i++) {
        struct slice expected = from_hex(ed25519[i].signature);
        size_t n = wire_proof(WIRE_PLUGIN_ED25519, ed25519[i].password, nonce, out);
        CU_ASSERT(slices_same((struct slice){out, n}, expected));
        CU_ASSERT(wire_check_ed25519(ed25519[i].verifier, nonce, expected));
        wire_verifier_ed25519_make(ed25519[i].password, made);
        CU_ASSERT_STRING_EQUAL(made, ed25519[i].verifier);
        slice_free(expected);
    }
    char longest[WIRE_PASSWORD_MAX + 1] = "";
    memset(longest, 'x', WIRE_PASSWORD_MAX);
    wire_verifier_ed25519_make(longest, made);
    CU_ASSERT_STRING_EQUAL(made, "+ulBZfI6B3fotlEn++M4+DmpiCr0ukiY5JkJ8OM1bHg");
    CU_ASSERT_EQUAL(wire_proof(WIRE_PLUGIN_ED25519, longest, nonce, out), WIRE_ED25519_PROOF);
    CU_ASSERT(wire_check_ed25519(made, nonce, (struct slice){out, sizeof out}));
}

static void ed25519_refuses_every_other_signature(void)
{
    uint8_t nonce[WIRE_NONCE], signature[WIRE_ED25519_PROOF + 1] = {0};
    const char *verifier = ed25519[0].verifier;
    nonce_of(nonce);
    wire_proof(WIRE_PLUGIN_ED25519, ed25519[0].password, nonce, signature);
    for (size_t bit = 0; bit < 8 * WIRE_ED25519_PROOF; bit++) {
        signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CU_ASSERT_FALSE(wire_check_ed25519(verifier, nonce, (struct slice){signature, WIRE_ED25519_PROOF}));
        signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    CU_ASSERT_FALSE(wire_check_ed25519(ed25519[1].verifier, nonce, (struct slice){signature, WIRE_ED25519_PROOF}));
    CU_ASSERT_FALSE(wire_check_ed25519(NULL, nonce, (struct slice){signature, WIRE_ED25519_PROOF}));
    CU_ASSERT_FALSE(wire_check_ed25519("", nonce, (struct slice){signature, WIRE_ED25519_PROOF}));
    CU_ASSERT_FALSE(wire_check_ed25519(verifier, nonce, (struct slice){signature, WIRE_ED25519_PROOF - 1}));
    CU_ASSERT_FALSE(wire_check_ed25519(verifier, nonce, (struct slice){signature, WIRE_ED25519_PROOF + 1}));
    CU_ASSERT_FALSE(wire_check_ed25519(verifier, nonce, (struct slice){NULL, 0}));
    nonce[31]++;
    CU_ASSERT_FALSE(wire_check_ed25519(verifier, nonce, (struct slice){signature, WIRE_ED25519_PROOF}));
    CU_ASSERT(wire_verifier_ed25519_ok(verifier));
    CU_ASSERT_FALSE(wire_verifier_ed25519_ok("ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJ"));
    CU_ASSERT_FALSE(wire_verifier_ed25519_ok("ZIgUREUg5PVgQ6LskhXmO-eZLS0nC8be6HPjYWR4YJY"));
}

static int64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void take_cost(int64_t *least, const char *verifier, const uint8_t *nonce, struct slice proof)
{
    int64_t begun = cpu_ns();
    (void)wire_check_ed25519(verifier, nonce, proof);
    int64_t took = cpu_ns() - begun;
    if (took < *least)
        *least = took;
}

/* The quickest of many, taken in turn: nothing makes a check quicker than it is. A machine whose clock changes its pace may still
 * tell them apart a little; what leaves the work out is far below half. */
static void an_unknown_user_costs_ed25519_as_much(void)
{
    int64_t of_user = INT64_MAX, of_nobody = INT64_MAX, misshapen = INT64_MAX;
    uint8_t nonce[WIRE_NONCE], wrong[WIRE_ED25519_PROOF];
    nonce_of(nonce);
    wire_proof(WIRE_PLUGIN_ED25519, "not it", nonce, wrong);
    for (int i = 0; i < 300; i++) {
        take_cost(&of_user, ed25519[0].verifier, nonce, (struct slice){wrong, sizeof wrong});
        take_cost(&of_nobody, NULL, nonce, (struct slice){wrong, sizeof wrong});
        take_cost(&misshapen, ed25519[0].verifier, nonce, (struct slice){wrong, 3});
    }
    CU_ASSERT(of_nobody * 2 > of_user && of_nobody < of_user * 2);
    CU_ASSERT(misshapen * 2 > of_user);
}

/* Nobody who does not know the key can tell a decoy from a user: its face never changes, and every face comes up. */
static void a_decoy_keeps_its_face(void)
{
    const uint8_t key[32] = {1}, other[32] = {2};
    unsigned seen[3] = {0}, differs = 0;
    for (int i = 0; i < 300; i++) {
        char name[8];
        snprintf(name, sizeof name, "u%d", i);
        seen[wire_decoy(key, text_slice(name)) % 3]++;
        CU_ASSERT_EQUAL(wire_decoy(key, text_slice(name)), wire_decoy(key, text_slice(name)));
        differs += wire_decoy(key, text_slice(name)) != wire_decoy(other, text_slice(name));
    }
    CU_ASSERT(seen[0] > 50 && seen[1] > 50 && seen[2] > 50 && differs > 290);
}

static void plugins_are_known_by_name(void)
{
    CU_ASSERT_EQUAL(wire_plugin_of(text_slice("mysql_native_password")), WIRE_PLUGIN_NATIVE);
    CU_ASSERT_EQUAL(wire_plugin_of(text_slice("caching_sha2_password")), WIRE_PLUGIN_SHA2);
    CU_ASSERT_EQUAL(wire_plugin_of(text_slice("client_ed25519")), WIRE_PLUGIN_ED25519);
    CU_ASSERT_EQUAL(wire_plugin_of(text_slice("sha256_password")), WIRE_PLUGIN_UNKNOWN);
    CU_ASSERT_EQUAL(wire_plugin_of(text_slice("")), WIRE_PLUGIN_UNKNOWN);
    CU_ASSERT_STRING_EQUAL(wire_plugin_name(WIRE_PLUGIN_SHA2), "caching_sha2_password");
}

static struct slice pem_of(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *at;
    CU_ASSERT_FATAL(PEM_write_bio_PUBKEY(bio, key) == 1);
    long n = BIO_get_mem_data(bio, &at);
    struct slice pem = slice_copy(at, (size_t)n);
    BIO_free(bio);
    return pem;
}

/* As a server undoes it: decrypt, then XOR. */
static bool server_reads(EVP_PKEY *key, const struct buf *sealed, const char *password)
{
    uint8_t text[512];
    size_t n = sizeof text;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    bool ok = EVP_PKEY_decrypt_init(ctx) > 0 && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) > 0 &&
              EVP_PKEY_decrypt(ctx, text, &n, buf_at(sealed), buf_len(sealed)) > 0;
    EVP_PKEY_CTX_free(ctx);
    for (size_t i = 0; i < n; i++)
        text[i] ^= scramble[i % WIRE_SCRAMBLE];
    return ok && n == strlen(password) + 1 && !memcmp(text, password, n);
}

static void a_password_travels_under_the_servers_key(void)
{
    static const char long_one[] = "a password that is longer than the scramble is";
    EVP_PKEY *key = EVP_RSA_gen(2048);
    struct slice pem = pem_of(key);
    struct buf sealed = {0};
    buf_text(&sealed, "x");
    CU_ASSERT(wire_rsa_proof(long_one, scramble, pem, &sealed));
    CU_ASSERT_EQUAL(buf_len(&sealed), 1 + 256);
    buf_consume(&sealed, 1);
    CU_ASSERT(server_reads(key, &sealed, long_one));
    char too_long[300] = "";
    memset(too_long, 'x', sizeof too_long - 1);
    CU_ASSERT_FALSE(wire_rsa_proof(too_long, scramble, pem, &sealed));
    slice_free(pem);
    EVP_PKEY_free(key);
    buf_fini(&sealed);
}

static void what_is_no_rsa_key_is_refused(void)
{
    struct buf sealed = {0};
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct slice pem = pem_of(key);
    CU_ASSERT_FALSE(wire_rsa_proof("app", scramble, pem, &sealed));
    CU_ASSERT_FALSE(wire_rsa_proof("app", scramble, (struct slice){NULL, 0}, &sealed));
    CU_ASSERT_FALSE(wire_rsa_proof("app", scramble, (struct slice){pem.at, pem.len / 2}, &sealed));
    static const char locked[] = "-----BEGIN PUBLIC KEY-----\nProc-Type: 4,ENCRYPTED\n"
                                 "DEK-Info: AES-128-CBC,00112233445566778899aabbccddeeff\n\n"
                                 "AAAA\n-----END PUBLIC KEY-----\n";
    CU_ASSERT_FALSE(wire_rsa_proof("app", scramble, text_slice(locked), &sealed)); /* without asking the terminal */
    CU_ASSERT_EQUAL(buf_len(&sealed), 0);
    slice_free(pem);
    EVP_PKEY_free(key);
    buf_fini(&sealed);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"proofs are as known", proofs_are_as_known},
        {"right proofs are taken", right_proofs_are_taken},
        {"every wrong bit of a proof is refused", every_wrong_bit_of_a_proof_is_refused},
        {"unknown users and misshapen proofs are refused", unknown_users_and_misshapen_proofs_are_refused},
        {"the full exchange checks and learns", the_full_exchange_checks_and_learns},
        {"the full exchange refuses", the_full_exchange_refuses},
        {"a password in clear text is checked against any verifier", a_password_in_clear_text_is_checked_against_any_verifier},
        {"made verifiers are fresh and fit", made_verifiers_are_fresh_and_fit},
        {"the form of verifiers is checked", the_form_of_verifiers_is_checked},
        {"scrambles are fresh and travel well", scrambles_are_fresh_and_travel_well},
        {"ed25519 signs and verifies as MariaDB does", ed25519_signs_and_verifies_as_mariadb_does},
    {"ed25519 refuses every other signature", ed25519_refuses_every_other_signature},
    {"an unknown user costs ed25519 as much", an_unknown_user_costs_ed25519_as_much},
    {"a decoy keeps its face", a_decoy_keeps_its_face},
    {"plugins are known by name", plugins_are_known_by_name},
        {"a password travels under the server's key", a_password_travels_under_the_servers_key},
        {"what is no RSA key is refused", what_is_no_rsa_key_is_refused},
        {NULL, NULL},
    };
    return unit_main("wire/auth", tests);
}
