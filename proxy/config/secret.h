/* Passwords that stand in a file of their own. */
#ifndef PROXY_CONFIG_SECRET_H
#define PROXY_CONFIG_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

/* The first line of a regular file, without its end; heap, the caller's. NULL with why. A file that everybody can read
 * is used, with a warning in the log. */
char *config_secret_read(const char *path, char *why, size_t why_size) MUST_USE;

#endif
