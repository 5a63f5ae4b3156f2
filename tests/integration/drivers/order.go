// The order story with Go's driver: order true|false (interpolateParams) NUMBER:END...
package main

import (
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/go-sql-driver/mysql"
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func order(tx *sql.Tx, n string) {
	run := func(query string, args ...interface{}) {
		_, err := tx.Exec(query, args...)
		must(err)
	}
	var pieces, mirrored int
	run("INSERT INTO orders.orders (id, user, sku, pieces) VALUES (?, ?, ?, 1)", n, "user"+n, "sku"+n)
	run("UPDATE stock.stock SET pieces = pieces - 1 WHERE sku = ?", "sku"+n)
	must(tx.QueryRow("CALL cache.HINCRBY(?, ?, ?)", "stock:sku"+n, "pieces", -1).Scan(&mirrored))
	run("UPDATE account.account SET balance = balance - 10 WHERE user = ?", "user"+n)
	run("CALL cache.HINCRBY('balance:user" + n + "', 'balance', -10)")
	run("CALL cache.HINCRBY('orders:user" + n + "', 'count', 1)")
	must(tx.QueryRow("SELECT pieces FROM stock.stock WHERE sku = ?", "sku"+n).Scan(&pieces))
	fmt.Println(n, pieces, mirrored)
}

func main() {
	pem, err := os.ReadFile(os.Getenv("DB_CA"))
	must(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	must(mysql.RegisterTLSConfig("ours", &tls.Config{RootCAs: pool}))
	db, err := sql.Open("mysql", fmt.Sprintf("%s:%s@tcp(%s:%s)/?tls=ours&interpolateParams=%s", os.Getenv("DB_USER"), os.Getenv("DB_PASSWORD"),
		os.Getenv("DB_HOST"), os.Getenv("DB_PORT"), os.Args[1]))
	must(err)
	for _, argument := range os.Args[2:] {
		part := strings.Split(argument, ":")
		tx, err := db.Begin()
		must(err)
		order(tx, part[0])
		if part[1] == "commit" {
			must(tx.Commit())
		} else {
			must(tx.Rollback())
		}
	}
	must(db.Close())
}
