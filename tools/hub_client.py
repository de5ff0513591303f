"""Use a JupyterHub as a learner's browser does: log in, start the server, run cells, save files.

Passwords go through the real form, and cells through the real websocket of the learner's server.
`tools.seats` and the tests use it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import uuid
from collections.abc import AsyncIterator
from urllib.parse import quote

import aiohttp
from nbformat import NotebookNode
from yarl import URL

from tools.refresh import Outputs

LONGEST_START = 300.0  # seconds until a server answers
LONGEST_CELL = 300.0  # seconds
XSRF_FIELD = re.compile(r'name="_xsrf" value="([^"]+)"')


class HubError(Exception):
    """JupyterHub, or a server of it, refuses something. The message has no password."""


class Kernel:
    """A running kernel of a learner's server."""

    def __init__(self, identity: str, socket: aiohttp.ClientWebSocketResponse) -> None:
        """identity: the kernel's id. socket: the websocket to its channels."""
        self.id = identity
        self._socket = socket
        self._session = uuid.uuid4().hex
        self._frames: asyncio.Queue[aiohttp.WSMessage] = asyncio.Queue()

    async def listen(self) -> None:
        """Take what arrives, until the connection ends. It also answers the server's pings."""
        frame = None
        while frame is None or frame.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            frame = await self._socket.receive()
            self._frames.put_nowait(frame)

    async def run(self, source: str) -> tuple[list[NotebookNode], dict]:
        """Run the source of one cell. Return (its outputs, the content of the kernel's reply).

        Raise TimeoutError after LONGEST_CELL, and HubError if the connection ends.
        """
        request = uuid.uuid4().hex
        header = {
            "msg_id": request,
            "msg_type": "execute_request",
            "session": self._session,
            "username": "",
            "version": "5.3",
        }
        content = {"code": source, "allow_stdin": False, "stop_on_error": False}
        await self._socket.send_json(
            {
                "channel": "shell",
                "header": header,
                "parent_header": {},
                "metadata": {},
                "content": content,
                "buffers": [],
            }
        )
        outputs, reply, is_idle = Outputs(), None, False
        async with asyncio.timeout(LONGEST_CELL):
            while reply is None or not is_idle:
                message = await self._receive()
                if message["parent_header"].get("msg_id") != request:
                    continue
                if message["msg_type"] == "execute_reply":
                    reply = message["content"]
                elif message["msg_type"] == "status":
                    is_idle = message["content"]["execution_state"] == "idle"
                else:
                    outputs.add(message)
        return outputs.in_order(), reply

    async def _receive(self) -> dict:
        """Return the next message. Some come as binary data, with their buffers behind them."""
        frame = await self._frames.get()
        if frame.type is aiohttp.WSMsgType.TEXT:
            return json.loads(frame.data)
        if frame.type is aiohttp.WSMsgType.BINARY:
            first = int.from_bytes(frame.data[4:8], "big")
            count = int.from_bytes(frame.data[:4], "big")
            end = int.from_bytes(frame.data[8:12], "big") if count > 1 else len(frame.data)
            return json.loads(frame.data[first:end])
        raise HubError(f"The kernel's connection ended: {frame.type.name}.")


class Learner:
    """A person's session with a JupyterHub. Use it with `async with`."""

    def __init__(self, url: str, name: str, password: str) -> None:
        """url: the hub's address without a path, such as http://127.0.0.1:8000."""
        self.name = name
        self._url = url
        self._password = password

    async def __aenter__(self) -> Learner:
        """Open the session, which keeps cookies as a browser does.

        Each request has a connection of its own. The proxy closes idle ones after five seconds, and
        unlike a browser, aiohttp does not send a POST again that meets a closing connection.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=60, sock_read=LONGEST_START)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True, limit=0),
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            timeout=timeout,
        )
        return self

    async def __aexit__(self, *error: object) -> None:
        """Close the session. The learner's server keeps running."""
        await self._session.close()

    async def log_in(self) -> None:
        """Send the login form. Raise HubError if the hub refuses the name or the password."""
        async with self._session.get(f"{self._url}/hub/login") as response:
            form = XSRF_FIELD.search(await response.text())
        data = {
            "username": self.name,
            "password": self._password,
            "_xsrf": form[1] if form else "",
        }
        login = self._session.post(f"{self._url}/hub/login", data=data, allow_redirects=False)
        async with login as response:
            if response.status != 302:
                raise HubError(f"The hub answered {response.status} to the login of {self.name}.")

    async def start_server(self) -> str:
        """Start the learner's server, wait until it answers, and return the URL that it opens.

        Raise HubError if it does not start.
        """
        async with self._session.get(f"{self._url}/hub/spawn/{self.name}") as response:
            if response.status >= 400:
                raise HubError(f"The hub answered {response.status} to {self.name}'s start.")
        await self._wait_for_server()
        async with self._session.get(f"{self._url}/user/{self.name}/") as response:
            if response.status != 200 or response.url.path.startswith("/hub/"):
                raise HubError(f"{self.name}'s server answered {response.status}.")
            return response.url.path.removeprefix(f"/user/{self.name}")

    async def _wait_for_server(self) -> None:
        """Follow the events that the hub's page about a starting server follows."""
        url = f"{self._url}/hub/api/users/{self.name}/server/progress"
        parameters = {"_xsrf": self._token("/hub/")}
        async with asyncio.timeout(LONGEST_START):
            async with self._session.get(url, params=parameters) as response:
                if response.status == 400:
                    return  # it is not starting: it runs already
                async for line in response.content:
                    name, _, text = line.decode().partition(":")
                    if name != "data":
                        continue
                    event = json.loads(text)
                    if event.get("failed"):
                        raise HubError(f"{self.name}'s server failed: {event['message']}")
                    if event.get("ready"):
                        return
        raise HubError(f"The hub said no more about {self.name}'s server.")

    async def stop_server(self) -> None:
        """Stop the learner's server, and wait until it has stopped."""
        path = f"/hub/api/users/{self.name}/server"
        async with self._session.delete(self._url + path, headers=self._headers(path)) as response:
            if response.status not in (202, 204):
                raise HubError(f"The hub answered {response.status} to {self.name}'s stop.")
        async with asyncio.timeout(LONGEST_START):
            while response.status == 202:  # 202: it is stopping
                await asyncio.sleep(0.1)
                async with self._session.get(
                    f"{self._url}/hub/api/users/{self.name}", headers=self._headers(path)
                ) as user:
                    servers = (await user.json())["servers"]
                if "" not in servers:
                    return

    async def request(
        self, method: str, path: str, owner: str | None = None, body: object = None
    ) -> tuple[int, dict]:
        """Send a request to a learner's server. Return (status, body).

        path: after /api/, such as contents/my-lessons. owner: whose server; by default the own one.
        """
        path = f"/user/{owner or self.name}/api/{quote(path)}"
        options = {"headers": self._headers(path), "json": body, "allow_redirects": False}
        async with self._session.request(method, self._url + path, **options) as response:
            is_json = response.content_type == "application/json"
            return response.status, await response.json() if is_json else {}

    async def read(self, path: str) -> dict:
        """Return the content of a file in the learner's home folder. Raise HubError."""
        status, body = await self.request("GET", f"contents/{path}")
        if status != 200:
            raise HubError(f"{self.name}'s server answered {status} to {path}.")
        return body["content"]

    async def save(self, path: str, notebook: dict) -> None:
        """Save a notebook in the learner's home folder. Raise HubError."""
        body = {"type": "notebook", "content": notebook}
        status, _ = await self.request("PUT", f"contents/{path}", body=body)
        if status not in (200, 201):
            raise HubError(f"{self.name}'s server answered {status} to {path}.")

    @contextlib.asynccontextmanager
    async def kernel(self, path: str) -> AsyncIterator[Kernel]:
        """Open a notebook of the home folder as JupyterLab does. Yield its kernel, then end it."""
        name = path.rpartition("/")[2]
        notebook = {"path": path, "name": name, "type": "notebook", "kernel": {"name": "python3"}}
        status, session = await self.request("POST", "sessions", body=notebook)
        if status != 201:
            raise HubError(f"{self.name}'s server answered {status} to a kernel for {path}.")
        channels = f"/user/{self.name}/api/kernels/{session['kernel']['id']}/channels"
        try:
            async with self._session.ws_connect(
                self._url + channels, headers=self._headers(channels), max_msg_size=0
            ) as socket:
                kernel = Kernel(session["kernel"]["id"], socket)
                listener = asyncio.create_task(kernel.listen())
                try:
                    yield kernel
                finally:
                    listener.cancel()
        finally:
            await self.request("DELETE", f"sessions/{session['id']}")

    def _headers(self, path: str) -> dict[str, str]:
        """Return what a page of the hub, or of the learner's server, sends with its requests."""
        return {"X-XSRFToken": self._token(path), "Origin": self._url}

    def _token(self, path: str) -> str:
        """Return the value of the cookie that has to come back in each request."""
        cookie = self._session.cookie_jar.filter_cookies(URL(self._url + path)).get("_xsrf")
        return cookie.value if cookie else ""
