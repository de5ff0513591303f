"""Make and renew the copies of the lessons in which learners work: the folder my-lessons.

A copy is a lesson without outputs, execution counts and the tags that only tests need. Links lead
to other copies, or to files of the kit. A file that a learner has changed is never overwritten.

`copies` returns what the kit has now, `plan` decides what to do with each file, and `update` does
it. The manifest, a file in the folder, holds a fingerprint of each file as it was written. A file
with another fingerprint has been changed by its learner.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import posixpath
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote

FOLDER = "my-lessons"
MANIFEST = ".lessons.json"
LESSONS = "notebooks"
BESIDE_KIT = "kit"  # the folder for files of the kit, where the copies are not in the kit
FIRST_LESSON = "00-start-here.ipynb"
JUPYTERLAB_TAGS = ("raises-exception",)  # without it, "Run All" stops at an error that is meant
JUPYTERLAB_METADATA = ("kernelspec", "language_info")
NOT_COPIED = ("node_modules", "__pycache__", "my_chat.py")
LINK = re.compile(r"""(\]\(<?|\b(?:src|href|srcset)=["'])([^\s)>"']+)""")
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


class CopiesError(Exception):
    """Copies cannot be written, or there is no such lesson. The message says what to do."""


@dataclass(frozen=True)
class Step:
    """What to do with one file: "write" or "remove" it. `instead_of`: the changed file beside."""

    action: str
    name: str
    instead_of: str = ""


@dataclass(frozen=True)
class Plan:
    """Steps, the manifest after them, and changed files that the kit no longer has."""

    steps: list[Step]
    manifest: dict[str, str]
    orphans: list[str]


# What the kit has now


def copies(root: Path, folder: Path) -> dict[str, bytes]:
    """Return the content of all copies by their names in a folder, with / between parts.

    These are the lessons, and the files beside them that a lesson links to or names in its code. If
    the folder is not in the kit, other files that a link leads to are copied, too.
    """
    inside = folder.is_relative_to(root)
    lessons = sorted(path.name for path in (root / LESSONS).glob("*.ipynb"))
    beside = [
        path.relative_to(root).as_posix()
        for path in _files(root / LESSONS)
        if path.suffix != ".ipynb"
    ]
    sources = [f"{LESSONS}/{name}" for name in lessons]
    texts: dict[str, str] = {}
    for source in sources:  # grows while links lead to further files
        if not source.endswith((".ipynb", ".md")):
            continue
        texts[source] = (root / source).read_text(encoding="utf-8")
        targets = {_target(link, source) for link in _links(source, texts[source])}
        for target in sorted(filter(None, targets)):
            if target.startswith(f"{LESSONS}/") or not inside:
                sources += [file for file in _files_of(root, target) if file not in sources]
        if source.endswith(".ipynb"):
            code = _code(texts[source])
            sources += [
                file
                for file in beside
                if file not in sources and posixpath.relpath(file, LESSONS) in code
            ]

    places = {source: _place(source) for source in sources}

    def moved(source: str, link: str) -> str:
        target = _target(link, source)
        if not target or not (root / target).exists():
            return link
        if target in places or not inside:
            place = places.get(target, _place(target))
        else:
            place = PurePosixPath(os.path.relpath(root / target, folder)).as_posix()
        path = posixpath.relpath(place, posixpath.dirname(places[source]) or ".")
        old_path, mark, anchor = link.partition("#")
        return (
            link if path == posixpath.normpath(unquote(old_path)) else quote(path) + mark + anchor
        )

    contents = {}
    for source, place in places.items():
        if source.endswith(".ipynb"):
            notebook = open_notebook(json.loads(texts[source]), partial(moved, source))
            text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
            contents[place] = text.encode()
        elif source.endswith(".md"):
            contents[place] = _with_links(texts[source], partial(moved, source)).encode()
        else:
            contents[place] = (root / source).read_bytes()
    return contents


def open_notebook(notebook: Mapping, moved: Callable[[str], str]) -> dict:
    """Return a notebook without outputs, execution counts and what only the kit needs.

    moved: returns the link to write in place of a link.
    """
    cells = []
    for cell in notebook["cells"]:
        copy = {**cell, "metadata": {}}
        tags = [tag for tag in cell["metadata"].get("tags", []) if tag in JUPYTERLAB_TAGS]
        if tags:
            copy["metadata"] = {"tags": tags}
        if cell["cell_type"] == "code":
            copy |= {"outputs": [], "execution_count": None}
        if cell["cell_type"] == "markdown":
            copy["source"] = _with_links(_joined(cell["source"]), moved).splitlines(keepends=True)
        cells.append(copy)
    metadata = {
        name: value for name, value in notebook["metadata"].items() if name in JUPYTERLAB_METADATA
    }
    return {**notebook, "metadata": metadata, "cells": cells}


def _place(source: str) -> str:
    """Return where a file of the kit belongs in the folder of the copies.

    >>> _place("notebooks/images/week.svg"), _place("snippets/README.md")
    ('images/week.svg', 'kit/snippets/README.md')
    """
    beside = source.removeprefix(f"{LESSONS}/")
    return beside if beside != source else f"{BESIDE_KIT}/{source}"


def _target(link: str, source: str) -> str:
    """Return which file or folder of the kit a link leads to; "" if it leads elsewhere.

    >>> _target("../snippets/README.md#stream", "notebooks/05-streaming.ipynb")
    'snippets/README.md'
    >>> _target("https://pypi.org", "README.md"), _target("#top", "README.md")
    ('', '')
    """
    path = unquote(link.partition("#")[0])
    if not path or SCHEME.match(path) or path.startswith("/"):
        return ""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    return "" if target == "." or target.startswith("..") else target


def _files_of(root: Path, target: str) -> list[str]:
    """Return the file of the kit, or the files in the folder, that a link leads to."""
    path = root / target
    if path.is_file():
        return [target]
    return [file.relative_to(root).as_posix() for file in _files(path)]


def _files(folder: Path) -> Iterator[Path]:
    """Yield all files below a folder in order, without hidden and installed ones."""
    for path in sorted(folder.iterdir() if folder.is_dir() else ()):
        if path.name.startswith(".") or path.name in NOT_COPIED:
            continue
        if path.is_dir():
            yield from _files(path)
        else:
            yield path


def _links(source: str, text: str) -> list[str]:
    """Return all links in a page, or in the text cells of a notebook."""
    if source.endswith(".ipynb"):
        cells = json.loads(text)["cells"]
        text = "\n".join(
            _joined(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"
        )
    return [match[2] for match in LINK.finditer(text)]


def _with_links(text: str, moved: Callable[[str], str]) -> str:
    return LINK.sub(lambda match: match[1] + moved(match[2]), text)


def _code(text: str) -> str:
    cells = json.loads(text)["cells"]
    return "\n".join(_joined(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def _joined(source: str | list[str]) -> str:
    return source if isinstance(source, str) else "".join(source)


# What to do with each file


def fingerprint(name: str, content: bytes) -> str:
    """Return a text that differs if the content does.

    It leaves out what JupyterLab itself changes when a notebook is opened: the notebook's metadata,
    and how its JSON is laid out.
    """
    if name.endswith(".ipynb"):
        try:
            cells = json.loads(content)["cells"]
            cells = [{**cell, "source": _joined(cell["source"])} for cell in cells]
            content = json.dumps(cells, sort_keys=True).encode()
        except (ValueError, TypeError, KeyError):
            pass  # the learner's file is not a notebook (any more)
    return hashlib.sha256(content).hexdigest()


def plan(
    new: Mapping[str, str],
    manifest: Mapping[str, str],
    existing: Callable[[str], str | None],
) -> Plan:
    """Return what to do so that the folder has the kit's copies and keeps all changed files.

    Args:
        new: the fingerprints of the kit's copies by name.
        manifest: the fingerprints of the files that were written before.
        existing: returns the fingerprint of a file in the folder, or None if there is none.
    """
    steps: list[Step] = []
    after = dict(manifest)
    known = set()
    for name, wanted in new.items():
        is_placed = False
        for place in _places(name):
            now, before = existing(place), manifest.get(place)
            is_unchanged = now is not None and now == before
            known.add(place)
            if is_placed:
                if now is None and before is None:
                    break
                if is_unchanged or now is None:  # an older version that nobody needs
                    after.pop(place, None)
                    steps += [Step("remove", place)] if is_unchanged else []
                continue
            if now == wanted:
                after[place] = wanted
                is_placed = True
            elif now is None and place != name and before == wanted:
                is_placed = True  # the learner has deleted this new version
                after[place] = wanted
                break
            elif now is None or is_unchanged:
                after[place] = wanted
                steps.append(Step("write", place, "" if place == name else name))
                is_placed = True
            elif before == wanted:
                is_placed = True  # the learner's own work on this version
    orphans = []
    for name in manifest.keys() - known:
        now = existing(name)
        if now is not None and now == manifest[name]:
            steps.append(Step("remove", name))
        elif now is not None:
            orphans.append(name)
        del after[name]
    return Plan(steps, after, sorted(orphans))


def _places(name: str) -> Iterator[str]:
    """Yield names for a copy: its own, then those for a newer version beside a changed file.

    >>> places = _places("05-streaming.ipynb")
    >>> next(places), next(places), next(places)
    ('05-streaming.ipynb', '05-streaming (new).ipynb', '05-streaming (new 2).ipynb')
    """
    yield name
    yield from _numbered(name, "new")


def _numbered(name: str, word: str) -> Iterator[str]:
    path = PurePosixPath(name)
    number = 1
    while True:
        mark = word if number == 1 else f"{word} {number}"
        yield str(path.with_name(f"{path.stem} ({mark}){path.suffix}"))
        number += 1


def lesson_name(text: str, names: Mapping[str, object]) -> str:
    """Return the name of the lesson that a person means. Raises CopiesError if there is none.

    >>> lesson_name("5", {"05-streaming.ipynb": ""})
    '05-streaming.ipynb'
    """
    lessons = sorted(name for name in names if re.fullmatch(r"\d\d-[^/]*\.ipynb", name))
    number = text.strip().partition("-")[0]
    for name in lessons:
        is_number = text.strip() == number and number.isdecimal() and int(number) == int(name[:2])
        if is_number or text.strip() in (name, name.removesuffix(".ipynb")):
            return name
    raise CopiesError(
        f"There is no lesson {text!r}. Give its number, from {lessons[0][:2]} to "
        f"{lessons[-1][:2]}, such as 05."
    )


# The folder


def choose_folder(root: Path, home: Path, option: str | None = None) -> tuple[Path, str]:
    """Return the folder for the copies, which exists then, and why it is not in the kit, or "".

    option: the folder that the person asks for. Raises CopiesError if nothing can be written.
    """
    if option is not None:
        folder = Path(os.path.abspath(Path(option).expanduser()))
        if folder.is_relative_to(root):
            first = folder.relative_to(root).parts[:1]
            if not first or not first[0].startswith(FOLDER):
                raise CopiesError(
                    f"The folder {folder} belongs to the kit itself. Choose a folder outside the "
                    f"kit, or one in it whose name begins with {FOLDER}."
                )
        _prepare(folder)
        return folder, ""
    folder = root / FOLDER
    if not _belongs_to_another_account(folder):
        try:
            _prepare(folder)
            return folder, ""
        except CopiesError as error:
            if not isinstance(error.__cause__, OSError) or error.__cause__.errno not in (
                errno.EACCES,
                errno.EPERM,
                errno.EROFS,
            ):
                raise
        reason = f"You may not write into the kit ({root}), so your copies are in your home folder."
    else:
        reason = f"{folder} belongs to another account, so your copies are in your own home folder."
    _prepare(home / FOLDER)
    return home / FOLDER, reason


def _belongs_to_another_account(folder: Path) -> bool:
    """Return True if somebody else has made this folder. The superuser may use all folders."""
    if not hasattr(os, "geteuid") or os.geteuid() == 0 or not folder.exists():
        return False
    return folder.stat().st_uid != os.geteuid()


def _prepare(folder: Path) -> None:
    """Make a folder if it is missing. Raises CopiesError unless files can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        raise CopiesError(_explanation(error, folder)) from error


def update(
    root: Path, folder: Path, reset: str | None = None, day: date | None = None
) -> list[str]:
    """Bring the copies in a folder up to date. Return a line for each thing to tell the person.

    Args:
        reset: a lesson to make a fresh copy of; the old one is kept under another name.
        day: the date in that name; today by default.

    Raises CopiesError if there is no such lesson, or if a file cannot be read or written.
    """
    try:
        return _update(root, folder, reset, day or date.today())
    except OSError as error:
        raise CopiesError(_explanation(error, folder)) from error


def _update(root: Path, folder: Path, reset: str | None, day: date) -> list[str]:
    contents = copies(root, folder)
    new = {name: fingerprint(name, content) for name, content in contents.items()}
    manifest = read_manifest(folder)

    def existing(name: str) -> str | None:
        path = folder / name
        if path.is_dir():
            return ""  # nothing is written in place of a folder
        return fingerprint(name, path.read_bytes()) if path.exists() else None

    lines = []
    if reset is not None:
        name = lesson_name(reset, new)
        now = existing(name)
        if now == new[name]:
            lines.append(f"{name} is already as the kit has it. Nothing was changed.")
        elif now is None or now == manifest.get(name):
            lines.append(f"{name} is fresh.")
        else:
            kept = next(
                place
                for place in _numbered(name, f"kept {day.isoformat()}")
                if existing(place) is None
            )
            (folder / name).rename(folder / kept)
            lines.append(
                f"{name} is fresh. Your old one is {kept}. If the lesson is open in JupyterLab, "
                "choose File > Reload Notebook from Disk."
            )
    work = plan(new, manifest, existing)
    for step in work.steps:
        if step.action == "remove":
            (folder / step.name).unlink()
            continue
        write(folder / step.name, contents[step.instead_of or step.name])
        if step.instead_of:
            lines.append(
                f"You have changed {step.instead_of}. The kit's newer version is beside it: "
                f"{step.name}."
            )
    lines += [f"The kit no longer has {name}. Yours stays as it is." for name in work.orphans]
    if work.manifest != manifest:
        text = json.dumps(work.manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        write(folder / MANIFEST, text.encode())
    return lines


def read_manifest(folder: Path) -> dict[str, str]:
    """Return the fingerprints of the files that were written; none if the manifest is not readable.

    Without them, each file that differs from the kit's counts as changed.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    is_whole = isinstance(manifest, dict) and all(isinstance(v, str) for v in manifest.values())
    return manifest if is_whole else {}


def write(path: Path, content: bytes) -> None:
    """Write a whole file or nothing: after a crash, the old file is there, or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _explanation(error: OSError, folder: Path) -> str:
    """Return what went wrong with a file, and what to do."""
    path = error.filename or folder
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return (
            f"The disk is full: the copies in {folder} cannot be written. Your own files are as "
            "they were. Make room, then start again, or choose a folder on another disk with "
            "--folder."
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"You may not read or write {path}. Choose a folder of your own with --folder, or "
            "open the originals with --checked."
        )
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return (
            f"{folder} cannot be a folder: a file of that name, or of a folder above it, is in the "
            "way. Move that file, or choose another folder with --folder."
        )
    return (
        f"The copies in {folder} cannot be written: {error.strerror or error}. Choose another "
        "folder with --folder."
    )
