#!/usr/bin/env python3
"""Measures how one text is typed, and sends the times to dsmild; never which keys they were.

    examples/keystrokes.py /dev/input/event3 alice login

Each line typed on that keyboard, from its first key to Enter, is one sample. Device 55 learns the first 34, and then tells of another
hand. The text must be the same each time: a name in the third argument says which it is.
"""

import struct
import sys

from send import send

EVENT = struct.Struct("llHHi")  # struct input_event of Linux on 64 bits
EV_KEY, ENTER, MODIFIERS = 1, 28, {29, 42, 54, 56, 97, 100}


def samples(keyboard):
    """The times of each line, as pairs of when a key went down and up, in milliseconds and in the order in which keys went down."""
    down, line, is_over = {}, [], False
    while data := keyboard.read(EVENT.size):
        seconds, micros, kind, key, value = EVENT.unpack(data)
        if kind != EV_KEY or key in MODIFIERS or value == 2:
            continue
        now = seconds * 1000 + micros / 1000
        if value == 1 and not is_over:
            down[key] = [now, None]
            line.append(down[key])
            is_over = key == ENTER
        elif value == 0 and key in down:
            down.pop(key)[1] = now
        if is_over and not down:
            yield line
            line, is_over = [], False


def main():
    device, user, text = sys.argv[1:]
    with open(device, "rb", buffering=0) as keyboard:
        for line in samples(keyboard):
            if len(line) < 2:
                continue
            dwell = [up - down for down, up in line]
            flight = [line[at + 1][0] - line[at][1] for at in range(len(line) - 1)]
            send({"kind": "keystrokes", "user": user, "text": text, "dwell_ms": dwell, "flight_ms": flight})


if __name__ == "__main__":
    main()
