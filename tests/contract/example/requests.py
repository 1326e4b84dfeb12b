"""The part of `requests` that the example uses, for machines without it."""

import json as codec
from urllib.request import Request, urlopen


class Response:
    def __init__(self, text):
        self.text = text

    def json(self):
        return codec.loads(self.text)


def post(url, headers, json=None):
    body = codec.dumps({} if json is None else json).encode()
    headers = {**headers, 'Content-Type': 'application/json'}
    with urlopen(Request(url, data=body, headers=headers, method='POST')) as answer:
        return Response(answer.read())


def get(url, headers):
    with urlopen(Request(url, headers=headers)) as answer:
        return Response(answer.read())
