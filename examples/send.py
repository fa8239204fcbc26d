"""Hands events to dsmild: POST /api/v1/streams/L4_IN. For the other examples here; nothing but Python's own library.

    DSMILD_URL=http://127.0.0.1:8600    where it listens
    DSMILD_TOKEN=...                    a token with the role `ingest`, where tokens are configured
"""

import json
import os
import socket
import urllib.request


def send(payload):
    """Sends one event. The answer comes after its commit; what is refused is told with the reason."""
    payload = {"host": socket.gethostname(), **payload}
    url = os.environ.get("DSMILD_URL", "http://127.0.0.1:8600").rstrip("/") + "/api/v1/streams/L4_IN"
    body = json.dumps({"source": "examples", "payload": payload}).encode() + b"\n"
    headers = {"Content-Type": "application/x-ndjson"}
    if token := os.environ.get("DSMILD_TOKEN"):
        headers["Authorization"] = f"Bearer {token}"
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10) as answer:
        for refused in json.load(answer)["rejected"]:
            raise SystemExit(f"the event was refused: {refused['reason']}")
