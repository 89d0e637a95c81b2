"""Many applications that transfer money with redis-py, each over a connection of its own.

Usage: transfers.py HOST PORT APPLICATIONS

What a transfer is, when an application ends and what is printed: see transfers.ts.
"""

import json
import random
import sys
import threading

import redis

HOST, PORT, APPLICATIONS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
ACCOUNTS = 500
report = {"confirmed": [], "conflicts": 0, "lost": 0, "errors": []}


def transfer(client, name):
    """One transfer; False when business is over."""
    source, target = (f"account:{number}" for number in random.sample(range(ACCOUNTS), 2))
    amount = random.randint(1, 10)
    with client.pipeline() as pipe:
        pipe.watch(source, target)
        rich, poor, closed = pipe.mget(source, target, "closed")
        if closed is not None:
            return False
        pipe.multi()
        pipe.set(source, int(rich) - amount)
        pipe.set(target, int(poor) + amount)
        pipe.rpush("journal", f"{name} {source} {target} {amount}")
        pipe.execute()
    report["confirmed"].append(name)
    return True


def application(number):
    client = redis.Redis(host=HOST, port=PORT)
    count = 0
    open_for_business = True
    while open_for_business:
        count += 1
        try:
            open_for_business = transfer(client, f"{number}:{count}")
        except (redis.WatchError, redis.ConnectionError) as error:
            if str(error) == "Watched variable changed.":
                report["conflicts"] += 1
                continue
            # The connection is gone: another application takes over.
            report["lost"] += 1
            client.close()
            client = redis.Redis(host=HOST, port=PORT)
        except Exception as error:  # noqa: BLE001  reported, whatever it is
            report["errors"].append(repr(error))
            open_for_business = False
    client.close()


threads = [threading.Thread(target=application, args=(number,)) for number in range(APPLICATIONS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(report))
