"""The same with aiohttp, sixteen in flight over kept connections."""

import asyncio
import sys
from base64 import b64encode
from hashlib import sha256
from time import time

import aiohttp

BASE_URL, COUNT = sys.argv[1], int(sys.argv[2])
USER_ID, API_TOKEN, ORGANIZATION_ID = 1, "token", "5cad178b20a1d52567b534553413b691"


def get_headers():
    timestamp = f"{int(time())}"
    hashed_token = sha256(f"{API_TOKEN}:{timestamp}".encode("utf-8")).hexdigest()
    authentication = b64encode(f"{USER_ID}:{hashed_token}".encode("utf-8")).decode("ascii")
    return {"Authorization": f"Basic {authentication}", "Timestamp": timestamp}


async def create(session, turn, number):
    body = {
        "organizationId": ORGANIZATION_ID,
        "agentId": 47,
        "name": f"Strategy {number:05}",
        "prompt": f"Research strategy {number}. " + "the momentum of liquid equities " * 15,
        "projectPreference": "project-for-task",
    }
    url = f"{BASE_URL}/agents/tasks/create"
    async with turn, session.post(url, headers=get_headers(), json=body) as answer:
        assert (await answer.json())["success"]


async def main():
    turn = asyncio.Semaphore(16)
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(create(session, turn, number) for number in range(COUNT)))


asyncio.run(main())
