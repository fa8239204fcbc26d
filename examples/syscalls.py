#!/usr/bin/env python3
"""Runs a command under strace and sends the system calls of each of its processes to dsmild.

    examples/syscalls.py nginx -g 'daemon off;'

Layer 4 learns the calls of each program, and after a hundred sequences and a day tells of what is further from them than anything of
that machine within a week.
"""

import os
import re
import subprocess
import sys

from send import send

CALLS = 500  # a sequence
LINE = re.compile(r"(\d+) +(\w+)\(")  # "PID CALL(...": strace -f; what a signal or a resumed call says is left out


def main():
    name = os.path.basename(sys.argv[1])
    read, write = os.pipe()
    command = ["strace", "-f", "-qq", "-o", f"/proc/self/fd/{write}", *sys.argv[1:]]
    traced = subprocess.Popen(command, pass_fds=[write])
    os.close(write)
    sequences = {}
    with os.fdopen(read) as lines:
        for line in lines:
            if not (found := LINE.match(line)):
                continue
            calls = sequences.setdefault(found[1], [])
            calls.append(found[2])
            if len(calls) == CALLS or found[2] == "exit_group":
                send({"kind": "syscalls", "process": name, "calls": sequences.pop(found[1])})
    for calls in sequences.values():
        send({"kind": "syscalls", "process": name, "calls": calls})
    sys.exit(traced.wait())


if __name__ == "__main__":
    main()
