#!/usr/bin/python3
"""An order as one transaction: order on one server, stock and account on another, each with its mirror in Redis.

    order.py place USER SKU PIECES PRICE     places it; says what became of it
    order.py show USER SKU                   what tables and mirrors hold, one value a line

It knows nothing of two servers, XA or undo: it has one connection and says BEGIN and COMMIT. Where the connection goes:
XAPROXY_HOST, XAPROXY_PORT, XAPROXY_USER, XAPROXY_PASSWORD, XAPROXY_CA (the authority that signed the proxy's certificate).
"""
import os
import sys

import pymysql


def connect():
    env = os.environ.get
    return pymysql.connect(host=env("XAPROXY_HOST", "127.0.0.1"), port=int(env("XAPROXY_PORT", "6033")),
                           user=env("XAPROXY_USER", "app"), password=env("XAPROXY_PASSWORD", ""),
                           ssl={"ca": env("XAPROXY_CA")}, autocommit=True)


def place(db, user, sku, pieces, price):
    """All of it or nothing of it."""
    cost = int(pieces) * int(price)
    with db.cursor() as cursor:
        cursor.execute("BEGIN")
        try:
            cursor.execute("INSERT INTO orders.orders (user, sku, pieces) VALUES (%s, %s, %s)", (user, sku, pieces))
            cursor.execute("CALL cache.HINCRBY(%s, 'count', 1)", (f"orders:{user}",))
            cursor.execute("UPDATE stock.stock SET pieces = pieces - %s WHERE sku = %s", (pieces, sku))
            cursor.execute("CALL cache.HINCRBY(%s, 'pieces', %s)", (f"stock:{sku}", -int(pieces)))
            cursor.execute("UPDATE account.account SET balance = balance - %s WHERE user = %s", (cost, user))
            cursor.execute("CALL cache.HINCRBY(%s, 'balance', %s)", (f"balance:{user}", -cost))
        except pymysql.err.MySQLError:
            cursor.execute("ROLLBACK")
            raise
        cursor.execute("COMMIT")


def show(db, user, sku):
    def value(sql, *args):
        with db.cursor() as cursor:
            cursor.execute(sql, args)
            row = cursor.fetchone()
        return row[0].decode() if row and isinstance(row[0], bytes) else row[0] if row else None

    yield f"orders of {user}, table on server 1", value("SELECT COUNT(*) FROM orders.orders WHERE user = %s", user)
    yield f"orders:{user}, Redis", value("CALL cache.HGET(%s, 'count')", f"orders:{user}")
    yield f"pieces of {sku}, table on server 2", value("SELECT pieces FROM stock.stock WHERE sku = %s", sku)
    yield f"stock:{sku}, Redis", value("CALL cache.HGET(%s, 'pieces')", f"stock:{sku}")
    yield f"balance of {user}, table on server 2", value("SELECT balance FROM account.account WHERE user = %s", user)
    yield f"balance:{user}, Redis", value("CALL cache.HGET(%s, 'balance')", f"balance:{user}")


def main(verb, *args):
    db = connect()
    if verb == "show":
        for what, value in show(db, *args):
            print(f"{what}\t{value}")
        return 0
    try:
        place(db, *args)
    except (pymysql.err.MySQLError, OSError) as error:
        print(f"not confirmed: {error}")
        return 1
    print("confirmed")
    return 0


if __name__ == "__main__":
    if (sys.argv[1:2], len(sys.argv)) not in ((["place"], 6), (["show"], 4)):
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
