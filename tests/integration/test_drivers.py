"""The order story with the drivers that applications use, each with its own TLS and its own ways to prepare: one program a
driver in drivers/, told which orders to commit and which to roll back. Judged by the servers and Redis themselves. Each knows the
proxy by its certificate, and has nothing to do with one that another CA vouches for."""
import glob
import os
import shutil
import subprocess

import node
import xatest
from xatest import servers

DRIVERS = os.path.join(xatest.HERE, "drivers")
JDBC = "/usr/share/java/mariadb-java-client.jar"
GOPATH = "/usr/share/gocode"


def program(name):
    return os.path.join(DRIVERS, name)


class Drivers(xatest.Case):
    number = 0

    def tell(self, *argv, **environment):
        """Three orders: committed, rolled back, committed."""
        numbers = range(Drivers.number, Drivers.number + 3)
        Drivers.number += 3
        ends = dict(zip(numbers, ("commit", "rollback", "commit")))
        xatest.Order.stock_up(self.world, numbers)
        orders = [f"{number}:{end}" for number, end in ends.items()]
        self.assertNotEqual(self.run_driver(*argv, *orders, **environment, DB_CA=f"{self.world.certs}/other-ca.crt").returncode, 0,
                            "it takes any certificate")
        done = self.run_driver(*argv, *orders, **environment)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(done.stdout.split(), [str(word) for number in numbers for word in (number, 99, 99)], done.stderr)
        for number, end in ends.items():
            xatest.Order(self.world, number).judge(expect=end == "commit")

    def run_driver(self, *argv, **environment):
        return subprocess.run(argv, env={**os.environ, **self.address(), **environment}, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=300, check=False)

    def address(self):
        return {"DB_HOST": "127.0.0.1", "DB_PORT": str(self.world.proxy.port), "DB_USER": "native",
                "DB_PASSWORD": xatest.PASSWORDS["native"],
                "DB_CA": f"{self.world.certs}/ca.crt"}

    def needs(self, path, package):
        if not (os.path.exists(path) or shutil.which(path)):
            self.skipTest(f"not installed: {package}")

    def made(self, name, argv, *sources):
        """A program that is compiled first; its path."""
        path = os.path.join(self.world.directory, name)
        if not os.path.exists(path):
            subprocess.run([*argv, "-o", path, *sources], check=True, env={**os.environ, "GOPATH": GOPATH, "GO111MODULE": "off",
                                                                           "GOFLAGS": "",
                                                                 "GOCACHE": os.path.join(self.world.directory, "go")})
        return path

    # --- C ---

    def test_mariadb_connector_c(self):
        flags = subprocess.run(["mariadb_config", "--cflags", "--libs"], capture_output=True, text=True,
                               check=True).stdout.split()
        path = self.made("order-mariadb", ["gcc", program("order.c"), *flags])
        for way in ("text", "prepared"):
            self.tell(path, way)

    def test_libmysqlclient(self):
        if not os.path.exists(servers.ROOTFS + "/usr/include/mysql/mysql.h"):
            servers.install_mysql()
        library = f"{servers.ROOTFS}/usr/lib/x86_64-linux-gnu"
        path = self.made("order-mysql", ["gcc", program("order.c"), f"-I{servers.ROOTFS}/usr/include/mysql", "-idirafter",
                                         f"{servers.ROOTFS}/usr/include",
                                         *glob.glob(f"{library}/libmysqlclient.so*")[:1],
                                         "-Wl,--unresolved-symbols=ignore-in-shared-libs"])
        for way in ("text", "prepared"):
            self.tell(f"{servers.ROOTFS}/lib64/ld-linux-x86-64.so.2", "--library-path", library, path, way)

    # --- scripts ---

    def test_pymysql(self):
        self.tell("/usr/bin/python3", program("order_python.py"), "pymysql")

    def test_mysqlclient_for_python(self):
        self.tell("/usr/bin/python3", program("order_python.py"), "MySQLdb")

    def test_php_mysqli(self):
        self.needs("php", "php-cli php-mysql")
        self.tell("php", program("order.php"), "mysqli")

    def test_php_pdo(self):
        self.needs("php", "php-cli php-mysql")
        for way in ("pdo", "pdo-native"):
            self.tell("php", program("order.php"), way)

    def test_dbd_mariadb(self):
        for way in ("text", "server"):
            self.tell("perl", program("order.pl"), "MariaDB", way)

    def test_dbd_mysql(self):
        for way in ("text", "server"):
            self.tell("perl", program("order.pl"), "mysql", way)

    # --- Java, Go ---

    def test_mariadb_jdbc(self):
        self.needs(JDBC, "libmariadb-java")
        self.needs("javac", "default-jdk-headless")
        for way in ("false", "true"):
            self.tell("java", "-XX:TieredStopAtLevel=1", "-cp", JDBC, program("Order.java"), way)

    def test_go_sql_driver(self):
        self.needs("go", "golang-go")
        path = self.made("order-go", ["go", "build"], program("order.go"))
        for way in ("false", "true"):
            self.tell(path, way)

    # --- Node ---

    def node(self, driver):
        self.needs("npm", "npm")
        self.tell("node", node.program("order.mjs"), driver)

    def test_node_mysql2(self):
        self.node("mysql2")
        self.node("mysql2-text")

    def test_node_mariadb(self):
        self.node("mariadb")
        self.node("mariadb-text")

    def test_sequelize(self):
        self.node("sequelize")

    def test_typeorm(self):
        self.node("typeorm")
