/* A SELECT over rows of the proxy's own finds what a server would find in them, and says in a server's words what it cannot. */
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "proxy/sql/select.h"
#include "tests/unit/sql_side.h"
#include "tests/unit/unit.h"

static const char *const columns[] = {"id", "state", "key", "error", NULL};
static const struct sql_select_table table = {"actions", columns, 1u << 0};
static const char *const rows[][4] = {
    {"9", "DEAD", NULL, "1146 no such table"}, {"10", "WAIT", "a", "100% full"}, {"2", "DEAD", "b", NULL},
    {"11", "due", "a", NULL},                  {"12", "DEAD", "", "o'clock"},
};
#define N_ROWS (sizeof rows / sizeof *rows)

static unsigned n_items;

static void add_row(void *arg, const struct slice *row)
{
    struct buf *out = arg;
    for (unsigned i = 0; i < n_items; i++)
        buf_printf(out, "%s%.*s", i ? "," : buf_len(out) ? " " : "", row[i].at ? (int)row[i].len : 4,
                   row[i].at ? (const char *)row[i].at : "NULL");
}

/* Cells by comma, rows by space; an error by its number. */
static const char *answer(const char *text, size_t n_rows)
{
    static struct buf out;
    static const struct sql_dialect dialect = {0};
    struct slice cells[N_ROWS * 4];
    struct sql_select *q = malloc(sizeof *q);
    struct sql_select_error error;
    buf_fini(&out);
    for (size_t i = 0; i < N_ROWS * 4; i++)
        cells[i] = rows[i / 4][i % 4] ? text_of(rows[i / 4][i % 4]) : (struct slice){NULL, 0};
    if (sql_select_read(text_of(text), &dialect, &table, q, &error)) {
        n_items = q->n_items;
        sql_select_run(q, cells, n_rows, add_row, &out);
    } else {
        CU_ASSERT_TRUE(strlen(error.text) > 0 && strlen(error.sqlstate) == 5);
        buf_printf(&out, "%u", error.code);
    }
    sql_select_fini(q);
    free(q);
    return buf_cstr(&out);
}

struct question {
    const char *text, *answer;
};

static void ask(const struct question *q, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *said = answer(q[i].text, N_ROWS);
        if (strcmp(said, q[i].answer))
            printf("%s: \"%s\" instead of \"%s\"\n", q[i].text, said, q[i].answer);
        CU_ASSERT_STRING_EQUAL(said, q[i].answer);
    }
}
#define ASK(questions) ask(questions, sizeof questions / sizeof *questions)

static void columns_and_names(void)
{
    static const struct question questions[] = {
        {"SELECT id FROM xa.actions", "9 10 2 11 12"},
        {"select a.ID, `a`.`key` from `xa`.`actions` as a limit 1", "9,NULL"},
        {"SELECT actions.id, xa.actions.state FROM xa.actions LIMIT 2", "9,DEAD 10,WAIT"},
        {"SELECT * FROM xa.actions LIMIT 1", "9,DEAD,NULL,1146 no such table"},
        {"SELECT t.*, t.id n FROM xa.actions t LIMIT 1 OFFSET 2", "2,DEAD,b,NULL,2"},
        {"SELECT /* all */ id FROM xa.actions -- here\n LIMIT 1, 2", "10 2"},
        {"SELECT id FROM xa.actions LIMIT 0", ""},
        {"SELECT id FROM xa.actions LIMIT 18446744073709551615 OFFSET 4", "12"},
        {"SELECT DISTINCT state FROM xa.actions", "DEAD due WAIT"},
        {"SELECT ALL id FROM xa.actions LIMIT 1", "9"},
    };
    ASK(questions);
}

static void conditions(void)
{
    static const struct question questions[] = {
        {"SELECT id FROM xa.actions WHERE state = 'dead'", "9 2 12"},
        {"SELECT id FROM xa.actions WHERE id > 9 AND id <= 11", "10 11"},
        {"SELECT id FROM xa.actions WHERE id >= '11'", "11 12"},
        {"SELECT id FROM xa.actions WHERE 10 < id", "11 12"},
        {"SELECT id FROM xa.actions WHERE id = 1e1 OR id = -9", "10"},
        {"SELECT id FROM xa.actions WHERE id <> 9 AND state != 'DEAD' && 1=1", "10 11"},
        {"SELECT id FROM xa.actions WHERE state = 'DEAD' AND id < 3 OR `key` = 'a'", "10 2 11"},
        {"SELECT id FROM xa.actions WHERE state = 'DEAD' AND (id < 3 || `key` = 'a')", "2"},
        {"SELECT id FROM xa.actions WHERE NOT state = 'DEAD'", "10 11"},
        {"SELECT id FROM xa.actions WHERE !(id = 9) AND id", "10 2 11 12"},
        {"SELECT id FROM xa.actions WHERE id IN (2, 9, '12')", "9 2 12"},
        {"SELECT id FROM xa.actions WHERE id NOT IN (2, 9, '12')", "10 11"},
        {"SELECT id FROM xa.actions WHERE id BETWEEN 10 AND 11", "10 11"},
        {"SELECT id FROM xa.actions WHERE id NOT BETWEEN 10 AND 11 AND TRUE", "9 2 12"},
        {"SELECT id FROM xa.actions WHERE state LIKE 'd%'", "9 2 11 12"},
        {"SELECT id FROM xa.actions WHERE state LIKE '_ea_'", "9 2 12"},
        {"SELECT id FROM xa.actions WHERE state NOT LIKE '%A%'", "11"},
        {"SELECT id FROM xa.actions WHERE error LIKE '100\\%%'", "10"},
        {"SELECT id FROM xa.actions WHERE error LIKE '%such%'", "9"},
        {"SELECT id FROM xa.actions WHERE id LIKE '1_'", "10 11 12"},
        {"SELECT id FROM xa.actions WHERE error = 'o''clock'", "12"},
        {"SELECT id FROM xa.actions WHERE `key` = error", ""},
        {"SELECT id FROM xa.actions WHERE `key` = ''", "12"},
    };
    ASK(questions);
}

static void what_is_null_is_neither(void)
{
    static const struct question questions[] = {
        {"SELECT id FROM xa.actions WHERE error IS NULL", "2 11"},
        {"SELECT id FROM xa.actions WHERE error IS NOT NULL", "9 10 12"},
        {"SELECT id FROM xa.actions WHERE `key` <> 'a'", "2 12"},
        {"SELECT id FROM xa.actions WHERE NOT `key` = 'a'", "2 12"},
        {"SELECT id FROM xa.actions WHERE `key` <=> NULL", "9"},
        {"SELECT id FROM xa.actions WHERE NOT `key` <=> 'a'", "9 2 12"},
        {"SELECT id FROM xa.actions WHERE `key` = NULL", ""},
        {"SELECT id FROM xa.actions WHERE `key` NOT IN ('a', NULL)", ""},
        {"SELECT id FROM xa.actions WHERE `key` LIKE NULL OR id = 2", "2"},
    };
    ASK(questions);
}

static void order_and_groups(void)
{
    static const struct question questions[] = {
        {"SELECT id FROM xa.actions ORDER BY id", "2 9 10 11 12"},
        {"SELECT id FROM xa.actions ORDER BY state DESC, id ASC LIMIT 3", "10 11 2"},
        {"SELECT id, `key` FROM xa.actions ORDER BY `key`, 1", "9,NULL 12, 10,a 11,a 2,b"},
        {"SELECT id n FROM xa.actions WHERE id > 9 ORDER BY n DESC", "12 11 10"},
        {"SELECT COUNT(*) FROM xa.actions", "5"},
        {"SELECT count( * ) AS n FROM xa.actions WHERE id > 100", "0"},
        {"SELECT COUNT(1) FROM xa.actions WHERE state = 'WAIT'", "1"},
        {"SELECT state, COUNT(*) FROM xa.actions GROUP BY state", "DEAD,3 due,1 WAIT,1"},
        {"SELECT state s, COUNT(*) n FROM xa.actions GROUP BY s ORDER BY n DESC, s DESC", "DEAD,3 WAIT,1 due,1"},
        {"SELECT state FROM xa.actions GROUP BY state, `key` ORDER BY COUNT(*), 1 LIMIT 2", "DEAD DEAD"},
        {"SELECT `key`, COUNT(*) FROM xa.actions GROUP BY 1 LIMIT 2", "NULL,1 ,1"},
        {"SELECT state, COUNT(*) FROM xa.actions WHERE id > 100 GROUP BY state", ""},
    };
    ASK(questions);
}

static void what_there_is_not(void)
{
    static const struct question questions[] = {
        {"SELECT nosuch FROM xa.actions", "1054"},
        {"SELECT id FROM xa.actions WHERE nosuch = 1", "1054"},
        {"SELECT b.id FROM xa.actions a", "1054"},
        {"SELECT id FROM xa.actions ORDER BY 2", "1054"},
        {"SELECT id, COUNT(*) FROM xa.actions", "1055"},
        {"SELECT id FROM xa.actions GROUP BY state", "1055"},
        {"SELECT state FROM xa.actions GROUP BY state ORDER BY id", "1055"},
        {"SELECT COUNT(*) FROM xa.actions GROUP BY COUNT(*)", "1111"},
        {"SELECT id FROM xa.actions WHERE", "1064"},
        {"SELECT id FROM xa.actions WHERE (id = 1", "1064"},
        {"SELECT id FROM xa.actions LIMIT", "1064"},
        {"SELECT id FROM xa.actions WHERE id = ABS(1)", "1235"},
        {"SELECT MAX(id) FROM xa.actions", "1235"},
        {"SELECT id + 1 FROM xa.actions", "1235"},
        {"SELECT id FROM xa.actions JOIN t2.t", "1235"},
        {"SELECT id FROM xa.actions, t2.t", "1235"},
        {"SELECT id FROM xa.actions FOR UPDATE", "1235"},
        {"SELECT id FROM xa.actions UNION SELECT 1", "1235"},
        {"SELECT id FROM (SELECT * FROM xa.actions) a", "1235"},
        {"SELECT id FROM xa.actions WHERE id = ?", "1235"},
        {"SELECT DISTINCT COUNT(*) FROM xa.actions", "1235"},
        {"DELETE FROM xa.actions", "1235"},
        {"WITH a AS (SELECT 1) SELECT * FROM xa.actions", "1235"},
        {"(SELECT * FROM xa.actions)", "1235"},
    };
    ASK(questions);
}

/* Every limit answers, whatever is piled up. */
static void too_much_of_it(void)
{
    static const struct {
        const char *begin, *more, *end, *answer;
    } piles[] = {
        {"SELECT id FROM xa.actions WHERE id = 9", " OR id = 9", "", "1235"},
        {"SELECT id FROM xa.actions WHERE ", "(", "", "1235"},
        {"SELECT id FROM xa.actions WHERE ", "NOT ", "id", "1235"},
        {"SELECT id", ", id", " FROM xa.actions", "1117"},
        {"SELECT id FROM xa.actions ORDER BY id", ", id", "", "1117"},
    };
    for (size_t i = 0; i < sizeof piles / sizeof *piles; i++) {
        struct buf text = {0};
        buf_text(&text, piles[i].begin);
        for (int k = 0; k < 10000; k++)
            buf_text(&text, piles[i].more);
        buf_text(&text, piles[i].end);
        CU_ASSERT_STRING_EQUAL(answer(buf_cstr(&text), N_ROWS), piles[i].answer);
        buf_fini(&text);
    }
}

/* No prefix of a text does harm, over no rows neither. */
static void any_beginning(void)
{
    static const char text[] = "SELECT DISTINCT a.state AS s, COUNT(*) n FROM xa.actions a WHERE NOT (id BETWEEN 1 AND 2 OR "
                               "`key` IS NOT NULL) AND error NOT LIKE '%x\\%_' GROUP BY a.state ORDER BY 2 DESC LIMIT 1, 2";
    for (size_t n = 0; n < sizeof text; n++) {
        char cut[sizeof text];
        memcpy(cut, text, n);
        cut[n] = '\0';
        (void)answer(cut, n % 2 ? 0 : N_ROWS);
    }
    CU_ASSERT_STRING_EQUAL(answer("SELECT COUNT(*) FROM xa.actions", 0), "0");
}

static void the_table(void)
{
    static const struct {
        const char *text, *schema, *table;
    } cases[] = {
        {"SELECT * FROM xa.actions", "xa", "actions"},
        {"SELECT (SELECT 1 FROM a.b), x FROM `x``a` . y WHERE 1", "x`a", "y"},
        {"SELECT * FROM actions", NULL, NULL},
        {"SHOW TABLES FROM xa", NULL, NULL},
        {"", NULL, NULL},
    };
    static const struct sql_dialect dialect = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char schema[SQL_NAME_SIZE], name[SQL_NAME_SIZE];
        bool found = sql_select_from(text_of(cases[i].text), &dialect, schema, name);
        CU_ASSERT_EQUAL(found, cases[i].schema != NULL);
        CU_ASSERT_TRUE(!found || (!strcmp(schema, cases[i].schema) && !strcmp(name, cases[i].table)));
    }
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"columns and names", columns_and_names},
        {"conditions", conditions},
        {"what is null is neither", what_is_null_is_neither},
        {"order and groups", order_and_groups},
        {"what there is not", what_there_is_not},
        {"too much of it", too_much_of_it},
        {"any beginning", any_beginning},
        {"the table", the_table},
        {NULL, NULL},
    };
    return unit_main("sql select", tests);
}
