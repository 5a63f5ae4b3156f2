/* What the replies of a command are, where RESP2 does not show it: a small language, a row a command in types.def.
 *
 *   .     as it is                        :     an integer that a script handed over as text
 *   ,     a double                        #     a boolean
 *   =     text to be shown as it is       Nx    x, but nil is the null array
 *   *x    array of x                      ~x    set of x
 *   %x    map: field, value, field, value ... with values x
 *   @x    map: [field, value], [field, value] ... with values x
 *   &x    pairs: in RESP2 member, x, member, x ...; in RESP3 [member, x], [member, x] ...
 *   (xyz) array of an x, a y and as many z as there are
 *   {a=x b=y}  map as %, the value of field a is x, of b is y, of any other as it is
 *   ^     what the innermost ( or { around it begins: a tree
 *
 * What is not of the kind that the type expects is passed on as it is. */
#ifndef PROXY_RESP_TYPES_H
#define PROXY_RESP_TYPES_H

#include <stddef.h>

#include "compensate/argv.h"

/* Of the replies to this command; static. At least one argument. */
const char *resp_type_of(const struct comp_argv *command);

struct resp_type_row {
    const char *name; /* upper case; "XINFO STREAM" for the parts of a container */
    const char *when; /* "" = always, a word among the arguments behind the first, or "3": of at least so many, the name included */
    const char *type;
};
/* Every row, by name; NULL behind the last. For tests. */
const struct resp_type_row *resp_type_row(size_t i);

#endif
