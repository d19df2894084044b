"""Pays with `requests`, which leaves trying again to urllib3."""

import json
import sys

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

url, headers, body = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]

# POST is not among the methods that urllib3 sends again unless it is told to.
retry = Retry(total=5, allowed_methods={"POST"}, backoff_factor=0.05, status_forcelist={409, 503})
with requests.Session() as session:
    session.mount("http://", HTTPAdapter(max_retries=retry))
    answer = session.post(url, headers=headers, data=body, timeout=30)

print(json.dumps({"status": answer.status_code, "replayed": answer.headers.get("Idempotent-Replayed"), "body": answer.json()}))
