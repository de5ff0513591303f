"""Files beside the lessons are found in each folder in which a notebook may run."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers import files
from tools import copies

NAME = "phi4-deployment.yml"


@pytest.fixture
def kit(tmp_path, monkeypatch) -> Path:
    """A kit with the original of a file and a learner's copy. The current folder is elsewhere."""
    for folder in (copies.LESSONS, copies.FOLDER, "elsewhere"):
        (tmp_path / folder).mkdir()
    (tmp_path / copies.LESSONS / NAME).write_text("original")
    (tmp_path / copies.FOLDER / NAME).write_text("copy")
    monkeypatch.setattr(files, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path


@pytest.mark.parametrize(
    ("folder", "text"),
    [
        (copies.LESSONS, "original"),
        (copies.FOLDER, "copy"),
        (".", "copy"),  # VS Code can run notebooks in the folder of the project
        ("elsewhere", "copy"),
    ],
)
def test_the_file_beside_the_notebook_comes_first_and_the_learners_copy_next(
    kit, monkeypatch, folder, text
):
    monkeypatch.chdir(kit / folder)
    assert files.lesson_file(NAME).read_text() == text


def test_copies_outside_the_kit_are_found_from_the_folder_above(kit, tmp_path, monkeypatch):
    home = tmp_path / "home"
    (home / copies.FOLDER).mkdir(parents=True)
    (home / copies.FOLDER / NAME).write_text("copy at home")
    monkeypatch.chdir(home)
    assert files.lesson_file(NAME).read_text() == "copy at home"


def test_without_copies_the_original_is_used(kit):
    (kit / copies.FOLDER / NAME).unlink()
    assert files.lesson_file(NAME).read_text() == "original"


def test_an_absent_file_is_refused_with_the_folders_that_were_searched(kit):
    message = r"'a.yml' in these folders: .*elsewhere.*notebooks"
    with pytest.raises(FileNotFoundError, match=message):
        files.lesson_file("a.yml")
