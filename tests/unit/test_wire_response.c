/* The watcher knows every frame's kind and the end of each answer: captures of real servers, and generated answers
 * whose truth the generator knows. */
#include "tests/unit/unit.h"

#include "proxy/wire/packet.h"
#include "proxy/wire/response.h"
#include "tests/unit/wire_hex.h"

#define PLAIN WIRE_CAP_PROTOCOL_41
#define MODERN (WIRE_CAP_PROTOCOL_41 | WIRE_CAP_SESSION_TRACK | WIRE_CAP_DEPRECATE_EOF)

/* --- captures: payloads separated by '/', the expected kinds as letters --- */

static const char letters[] = {
    [WIRE_PACKET_COUNT] = 'n', [WIRE_PACKET_COLUMN] = 'c', [WIRE_PACKET_COLUMNS_EOF] = 'e', [WIRE_PACKET_ROW] = 'r',
    [WIRE_PACKET_CONTINUED] = '+', [WIRE_PACKET_OK] = 'O', [WIRE_PACKET_ROWS_END] = 'E', [WIRE_PACKET_ERR] = 'X',
    [WIRE_PACKET_PREPARE_OK] = 'P', [WIRE_PACKET_TEXT] = 'T', [WIRE_PACKET_INFILE] = 'F',
    [WIRE_PACKET_PROGRESS] = '%', [WIRE_PACKET_BAD] = '!',
};

static char feed(struct wire_response *r, struct slice payload)
{
    bool whole = wire_response_need_whole(r, payload.len ? payload.at[0] : 0, (uint32_t)payload.len);
    struct slice head = {payload.at, whole || !payload.len ? payload.len : 1};
    return letters[wire_response_frame(r, head, (uint32_t)payload.len)];
}

/* The kinds seen, a '.' where the watcher says done. */
static const char *watch(enum wire_response_kind kind, uint64_t caps, const char *capture)
{
    static char seen[64];
    size_t n = 0;
    struct wire_response r;
    wire_response_begin(&r, kind, caps);
    for (const char *at = capture; at && !r.done; at = strchr(at, '/') ? strchr(at, '/') + 1 : NULL) {
        struct slice payload = from_hex(at);
        seen[n++] = feed(&r, payload);
        if (r.done)
            seen[n++] = '.';
        slice_free(payload);
    }
    seen[n] = '\0';
    return seen;
}
#define WATCH(kind, caps, capture, expected) \
    CU_ASSERT_STRING_EQUAL(watch(WIRE_RESPONSE_##kind, caps, capture), expected)

#define COLUMN_X "03646566000000017801780c3f000b000000030000000000"
#define COLUMN_A "03646566017401770177016101610c3f000b000000030350000000"
#define COLUMN_B "03646566017401770177016201620c2d0050000000fd0000000000"

static void simple_answers_end_at_once(void)
{
    WATCH(SIMPLE, PLAIN, "00000002000000", "O.");
    WATCH(SIMPLE, MODERN, "00000002400000000401020174", "O.");
    WATCH(SIMPLE, PLAIN, "fe00000240", "O."); /* COM_SET_OPTION */
    WATCH(SIMPLE, MODERN, "fe000002000000", "O.");
    WATCH(SIMPLE, PLAIN, "ff1704233038533031556e6b6e6f776e20636f6d6d616e64", "X.");
    WATCH(STATISTICS, PLAIN, "557074696d653a2036", "T.");
    WATCH(QUERY, PLAIN, "00000002000000", "O.");
    WATCH(QUERY, PLAIN, "ff1e04233432533232556e6b", "X.");
}

static void result_sets_end_with_their_rows(void)
{
    WATCH(QUERY, PLAIN,
          "02/" COLUMN_A "/" COLUMN_B "/fe00002a00/01310178/0132fb/fe00002a00/"
          "01/" COLUMN_X "/fe00000a00/0131/fe00000a00/00000002000000", "nccerrEncerEO.");
    WATCH(QUERY, MODERN,
          "02/" COLUMN_A "/" COLUMN_B "/01310178/0132fb/fe00002a000000/"
          "01/" COLUMN_X "/0131/fe00000a000000/00000002000000", "nccrrEncrEO.");
    WATCH(QUERY, MODERN, "02/" COLUMN_A "/" COLUMN_B "/01310178/fe000023400000000b050908545f525f575f535f", "nccrE.");
}

static void a_result_may_end_in_an_error_anywhere(void)
{
    static const char *const err = "ff1e04233432533232556e6b";
    char capture[256];
    snprintf(capture, sizeof capture, "02/" COLUMN_A "/" COLUMN_B "/01310178/%s", err);
    WATCH(QUERY, MODERN, capture, "nccrX.");
    snprintf(capture, sizeof capture, "02/" COLUMN_A "/" COLUMN_B "/%s", err);
    WATCH(QUERY, PLAIN, capture, "nccX.");
    snprintf(capture, sizeof capture, "02/" COLUMN_A "/%s", err);
    WATCH(QUERY, PLAIN, capture, "ncX.");
    snprintf(capture, sizeof capture, "0000000a000000/0000000a000000/%s", err);
    WATCH(QUERY, PLAIN, capture, "OOX.");
    WATCH(PREPARE, PLAIN, err, "X.");
    WATCH(FIELDS, PLAIN, err, "X.");
    WATCH(FETCH, PLAIN, err, "X.");
}

static void prepare_has_two_groups_either_of_which_may_be_empty(void)
{
    WATCH(PREPARE, PLAIN, "000100000000000000000000", "P.");
    WATCH(PREPARE, PLAIN,
          "000200000002000100000000/" COLUMN_X "/fe00000200/" COLUMN_A "/" COLUMN_B "/fe00000200", "Pcecce.");
    WATCH(PREPARE, MODERN, "000200000002000100000000/" COLUMN_X "/" COLUMN_A "/" COLUMN_B, "Pccc.");
    WATCH(PREPARE, PLAIN, "000400000000000200000000/" COLUMN_X "/" COLUMN_X "/fe00000200", "Pcce.");
    WATCH(PREPARE, MODERN, "000400000000000200000000/" COLUMN_X "/" COLUMN_X, "Pcc.");
    WATCH(PREPARE, PLAIN, "000400000001000000000000/" COLUMN_X "/fe00000200", "Pce.");
}

static void a_cursor_leaves_its_rows_behind(void)
{
    WATCH(CURSOR, PLAIN, "02/" COLUMN_A "/" COLUMN_B "/fe00004200", "nccE.");
    WATCH(CURSOR, MODERN, "02/" COLUMN_A "/" COLUMN_B "/fe000042000000", "nccE.");
    WATCH(CURSOR, PLAIN, "02/" COLUMN_A "/" COLUMN_B "/fe00000200/0000010000000178/fe00000200", "nccerE.");
    WATCH(FETCH, PLAIN, "0000010000000178/fe00004200", "rE.");
    WATCH(FETCH, MODERN, "000802000000/fe000082000000", "rE.");
}

/* Both families leave the bit of a cursor set when a procedure used one. */
static void a_procedures_own_cursor_is_no_clients_cursor(void)
{
    const char *plain = "01/" COLUMN_X "/fe00006a00/0131/fe00006a00/"
                        "01/" COLUMN_X "/fe00006a00/0132/fe00006a00/00000022000000";
    const char *modern = "01/" COLUMN_X "/0131/fe00004a000000/01/" COLUMN_X "/0132/fe00004a000000/00000042000000";
    WATCH(QUERY, PLAIN, plain, "ncerEncerEO.");
    WATCH(QUERY, MODERN, modern, "ncrEncrEO.");
    WATCH(CURSOR, PLAIN, plain, "ncerEncerEO.");
    WATCH(CURSOR, MODERN, modern, "ncrEncrEO.");
    WATCH(QUERY, PLAIN, "01/" COLUMN_X "/fe00004200/0131/fe00004200", "ncerE.");
}

static void field_lists_have_no_count(void)
{
    WATCH(FIELDS, PLAIN, COLUMN_A "0130/" COLUMN_B "fb/fe00000240", "ccE.");
    WATCH(FIELDS, MODERN, COLUMN_A "0130/fe000002000000", "cE.");
}

static void what_is_no_answer_is_bad(void)
{
    WATCH(QUERY, PLAIN, "", "!");
    WATCH(QUERY, PLAIN, "fe", "!");
    WATCH(QUERY, PLAIN, "0102", "!");           /* a count with something behind it */
    WATCH(QUERY, PLAIN, "fc0000", "!");         /* of none */
    WATCH(QUERY, PLAIN, "fd000001", "n");       /* MariaDB has no limit; we have one */
    WATCH(QUERY, PLAIN, "fe0000000100000000", "!");
    WATCH(QUERY, PLAIN, "0000", "!");
    WATCH(QUERY, PLAIN, "ff", "!");
    WATCH(QUERY, PLAIN, "fb2f6574632f706173737764", "F");
    WATCH(QUERY, PLAIN, "01/fe00000200", "n!");
    WATCH(QUERY, PLAIN, "01/" COLUMN_X "/0131", "nc!");
    WATCH(PREPARE, PLAIN, "0001000000", "!");
    WATCH(SIMPLE, PLAIN, "01", "!");
    WATCH(FETCH, MODERN, "fe0000", "!");
    WATCH(FETCH, PLAIN, "fe00000200000000", "!"); /* neither an EOF nor a row with so long a value */
    WATCH(QUERY, PLAIN, "ff/00000002000000", "!!"); /* and nothing after it is better */
}

/* Where one was expected; a second request would be nonsense. */
static void an_answer_goes_on_behind_its_file(void)
{
    struct wire_response r;
    struct slice request = from_hex("fb66"), ok = from_hex("00000002000000");
    wire_response_begin(&r, WIRE_RESPONSE_QUERY, PLAIN);
    r.file = true;
    CU_ASSERT(feed(&r, request) == 'F' && !r.done);
    CU_ASSERT(feed(&r, ok) == 'O' && r.done);
    wire_response_begin(&r, WIRE_RESPONSE_QUERY, PLAIN);
    r.file = true;
    CU_ASSERT_EQUAL(feed(&r, request), 'F');
    CU_ASSERT_EQUAL(feed(&r, request), 'F');
    CU_ASSERT_EQUAL(feed(&r, ok), '!');
    slice_free(request);
    slice_free(ok);
}

static void what_has_no_answer_is_done_at_once(void)
{
    struct wire_response r;
    wire_response_begin(&r, WIRE_RESPONSE_NONE, PLAIN);
    CU_ASSERT(r.done);
}

/* --- generated --- */

#define FRAMES_MAX 400
struct frame {
    uint8_t bytes[48]; /* what there is of it: all, for the packets that are needed whole */
    size_t have;
    uint32_t len;
    enum wire_packet_kind kind;
};
struct script {
    struct frame frames[FRAMES_MAX];
    unsigned n;
    enum wire_response_kind kind;
    uint64_t caps;
};

static uint32_t dice_state;
static uint32_t dice(uint32_t sides)
{
    dice_state ^= dice_state << 13;
    dice_state ^= dice_state >> 17;
    dice_state ^= dice_state << 5;
    return dice_state % sides;
}

static struct frame *add(struct script *s, enum wire_packet_kind kind, uint32_t len)
{
    struct frame *f = &s->frames[s->n++];
    f->kind = kind;
    f->len = len;
    f->have = len < sizeof f->bytes ? len : sizeof f->bytes;
    for (size_t i = 0; i < f->have; i++)
        f->bytes[i] = (uint8_t)dice(256);
    return f;
}

static void add_built(struct script *s, enum wire_packet_kind kind, struct buf *b)
{
    struct frame *f = add(s, kind, (uint32_t)buf_len(b));
    CU_ASSERT_FATAL(buf_len(b) <= sizeof f->bytes);
    memcpy(f->bytes, buf_at(b), buf_len(b));
    buf_fini(b);
}

static void add_err(struct script *s)
{
    struct buf b = {0};
    wire_err_write(&b, s->caps, (uint16_t)dice(65536), "HY000", "message", dice(8));
    add_built(s, WIRE_PACKET_ERR, &b);
}

static struct wire_ok some_ok(bool more)
{
    static const char block[] = "\5\t\10T___W___";
    struct wire_ok ok = {.affected_rows = dice(3) ? dice(70000) : UINT64_MAX, .last_insert_id = dice(300),
                         .status = (uint16_t)(dice(65536) & ~(WIRE_STATUS_MORE_RESULTS | WIRE_STATUS_SESSION_CHANGED))};
    if (more)
        ok.status |= WIRE_STATUS_MORE_RESULTS;
    if (dice(2))
        ok.session = text_slice(block);
    return ok;
}

static void add_ok(struct script *s, bool more)
{
    struct wire_ok ok = some_ok(more);
    struct buf b = {0};
    wire_ok_write(&b, s->caps, 0x00, &ok);
    add_built(s, WIRE_PACKET_OK, &b);
}

static void add_end(struct script *s, enum wire_packet_kind kind, bool more, uint16_t set, uint16_t clear)
{
    struct wire_ok ok = some_ok(more);
    ok.status = (uint16_t)((ok.status | set) & ~clear);
    struct buf b = {0};
    wire_end_write(&b, s->caps, &ok);
    add_built(s, kind, &b);
}

static void add_columns(struct script *s, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct frame *f = add(s, WIRE_PACKET_COLUMN, 20 + dice(300));
        memcpy(f->bytes, "\3def", 4);
    }
}

/* A row of several frames, such as one whose first value is of 16 MiB and so begins as an EOF does. */
static void add_long_row(struct script *s)
{
    add(s, WIRE_PACKET_ROW, WIRE_PACKET_MAX)->bytes[0] = dice(2) ? 0xFE : 0x00;
    while (dice(2))
        add(s, WIRE_PACKET_CONTINUED, WIRE_PACKET_MAX);
    uint32_t len = dice(3) ? dice(20) : dice(WIRE_PACKET_MAX);
    struct frame *last = add(s, WIRE_PACKET_CONTINUED, len);
    if (len)
        last->bytes[0] = "\xff\xfe\xfb\0"[dice(4)];
}

static void add_row(struct script *s)
{
    if (!dice(6)) {
        add_long_row(s);
        return;
    }
    struct frame *f = add(s, WIRE_PACKET_ROW, 1 + dice(dice(2) ? 12 : 70000));
    bool eof_like = !(s->caps & WIRE_CAP_DEPRECATE_EOF) && f->len >= 9; /* legal only then */
    f->bytes[0] = eof_like && dice(2) ? 0xFE : (uint8_t)dice(0xFE);
}

/* The rows and their end; an ERR instead ends the whole answer. */
static bool add_rows(struct script *s, bool more)
{
    for (unsigned n = dice(6); n; n--)
        add_row(s);
    if (!dice(8)) {
        add_err(s);
        return false;
    }
    add_end(s, WIRE_PACKET_ROWS_END, more, 0, 0);
    return true;
}

static bool add_result_set(struct script *s, bool more)
{
    unsigned columns = 1 + dice(5);
    struct buf b = {0};
    wire_lenenc_write(&b, columns);
    add_built(s, WIRE_PACKET_COUNT, &b);
    add_columns(s, columns);
    bool eof = !(s->caps & WIRE_CAP_DEPRECATE_EOF);
    if (s->kind == WIRE_RESPONSE_CURSOR && !more && dice(2)) {
        add_end(s, WIRE_PACKET_ROWS_END, false, WIRE_STATUS_CURSOR, 0);
        return true;
    }
    if (eof) /* with the bit of a cursor only where it means nothing */
        add_end(s, WIRE_PACKET_COLUMNS_EOF, more, 0, s->kind == WIRE_RESPONSE_CURSOR && !more ? WIRE_STATUS_CURSOR : 0);
    return add_rows(s, more);
}

static void add_results(struct script *s)
{
    for (;;) {
        bool more = s->n < FRAMES_MAX / 2 && dice(2);
        switch (dice(4)) {
        case 0:
            add_err(s);
            return;
        case 1:
            add_ok(s, more);
            break;
        default:
            if (!add_result_set(s, more))
                return;
        }
        if (!more)
            return;
    }
}

static void add_prepare(struct script *s)
{
    struct wire_prepare_ok p = {.statement_id = dice(9), .n_params = (uint16_t)dice(4), .n_columns = (uint16_t)dice(4)};
    struct buf b = {0};
    wire_prepare_ok_write(&b, &p);
    add_built(s, WIRE_PACKET_PREPARE_OK, &b);
    unsigned groups[] = {p.n_params, p.n_columns};
    for (int i = 0; i < 2; i++) {
        add_columns(s, groups[i]);
        if (groups[i] && !(s->caps & WIRE_CAP_DEPRECATE_EOF))
            add_end(s, WIRE_PACKET_COLUMNS_EOF, false, 0, 0);
    }
}

static void generate(struct script *s)
{
    s->n = 0;
    s->caps = WIRE_CAP_PROTOCOL_41 | (dice(2) ? WIRE_CAP_DEPRECATE_EOF : 0) | (dice(2) ? WIRE_CAP_SESSION_TRACK : 0);
    s->kind = (enum wire_response_kind)(WIRE_RESPONSE_QUERY + dice(WIRE_RESPONSE_SIMPLE));
    switch (s->kind) {
    case WIRE_RESPONSE_PREPARE:
        add_prepare(s);
        break;
    case WIRE_RESPONSE_FETCH:
        add_rows(s, dice(2));
        break;
    case WIRE_RESPONSE_FIELDS:
        add_columns(s, dice(5));
        add_end(s, WIRE_PACKET_ROWS_END, dice(2), 0, 0);
        break;
    case WIRE_RESPONSE_STATISTICS:
        add(s, WIRE_PACKET_TEXT, 1 + dice(100))->bytes[0] = 'U';
        break;
    case WIRE_RESPONSE_SIMPLE:
        add_ok(s, dice(2));
        break;
    default:
        add_results(s);
    }
}

/* Gives the watcher all of a frame only where it asks for it, else as much as chance has it. */
static bool watched_as_generated(const struct script *s)
{
    struct wire_response r;
    wire_response_begin(&r, s->kind, s->caps);
    for (unsigned i = 0; i < s->n; i++) {
        const struct frame *f = &s->frames[i];
        bool whole = wire_response_need_whole(&r, f->have ? f->bytes[0] : 0, f->len);
        size_t least = f->have && !r.continues ? 1 : 0;
        struct slice head = slice_copy(f->bytes, whole ? f->have : least + dice((uint32_t)(f->have - least + 1)));
        enum wire_packet_kind kind = r.done ? WIRE_PACKET_BAD : wire_response_frame(&r, head, f->len);
        slice_free(head);
        if (kind != f->kind || r.done != (i == s->n - 1))
            return false;
    }
    return true;
}

static void metadata_may_be_left_out(void)
{
    const uint64_t cached = MODERN | WIRE_CAP_CACHE_METADATA;
    WATCH(QUERY, cached, "0101/" COLUMN_X "/0131/fe000002000000", "ncrE.");
    WATCH(QUERY, cached, "0100/0131/fe000002000000", "nrE.");
    WATCH(QUERY, cached, "0100/fe000002000000", "nE.");
    WATCH(QUERY, cached, "01", "!");
    WATCH(QUERY, MODERN, "0100", "!");
    WATCH(QUERY, PLAIN | WIRE_CAP_CACHE_METADATA, "0100/fe00000200/0131/fe00000200", "nerE.");
}

static void progress_is_no_error(void)
{
    const uint64_t with = MODERN | WIRE_CAP_PROGRESS;
    WATCH(QUERY, with, "ffffff0101026400000461627364/ffffff0101026400000461627364/00000002000000", "%%O.");
    WATCH(QUERY, with, "01/" COLUMN_X "/ffffff0101026400000461627364/0131/fe000002000000", "nc%rE.");
    WATCH(QUERY, with, "ff1e04233432533232556e6b", "X.");
    WATCH(QUERY, MODERN, "ffffff0101026400000461627364", "X.");
}

static void generated_answers_are_seen_as_they_were_made(void)
{
    static struct script s;
    dice_state = 20240229;
    unsigned wrong = 0;
    for (int i = 0; i < 30000; i++) {
        generate(&s);
        wrong += !watched_as_generated(&s);
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"simple answers end at once", simple_answers_end_at_once},
        {"result sets end with their rows", result_sets_end_with_their_rows},
        {"a result may end in an error anywhere", a_result_may_end_in_an_error_anywhere},
        {"PREPARE has two groups either of which may be empty", prepare_has_two_groups_either_of_which_may_be_empty},
        {"a cursor leaves its rows behind", a_cursor_leaves_its_rows_behind},
        {"a procedure's own cursor is no client's cursor", a_procedures_own_cursor_is_no_clients_cursor},
        {"field lists have no count", field_lists_have_no_count},
        {"what is no answer is bad", what_is_no_answer_is_bad},
        {"an answer goes on behind its file", an_answer_goes_on_behind_its_file},
        {"what has no answer is done at once", what_has_no_answer_is_done_at_once},
        {"metadata may be left out", metadata_may_be_left_out},
        {"progress is no error", progress_is_no_error},
        {"generated answers are seen as they were made", generated_answers_are_seen_as_they_were_made},
        {NULL, NULL},
    };
    return unit_main("wire/response", tests);
}
