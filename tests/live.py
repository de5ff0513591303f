"""``pytest --live``: all lessons against the endpoint that the variables name, and a report.

Cells have to run without an error, and solutions of exercises have to be judged right. Outputs are
not compared: the words of a real model differ. The report is live-report-DATE-ENDPOINT.md in the
folder of the kit. It has no key, and of an error only its last line, unless that has a piece of a
key.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from nbval.plugin import IPyNbCell, IPyNbFile
from notebook_items import run_of, with_exercises

from helpers.connect import Connection
from helpers.preflight import describe_error
from helpers.servers import which_server
from helpers.settings import CREDENTIAL, ENDPOINT, UPSTREAM
from simulated_azure.transports.sockets import Simulator

ROOT = Path(__file__).parents[1]
REPORTS = pytest.StashKey["LiveRun"]()
ANSI = re.compile(r"\x1b\[[0-9;]*m")
NO_SLUG = re.compile(r"[^a-z0-9.]+")
LONGEST_LINE = 200  # characters
TOKENS_CELL = "tokens so far"
# In a lesson's kernel: prints how many tokens the upstream has counted, if one can be asked.
COUNT_TOKENS = """
import json, os, ssl, urllib.request
def _state():
    url = os.environ["AZURE_INFERENCE_ENDPOINT"].rstrip("/") + "/simulator/upstream"
    trusted = ssl.create_default_context(cafile=os.environ.get("REQUESTS_CA_BUNDLE"))
    key = {"api-key": os.environ["AZURE_INFERENCE_CREDENTIAL"]}
    request = urllib.request.Request(url, headers=key)
    with urllib.request.urlopen(request, context=trusted, timeout=10) as reply:
        return json.load(reply)["upstream"]["tokens"]
try:
    print(json.dumps(_state()))
except Exception:
    print("{}")
del _state
"""


@dataclass
class LessonRun:
    """What happened in one lesson. errors: (cell, last line). seconds: for all its cells."""

    cells: int = 0
    exercises: int = 0
    skipped: int = 0
    seconds: float = 0.0
    errors: list[tuple[str, str]] = field(default_factory=list)
    tokens: dict[str, int] = field(default_factory=dict)


@dataclass
class LiveRun:
    """All lessons of one run. kind, description: of the endpoint; started: when, in local time."""

    kind: str
    description: str
    started: datetime.datetime
    lessons: dict[str, LessonRun] = field(default_factory=lambda: defaultdict(LessonRun))
    seconds: float = 0.0

    @property
    def path(self) -> Path:
        """Where the report is written."""
        return ROOT / f"live-report-{self.started:%Y-%m-%d}-{self.kind}.md"


def configure(config: pytest.Config) -> None:
    """Let nbval run the notebooks, or those that are named, without comparing outputs."""
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        config.args[:] = ["notebooks"]
    config.option.nbval, config.option.nbval_lax = False, True
    os.environ["NOT_YET_RAISES"] = "1"  # so that a wrong judgement of a solution is an error
    config.stash[REPORTS] = LiveRun(*name_endpoint(), datetime.datetime.now())
    config.pluginmanager.register(Recorder(config.stash[REPORTS]), "live-recorder")


def name_endpoint() -> tuple[str, str]:
    """Return (a word for the file's name, a sentence) about the endpoint of the variables.

    Raises what connect() raises if they cannot work.
    """
    variables = dict(os.environ)
    connection = Connection(variables, ROOT / "notebooks", Simulator)
    connection.connect()
    simulator = connection.simulator
    endpoint, key = variables[ENDPOINT], variables[CREDENTIAL]
    try:
        report = which_server(simulator.http_url if simulator else endpoint, key)
    except (OSError, ValueError) as error:
        return "unknown", f"it does not answer: {describe_error(error)}"
    finally:
        if simulator:
            simulator.azure.use_upstream(None)
            simulator.stop()
    words = [report.kind]
    if report.upstream:
        words += ["upstream", report.upstream.rpartition(" at ")[0]]
    elif simulator:
        words.append("simulated")
    source = f"{report.kind}; written by {report.upstream}" if report.upstream else report.kind
    chosen = ENDPOINT if simulator is None else UPSTREAM if report.upstream else "no variable"
    return NO_SLUG.sub("-", "-".join(words).casefold()), f"{source}; named by {chosen}"


def runs_of(notebook: IPyNbFile, cells: list[IPyNbCell]) -> list[IPyNbCell]:
    """Return the tests of a lesson: its cells, and the solutions of its exercises."""
    runs = with_exercises(notebook, cells)
    kept = [run for run in runs if not re.fullmatch(r"Exercise [\d.]+", run.name)]
    return [*kept, run_of(notebook, TOKENS_CELL, COUNT_TOKENS)]


class Recorder:
    """Takes down what happens to each cell, and writes the report at the end."""

    def __init__(self, run: LiveRun):
        self.run, self._began = run, time.monotonic()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo):
        report = yield
        if not isinstance(item, IPyNbCell):
            return report
        lesson = self.run.lessons[item.path.stem]
        if call.when == "call" and item.name == TOKENS_CELL:
            lesson.tokens = read_tokens(item.test_outputs or [])
            self.save()  # so that a run which is broken off leaves what it has found
            return report
        lesson.seconds += call.duration
        if report.skipped:
            lesson.skipped += 1
        elif call.when == "call":
            lesson.cells += 1
            lesson.exercises += item.name.startswith("Exercise")
        if report.failed:
            lesson.errors.append((item.name, last_line(call.excinfo.value, os.environ)))
        return report

    def save(self) -> None:
        """Write the report as far as it goes."""
        self.run.seconds = time.monotonic() - self._began
        self.run.path.write_text(write_report(self.run), encoding="utf-8")

    def pytest_terminal_summary(self, terminalreporter) -> None:
        self.save()
        terminalreporter.write_line(f"report: {self.run.path}")


def read_tokens(outputs: Iterable[Mapping]) -> dict[str, int]:
    """Return the counts of tokens that COUNT_TOKENS has printed."""
    text = "".join(output.get("text", "") for output in outputs)
    try:
        return json.loads(text)
    except ValueError:
        return {}


def last_line(error: BaseException, environ: Mapping[str, str]) -> str:
    """Return the last line of a cell's error, unless it has a piece of a key."""
    text = getattr(error, "inner_traceback", None) or str(error)
    lines = [line.strip() for line in ANSI.sub("", text).splitlines() if line.strip()]
    line = lines[-1] if lines else type(error).__name__
    shown = describe_error(RuntimeError(line)).removeprefix("RuntimeError: ")
    return shown.replace("|", "\\|")[:LONGEST_LINE]


def write_report(run: LiveRun) -> str:
    """Return the report of a run as Markdown."""
    cells = sum(lesson.cells for lesson in run.lessons.values())
    errors = sum(len(lesson.errors) for lesson in run.lessons.values())
    lines = [
        f"# Live report, {run.started:%Y-%m-%d %H:%M}",
        "",
        f"Endpoint: {run.description}.",
        f"{cells} cells ran, {errors} with an error, in {run.seconds:.0f} s.",
        "",
        "| Lesson | Cells | of them solutions | Skipped | Errors | Seconds | Tokens in | out |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, lesson in run.lessons.items():
        tokens = [lesson.tokens.get(kind, "-") for kind in ("prompt_tokens", "completion_tokens")]
        row = [name, lesson.cells, lesson.exercises, lesson.skipped, len(lesson.errors)]
        lines.append(f"| {' | '.join(map(str, [*row, f'{lesson.seconds:.1f}', *tokens]))} |")
    for name, lesson in run.lessons.items():
        if lesson.errors:
            lines += ["", f"## {name}", ""]
            lines += [f"* {cell}: `{line.replace('`', '')}`" for cell, line in lesson.errors]
    return "\n".join([*lines, ""])
