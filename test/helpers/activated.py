"""A stand-in for systemd's socket activation: listens, and runs a command on the sockets, again and again.

Usage: activated.py NAME=ADDRESS ... -- COMMAND ...

An address is a path, or 0 for a free port on 127.0.0.1. In the command `{0}` stands for the port of the first socket, and so on. For
each run a line of JSON tells the process id and the ports.
"""

import json
import os
import socket
import sys

split = sys.argv.index("--")
given = [argument.split("=", 1) for argument in sys.argv[1:split]]
sockets = []
for _, address in given:
    listener = socket.socket(socket.AF_UNIX if "/" in address else socket.AF_INET)
    listener.bind(address if "/" in address else ("127.0.0.1", 0))
    listener.listen()
    sockets.append(listener)
ports = [listener.getsockname()[1] if listener.family == socket.AF_INET else 0 for listener in sockets]
command = [argument.format(*ports) for argument in sys.argv[split + 1 :]]

while True:
    pid = os.fork()
    if pid == 0:
        # Out of the way first, as they may lie where others have to go.
        for nth, listener in enumerate(sockets):
            os.dup2(listener.fileno(), 100 + nth, inheritable=False)
        for nth in range(len(sockets)):
            os.dup2(100 + nth, 3 + nth, inheritable=True)
        os.environ.update(
            LISTEN_PID=str(os.getpid()),
            LISTEN_FDS=str(len(sockets)),
            LISTEN_FDNAMES=":".join(name for name, _ in given),
        )
        os.execvp(command[0], command)
    print(json.dumps({"pid": pid, "ports": ports}), flush=True)
    _, status = os.waitpid(pid, 0)
    print(json.dumps({"ended": os.waitstatus_to_exitcode(status)}), flush=True)
