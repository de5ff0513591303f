"""The list of mistakes in tools/mutations.toml fits the code. No mistake is planted here."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import nbformat
import pytest
from notebook_items import folded_blocks

from tools.exercises import number_of
from tools.mutate import Mistake, load_mistakes

ROOT = Path(__file__).parents[2]
MISTAKES = load_mistakes()


def names_in(path: Path) -> set[str]:
    """Return the names of the tests in a file. In a notebook: cells, exercises, folded blocks."""
    if path.suffix == ".py":
        return set(re.findall(r"^def (test_\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE))
    cells = nbformat.read(path, 4).cells
    numbers = range(sum(cell.cell_type == "code" for cell in cells))
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    exercises = {f"Exercise {number}" for cell in cells if (number := number_of(cell))}
    blocks = {name for name, _ in folded_blocks(text)}
    return {*(f"Cell {number}" for number in numbers), *exercises, *blocks}


def test_there_are_mistakes_of_every_kind():
    mistakes_in = Counter(mistake.file.partition("/")[0] for mistake in MISTAKES)
    folders = {"helpers", "simulated_azure", "snippets", "notebooks", "teaching", "tools"}
    assert {*mistakes_in} == folders
    assert min(mistakes_in.values()) >= 4
    assert len(MISTAKES) >= 60


def test_each_text_to_replace_stands_exactly_once_in_its_file():
    texts = {mistake: (ROOT / mistake.file).read_text(encoding="utf-8") for mistake in MISTAKES}
    assert [mistake.id for mistake, text in texts.items() if text.count(mistake.replace) != 1] == []


def test_each_named_test_exists():
    files = {mistake.test.partition("::")[0] for mistake in MISTAKES}
    names = {file: names_in(ROOT / file) for file in files}
    missing = []
    for mistake in MISTAKES:
        file, _, name = mistake.test.partition("::")
        if name.partition("[")[0] not in names[file]:
            missing.append(f"{mistake.id}: {mistake.test}")
    assert missing == []


@pytest.mark.parametrize("text", ["a = 2\n", "a = 1\nb = a = 1\n"], ids=["no such text", "twice"])
def test_a_mistake_whose_place_is_not_clear_is_not_planted(tmp_path, text):
    (tmp_path / "module.py").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="module.py has the text to replace [02] times, expected"):
        Mistake("off", "module.py", "a = 1", "a = 2", "test_a.py::test_a", "nothing").plant(
            tmp_path
        )
    assert (tmp_path / "module.py").read_text(encoding="utf-8") == text
