"""Is everything ready? One line a check, and at the end the one thing to do next."""

from __future__ import annotations

import os
import sys
import tomllib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from helpers.connect import CREDENTIAL, ENDPOINT, ConnectionSettingsError, settings_are_complete, what_answers

KIT = "phi4-notebooks"
LOCK = Path(__file__).parent.parent / "uv.lock"


@dataclass(frozen=True)
class Check:
    """The outcome of one check: "ok", "note" or "STOP", what was found, and what to do unless all is well."""

    name: str
    state: str
    found: str
    mend: str = ""

    def __str__(self) -> str:
        return f"{self.state:<5} {self.name:<11} {self.found}"


def preflight() -> None:
    """Runs all checks, prints a line for each, then the one thing to do next. It never raises, and never shows the key.

    Against a real endpoint it asks for one answer of a few tokens.
    """
    outcomes = []
    for check in (python, packages, endpoint, key, info, completion, widgets):
        if check in (info, completion) and any(
            outcome.state == "STOP" for outcome in outcomes if outcome.name in ("endpoint", "key")
        ):
            continue  # nothing to ask
        try:
            outcome = check()
        except Exception as error:  # whatever goes wrong is the finding
            found = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
            outcome = Check(check.__name__, "STOP", found, mend_for(error))
        print(outcome)
        outcomes.append(outcome)
    stops = [outcome.mend for outcome in outcomes if outcome.state == "STOP"]
    print("\nNext:", stops[0] if stops else "all is ready. Open 02-client-creation.ipynb.")


def python() -> Check:
    """The running Python. (One older than the kit supports does not come as far as this.)"""
    return Check("Python", "ok", f"{'.'.join(map(str, sys.version_info[:3]))} (needs 3.11 or newer)")


def packages() -> Check:
    """The installed versions of the kit's own dependencies against the lock, where there is one."""
    mend = "run the README's first command again: it installs what uv.lock says."
    if not LOCK.is_file():
        return Check("packages", "note", "no uv.lock beside the kit, so no versions to compare with")
    needed, locked = read_lock(LOCK)
    missing, different = [], []
    for name, required in needed.items():
        try:
            if version(name) not in locked[name]:
                different.append(f"{name} {version(name)} (lock: {' or '.join(sorted(locked[name]))})")
        except PackageNotFoundError:
            if required:
                missing.append(name)
    if missing:
        return Check("packages", "STOP", f"missing: {', '.join(missing)}", mend)
    if different:
        return Check("packages", "note", f"not as in uv.lock: {'; '.join(different)}", mend)
    return Check("packages", "ok", f"as in uv.lock; azure-ai-inference {version('azure-ai-inference')}")


def endpoint() -> Check:
    """Which endpoint the variables name, or why they cannot work."""
    try:
        if not settings_are_complete(os.environ):
            return Check("endpoint", "STOP", f"{ENDPOINT} is not set", "run the cell with connect() first.")
    except ConnectionSettingsError as error:
        return Check("endpoint", "STOP", "the variables cannot work", str(error))
    return Check("endpoint", "ok", what_answers())


def key() -> Check:
    """Whether there is a key. It is not shown."""
    length = len(os.environ.get(CREDENTIAL, ""))
    if not length:
        return Check("key", "STOP", "missing", f"set {CREDENTIAL}.")
    return Check("key", "ok", f"present, {length} characters, not shown")


def info() -> Check:
    """What the endpoint says of its model. Newer servers do not have the route: that is no reason to stop."""
    from azure.core.exceptions import HttpResponseError

    try:
        model = _client().get_model_info()
    except HttpResponseError as error:
        if error.status_code in (404, 405, 424):
            return Check("/info", "ok", f"this server has no such route ({error.status_code}); lesson 03 shows how to do without")
        raise
    return Check("/info", "ok", f"{model.model_name}, {model.model_type}, by {model.model_provider_name}")


def completion() -> Check:
    """One short answer."""
    from azure.ai.inference.models import UserMessage

    answer = _client().complete(messages=[UserMessage("What is the capital of France?")], max_tokens=20, temperature=0)
    return Check("completion", "ok", repr(answer.choices[0].message.content))


def widgets() -> Check:
    """Whether sliders and buttons can be shown. No lesson needs them."""
    return Check("widgets", "ok", f"ipywidgets {version('ipywidgets')}")


def read_lock(path: Path) -> tuple[dict[str, bool], dict[str, set[str]]]:
    """(the kit's own dependencies: name -> whether every system needs it; name -> the versions that the lock allows)."""
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["package"]
    locked: dict[str, set[str]] = {}
    for entry in entries:
        locked.setdefault(entry["name"], set()).add(entry.get("version", ""))
    kit = next(entry for entry in entries if entry["name"] == KIT)
    needed: dict[str, bool] = {}
    for need in kit["dependencies"]:
        needed[need["name"]] = needed.get(need["name"], False) or "sys_platform" not in need.get("marker", "")
    return needed, locked


def mend_for(error: Exception) -> str:
    """What to do about an error of a call.

    >>> mend_for(ValueError("odd"))
    'read the line that says STOP; 02-client-creation.ipynb shows the usual mistakes.'
    """
    status = getattr(error, "status_code", None)
    if status in (401, 403):
        return f"check {CREDENTIAL}: the endpoint does not accept this key. Copy it again from the deployment's page."
    if status in (404, 405, 424):
        return f"check {ENDPOINT}: it must be the root of the endpoint, without /score or another route."
    if type(error).__name__ in ("ServiceRequestError", "ServiceResponseError"):
        return f"check the host name in {ENDPOINT} and the network, or remove the variable to use the simulated endpoint."
    return "read the line that says STOP; 02-client-creation.ipynb shows the usual mistakes."


def _client():
    from azure.ai.inference import ChatCompletionsClient
    from azure.core.credentials import AzureKeyCredential

    return ChatCompletionsClient(
        os.environ[ENDPOINT], AzureKeyCredential(os.environ[CREDENTIAL]), retry_total=0, connection_timeout=10, read_timeout=60
    )
