// The order story with MariaDB's JDBC driver: Order.java true|false (useServerPrepStmts) NUMBER:END...
import java.sql.*;

public class Order {
    static Connection db;

    static String run(String sql, Object... values) throws SQLException {
        try (PreparedStatement statement = db.prepareStatement(sql)) {
            for (int i = 0; i < values.length; i++)
                statement.setObject(i + 1, values[i]);
            if (!statement.execute())
                return null;
            try (ResultSet rows = statement.getResultSet()) {
                return rows.next() ? rows.getString(1) : null;
            }
        }
    }

    // As stored procedures are called, which makes some drivers ask the server for its parameters.
    static void procedure(String key) throws SQLException {
        try (CallableStatement call = db.prepareCall("{CALL cache.HINCRBY(?, ?, ?)}")) {
            call.setString(1, key);
            call.setString(2, "count");
            call.setInt(3, 1);
            call.execute();
        }
    }

    static void order(String n) throws SQLException {
        run("INSERT INTO orders.orders (id, user, sku, pieces) VALUES (?, ?, ?, 1)", Long.valueOf(n), "user" + n, "sku" + n);
        run("UPDATE stock.stock SET pieces = pieces - 1 WHERE sku = ?", "sku" + n);
        String mirrored = run("CALL cache.HINCRBY(?, ?, ?)", "stock:sku" + n, "pieces", -1);
        run("UPDATE account.account SET balance = balance - 10 WHERE user = ?", "user" + n);
        run("CALL cache.HINCRBY('balance:user" + n + "', 'balance', -10)");
        procedure("orders:user" + n);
        System.out.println(n + " " + run("SELECT pieces FROM stock.stock WHERE sku = ?", "sku" + n) + " " + mirrored);
    }

    public static void main(String[] args) throws SQLException {
        db = DriverManager.getConnection("jdbc:mariadb://" + System.getenv("DB_HOST") + ":" + System.getenv("DB_PORT") + "/?useSsl=true&sslMode=verify-full&serverSslCert="
            + System.getenv("DB_CA") + "&useServerPrepStmts=" + args[0], System.getenv("DB_USER"), System.getenv("DB_PASSWORD"));
        db.setAutoCommit(false);
        for (int i = 1; i < args.length; i++) {
            String[] part = args[i].split(":");
            order(part[0]);
            if (part[1].equals("commit"))
                db.commit();
            else
                db.rollback();
        }
        db.close();
    }
}
