"""What went over the wire: the requests as the simulated endpoint received them, keys left out."""

from __future__ import annotations

import json
import os
import ssl
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from helpers.connect import CREDENTIAL, ENDPOINT, is_on_this_computer

QUIET_HEADERS = ("accept-encoding", "connection", "host", "user-agent", "x-ms-client-request-id")


def requests_received(last: int = 1) -> list[dict]:
    """The last requests, oldest first: each a dict with method, path, query, headers, body and status.

    Secret headers hold "***" or "Bearer ***". Raises RuntimeError if there is no endpoint yet, or if it is not the
    simulated one: a real endpoint does not tell what it received.
    """
    endpoint = os.environ.get(ENDPOINT)
    if not endpoint:
        raise RuntimeError("There is no endpoint yet. Run the cell with connect() first.")
    if not is_on_this_computer(endpoint):
        raise RuntimeError(
            "Only the simulated endpoint remembers what it received. On your own endpoint, look at the request before it "
            "leaves: pass raw_request_hook=lambda request: print(request.http_request.body) to complete()."
        )
    asked = Request(f"{endpoint.rstrip('/')}/simulator/requests?last={last}", headers={"api-key": os.environ.get(CREDENTIAL, "")})
    trusted = ssl.create_default_context(cafile=os.environ.get("REQUESTS_CA_BUNDLE"))
    try:
        with urlopen(asked, context=trusted, timeout=10) as answer:
            return json.load(answer)["requests"]
    except HTTPError as error:
        raise RuntimeError(
            f"{endpoint} does not tell what it received (status {error.code}): only the simulation does."
        ) from None


def show_last_request(headers: bool = True, body: bool = True) -> None:
    """Prints the last request: its line, the headers that matter, its body; the last two only if wanted."""
    received = requests_received()
    if not received:
        print("The endpoint has received nothing yet. Run a cell that asks it something first.")
        return
    request = received[0]
    print(f"{request['method']} {request['path']}" + (f"?{request['query']}" if request["query"] else ""))
    for name, value in sorted(request["headers"].items()) if headers else ():
        if name not in QUIET_HEADERS:
            print(f"{name}: {value}")
    if body and request["body"] is not None:
        print(json.dumps(request["body"], indent=2, ensure_ascii=False))
