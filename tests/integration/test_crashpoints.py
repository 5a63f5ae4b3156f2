"""Kill -9 at every named crash point, and a server or Redis killed while the proxy stands there: all ends alike.

Each row of base/failpoint.def has a scenario below in which it is hit. A case arms the point at its 1st, 2nd, ... hit until
a run goes through without one, so that every passage is tried, whatever their number is. What counts afterwards: within 5 s
after everything is up again the order is done everywhere or undone everywhere, nothing is in doubt, and what was acknowledged
is there. XAPROXY_CRASHPOINTS=eighth runs an eighth of the cases, another one each day; =N/8 runs that one.
"""
import contextlib
import itertools
import os
import re
import subprocess
import time
import unittest

import pymysql
import test_actions
import test_saga
import xatest

FAMILY_DEFAULT = {"mariadb": "all", "mysql": "eighth"}
HITS_MAX = 12
AFTERMATH_S = 0.4  # how long after the client's answer a point may still be passed


class Commit:
    """The order story, committed."""

    counts_at_start = False  # whether a stop during the proxy's start is a case for killing something else

    def before(self, case):
        """Leaves behind what the armed proxy is to find."""

    def run(self, case, order):
        order.execute("COMMIT")

    def judge(self, order):
        order.judge()


class Rollback(Commit):
    """The order story, taken back at its end."""

    def run(self, case, order):
        order.execute("ROLLBACK")

    def judge(self, order):
        order.judge(expect=False)


class OneServer(Commit):
    """A transaction that wrote on one server only, decided by that server alone."""

    def run(self, case, order):
        order.outcome = "refused"
        try:
            db = case.world.connect()
            with contextlib.closing(db), db.cursor() as cursor:
                cursor.execute("BEGIN")
                cursor.execute(order.statements()[0])
                order.outcome = "unknown"
                cursor.execute("COMMIT")
                order.outcome = "acked"
        except (pymysql.err.MySQLError, OSError) as error:
            order.error = error

    def judge(self, order):
        found = bool(order.state()["order"])
        if order.outcome != "unknown" and found != (order.outcome == "acked"):
            raise xatest.Broken(f"{order.outcome} ({order.error}), and the row is {'there' if found else 'not there'}")


class Recovery(Commit):
    """A proxy that starts after a crash in the middle of a commit; the crash under test happens to its successor."""

    counts_at_start = True

    def __init__(self, first_crash, done):
        self.first_crash, self.done = first_crash, done

    def before(self, case):
        case.world.restart_proxy(self.first_crash)
        self.first = case.order()
        self.first.execute("COMMIT")
        xatest.until(lambda: not case.world.proxy.alive(), 5, f"{self.first_crash} was not hit")

    def run(self, case, order):
        order.execute("COMMIT")

    def judge(self, order):
        order.judge()
        self.first.judge(expect=self.done)


class ManyCommits(Commit):
    """So many orders that the log goes through several of its (small) segments."""

    def __init__(self):
        self.others = []

    def run(self, case, order):
        with contextlib.suppress(pymysql.err.MySQLError, OSError), contextlib.closing(case.world.connect()) as db:
            for _ in range(case.orders_per_segment()):
                self.others.append(case.order())
                if self.others[-1].execute("COMMIT", db).outcome != "acked":
                    break

    def judge(self, order):
        for one in self.others[-3:]:
            one.judge()


RECOVERIES = [lambda: Recovery("all_votes:1:crash", False), lambda: Recovery("commit_sent:1:crash", True)]
SCENARIOS = {
    "accept": [Commit], "auth_ok": [Commit], "xa_start_sent": [Commit], "stmt_sent": [Commit], "touch_before_write": [Commit],
    "touch_durable": [Commit], "redis_sent": [Commit], "redis_replied": [Commit], "end_prepare_sent": [Commit],
    "vote_in": [Commit], "all_votes": [Commit], "log_appended": [Commit], "log_written": [Commit], "log_synced": [Commit],
    "decided": [Commit],
    "before_ack": [Commit], "after_ack": [Commit], "commit_sent": [Commit], "commit_in": [Commit], "all_in": [Commit],
    "journal_closed": [Commit], "rollback_sent": [Rollback], "one_phase_sent": [OneServer], "undo_sent": [Commit, Rollback],
    "undo_replied": [Commit, Rollback], "recovery_epoch": RECOVERIES, "recovery_read": RECOVERIES,
    "recovery_between": RECOVERIES, "segment_created": [ManyCommits], "segment_dirsync": [ManyCommits],
    "checkpoint": [ManyCommits],
}
VICTIMS = ("proxy", "server", "redis")


def every_point():
    with open(os.path.join(xatest.SOURCE, "base", "failpoint.def"), encoding="utf-8") as f:
        return re.findall(r"^FAILPOINT_ROW\((\w+),", f.read(), re.M)


def points():
    """All but those of actions and sagas, which test_actions.py and test_saga.py cross."""
    return [point for point in every_point() if not point.startswith(("action_", "saga_"))]


def chosen():
    """The cases of this run: (point, victim) pairs."""
    every = list(itertools.product(points(), VICTIMS))
    share = os.environ.get("XAPROXY_CRASHPOINTS") or FAMILY_DEFAULT[xatest.FAMILY]
    if share == "all":
        return every
    part = time.gmtime().tm_yday % 8 if share == "eighth" else int(share.split("/")[0])
    return every[part::8]


class TheList(unittest.TestCase):
    def test_every_point_has_a_case(self):
        self.assertEqual(set(points()), set(SCENARIOS))

    def test_every_point_of_actions_and_sagas_has_a_case(self):
        crossed = {"action_": {*test_actions.Killed.POINTS}, "saga_": {*test_saga.Killed.POINTS, *test_saga.Killed.TAKING_BACK}}
        crossed["saga_"].update(test_saga.KilledWithoutXa.POINTS, test_saga.KilledWithoutXa.REFUTED)
        for kind, there in crossed.items():
            self.assertEqual({point for point in every_point() if point.startswith(kind)} - there, set())
            self.assertEqual(there - set(every_point()), set())

    def test_every_point_stands_in_the_source(self):
        text = subprocess.run(["grep", "-rhE", r"[A-Z]+\(.*\)", "--include=*.c", *self.folders()], capture_output=True, text=True,
                              check=True).stdout
        missing = [p for p in every_point() if not re.search(rf"[A-Z]+\(([^()]*, )?(FAILPOINT_)?{p}\)", text)]
        self.assertEqual(missing, [])

    @staticmethod
    def folders():
        return [os.path.join(xatest.SOURCE, folder) for folder in ("wal", "xa", "compensate", "proxy")]


class CrashPoints(xatest.Case):
    failureException = xatest.Broken
    world_options = {"proxy_options": "wal_segment_size = 64K"}
    numbers = itertools.count(1)
    stocked = 0

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.stocked = 0

    def order(self):
        number = next(self.numbers)
        if number > type(self).stocked:
            xatest.Order.stock_up(self.world, range(number, number + 500))
            type(self).stocked = number + 499
        return xatest.Order(self.world, number)

    @staticmethod
    def orders_per_segment():
        return 400

    def tearDown(self):
        self.world.proxy.crash()  # its point may still be armed
        self.world.start_all()

    # --- the proxy dies at the point ---

    def proxy_dies(self, point, scenario):
        hits = 0
        for nth in range(1, HITS_MAX + 1):
            scenario.before(self)
            order = self.order()
            if not self.dies_at(f"{point}:{nth}:crash", scenario, order):
                break
            hits += 1
            with self.subTest(point=point, nth=nth):
                self.world.start_proxy()
                self.world.settle()
                scenario.judge(order)
        return hits

    def dies_at(self, spec, scenario, order):
        """Runs the scenario with the point armed; whether the proxy died of it."""
        try:
            self.world.restart_proxy(spec)
            scenario.run(self, order)
        except xatest.ProxyDied:
            order.outcome = order.outcome or "refused"
        with contextlib.suppress(AssertionError):
            xatest.until(lambda: not self.world.proxy.alive(), AFTERMATH_S, "")
        if self.world.proxy.alive():
            return False
        self.assertIn("failpoint", self.world.proxy.log_of_this_life(), "the proxy died, and not of the point:\n"
                      + self.world.proxy.log_tail())
        self.world.proxy.wait_gone()
        return True

    # --- the proxy stops at the point, and somebody else dies meanwhile ---

    def other_dies(self, point, scenario, victim):
        hits = 0
        for nth in range(1, HITS_MAX + 1):
            scenario.before(self)
            order = self.order()
            self.world.proxy.crash()
            self.world.proxy.start(f"{point}:{nth}:pause", wait=False)
            at_start = self.paused_before_it_listens()
            if at_start and not scenario.counts_at_start:
                self.world.proxy.resume()
                self.world.proxy.wait_ready()
                continue
            thread = self.in_thread(scenario, order)
            if not self.paused_or_over(thread):
                thread.join(30)
                break
            hits += 1
            with self.subTest(point=point, nth=nth, killed=victim.kind):
                victim.crash()
                self.world.proxy.resume()
                time.sleep(0.05)
                victim.start()
                thread.join(30)
                self.assertTrue(self.world.proxy.alive(), "the proxy died too:\n" + self.world.proxy.log_tail())
                self.assertFalse(thread.is_alive(), "the client has no answer after 30 s")
                self.world.settle()
                scenario.judge(order)
        return hits

    def paused_before_it_listens(self):
        proxy = self.world.proxy
        xatest.until(lambda: proxy.paused() or not proxy.alive() or proxy.listens(), 15, "the proxy neither listens nor stops")
        return proxy.paused()

    def in_thread(self, scenario, order):
        def run():
            xatest.until(self.world.proxy.listens, 30, "the proxy does not listen")
            self.world.wait_judged()
            scenario.run(self, order)
        thread = xatest.threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def paused_or_over(self, thread):
        proxy = self.world.proxy
        while thread.is_alive() and not proxy.paused():
            time.sleep(0.002)
        with contextlib.suppress(AssertionError):
            xatest.until(proxy.paused, AFTERMATH_S, "")
        return proxy.paused()

    def case(self, point, victim):
        hits = 0
        for make in SCENARIOS[point]:
            scenario = make()
            if victim == "proxy":
                hits += self.proxy_dies(point, scenario)
            else:
                hits += self.other_dies(point, scenario, self.world.server["s1"] if victim == "server" else self.world.cache)
        self.assertGreater(hits, 0, f"{point} was never passed in its scenario")
        print(f"# {point}, {victim} killed: {hits} passages", flush=True)


def add_cases():
    for point, victim in chosen():
        def test(self, point=point, victim=victim):
            self.case(point, victim)
        test.__name__ = f"test_{points().index(point):02}_{point}_{victim}_killed"
        setattr(CrashPoints, test.__name__, test)


add_cases()
