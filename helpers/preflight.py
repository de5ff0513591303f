"""Check that everything is ready: one line a check, and at the end the one thing to do next."""

from __future__ import annotations

import os
import sys
import tomllib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from helpers.connect import describe_endpoint
from helpers.servers import which_server
from helpers.settings import (
    CREDENTIAL,
    ENDPOINT,
    HARMLESS_PATHS,
    KIT_VARIABLES,
    UPSTREAM_KEY,
    ConnectionSettingsError,
    harmless_address,
    has_piece_of,
    is_plain_name,
    read_settings,
)
from helpers.text import fit_page

KIT = "phi4-notebooks"
ROOT = Path(__file__).parent.parent
LOCK = ROOT / "uv.lock"
COPIES_MANIFEST = ".lessons.json"  # of the folder in which the command `lessons` puts copies
NEXT_LESSON = (
    "all is ready. Open 01-deployment.ipynb, or 02-client-creation.ipynb if you have no Azure "
    "subscription."
)


@dataclass(frozen=True)
class Check:
    """The outcome of a check. state: "ok", "note" or "STOP". fix: what to do unless all is well."""

    name: str
    state: str
    detail: str
    fix: str = ""

    def __str__(self) -> str:
        return fit_page(f"{self.state:<5} {self.name:<11} {self.detail}", indent=18)


def preflight() -> None:
    """Run all checks, print a line for each, then the one thing to do next.

    It never raises, and never shows the key. A real endpoint has to answer one short question.
    """
    outcomes: list[Check] = []
    for check in (python, packages, endpoint, key, info, server, completion, widgets, folder):
        if check in (info, server, completion) and any(
            outcome.state == "STOP" and outcome.name in ("endpoint", "key") for outcome in outcomes
        ):
            continue  # nothing could answer
        try:
            outcome = check()
        except Exception as error:  # whatever goes wrong is the outcome
            outcome = Check(check.__name__, "STOP", describe_error(error), fix_for(error))
        print(outcome)
        outcomes.append(outcome)
    fixes = [outcome.fix for outcome in outcomes if outcome.state == "STOP"]
    print()
    print(fit_page(f"Next: {fixes[0] if fixes else NEXT_LESSON}", indent=6))


def python() -> Check:
    """Check the running Python. (One older than the kit supports does not come as far as this.)"""
    return Check(
        "Python", "ok", f"{'.'.join(map(str, sys.version_info[:3]))} (needs 3.11 or newer)"
    )


def packages() -> Check:
    """Compare the installed versions of the kit's own dependencies with the lock, if there is."""
    fix = "run the README's first command again: it installs what uv.lock says."
    if not LOCK.is_file():
        detail = "no uv.lock beside the kit, so no versions to compare with"
        return Check("packages", "note", detail)
    dependencies, locked = read_lock(LOCK)
    missing, different = [], []
    for name, is_required in dependencies.items():
        try:
            if version(name) not in locked[name]:
                wanted = " or ".join(sorted(locked[name]))
                different.append(f"{name} {version(name)} (lock: {wanted})")
        except PackageNotFoundError:
            if is_required:
                missing.append(name)
    if missing:
        return Check("packages", "STOP", f"missing: {', '.join(missing)}", fix)
    if different:
        return Check("packages", "note", f"not as in uv.lock: {'; '.join(different)}", fix)
    client = f"azure-ai-inference {version('azure-ai-inference')}"
    return Check("packages", "ok", f"as in uv.lock; {client}")


def endpoint() -> Check:
    """Say which endpoint the variables name, or why they cannot work."""
    try:
        if not read_settings(os.environ).has_endpoint:
            fix = "run the cell with connect() first."
            return Check("endpoint", "STOP", f"{ENDPOINT} is not set", fix)
    except ConnectionSettingsError as error:
        return Check("endpoint", "STOP", "the variables cannot work", str(error))
    return Check("endpoint", "ok", describe_endpoint())


def key() -> Check:
    """Check that there is a key. It is not shown."""
    length = len(os.environ.get(CREDENTIAL, ""))
    if not length:
        return Check("key", "STOP", "missing", f"set {CREDENTIAL}.")
    return Check("key", "ok", f"present, {length} characters, not shown")


def info() -> Check:
    """Ask the endpoint for its model. Newer servers lack the route: that is no reason to stop."""
    from azure.core.exceptions import HttpResponseError

    try:
        model = _client().get_model_info()
    except HttpResponseError as error:
        if error.status_code not in (404, 405, 424):
            raise
        detail = f"this server has no such route ({error.status_code}); "
        return Check("/info", "ok", f"{detail}lesson 03 shows how to do without")
    detail = f"{model.model_name}, {model.model_type}, by {model.model_provider_name}"
    return Check("/info", "ok", detail)


def server() -> Check:
    """Find out which published server answers. Lessons say where that makes a difference."""
    report = which_server()
    if not report.follows:
        detail = f"{report.kind}: print(which_server()) shows what it answered"
        return Check("server", "note", detail)
    return Check("server", "ok", f"{report.kind}; print(which_server()) shows what follows")


def completion() -> Check:
    """Ask the endpoint for one short answer."""
    from azure.ai.inference.models import UserMessage

    question = [UserMessage("What is the capital of France?")]
    answer = _client().complete(messages=question, max_tokens=20, temperature=0)
    return Check("completion", "ok", repr(answer.choices[0].message.content))


def widgets() -> Check:
    """Check that sliders and buttons can be shown. No lesson needs them."""
    return Check("widgets", "ok", f"ipywidgets {version('ipywidgets')}")


def folder() -> Check:
    """Say whether the running notebook is a copy to work in, or an original of the kit."""
    here = Path.cwd()
    if (here / COPIES_MANIFEST).is_file():
        return Check("folder", "ok", f"you work in your copies, {here}")
    if here == ROOT / "notebooks":
        detail = "these are the originals; the command `lessons` opens copies to work in"
        return Check("folder", "ok", detail)
    return Check("folder", "ok", f"you work in {here}")


def read_lock(path: Path) -> tuple[dict[str, bool], dict[str, set[str]]]:
    """Return the kit's own dependencies, and the versions that a lock allows of every package.

    The first maps a name to whether every system needs the package.
    """
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["package"]
    locked: dict[str, set[str]] = {}
    for entry in entries:
        locked.setdefault(entry["name"], set()).add(entry.get("version", ""))
    kit = next(entry for entry in entries if entry["name"] == KIT)
    dependencies: dict[str, bool] = {}
    for entry in kit["dependencies"]:
        name, is_required = entry["name"], "sys_platform" not in entry.get("marker", "")
        dependencies[name] = dependencies.get(name, False) or is_required
    return dependencies, locked


def describe_error(error: Exception) -> str:
    """Return an error's name and the first line of its message.

    The message is left out if it contains a piece of a variable that may be a key: errors of
    networks and servers often repeat what they were sent.
    """
    kind, message = type(error).__name__, str(error).partition("\n")[0]
    for name in KIT_VARIABLES:
        if has_piece_of(_secret_part(name), message):
            return f"{kind} (its message is not shown: it contains a part of {name})"
    return f"{kind}: {message}"


def fix_for(error: Exception) -> str:
    """Return what to do about an error of a request.

    >>> fix_for(ValueError("odd"))
    'read the line that says STOP; 02-client-creation.ipynb shows the usual mistakes.'
    """
    status = getattr(error, "status_code", None)
    if status in (401, 403):
        return (
            f"check {CREDENTIAL}: the endpoint does not accept this key. "
            "Copy it again from the deployment's page."
        )
    if status in (404, 405, 424):
        return (
            f"check {ENDPOINT}: it must be the root of the endpoint, "
            "without /score or another route."
        )
    if type(error).__name__ in ("ServiceRequestError", "ServiceResponseError"):
        return (
            f"check the host name in {ENDPOINT} and the network, "
            "or remove the variable to use the simulated endpoint."
        )
    return "read the line that says STOP; 02-client-creation.ipynb shows the usual mistakes."


def _secret_part(name: str) -> str:
    """Return the part of a variable's value that must not be shown; "" if all may be."""
    value, key = os.environ.get(name, ""), os.environ.get(CREDENTIAL, "")
    if name in (CREDENTIAL, UPSTREAM_KEY):
        return value
    address = harmless_address(value, key)
    rest = value.removeprefix(address) if address else value.rpartition("://")[2]
    is_harmless = is_plain_name(rest, key) or rest.casefold().rstrip("/") in HARMLESS_PATHS
    return "" if is_harmless else rest


def _client():
    from azure.ai.inference import ChatCompletionsClient
    from azure.core.credentials import AzureKeyCredential

    return ChatCompletionsClient(
        os.environ[ENDPOINT],
        AzureKeyCredential(os.environ[CREDENTIAL]),
        retry_total=0,
        connection_timeout=10,
        read_timeout=60,
    )
