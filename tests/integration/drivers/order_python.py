#!/usr/bin/python3
"""The order story with a Python driver: order_python.py pymysql|MySQLdb NUMBER:END..."""
import importlib
import os
import sys
import tempfile


def connect(driver):
    options = {"host": os.environ["DB_HOST"], "port": int(os.environ["DB_PORT"]), "user": os.environ["DB_USER"],
               "password": os.environ["DB_PASSWORD"], "charset": "utf8mb4"}
    if driver.__name__ == "pymysql":
        return driver.connect(ssl_ca=os.environ["DB_CA"], ssl_verify_cert=True, ssl_verify_identity=True, **options)
    with tempfile.NamedTemporaryFile("w", suffix=".cnf") as file:  # it has no other way to say so to MariaDB's library
        file.write("[client]\nssl-verify-server-cert\n")
        file.flush()
        return driver.connect(ssl={"ca": os.environ["DB_CA"]}, read_default_file=file.name, **options)


def order(db, number):
    with db.cursor() as cursor:
        cursor.execute("INSERT INTO orders.orders (id, user, sku, pieces) VALUES (%s, %s, %s, 1)",
                       (number, f"user{number}", f"sku{number}"))
        cursor.execute("UPDATE stock.stock SET pieces = pieces - 1 WHERE sku = %s", (f"sku{number}",))
        cursor.execute("CALL cache.HINCRBY(%s, %s, %s)", (f"stock:sku{number}", "pieces", -1))
        mirrored = cursor.fetchone()[0]
        cursor.execute("UPDATE account.account SET balance = balance - 10 WHERE user = %s", (f"user{number}",))
        cursor.execute(f"CALL cache.HINCRBY('balance:user{number}', 'balance', -10)")
        cursor.callproc("cache.HINCRBY", (f"orders:user{number}", "count", 1))
        cursor.execute("SELECT pieces FROM stock.stock WHERE sku = %s", (f"sku{number}",))
        return cursor.fetchone()[0], mirrored


def main():
    driver = importlib.import_module(sys.argv[1])
    db = connect(driver)
    for argument in sys.argv[2:]:
        number, _, end = argument.partition(":")
        print(number, *order(db, number))
        if end == "commit":
            db.commit()
        else:
            db.rollback()
    db.close()


main()
