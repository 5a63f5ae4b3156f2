// The order story with Node's drivers: order.mjs mysql2|mysql2-text|mariadb|mariadb-text|sequelize|typeorm NUMBER:END...
import { readFileSync } from 'node:fs';

const { DB_HOST: host, DB_PORT, DB_USER: user, DB_PASSWORD: password, DB_CA } = process.env;
const ssl = { ca: readFileSync(DB_CA), rejectUnauthorized: true, verifyIdentity: true };
const options = { host, port: Number(DB_PORT), user, password, ssl };

// CALL answers [rows, outcome], SELECT rows, each driver wrapped in its own way: the first column of the first row is wanted.
function first(value) {
    while (Array.isArray(value))
        value = value[0];
    return value && typeof value === 'object' ? Object.values(value)[0] : value;
}

function ofConnection(db, run, close) {
    return {
        run,
        transaction: async (work, commit) => {
            await db.beginTransaction();
            await work(run);
            await (commit ? db.commit() : db.rollback());
        },
        close,
    };
}

const drivers = {
    async mysql2(text) {
        const { default: mysql } = await import('mysql2/promise');
        const db = await mysql.createConnection(options);
        return ofConnection(db, (sql, values = []) => (text ? db.query(sql, values) : db.execute(sql, values)), () => db.end());
    },
    async mariadb(text) {
        const { default: mariadb } = await import('mariadb');
        const db = await mariadb.createConnection(options);
        return ofConnection(db, (sql, values = []) => (text ? db.query(sql, values) : db.execute(sql, values)), () => db.end());
    },
    async sequelize() {
        const { Sequelize } = await import('sequelize');
        const db = new Sequelize({ dialect: 'mysql', host, port: Number(DB_PORT), username: user, password, logging: false, dialectOptions: { ssl } });
        return {
            transaction: async (work, commit) => {
                const transaction = await db.transaction();
                await work((sql, replacements = []) => db.query(sql, { replacements, transaction }));
                await (commit ? transaction.commit() : transaction.rollback());
            },
            close: () => db.close(),
        };
    },
    async typeorm() {
        await import('reflect-metadata');
        const { DataSource } = await import('typeorm');
        const db = await new DataSource({ type: 'mysql', username: user, ...options, connectorPackage: 'mysql2' }).initialize();
        return {
            transaction: async (work, commit) => {
                const runner = db.createQueryRunner();
                await runner.startTransaction();
                await work((sql, values = []) => runner.query(sql, values));
                await (commit ? runner.commitTransaction() : runner.rollbackTransaction());
                await runner.release();
            },
            close: () => db.destroy(),
        };
    },
};

async function order(run, n) {
    await run('INSERT INTO orders.orders (id, user, sku, pieces) VALUES (?, ?, ?, 1)', [Number(n), `user${n}`, `sku${n}`]);
    await run('UPDATE stock.stock SET pieces = pieces - 1 WHERE sku = ?', [`sku${n}`]);
    const mirrored = first(await run('CALL cache.HINCRBY(?, ?, ?)', [`stock:sku${n}`, 'pieces', -1]));
    await run('UPDATE account.account SET balance = balance - 10 WHERE user = ?', [`user${n}`]);
    await run(`CALL cache.HINCRBY('balance:user${n}', 'balance', -10)`);
    await run(`CALL cache.HINCRBY('orders:user${n}', 'count', 1)`);
    const pieces = first(await run('SELECT pieces FROM stock.stock WHERE sku = ?', [`sku${n}`]));
    console.log(`${n} ${pieces} ${mirrored}`);
}

const [, , name, ...orders] = process.argv;
const [driver, text] = name.split('-');
const db = await drivers[driver](text);
for (const argument of orders) {
    const [n, end] = argument.split(':');
    await db.transaction((run) => order(run, n), end === 'commit');
}
await db.close();
