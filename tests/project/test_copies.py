"""The copies in which learners work: what is in them, and that no change of theirs gets lost."""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import preflight
from helpers.exercises import check, hint, solution
from helpers.exercises.data import find
from tools import copies
from tools.exercises import cells_of

ROOT = Path(__file__).parents[2]
KIT = (
    "helpers",
    "notebooks",
    "snippets",
    "tools",
    "README.md",
    "TEACHING.md",
    "teaching",
    "requirements.txt",
)
DAY = date(2026, 11, 29)
LESSON = "05-streaming.ipynb"
WITHOUT_PRIVILEGES = shlex.split(
    # "nobody", who may read all files but write only where everybody may
    "setpriv --reuid=65534 --regid=65534 --clear-groups"
    " --inh-caps=+dac_read_search --ambient-caps=+dac_read_search"
)


def notebook(*sources: str) -> dict:
    """Return a saved lesson: a text cell, then cells of code with outputs."""
    lesson = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "P"}, "mine": 1}
    )
    lesson.cells = [nbformat.v4.new_markdown_cell("# Lesson", id="title")]
    for number, source in enumerate(sources):
        cell = nbformat.v4.new_code_cell(source, id=f"cell-{number}", execution_count=number + 1)
        cell.outputs = [nbformat.v4.new_output("stream", text="the answer")]
        cell.metadata.tags = ["in-depth", "needs-node", "raises-exception"]
        lesson.cells.append(cell)
    return lesson


def save(path: Path, lesson: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(lesson, path)


def change(path: Path, source: str) -> None:
    """Do what a learner does: edit the first cell of code."""
    lesson = nbformat.read(path, 4)
    lesson.cells[1].source = source
    nbformat.write(lesson, path)


def source(path: Path) -> str:
    return nbformat.read(path, 4).cells[1].source


@pytest.fixture
def kit(tmp_path) -> Path:
    """A small kit with one lesson."""
    save(tmp_path / "kit" / "notebooks" / LESSON, notebook("x = 1"))
    return tmp_path / "kit"


@pytest.fixture
def folder(kit) -> Path:
    """The copies in that kit."""
    folder = kit / copies.FOLDER
    assert copies.update(kit, folder, day=DAY) == []
    return folder


# What is in a copy


@pytest.fixture(scope="module", params=["in the kit", "elsewhere"])
def all_copies(request, tmp_path_factory) -> Path:
    """The copies of all lessons, in a kit or in another folder, in paths as people have them."""
    top = tmp_path_factory.mktemp("Für Übungen")
    if request.param == "elsewhere":
        folder = top / "Meine Übungen"
        copies.update(ROOT, folder)
        return folder
    installed = shutil.ignore_patterns("node_modules", ".venv", "__pycache__")
    for name in ("notebooks", "snippets"):
        shutil.copytree(ROOT / name, top / name, ignore=installed)
    for name in ("README.md", "TEACHING.md"):
        shutil.copy(ROOT / name, top)
    copies.update(top, top / copies.FOLDER)
    return top / copies.FOLDER


def test_a_copy_has_no_outputs_and_only_what_jupyterlab_needs(folder):
    lesson = nbformat.read(folder / LESSON, 4)
    code = lesson.cells[1]
    assert (code.outputs, code.execution_count) == ([], None)
    assert code.metadata == {"tags": ["raises-exception"]}
    assert [*lesson.metadata] == ["kernelspec"]


def test_the_exercises_of_a_copy_are_checked_there_and_their_progress_is_kept(
    folder, capsys, monkeypatch
):
    kit = folder.parent
    lesson = nbformat.v4.new_notebook(cells=cells_of(find("5.2")))
    save(kit / "notebooks" / LESSON, lesson)
    copies.update(kit, folder, day=DAY)
    task, stub, helps = nbformat.read(folder / LESSON, 4).cells
    assert not any(cell.metadata for cell in (task, stub, helps))
    monkeypatch.chdir(folder)
    monkeypatch.delenv("NOT_YET_RAISES")
    names = {"check": check, "hint": hint, "solution": solution}
    exec(stub.source, names)
    exec(stub.source.replace("...", "'mine'"), names)
    exec(helps.source.replace("# ", ""), names)
    printed = capsys.readouterr().out
    for text in ("untouched", "not yet", "Hint 1", "Solution of exercise 5.2"):
        assert text in printed
    assert "mine" not in (folder / "progress.jsonl").read_text()
    copies.update(kit, folder, day=DAY)
    assert (folder / "progress.jsonl").is_file()


def test_every_copy_is_a_valid_notebook_with_the_lessons_code_and_no_saved_answer(all_copies):
    originals = sorted((ROOT / "notebooks").glob("*.ipynb"))
    assert [path.name for path in sorted(all_copies.glob("*.ipynb"))] == [
        path.name for path in originals
    ]
    for original in originals:
        lesson = nbformat.read(all_copies / original.name, 4)
        nbformat.validate(lesson)
        cells = nbformat.read(original, 4).cells
        code = [cell.source for cell in cells if cell.cell_type == "code"]
        assert [cell.source for cell in lesson.cells if cell.cell_type == "code"] == code
        assert not any(cell.get("outputs") for cell in lesson.cells)
        assert [cell.id for cell in lesson.cells] == [cell.id for cell in cells]


def test_every_link_of_a_copy_leads_to_a_file_that_exists(all_copies):
    number = 0
    for path in [*all_copies.rglob("*.ipynb"), *all_copies.rglob("*.md")]:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".ipynb":
            cells = nbformat.read(path, 4).cells
            text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
        for link in re.findall(r"\]\(([^)\s]+)|\b(?:src|href)=\"([^\"]+)", text):
            target = unquote("".join(link).partition("#")[0])
            if target and not re.match(r"[a-z]+:", target):
                assert (path.parent / target).exists(), (path.name, link)
                number += 1
    assert number > 50


def test_links_between_lessons_stay_among_the_copies(all_copies):
    text = (all_copies / "00-start-here.ipynb").read_text(encoding="utf-8")
    assert "](02-client-creation.ipynb)" in text
    assert "notebooks/" not in "".join(copies._links("x.ipynb", text))


def test_files_that_code_reads_and_pages_that_lessons_link_to_lie_beside_the_copies(kit):
    lesson = notebook('open("deployment.yml")')
    lesson.cells[0].source = (
        "[Words](glossary.md#token) ![A week](images/week.svg) [all](../README.md)\n\n"
        '<img src="images/Größe%201.svg" alt="size"> [pip](https://pypi.org) [top](#top)'
    )
    save(kit / "notebooks" / LESSON, lesson)
    for name in ("deployment.yml", "images/week.svg", "images/Größe 1.svg", "unused.toml"):
        (kit / "notebooks" / name).parent.mkdir(exist_ok=True)
        (kit / "notebooks" / name).write_text(name)
    (kit / "notebooks" / "glossary.md").write_text(f"[05]({LESSON}) [r](../README.md)")
    (kit / "README.md").write_text("[s](snippets/a.py)")
    (kit / "snippets").mkdir()
    (kit / "snippets" / "a.py").touch()

    beside = {LESSON, "deployment.yml", "glossary.md", "images/week.svg", "images/Größe 1.svg"}
    inside = copies.copies(kit, kit / copies.FOLDER)
    assert set(inside) == beside
    assert inside["glossary.md"].decode() == f"[05]({LESSON}) [r](../README.md)"
    assert json.loads(inside[LESSON])["cells"][0]["source"] == lesson.cells[0].source.splitlines(
        keepends=True
    )
    outside = copies.copies(kit, kit.parent / "elsewhere")
    assert set(outside) == beside | {"kit/README.md", "kit/snippets/a.py"}
    assert outside["glossary.md"].decode() == f"[05]({LESSON}) [r](kit/README.md)"
    assert b"[all](kit/README.md)" in outside[LESSON]
    assert outside["kit/README.md"].decode() == "[s](snippets/a.py)"


def test_a_program_that_a_test_of_the_lessons_has_written_is_no_file_of_the_kit(kit):
    save(kit / "notebooks" / LESSON, notebook('save_program("my_chat.py")'))
    (kit / "notebooks" / "my_chat.py").write_text("print()")
    assert set(copies.copies(kit, kit / copies.FOLDER)) == {LESSON}


# What happens to files


def test_a_second_update_writes_nothing(kit, folder):
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert copies.update(kit, folder) == []
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_copy_that_was_only_opened_is_renewed(kit, folder):
    """JupyterLab saves a notebook that somebody opens: with other metadata, and laid out anew."""
    lesson = json.loads((folder / LESSON).read_bytes())
    lesson["metadata"]["language_info"] = {"name": "python", "version": "3.13"}
    (folder / LESSON).write_text(json.dumps(lesson))
    save(kit / "notebooks" / LESSON, notebook("x = 2"))
    assert copies.update(kit, folder) == []
    assert source(folder / LESSON) == "x = 2"


def test_a_copy_that_was_run_counts_as_changed(kit, folder):
    lesson = nbformat.read(folder / LESSON, 4)
    lesson.cells[1].outputs = [nbformat.v4.new_output("stream", text="mine")]
    nbformat.write(lesson, folder / LESSON)
    save(kit / "notebooks" / LESSON, notebook("x = 2"))
    copies.update(kit, folder)
    assert nbformat.read(folder / LESSON, 4).cells[1].outputs[0].text == "mine"


def test_a_newer_version_lies_beside_a_changed_file_and_is_named_once(kit, folder):
    change(folder / LESSON, "mine")
    assert copies.update(kit, folder) == []
    save(kit / "notebooks" / LESSON, notebook("x = 2"))
    new = "05-streaming (new).ipynb"
    assert copies.update(kit, folder) == [
        f"You have changed {LESSON}. The kit's newer version is beside it: {new}."
    ]
    assert (source(folder / LESSON), source(folder / new)) == ("mine", "x = 2")
    assert copies.update(kit, folder) == []
    save(kit / "notebooks" / LESSON, notebook("x = 3"))
    copies.update(kit, folder)
    assert (source(folder / LESSON), source(folder / new)) == ("mine", "x = 3")
    change(folder / new, "mine, too")
    save(kit / "notebooks" / LESSON, notebook("x = 4"))
    copies.update(kit, folder)
    names = (LESSON, new, "05-streaming (new 2).ipynb")
    assert [source(folder / name) for name in names] == ["mine", "mine, too", "x = 4"]


def test_a_newer_version_that_its_learner_deleted_does_not_come_back(kit, folder):
    change(folder / LESSON, "mine")
    save(kit / "notebooks" / LESSON, notebook("x = 2"))
    copies.update(kit, folder)
    (folder / "05-streaming (new).ipynb").unlink()
    assert copies.update(kit, folder) == []
    assert not (folder / "05-streaming (new).ipynb").exists()


def test_a_copy_that_its_learner_deleted_comes_back(kit, folder):
    (folder / LESSON).unlink()
    copies.update(kit, folder)
    assert source(folder / LESSON) == "x = 1"


@pytest.mark.parametrize("manifest", [b"", b"[]", b'{"05-streaming.ipynb": 1}', b"\xff"])
def test_without_a_readable_manifest_every_other_file_counts_as_changed(kit, folder, manifest):
    change(folder / LESSON, "mine")
    (folder / copies.MANIFEST).write_bytes(manifest)
    copies.update(kit, folder)
    assert source(folder / LESSON) == "mine"
    assert source(folder / "05-streaming (new).ipynb") == "x = 1"


def test_a_file_that_is_no_notebook_any_more_is_kept(kit, folder):
    (folder / LESSON).write_text("notes")
    save(kit / "notebooks" / LESSON, notebook("x = 2"))
    copies.update(kit, folder)
    assert (folder / LESSON).read_text() == "notes"


def test_of_lessons_that_the_kit_no_longer_has_only_changed_copies_stay(kit):
    for name in ("06-a.ipynb", "07-b.ipynb"):
        save(kit / "notebooks" / name, notebook("x = 1"))
    folder = kit / copies.FOLDER
    copies.update(kit, folder)
    change(folder / "07-b.ipynb", "mine")
    for name in ("06-a.ipynb", "07-b.ipynb"):
        (kit / "notebooks" / name).unlink()
    assert copies.update(kit, folder) == ["The kit no longer has 07-b.ipynb. Yours stays as it is."]
    assert sorted(path.name for path in folder.glob("*.ipynb")) == [LESSON, "07-b.ipynb"]
    assert copies.update(kit, folder) == []


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["edit", "delete", "release", "update", "lose manifest"]),
            st.integers(0, 3),
        )
    )
)
def test_no_text_of_a_learner_is_ever_lost(events):
    """Play what learners and new versions of the kit do to one lesson, in any order."""
    files: dict[str, str] = {}
    manifest: dict[str, str] = {}
    version, own = "version 0", {}
    for number, (event, choice) in enumerate([*events, ("update", 0)]):
        names = sorted(files)
        if event == "release":
            version = f"version {choice}"  # an older one may come back
        elif event == "lose manifest":
            manifest = {}
        elif event == "edit" and names:
            name = names[choice % len(names)]
            files[name] = own[name] = f"own {number}"
        elif event == "delete" and names:
            name = names[choice % len(names)]
            del files[name]
            own.pop(name, None)
        elif event == "update":
            work = copies.plan({LESSON: version}, manifest, files.get)
            for step in work.steps:
                assert step.name not in own
                if step.action == "write":
                    files[step.name] = version
                else:
                    del files[step.name]
            manifest = work.manifest
            again = copies.plan({LESSON: version}, manifest, files.get)
            assert (again.steps, again.manifest) == ([], manifest)
            assert LESSON in files
        assert own.items() <= files.items()


# A fresh copy


def test_a_reset_gives_a_fresh_copy_and_keeps_every_old_one(kit, folder):
    kept = ["05-streaming (kept 2026-11-29).ipynb", "05-streaming (kept 2026-11-29 2).ipynb"]
    for name, text in zip(kept, ("mine", "mine, later"), strict=True):
        change(folder / LESSON, text)
        [line] = copies.update(kit, folder, "05", DAY)
        assert line.startswith(f"{LESSON} is fresh. Your old one is {name}. ")
        assert (source(folder / LESSON), source(folder / name)) == ("x = 1", text)
    assert source(folder / kept[0]) == "mine"
    assert copies.update(kit, folder) == []


def test_a_reset_of_an_unchanged_copy_keeps_nothing(kit, folder):
    [line] = copies.update(kit, folder, LESSON, DAY)
    assert line == f"{LESSON} is already as the kit has it. Nothing was changed."
    save(kit / "notebooks" / LESSON, notebook("x = 2"))
    assert copies.update(kit, folder, "5", DAY) == [f"{LESSON} is fresh."]
    assert [path.name for path in folder.glob("*.ipynb")] == [LESSON]


def test_after_a_reset_no_newer_version_lies_beside(kit, folder):
    change(folder / LESSON, "mine")
    save(kit / "notebooks" / LESSON, notebook("x = 2"))
    copies.update(kit, folder)
    copies.update(kit, folder, "05-streaming", DAY)
    names = ["05-streaming (kept 2026-11-29).ipynb", LESSON]
    assert sorted(path.name for path in folder.glob("*.ipynb")) == names
    assert [source(folder / name) for name in names] == ["mine", "x = 2"]


@pytest.mark.parametrize("text", ["12", "", "x", "05-", "../05", "0 5", "\u00b2"])
def test_a_lesson_that_does_not_exist_is_refused_with_those_that_do(kit, folder, text):
    advice = re.escape(f"There is no lesson {text!r}. Give its number, from 05 to 05")
    with pytest.raises(copies.CopiesError, match=advice):
        copies.update(kit, folder, text)


# Trouble with folders


def fail(number: int) -> Callable[..., None]:
    def fail(*arguments: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def test_a_full_disk_is_explained_and_leaves_the_old_files_whole(kit, folder, monkeypatch):
    save(kit / "notebooks" / LESSON, notebook("x = 2"))
    before = sorted(folder.iterdir())
    monkeypatch.setattr(os, "fsync", fail(errno.ENOSPC))
    with pytest.raises(copies.CopiesError, match="The disk is full: .* Make room"):
        copies.update(kit, folder)
    assert source(folder / LESSON) == "x = 1"
    assert sorted(folder.iterdir()) == before


def test_a_crash_leaves_whole_files_and_the_next_update_completes_them(kit, folder):
    """A real process dies when it has half of a file on the disk, then between two files."""
    change(folder / LESSON, "mine")
    for name in ("06-a.ipynb", "07-b.ipynb"):
        save(kit / "notebooks" / name, notebook("y = 1"))
    code = (
        "import os, pathlib, sys; from tools import copies; kit = pathlib.Path(sys.argv[1])\n"
        "os.{0} = lambda *a, do=os.{0}: os._exit(9) if '06' in str(a) or '{0}' == 'fsync' "
        "else do(*a)\n"
        "copies.update(kit, kit / 'my-lessons')"
    )
    for function in ("fsync", "replace"):
        command = [sys.executable, "-c", code.format(function), str(kit)]
        assert subprocess.run(command, cwd=ROOT).returncode == 9
        for path in folder.glob("*.ipynb"):
            nbformat.read(path, 4)
    assert copies.update(kit, folder) == []
    texts = [source(folder / name) for name in (LESSON, "06-a.ipynb", "07-b.ipynb")]
    assert texts == ["mine", "y = 1", "y = 1"]


def test_a_file_in_the_way_is_explained(kit):
    (kit / copies.FOLDER).write_text("notes")
    with pytest.raises(copies.CopiesError, match="Move that file, or choose another folder"):
        copies.choose_folder(kit, kit)
    with pytest.raises(copies.CopiesError, match="Move that file, or choose another folder"):
        copies.choose_folder(kit, kit, str(kit / copies.FOLDER / "x"))


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EPERM])
def test_a_kit_that_may_not_be_written_has_its_copies_in_the_home_folder(
    kit, tmp_path, monkeypatch, number
):
    make = Path.mkdir

    def refuse(path: Path, *arguments: object, **options: object) -> None:
        if path.is_relative_to(kit):
            fail(number)()
        make(path, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", refuse)
    folder, reason = copies.choose_folder(kit, tmp_path / "Zuhause")
    assert folder == tmp_path / "Zuhause" / copies.FOLDER
    assert reason.startswith(f"You may not write into the kit ({kit})")
    with pytest.raises(copies.CopiesError, match="Choose a folder of your own with --folder"):
        copies.choose_folder(kit, kit)


def test_a_folder_is_taken_as_people_write_it(kit, tmp_path, monkeypatch):
    monkeypatch.chdir(kit / "notebooks")
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    places = {
        "../../Übung 1": tmp_path / "Übung 1",
        "~/x": tmp_path / "x",
        "../my-lessons-anna": kit / "my-lessons-anna",
    }
    for option, folder in places.items():
        assert copies.choose_folder(kit, tmp_path, option) == (folder, "")
        assert folder.is_dir()


@pytest.mark.parametrize("name", [".", "notebooks", "notebooks/my-lessons", "snippets/x"])
def test_the_kits_own_folders_are_refused(kit, name):
    with pytest.raises(copies.CopiesError, match="belongs to the kit itself"):
        copies.choose_folder(kit, kit.parent, str(kit / name))
    assert not (kit / "snippets").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other rights")
def test_two_accounts_with_one_kit_have_a_folder_each(kit, tmp_path, monkeypatch):
    folder = kit / copies.FOLDER
    folder.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    chosen, reason = copies.choose_folder(kit, tmp_path)
    assert chosen == tmp_path / copies.FOLDER
    assert reason.startswith(f"{folder} belongs to another account")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert copies.choose_folder(kit, tmp_path) == (folder, "")


def restricted_user(home: Path) -> list[str]:
    """Return the beginning of a command for somebody who may only write into a home folder."""
    if os.geteuid() != 0:
        return []
    try:
        subprocess.run([*WITHOUT_PRIVILEGES, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"root cannot become an ordinary user here: {error}")
    os.chown(home, 65534, 65534)
    return WITHOUT_PRIVILEGES


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other rights")
def test_an_account_that_may_only_read_the_kit_works_in_its_home_folder(tmp_path):
    """Run the real program for a real account, with --reset, which needs no JupyterLab."""
    kit, home = tmp_path / "Kit für alle", tmp_path / "Zuhause von Jörg"
    ignored = shutil.ignore_patterns("node_modules", ".venv", "__pycache__")
    for name in KIT:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, kit / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, kit / name)
    home.mkdir()
    user = restricted_user(home)
    kit.chmod(0o555)
    environment = {**os.environ, "HOME": str(home), "PYTHONPATH": str(kit)}
    done = subprocess.run(
        [*user, sys.executable, "-m", "tools.lessons", "--reset", "05"],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
    )
    kit.chmod(0o755)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"You may not write into the kit ({kit}), so your copies are in your home folder.",
        f"You work in {home / copies.FOLDER}.",
        f"{LESSON} is fresh.",
    ]
    assert (home / copies.FOLDER / LESSON).is_file()
    assert not (kit / copies.FOLDER).exists()


# The kit's other programs


def test_git_and_pytest_leave_the_copies_alone(request):
    names = [f"{folder}/{LESSON}" for folder in (copies.FOLDER, "my-lessons-anna")]
    names.append("notebooks/my_chat.py")
    done = subprocess.run(["git", "check-ignore", *names], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.splitlines() == names
    ignores = request.config.hook.pytest_ignore_collect
    for name, is_ignored in ((copies.FOLDER, True), ("my-lessons-anna", True), ("notebooks", None)):
        assert ignores(collection_path=ROOT / name, config=request.config) is is_ignored


def test_preflight_knows_the_copies_by_the_same_file():
    assert preflight.COPIES_MANIFEST == copies.MANIFEST
