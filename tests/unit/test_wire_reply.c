/* The small packets of answers: read as real servers send them, written as real clients expect them, refused when cut
 * short. */
#include "tests/unit/unit.h"

#include "proxy/wire/reply.h"
#include "proxy/wire/packet.h"
#include "tests/unit/wire_hex.h"

#define PLAIN WIRE_CAP_PROTOCOL_41
#define TRACK (WIRE_CAP_PROTOCOL_41 | WIRE_CAP_SESSION_TRACK | WIRE_CAP_DEPRECATE_EOF)

static void ok_packets_of_real_servers_are_read(void)
{
    struct wire_ok ok;
    struct slice p = from_hex("00 02 00 0200 0000 26"
                              "5265636f7264733a203220204475706c6963617465733a203020205761726e696e67733a2030");
    for (int i = 0; i < 2; i++) { /* servers encode the length whatever the capabilities */
        CU_ASSERT(wire_ok_read(p, i ? PLAIN : TRACK, &ok));
        CU_ASSERT(ok.affected_rows == 2 && !ok.last_insert_id && ok.status == WIRE_STATUS_AUTOCOMMIT && !ok.warnings);
        CU_ASSERT(slice_is(ok.info, "Records: 2  Duplicates: 0  Warnings: 0"));
        CU_ASSERT(!ok.session.len);
    }
    slice_free(p);
    p = from_hex("fe 00 00 2340 0000 00 0b 05 09 08 545f525f575f535f");
    CU_ASSERT(wire_ok_read(p, TRACK, &ok));
    CU_ASSERT_EQUAL(ok.status, WIRE_STATUS_SESSION_CHANGED | 0x23);
    struct wire_tracked t;
    CU_ASSERT(wire_tracked_read(ok.session, &t));
    CU_ASSERT(t.has_transaction);
    CU_ASSERT_STRING_EQUAL(t.transaction, "T_R_W_S_");
    slice_free(p);
    p = from_hex("00 00 00 0240 0000 00 00"); /* MySQL 9: changed, but nothing to say */
    CU_ASSERT(wire_ok_read(p, TRACK, &ok) && !ok.session.len);
    slice_free(p);
}

static void ok_without_session_tracking_may_have_bare_text(void)
{
    struct wire_ok ok;
    struct slice p = from_hex("00 01 05 0200 0300 526f7773");
    CU_ASSERT(wire_ok_read(p, PLAIN, &ok));
    CU_ASSERT(slice_is(ok.info, "Rows") && ok.last_insert_id == 5 && ok.warnings == 3);
    slice_free(p);
}

static void ok_is_rewritten_for_what_the_receiver_speaks(void)
{
    struct wire_ok ok = {.affected_rows = 300, .last_insert_id = 1, .status = 0x4002, .warnings = 2,
                         .info = text_slice("hi"), .session = text_slice("\1\2\1t")};
    struct buf b = {0};
    wire_ok_write(&b, TRACK, 0x00, &ok);
    CU_ASSERT(buf_is_hex(&b, "00 fc2c01 01 0240 0200 026869 04 01020174"));
    buf_clear(&b);
    wire_ok_write(&b, PLAIN, 0x00, &ok); /* neither block nor its bit */
    CU_ASSERT(buf_is_hex(&b, "00 fc2c01 01 0200 0200 026869"));
    buf_clear(&b);
    ok.session = ok.info = (struct slice){0};
    wire_ok_write(&b, TRACK, 0xFE, &ok);
    CU_ASSERT(buf_is_hex(&b, "fe fc2c01 01 0200 0200"));
    buf_fini(&b);
}

static void ends_of_rows_follow_the_capabilities(void)
{
    struct wire_ok ok = {.status = 0x4022, .warnings = 7, .affected_rows = 1, .session = text_slice("\1\2\1t")}, back;
    struct buf b = {0};
    wire_end_write(&b, PLAIN, &ok);
    CU_ASSERT(buf_is_hex(&b, "fe 0700 2200"));
    CU_ASSERT(wire_end_read((struct slice){buf_at(&b), buf_len(&b)}, PLAIN, &back));
    CU_ASSERT(back.status == 0x22 && back.warnings == 7);
    buf_clear(&b);
    wire_end_write(&b, TRACK, &ok);
    CU_ASSERT(buf_is_hex(&b, "fe 01 00 2240 0700 00 04 01020174"));
    CU_ASSERT(wire_end_read((struct slice){buf_at(&b), buf_len(&b)}, TRACK, &back));
    CU_ASSERT(back.status == 0x4022 && slices_same(back.session, ok.session));
    CU_ASSERT_FALSE(wire_end_read((struct slice){buf_at(&b), buf_len(&b)}, PLAIN, &back));
    buf_fini(&b);
}

static void err_packets_of_real_servers_are_read(void)
{
    struct wire_err err;
    struct slice p = from_hex("ff 1e04 23 3432533232 556e6b6e6f776e");
    CU_ASSERT(wire_err_read(p, PLAIN, &err));
    CU_ASSERT(err.code == 1054 && slice_is(err.message, "Unknown"));
    CU_ASSERT_STRING_EQUAL(err.sqlstate, "42S22");
    slice_free(p);
    p = from_hex("ff 1004 546f6f206d616e79"); /* instead of a greeting */
    CU_ASSERT(wire_err_read(p, PLAIN, &err));
    CU_ASSERT(err.code == 1040 && slice_is(err.message, "Too many"));
    CU_ASSERT_STRING_EQUAL(err.sqlstate, "HY000");
    slice_free(p);
    p = from_hex("ff 1e04 23 3432000000 6e6f"); /* a state that is none could not be passed on */
    CU_ASSERT(wire_err_read(p, PLAIN, &err));
    CU_ASSERT(err.code == 1054 && slice_is(err.message, "no"));
    CU_ASSERT_STRING_EQUAL(err.sqlstate, "HY000");
    slice_free(p);
}

static void err_is_written_with_and_without_state(void)
{
    struct buf b = {0};
    wire_err_write(&b, PLAIN, 1402, "XA100", "no", 2);
    CU_ASSERT(buf_is_hex(&b, "ff 7a05 23 5841313030 6e6f"));
    buf_clear(&b);
    wire_err_write(&b, 0, 1402, "XA100", "no", 2);
    CU_ASSERT(buf_is_hex(&b, "ff 7a05 6e6f"));
    buf_fini(&b);
}

static void prepare_ok_comes_back(void)
{
    struct wire_prepare_ok p = {.statement_id = 0x01020304, .n_columns = 2, .n_params = 1, .warnings = 9}, back;
    struct buf b = {0};
    wire_prepare_ok_write(&b, &p);
    CU_ASSERT(buf_is_hex(&b, "00 04030201 0200 0100 00 0900"));
    CU_ASSERT(wire_prepare_ok_read((struct slice){buf_at(&b), buf_len(&b)}, &back));
    CU_ASSERT(back.statement_id == p.statement_id && back.n_columns == 2 && back.n_params == 1 && back.warnings == 9);
    buf_fini(&b);
}

static void all_kinds_of_tracked_state_are_read(void)
{
    struct slice p = from_hex("00 0f 0a6175746f636f6d6d6974 034f4646"      /* autocommit = OFF */
                              "01 02 01 74"                                /* schema t */
                              "02 01 31"                                   /* state changed */
                              "63 05 0102030405"                           /* a type of the future */
                              "03 05 00 03 613a31"                         /* gtid a:1 */
                              "04 03 02 5841"                              /* characteristics */
                              "00 07 0161 0131 0162 fb"                    /* two in one, the second NULL */
                              "05 09 08 545f5f5f575f5f5f");
    struct wire_tracked t;
    CU_ASSERT(wire_tracked_read(p, &t));
    CU_ASSERT_EQUAL(t.n_variables, 6);
    CU_ASSERT(slice_is(t.variables[0], "autocommit") && slice_is(t.variables[1], "OFF"));
    CU_ASSERT(slice_is(t.variables[2], "a") && slice_is(t.variables[3], "1"));
    CU_ASSERT(slice_is(t.variables[4], "b") && !t.variables[5].at);
    CU_ASSERT(slice_is(t.schema, "t") && slice_is(t.gtids, "a:1") && slice_is(t.characteristics, "XA"));
    CU_ASSERT(t.state_changed && t.has_transaction && !t.variables_lost);
    CU_ASSERT_STRING_EQUAL(t.transaction, "T___W___");
    slice_free(p);
}

static void more_variables_than_fit_are_reported(void)
{
    struct buf b = {0};
    struct wire_tracked t;
    for (int i = 0; i < WIRE_TRACKED_MAX; i++)
        buf_append(&b, "\0\4\1a\1b", 6);
    CU_ASSERT(wire_tracked_read((struct slice){buf_at(&b), buf_len(&b)}, &t));
    CU_ASSERT(t.n_variables == WIRE_TRACKED_MAX && t.variables_lost);
    buf_fini(&b);
}

static bool tracked_hex(const char *hex)
{
    struct wire_tracked t;
    struct slice p = from_hex(hex);
    bool ok = wire_tracked_read(p, &t);
    slice_free(p);
    return ok;
}

static void broken_tracked_state_is_refused(void)
{
    CU_ASSERT(tracked_hex(""));
    CU_ASSERT_FALSE(tracked_hex("05"));
    CU_ASSERT_FALSE(tracked_hex("05 05 04 545f5f5f"));          /* not eight characters */
    CU_ASSERT_FALSE(tracked_hex("05 0a 09 545f5f5f575f5f5f5f"));
    CU_ASSERT_FALSE(tracked_hex("01 02 02 74"));                /* the inner length leaves the entry */
    CU_ASSERT_FALSE(tracked_hex("00 03 016102"));
    CU_ASSERT_FALSE(tracked_hex("63 05 01"));
    CU_ASSERT_FALSE(tracked_hex("05 fb"));
}

/* Every shorter form of a message must be refused, but for the lengths named in `legal`. */
static void truncations(const char *hex, bool (*read)(struct slice), const size_t *legal, size_t n_legal)
{
    struct slice whole = from_hex(hex);
    CU_ASSERT(read(whole));
    for (size_t n = 0; n < whole.len; n++) {
        bool expected = false;
        for (size_t i = 0; i < n_legal; i++)
            expected |= legal[i] == n;
        struct slice cut = slice_copy(whole.at, n);
        CU_ASSERT_EQUAL(read(cut), expected);
        slice_free(cut);
    }
    slice_free(whole);
}

static bool read_ok(struct slice p) { struct wire_ok ok; return wire_ok_read(p, TRACK, &ok); }
static bool read_err(struct slice p) { struct wire_err e; return wire_err_read(p, PLAIN, &e); }
static bool read_prepare(struct slice p) { struct wire_prepare_ok o; return wire_prepare_ok_read(p, &o); }
static bool read_eof(struct slice p) { uint16_t w, s; return wire_eof_read(p, &w, &s); }

static void messages_cut_short_are_refused(void)
{
    /* An OK without text or block is one too, and so is an ERR with less of a message or without a state. */
    truncations("00 fc2c01 fd010203 0240 0000 026869 04 01020174", read_ok, (size_t[]){12}, 1);
    truncations("ff 1e04 23 3432533232 4142", read_err, (size_t[]){3, 9, 10}, 3);
    truncations("00 04030201 0200 0100 00 0900", read_prepare, NULL, 0);
    truncations("fe 0700 2200", read_eof, NULL, 0);
}

static void wrong_headers_are_refused(void)
{
    struct slice zeros = from_hex("01 00 00 0200 0000 0000 0000 00");
    CU_ASSERT_FALSE(read_ok(zeros));
    CU_ASSERT_FALSE(read_err(zeros));
    CU_ASSERT_FALSE(read_prepare(zeros));
    CU_ASSERT_FALSE(read_eof((struct slice){zeros.at, 5}));
    slice_free(zeros);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"OK packets of real servers are read", ok_packets_of_real_servers_are_read},
        {"OK without session tracking may have bare text", ok_without_session_tracking_may_have_bare_text},
        {"OK is rewritten for what the receiver speaks", ok_is_rewritten_for_what_the_receiver_speaks},
        {"ends of rows follow the capabilities", ends_of_rows_follow_the_capabilities},
        {"ERR packets of real servers are read", err_packets_of_real_servers_are_read},
        {"ERR is written with and without state", err_is_written_with_and_without_state},
        {"PREPARE's OK comes back", prepare_ok_comes_back},
        {"all kinds of tracked state are read, new ones skipped", all_kinds_of_tracked_state_are_read},
        {"more variables than fit are reported", more_variables_than_fit_are_reported},
        {"broken tracked state is refused", broken_tracked_state_is_refused},
        {"messages cut short are refused", messages_cut_short_are_refused},
        {"wrong headers are refused", wrong_headers_are_refused},
        {NULL, NULL},
    };
    return unit_main("wire/reply", tests);
}
