// The story of the Redis port with Node: redis_story.mjs ioredis|redis|redis-3 PREFIX TOKEN
import { readFileSync } from 'fs';

const [driver, prefix, token] = process.argv.slice(2);
const { REDIS_HOST: host, REDIS_USER: username, REDIS_PASSWORD: password } = process.env;
const port = Number(process.env.REDIS_PORT);
const ca = readFileSync(process.env.REDIS_CA);

async function withIoredis() {
    const { default: Redis } = await import('ioredis');
    const client = new Redis({ host, port, username, password, tls: { ca }, retryStrategy: null, maxRetriesPerRequest: 0 });
    client.on('error', (error) => { console.error(error); process.exit(1); });
    return {
        say: (...words) => client.call(...words),
        multi: async () => {
            const replies = await client.multi().incr(`${prefix}:a`).hset(`${prefix}:h`, 'f', 'v').exec();
            return replies[0][1];
        },
        all: () => client.hgetall(`${prefix}:h`),
        end: () => client.quit(),
    };
}

async function withRedis(RESP) {
    const { createClient } = await import('redis');
    const client = createClient({ username, password, RESP, socket: { host, port, tls: true, ca, reconnectStrategy: false } });
    client.on('error', (error) => { console.error(error); process.exit(1); });
    await client.connect();
    return {
        say: (...words) => client.sendCommand(words),
        multi: async () => (await client.multi().incr(`${prefix}:a`).hSet(`${prefix}:h`, 'f', 'v').exec())[0],
        all: () => client.hGetAll(`${prefix}:h`),
        end: () => client.quit(),
    };
}

const client = await (driver == 'ioredis' ? withIoredis() : withRedis(driver == 'redis-3' ? 3 : 2));
await client.say('SET', `${prefix}:a`, '1');
await client.say('INCR', `${prefix}:a`);
const a = await client.multi();
console.log(`${a} ${(await client.all()).f}`);
const done = await client.say('XA.DO', token, 'SET', `${prefix}:done`, 'yes');
await client.say('XA.JOIN', token);
const pieces = await client.say('HINCRBY', `${prefix}:stock`, 'pieces', '-1');
const seen = await client.say('GET', `${prefix}:done`);
await client.say('XA.LEAVE');
console.log(`${done} ${pieces} ${seen}`);
await client.end();
