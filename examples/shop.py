"""What the order stories share: the connection, what tables and mirrors hold, the command line. Each story says itself how an order is placed.

    order.py place USER SKU PIECES PRICE     places it; says what became of it
    order.py show USER SKU                   what tables and mirrors hold, one value a line
    order.py settle                          waits until nothing is left to be done after it

Where the connection goes: XAPROXY_HOST, XAPROXY_PORT, XAPROXY_USER, XAPROXY_PASSWORD, XAPROXY_CA (the authority that signed the
proxy's certificate).
"""
import os
import sys
import time

import pymysql


def connect():
    env = os.environ.get
    return pymysql.connect(host=env("XAPROXY_HOST", "127.0.0.1"), port=int(env("XAPROXY_PORT", "6033")),
                           user=env("XAPROXY_USER", "app"), password=env("XAPROXY_PASSWORD", ""),
                           ssl={"ca": env("XAPROXY_CA")}, autocommit=True)


def value(db, sql, *args):
    with db.cursor() as cursor:
        cursor.execute(sql, args)
        row = cursor.fetchone()
    return row[0].decode() if row and isinstance(row[0], bytes) else row[0] if row else None


def show(db, user, sku):
    yield f"orders of {user}, table on server 1", value(db, "SELECT COUNT(*) FROM orders.orders WHERE user = %s", user)
    yield f"orders:{user}, Redis", value(db, "CALL cache.HGET(%s, 'count')", f"orders:{user}")
    yield f"pieces of {sku}, table on server 2", value(db, "SELECT pieces FROM stock.stock WHERE sku = %s", sku)
    yield f"stock:{sku}, Redis", value(db, "CALL cache.HGET(%s, 'pieces')", f"stock:{sku}")
    yield f"balance of {user}, table on server 2", value(db, "SELECT balance FROM account.account WHERE user = %s", user)
    yield f"balance:{user}, Redis", value(db, "CALL cache.HGET(%s, 'balance')", f"balance:{user}")


def settle(db, seconds=20):
    deadline = time.monotonic() + seconds
    while value(db, "SELECT COUNT(*) FROM xa.actions"):
        if time.monotonic() > deadline:
            sys.exit("something is still to be done: SELECT * FROM xa.actions")
        time.sleep(0.02)


def main(place, more=lambda db, user, sku: ()):
    """place(db, user, sku, pieces, price) raises where the order is not taken; more: further lines for show."""
    verb, args = sys.argv[1] if len(sys.argv) > 1 else "", sys.argv[2:]
    if (verb, len(args)) not in (("place", 4), ("show", 2), ("settle", 0)):
        sys.exit(__doc__)
    db = connect()
    if verb == "settle":
        return settle(db)
    if verb == "show":
        for what, held in (*show(db, *args), *more(db, *args)):
            print(f"{what}\t{held}")
        return 0
    try:
        place(db, args[0], args[1], int(args[2]), int(args[3]))
    except (pymysql.err.MySQLError, OSError) as error:
        print(f"not confirmed: {error.__context__ or error}")  # a ROLLBACK on a lost connection hides what was first
        return 1
    print("confirmed")
    return 0
