"""What nbval does not look at: whether the saved notebooks are whole, clean and in their form."""

from __future__ import annotations

import ast
import copy
import re
import statistics
from pathlib import Path

import nbformat
import pytest
from notebook_items import OPENAI_BOX, PYTHON_BLOCK

from helpers.exercises.data import all_exercises
from helpers.preflight import NEXT_LESSON
from helpers.snippets import INSTALL_HINTS, kind_of

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MAY_OPT_OUT: dict[
    tuple[str, str], str
] = {}  # (notebook, cell id) -> why its output is not compared
OTHER_CLIENTS = ROOT / "notebooks" / "11-other-clients.ipynb"
LONGEST_CELL = 20  # lines of code
LONGEST_LINE = 100  # characters, of code and of what it prints
MAY_PRINT_LONG_LINES = {  # (notebook, cell id) -> why
    ("11-other-clients.ipynb", "js-errors"): "a program in JavaScript prints them",
}
SECRETS = re.compile(
    r"simulated-(?:key|token)-|\b[0-9a-f]{32}\b|\bsk-\w{16}|\bghp_\w{16}|\beyJ[\w-]{16}|\b[\w+/]{43}=|\b[A-Za-z0-9]{84}\b"
)
MACHINE_PATH = re.compile(
    r"(?<![\w.:/])/(?:root|home|work|tmp|Users|mnt)/[\w.-]+|\b[A-Z]:\\\\Users"
)


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, 4)


def code_cells(notebook: nbformat.NotebookNode) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed_lines(cell: nbformat.NotebookNode) -> list[str]:
    """Return the lines of text below a cell, without those of errors, which packages write."""
    texts = [
        output.text if output.output_type == "stream" else output.data.get("text/plain", "")
        for output in cell.get("outputs", [])
        if output.output_type != "error"
    ]
    return [line for text in texts for line in text.splitlines()]


def problems(name: str, notebook: nbformat.NotebookNode) -> list[str]:
    """What is wrong with a saved notebook, a line each."""
    found = []
    cells = code_cells(notebook)
    if [cell.execution_count for cell in cells] != [*range(1, len(cells) + 1)]:
        found.append("not saved as one clean run: nbval would compare nothing")
    if "widgets" in notebook.metadata:
        found.append("holds widget state, which GitHub refuses to show")
    if [*notebook.metadata] != ["kernelspec", "language_info"]:
        found.append("has metadata of one person's editor")
    for cell in notebook.cells:
        tags = set(cell.metadata.get("tags", []))
        raises = cell.cell_type == "code" and any(
            output.output_type == "error" for output in cell.outputs
        )
        pictures = [
            output for output in cell.get("outputs", []) if "image/png" in output.get("data", {})
        ]
        checks = {
            "is empty": not cell.source.strip(),
            "has an image without alt text": re.search(
                r'!\[\s*\]\(|<img(?![^>]*\balt="[^"]+")', cell.source
            ),
            "has a plot without alt text": not all(
                plot.metadata.get("image/png", {}).get("alt") for plot in pictures
            ),
            "opts out of the comparison": (
                tags & {"nbval-ignore-output", "nbval-skip"} or "NBVAL_" in cell.source
            )
            and (name, cell.id) not in MAY_OPT_OUT,
            "says that it raises, but holds no error": "raises-exception" in tags and not raises,
            "holds an error, but is not meant to": raises and "raises-exception" not in tags,
            "ends in ';', which nbval does not honour": cell.cell_type == "code"
            and cell.source.rstrip().endswith(";"),
            "has output that nbval cannot follow": re.search(
                r"clear_output|display_id|with \w*out\w*:|interact\(", cell.source
            ),
            "is too long": cell.cell_type == "code"
            and len(cell.source.splitlines()) > LONGEST_CELL,
            "has a line of code that is cut off on a page": cell.cell_type == "code"
            and max(map(len, cell.source.splitlines()), default=0) > LONGEST_LINE,
            "prints a line that JupyterLab and pages break inside a word": (
                max(map(len, printed_lines(cell)), default=0) > LONGEST_LINE
                and (name, cell.id) not in MAY_PRINT_LONG_LINES
            ),
        }
        found += [f"cell {cell.id} {text}" for text, is_so in checks.items() if is_so]
    without_pictures = copy.deepcopy(notebook)  # whose data look like keys at times
    for output in [
        output
        for cell in code_cells(without_pictures)
        for output in cell.outputs
        if "data" in output
    ]:
        output.data.pop("image/png", None)
    text = nbformat.writes(without_pictures)
    for pattern, what in ((SECRETS, "a key or token"), (MACHINE_PATH, "a path of a machine")):
        if match := pattern.search(text):
            found.append(f"holds {what}: {match[0][:12]}...")
    return found


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request) -> Path:
    return request.param


def test_there_are_notebooks():
    numbers = [f"{number:02}" for number in range(len(NOTEBOOKS))]
    assert [path.stem[:2] for path in NOTEBOOKS] == numbers
    assert len(numbers) >= 12


def test_each_notebook_is_saved_whole_and_clean(path):
    assert problems(path.name, read(path)) == []


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (
            lambda n: [cell.update(execution_count=None, outputs=[]) for cell in code_cells(n)],
            "not saved as one clean run",
        ),
        (lambda n: code_cells(n)[1].metadata.update(tags=["nbval-ignore-output"]), "opts out"),
        (
            lambda n: code_cells(n)[0].metadata.update(tags=["raises-exception"]),
            "says that it raises",
        ),
        (lambda n: code_cells(n)[0].update(source="connect();"), "ends in ';'"),
        (lambda n: code_cells(n)[0].update(source="x = 1\n" * 21), "too long"),
        (
            lambda n: code_cells(n)[0].outputs.append(
                nbformat.v4.new_output("stream", text="word " * 21)
            ),
            "inside a word",
        ),
        (lambda n: n.cells[0].update(source="![](picture.png)"), "alt text"),
        (
            lambda n: code_cells(n)[0].outputs.append(
                nbformat.v4.new_output("display_data", {"image/png": "eA=="})
            ),
            "a plot without",
        ),
        (lambda n: n.cells[0].update(source=f"in {'/home'}/ada/kit"), "path of a machine"),
        (
            lambda n: code_cells(n)[0].update(source="key = 'simulated-key-0123456789abcdef01'"),
            "a key or token",
        ),
        (lambda n: n.metadata.update(widgets={}), "widget state"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_damaged_notebook_is_noticed(damage, complaint):
    notebook = copy.deepcopy(read(NOTEBOOKS[0]))
    damage(notebook)
    assert any(complaint in problem for problem in problems(NOTEBOOKS[0].name, notebook))


def test_lessons_open_and_close_alike(path):
    cells = read(path).cells
    assert re.match(r"# \d\d · \w", cells[0].source)
    for part in (
        "| Time | Level | You need | Cost on your own endpoint |",
        "**You will**",
        "**Warm-up.**",
    ):
        assert part in cells[0].source
    assert cells[1].source == "from helpers import connect\n\nconnect()"
    for part in ("## Recap", "## Questions", "<details><summary>Answers</summary>"):
        assert any(part in cell.source for cell in cells)
    for part in ("## On your own endpoint", "**Next:**"):
        assert part in cells[-1].source


def test_the_header_of_each_lesson_leads_to_the_glossary(path):
    needs = read(path).cells[0].source.splitlines()[4].split("|")[3]
    assert needs.endswith(" · [words](glossary.md) ")


@pytest.mark.parametrize("number", range(1, len(NOTEBOOKS)))
def test_a_question_of_each_lesson_is_about_an_earlier_lesson(number):
    cells = [cell.source for cell in read(NOTEBOOKS[number]).cells if "## Questions" in cell.source]
    questions = cells[0].partition("## Questions")[2].partition("<details>")[0]
    earlier = [
        int(lesson) for lesson in re.findall(r"(?m)^\d\. From \[?lesson (\d\d)\b", questions)
    ]
    assert any(lesson < number for lesson in earlier), questions


def test_lessons_ask_for_predictions_and_show_a_failure(path):
    notebook = read(path)
    assert any("**Predict" in cell.source for cell in notebook.cells)
    assert any("raises-exception" in cell.metadata.get("tags", []) for cell in notebook.cells)


def test_the_text_before_a_cell_that_fails_says_so(path):
    cells = read(path).cells
    failing = [
        n for n, cell in enumerate(cells) if "raises-exception" in cell.metadata.get("tags", [])
    ]
    silent = [n for n in failing if "fails on purpose" not in " ".join(cells[n - 1].source.split())]
    assert silent == []


def test_code_cells_are_short():
    lines = sorted(
        len(cell.source.strip().splitlines())
        for path in NOTEBOOKS
        for cell in code_cells(read(path))
    )
    assert statistics.median(lines) <= 5
    assert lines[int(len(lines) * 0.9)] <= 15


@pytest.mark.parametrize("number", range(len(NOTEBOOKS) - 1))
def test_each_lesson_leads_to_the_one_with_the_next_number(number):
    following = read(NOTEBOOKS[number]).cells[-1].source.partition("**Next:**")[2]
    assert re.search(r"\]\(([\w-]+\.ipynb)\)", following)[1] == NOTEBOOKS[number + 1].name


def test_the_lesson_that_costs_money_may_be_left_for_later():
    """README, lesson 00 and preflight say so alike."""
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    start = " ".join("\n".join(cell.source for cell in read(NOTEBOOKS[0]).cells).split())
    order = (
        "o in the order of the numbers: 00, 01, 02 and so on. If you have no Azure subscription, "
    )
    for text in (readme, start):
        assert order + "you may leave 01 for later." in text
    for name in ("01-deployment.ipynb", "02-client-creation.ipynb"):
        assert name in NEXT_LESSON


def test_links_between_lessons_lead_somewhere(path):
    text = "\n".join(cell.source for cell in read(path).cells)
    targets = re.findall(r"\]\(([^)#:]+\.ipynb)\)", text)
    assert targets
    assert [target for target in targets if not (path.parent / target).is_file()] == []


def test_every_name_that_a_lesson_imports_is_used(path):
    """Also in a comment: learners take off the # before hint() and solution()."""
    sources = [cell.source for cell in code_cells(read(path))]
    text = "\n".join(sources)
    nodes = [node for source in sources for node in ast.walk(ast.parse(source))]
    names = [
        (alias.asname or alias.name).partition(".")[0]
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    ]
    assert [name for name in names if len(re.findall(rf"\b{name}\b", text)) < 2] == []


def test_lessons_import_no_simulator(path):
    assert not re.search(
        r"helpers\.simulator|from helpers import .*simulator", nbformat.writes(read(path))
    )


def test_every_lesson_has_exercises_and_no_task_without_a_check():
    with_exercises = {f"{exercise.lesson:02}" for exercise in all_exercises()}
    assert with_exercises == {path.stem[:2] for path in NOTEBOOKS}
    texts = {path.stem: "\n".join(cell.source for cell in read(path).cells) for path in NOTEBOOKS}
    unchecked = re.compile("Your turn|<summary>Solution</summary>")
    assert [name for name, text in texts.items() if unchecked.search(text)] == []


def test_boxes_about_the_openai_package_compare_it_with_the_lesson():
    """conftest.py lets them run as well, in the order of the page."""
    texts = {
        path.stem[:2]: "\n".join(cell.source for cell in read(path).cells) for path in NOTEBOOKS
    }
    boxes = {number: OPENAI_BOX.findall(text) for number, text in texts.items()}
    assert [
        number for number in ("00", "02", "03", "04", "05", "06", "07") if not boxes[number]
    ] == []
    blocks = {
        number: PYTHON_BLOCK.findall("".join(found)) for number, found in boxes.items() if found
    }
    assert [number for number, found in blocks.items() if not found] == []
    assert [
        number for number, found in blocks.items() if not all("assert " in block for block in found)
    ] == []


def test_cells_that_need_a_tool_say_so():
    seen = set()
    for cell in code_cells(read(OTHER_CLIENTS)):
        files = re.findall(r'\b(?:tour|run)\("([^"]+)"', cell.source)
        needed = {f"needs-{kind_of(file)}" for file in files} - {"needs-python"}
        assert needed <= set(cell.metadata.get("tags", [])), cell.id
        seen |= needed
    assert seen == {f"needs-{kind}" for kind in INSTALL_HINTS}
