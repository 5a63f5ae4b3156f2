#!/usr/bin/python3
"""The order as one transaction with a message: what others are told goes into the stream `orders` after the commit, certainly and once,
and never of an order that did not come about. There is no outbox table. ../shop.py tells how it is called; consumer.py reads."""
import os
import sys

import pymysql

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
import shop  # noqa: E402


def statements(user, sku, pieces, price):
    cost = pieces * price
    yield "INSERT INTO orders.orders (user, sku, pieces) VALUES (%s, %s, %s)", user, sku, pieces
    yield "SET @order = LAST_INSERT_ID()",
    yield "CALL xa.on_commit('cache', 'XADD', 'orders', '*', 'order', @order, 'user', %s, 'pieces', %s)", user, pieces
    yield "CALL xa.on_commit('cache', 'HINCRBY', %s, 'count', 1)", f"orders:{user}"
    yield "UPDATE stock.stock SET pieces = pieces - %s WHERE sku = %s", pieces, sku
    yield "CALL xa.on_commit('cache', 'HINCRBY', %s, 'pieces', %s)", f"stock:{sku}", -pieces
    yield "UPDATE account.account SET balance = balance - %s WHERE user = %s", cost, user
    yield "CALL xa.on_commit('cache', 'HINCRBY', %s, 'balance', %s)", f"balance:{user}", -cost


def place(db, user, sku, pieces, price):
    with db.cursor() as cursor:
        cursor.execute("BEGIN")
        try:
            for statement, *args in statements(user, sku, pieces, price):
                cursor.execute(statement, args)
        except pymysql.err.MySQLError:
            cursor.execute("ROLLBACK")
            raise
        cursor.execute("COMMIT")
    shop.settle(db)  # only to show the mirrors after it: nobody has to wait for the messages


def messages(db, user, sku):
    yield "messages in stream orders", shop.value(db, "CALL cache.XLEN('orders')") or 0


if __name__ == "__main__":
    sys.exit(shop.main(place, messages))
