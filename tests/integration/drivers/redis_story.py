"""The story of the Redis port with redis-py: redis_story.py PREFIX TOKEN"""
import os
import sys

import redis

PREFIX, TOKEN = sys.argv[1:]
ENV = os.environ
client = redis.Redis(ENV["REDIS_HOST"], int(ENV["REDIS_PORT"]), username=ENV["REDIS_USER"], password=ENV["REDIS_PASSWORD"], ssl=True,
                     ssl_ca_certs=ENV["REDIS_CA"], ssl_check_hostname=True, decode_responses=True, single_connection_client=True)
client.set(f"{PREFIX}:a", 1)
client.incr(f"{PREFIX}:a")
with client.pipeline() as pipe:
    replies = pipe.incr(f"{PREFIX}:a").hset(f"{PREFIX}:h", "f", "v").execute()
print(replies[0], client.hgetall(f"{PREFIX}:h")["f"])
done = client.execute_command("XA.DO", TOKEN, "SET", f"{PREFIX}:done", "yes")
client.execute_command("XA.JOIN", TOKEN)
pieces = client.hincrby(f"{PREFIX}:stock", "pieces", -1)
seen = client.get(f"{PREFIX}:done")
client.execute_command("XA.LEAVE")
print(done, pieces, seen)
