"""Run Python programs in forks of one process that has imported their packages already.

Importing azure-ai-ml takes three seconds; forking a process that has imported it takes a few
hundredths. A program in a fork is still a process of its own, with its own standard streams,
variables, folder and exit code. It differs from an ordinary one in two ways: packages read
variables at import before the program's own are set, and options of the interpreter (``-O``) are
not possible.

Only Linux forks safely whatever has been imported: see AVAILABLE. This file needs nothing but the
standard library, because the Pythons of other environments run it as well.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

AVAILABLE = sys.platform == "linux"
LARGEST_REQUEST = 200_000  # bytes


class ForkServer:
    """A Python process that has imported some modules and forks for each program."""

    def __init__(self, python: str, modules: Sequence[str], variables: Mapping[str, str]):
        """Start ``python`` with only these environment variables. It begins to import modules."""
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115  (close() closes it)
        self._control, other_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other_end:
            self._process = subprocess.Popen(
                [python, __file__, str(other_end.fileno()), *modules],
                env=dict(variables),
                pass_fds=[other_end.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._complaints,
            )

    def start(
        self,
        arguments: Sequence[str],
        folder: str | Path,
        variables: Mapping[str, str],
        stdin: IO | None = None,
        stderr: IO | None = None,
    ) -> Fork:
        """Start a program: the arguments are those of the command ``python``.

        They may begin with the name of a file, ``-c`` and code, ``-m`` and a module, or ``-`` for
        code from stdin. Standard output goes to a pipe, the other streams to nowhere by default.
        """
        request = {"arguments": [*arguments], "folder": str(folder), "variables": dict(variables)}
        stdout, stdout_end = os.pipe()
        status, status_end = os.pipe()
        with open(os.devnull, "r+b") as nowhere:
            streams = [(stdin or nowhere).fileno(), stdout_end, (stderr or nowhere).fileno()]
            try:
                socket.send_fds(
                    self._control, [json.dumps(request).encode()], [*streams, status_end]
                )
            except OSError:  # it has ended; wait() of the fork says why
                pass
            finally:
                os.close(stdout_end)
                os.close(status_end)
        return Fork(os.fdopen(stdout, "rb"), os.fdopen(status), self)

    def complaints(self) -> str:
        """Return what the server itself has written to stderr."""
        self._complaints.seek(0)
        return self._complaints.read().decode(errors="replace")

    def close(self) -> None:
        """End the server. Programs that still run go on as long as their Fork is not closed."""
        self._control.close()
        self._process.wait()
        self._complaints.close()


class Fork:
    """A program that runs in a fork, with the methods of subprocess.Popen that the tests use."""

    def __init__(self, stdout: IO[bytes], status: IO[str], server: ForkServer):
        self.stdout = stdout
        self._status = status
        self._code: int | None = None
        try:
            self.pid = int(status.readline())
        except ValueError:
            raise RuntimeError(f"the fork server has ended: {server.complaints()}") from None

    def __enter__(self) -> Fork:
        return self

    def __exit__(self, *error: object) -> None:
        self.stdout.close()
        self.wait()

    def wait(self) -> int:
        """Wait for the end. Return the exit code, or minus the number of the signal."""
        if self._code is None:
            self._code = int(self._status.readline())
            self._status.close()
        return self._code

    def kill(self) -> None:
        """End the program at once, if it still runs."""
        if self._code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


# The server's side


def serve(control: socket.socket) -> list[str]:
    """Fork for each request. Return a program's arguments in its process, never in the server's."""
    while True:
        message, files, _, _ = socket.recv_fds(control, LARGEST_REQUEST, 4)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:  # processes that have ended
                pass
        if not message:
            os._exit(0)
        if os.fork() == 0:
            break
        for file in files:
            os.close(file)
    control.close()
    *streams, status = files
    if program := os.fork():
        for file in streams:
            os.close(file)
        report_end(program, status)
        os._exit(0)
    os.close(status)
    for number, file in enumerate(streams):
        os.dup2(file, number)
        os.close(file)
    request = json.loads(message)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(request["variables"])
    os.chdir(request["folder"])
    return request["arguments"]


def report_end(program: int, status: int) -> None:
    """Write a program's process id and, later, its exit code. End it if nobody can read them."""
    os.write(status, f"{program}\n".encode())
    events = select.poll()
    events.register(os.pidfd_open(program), select.POLLIN)
    events.register(status, 0)  # errors are reported all the same
    if any(file == status for file, _ in events.poll()):
        os.kill(program, signal.SIGKILL)
    _, end = os.waitpid(program, 0)
    with contextlib.suppress(BrokenPipeError):
        os.write(status, f"{os.waitstatus_to_exitcode(end)}\n".encode())


def run_program(arguments: Sequence[str]) -> None:
    """Do what ``python`` does with these arguments."""
    first, *rest = arguments
    if first == "-m":
        sys.path[0] = os.getcwd()
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        return
    module = types.ModuleType("__main__")
    if first == "-c":
        source, name, *sys.argv[1:] = rest[0], "<string>", *rest[1:]
    elif first == "-":
        source, name, *sys.argv[1:] = sys.stdin.read(), "<stdin>", *rest
    else:
        source, name, *sys.argv[1:] = Path(first).read_bytes(), first, *rest
        module.__file__ = first
    sys.argv[0] = first
    sys.path[0] = str(Path(first).parent) if first == name else ""
    sys.modules["__main__"] = module
    exec(compile(source, name, "exec", dont_inherit=True), module.__dict__)


def main() -> None:
    """Import modules, then serve until the other end of the control socket is closed."""
    control = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the tests to handle
    sys.path[0] = ""  # not this folder: a program must not find the tests' own modules
    for name in sys.argv[2:]:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # the forks' collections leave alone, and so unshared, what they share
    run_program(serve(control))


if __name__ == "__main__":
    main()
