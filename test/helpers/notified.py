"""A stand-in for systemd's end of NOTIFY_SOCKET: prints what it is told, one line of JSON for each datagram.

Usage: notified.py PATH
"""

import json
import os
import socket
import sys

listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o666)
print(json.dumps("listening"), flush=True)
while True:
    # Descriptors that come along are closed, which tells the sender that it was heard.
    print(json.dumps(listener.recv(4096).decode()), flush=True)
