/* Configuration as people write it: every type of value, every mistake with the line and a remedy, and nothing but the
 * table as the source of defaults. What is read from files, and shown, is in test_config_files.c. */
#include "tests/unit/config_side.h"

/* The text is refused, and one of the lines said is exactly "dir/x.conf:" and this. */
static void must_say(const char *text, const char *line)
{
    char whole[600];
    struct config *c = parse(text);
    CU_ASSERT_PTR_NULL(c);
    CU_ASSERT_PTR_NOT_NULL_FATAL(errors);
    snprintf(whole, sizeof whole, "dir/x.conf:%s\n", line);
    const char *found = strstr(errors, whole);
    if (!found)
        fprintf(stderr, "\nwanted %sgot\n%s", whole, errors);
    CU_ASSERT(found && (found == errors || found[-1] == '\n'));
    config_free(c);
}

/* The same, and nothing else is said. */
static void must_say_only(const char *text, const char *line)
{
    must_say(text, line);
    CU_ASSERT_EQUAL(strlen(errors), strlen(line) + strlen("dir/x.conf:\n"));
}

/* --- what is read --- */

static void the_least_configuration_gets_every_default(void)
{
    struct config *c = must_parse(LEAST);
    CU_ASSERT_STRING_EQUAL(c->node, "a1");
    CU_ASSERT_STRING_EQUAL(c->data_dir, "/var/lib/x");
    CU_ASSERT(c->workers >= 1);
    CU_ASSERT_PTR_NULL(c->log_file);
    CU_ASSERT_STRING_EQUAL(c->log_level, "info");
    CU_ASSERT_EQUAL(c->max_packet, 64 << 20);
    CU_ASSERT_EQUAL(c->login_timeout_ms, 10000);
    CU_ASSERT_EQUAL(c->idle_timeout_s, 8 * 3600);
    CU_ASSERT_EQUAL(c->wal_segment_bytes, 16 << 20);
    CU_ASSERT_EQUAL(c->wal_max_bytes, 1 << 30);
    CU_ASSERT_TRUE(c->one_phase);
    CU_ASSERT_EQUAL(c->n_listeners, 1);
    CU_ASSERT_STRING_EQUAL(c->listeners[0].name, "main");
    CU_ASSERT_STRING_EQUAL(c->listeners[0].address, "127.0.0.1");
    CU_ASSERT_EQUAL(c->listeners[0].port, 6033);
    CU_ASSERT_FALSE(c->listeners[0].tls_required);
    CU_ASSERT_EQUAL(c->n_users, 1);
    CU_ASSERT_FALSE(c->users[0].admin);
    CU_ASSERT_STRING_EQUAL(c->users[0].password_verifier, HASH);
    CU_ASSERT_EQUAL(c->n_backends, 1);
    CU_ASSERT_STRING_EQUAL(c->backends[0].schemas[1], "stock");
    CU_ASSERT_PTR_NULL(c->backends[0].schemas[2]);
    CU_ASSERT_STRING_EQUAL(c->backends[0].tls_name, "127.0.0.1");
    CU_ASSERT_TRUE(c->backends[0].tls && c->backends[0].tls_verify);
    CU_ASSERT_EQUAL(c->backends[0].lock_wait_s, 5);
    CU_ASSERT_PTR_NULL(c->backends[0].resolver_password);
    CU_ASSERT_EQUAL(c->n_accounts + c->n_redis, 0);
    config_free(c);
}

static void every_type_of_value_is_read(void)
{
    struct config *c = must_parse(
        "\xef\xbb\xbf; DOS and blanks\r\n  [proxy]  \r\n\tnode=n_-9\r\ndata_dir =data\r\nmax_packet= "
        "1M\r\nlogin_timeout = 1500ms\r\n"
        "idle_timeout = 2m\r\nwal_segment_size = 64k\r\nworkers = 3\r\none_phase = No\r\nlog_level = WARN\r\n" LISTENER
            USER "[backend b]\nschemas = a, b\tc ,d\nresolver_user = \"  r  \"\nresolver_password = # no "
                 "comment\ndefault = yes\n"
        "address = db.example\n"
        "[backend c]\naddress = /run/c.sock\nresolver_user = r\n"
        "[account app@b]\nuser = \"\"\"\npassword = \n"
        "[account *@b]\nuser = any\npassword = a=b\n"
        "[redis cache]\ndirty = force\ndurability = WaitAOF\nimage_max_size = 2M");
    CU_ASSERT_STRING_EQUAL(c->node, "n_-9");
    CU_ASSERT_STRING_EQUAL(c->data_dir, "dir/data");
    CU_ASSERT_EQUAL(c->max_packet, 1 << 20);
    CU_ASSERT_EQUAL(c->login_timeout_ms, 1500);
    CU_ASSERT_EQUAL(c->idle_timeout_s, 120);
    CU_ASSERT_EQUAL(c->wal_segment_bytes, 65536);
    CU_ASSERT_EQUAL(c->workers, 3);
    CU_ASSERT_FALSE(c->one_phase);
    CU_ASSERT_STRING_EQUAL(c->backends[0].schemas[3], "d");
    CU_ASSERT_PTR_NULL(c->backends[0].schemas[4]);
    CU_ASSERT_STRING_EQUAL(c->backends[0].resolver_user, "  r  ");
    CU_ASSERT_STRING_EQUAL(c->backends[0].resolver_password, "# no comment");
    CU_ASSERT_STRING_EQUAL(c->backends[0].tls_name, "db.example");
    CU_ASSERT_TRUE(c->backends[0].is_default);
    CU_ASSERT_FALSE(c->backends[1].tls);
    CU_ASSERT_STRING_EQUAL(c->accounts[0].user, "app");
    CU_ASSERT_STRING_EQUAL(c->accounts[0].backend, "b");
    CU_ASSERT_STRING_EQUAL(c->accounts[0].backend_user, "\"");
    CU_ASSERT_STRING_EQUAL(c->accounts[0].password, "");
    CU_ASSERT_STRING_EQUAL(c->accounts[1].password, "a=b");
    CU_ASSERT_EQUAL(c->redis[0].dirty, CONFIG_DIRTY_FORCE);
    CU_ASSERT_EQUAL(c->redis[0].durability, CONFIG_DURABILITY_WAITAOF);
    CU_ASSERT_EQUAL(c->redis[0].image_max_bytes, 2 << 20);
    config_free(c);
}

static void comments_may_stand_behind_all_but_passwords(void)
{
    struct config *c =
        must_parse(LEAST "[redis x] # a cache\nport = 1 # the port\nuser = \"a # b\"\t# quoted\npassword = p # q\n"
                         "# whole\n; whole\n[redis y]# close\naddress = /a#b\n");
    CU_ASSERT_EQUAL(c->redis[0].port, 1);
    CU_ASSERT_STRING_EQUAL(c->redis[0].user, "a # b");
    CU_ASSERT_STRING_EQUAL(c->redis[0].password, "p # q");
    CU_ASSERT_STRING_EQUAL(c->redis[1].address, "/a#b");
    config_free(c);
    must_say_only(LEAST "[redis x]\nport = # none\n", "13: \"port\": has no value");
}

static void what_everybody_asks_is_answered(void)
{
    struct config *c = must_parse(LEAST "[user ap]\npassword_verifier = " HASH "\n"
                                        "[admin app]\npassword_verifier = " HASH "\n"
                                        "[backend two]\nport = 3307\nschemas = Account\nresolver_user = r\n"
                                        "[account app@one]\n[account *@one]\nuser = any\n[account ap@two]\nuser = me\n"
                                        "[redis Cache]\n[grant app@cache]\nkeys = a b\n[grant *@Cache]\ncommands = @all\n");
    CU_ASSERT_PTR_EQUAL(config_user(c, "app!", 3, false), &c->users[0]);
    CU_ASSERT_PTR_EQUAL(config_user(c, "app!", 2, false), &c->users[1]);
    CU_ASSERT_PTR_EQUAL(config_user(c, "app", 3, true), &c->users[2]);
    CU_ASSERT_PTR_NULL(config_user(c, "ap", 2, true));
    CU_ASSERT_STRING_EQUAL(config_account(c, "app", "one")->backend_user, "app");
    CU_ASSERT_STRING_EQUAL(config_account(c, "ap", "one")->backend_user, "any");
    CU_ASSERT_STRING_EQUAL(config_account(c, "ap", "two")->backend_user, "me");
    CU_ASSERT_PTR_NULL(config_account(c, "app", "two"));
    CU_ASSERT_EQUAL(config_backend(c, "two"), 1);
    CU_ASSERT_EQUAL(config_backend(c, "three"), -1);
    CU_ASSERT_EQUAL(config_backend_of_schema(c, "stock"), 0);
    CU_ASSERT_EQUAL(config_backend_of_schema(c, "Account"), 1);
    CU_ASSERT_EQUAL(config_backend_of_schema(c, "account"), -1);
    CU_ASSERT_EQUAL(config_redis(c, "cACHE"), 0);
    CU_ASSERT_EQUAL(config_redis(c, "cach"), -1);
    CU_ASSERT_STRING_EQUAL(config_grant(c, "app", "Cache")->keys[1], "b");
    CU_ASSERT_PTR_NULL(config_grant(c, "app", "Cache")->commands);
    CU_ASSERT_STRING_EQUAL(config_grant(c, "ap", "CACHE")->commands[0], "@all");
    CU_ASSERT_PTR_NULL(config_grant(c, "app", "other"));
    config_free(c);
}

static void a_star_takes_the_schemas_that_nobody_lists(void)
{
    struct config *c = must_parse(LEAST "[backend two]\nport = 3307\nschemas = account *\nresolver_user = r\n");
    CU_ASSERT_EQUAL(config_backend_of_schema(c, "stock"), 0);
    CU_ASSERT_EQUAL(config_backend_of_schema(c, "account"), 1);
    CU_ASSERT_EQUAL(config_backend_of_schema(c, "anything"), 1);
    CU_ASSERT_EQUAL(config_default_backend(c), 1);
    config_free(c);
    c = must_parse(PROXY LISTENER USER BACKEND "default = on\n[backend two]\nport = 3307\nschemas = *\nresolver_user = r\n");
    CU_ASSERT_EQUAL(config_default_backend(c), 0);
    config_free(c);
    must_say_only(LEAST "[backend a]\nport = 1\nresolver_user = r\nschemas = *\n[backend b]\nport = 2\nresolver_user = r\n"
                        "schemas = *\n",
                  "19: schema \"*\" is also on [backend a] (line 15)");
}

/* --- mistakes --- */

static void unknown_words_get_a_hint(void)
{
    must_say_only(LEAST "[backed two]\nfoo = 1\n", "12: unknown section [backed], did you mean \"backend\"?");
    must_say_only(LEAST "[zebra]\n", "12: unknown section [zebra]");
    must_say_only(PROXY "data-dri = x\n" LISTENER USER BACKEND,
                  "4: [proxy] has no option \"data-dri\", did you mean \"data_dir\"?");
    must_say_only(PROXY "Nodes = x\n" LISTENER USER BACKEND,
                  "4: [proxy] has no option \"Nodes\", did you mean \"node\"?");
    must_say_only(PROXY "schemas = x\n" LISTENER USER BACKEND,
                  "4: [proxy] has no option \"schemas\"; it belongs to [backend]");
    must_say_only(PROXY "xyzzy = x\n" LISTENER USER BACKEND, "4: [proxy] has no option \"xyzzy\"");
    must_say_only(LEAST "[account app@oen]\n",
                  "12: [account app@oen]: there is no [backend oen], did you mean \"one\"?");
    must_say_only(LEAST "[account aap@one]\n", "12: [account aap@one]: there is no [user aap], did you mean \"app\"?");
    must_say_only(LEAST "[user u]\npassword_verifier = " HASH "\ndefault_schema = order\n",
                  "14: schema \"order\" is on no backend, did you mean \"orders\"?");
    must_say_only(PROXY "log_level = dbug\n" LISTENER USER BACKEND,
                  "4: \"log_level\": \"dbug\" is none of debug|info|warn|error, did you mean \"debug\"?");
}

static void lines_that_are_neither_are_told(void)
{
    must_say("x = 1\n" LEAST, "1: an option before the first [section]");
    must_say_only(LEAST "what\n", "12: neither [section] nor option = value");
    must_say_only(LEAST "[redis x\n", "12: a section ends with ]");
    must_say_only(LEAST "[redis x] y\n", "12: a section ends with ]");
    must_say_only(LEAST "[redis x]\nport = \"6\x01\"\n", "13: control characters: this is no configuration file");
    must_say_only(LEAST "[redis]\n",
                  "12: this section needs a name: [redis NAME]: a Redis; NAME is the schema of its CALLs");
    must_say_only(LEAST "[redis a b]\n", "12: [redis a b]: a name is 1 to 32 of A-Z a-z 0-9 _ -");
    must_say_only(LEAST "[redis a234567890123456789012345678901234]\n",
                  "12: [redis a234567890123456789012345678901234]: a name is 1 to 32 of A-Z a-z 0-9 _ -");
    must_say("[proxy x]\nnode = a\n", "1: [proxy] takes no name");
    must_say(LEAST "[account app]\n", "12: [account app] must say [account USER@BACKEND]");
    must_say(LEAST "[account @one]\n", "12: [account @one] must say [account USER@BACKEND]");
    must_say(LEAST "[grant app]\n", "12: [grant app] must say [grant USER@REDIS]");
    must_say_only(LEAST "[grant app@one]\nkeys = a\n", "12: [grant app@one]: there is no [redis one]");
    must_say_only(LEAST "[redis r]\n[grant aap@r]\nkeys = a\n", "13: [grant aap@r]: there is no [user aap]");
    must_say_only(PROXY LISTENER USER "schemas = stock\n" BACKEND "\n[redis r]\n[grant app@R]\nkeys = a\n",
                  "14: [grant app@R]: \"schemas\" of [user app] has no R");
    config_free(must_parse(PROXY LISTENER USER "schemas = r\n" BACKEND "\n[redis r]\n[grant app@R]\nkeys = a\n"));
    must_say_only(LEAST "[redis r]\nkey_prefix = x\n",
                  "13: \"x\" as a prefix would reach keys that begin with xa:, which belong to the proxy");
    must_say_only(LEAST "[redis r]\nkey_prefix = xa:b\n",
                  "13: \"xa:b\" as a prefix would reach keys that begin with xa:, which belong to the proxy");
    must_say_only(LEAST "[redis r]\nkey_prefix = a*\n", "13: a star cannot stand in key_prefix");
    config_free(must_parse(LEAST "[redis r]\nkey_prefix = xab\n"));
    must_say_only(LEAST "[redis r]\nkey_prefix = p2345678901234567890123456789012345678901234567890123456789012345\n",
                  "13: key_prefix has at most 64 bytes");
    must_say_only(LEAST "[redis r]\n[grant app@r]\n", "13: [grant app@r] needs \"commands\" or \"keys\"");
    must_say_only(LEAST "[redis r]\n[grant app@r]\ncommands = -get\n",
                  "14: what nobody has given cannot be taken back: put @all before \"-get\"");
    must_say("", "1: there is no [proxy] section");
}

static void lines_and_files_have_a_limit(void)
{
    struct buf b = {0};
    buf_text(&b, LEAST "[redis x]\npassword = ");
    for (int n = 0; n < 8192; n++)
        buf_u8(&b, 'x');
    must_say_only(buf_cstr(&b), "13: longer than 8192 bytes");
    buf_clear(&b);
    for (int n = 0; n < 200000; n++)
        buf_text(&b, "\n");
    must_say(buf_cstr(&b), "100000: too long: 100000 lines and 2000 sections are the limit");
    buf_clear(&b);
    buf_text(&b, LEAST);
    for (int n = 0; n < 11; n++) {
        buf_printf(&b, "[backend b%d]\nport = %d\nresolver_user = r\nschemas =", n, 4000 + n);
        for (int m = 0; m < 1000; m++)
            buf_printf(&b, " %d", 1000 * n + m);
        buf_text(&b, "\n");
    }
    must_say_only(buf_cstr(&b), "1: more than 10000 schemas");
    buf_clear(&b);
    buf_text(&b, LEAST);
    for (int n = 0; n < 1000; n++)
        buf_text(&b, "what\n");
    CU_ASSERT_PTR_NULL(parse(buf_cstr(&b)));
    CU_ASSERT_PTR_NOT_NULL(strstr(errors, "dir/x.conf:111: neither"));
    CU_ASSERT_PTR_NULL(strstr(errors, "dir/x.conf:112: neither"));
    CU_ASSERT_PTR_NOT_NULL(strstr(errors, "dir/x.conf: more errors are not shown"));
    buf_fini(&b);
}

static void bad_values_are_told_with_what_would_be_good(void)
{
    static const struct {
        const char *section, *item, *why;
    } bad[] = {
        {"[redis x]", "port = 0", "0 is outside of 1 to 65535"},
        {"[redis x]", "port = 65536", "65536 is outside of 1 to 65535"},
        {"[redis x]", "port = 99999999999999999999", "\"99999999999999999999\" is no number"},
        {"[redis x]", "port = -1", "\"-1\" is no number"},
        {"[redis x]", "port = 0x10", "\"0x10\" is no number"},
        {"[redis x]", "port =", "has no value"},
        {"[redis x]", "port = \"\"", "has no value"},
        {"[redis x]", "timeout = 10", "\"10\" is no time: write 500ms, 10s, 5m, 8h, 1d"},
        {"[redis x]", "timeout = 1.5s", "\"1.5s\" is no time: write 500ms, 10s, 5m, 8h, 1d"},
        {"[redis x]", "timeout = 9223372036854775807d",
         "\"9223372036854775807d\" is no time: write 500ms, 10s, 5m, 8h, 1d"},
        {"[redis x]", "timeout = 0", "0 is outside of 10ms to 1h"},
        {"[redis x]", "timeout = 2h", "2h is outside of 10ms to 1h"},
        {"[proxy]", "idle_timeout = 100500ms", "whole seconds only"},
        {"[redis x]", "image_max_size = 1X", "\"1X\" is no size: write 4096, 64K, 16M, 1G"},
        {"[redis x]", "image_max_size = 1", "1 is outside of 1K to 512M"},
        {"[redis x]", "allow_unsafe = maybe", "must be on or off"},
        {"[redis x]", "dirty = skpi", "\"skpi\" is none of delta|skip|force, did you mean \"skip\"?"},
        {"[redis x]", "address = 10.0.0.1:6379", "\"10.0.0.1\" is the address, \"6379\" belongs into \"port\""},
        {"[redis x]", "address = [::1]", "an IPv6 address stands here without brackets, the port in \"port\""},
        {"[redis x]", "address = a b", "an address has no blanks"},
        {"[user x]", "addresses = 10.0.0.0/8 10.0.0.1/8",
         "\"10.0.0.1/8\" is no network: write 10.0.0.0/8, 2001:db8::/32, an address, or unix"},
        {"[user x]", "password_verifier = secret", "must be $5$SALT$HASH, as `openssl passwd -5` makes it"},
        {"[user x]", "ed25519_verifier = ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY=",
         "must be the 43 characters that SELECT ed25519_password('...') and xaproxy --make-verifier say"},
        {"[user x]", "ed25519_verifier = ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJZ",
         "must be the 43 characters that SELECT ed25519_password('...') and xaproxy --make-verifier say"},
        {"[user x]", "password_verifier = $5$short", "must be $5$SALT$HASH, as `openssl passwd -5` makes it"},
        {"[user x]", "native_verifier = *123", "must be * and 40 hex digits"},
        {"[user x]", "native_verifier = *123456789012345678901234567890123456789g", "must be * and 40 hex digits"},
        {"[backend x]", "schemas = a b a", "\"a\" stands there twice"},
        {"[proxy]", "node = A", "must be 1 to 12 of a-z 0-9 _ -"},
        {"[proxy]", "node = a123456789012", "must be 1 to 12 of a-z 0-9 _ -"},
    };
    for (size_t n = 0; n < sizeof bad / sizeof *bad; n++) {
        char text[700], line[300];
        size_t name_len = strcspn(bad[n].item, " ");
        snprintf(text, sizeof text, LEAST "%s\n%s\n", bad[n].section, bad[n].item);
        snprintf(line, sizeof line, "13: \"%.*s\": %s", (int)name_len, bad[n].item, bad[n].why);
        must_say(text, line);
    }
}

static void what_is_missing_is_told_at_its_section(void)
{
    must_say_only("[proxy]\nnode = a\n" LISTENER USER BACKEND,
                  "1: [proxy] needs \"data_dir\": where the log of decisions lives (in data_dir/log)");
    must_say_only(LEAST "[backend two]\n",
                  "12: [backend two] needs \"resolver_user\": account that settles branches in doubt");
    must_say_only(LEAST "[user x]\n",
                  "12: [user x] needs \"password_verifier\", or another verifier: xaproxy --make-verifier prints them");
    config_free(must_parse(LEAST "[user x]\nempty_password = on\n"));
    must_say_only(PROXY USER BACKEND, "1: there is no [listener NAME] for clients");
    must_say_only(PROXY LISTENER USER, "1: there is no [backend NAME]");
    must_say_only(PROXY LISTENER BACKEND, "4: nobody could log in at [listener main]: there is no [user NAME]");
    must_say_only(LEAST "[listener dba]\nadmin = on\naddress = /run/a\n",
                  "12: nobody could log in at [listener dba]: there is no [admin NAME]");
}

static void what_stands_twice_names_both_lines(void)
{
    must_say_only(PROXY "node = b\n" LISTENER USER BACKEND, "4: \"node\" a second time; the first is on line 2");
    must_say_only(LEAST "[proxy]\nnode = b\ndata_dir = /\n", "12: [proxy] a second time; the first is on line 1");
    must_say(LEAST "[backend ONE]\nport = 1\nresolver_user = r\n",
             "12: [backend ONE] a second time; the first is on line 8");
    must_say_only(LEAST "[user app]\npassword_verifier = " HASH "\n",
                  "12: [user app] a second time; the first is on line 6");
    config_free(must_parse(LEAST "[user APP]\npassword_verifier = " HASH "\n"));
    must_say(LEAST "[account app@one]\npassword = x\npassword_file = /dev/null\n",
             "14: \"password_file\" and \"password\" (line 13) exclude each other");
}

static void contradictions_name_both_lines(void)
{
    must_say_only(LEAST "[backend two]\nport = 1\nresolver_user = r\nschemas = x stock\n",
                  "15: schema \"stock\" is also on [backend one] (line 9)");
    must_say_only(LEAST "[redis STOCK]\n",
                  "9: schema \"stock\" has the name of [redis STOCK] (line 12): CALL stock.… would mean both");
    must_say_only(LEAST "[redis XA]\n", "12: [redis XA]: \"xa\" is the proxy's own: CALL xa.…");
    must_say_only(LEAST "[redis MySQL]\n",
                  "12: [redis MySQL]: servers have a schema of this name of their own, which is open to every user");
    must_say_only(LEAST "[backend two]\nport = 1\nresolver_user = r\nschemas = xa\n",
                  "15: \"xa\" is the proxy's own: CALL xa.…");
    must_say_only(
        LEAST "[backend two]\nresolver_user = r\n",
        "12: [backend two] is the same server as [backend one] (line 8): give it one section with all its schemas");
    must_say_only(LEAST "[backend a]\nport = 1\nresolver_user = r\ndefault = on\n[backend b]\nport = 2\nresolver_user "
                        "= r\ndefault = on\n",
                  "19: [backend a] is the default already (line 15)");
    must_say_only(LEAST "[redis a]\n[redis b]\n", "13: [redis b] is the same database as [redis a] (line 12)");
    config_free(must_parse(LEAST "[redis a]\n[redis b]\ndb = 1\n"));
    must_say_only(LEAST "[redis a]\nuser = u\n", "13: \"user\" without password or password_file");
    must_say_only(LEAST "[account *@one]\n", "12: [account *@one] needs \"user\": the account that anyone uses there");
    must_say_only(LEAST "[user *]\npassword_verifier = " HASH "\n",
                  "12: a user has a name; \"*\" stands for anyone in [account *@BACKEND]");
    must_say_only(PROXY "wal_max_size = 63M\n" LISTENER USER BACKEND,
                  "4: wal_max_size must hold at least 4 segments of wal_segment_size (line 1)");
    must_say_only(PROXY "max_unauthenticated = 20\nmax_clients = 10\n" LISTENER USER BACKEND,
                  "4: more than max_clients");
}

/* One server, a master that Sentinels name, or a cluster: each with what it needs, and nothing else. */
static void a_redis_says_what_stands_behind_it(void)
{
    struct config *c = must_parse(LEAST "[redis a]\ntls = off\n[redis b]\nmode = sentinel\nnodes = s1:26379 [::1]:26379\n"
                                        "master_name = m\nsentinel_password = p\n[redis c]\nmode = cluster\nnodes = c1:7000\n");
    CU_ASSERT(c->redis[0].mode == CONFIG_REDIS_STANDALONE && !c->redis[0].tls && c->redis[0].tls_said);
    CU_ASSERT(c->redis[1].mode == CONFIG_REDIS_SENTINEL && c->redis[1].tls && !c->redis[1].tls_said);
    CU_ASSERT_STRING_EQUAL(c->redis[1].nodes[1], "[::1]:26379");
    CU_ASSERT(c->redis[2].mode == CONFIG_REDIS_CLUSTER && c->redis[2].tls_verify);
    config_free(c);
    must_say_only(LEAST "[redis a]\nnodes = x:1\n", "13: \"nodes\" is for sentinel and cluster");
    must_say_only(LEAST "[redis a]\nmode = cluster\n", "12: [redis a] needs \"nodes\": where the servers of the cluster are");
    must_say_only(LEAST "[redis a]\nmode = cluster\nnodes = x:1\nport = 1\n", "15: \"port\" is for mode = standalone");
    must_say_only(LEAST "[redis a]\nmode = cluster\nnodes = x:1\ndb = 1\n", "15: a cluster has no database but 0");
    must_say_only(LEAST "[redis a]\nmode = cluster\nnodes = x\n", "14: \"x\" is no address:port");
    must_say_only(LEAST "[redis a]\nmode = sentinel\nnodes = x:1\n", "12: [redis a] needs \"master_name\"");
    must_say_only(LEAST "[redis a]\nmode = cluster\nnodes = x:1\nmaster_name = m\n", "15: \"master_name\" is for mode = sentinel");
    must_say_only(LEAST "[redis a]\ntls_cert = x\n", "12: [redis a]: tls_cert and tls_key are given together");
}

static void listeners_agree_with_themselves_and_each_other(void)
{
    must_say_only(PROXY "[listener main]\n" USER BACKEND, "4: [listener main] requires TLS and has no tls_cert and "
                                                          "tls_key (certs/make-dev-certs makes some for a try); or "
                                                          "say tls_required = off");
    must_say_only(LEAST "[listener b]\nport = 1\ntls_cert = c\n",
                  "12: [listener b]: tls_cert and tls_key are given together");
    must_say_only(LEAST "[listener b]\nport = 1\ntls_required = off\ntls_ca = c\n",
                  "12: [listener b]: tls_ca without tls_cert and tls_key");
    must_say_only(LEAST "[listener b]\ntls_required = off\n",
                  "12: [listener b] listens where [listener main] does (line 4)");
    struct config *c = must_parse(LEAST "[listener b]\naddress = /run/b\n[listener c]\naddress = /run/c\n");
    CU_ASSERT_FALSE(c->listeners[1].tls_required);
    config_free(c);
    must_say(LEAST "[listener b]\naddress = /run/b\ntls_required = on\n",
             "12: [listener b] requires TLS and has no tls_cert and tls_key (certs/make-dev-certs makes some for a "
             "try); or say "
             "tls_required = off");
}

static void a_redis_port_is_for_one_resource_and_safe(void)
{
    config_free(must_parse(LEAST "[redis r]\n[listener b]\nport = 1\nredis = r\ntls_cert = c\ntls_key = k\n"));
    config_free(must_parse(LEAST "[redis r]\n[listener b]\nport = 1\nredis = r\ntls_required = off\nauth = off\nredis_admin = on\n"));
    config_free(must_parse(LEAST "[redis r]\n[listener b]\naddress = /run/b\nredis = r\nauth = off\n"));
    must_say_only(LEAST "[redis rrr]\n[listener b]\nport = 1\ntls_required = off\nredis = rrs\n",
                  "16: there is no [redis rrs], did you mean \"rrr\"?");
    must_say_only(LEAST "[redis r]\n[listener b]\naddress = 10.0.0.1\ntls_required = off\nredis = r\nauth = off\n",
                  "17: auth = off is for a loopback address or a local socket, not for 10.0.0.1");
    must_say_only(LEAST "[listener b]\nport = 1\ntls_required = off\nauth = off\n", "15: \"auth\" is for a Redis port: redis = NAME");
    must_say_only(LEAST "[redis r]\n[listener b]\nport = 1\nredis = r\ntls_required = off\ntls_cert = c\ntls_key = k\n",
                  "16: a Redis port speaks TLS or does not: without TLS it has no tls_cert");
    must_say(LEAST "[redis r]\n[listener b]\nport = 1\nredis = r\n",
             "13: [listener b] requires TLS and has no tls_cert and tls_key (certs/make-dev-certs makes some for a try); or say "
             "tls_required = off");
    must_say_only(PROXY "[listener main]\nredis = r\ntls_required = off\n" USER BACKEND "[redis r]\n",
                  "1: there is no [listener NAME] for clients");
}

static void all_mistakes_are_told_at_once(void)
{
    CU_ASSERT_PTR_NULL(parse("[proxy]\nnode = A\nworkers = x\n[zebra]\n[backend b]\nport = p\n"));
    int lines = 0;
    for (const char *p = errors; *p; p++)
        lines += *p == '\n';
    CU_ASSERT_EQUAL(lines, 6); /* node, workers, zebra, port, and two that are missing */
}

/* --- any bytes --- */

static void no_damage_to_the_text_does_harm(void)
{
    static const char text[] = LEAST "[account app@one]\npassword = x\n[redis r]\nport = 1\n";
    static const char bytes[] = {'\0', '\n', '=', '[', ']', '#', '"', ' ', '\x80', '@'};
    char damaged[sizeof text];
    int loaded = 0;
    for (size_t at = 0; at < sizeof text - 1; at++)
        for (size_t b = 0; b < sizeof bytes; b++) {
            memcpy(damaged, text, sizeof text);
            damaged[at] = bytes[b];
            free(errors);
            struct config *c = config_parse("x", damaged, sizeof text - 1, &errors);
            CU_ASSERT(!c == !!errors);
            loaded += !!c;
            config_free(c);
        }
    for (size_t n = 0; n < sizeof text; n++) {
        free(errors);
        struct config *c = config_parse("x", text, n, &errors);
        CU_ASSERT(!c == !!errors);
        config_free(c);
    }
    CU_ASSERT(loaded > 0);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"the least configuration gets every default", the_least_configuration_gets_every_default},
        {"every type of value is read", every_type_of_value_is_read},
        {"comments may stand behind all but passwords", comments_may_stand_behind_all_but_passwords},
        {"what everybody asks is answered", what_everybody_asks_is_answered},
        {"a star takes the schemas that nobody lists", a_star_takes_the_schemas_that_nobody_lists},
        {"unknown words get a hint", unknown_words_get_a_hint},
        {"lines that are neither are told", lines_that_are_neither_are_told},
        {"lines and files have a limit", lines_and_files_have_a_limit},
        {"bad values are told with what would be good", bad_values_are_told_with_what_would_be_good},
        {"what is missing is told at its section", what_is_missing_is_told_at_its_section},
        {"what stands twice names both lines", what_stands_twice_names_both_lines},
        {"contradictions name both lines", contradictions_name_both_lines},
        {"a Redis says what stands behind it", a_redis_says_what_stands_behind_it},
        {"listeners agree with themselves and each other", listeners_agree_with_themselves_and_each_other},
        {"a Redis port is for one resource and safe", a_redis_port_is_for_one_resource_and_safe},
        {"all mistakes are told at once", all_mistakes_are_told_at_once},
        {"no damage to the text does harm", no_damage_to_the_text_does_harm},
        {NULL, NULL},
    };
    int failed = unit_main("config", tests);
    free(errors);
    return failed;
}
