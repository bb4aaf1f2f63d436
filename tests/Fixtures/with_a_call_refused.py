"""Starts a program for which the kernel refuses a system call, as a container's seccomp filter does.

with_a_call_refused.py CALL ERRNO FROM PROGRAM [ARGUMENTS]

CALL is one of those below; "recvfrom" and "epoll_ctl" only where it is for a descriptor from FROM on, the others being let through; 0 for all.
"""
import ctypes
import os
import platform
import struct
import sys

ON_X64 = platform.machine() == "x86_64"
# The number of the call, and which of its arguments is the descriptor that FROM is about.
CALLS = {
    "recvfrom": (45 if ON_X64 else 207, 0),
    "epoll_ctl": (233 if ON_X64 else 21, 2),
    "eventfd2": (290 if ON_X64 else 19, 0),
    "epoll_create1": (291 if ON_X64 else 20, 0),
}
LOAD, JUMP_IF_EQUAL, JUMP_IF_NOT_BELOW, RETURN = 0x20, 0x15, 0x35, 0x06
ALLOW, ANSWER_ERRNO = 0x7FFF0000, 0x00050000
SET_NO_NEW_PRIVS, SET_SECCOMP, MODE_FILTER = 38, 22, 2

number, argument = CALLS[sys.argv[1]]
steps = [
    (LOAD, 0, 0, 0),
    (JUMP_IF_EQUAL, 0, 3, number),
    (LOAD, 0, 0, 16 + 8 * argument),
    (JUMP_IF_NOT_BELOW, 0, 1, int(sys.argv[3])),
    (RETURN, 0, 0, ANSWER_ERRNO | int(sys.argv[2])),
    (RETURN, 0, 0, ALLOW),
]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
for request in ((SET_NO_NEW_PRIVS, 1, 0, 0, 0), (SET_SECCOMP, MODE_FILTER, ctypes.addressof(program), 0, 0)):
    if libc.prctl(*request) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
os.execv(sys.argv[4], sys.argv[4:])
