"""Who a client is and what follows from it: proofs by ed25519, certificates, addresses, schemas, balancers; TLS that changes."""
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess

import pymysql
import rawclient
import xatest

PASSWORDS = {"curve": "curve-secret", "both": "both-secret"}
# Users with the password of "both", and what else is said of each.
LIMITED = {"carded": ["require_cert = on"],
           "subject": ["cert_subject = /CN=xaproxy-client", "cert_issuer = /CN=xaproxy development CA"],
           "badissuer": ["cert_issuer = /CN=a CA that nobody trusts"],
           "passless": ["cert_identity = xaproxy-client"], "mailer": ["cert_identity = other@example.invalid"],
           "here": ["addresses = 192.0.2.0/24 127.0.0.0/8"], "elsewhere": ["addresses = 192.0.2.0/24 2001:db8::/32 unix"],
           "door": ["listeners = carded"], "fenced": ["schemas = orders account cache"], "cacheless": ["schemas = orders"],
           "few": ["max_connections = 2"]}
xatest.PASSWORDS.update(PASSWORDS, **{user: PASSWORDS["both"] for user in LIMITED})


class World(xatest.World):
    """Users of every kind; each has the same accounts on the servers, on the first server by ed25519 or, MySQL's, sha256_password."""

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        self.carded_port = xatest.servers.free_port()
        self.balanced_port = xatest.servers.free_port()

    def config_lines(self):
        yield from super().config_lines()
        yield from ("[listener balanced]", f"port = {self.balanced_port}", f"tls_cert = {self.certs}/server.crt",
                    f"tls_key = {self.certs}/server.key", "proxy_protocol_from = 127.0.0.2 127.0.0.3")
        yield from ("[listener carded]", f"port = {self.carded_port}", f"tls_cert = {self.certs}/server.crt",
                    f"tls_key = {self.certs}/server.key", f"tls_ca = {self.certs}/ca.crt")
        sha2, _ = xatest.verifiers(PASSWORDS["both"])
        yield from ("[user curve]", f"ed25519_verifier = {xatest.ed25519_verifier(PASSWORDS['curve'])}",
                    "[user both]", f"password_verifier = {sha2}", f"ed25519_verifier = {xatest.ed25519_verifier(PASSWORDS['both'])}")
        for user, lines in LIMITED.items():
            yield from (f"[user {user}]", f"password_verifier = {sha2}", *lines)
        yield from ("[user cardonly]", "cert_identity = client.invalid")
        for name in self.server:
            yield from (f"[account *@{name}]", f"user = everybody_{name}", "password = everybody-secret")

    def server_script(self, name):
        yield from super().server_script(name)
        account = f"'everybody_{name}'@'%'"
        if name == "s1" and self.family == "mariadb":
            yield "INSTALL SONAME 'auth_ed25519'"
            yield f"CREATE USER {account} IDENTIFIED VIA ed25519 USING PASSWORD('everybody-secret')"
        elif name == "s1":
            yield f"CREATE USER {account} IDENTIFIED WITH sha256_password BY 'everybody-secret'"
        else:
            yield f"CREATE USER {account} IDENTIFIED BY 'everybody-secret'"
        for schema in xatest.SCHEMAS[name]:
            yield f"GRANT ALL ON {schema}.* TO {account}"


class Identity(xatest.Case):
    world_class = World
    world_options = {"proxy_options": "failed_login_delay = 0"}

    def login_error(self, **more):
        with self.assertRaises(pymysql.err.MySQLError) as caught:
            self.connect(**more)
        return caught.exception.args

    def cli(self, user, password, *options):
        """MariaDB's own client, with its own plugins; its exit code, what it printed, its error text."""
        client = shutil.which("mariadb")
        self.assertTrue(client, "apt-get install mariadb-client")
        done = subprocess.run([client, "--no-defaults", "-h127.0.0.1", f"-P{self.world.proxy.port}", f"-u{user}",
                               f"--ssl-ca={self.world.certs}/ca.crt", "--ssl-verify-server-cert", "-N", "-B", *options,
                               "-e", "SELECT COUNT(*) FROM orders.orders"],
                              env={**os.environ, "MYSQL_PWD": password}, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.strip(), done.stderr


class Ed25519(Identity):
    def test_a_driver_is_switched_to_it(self):
        for user in PASSWORDS:
            self.assertEqual(self.rows(self.connect(user), "SELECT COUNT(*) FROM orders.orders"), ((0,),), user)

    def test_mariadbs_client(self):
        self.assertEqual(self.cli("curve", PASSWORDS["curve"])[:2], (0, "0"))
        self.assertEqual(self.cli("both", PASSWORDS["both"], "--default-auth=client_ed25519")[:2], (0, "0"))

    def test_wrong_passwords(self):
        for user in PASSWORDS:
            for password in ("not-it", "", "x" * 511):
                self.assertEqual(self.login_error(user=user, password=password)[0], 1045, (user, password))
        status, _, error = self.cli("both", "not-it", "--default-auth=client_ed25519")
        self.assertTrue(status and "1045" in error, error)

    def test_account_on_the_backend(self):
        # The server itself says by which plugin the proxy's account logs in there.
        self.assertEqual(self.rows(self.connect("curve"), "SELECT COUNT(*) FROM orders.orders"), ((0,),))
        plugin = self.world.direct("s1", "SELECT plugin FROM mysql.user WHERE user = 'everybody_s1'")
        self.assertEqual(plugin, (("ed25519" if xatest.FAMILY == "mariadb" else "sha256_password",),))
        seen = self.world.direct("s1", "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'everybody_s1'")
        self.assertGreater(seen[0][0], 0)

    def asked_for(self, user):
        """The plugin that a client which knows none of ours is asked for."""
        class Stranger(pymysql.connections.Connection):
            asked = None

            def _get_server_information(self):
                super()._get_server_information()
                self._auth_plugin_name = "sha256_password"

            def _process_auth(self, plugin_name, auth_packet):
                Stranger.asked = plugin_name.decode()
                return super()._process_auth(plugin_name, auth_packet)

        with self.assertRaises(pymysql.err.MySQLError):
            Stranger(host="127.0.0.1", port=self.world.proxy.port, user=user, password="not-it",
                     ssl={"ca": f"{self.world.certs}/ca.crt"})
        return Stranger.asked

    def test_unknown_users_are_asked_for_what_some_user_is_asked_for(self):
        both, asked = {"caching_sha2_password", "client_ed25519"}, {}
        while len(asked) < 10 or len(asked) < 1000 and set(asked.values()) != both:  # each process has a chance of its own
            name = f"nobody{len(asked)}"
            asked[name] = self.asked_for(name)
        self.assertEqual(set(asked.values()), both)
        for name in list(asked)[:10]:
            self.assertEqual(self.asked_for(name), asked[name], "another plugin the second time: no such user exists")
        self.assertEqual(self.asked_for("curve"), "client_ed25519")

    def test_unknown_user_is_told_the_same(self):
        unknown = next(f"nobody{i}" for i in range(1000) if self.asked_for(f"nobody{i}") == "client_ed25519")
        told = {user: self.login_error(user=user, password="not-it") for user in ("curve", unknown)}
        self.assertEqual(told["curve"][1].replace("curve", "?"), told[unknown][1].replace(unknown, "?"))


class Certificates(Identity):
    def with_card(self, user, card="client", **more):
        """Log-in at the listener that asks for certificates, with one of certs/ or with none."""
        context = ssl.create_default_context(cafile=f"{self.world.certs}/ca.crt")
        if card:
            context.load_cert_chain(f"{self.world.certs}/{card}.crt", f"{self.world.certs}/{card}.key")
        return self.connect(user, port=self.world.carded_port, ssl=context, **more)

    def refused_card(self, *args, **more):
        with self.assertRaises((pymysql.err.MySQLError, OSError)) as caught:
            self.with_card(*args, **more)
        return caught.exception.args[0]

    def works(self, db):
        self.assertEqual(self.rows(db, "SELECT COUNT(*) FROM orders.orders"), ((0,),))

    def test_it_is_asked_for_and_need_not_be_there(self):
        self.works(self.with_card("both", card=None))
        self.works(self.with_card("both"))

    def test_what_is_required_must_be_shown_besides_the_password(self):
        for user in ("carded", "subject"):
            self.works(self.with_card(user))
            self.assertEqual(self.refused_card(user, password="not-it"), 1045, user)
            self.assertEqual(self.refused_card(user, card=None), 1045, user)
            self.assertEqual(self.login_error(user=user)[0], 1045, "at a listener that asks nobody")
        self.works(self.with_card("carded", "client-other"))
        self.assertEqual(self.refused_card("subject", "client-other"), 1045)
        self.assertEqual(self.refused_card("badissuer"), 1045)

    def test_bad_certificates_end_the_handshake(self):
        for card in ("client-expired", "client-unknown-ca", "server"):
            self.assertNotEqual(self.refused_card("both", card), 1045, card)
            self.assertNotEqual(self.refused_card("passless", card), 1045, card)
        xatest.until(lambda: "refused: certificate has expired" in self.world.proxy.log_of_this_life(), 5, "no word in the log")

    def test_identity_needs_no_password(self):
        self.works(self.with_card("passless", password=""))
        self.works(self.with_card("passless", password="whatever"))
        self.works(self.with_card("cardonly", password=""))
        self.works(self.with_card("mailer", "client-other", password=""))

    def test_identity_of_somebody_else_needs_the_password(self):
        for card in (None, "client-other"):
            self.assertEqual(self.refused_card("passless", card, password=""), 1045)
            self.works(self.with_card("passless", card))
            for password in ("", "both-secret"):
                self.assertEqual(self.refused_card("cardonly", card, password=password), 1045)
        self.assertEqual(self.login_error(user="cardonly", password="")[0], 1045)

    def test_mariadbs_client_with_a_certificate_and_no_password(self):
        status, out, error = self.cli("cardonly", "", f"-P{self.world.carded_port}", f"--ssl-cert={self.world.certs}/client.crt",
                                      f"--ssl-key={self.world.certs}/client.key")
        self.assertEqual((status, out), (0, "0"), error)

    def test_a_resumed_session_is_who_it_was(self):
        # A ticket brings the certificate of the first handshake: required is required, identity is identity.
        context = ssl.create_default_context(cafile=f"{self.world.certs}/ca.crt")
        context.load_cert_chain(f"{self.world.certs}/client.crt", f"{self.world.certs}/client.key")
        first = self.connect("cardonly", password="", port=self.world.carded_port, ssl=context)
        self.works(first)
        session = first._sock.session

        class Resuming(ssl.SSLContext):
            def wrap_socket(self, *args, **more):
                return context.wrap_socket(*args, session=session, **more)

        again = self.connect("cardonly", password="", port=self.world.carded_port, ssl=Resuming(ssl.PROTOCOL_TLS_CLIENT))
        self.assertTrue(again._sock.session_reused)
        self.works(again)


class Limits(Identity):
    def test_addresses(self):
        self.assertEqual(self.rows(self.connect("here"), "SELECT 1"), ((1,),))
        refused, wrong = self.login_error(user="elsewhere"), self.login_error(user="both", password="not-it")
        self.assertEqual(refused[0], 1045)
        self.assertEqual(refused[1].replace("elsewhere", "?"), wrong[1].replace("both", "?"))

    def test_listeners(self):
        self.assertEqual(self.rows(self.connect("door", port=self.world.carded_port), "SELECT 1"), ((1,),))
        self.assertEqual(self.login_error(user="door")[0], 1045)

    def test_connections(self):
        held = [self.connect("few") for _ in range(2)]
        self.assertEqual(self.login_error(user="few")[0], 1226)
        held[0].close()
        xatest.until(lambda: self.gets_in("few"), 5, "the place is not given back")

    def gets_in(self, user):
        try:
            return self.rows(self.connect(user), "SELECT 1") == ((1,),)
        except pymysql.err.MySQLError as error:
            self.assertEqual(error.args[0], 1226)
            return False

    FORBIDDEN = ("SELECT COUNT(*) FROM stock.stock", "UPDATE stock.stock SET pieces = 0", "INSERT INTO t1.x VALUES (1)",
                 "SELECT 1 FROM orders.orders o WHERE EXISTS (SELECT 1 FROM t1.x)", "CREATE TABLE t1.y (a INT)", "USE stock",
                 "SET @x = (SELECT COUNT(*) FROM stock.stock)", "LOCK TABLES stock.stock READ", "CALL t1.p()",
                 "SELECT stock.f()", "CALL cache.SET('k', (SELECT COUNT(*) FROM stock.stock))",
                 "SELECT 1; SELECT COUNT(*) FROM stock.stock", "/* xaproxy:backend=s2 */ SELECT COUNT(*) FROM stock.stock",
                 "DESCRIBE stock.stock", "SHOW TABLES FROM stock", "SHOW CREATE TABLE stock.stock", "DROP DATABASE stock",
                 "SET autocommit = id FROM stock.stock", "SET autocommit = (id) FROM stock.stock WHERE (1)",
                 "PREPARE s FROM id FROM stock.stock", "PREPARE s FROM CONCAT(id) FROM stock.stock WHERE (1)",
                 # where the comment is none, the table of before is an alias
                 "SELECT COUNT(*) FROM /*!999999 orders.orders */ t1.x",
                 "SELECT 1 FROM orders.orders /*!999999 o WHERE 1 */, t1.x",
                 "SELECT COUNT(*) FROM /*!999999 orders.orders */ /*!40000 t1.x */",
                 "SELECT COUNT(*) FROM /*!999999 /* */ orders.orders */ t1.x",
                 f"SELECT COUNT(*) FROM /*{'!80000' if xatest.FAMILY == 'mariadb' else 'M!100000'} orders.orders */ t1.x")

    def test_schemas_of_others_are_closed(self):
        db = self.connect("fenced", client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS)
        for sql in self.FORBIDDEN:
            with self.subTest(sql=sql), self.assertRaises(pymysql.err.MySQLError) as caught:
                with db.cursor() as cursor:
                    cursor.execute(sql)
                    while cursor.nextset():
                        pass
            self.assertEqual(caught.exception.args[0], 1044, (sql, caught.exception.args))
        with self.assertRaises(pymysql.err.MySQLError) as caught:
            db.select_db("stock")
        self.assertEqual(caught.exception.args[0], 1044)
        self.assertEqual(self.login_error(user="fenced", database="stock")[0], 1044)

    def test_own_schemas_are_open(self):
        db = self.connect("fenced", database="account")
        self.assertEqual(self.rows(db, "SELECT COUNT(*) FROM account"), ((0,),))
        self.assertEqual(self.rows(db, "SELECT COUNT(*) FROM orders.orders"), ((0,),))
        self.assertGreater(self.rows(db, "SELECT COUNT(*) FROM information_schema.tables")[0][0], 0)
        self.assertEqual(self.rows(db, "SELECT /*!40001 SQL_NO_CACHE */ stock.id FROM /*!40000 orders.orders */ stock"), ())
        self.run_sql(db, "USE orders", "SET @x = (SELECT COUNT(*) FROM account.account)", "CALL cache.SET('fenced', 'v')")
        self.assertEqual(self.redis().get("fenced"), "v")

    def test_redis_resources_count_as_schemas(self):
        self.refused(1044, self.connect("cacheless"), "CALL cache.SET('fenced', 'v')")

    def test_prepared_statements_are_no_way_round(self):
        db = self.connect("fenced")
        for sql in ("SELECT COUNT(*) FROM stock.stock", "SET @x = (SELECT COUNT(*) FROM stock.stock)"):
            db._execute_command(pymysql.constants.COMMAND.COM_STMT_PREPARE, sql)
            with self.assertRaises(pymysql.err.MySQLError) as caught:
                db._read_packet()
            self.assertEqual(caught.exception.args[0], 1044, sql)


def v1(address, family="TCP4"):
    return f"PROXY {family} {address} {'::1' if ':' in address else '10.0.0.1'} 50000 3306\r\n".encode()


def v2(address=None, more=b""):
    family = socket.AF_INET6 if address and ":" in address else socket.AF_INET
    ends = b""
    if address:
        ends = b"".join(socket.inet_pton(family, one) for one in (address, address)) + struct.pack(">HH", 50000, 3306)
    return (b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x21 if address else 0x20, (0x21 if ":" in address else 0x11) if address else 0])
            + struct.pack(">H", len(ends + more)) + ends + more)


class Balanced(Identity):
    """A load balancer at 127.0.0.2 or .3 tells whom it speaks for; nobody else is believed."""

    def through(self, header, user="both", source="127.0.0.2", port=None, **more):
        """An ordinary driver's log-in; the header goes out first, the greeting is not waited for."""
        class Balancer(pymysql.connections.Connection):
            def _get_server_information(self):
                self._sock.sendall(header)
                super()._get_server_information()

        s = Balancer(host="127.0.0.1", port=port or self.world.balanced_port, user=user, bind_address=source,
                     password=xatest.PASSWORDS[user] if "password" not in more else more.pop("password"),
                     ssl={"ca": f"{self.world.certs}/ca.crt"}, connect_timeout=10, read_timeout=30, autocommit=True, **more)
        self.addCleanup(self.close, s)
        return s

    def peer_of(self, db):
        with self.world.admin() as dba:
            me = db.thread_id()
            return [row[2] for row in self.rows(dba, "SHOW SESSIONS") if int(row[0]) == me]

    def test_the_address_is_the_clients(self):
        for header, address in ((v1("192.0.2.33"), "192.0.2.33"), (v2("192.0.2.34"), "192.0.2.34"),
                                (v1("2001:db8::7", "TCP6"), "2001:db8::7"), (v2("2001:db8::8", more=b"\4\0\1A"), "2001:db8::8"),
                                (b"PROXY UNKNOWN\r\n", "127.0.0.2"), (v2(), "127.0.0.2"), (b"", "127.0.0.2")):
            db = self.through(header)
            self.assertEqual(self.rows(db, "SELECT 1"), ((1,),))
            self.assertEqual(self.peer_of(db), [address], header)

    def test_limits_are_the_clients(self):
        self.assertEqual(self.rows(self.through(v1("192.0.2.5"), "here"), "SELECT 1"), ((1,),))
        for header in (v1("198.51.100.5"), v2("2001:db9::1")):
            with self.assertRaises(pymysql.err.MySQLError) as caught:
                self.through(header, "here")
            self.assertEqual(caught.exception.args[0], 1045)
        self.assertEqual(self.rows(self.through(v2("2001:db8::1"), "elsewhere"), "SELECT 1"), ((1,),))
        with self.assertRaises(pymysql.err.MySQLError) as caught:
            self.through(v1("198.51.100.77"), password="not-it")
        self.assertIn("'both'@'198.51.100.77'", caught.exception.args[1])

    def test_nobody_else_is_believed(self):
        for source, port in (("127.0.0.4", None), ("127.0.0.2", self.world.proxy.port)):
            for header in (v1("192.0.2.33"), v2("192.0.2.33")):
                with self.assertRaises((pymysql.err.MySQLError, OSError)):
                    self.through(header, source=source, port=port)

    def test_a_damaged_header_ends_it(self):
        for header in (b"PROXY TCP4 1.1.1.1\r\n" + b"." * 100, v2("192.0.2.33")[:13] + b"\x55" + v2("192.0.2.33")[14:],
                       b"\r\n\r\n" + b"x" * 100):
            with self.assertRaises((pymysql.err.MySQLError, OSError)):
                self.through(header)
        self.assertEqual(self.rows(self.through(v1("192.0.2.33")), "SELECT 1"), ((1,),))

    def test_no_header_at_a_change_of_user(self):
        # Whoever has logged in could else give itself another address.
        with rawclient.Raw(self.world.proxy.port, self.world.certs) as raw:
            self.assertEqual(raw.login("both")[:1], b"\0")
            raw.command(b"\x11here\0\0\0" + struct.pack("<H", 45) + b"caching_sha2_password\0")
            self.assertEqual(raw.packet()[:1], b"\xfe")  # asked for the proof
            raw.send(v1("192.0.2.99"))
            with self.assertRaises(rawclient.Gone):
                while True:
                    self.assertEqual(raw.packet()[:1], b"\xff")
        self.assertNotIn("peer=192.0.2.99", self.world.proxy.log_of_this_life())

    def test_changes_of_user_take_no_place_for_ever(self):
        # 150 of one address may be logging in: more changes than that, and the next one still can.
        db = self.connect("both")
        for _ in range(160):
            db.ping(reconnect=False)
            with rawclient.Raw(self.world.proxy.port, self.world.certs) as raw:
                self.assertEqual(raw.login("both")[:1], b"\0")
                raw.command(b"\x11both\0\0\0" + struct.pack("<H", 45) + b"caching_sha2_password\0")
                self.assertEqual(raw.packet()[:1], b"\xfe")
        self.assertEqual(self.rows(self.connect("both"), "SELECT 1"), ((1,),))

    def test_byte_by_byte_and_all_at_once(self):
        # A slow balancer, and one whose client did not wait for the greeting: header, request for TLS and its first bytes
        # at once.
        for header in (v1("192.0.2.40"), v2("192.0.2.41", more=b"\4\0\1A")):
            s = socket.create_connection(("127.0.0.1", self.world.balanced_port), 10, source_address=("127.0.0.3", 0))
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for i in range(len(header)):
                s.sendall(header[i:i + 1])
            self.tls_login(s, b"")
            s = socket.create_connection(("127.0.0.1", self.world.balanced_port), 10, source_address=("127.0.0.3", 0))
            self.tls_login(s, header)

    def tls_login(self, s, first):
        """The request for TLS and the ClientHello leave in one piece behind `first`; the handshake completes."""
        context = ssl.create_default_context(cafile=f"{self.world.certs}/ca.crt")
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
        with self.assertRaises(ssl.SSLWantReadError):
            tls.do_handshake()
        request = rawclient.frame(1, rawclient.login_head(rawclient.USUAL | rawclient.SSL))
        s.sendall(first + request + outgoing.read())
        head = s.recv(4, socket.MSG_WAITALL)
        s.recv(head[0] | head[1] << 8, socket.MSG_WAITALL)  # the greeting
        while True:
            incoming.write(s.recv(4096))
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                pass
        self.assertEqual(tls.version(), "TLSv1.3")
        s.close()

    def test_callers_are_counted_by_their_own_address(self):
        # One address has 150 of the 200 places of those who have not logged in; the balancer's clients do not share one.
        held = []
        for i in range(180):
            s = socket.create_connection(("127.0.0.1", self.world.balanced_port), 10, source_address=("127.0.0.2", 0))
            s.sendall(v1(f"198.51.100.{i % 3}"))
            held.append(s)
        self.assertEqual(self.rows(self.through(v1("192.0.2.33")), "SELECT 1"), ((1,),))
        for s in held:
            s.close()


class Reload(Identity):
    """SIGHUP: new certificates for who comes, nobody is disconnected; bad ones change nothing, and people are told."""

    class World(World):
        def __init__(self, *args, **more):
            super().__init__(*args, **more)
            made = self.certs
            self.certs = os.path.join(self.directory, "changing")  # a copy of our own: it will be spoilt
            shutil.copytree(made, self.certs)

    world_class = World

    def put(self, name, at="server"):
        for kind in ("crt", "key"):
            shutil.copy(f"{self.world.certs}/{name}.{kind}", f"{self.world.certs}/.new")
            os.rename(f"{self.world.certs}/.new", f"{self.world.certs}/{at}.{kind}")

    def reload(self):
        before = self.world.proxy.log_of_this_life().count(" reloaded ")
        self.world.proxy.signal(signal.SIGHUP)
        xatest.until(lambda: self.world.proxy.log_of_this_life().count(" reloaded ") > before, 10, "not reloaded")

    def tls_of(self, where, column):
        with self.world.admin(ssl=self.any_name()) as dba, dba.cursor(pymysql.cursors.DictCursor) as cursor:
            cursor.execute("SHOW TLS")
            value = next(row[column] for row in cursor.fetchall() if row["where"] == where)
        return int(value) if value.isdigit() else value

    def any_name(self):
        context = ssl.create_default_context(cafile=f"{self.world.certs}/ca.crt")
        context.check_hostname = False
        return context

    def subject_shown(self):
        db = self.connect("both", ssl=self.any_name())
        return dict(pair[0] for pair in db._sock.getpeercert()["subject"])["commonName"]

    def test_good_and_bad_ones(self):
        held = self.connect("both")
        self.run_sql(held, "BEGIN", "UPDATE orders.orders SET pieces = 1 WHERE id = -1")
        self.put("server", at="kept-server")
        self.assertEqual(self.subject_shown(), "localhost")
        self.put("wrong-host")
        self.reload()
        self.assertEqual(self.tls_of("listener main", "subject"), "/CN=elsewhere.invalid")
        with open(f"{self.world.certs}/server.key", "w", encoding="ascii") as f:
            f.write("no key")
        self.reload()
        self.assertIn("server.key", self.tls_of("listener main", "error"))
        self.assertEqual(self.tls_of("listener main", "subject"), "/CN=elsewhere.invalid")
        self.assertIn("tls_reload_failed listener=main why=", self.world.proxy.log_of_this_life())
        self.put("kept-server")
        self.reload()
        self.assertEqual((self.subject_shown(), self.tls_of("listener main", "error")), ("localhost", ""))
        self.run_sql(held, "COMMIT")
        self.assertEqual(self.rows(held, "SELECT 1"), ((1,),))

    def test_authorities_of_backends(self):
        # An authority that the servers' certificates are not of: new connections are refused, those that are open live on.
        held = self.connect("both")
        self.assertEqual(self.rows(held, "SELECT COUNT(*) FROM orders.orders"), ((0,),))
        shutil.copy(f"{self.world.certs}/ca.crt", f"{self.world.certs}/kept")
        try:
            shutil.copy(f"{self.world.certs}/other-ca.crt", f"{self.world.certs}/ca.crt")
            self.reload()
            self.assertEqual(self.rows(held, "SELECT COUNT(*) FROM orders.orders"), ((0,),))
        finally:
            shutil.copy(f"{self.world.certs}/kept", f"{self.world.certs}/ca.crt")
            self.reload()
        self.assertEqual(self.rows(self.connect("both"), "SELECT COUNT(*) FROM stock.stock"), ((0,),))

    def resumed_in_turn(self, version):
        """Ten connections, each with the ticket of the one before it; the workers take turns."""
        context = ssl.create_default_context(cafile=f"{self.world.certs}/ca.crt")
        context.minimum_version = context.maximum_version = version

        class Resuming(ssl.SSLContext):
            session = None

            def wrap_socket(self, *args, **more):
                return context.wrap_socket(*args, session=Resuming.session, **more)

        reused = 0
        for _ in range(10):
            db = self.connect("both", ssl=Resuming(ssl.PROTOCOL_TLS_CLIENT))
            self.assertEqual(self.rows(db, "SELECT 1"), ((1,),))
            reused += db._sock.session_reused
            Resuming.session = db._sock.session
            if reused == 5:
                self.reload()
        return reused

    def test_sessions_resume_on_every_worker_and_after_a_reload(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            before = self.tls_of("listener main", "resumed")
            self.assertEqual(self.resumed_in_turn(version), 9, version)
            self.assertEqual(self.tls_of("listener main", "resumed") - before, 9)

    def test_connections_to_servers_resume(self):
        dbs = [self.connect("both") for _ in range(8)]
        for db in dbs:
            self.run_sql(db, "BEGIN", "UPDATE stock.stock SET pieces = 1 WHERE sku = 'none'")
        self.assertGreater(self.tls_of("backend s2", "handshakes"), 4)
        self.assertGreater(self.tls_of("backend s2", "resumed"), 0)
