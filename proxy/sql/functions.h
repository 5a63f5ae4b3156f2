/* Which function does a word before a parenthesis call? Pure; knows the built-in ones of MySQL and MariaDB by name. */
#ifndef PROXY_SQL_FUNCTIONS_H
#define PROXY_SQL_FUNCTIONS_H

#include "base/cursor.h"

enum sql_callable {
    SQL_CALLABLE_UNKNOWN, /* a stored or loadable function, or a built-in one that this table does not know */
    SQL_CALLABLE_BUILTIN, /* built in, reads at most */
    SQL_CALLABLE_EFFECT,  /* built in; writes, waits, holds locks, or depends on the connection's past */
    SQL_CALLABLE_NONE     /* a keyword: IN (, VALUES (, ... */
};
enum sql_callable sql_callable(struct slice name);

#endif
