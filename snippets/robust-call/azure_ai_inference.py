# Last run with azure-ai-inference 1.0.0b9 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
"""Ask a chat model with the retired package: the functions that lesson 09 explains."""

import json
import logging
import os
import random
import time
from itertools import count
from uuid import uuid4

from azure.ai.inference import ChatCompletionsClient
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import AzureError

logging.getLogger("azure.core.pipeline.transport").setLevel(logging.ERROR)

endpoint = os.environ["AZURE_INFERENCE_ENDPOINT"]
key = AzureKeyCredential(os.environ["AZURE_INFERENCE_CREDENTIAL"].strip())
client = ChatCompletionsClient(endpoint, key)
chance = random.Random()

STATUS_HEADER = "ms-azureml-model-error-statuscode"
REASON_HEADER = "ms-azureml-model-error-reason"
PASSING = {408, 429, 500, 502, 503, 504}


def reason_in(body):
    """Return the reason in an error's body, or "" if the body has no known shape."""
    if isinstance(body, list):
        return "; ".join(filter(None, map(reason_in, body)))
    if isinstance(body, dict):
        keys = ("details", "detail", "message", "msg", "error")
        reason = next(filter(None, (reason_in(body.get(key)) for key in keys)), "")
        if not body.get("loc"):
            return reason
        place = body["loc"] if isinstance(body["loc"], list) else [body["loc"]]
        reason = reason or f"not accepted: {body.get('input')!r}"
        return f"{'.'.join(map(str, place))}: {reason}"
    if str(body).startswith("{"):  # JSON inside JSON
        return reason_in(json.loads(body))
    return "" if body is None else str(body)


def reason_of(error):
    """Return why a request was refused, in the server's own words if there are any."""
    answer = error.response
    text = answer.content.decode(errors="replace")
    try:
        reason = reason_in(json.loads(text))
    except ValueError:  # no JSON: plain text, a page of a proxy, nothing
        reason = ""
    return reason or text[:200] or answer.headers.get(REASON_HEADER) or answer.reason


def status_of(error):
    """Return the status that counts: the container's own, if the gateway hid it."""
    hidden = error.response.headers.get(STATUS_HEADER, "")
    return int(hidden) if hidden.isdecimal() else error.status_code


def quotes_input(failure):
    """Return True if the text of a failure may quote what we passed, for instance a key."""
    return isinstance(getattr(failure, "inner_exception", None), ValueError)


def may_pass(failure):
    """Return True if the same request may succeed a little later."""
    if getattr(failure, "response", None) is not None:
        return status_of(failure) in PASSING
    cause = getattr(failure, "inner_exception", failure)
    return cause is not None and not quotes_input(failure) and "[SSL" not in str(cause)


def pause(attempt, failure=None):
    """Return the seconds to wait after an attempt (1, 2, ...) that failed."""
    headers = getattr(getattr(failure, "response", None), "headers", {})
    retry_after = headers.get("Retry-After", "")
    retry_after = float(retry_after) if retry_after.isdecimal() else 0
    return max(min(0.5 * 2 ** (attempt - 1), 4), retry_after) * chance.uniform(1, 1.5)


def account_of(failure):
    """Return a line for a log: statuses, the wait that the server asked for, the reason."""
    answer = getattr(failure, "response", None)
    if answer is None:
        reason = type(failure.inner_exception).__name__ if quotes_input(failure) else failure
        line = f"{type(failure).__name__}: {reason}"
    else:
        status, retry_after = status_of(failure), answer.headers.get("Retry-After")
        line = str(failure.status_code)
        line += f" that means {status}" if status != failure.status_code else ""
        line += f", Retry-After {retry_after}" if retry_after else ""
        line += f": {reason_of(failure)}"
    return " ".join(line.split())[:400]


def piece_of(chunk):
    """Return the text that a chunk adds to the answer, or "" if it adds none."""
    for choice in chunk.choices or []:
        if choice.delta and not choice.index:
            return choice.delta.content or ""
    return ""


def finish_reason_of(chunks):
    """Return why the answer ended, or None if its stream broke off before it said so."""
    for chunk in chunks:
        for choice in chunk.choices or []:
            if choice.finish_reason and not choice.index:
                return getattr(choice.finish_reason, "value", choice.finish_reason)
    return None


def read(stream):
    """Return (the chunks that arrived, the error that ended them or None)."""
    chunks = []
    try:
        chunks.extend(stream)  # keeps what came before an error
    except (AzureError, OSError, ValueError) as error:
        return chunks, error
    return chunks, None


def whole(stream):
    """Return (text, finish reason) of an answer. Raise ConnectionError if it broke off."""
    chunks, problem = read(stream)
    if reason := finish_reason_of(chunks):
        return "".join(map(piece_of, chunks)), reason
    how = type(problem).__name__ if problem else "nothing raised"
    raise ConnectionError(f"the answer broke off: {how}")


def complete(messages, attempts=4, longest=30, sleep=time.sleep, **settings):
    """Return (text, finish reason) of a whole answer. Where it may help, wait and ask again."""
    defaults = {"connection_timeout": 10, "read_timeout": 60, "request_id": str(uuid4())}
    settings = defaults | settings | {"stream": True, "retry_total": 0}
    for attempt in count(1):
        try:
            return whole(client.complete(messages=messages, **settings))
        except (AzureError, ConnectionError) as error:
            failure = error
        wait = pause(attempt, failure)
        if attempt >= attempts or wait > longest or not may_pass(failure):
            break
        sleep(wait)
    line = f"{account_of(failure)} (attempts: {attempt}, request id: {settings['request_id']})"
    raise RuntimeError(line) from (None if quotes_input(failure) else failure)


if __name__ == "__main__":
    question = [{"role": "user", "content": "What is the capital of France?"}]
    print(complete(question, temperature=0)[0])
