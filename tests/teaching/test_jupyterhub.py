"""A real JupyterHub with its proxy, as teaching/jupyterhub configures it, for two learners.

Passwords go through the form and cells through the websocket of the learner's own server. All tests
share the hub and ada's server, because each takes seconds to start. `python -m tools.seats` does
the same with more learners at once.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import toolchain

from helpers.exercises.data import find
from tools.hub_client import Kernel, Learner
from tools.seats import accepted_logins, copy_of, open_doors, run_core, running_hub

LESSON = "00-start-here"
ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="JupyterHub does not run on Windows")


class Session:
    """A hub, ada's session with it, and her kernel; runs what is asynchronous."""

    def __init__(self, hub) -> None:
        self.hub = hub
        self.loop = asyncio.new_event_loop()
        self.ada: Learner = hub.learner("ada")
        self.first_page = ""

    def run(self, work):
        return self.loop.run_until_complete(work)

    async def open(self) -> None:
        await self.ada.__aenter__()
        await self.ada.log_in()
        self.first_page = await self.ada.start_server()
        self.opened = self.ada.kernel(copy_of(LESSON))
        self.kernel: Kernel = await self.opened.__aenter__()

    async def close(self) -> None:
        await self.ada.__aexit__()


@pytest.fixture(scope="module")
def session(tmp_path_factory) -> Iterator[Session]:
    toolchain.npm_packages(ROOT / "teaching" / "jupyterhub")
    folder = tmp_path_factory.mktemp("hub")
    with running_hub(folder, ["ada", "grace"], CLASS_MEMORY="700M") as hub:
        session = Session(hub)
        try:
            session.run(session.open())
            yield session
            session.run(session.close())
        finally:
            session.loop.close()


def printed(session: Session, source: str) -> str:
    """Return what a cell prints, or the name of its error."""
    outputs, reply = session.run(session.kernel.run(source))
    if reply["status"] != "ok":
        return reply["ename"]
    return "".join(output.text for output in outputs if output.output_type == "stream")


def test_the_server_opens_a_copy_of_lesson_00(session):
    assert session.first_page == f"/lab/tree/{copy_of(LESSON)}"
    notebook = session.run(session.ada.read(copy_of(LESSON)))
    assert [cell for cell in notebook["cells"] if cell.get("outputs")] == []


def test_a_lesson_gives_the_saved_outputs(session):
    assert session.run(run_core(session.ada, session.kernel, LESSON)) == []


def test_a_cell_that_takes_too_much_memory_fails_alone(session):
    assert printed(session, "x = bytearray(800 << 20)") == "MemoryError"
    assert printed(session, "print('still here')") == "still here\n"


def test_no_password_and_no_key_of_the_hub_is_in_a_learners_environment(session):
    source = "import os, json; print(json.dumps(dict(os.environ)))"
    variables = json.loads(printed(session, source))
    assert session.hub.password not in variables.values()
    assert {name for name in variables if name.startswith(("CLASS_", "CONFIGPROXY"))} == set()
    assert session.hub.password not in "".join(session.hub.log)


def test_a_wrong_password_and_an_unknown_name_are_refused(session):
    attempts = [("ada", "not-the-password"), ("nobody", session.hub.password), ("grace", "")]
    assert session.run(accepted_logins(session.hub, *attempts)) == []


def test_nobody_gets_into_another_learners_server(session):
    async def visit():
        async with session.hub.learner("grace") as grace:
            await grace.log_in()
            return await open_doors(grace, "ada"), await open_doors(session.ada, "ada")

    strange, own = session.run(visit())
    assert strange == []
    assert len(own) == 4  # ada herself gets in by all of them


def test_solved_exercises_are_kept_when_the_server_starts_again(session):
    exercise = find("0.1")
    solve = f"{exercise.solution}\ncheck('0.1', {exercise.handed_in})"
    printed(session, solve)

    async def start_again():
        await session.ada.stop_server()
        await session.ada.start_server()
        return await session.ada.read("my-lessons/progress.jsonl")

    assert '"0.1"' in session.run(start_again())
