/* Log-in messages: as MariaDB 10.11, MySQL 9 and their clients send them, as we write them, and every shorter form
 * refused. */
#include "tests/unit/unit.h"

#include "proxy/wire/handshake.h"
#include "tests/unit/wire_hex.h"

#define MARIADB_GREETING \
    "0a352e352e352d31302e31312e31392d4d6172696144422d302b64656231327531000500000040566f4f78322b2300fef7080200ff8115" \
    "0000000000001d0000006c7836422b502f3a72542e28006d7973716c5f6e61746976655f70617373776f726400"
#define MYSQL_GREETING \
    "0a392e372e342d32000b000000710b193117300d0300ffffff0200ffdf150000000000000000000041174b464e232a6045416110006361" \
    "6368696e675f736861325f70617373776f726400"
/* To the scramble "abcdefghijklmnopqrst", user and password "app", schema "t". */
#define MARIADB_LOGIN \
    "8da2bf00000010002100000000000000000000000000000000000000000000006170700020cc0b57cf8fc973f71933fc35856fe7a0d8117e" \
    "7ef1d678ae1cc8462c1e56ef9f740063616368696e675f736861325f70617373776f72640067035f6f73054c696e75780c5f636c69656e74" \
    "5f6e616d650a6c69626d617269616462045f70696404333037330f5f636c69656e745f76657273696f6e06332e332e3230095f706c617466" \
    "6f726d067838365f36340c70726f6772616d5f6e616d65056d7973716c"
#define MYSQL_LOGIN \
    "8da2bf1900000001ff00000000000000000000000000000000000000000000006170700020cc0b57cf8fc973f71933fc35856fe7a0d8117e" \
    "7ef1d678ae1cc8462c1e56ef9f740063616368696e675f736861325f70617373776f72640071045f7069640433303735095f706c6174666f" \
    "726d067838365f3634035f6f73054c696e75780c5f636c69656e745f6e616d65086c69626d7973716c076f735f7573657204726f6f740f5f" \
    "636c69656e745f76657273696f6e05392e372e340c70726f6772616d5f6e616d65056d7973716c"
#define MYSQL_LOGIN_PLAIN /* without LENENC and ATTRS */ \
    "8da28f1900000001ff00000000000000000000000000000000000000000000006170700020cc0b57cf8fc973f71933fc35856fe7a0d8117e" \
    "7ef1d678ae1cc8462c1e56ef9f740063616368696e675f736861325f70617373776f726400"

static void greetings_of_both_families_are_read(void)
{
    struct wire_greeting g;
    struct slice p = from_hex(MARIADB_GREETING);
    CU_ASSERT(wire_greeting_read(p, &g));
    CU_ASSERT_STRING_EQUAL(g.version, "10.11.19-MariaDB-0+deb12u1");
    CU_ASSERT_STRING_EQUAL(g.plugin, "mysql_native_password");
    CU_ASSERT(g.mariadb && g.caps == 0x1d81fff7fe && g.connection_id == 5 && g.charset == 8);
    CU_ASSERT(!memcmp(g.scramble, "@VoOx2+#lx6B+P/:rT.(", WIRE_SCRAMBLE) && g.status == WIRE_STATUS_AUTOCOMMIT);
    slice_free(p);
    p = from_hex(MYSQL_GREETING);
    CU_ASSERT(wire_greeting_read(p, &g));
    CU_ASSERT_STRING_EQUAL(g.version, "9.7.4-2");
    CU_ASSERT_STRING_EQUAL(g.plugin, "caching_sha2_password");
    CU_ASSERT(!g.mariadb && g.caps == 0xdfffffff && g.connection_id == 11 && g.charset == 255);
    CU_ASSERT(!memcmp(g.scramble + 8, "A\x17KFN#*`EAa\x10", 12));
    slice_free(p);
}

/* E of the facts: a MariaDB without the prefix is known by its text or its missing LONG_PASSWORD. */
static void newer_mariadb_is_known_without_the_prefix(void)
{
    struct wire_greeting g = {.version = "11.8.9-MariaDB-log", .plugin = "mysql_native_password"}, back;
    struct buf b = {0};
    g.caps = WIRE_CAP_PROTOCOL_41 | WIRE_CAP_SECURE_CONNECTION | WIRE_CAP_PLUGIN_AUTH | WIRE_CAP_LONG_PASSWORD;
    wire_greeting_write(&b, &g);
    CU_ASSERT(wire_greeting_read((struct slice){buf_at(&b), buf_len(&b)}, &back) && back.mariadb);
    buf_clear(&b);
    strcpy(g.version, "11.8.9");
    wire_greeting_write(&b, &g);
    CU_ASSERT(wire_greeting_read((struct slice){buf_at(&b), buf_len(&b)}, &back) && !back.mariadb);
    buf_clear(&b);
    g.caps &= ~(uint64_t)WIRE_CAP_LONG_PASSWORD;
    wire_greeting_write(&b, &g);
    CU_ASSERT(wire_greeting_read((struct slice){buf_at(&b), buf_len(&b)}, &back) && back.mariadb);
    buf_fini(&b);
}

static void our_greeting_stands_as_servers_write_it(void)
{
    struct wire_greeting g = {.version = "8.0.35-xa", .connection_id = 0x01020304, .charset = 45, .status = 2,
                              .plugin = "caching_sha2_password"};
    memcpy(g.scramble, "abcdefghijklmnopqrst", WIRE_SCRAMBLE);
    g.caps = 0x018fa20f;
    struct buf b = {0};
    wire_greeting_write(&b, &g);
    CU_ASSERT(buf_is_hex(&b, "0a 382e302e33352d786100 04030201 6162636465666768 00 0fa2 2d 0200 8f01"
                             "15 00000000000000000000"
                             "696a6b6c6d6e6f7071727374 00 63616368696e675f736861325f70617373776f726400"));
    buf_clear(&b);
    g.caps = (g.caps & ~(uint64_t)WIRE_CAP_LONG_PASSWORD) | WIRE_CAP_BULK | WIRE_CAP_CACHE_METADATA;
    wire_greeting_write(&b, &g);
    CU_ASSERT(buf_is_hex(&b, "0a 382e302e33352d786100 04030201 6162636465666768 00 0ea2 2d 0200 8f01"
                             "15 000000000000 14000000"
                             "696a6b6c6d6e6f7071727374 00 63616368696e675f736861325f70617373776f726400"));
    buf_fini(&b);
}

/* What stands in their place means nothing where LONG_PASSWORD is set. */
static void extended_capabilities_need_a_clear_bit(void)
{
    struct wire_login l = {.caps = WIRE_CAP_PROTOCOL_41 | WIRE_CAP_SECURE_CONNECTION | WIRE_CAP_BULK, .user = text_slice("u"),
                           .auth = text_slice("12345678901234567890")}, back;
    struct buf b = {0};
    wire_login_write(&b, &l);
    CU_ASSERT(wire_login_read((struct slice){buf_at(&b), buf_len(&b)}, &back) && back.caps == l.caps);
    buf_at(&b)[0] |= WIRE_CAP_LONG_PASSWORD;
    CU_ASSERT(wire_login_read((struct slice){buf_at(&b), buf_len(&b)}, &back) && !(back.caps >> 32));
    buf_fini(&b);
}

static void long_names_of_servers_are_cut(void)
{
    struct buf b = {0};
    buf_u8(&b, 10);
    for (int i = 0; i < 200; i++)
        buf_u8(&b, 'v');
    struct slice whole = from_hex(MYSQL_GREETING);
    buf_append(&b, whole.at + 8, whole.len - 8);
    struct wire_greeting g;
    CU_ASSERT(wire_greeting_read((struct slice){buf_at(&b), buf_len(&b)}, &g));
    CU_ASSERT_EQUAL(strlen(g.version), sizeof g.version - 1);
    CU_ASSERT_STRING_EQUAL(g.plugin, "caching_sha2_password");
    slice_free(whole);
    buf_fini(&b);
}

static void check_app_login(const char *hex, uint64_t caps, uint16_t charset, bool attributes)
{
    struct wire_login l;
    struct slice p = from_hex(hex);
    CU_ASSERT(wire_login_read(p, &l));
    CU_ASSERT(l.caps == caps && l.charset == charset);
    CU_ASSERT(slice_is(l.user, "app") && slice_is(l.schema, "t") && slice_is(l.plugin, "caching_sha2_password"));
    CU_ASSERT(l.auth.len == 32 && l.auth.at[0] == 0xcc && l.auth.at[31] == 0x9f);
    CU_ASSERT_EQUAL(l.attributes.at != NULL, attributes);
    CU_ASSERT(!attributes || l.attributes.at + l.attributes.len == p.at + p.len);
    slice_free(p);
}

static void logins_of_both_families_are_read(void)
{
    check_app_login(MARIADB_LOGIN, 0x00bfa28d, 33, true);
    check_app_login(MYSQL_LOGIN, 0x19bfa28d, 255, true);
    check_app_login(MYSQL_LOGIN_PLAIN, 0x198fa28d, 255, false);
}

static void every_set_of_capabilities_comes_back(void)
{
    static const uint64_t optional[] = {WIRE_CAP_CONNECT_WITH_DB, WIRE_CAP_PLUGIN_AUTH, WIRE_CAP_CONNECT_ATTRS,
                                        WIRE_CAP_PLUGIN_AUTH_LENENC, WIRE_CAP_SSL, WIRE_CAPS_EXTENDED};
    for (unsigned set = 0; set < 64; set++) {
        struct wire_login l = {.caps = WIRE_CAP_PROTOCOL_41 | WIRE_CAP_SECURE_CONNECTION,
                               .max_packet = 1u << 24, .charset = 45, .user = text_slice("u"),
                               .auth = text_slice("12345678901234567890")}, back;
        for (unsigned i = 0; i < 6; i++)
            if (set >> i & 1)
                l.caps |= optional[i];
        l.schema = l.caps & WIRE_CAP_CONNECT_WITH_DB ? text_slice("db") : (struct slice){NULL, 0};
        l.plugin = l.caps & WIRE_CAP_PLUGIN_AUTH ? text_slice("plug") : (struct slice){NULL, 0};
        l.attributes = l.caps & WIRE_CAP_CONNECT_ATTRS ? text_slice("\1a\1b") : (struct slice){NULL, 0};
        struct buf b = {0};
        wire_login_write(&b, &l);
        CU_ASSERT(wire_login_read((struct slice){buf_at(&b), buf_len(&b)}, &back));
        CU_ASSERT(back.caps == l.caps && back.max_packet == l.max_packet && back.charset == 45);
        CU_ASSERT(slices_same(back.user, l.user) && slices_same(back.auth, l.auth));
        CU_ASSERT(slices_same(back.schema, l.schema) && !back.schema.at == !l.schema.at);
        CU_ASSERT(slices_same(back.plugin, l.plugin) && slices_same(back.attributes, l.attributes));
        buf_fini(&b);
    }
}

static bool login_hex(const char *hex)
{
    struct wire_login l;
    struct slice p = from_hex(hex);
    bool ok = wire_login_read(p, &l);
    slice_free(p);
    return ok;
}

#define HEAD(caps) caps " 00000001 2d 0000000000000000000000000000000000000000000000 7500 "
static void old_and_lying_logins(void)
{
    CU_ASSERT(login_hex(HEAD("00020000") "313200"));             /* proof up to a NUL */
    CU_ASSERT(login_hex(HEAD("00820000") "023132"));
    CU_ASSERT(login_hex(HEAD("00820004") "023132 03"));          /* zstd's level, never offered, is ignored */
    CU_ASSERT_FALSE(login_hex(HEAD("00800000") "023132"));       /* before 4.1 */
    CU_ASSERT_FALSE(login_hex(HEAD("00820000") "033132"));
    CU_ASSERT_FALSE(login_hex(HEAD("00822000") "fe0200000001000000 3132"));
    CU_ASSERT_FALSE(login_hex(HEAD("00821000") "00 05 01610162")); /* attributes longer than the packet */
    CU_ASSERT_FALSE(login_hex(HEAD("00821000") "00 feffffffffffffffff 0161"));
    CU_ASSERT_FALSE(login_hex(HEAD("00821000") "00 fb"));
    CU_ASSERT_FALSE(login_hex(HEAD("00820800") "00 706c7567"));    /* a plugin without its NUL */
}

static void tls_requests_are_told_from_logins(void)
{
    struct buf b = {0};
    struct wire_login l;
    wire_tls_request_write(&b, WIRE_CAP_SSL | WIRE_CAP_PROTOCOL_41 | WIRE_CAP_SECURE_CONNECTION, 0x01000000, 45);
    CU_ASSERT(buf_is_hex(&b, "008a0000 00000001 2d 0000000000000000000000000000000000000000000000"));
    struct slice p = {buf_at(&b), buf_len(&b)};
    CU_ASSERT(wire_login_is_tls_request(p));
    CU_ASSERT_FALSE(wire_login_read(p, &l)); /* and the other way round */
    p.len--;
    CU_ASSERT_FALSE(wire_login_is_tls_request(p));
    p.len++;
    buf_at(&b)[1] &= 0x7f & ~0x08;
    CU_ASSERT_FALSE(wire_login_is_tls_request(p));
    buf_fini(&b);
}

static void switches_and_more_data_come_back(void)
{
    struct buf b = {0};
    struct wire_auth_switch s;
    struct slice data;
    wire_auth_switch_write(&b, "mysql_native_password", (const uint8_t *)"abcdefghijklmnopqrst", WIRE_SCRAMBLE);
    CU_ASSERT(buf_is_hex(&b, "fe 6d7973716c5f6e61746976655f70617373776f7264 00"
                             "6162636465666768696a6b6c6d6e6f7071727374 00"));
    CU_ASSERT(wire_auth_switch_read((struct slice){buf_at(&b), buf_len(&b)}, &s));
    CU_ASSERT(slice_is(s.plugin, "mysql_native_password") && slice_is(s.data, "abcdefghijklmnopqrst"));
    CU_ASSERT_FALSE(wire_auth_switch_read((struct slice){buf_at(&b), 1}, &s)); /* the proof of before 4.1 */
    CU_ASSERT_FALSE(wire_auth_switch_read((struct slice){buf_at(&b), 10}, &s));
    buf_clear(&b);
    const uint8_t nonce[32] = {7}; /* ends with a NUL of its own, and none is put behind it */
    wire_auth_switch_write(&b, "client_ed25519", nonce, sizeof nonce);
    CU_ASSERT_EQUAL(buf_len(&b), 1 + sizeof "client_ed25519" + sizeof nonce);
    CU_ASSERT(wire_auth_switch_read((struct slice){buf_at(&b), buf_len(&b)}, &s) && s.data.len == sizeof nonce);
    buf_clear(&b);
    wire_auth_more_write(&b, "\4", 1);
    CU_ASSERT(buf_is_hex(&b, "0104"));
    CU_ASSERT(wire_auth_more_read((struct slice){buf_at(&b), 2}, &data) && slice_is(data, "\4"));
    CU_ASSERT(wire_auth_more_read((struct slice){buf_at(&b), 1}, &data) && !data.len);
    CU_ASSERT_FALSE(wire_auth_more_read((struct slice){buf_at(&b) + 1, 1}, &data));
    CU_ASSERT_FALSE(wire_auth_more_read((struct slice){NULL, 0}, &data));
    buf_fini(&b);
}

static void change_user_is_taken_apart(void)
{
    struct wire_login l;
    struct slice p = from_hex("11 617000 03 414243 7400 2d00 706c00 04 01610162");
    CU_ASSERT(wire_change_user_read(p, WIRE_CAP_PLUGIN_AUTH | WIRE_CAP_CONNECT_ATTRS, &l));
    CU_ASSERT(slice_is(l.user, "ap") && slice_is(l.auth, "ABC") && slice_is(l.schema, "t") && l.charset == 45);
    CU_ASSERT(slice_is(l.plugin, "pl") && slice_is(l.attributes, "\1a\1b"));
    size_t legal[] = {10, 12, 15}; /* older clients stop after the schema, the charset, the plugin */
    for (size_t n = 0; n < p.len; n++) {
        struct slice cut = slice_copy(p.at, n);
        CU_ASSERT_EQUAL(wire_change_user_read(cut, WIRE_CAP_PLUGIN_AUTH | WIRE_CAP_CONNECT_ATTRS, &l),
                        n == legal[0] || n == legal[1] || n == legal[2]);
        slice_free(cut);
    }
    slice_free(p);
}

static void every_truncation_is_refused(const char *hex, bool (*read)(struct slice))
{
    struct slice whole = from_hex(hex);
    CU_ASSERT(read(whole));
    for (size_t n = 0; n < whole.len; n++) {
        struct slice cut = slice_copy(whole.at, n);
        CU_ASSERT_FALSE(read(cut));
        slice_free(cut);
    }
    slice_free(whole);
}

static bool read_greeting(struct slice p) { struct wire_greeting g; return wire_greeting_read(p, &g); }
static bool read_login(struct slice p) { struct wire_login l; return wire_login_read(p, &l); }

static void messages_cut_short_are_refused(void)
{
    every_truncation_is_refused(MARIADB_GREETING, read_greeting);
    every_truncation_is_refused(MYSQL_GREETING, read_greeting);
    every_truncation_is_refused(MARIADB_LOGIN, read_login);
    every_truncation_is_refused(MYSQL_LOGIN, read_login);
    every_truncation_is_refused(MYSQL_LOGIN_PLAIN, read_login);
}

static void greetings_of_other_protocols_are_refused(void)
{
    struct slice p = from_hex(MYSQL_GREETING);
    ((uint8_t *)(uintptr_t)p.at)[0] = 9;
    CU_ASSERT_FALSE(read_greeting(p));
    ((uint8_t *)(uintptr_t)p.at)[0] = 0xFF;
    CU_ASSERT_FALSE(read_greeting(p));
    slice_free(p);
    p = from_hex(MYSQL_GREETING);
    ((uint8_t *)(uintptr_t)p.at)[23] = 0x7f; /* SECURE_CONNECTION missing */
    CU_ASSERT_FALSE(read_greeting(p));
    slice_free(p);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"greetings of both families are read", greetings_of_both_families_are_read},
        {"newer MariaDB is known without the prefix", newer_mariadb_is_known_without_the_prefix},
        {"our greeting stands as servers write it", our_greeting_stands_as_servers_write_it},
        {"extended capabilities need a clear bit", extended_capabilities_need_a_clear_bit},
        {"long names of servers are cut", long_names_of_servers_are_cut},
        {"log-ins of both families are read", logins_of_both_families_are_read},
        {"every set of capabilities comes back", every_set_of_capabilities_comes_back},
        {"old and lying log-ins", old_and_lying_logins},
        {"TLS requests are told from log-ins", tls_requests_are_told_from_logins},
        {"switches and more data come back", switches_and_more_data_come_back},
        {"COM_CHANGE_USER is taken apart", change_user_is_taken_apart},
        {"messages cut short are refused", messages_cut_short_are_refused},
        {"greetings of other protocols are refused", greetings_of_other_protocols_are_refused},
        {NULL, NULL},
    };
    return unit_main("wire/handshake", tests);
}
