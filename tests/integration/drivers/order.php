<?php
// The order story with PHP: order.php mysqli|pdo|pdo-native NUMBER:END...
function with_mysqli(): array
{
    mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
    $db = mysqli_init();
    $db->ssl_set(null, null, getenv('DB_CA'), null, null);
    $db->real_connect(getenv('DB_HOST'), getenv('DB_USER'), getenv('DB_PASSWORD'), null, (int)getenv('DB_PORT'), null,
        MYSQLI_CLIENT_SSL | MYSQLI_CLIENT_SSL_VERIFY_SERVER_CERT);
    $run = function (string $sql, array $values = []) use ($db) {
        $statement = $db->prepare($sql);
        $statement->execute($values);
        $result = $statement->get_result();
        $first = $result ? $result->fetch_row()[0] : null;
        $statement->close();
        return $first;
    };
    return [$run, fn() => $db->begin_transaction(), fn() => $db->commit(), fn() => $db->rollback()];
}

function with_pdo(bool $emulate): array
{
    $db = new PDO('mysql:charset=utf8mb4;host=' . getenv('DB_HOST') . ';port=' . getenv('DB_PORT'), getenv('DB_USER'), getenv('DB_PASSWORD'),
        [PDO::MYSQL_ATTR_SSL_CA => getenv('DB_CA'), PDO::MYSQL_ATTR_SSL_VERIFY_SERVER_CERT => true,
         PDO::ATTR_EMULATE_PREPARES => $emulate, PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
    $run = function (string $sql, array $values = []) use ($db) {
        $statement = $db->prepare($sql);
        $statement->execute($values);
        $first = $statement->columnCount() ? $statement->fetchColumn() : null;
        $statement->closeCursor();
        return $first;
    };
    return [$run, fn() => $db->beginTransaction(), fn() => $db->commit(), fn() => $db->rollBack()];
}

[$run, $begin, $commit, $rollback] = $argv[1] == 'mysqli' ? with_mysqli() : with_pdo($argv[1] == 'pdo');
foreach (array_slice($argv, 2) as $argument) {
    [$number, $end] = explode(':', $argument);
    $begin();
    $run('INSERT INTO orders.orders (id, user, sku, pieces) VALUES (?, ?, ?, 1)', [$number, "user$number", "sku$number"]);
    $run('UPDATE stock.stock SET pieces = pieces - 1 WHERE sku = ?', ["sku$number"]);
    $mirrored = $run('CALL cache.HINCRBY(?, ?, ?)', ["stock:sku$number", 'pieces', -1]);
    $run('UPDATE account.account SET balance = balance - 10 WHERE user = ?', ["user$number"]);
    $run("CALL cache.HINCRBY('balance:user$number', 'balance', -10)");
    $run("CALL cache.HINCRBY('orders:user$number', 'count', 1)");
    $pieces = $run('SELECT pieces FROM stock.stock WHERE sku = ?', ["sku$number"]);
    echo "$number $pieces $mirrored\n";
    $end == 'commit' ? $commit() : $rollback();
}
