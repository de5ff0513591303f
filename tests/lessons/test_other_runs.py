"""Lessons that are run in other ways than from top to bottom: twice, in part, without tools."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import nbformat
import pytest
import toolchain
from fork_server import ForkServer
from kernels import Kernel, printed
from lesson_sources import NOTEBOOKS, code_cells, read_lesson
from notebook_items import SLOW_CELLS, is_slow, state_source
from page_text import whole_lines

from tools import copies
from tools.minutes import TAG, parts_of
from tools.refresh import run_cells, sanitize

ROOT = Path(__file__).parents[2]
SNIPPETS = ROOT / "snippets"
DIVIDED = [
    path
    for path in sorted(NOTEBOOKS.glob("*.ipynb"))
    if parts_of(read_lesson(path.stem).cells).is_divided
]


def run(lesson: nbformat.NotebookNode, variables: Mapping[str, str], server: ForkServer | None):
    """Run a lesson's cells in a new kernel. Put their outputs into the lesson."""
    kernel = Kernel(variables, server)
    try:
        run_cells(lesson, kernel.execute)
    finally:
        kernel.kill()


def items_of(lesson: str, session: pytest.Session) -> list[pytest.Item]:
    """Return the tests of a lesson in this run. Skip the test if this run has no notebooks."""
    path = NOTEBOOKS / f"{lesson}.ipynb"
    tests = [item for item in session.items if item.path == path]
    if not tests:
        pytest.skip("this run has no notebooks")
    return tests


@pytest.mark.parametrize("lesson", ["04-chat-completions", "08-cost"])
def test_second_runs_and_folded_blocks_are_tests_of_their_lesson(request, lesson):
    """Read the tests of this very run; nbval calls the cells "Cell 0", "Cell 1", ..."""
    names = [test.name for test in items_of(lesson, request.session)]
    cells = code_cells(read_lesson(lesson))
    core = [f"Cell {n}" for n, cell in enumerate(cells) if TAG not in cell.metadata.get("tags", [])]
    assert [name for name in names if re.fullmatch(r"Cell \d+", name)] == [
        f"Cell {number}" for number in range(len(cells))
    ]
    assert {f"{name} again" for name in core} <= {*names}
    assert names.count("OpenAI box 0") == (lesson == "04-chat-completions")


@pytest.mark.parametrize("path", DIVIDED, ids=lambda path: path.stem)
def test_every_section_in_depth_runs_alone_after_the_core(request, path):
    """The first does so when the whole lesson runs, because the core comes before it."""
    lesson = read_lesson(path.stem)
    names = [test.name for test in items_of(path.stem, request.session)]
    numbers = {cell.id: number for number, cell in enumerate(code_cells(lesson))}
    parts = parts_of(lesson.cells)
    deep = [numbers[cell.id] for cell in parts.depth if cell.cell_type == "code"]
    assert names.index("keep the core") == names.index(f"Cell {min(deep)}") - 1
    core = [numbers[cell.id] for cell in parts.core if cell.cell_type == "code"]
    end = {f"Cell {number} without the depth" for number in core if number > min(deep)}
    assert end == {name for name in names if name.endswith(" without the depth")}
    without_run = []
    for title, section in [*parts.sections.items()][1:]:
        code = [cell for cell in section if cell.cell_type == "code"]
        start = names.index(f"back to the core for {title}") + 1
        kind = "" if is_slow(path.stem, code) else " alone"
        runs = [f"Cell {numbers[cell.id]}{kind}" for cell in code]
        if [name for name in names[start:] if name.startswith("Cell ")][: len(runs)] != runs:
            without_run.append(title)
    assert without_run == []


def test_the_cells_that_count_as_slow_exist():
    cells = {(path.stem, cell.id) for path in DIVIDED for cell in read_lesson(path.stem).cells}
    assert cells >= SLOW_CELLS


@pytest.fixture(scope="module")
def kernel(kernel_server) -> Iterator[Kernel]:
    """Yield a kernel that has run something like the core of a lesson."""
    running = Kernel(os.environ, kernel_server)
    running.execute("import os\nwords, server = ['one'], {'names': ['x']}")
    yield running
    running.kill()


def change_state(kernel: Kernel, function: str) -> None:
    """Run the code with which the tests of a lesson keep or restore what its core defines."""
    _, reply = kernel.execute(state_source(function))
    assert reply["status"] == "ok", reply


def test_a_section_finds_what_the_core_has_left_and_nothing_of_another_section(kernel):
    change_state(kernel, "keep")
    for _ in range(2):
        kernel.execute("words.append('two'); server['names'].clear(); os.environ['OTHER'] = '1'")
        kernel.execute(
            "import re\nlater = 1\ndef words_of():\n    return later\ndel server['names']"
        )
        change_state(kernel, "restore")
        outputs, _ = kernel.execute("print(words, server, 'OTHER' in os.environ)")
        assert printed(outputs) == "['one'] {'names': ['x']} False\n"
        for name in ("later", "words_of", "re"):
            assert kernel.execute(name)[1].get("ename") == "NameError"


def test_a_section_finds_the_deployments_that_the_core_has_left(kernel):
    subscription = "connect._connection.simulator.azure.control_plane.subscription"
    kernel.execute("import helpers.connect, sys; helpers.connect()")
    kernel.execute("connect = sys.modules['helpers.connect']")
    change_state(kernel, "keep")
    kernel.execute(f"{subscription}.endpoints.clear()")
    change_state(kernel, "restore")
    outputs, _ = kernel.execute(f"print([name for _, name in {subscription}.endpoints])")
    assert printed(outputs) == "['friday-demo']\n"


def test_the_second_run_of_lesson_08_is_compared_with_outputs_that_show_nothing_left(request):
    tests = items_of("08-cost", request.session)
    again = {test.cell.id: test for test in tests if test.name.endswith(" again")}
    texts = {
        name: "".join(output.get("text", "") for output in test.cell.outputs)
        for name, test in again.items()
        if name.startswith("running-")
    }
    assert texts["running-found"] == texts["running-delete"] == "nothing is running\n"
    assert texts["running-look"] == ""
    assert all(again[name].options["check"] for name in texts)


def test_the_section_of_lesson_08_on_what_is_running_needs_only_the_first_cells(kernel_server):
    lesson = read_lesson("08-cost")
    ids = [cell.id for cell in lesson.cells]
    first, last = ids.index("running-workspaces"), ids.index("running-delete")
    lesson.cells = [*lesson.cells[1 : ids.index("setup")], *lesson.cells[first : last + 1]]
    run(lesson, os.environ, kernel_server)
    texts = {cell.id: printed(cell.outputs) for cell in code_cells(lesson)}
    assert "friday-demo/blue" in texts["running-found"]
    assert "deleted friday-demo" in texts["running-delete"]


def test_copies_run_one_after_the_other_in_any_folder_and_then_say_where_one_works(
    tmp_path, kernel_server
):
    """Run lessons 00 and 04 as a learner has them, in a path with a space and an umlaut."""
    folder = tmp_path / "Meine Übungen"
    copies.update(ROOT, folder)
    kernel = Kernel(os.environ, kernel_server, folder)
    try:
        for name in ("00-start-here", "04-chat-completions"):
            lesson = nbformat.read(folder / f"{name}.ipynb", 4)
            run_cells(lesson, kernel.execute)
            original = {cell.id: cell.outputs for cell in code_cells(read_lesson(name))}
            for cell in code_cells(lesson):
                if "preflight()" not in cell.source:
                    assert sanitize(cell.outputs) == sanitize(original[cell.id])
        outputs, _ = kernel.execute("preflight()")
    finally:
        kernel.kill()
    lines = whole_lines(printed(outputs))
    assert any(line.endswith(f"you work in your copies, {folder}") for line in lines)


def test_lesson_01_reads_the_learners_file_also_where_notebooks_run_in_the_folder_of_the_project(
    tmp_path, kernel_server
):
    """VS Code can be set to do so. A change that the learner made to the file counts."""
    folder = tmp_path / copies.FOLDER
    copies.update(ROOT, folder)
    file = folder / "phi4-deployment.yml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("instance_count: 1", "instance_count: 2"), encoding="utf-8")
    lesson = nbformat.read(folder / "01-deployment.ipynb", 4)
    ids = ("connect", "imports", "client", "yaml-load")
    lesson.cells = [cell for cell in lesson.cells if cell.id in ids]
    kernel = Kernel(os.environ, kernel_server, tmp_path)
    try:
        run_cells(lesson, kernel.execute)
    finally:
        kernel.kill()
    assert "2 x Standard_NC24ads_A100_v4" in printed(lesson.cells[-1].outputs)


def test_lesson_11_runs_through_without_nodejs_curl_and_the_environments(tmp_path, kernel_server):
    """Learners who installed only the kit are told what is absent, and the next cells run."""
    lesson = read_lesson("11-other-clients")
    bare = tmp_path / "snippets"
    ignored = shutil.ignore_patterns("node_modules", ".venv")
    shutil.copytree(SNIPPETS, bare, ignore=ignored)
    first = (
        f"import helpers.snippets as s; from pathlib import Path; s.SNIPPETS = Path({str(bare)!r})"
    )
    lesson.cells.insert(0, nbformat.v4.new_code_cell(first))
    run(lesson, {**os.environ, "PATH": ""}, kernel_server)
    texts = {cell.id: printed(cell.outputs) for cell in code_cells(lesson)}
    other = re.compile(r'(?m)^(tour|run\w*)\(".*(mjs|sh|langchain|litellm)')
    without = [cell.id for cell in code_cells(lesson) if other.search(cell.source)]
    assert len(without) == 9
    assert [name for name in without if not texts[name].startswith("Not installed: ")] == []
    assert texts["openai-tour"].count("same answer") == 4


@pytest.mark.parametrize(
    ("nothing_may_skip", "outcome"), [("", pytest.skip.Exception), ("1", pytest.fail.Exception)]
)
def test_an_absent_tool_skips_a_cell_or_fails_it_if_nothing_may_skip(
    monkeypatch, nothing_may_skip, outcome
):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("NOTHING_MAY_SKIP", nothing_may_skip)
    with pytest.raises(outcome, match="Node"):
        toolchain.node()
