/* What the programs about the configuration share: the least that is right, and reading a text. */
#ifndef TESTS_UNIT_CONFIG_SIDE_H
#define TESTS_UNIT_CONFIG_SIDE_H

#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "proxy/config/config.h"

#define HASH "$5$abcdefghijklmnop$dKvdpYHc8cl04LzlfYVUbcM/3EzArfoTOggnhAmo.x8"

/* The least that is right. Lines 1 to 11: tests append to it and count from 12. */
#define PROXY "[proxy]\nnode = a1\ndata_dir = /var/lib/x\n"
#define LISTENER "[listener main]\ntls_required = off\n"
#define USER "[user app]\npassword_verifier = " HASH "\n"
#define BACKEND "[backend one]\nschemas = orders stock\nresolver_user = r\n"
#define LEAST PROXY LISTENER USER BACKEND "\n"

static char *errors;

static inline struct config *parse(const char *text)
{
    free(errors);
    errors = NULL;
    return config_parse("dir/x.conf", text, strlen(text), &errors);
}

static inline struct config *must_parse(const char *text)
{
    struct config *c = parse(text);
    if (!c)
        fprintf(stderr, "%s", errors);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    CU_ASSERT_PTR_NULL(errors);
    return c;
}

#endif
