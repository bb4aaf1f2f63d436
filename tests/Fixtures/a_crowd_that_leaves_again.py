"""Connects to a port of this machine and resets, sixty at once and without a pause, until it is ended. Says so once it has begun.

a_crowd_that_leaves_again.py PORT
"""
import itertools
import socket
import struct
import sys

TARGET = ("127.0.0.1", int(sys.argv[1]))
RESET = struct.pack("ii", 1, 0)

for rounds in itertools.count():
    crowd = []
    for _ in range(60):
        one = socket.socket()
        one.setblocking(False)
        crowd.append(one)
        try:
            one.connect(TARGET)
        except OSError:
            pass  # under way, or there is no port left: the next one
    for one in crowd:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        one.close()
    if rounds == 10:
        print("a crowd comes and goes", file=sys.stderr, flush=True)
