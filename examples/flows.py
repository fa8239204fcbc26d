#!/usr/bin/env python3
"""Sends the connections that this machine has ended to dsmild, as conntrack(8) tells of them; or lines of a sensor that come on standard input.

    conntrack -E -e DESTROY -o timestamp | examples/flows.py
    tail -F /var/log/zeek/conn.log.json | examples/flows.py

Layer 4 learns which flows are usual of this machine, and after a day tells of one that is less usual than any within a week. Accounting has to
be on for bytes (sysctl net.netfilter.nf_conntrack_acct=1) and for durations (…nf_conntrack_timestamp=1).
"""

import json
import re
import sys
import time

from send import send

AT_ONCE = 100  # a payload has at most 64 KiB
SECONDS = 30
PAIR = re.compile(r"(\w+)=(\S+)")


def conntrack(line):
    """`[DESTROY] tcp 6 src=… dst=… sport=… dport=… packets=… bytes=… src=… … bytes=… delta-time=…`: the way there, then the way back."""
    words = line.split("[DESTROY]", 1)[-1].split()
    both = PAIR.findall(line)
    there = dict(reversed(both))  # the first of each name
    back = dict(both)
    lasted = re.search(r"delta-time=(\d+)", line)
    return {
        "proto": words[0],
        "src_ip": there.get("src"),
        "dst_ip": there.get("dst"),
        "dst_port": int(there.get("dport", 0)),
        "state": "unreplied" if "[UNREPLIED]" in line else "ended",
        "duration_s": int(lasted[1]) if lasted else 0,
        "bytes_sent": int(there.get("bytes", 0)),
        "bytes_received": int(back.get("bytes", 0)),
    }


def main():
    waiting, since = [], time.monotonic()
    for line in sys.stdin:
        if line.startswith("{"):
            waiting.append(json.loads(line))
        elif "src=" in line:
            waiting.append(conntrack(line))
        if len(waiting) >= AT_ONCE or waiting and time.monotonic() - since >= SECONDS:
            send({"kind": "flows", "flows": waiting})
            waiting, since = [], time.monotonic()
    if waiting:
        send({"kind": "flows", "flows": waiting})


if __name__ == "__main__":
    main()
