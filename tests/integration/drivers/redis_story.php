<?php
// The story of the Redis port with phpredis: redis_story.php PREFIX TOKEN
[, $prefix, $token] = $argv;
$client = new Redis();
$client->connect('tls://' . getenv('REDIS_HOST'), (int)getenv('REDIS_PORT'), 20, null, 0, 20,
    ['auth' => [getenv('REDIS_USER'), getenv('REDIS_PASSWORD')],
     'stream' => ['cafile' => getenv('REDIS_CA'), 'verify_peer' => true, 'verify_peer_name' => true]]);
$client->set("$prefix:a", 1);
$client->incr("$prefix:a");
$replies = $client->multi()->incr("$prefix:a")->hSet("$prefix:h", 'f', 'v')->exec();
echo $replies[0], ' ', $client->hGetAll("$prefix:h")['f'], "\n";
$done = $client->rawCommand('XA.DO', $token, 'SET', "$prefix:done", 'yes');
$client->rawCommand('XA.JOIN', $token);
$pieces = $client->hIncrBy("$prefix:stock", 'pieces', -1);
$seen = $client->get("$prefix:done");
$client->rawCommand('XA.LEAVE');
echo $done === true ? 'OK' : $done, " $pieces $seen\n";
