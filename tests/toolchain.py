"""Find or install what runs a snippet: Node.js, curl, and environments with their own Pythons.

Packages are installed from their locks where they lie, in ``snippets`` and ``tests/browser``. Where
a program is absent the test is skipped, or fails if NOTHING_MAY_SKIP is set.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).parents[1]
SNIPPETS = ROOT / "snippets"
LOCK = ROOT / ".pytest_cache" / "install.lock"
LONGEST_INSTALLATION = 1200  # seconds
NOBODY = ROOT / "tests" / "nobody.pem"  # an authority that has signed nothing
CA_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
FOR_INSTALLERS = "INSTALLER_"  # prefix of the variables with what the bundles were
OWN_VARIABLES = ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "PYTHONPATH")  # of this environment


def give_up(program: str) -> NoReturn:
    """Skip the test, or fail it where nothing may skip, because a program is absent."""
    if os.environ.get("NOTHING_MAY_SKIP"):
        pytest.fail(f"{program} is not here, and NOTHING_MAY_SKIP is set")
    pytest.skip(f"{program} is not here")


@contextlib.contextmanager
def installation_lock() -> Iterator[None]:
    """Let one process at a time install, since several run tests side by side."""
    LOCK.parent.mkdir(exist_ok=True)
    with LOCK.open("a") as file:
        if os.name == "nt":
            import msvcrt

            while True:
                with contextlib.suppress(OSError):  # it gives up after ten seconds
                    msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
                    break
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield  # closing the file gives the lock back


def trust_only_simulators(environ: MutableMapping[str, str]) -> None:
    """Let clients trust no server but simulated ones, which add their authority to the bundle.

    Clients read the bundle for each connection: the usual one takes 20 ms, this one 1 ms.
    """
    for name in CA_BUNDLES:
        if environ.get(name) != str(NOBODY):  # as it is already in a process of pytest-xdist
            environ[FOR_INSTALLERS + name] = environ.get(name, "")
            environ[name] = str(NOBODY)


def variables_of_installers() -> dict[str, str]:
    """Return this process's variables without those of its environment and its trust."""
    variables = {name: value for name, value in os.environ.items() if name not in OWN_VARIABLES}
    for name in CA_BUNDLES:
        variables.pop(name, None)
        if original := variables.pop(FOR_INSTALLERS + name, ""):
            variables[name] = original
    return variables


def install(command: list[str], folder: Path) -> None:
    """Run an installer without the variables of this virtual environment. Fail if it fails."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=variables_of_installers(),
        capture_output=True,
        text=True,
        timeout=LONGEST_INSTALLATION,
    )
    if done.returncode:
        pytest.fail(f"{' '.join(command)} failed: {done.stdout}{done.stderr}")


def npm_packages(folder: Path) -> Path:
    """Return the node_modules of a folder. Install there what its package-lock.json says."""
    npm = shutil.which("npm")
    if not shutil.which("node") or not npm:
        give_up("Node.js with npm")
    lock = (folder / "package-lock.json").read_text(encoding="utf-8")
    marker = folder / "node_modules" / ".installed-from"
    with installation_lock():
        if not marker.is_file() or marker.read_text(encoding="utf-8") != lock:
            quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            install([npm, "ci", *quiet], folder)
            marker.write_text(lock, encoding="utf-8")
    return marker.parent


def node() -> list[str]:
    """Return the command that runs a file with Node.js. Install the packages of the snippets."""
    npm_packages(SNIPPETS)
    return [shutil.which("node")]


def environment(name: str) -> list[str]:
    """Return the Python of ``snippets/environments/<name>``. Install there what its lock says."""
    return environment_in(SNIPPETS / "environments" / name)


def environment_in(folder: Path) -> list[str]:
    """Return the Python of the project in a folder. Install there what its lock says."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if not uv:
        give_up("uv")
    options = ["--frozen", "--quiet", "--no-python-downloads", "--python", sys.executable]
    with installation_lock():
        install([uv, "sync", *options], folder)
    return [str(folder / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))]


def shell() -> list[str]:
    """Return the command that runs a POSIX shell script that calls curl."""
    if os.name == "nt":
        pytest.skip("a POSIX shell script; Windows has none")
    if not shutil.which("curl"):
        give_up("curl")
    return [shutil.which("sh") or "sh"]


COMMANDS: dict[str, Callable[[], list[str]]] = {
    "litellm": functools.partial(environment, "litellm"),
    "langchain": functools.partial(environment, "langchain"),
    "node": node,
    "curl": shell,
    "python": lambda: [sys.executable],
}  # kind of snippet -> what returns its command; those that take long first


@functools.cache
def command_or_reason(kind: str) -> list[str] | BaseException:
    """Return the command for a kind of snippet, or the skip or failure that says why not."""
    try:
        return COMMANDS[kind]()
    except (pytest.skip.Exception, pytest.fail.Exception) as reason:
        return reason


def command_for(kind: str) -> list[str]:
    """Return the command that runs a kind of snippet. Skip or fail the test if there is none."""
    command = command_or_reason(kind)
    if isinstance(command, BaseException):
        raise command
    return command
