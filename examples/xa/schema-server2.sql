-- What server 2 holds in the order story. An account cannot be overdrawn: that is what makes an order fail.
CREATE DATABASE stock;
CREATE DATABASE account;
CREATE TABLE stock.stock (sku VARCHAR(40) PRIMARY KEY, pieces INT NOT NULL) ENGINE=InnoDB;
CREATE TABLE account.account (user VARCHAR(40) PRIMARY KEY, balance INT NOT NULL CHECK (balance >= 0)) ENGINE=InnoDB;
INSERT INTO stock.stock VALUES ('sku42', 100);
INSERT INTO account.account VALUES ('alice', 50);
