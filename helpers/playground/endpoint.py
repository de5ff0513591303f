"""Says which endpoint, server and model answer, in a line above the playground."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import ipywidgets as w

from helpers.connect import describe_endpoint
from helpers.playground.chat import NO_ENDPOINT, served_model
from helpers.playground.rendering import note, small
from helpers.servers import which_server
from helpers.settings import ENDPOINT

USUAL_MODEL = "Phi-4"


class EndpointLine(w.HTML):
    """Which endpoint, server and model answer.

    ``is_simulated``: True for the kit's own endpoint. ``accepted_model``: a name that the endpoint
    accepts under /v1.
    """

    def __init__(self, changed: Callable[[], None], lock: threading.RLock) -> None:
        """Look at nothing yet. changed: called when more is known, with or without the lock."""
        super().__init__()
        self.is_simulated = False
        self.accepted_model = USUAL_MODEL
        self._endpoint: str | None = None  # that was looked at last
        self._about_endpoint = ""
        self._about_server = ""
        self._model = ""  # that the endpoint or its last answer names
        self._when_changed = changed
        self._lock = lock
        self._threads: list[threading.Thread] = []

    def look_again(self, server: str) -> None:
        """Look which endpoint answers if connect() has chosen another one since."""
        if os.environ.get(ENDPOINT, "") != self._endpoint:
            self.look(server)

    def look(self, server: str) -> None:
        """Say which endpoint answers; ask it in a thread which server and model it has.

        server: what the simulated endpoint is to play; other endpoints ignore it.
        """
        self._endpoint = os.environ.get(ENDPOINT, "")
        try:
            problem = "" if self._endpoint else NO_ENDPOINT
            text = describe_endpoint()
        except ValueError as error:
            problem = str(error)
        if problem:
            self.value = f'<div class="pg-paper">{note(problem)}</div>'
            return
        self.is_simulated = text.startswith(("a simulated Azure", "your class's endpoint"))
        self._about_endpoint, self._about_server = f"Answers come from {text}", ""
        self._model = ""
        self._show()
        thread = threading.Thread(target=self._find_server, args=(server,), daemon=True)
        self._threads = [*(each for each in self._threads if each.is_alive()), thread]
        thread.start()

    def learn(self, model: str) -> None:
        """Take the name of the model that an answer tells, if the endpoint told none."""
        if model and not self._model:
            self.accepted_model = self._model = model
            self._show()

    def wait(self) -> None:
        """Wait until all that can be found out is known."""
        for thread in self._threads:
            thread.join()

    def _find_server(self, server: str) -> None:
        try:
            report = which_server(simulate=server if self.is_simulated else "")
            self._about_server = f"Server: {report.kind}"
            if "streams" in report.follows:
                self._about_server += f"; its streams {report.follows['streams']}"
            self._about_server += "."
            model = served_model(report)
            with self._lock:  # an answer may have told it already
                self._model = model or self._model
                self.accepted_model = next(iter(report.models), self._model) or USUAL_MODEL
        except Exception as error:  # the playground works without this
            self._about_server = f"Which server it is could not be found out: {error}"
        self._show()
        self._when_changed()

    def _show(self) -> None:
        model = f"Model: {self._model}." if self._model else ""
        self.value = small(f"{self._about_endpoint} {self._about_server} {model}".strip())
