-- What server 1 holds in the order story.
CREATE DATABASE orders;
CREATE TABLE orders.orders (id BIGINT AUTO_INCREMENT PRIMARY KEY, user VARCHAR(40) NOT NULL, sku VARCHAR(40) NOT NULL,
                            pieces INT NOT NULL) ENGINE=InnoDB;
