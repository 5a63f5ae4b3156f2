/* Configuration files of any bytes: refused with a reason or loaded, and what was loaded can be shown and asked. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void swallow(void *arg, const char *section, const char *name, const char *option, const char *value)
{
    *(size_t *)arg += strlen(section) + strlen(name) + strlen(option) + strlen(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *errors;
    size_t shown = 0;
    log_set_level(LOG_LEVEL_ERROR);
    struct config *c = config_parse("x", data, size, &errors);
    CHECK(!c == !!errors);
    if (c) {
        config_each_value(c, swallow, &shown);
        CHECK(shown);
        for (size_t n = 0; n < c->n_backends; n++)
            CHECK(config_backend(c, c->backends[n].name) == (int)n);
        for (size_t n = 0; n < c->n_users; n++)
            CHECK(config_user(c, c->users[n].name, strlen(c->users[n].name), c->users[n].admin) == &c->users[n]);
    }
    free(errors);
    config_free(c);
    return 0;
}
