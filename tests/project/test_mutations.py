"""The list of faults in tools/mutations.toml fits the code. No fault is planted here."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import nbformat
import pytest
from notebook_items import folded_blocks

from tools.mutate import Fault, load_faults

ROOT = Path(__file__).parents[2]
FAULTS = load_faults()


def names_in(path: Path) -> set[str]:
    """Return the names of the tests in a file. In a notebook: its cells and folded blocks."""
    if path.suffix == ".py":
        return set(re.findall(r"^def (test_\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE))
    cells = nbformat.read(path, 4).cells
    numbers = range(sum(cell.cell_type == "code" for cell in cells))
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return {*(f"Cell {number}" for number in numbers), *(name for name, _ in folded_blocks(text))}


def test_there_are_faults_of_every_kind():
    faults_in = Counter(fault.file.partition("/")[0] for fault in FAULTS)
    assert {*faults_in} == {"helpers", "simulated_azure", "snippets", "notebooks", "tools"}
    assert min(faults_in.values()) >= 4
    assert len(FAULTS) >= 60


def test_each_text_to_replace_stands_exactly_once_in_its_file():
    texts = {fault: (ROOT / fault.file).read_text(encoding="utf-8") for fault in FAULTS}
    assert [fault.id for fault, text in texts.items() if text.count(fault.replace) != 1] == []


def test_each_named_test_exists():
    files = {fault.test.partition("::")[0] for fault in FAULTS}
    names = {file: names_in(ROOT / file) for file in files}
    missing = []
    for fault in FAULTS:
        file, _, name = fault.test.partition("::")
        if name.partition("[")[0] not in names[file]:
            missing.append(f"{fault.id}: {fault.test}")
    assert missing == []


@pytest.mark.parametrize("text", ["a = 2\n", "a = 1\nb = a = 1\n"], ids=["no such text", "twice"])
def test_a_fault_whose_place_is_not_clear_is_not_planted(tmp_path, text):
    (tmp_path / "module.py").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="module.py has the text to replace [02] times, expected"):
        Fault("off", "module.py", "a = 1", "a = 2", "test_a.py::test_a", "nothing").plant(tmp_path)
    assert (tmp_path / "module.py").read_text(encoding="utf-8") == text
