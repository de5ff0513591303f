"""The program `lessons`, run in a process of its own, with folders of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
import threading
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import websocket

ROOT = Path(__file__).parents[1]
GUARD = 300  # seconds after which a process that hangs is killed


@dataclass
class Server:
    """A running program `lessons`, what it printed until its address, and where its files are."""

    process: subprocess.Popen
    lines: list[str]
    folder: Path
    kit: Path = ROOT

    @property
    def address(self) -> str:
        return self.lines[-1]

    @property
    def port(self) -> int:
        return urlsplit(self.address).port

    @property
    def headers(self) -> dict[str, str]:
        [token] = parse_qs(urlsplit(self.address).query)["token"]
        return {"Authorization": f"token {token}"}

    def send(self, path: str, body: dict | None = None, method: str | None = None) -> Any:
        """Return the JSON answer to a GET, or to a POST or another method if there is a body."""
        url = f"http://127.0.0.1:{self.port}{path}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, self.headers, method=method)
        with urllib.request.urlopen(request) as response:
            return json.load(response)

    def evaluate(self, **expressions: str) -> dict[str, str]:
        """Return what Python expressions print in a new kernel, which keeps running."""
        kernel = self.send("/api/kernels", {"name": "python3"})["id"]
        request = {"code": "", "silent": True, "user_expressions": expressions}
        reply = self.answers(kernel, "execute", **request)["execute_reply"]
        values = reply[0]["user_expressions"]
        assert {value["status"] for value in values.values()} == {"ok"}, values
        return {name: value["data"]["text/plain"] for name, value in values.items()}

    def printed(self, code: str) -> str:
        """Return what code prints in a new kernel, which keeps running."""
        kernel = self.send("/api/kernels", {"name": "python3"})["id"]
        answers = self.answers(kernel, "execute", code=code, silent=False)
        assert answers["execute_reply"][0]["status"] == "ok", answers["execute_reply"]
        return "".join(part["text"] for part in answers["stream"] if part["name"] == "stdout")

    def answers(self, kernel: str, *kinds: str, **content: Any) -> dict[str, list[dict]]:
        """Send requests with the same content to a kernel, and wait until the last is done.

        Return the contents of all that came back, by their kinds.
        """
        url = f"ws://127.0.0.1:{self.port}/api/kernels/{kernel}/channels"
        empty = {"parent_header": {}, "metadata": {}, "buffers": []}
        contents = defaultdict(list)
        with contextlib.closing(
            websocket.create_connection(url, timeout=GUARD, header=self.headers)
        ) as connection:
            for kind in kinds:
                name = f"{kind}_request"
                header = {"msg_id": name, "msg_type": name, "session": "1", "version": "5.3"}
                request = {"channel": "shell", "header": header, "content": content}
                connection.send(json.dumps(request | empty))
            awaited = {f"{kinds[-1]}_reply", "idle"}
            while awaited:
                message = json.loads(connection.recv())
                parent = message["parent_header"].get("msg_id", "").removesuffix("_request")
                if parent in kinds:
                    contents[message["msg_type"]].append(message["content"])
                if parent == kinds[-1]:
                    state = message["content"].get("execution_state")
                    awaited -= {message["msg_type"], state}
        return contents


@contextlib.contextmanager
def running(folder: Path, *command: str, **variables: str) -> Iterator[Server]:
    """Start the program with folders of its own, and yield it once it has printed an address."""
    browser = folder / "browser.py"
    browser.write_text("import pathlib, sys; pathlib.Path(sys.argv[1]).write_text(sys.argv[2])")
    record = [sys.executable, str(browser), str(folder / "opened.txt")]
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")},
        **{name: str(folder / name.lower()) for name in names},
        "HOME": str(folder),
        "BROWSER": f"{shlex.join(record)} %s",
        **variables,
    }
    process = subprocess.Popen(
        command,
        cwd=folder,  # any folder will do
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    guard = threading.Timer(GUARD, process.kill)
    guard.start()
    try:
        lines = []
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if line.startswith("http"):
                break
        else:
            pytest.fail(f"no address in {lines}; {process.stderr.read()}")
        yield Server(process, lines, folder)
    finally:
        guard.cancel()
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=GUARD)
