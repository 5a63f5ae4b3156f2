/* Errors that no repetition mends: the statement, its data or a right is wrong. */
#include "actions/errors.h"

#include <stdlib.h>

/* Sorted. */
static const uint16_t permanent[] = {
    1044, 1045, 1046, 1048, 1049, 1051, 1052, 1054, 1062, 1064, 1065, 1072, 1091, 1109, 1110, 1111, 1136, 1142, 1143, 1146,
    1149, 1210, 1222, 1227, 1235, 1241, 1242, 1263, 1264, 1265, 1288, 1292, 1295, 1303, 1305, 1318, 1364, 1365, 1366, 1367,
    1370, 1406, 1410, 1411, 1416, 1436, 1442, 1451, 1452, 1471, 1517, 1525, 1556, 1557, 1582, 1583, 1584, 1586, 1630, 1644,
    1690, 3140, 3141, 3143, 3819, 4025, 4078,
};

static int compare(const void *a, const void *b)
{
    return (int)*(const uint16_t *)a - (int)*(const uint16_t *)b;
}

enum action_result action_result_of_sql(uint16_t code)
{
    bool found = bsearch(&code, permanent, sizeof permanent / sizeof *permanent, sizeof *permanent, compare);
    return found ? ACTION_PERMANENT : ACTION_TRANSIENT;
}
