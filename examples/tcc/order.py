#!/usr/bin/python3
"""The order by try, confirm, cancel. Try reserves: money and pieces leave the tables, so that nobody else counts on them, and are held as
`reserved` in Redis. Confirm (COMMIT) turns what is reserved into an order, cancel (ROLLBACK) gives it back. ../shop.py tells how it is
called."""
import os
import sys

import pymysql

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
import shop  # noqa: E402


def reserve(table, column, key, mirror, what, amount):
    """Try, confirm and cancel of one account: its row, and its mirror with a field for what is reserved."""
    schema, name = table.split(".")
    yield f"UPDATE {table} SET {column} = {column} - %s WHERE {key} = %s", amount, what
    yield "CALL cache.HINCRBY(%s, 'reserved', %s)", mirror, amount
    yield "CALL xa.on_commit('cache', 'HINCRBY', %s, 'reserved', %s)", mirror, -amount
    yield "CALL xa.on_commit('cache', 'HINCRBY', %s, %s, %s)", mirror, column, -amount
    yield (f"CALL xa.on_rollback('{schema}', 'UPDATE {name} SET {column} = {column} + ? WHERE {key} = ?', %s, %s)", amount, what)
    yield "CALL xa.on_rollback('cache', 'HINCRBY', %s, 'reserved', %s)", mirror, -amount


def statements(user, sku, pieces, price):
    yield "CALL xa.step('try stock')",
    yield from reserve("stock.stock", "pieces", "sku", f"stock:{sku}", sku, pieces)
    yield "CALL xa.step('try account')",
    yield from reserve("account.account", "balance", "user", f"balance:{user}", user, pieces * price)
    yield "CALL xa.step('order')",  # with the confirmation, or not at all
    yield "INSERT INTO orders.orders (user, sku, pieces) VALUES (%s, %s, %s)", user, sku, pieces
    yield "CALL cache.HINCRBY(%s, 'count', 1)", f"orders:{user}"


def place(db, user, sku, pieces, price):
    with db.cursor() as cursor:
        cursor.execute("SET xa_mode = 'saga', xa_timeout = 60")
        cursor.execute("BEGIN")
        try:
            for statement, *args in statements(user, sku, pieces, price):
                cursor.execute(statement, args)
        except pymysql.err.MySQLError:
            cursor.execute("ROLLBACK")
            raise
        cursor.execute("COMMIT")
    shop.settle(db)  # only to show the mirrors after it: nobody has to wait for the confirmation


def reserved(db, user, sku):
    for mirror in (f"stock:{sku}", f"balance:{user}"):
        yield f"{mirror}, reserved, Redis", shop.value(db, "CALL cache.HGET(%s, 'reserved')", mirror) or 0


if __name__ == "__main__":
    sys.exit(shop.main(place, reserved))
