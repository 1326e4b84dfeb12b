"""The documentation's example: one create after the other, a new connection for each."""

import sys
from base64 import b64encode
from hashlib import sha256
from time import time

from requests import post

BASE_URL, COUNT = sys.argv[1], int(sys.argv[2])
USER_ID, API_TOKEN, ORGANIZATION_ID = 1, "token", "5cad178b20a1d52567b534553413b691"


def get_headers():
    timestamp = f"{int(time())}"
    hashed_token = sha256(f"{API_TOKEN}:{timestamp}".encode("utf-8")).hexdigest()
    authentication = b64encode(f"{USER_ID}:{hashed_token}".encode("utf-8")).decode("ascii")
    return {"Authorization": f"Basic {authentication}", "Timestamp": timestamp}


for number in range(COUNT):
    body = {
        "organizationId": ORGANIZATION_ID,
        "agentId": 47,
        "name": f"Strategy {number:05}",
        "prompt": f"Research strategy {number}. " + "the momentum of liquid equities " * 15,
        "projectPreference": "project-for-task",
    }
    answer = post(f"{BASE_URL}/agents/tasks/create", headers=get_headers(), json=body).json()
    assert answer["success"], answer
