"""Pays with `httpx`, whose own retries are for connections that cannot be made: whoever wants more has a loop."""

import json
import sys

import httpx

url, headers, body = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]

with httpx.Client(timeout=30) as client:
    for left in reversed(range(5)):
        try:
            answer = client.post(url, headers=headers, content=body)
            break
        except httpx.TransportError:
            if not left:
                raise

print(json.dumps({"status": answer.status_code, "replayed": answer.headers.get("Idempotent-Replayed"), "body": answer.json()}))
