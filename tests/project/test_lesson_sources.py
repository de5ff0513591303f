"""The code in lessons: what cells and boxes have to contain besides code that runs."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from lesson_sources import code_cells, read_lesson, robust_call

from helpers import streaming

# Lesson 01: no cell starts what costs money unless the reader has seen the price

DEPLOYMENT = read_lesson("01-deployment")
START = "online_deployments.begin_create_or_update"


def test_lesson_01_names_the_endpoint_in_one_cell_only():
    cells = code_cells(DEPLOYMENT)
    assert [cell.id for cell in cells if "my-phi4" in cell.source] == ["client"]


def test_each_cell_of_lesson_01_that_may_start_an_instance_accepts_its_price_first():
    starting = [cell for cell in code_cells(DEPLOYMENT) if START in cell.source]
    assert "deploy-create" in [cell.id for cell in starting] and len(starting) > 5
    for cell in starting:
        price = cell.source.find("accept_price(")
        assert 0 <= price < cell.source.index(START), cell.id


def test_each_cell_of_lesson_01_that_may_cost_more_is_marked_and_in_the_table_of_costs():
    [table] = [cell.source for cell in DEPLOYMENT.cells if cell.id == "depth"]
    rows = re.findall(r"^\| ([^|]+?) \| ([^|]+) \|", table, re.MULTILINE)
    heading, headings = "", set()
    for cell in DEPLOYMENT.cells:
        if cell.cell_type == "markdown":
            headings_here = re.findall(r"^## (?:In depth: )?(.+?)(?: \(.+\))?$", cell.source, re.M)
            heading = (headings_here or [heading])[-1]
        elif cell.source.startswith("# extra"):
            headings.add(heading)
        else:
            assert START not in cell.source or cell.id == "deploy-create", cell.id
    assert headings
    assert headings == {title for title, _ in rows} - {"Section", "---"}


# Lesson 09: the file to copy

ERRORS = read_lesson("09-errors-and-limits")
CODE = robust_call()


def definitions(source: str) -> dict[str, str]:
    """Return name -> code of the functions and constants.

    What may differ is left out: annotations, and the text of docstrings.
    """
    codes = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            node.returns = None
            for argument in ast.walk(node.args):
                if isinstance(argument, ast.arg):
                    argument.annotation = None
            assert ast.get_docstring(node), node.name
            node.body = node.body[1:]
            codes[node.name] = ast.dump(node)
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).isupper():
            codes[ast.unparse(node.targets[0])] = ast.dump(node.value)
    return codes


def test_the_file_of_lesson_09_repeats_the_functions_of_the_cells():
    cells = "\n".join(cell.source for cell in code_cells(ERRORS))
    taught = definitions(Path(streaming.__file__).read_text(encoding="utf-8")) | definitions(cells)
    copied = definitions(CODE)
    assert {name: code for name, code in copied.items() if taught.get(name) != code} == {}
    assert "helpers" not in CODE
    names = "complete whole read pause may_pass account_of reason_in PASSING"
    assert set(names.split()) <= set(copied)


def test_the_file_of_lesson_09_is_as_long_as_the_lesson_says():
    functions = [node for node in ast.parse(CODE).body if isinstance(node, ast.FunctionDef)]
    complete = functions[-1]
    assert complete.name == "complete"
    assert complete.end_lineno - complete.lineno + 1 < 20
    lines = int(re.search(r"about\s+(\d+) lines, in one file to copy", ERRORS.cells[0].source)[1])
    assert round(len(CODE.splitlines()), -1) == lines
