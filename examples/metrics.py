#!/usr/bin/env python3
"""Sends numbers of this machine to dsmild once a minute: load, memory, traffic, sockets, what the disks do.

    examples/metrics.py

Layer 4 learns what is usual of each at every hour of the day and of the week, and after a day tells of what is more unusual than anything of
that machine within a week. What only counts up is sent as how much it has grown.
"""

import time

from send import send

MINUTE = 60


def lines(path):
    with open(path) as file:
        return [line.split() for line in file]


def counters():
    """What only grows."""
    net = [line for line in lines("/proc/net/dev")[2:] if not line[0].startswith("lo")]
    disks = [line for line in lines("/proc/diskstats") if not line[2].startswith(("loop", "ram"))]
    stat = {line[0]: line for line in lines("/proc/stat")}
    return {
        "received_bytes": sum(int(line[1]) for line in net),
        "sent_bytes": sum(int(line[9]) for line in net),
        "read_sectors": sum(int(line[5]) for line in disks),
        "written_sectors": sum(int(line[9]) for line in disks),
        "processes_started": int(stat["processes"][1]),
    }


def levels():
    """What goes up and down."""
    memory = {line[0].rstrip(":"): int(line[1]) for line in lines("/proc/meminfo")}
    sockets = next(line for line in lines("/proc/net/sockstat") if line[0] == "sockets:")
    return {
        "load": float(lines("/proc/loadavg")[0][0]),
        "available_kb": memory.get("MemAvailable", memory["MemFree"]),
        "sockets": int(sockets[2]),
    }


def main():
    before = counters()
    while True:
        time.sleep(MINUTE - time.time() % MINUTE)
        now = counters()
        grown = {name: max(0, now[name] - before[name]) for name in now}
        before = now
        send({"kind": "metrics", "values": {**levels(), **grown}})


if __name__ == "__main__":
    main()
