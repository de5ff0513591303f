"""Show requests as the simulated endpoint received them, without their keys."""

from __future__ import annotations

import json
import os
import ssl
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from helpers.classroom import may_be_class
from helpers.settings import (
    CREDENTIAL,
    ENDPOINT,
    check_endpoint,
    check_key,
    harmless_address,
    is_on_this_computer,
)

CALL_ID = "x-ms-client-request-id"  # the same for all attempts of a call
QUIET_HEADERS = ("accept-encoding", "connection", "host", "user-agent", CALL_ID)
MAX_ATTEMPTS = 20  # of one call that statuses() looks for


def requests_received(last: int = 1) -> list[dict]:
    """Return the last requests, oldest first.

    Each is a dict with method, path, query, headers, body (JSON or text) and status. Headers with a
    secret hold "***" or "Bearer ***". Raises RuntimeError if there is no endpoint yet, or if it is
    not the simulated one: a real endpoint does not tell what it received. Raises
    ConnectionSettingsError if the variables cannot work.
    """
    return _journal(last)["requests"]


def number_received() -> int:
    """Return how many requests the simulated endpoint has received so far.

    Raises what requests_received raises.
    """
    return _journal(0)["received"]


def statuses() -> list[int]:
    """Return the statuses that the attempts of the last call got, in their order.

    The call is one of azure-ai-inference. Its attempts carry the same id. Raises what
    requests_received raises, or LookupError if the endpoint has received nothing.
    """
    requests = requests_received(MAX_ATTEMPTS)
    if not requests:
        raise LookupError("The endpoint has received nothing yet. Ask it a question first.")
    last_id = requests[-1]["headers"].get(CALL_ID)
    return [request["status"] for request in requests if request["headers"].get(CALL_ID) == last_id]


def _journal(last: int) -> dict:
    """Return the last requests, and how many there were. Raises what requests_received raises."""
    endpoint, key = os.environ.get(ENDPOINT, ""), os.environ.get(CREDENTIAL, "")
    if not endpoint:
        raise RuntimeError("There is no endpoint yet. Run the cell with connect() first.")
    check_endpoint(endpoint, key)  # errors of the standard library would show what is wrong
    check_key(key)
    if not is_on_this_computer(endpoint) and not may_be_class(os.environ):
        raise RuntimeError(
            "Only the simulated endpoint remembers what it received. On your own endpoint, look at "
            "the request before it leaves: pass "
            "raw_request_hook=lambda request: print(request.http_request.body) to complete()."
        )
    url = f"{endpoint.rstrip('/')}/simulator/requests?last={last}"
    trusted = ssl.create_default_context(cafile=os.environ.get("REQUESTS_CA_BUNDLE"))
    try:
        with urlopen(Request(url, headers={"api-key": key}), context=trusted, timeout=60) as reply:
            return json.load(reply)
    except HTTPError as error:
        status = error.code
    address = harmless_address(endpoint) or "Your endpoint"
    raise RuntimeError(
        f"{address} does not tell what it received (status {status}): only the simulation does."
    )


def show_last_request(headers: bool = True, body: bool = True) -> None:
    """Print the last request: its first line, the headers that matter and the body if wanted."""
    requests = requests_received()
    if not requests:
        print("The endpoint has received nothing yet. Run a cell that sends it a request first.")
        return
    request = requests[0]
    query = f"?{request['query']}" if request["query"] else ""
    print(f"{request['method']} {request['path']}{query}")
    if headers:
        for name, value in sorted(request["headers"].items()):
            if name not in QUIET_HEADERS:
                print(f"{name}: {value}")
    if body and request["body"] is not None:
        print(json.dumps(request["body"], indent=2, ensure_ascii=False))
