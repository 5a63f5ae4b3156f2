"""A statement that takes its time, in a thread of its own."""
import threading

import pymysql


class Running(threading.Thread):
    """A statement in a thread of its own: its rows, or the error's number."""

    def __init__(self, db, sql):
        super().__init__()
        self.db, self.sql, self.rows, self.error = db, sql, None, 0
        self.start()

    def run(self):
        try:
            with self.db.cursor() as cursor:
                cursor.execute(self.sql)
                self.rows = cursor.fetchall()
        except pymysql.err.MySQLError as error:
            self.error = error.args[0]

    def end(self, limit_s=60):
        self.join(limit_s)
        if self.is_alive():
            raise AssertionError(f"still runs: {self.sql}")
        return self.error
