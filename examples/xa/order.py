#!/usr/bin/python3
"""An order as one transaction: order on one server, stock and account on another, each with its mirror in Redis. It knows nothing of
two servers, XA or undo: it has one connection and says BEGIN and COMMIT. ../shop.py tells how it is called."""
import os
import sys

import pymysql

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
import shop  # noqa: E402


def place(db, user, sku, pieces, price):
    """All of it or nothing of it."""
    cost = pieces * price
    with db.cursor() as cursor:
        cursor.execute("BEGIN")
        try:
            cursor.execute("INSERT INTO orders.orders (user, sku, pieces) VALUES (%s, %s, %s)", (user, sku, pieces))
            cursor.execute("CALL cache.HINCRBY(%s, 'count', 1)", (f"orders:{user}",))
            cursor.execute("UPDATE stock.stock SET pieces = pieces - %s WHERE sku = %s", (pieces, sku))
            cursor.execute("CALL cache.HINCRBY(%s, 'pieces', %s)", (f"stock:{sku}", -pieces))
            cursor.execute("UPDATE account.account SET balance = balance - %s WHERE user = %s", (cost, user))
            cursor.execute("CALL cache.HINCRBY(%s, 'balance', %s)", (f"balance:{user}", -cost))
        except pymysql.err.MySQLError:
            cursor.execute("ROLLBACK")
            raise
        cursor.execute("COMMIT")


if __name__ == "__main__":
    sys.exit(shop.main(place))
