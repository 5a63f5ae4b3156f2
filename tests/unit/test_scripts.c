/* A script is found by its digest in any spelling, whatever else came, until there is no room for it. */
#include <stdio.h>
#include <string.h>

#include "proxy/session/scripts.h"
#include "proxy/wire/auth.h"
#include "tests/unit/unit.h"

static struct slice text_of(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static bool finds(struct scripts *c, const char *text)
{
    char digest[WIRE_SHA1_TEXT];
    struct buf out = {0};
    wire_sha1_text(text_of(text), digest);
    bool found = scripts_find(c, text_of(digest), &out);
    CU_ASSERT_EQUAL(buf_len(&out), found ? strlen(text) : 0);
    CU_ASSERT_TRUE(!found || !memcmp(buf_at(&out), text, strlen(text)));
    buf_fini(&out);
    return found;
}

static void a_digest_in_any_letters(void)
{
    struct scripts *c = scripts_new(1 << 20);
    scripts_note(c, text_of(""));
    CU_ASSERT_TRUE(scripts_find(c, text_of("da39a3ee5e6b4b0d3255bfef95601890afd80709"), NULL));
    CU_ASSERT_TRUE(scripts_find(c, text_of("DA39A3EE5e6b4b0d3255bfef95601890afd80709"), NULL));
    scripts_free(c);
}

static void what_is_no_digest(void)
{
    static const char *const none[] = {"", "da39", "da39a3ee5e6b4b0d3255bfef95601890afd8070",
                                       "da39a3ee5e6b4b0d3255bfef95601890afd807090", "da39a3ee5e6b4b0d3255bfef95601890afd8070g",
                                       "\xffz39a3ee5e6b4b0d3255bfef95601890afd80709"};
    struct scripts *c = scripts_new(1 << 20);
    scripts_note(c, text_of(""));
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        CU_ASSERT_FALSE(scripts_find(c, text_of(none[i]), NULL));
    scripts_free(c);
}

static void many_are_told_apart(void)
{
    struct scripts *c = scripts_new(8 << 20);
    char text[32];
    for (int i = 0; i < 2000; i++) {
        snprintf(text, sizeof text, "return %d", i);
        CU_ASSERT_FALSE(finds(c, text));
        scripts_note(c, text_of(text));
        scripts_note(c, text_of(text));
    }
    for (int i = 0; i < 2000; i++) {
        snprintf(text, sizeof text, "return %d", i);
        CU_ASSERT_TRUE(finds(c, text));
    }
    scripts_free(c);
}

/* Nothing of what it costs beside its text is free. */
static void the_one_not_used_for_longest_goes(void)
{
    struct scripts *c = scripts_new(1024);
    char text[32];
    scripts_note(c, text_of("mine"));
    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "return %d", i);
        scripts_note(c, text_of(text));
        CU_ASSERT_TRUE(finds(c, text));
        CU_ASSERT_TRUE(finds(c, "mine"));
    }
    CU_ASSERT_FALSE(finds(c, "return 0"));
    scripts_free(c);
}

static void what_is_longer_than_all_may_be_is_not_kept(void)
{
    struct scripts *c = scripts_new(1024);
    char text[1025] = "";
    memset(text, 'x', sizeof text - 1);
    scripts_note(c, text_of("mine"));
    scripts_note(c, text_of(text));
    CU_ASSERT_FALSE(finds(c, text));
    CU_ASSERT_TRUE(finds(c, "mine"));
    scripts_free(c);
    c = scripts_new(0);
    scripts_note(c, text_of("mine"));
    CU_ASSERT_FALSE(finds(c, "mine"));
    scripts_free(c);
}

static void forgotten_ones_can_be_noted_again(void)
{
    struct scripts *c = scripts_new(1024);
    scripts_forget(c);
    scripts_note(c, text_of("mine"));
    scripts_note(c, text_of("yours"));
    scripts_forget(c);
    CU_ASSERT_FALSE(finds(c, "mine"));
    CU_ASSERT_FALSE(finds(c, "yours"));
    scripts_note(c, text_of("mine"));
    CU_ASSERT_TRUE(finds(c, "mine"));
    scripts_free(c);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"a digest in any letters", a_digest_in_any_letters},
        {"what is no digest", what_is_no_digest},
        {"many are told apart", many_are_told_apart},
        {"the one not used for longest goes", the_one_not_used_for_longest_goes},
        {"what is longer than all may be is not kept", what_is_longer_than_all_may_be_is_not_kept},
        {"forgotten ones can be noted again", forgotten_ones_can_be_noted_again},
        {NULL, NULL},
    };
    return unit_main("scripts", tests);
}
