"""Fixtures for the tests that run snippets."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from snippet_runs import Endpoint, Run, Runner, as_usual, run

from tools.snippets_table import SNIPPETS


@pytest.fixture(scope="session")
def home(tmp_path_factory) -> Path:
    """Return an empty home folder."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def endpoint(assistant) -> Iterator[Endpoint]:
    """Yield the endpoint that all runs of this session visit."""
    endpoint = Endpoint(assistant)
    yield endpoint
    endpoint.stop()


@pytest.fixture(scope="session")
def python(home) -> Iterator[Runner]:
    """Yield what runs Python snippets in this environment."""
    runner = Runner("python", [sys.executable], home)
    yield runner
    runner.close()


@pytest.fixture
def run_snippet(python, endpoint, home) -> Callable[..., Run]:
    """Return a function that runs a Python snippet of this environment to its end.

    file: its path in the folder ``snippets``. manner: how the endpoint answers. options: arguments
    of the program. The others are variables of its environment; None removes one.
    """

    def run_snippet(
        file: str,
        manner: Callable = as_usual,
        options: Sequence[str] = (),
        **variables: str | None,
    ) -> Run:
        paths = [SNIPPETS / file]
        return run(paths, python, endpoint, manner, home, variables, options=options)

    return run_snippet
