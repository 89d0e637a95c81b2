"""A script object of redis-py, called once for each line of standard input.

Usage: script_calls.py HOST PORT

What is printed: see script_calls.ts.
"""

import json
import sys

import redis

client = redis.Redis(host=sys.argv[1], port=int(sys.argv[2]))
script = client.register_script("-- redis-py\nreturn redis.call('INCRBY', KEYS[1], ARGV[1])")
for line in sys.stdin:
    try:
        print(json.dumps({"value": script(keys=[line.strip()], args=[1])}), flush=True)
    except Exception as error:  # noqa: BLE001  reported, whatever it is
        print(json.dumps({"error": repr(error)}), flush=True)
