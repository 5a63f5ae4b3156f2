"""Tests of CALL: a session and its Redis, both as new for each test."""
import xatest


class Calling(xatest.Case):
    def setUp(self):
        self.r = self.redis()
        self.db = self.connect()

    def tearDown(self):
        self.close(self.db)
        self.world.settle()
        self.r.flushall()

    def call(self, command, *args, db=None):
        return self.rows(db or self.db, f"CALL cache.{command}({', '.join(['%s'] * len(args))})", *args)
