"""PREPARE, EXECUTE, EXECUTE IMMEDIATE and DEALLOCATE as text: as on one server, and what is inside is seen."""
import preparing
import pymysql
import xatest

MARIADB = xatest.FAMILY == "mariadb"


class TextPrepared(preparing.Case):
    world_options = {"proxy_options": "max_prepared_statements = 40", "backend_options": xatest.PATIENT}

    def tables(self):
        for server, table in (("s1", "t1.p"), ("s2", "t2.p")):
            self.world.direct(server, f"DROP TABLE IF EXISTS {table}")
            self.world.direct(server, f"CREATE TABLE {table} (i BIGINT PRIMARY KEY, s VARCHAR(100)) ENGINE=InnoDB")

    def numbers(self, server):
        return [i for (i,) in self.world.direct(server, f"SELECT i FROM {'t1' if server == 's1' else 't2'}.p ORDER BY i")]

    def test_values_and_rows(self):
        db = self.connect(database="t1")
        self.run_sql(db, "PREPARE Sum FROM 'SELECT ? + ? AS x'", "SET @a = 40, @b = 2")
        self.assertEqual(self.rows(db, "EXECUTE sum USING @a, @b"), ((42,),))
        self.run_sql(db, "SET @a = 1")
        self.assertEqual(self.rows(db, "execute SUM using @a, @b"), ((3,),))
        self.run_sql(db, "DEALLOCATE PREPARE sum")
        self.assertIn("EXECUTE", self.refused(1243, db, "EXECUTE sum USING @a, @b"))
        self.assertIn("DEALLOCATE PREPARE", self.refused(1243, db, "DROP PREPARE sum"))

    def test_each_statement_goes_where_its_schemas_live(self):
        self.tables()
        db = self.connect(database="t1")
        self.run_sql(db, "PREPARE l FROM 'INSERT INTO p VALUES (?, \"it''s\")'",
                     "PREPARE r FROM 'INSERT INTO t2.p VALUES (?, ?)'",
                     "SET @i = 1, @s = 'x'", "BEGIN", "EXECUTE l USING @i", "EXECUTE r USING @i, @s", "COMMIT",
                     "SET @i = 2", "BEGIN", "EXECUTE l USING @i", "EXECUTE r USING @i, @s", "ROLLBACK")
        self.assertEqual((self.numbers("s1"), self.numbers("s2")), ([1], [1]))
        self.assertEqual(self.world.direct("s1", "SELECT s FROM t1.p"), (("it's",),))

    def test_names_stay_bound_to_the_schema_of_prepare(self):
        self.tables()
        db = self.connect(database="t1")
        self.run_sql(db, "PREPARE put FROM 'INSERT INTO p VALUES (?, NULL)'", "SET @i = 1", "USE t2", "EXECUTE put USING @i",
                     "SET @i = 2")
        self.kill_connections("s1")
        try:
            self.run_sql(db, "EXECUTE put USING @i")
        except pymysql.err.MySQLError as error:
            self.assertEqual(error.args[0], 2013)
            self.run_sql(db, "EXECUTE put USING @i")
        self.assertEqual((self.numbers("s1"), self.numbers("s2")), ([1, 2], []))

    def test_what_is_inside_is_seen(self):
        self.tables()
        db = self.connect(database="t1")
        begin = "START TRANSACTION"
        if xatest.FAMILY == "mysql":
            self.refused(1295, db, "PREPARE b FROM 'START TRANSACTION'")
        else:
            self.run_sql(db, "PREPARE b FROM 'START TRANSACTION'")
            begin = "EXECUTE b"
        self.run_sql(db, "PREPARE c FROM 'COMMIT'", "PREPARE r FROM ' /*!50000 ROLLBACK */ ; '",
                     begin, "INSERT INTO t1.p VALUES (1, '')", "INSERT INTO t2.p VALUES (1, '')")
        self.assertTrue(db.server_status & 1)
        self.run_sql(db, "EXECUTE c")
        self.assertFalse(db.server_status & 1)
        self.run_sql(db, begin, "INSERT INTO t1.p VALUES (2, '')", "INSERT INTO t2.p VALUES (2, '')", "EXECUTE r")
        self.assertEqual((self.numbers("s1"), self.numbers("s2")), ([1], [1]))

    def test_text_in_a_variable(self):
        self.tables()
        db = self.connect(database="t1")
        self.run_sql(db, "SET @sql = 'COMMIT'", "PREPARE s FROM @sql", "BEGIN", "INSERT INTO t1.p VALUES (1, '')",
                     "INSERT INTO t2.p VALUES (1, '')", "EXECUTE s")
        self.assertFalse(db.server_status & 1)
        self.run_sql(db, "SET @sql = CONCAT('INSERT INTO t2', '.p VALUES (', 7, ', NULL)')", "PREPARE s FROM @sql", "EXECUTE s")
        self.assertEqual((self.numbers("s1"), self.numbers("s2")), ([1], [1, 7]))
        self.refused(1064, db, "PREPARE s FROM @nothing")
        self.refused(1243, db, "EXECUTE s")

    def test_ddl_inside_commits_first(self):
        self.tables()
        db = self.connect(database="t1")
        self.run_sql(db, "PREPARE d FROM 'CREATE TABLE made (i INT)'", "BEGIN", "INSERT INTO t1.p VALUES (1, '')",
                     "INSERT INTO t2.p VALUES (1, '')", "EXECUTE d", "ROLLBACK", "DROP TABLE made")
        self.assertEqual((self.numbers("s1"), self.numbers("s2")), ([1], [1]))

    def test_set_inside_is_the_sessions(self):
        db = self.connect(database="t1")
        self.run_sql(db, "PREPARE s FROM 'SET @a = ?, SESSION time_zone = ?'", "SET @x = 5, @z = '+03:00'",
                     "EXECUTE s USING @x, @z")
        for schema in ("t1", "t2"):
            self.run_sql(db, f"USE {schema}")
            self.assertEqual(self.rows(db, "SELECT @a, @@time_zone"), ((5, "+03:00"),))
        self.run_sql(db, "PREPARE off FROM 'SET autocommit = 0'", "EXECUTE off")
        self.assertFalse(db.server_status & 2)

    def test_redis_call_inside(self):
        db = self.connect(database="t1")
        self.run_sql(db, "PREPARE s FROM 'CALL cache.SET(?, ?)'", "SET @k = 'key', @v = 'value'", "BEGIN",
                     "EXECUTE s USING @k, @v", "ROLLBACK")
        self.assertIsNone(self.redis().get("key"))
        self.run_sql(db, "BEGIN", "EXECUTE s USING @k, @v", "COMMIT")
        self.assertEqual(self.redis().get("key"), "value")

    def test_errors(self):
        db = self.connect(database="t1")
        self.run_sql(db, "PREPARE s FROM 'SELECT 1'")
        for code, sql in ((1064, "PREPARE s FROM 'SELEC 1'"), (1243, "EXECUTE s"), (1064, "PREPARE s FROM 'SELECT 1; SELECT 2'"),
                          (1064, "PREPARE s FROM 'COMMIT; SELECT 2'"), (1065, "PREPARE s FROM ''"), (1065, "PREPARE s FROM ';'"),
                          (1146, "PREPARE s FROM 'SELECT * FROM no_such'"),
                          (1295, "PREPARE s FROM 'PREPARE t FROM \"SELECT 1\"'"), (1295, "PREPARE s FROM 'EXECUTE t'"),
                          (1064, "PREPARE FROM 'SELECT 1'"), (1064, "EXECUTE"), (1064, "DEALLOCATE PREPARE"),
                          (1064, "PREPARE s 'x'")):
            with self.subTest(sql=sql):
                self.refused(code, db, sql)
        self.run_sql(db, "PREPARE two FROM 'SELECT ?, ?'", "PREPARE own FROM 'SET @a = ?'", "SET @x = 1")
        self.refused(1210, db, "EXECUTE two USING @x")
        self.refused(1210, db, "EXECUTE two")
        self.refused(1210, db, "EXECUTE own")
        self.refused(1210, db, "EXECUTE own USING @x, @x")
        self.run_sql(db, "PREPARE bad FROM 'SET @a = ?, @@no_such = 1'")  # which a server would tell at once
        self.refused(1193, db, "EXECUTE bad USING @x")
        self.assertEqual(self.rows(db, "EXECUTE two USING @x, @x"), ((1, 1),))

    def test_several_in_one_packet(self):
        self.tables()
        db = self.connect(database="t1", client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS)
        with db.cursor() as cursor:
            cursor.execute("PREPARE s FROM 'SELECT ?'; SET @a = 5; EXECUTE s USING @a; DEALLOCATE PREPARE s; SELECT 6")
            got = []
            more = True
            while more:
                got += cursor.fetchall()
                more = cursor.nextset()
        self.assertEqual(got, [(5,), (6,)])

    def test_many_are_refused_in_time(self):
        db = self.connect(database="t1")
        self.run_sql(db, *(f"PREPARE s{i} FROM 'SELECT {i}'" for i in range(40)))
        self.refused(1461, db, "PREPARE one_more FROM 'SELECT 1'")
        self.run_sql(db, "PREPARE s7 FROM 'SELECT 77'", "DEALLOCATE PREPARE s8", "PREPARE one_more FROM 'SELECT 1'")
        self.assertEqual(self.rows(db, "EXECUTE s7"), ((77,),))

    def test_reset_forgets_them(self):
        db = self.connect(database="t1")
        self.run_sql(db, "PREPARE s FROM 'SELECT 1'", "PREPARE c FROM 'COMMIT'")
        db._execute_command(0x1F, b"")
        db._read_ok_packet()
        self.refused(1243, db, "EXECUTE s")
        self.refused(1243, db, "EXECUTE c")

    def test_failed_transaction(self):
        self.tables()
        db = self.connect(database="t1")
        self.run_sql(db, "PREPARE s FROM 'SELECT COUNT(*) FROM p'", "PREPARE r FROM 'ROLLBACK'", "BEGIN",
                     "INSERT INTO p VALUES (1, '')")
        self.kill_connections("s1")
        with self.assertRaises(pymysql.err.MySQLError):
            self.run_sql(db, "EXECUTE s")
        self.refused(1402, db, "EXECUTE s")
        self.run_sql(db, "EXECUTE r")
        self.assertEqual(self.rows(db, "EXECUTE s"), ((0,),))

    def test_immediate(self):
        self.tables()
        db = self.connect(database="t1")
        if not MARIADB:
            self.refused(1064, db, "EXECUTE IMMEDIATE 'SELECT 1'")
            return
        self.assertEqual(self.rows(db, "EXECUTE IMMEDIATE 'SELECT ? + 1' USING 41"), ((42,),))
        self.run_sql(db, "BEGIN", "EXECUTE IMMEDIATE 'INSERT INTO p VALUES (?, ?)' USING 1, CONCAT('a', 'b')",
                     "EXECUTE IMMEDIATE CONCAT('INSERT INTO t2.p ', 'VALUES (1, NULL)')", "EXECUTE IMMEDIATE 'COMMIT'")
        self.assertFalse(db.server_status & 1)
        self.run_sql(db, "SET @sql = 'BEGIN'", "EXECUTE IMMEDIATE @sql")
        self.assertTrue(db.server_status & 1)
        self.run_sql(db, "EXECUTE IMMEDIATE 'INSERT INTO p VALUES (2, NULL)'", "EXECUTE IMMEDIATE CONCAT('ROLL', 'BACK')")
        self.assertEqual((self.numbers("s1"), self.numbers("s2")), ([1], [1]))
        self.refused(1064, db, "EXECUTE IMMEDIATE 'SELEC 1'")
        self.refused(1064, db, "EXECUTE IMMEDIATE NULL")
        self.refused(1295, db, "EXECUTE IMMEDIATE 'EXECUTE s'")
        self.run_sql(db, "EXECUTE IMMEDIATE 'SET @seen = ?' USING 1 + 2")
        self.assertEqual(self.rows(db, "SELECT @seen"), ((3,),))
