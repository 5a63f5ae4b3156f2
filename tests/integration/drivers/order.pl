#!/usr/bin/perl
# The order story with Perl's DBI: order.pl MariaDB|mysql text|server NUMBER:END...
use strict;
use warnings;
use DBI;

my ($driver, $prepare, @orders) = @ARGV;
my $p = lc $driver;
# Built with MariaDB's library DBD::mysql cannot insist on TLS, though it uses it.
my $verify = $driver eq 'MariaDB' ? "mariadb_ssl_verify_server_cert=1" : "mysql_ssl_verify_server_cert=1;mysql_ssl_optional=1";
my $db = DBI->connect("DBI:$driver:host=$ENV{DB_HOST};port=$ENV{DB_PORT};${p}_ssl=1;${p}_ssl_ca_file=$ENV{DB_CA};$verify", $ENV{DB_USER},
    $ENV{DB_PASSWORD}, {RaiseError => 1, PrintError => 0, AutoCommit => 1, "${p}_server_prepare" => $prepare eq 'server' ? 1 : 0});

sub run {
    my ($sql, @values) = @_;
    my $statement = $db->prepare($sql);
    $statement->execute(@values);
    my @row = $statement->{NUM_OF_FIELDS} ? $statement->fetchrow_array : ();
    $statement->finish;
    return $row[0];
}

for (@orders) {
    my ($n, $end) = split /:/;
    $db->begin_work;
    run('INSERT INTO orders.orders (id, user, sku, pieces) VALUES (?, ?, ?, 1)', $n, "user$n", "sku$n");
    run('UPDATE stock.stock SET pieces = pieces - 1 WHERE sku = ?', "sku$n");
    my $mirrored = run('CALL cache.HINCRBY(?, ?, ?)', "stock:sku$n", 'pieces', -1);
    run('UPDATE account.account SET balance = balance - 10 WHERE user = ?', "user$n");
    run("CALL cache.HINCRBY('balance:user$n', 'balance', -10)");
    run("CALL cache.HINCRBY('orders:user$n', 'count', 1)");
    my $pieces = run('SELECT pieces FROM stock.stock WHERE sku = ?', "sku$n");
    print "$n $pieces $mirrored\n";
    $end eq 'commit' ? $db->commit : $db->rollback;
}
$db->disconnect;
