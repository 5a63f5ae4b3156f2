#!/usr/bin/python3
"""The order as a saga: three steps that commit one after another, each with what takes it back. Between them others see what has been
done so far, and no lock is held. ../shop.py tells how it is called."""
import os
import sys

import pymysql

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
import shop  # noqa: E402


def steps(user, sku, pieces, price):
    """Statement and arguments. Compensations add and subtract: others may have been there meanwhile."""
    cost = pieces * price
    yield "CALL xa.step('order')",
    yield "INSERT INTO orders.orders (user, sku, pieces) VALUES (%s, %s, %s)", user, sku, pieces
    yield "SET @order = LAST_INSERT_ID()",
    yield "CALL xa.on_rollback('orders', 'DELETE FROM orders WHERE id = ?', @order)",
    yield "CALL cache.HINCRBY(%s, 'count', 1)", f"orders:{user}"
    yield "CALL xa.on_rollback('cache', 'HINCRBY', %s, 'count', -1)", f"orders:{user}"

    yield "CALL xa.step('stock')",
    yield "UPDATE stock.stock SET pieces = pieces - %s WHERE sku = %s", pieces, sku
    yield "CALL xa.on_rollback('stock', 'UPDATE stock SET pieces = pieces + ? WHERE sku = ?', %s, %s)", pieces, sku
    yield "CALL cache.HINCRBY(%s, 'pieces', %s)", f"stock:{sku}", -pieces
    yield "CALL xa.on_rollback('cache', 'HINCRBY', %s, 'pieces', %s)", f"stock:{sku}", pieces

    yield "CALL xa.step('account')",  # the last: nothing behind it can fail, so nothing takes it back
    yield "UPDATE account.account SET balance = balance - %s WHERE user = %s", cost, user
    yield "CALL cache.HINCRBY(%s, 'balance', %s)", f"balance:{user}", -cost


def place(db, user, sku, pieces, price):
    """COMMIT makes it final; ROLLBACK is answered when every step has been taken back."""
    with db.cursor() as cursor:
        cursor.execute("SET xa_mode = 'saga', xa_timeout = 60")
        cursor.execute("BEGIN")
        try:
            for statement, *args in steps(user, sku, pieces, price):
                cursor.execute(statement, args)
        except pymysql.err.MySQLError:
            cursor.execute("ROLLBACK")
            raise
        cursor.execute("COMMIT")


if __name__ == "__main__":
    sys.exit(shop.main(place))
