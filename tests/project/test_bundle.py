"""lessons --bundle: a folder from which a laptop without a network installs the kit.

These tests bundle a kit of two small packages, because all wheels of the real one take minutes;
``python -m tools.try_bundle`` does the same with the whole kit.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tools import bundle, lessons

ROOT = Path(__file__).parents[2]
PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "small-kit"
version = "1"

[project.scripts]
lessons = "tools.start:main"

[tool.hatch.build.targets.wheel]
packages = ["tools"]
"""
START = """
def main():
    import idna, tools
    print("the lessons open with", idna.__name__, "out of", tools.__file__)
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A small kit, with files that belong to one person only."""
    root = tmp_path_factory.mktemp("kit")
    for name in bundle.PARTS:
        if "." in name or name == "LICENSE":
            (root / name).write_text("")
        else:
            (root / name).mkdir()
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "requirements.txt").write_text("idna==3.10\nuvloop==99 ; sys_platform == 'never'\n")
    (root / "tools" / "__init__.py").write_text("")
    (root / "tools" / "start.py").write_text(START)
    (root / ".env").write_text("AZURE_INFERENCE_CREDENTIAL=personal")
    (root / "notebooks" / ".env").write_text("AZURE_INFERENCE_CREDENTIAL=personal")
    (root / "my-lessons").mkdir()
    (root / "my-lessons" / "progress.jsonl").write_text("personal")
    return root


@pytest.fixture(scope="module")
def made(root, tmp_path_factory) -> Path:
    """A complete bundle of the small kit. Do not change it: copy it."""
    folder = tmp_path_factory.mktemp("stick") / "phi4"
    bundle.make_bundle(root, folder)
    return folder


class Refusal(BaseHTTPRequestHandler):
    """A proxy that lets nobody through, and remembers who asked."""

    asked: list[str] = []

    def do_CONNECT(self) -> None:
        self.asked.append(self.path)
        self.send_error(403)

    do_GET = do_CONNECT

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def proxy() -> Iterator[str]:
    """The address of a proxy, which is the only way out, and a dead end."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusal) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def install(proxy) -> Callable[..., subprocess.CompletedProcess]:
    """A function that runs a bundle's installer without a network."""
    return functools.partial(_install, proxy)


def _install(
    nowhere: str, folder: Path, home: Path, *arguments: str
) -> subprocess.CompletedProcess:
    """Run a bundle's installer with an empty home folder, and a proxy that leads nowhere."""
    home.mkdir(exist_ok=True)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PIP_", "PYTHON", "VIRTUAL_ENV", "UV_"))
    } | {
        "HOME": str(home),
        "USERPROFILE": str(home),
        "HTTP_PROXY": nowhere,
        "HTTPS_PROXY": nowhere,
        "PIP_INDEX_URL": nowhere,
        "PIP_TARGET": str(home / "elsewhere"),
    }
    return subprocess.run(
        [sys.executable, str(folder / bundle.INSTALLER), *arguments],
        env=environment,
        capture_output=True,
        text=True,
    )


def test_a_laptop_without_a_network_installs_the_kit_and_opens_it(made, install, tmp_path):
    home = tmp_path / "home with spaces"
    begun = home / f"{bundle.KIT}.part"  # of a copy that was interrupted
    begun.mkdir(parents=True)
    done = install(made, home)
    assert done.returncode == 0, done.stderr
    kit = home / bundle.KIT
    opened = f"the lessons open with idna out of {kit / 'tools' / '__init__.py'}"
    assert opened in done.stdout
    again = install(made, home)
    assert opened in again.stdout and "Installing" not in again.stdout
    assert not begun.exists() and not (home / "elsewhere").exists()
    assert Refusal.asked == []

    # If a later installation fails, a person's files stay.
    (kit / ".venv" / "installed.txt").unlink()
    (kit / "my-lessons").mkdir()
    (kit / "my-lessons" / "00.ipynb").write_text("changed")
    without_a_wheel = tmp_path / "stick"
    shutil.copytree(made, without_a_wheel, ignore=shutil.ignore_patterns("idna*"))
    failed = install(without_a_wheel, home)
    assert failed.returncode == 1
    assert f"If a file is missing, copy the folder {without_a_wheel} again." in failed.stderr
    assert (kit / "my-lessons" / "00.ipynb").read_text() == "changed"


def test_a_bundle_has_nothing_that_belongs_to_one_person(made):
    texts = [path for path in made.rglob("*") if path.is_file() and path.suffix != ".whl"]
    assert len(texts) > 10
    assert [path for path in texts if "personal" in path.read_text(encoding="utf-8")] == []


def test_parts_of_a_bundle_are_all_that_the_kit_needs():
    assert [name for name in bundle.PARTS if not (ROOT / name).exists()] == []
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    tops = {line.split("/")[0] for line in tracked.splitlines() if not line.startswith(".")}
    assert tops - {*bundle.PARTS} == {"conftest.py", "tests"}


def test_an_installer_without_packages_for_this_python_says_which_it_has(made, install, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(made, other)
    contents = {"platforms": [*bundle.PLATFORMS], "pythons": ["3.2"]}
    (other / bundle.CONTENTS).write_text(json.dumps(contents))
    done = install(other, tmp_path / "home")
    assert done.returncode == 1
    assert f"This is Python {bundle.this_python()}, and this folder has packages for" in done.stderr
    assert "py -3.2 install.py" in done.stderr
    assert [*(tmp_path / "home").iterdir()] == []


def test_an_installer_for_another_system_says_so(made, install, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(made, other)
    contents = {"platforms": ["amiga"], "pythons": [bundle.this_python()]}
    (other / bundle.CONTENTS).write_text(json.dumps(contents))
    done = install(other, tmp_path / "home")
    assert done.returncode == 1
    assert "this folder has packages for amiga" in done.stderr


@pytest.mark.parametrize("arguments", [["--force"], ["a", "b"]])
def test_an_installer_explains_itself_when_it_is_not_understood(made, install, tmp_path, arguments):
    done = install(made, tmp_path / "home", *arguments)
    assert done.returncode == 1
    assert "into another folder" in done.stdout
    assert f"Not understood: {' '.join(arguments)}" in done.stderr


def test_an_installer_leaves_a_folder_with_other_files_alone(made, install, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    done = install(made, tmp_path / "home", str(tmp_path / "mine"))
    assert "holds something else" in done.stderr
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_a_bundle_is_not_made_among_other_files(root, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(bundle.BundleError, match="holds something else"):
        bundle.make_bundle(root, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_bundle_without_a_package_has_no_installer_and_says_why(root, tmp_path):
    broken = tmp_path / "kit"
    shutil.copytree(root, broken)
    (broken / "requirements.txt").write_text("idna==3.10\nno-such-package-of-phi4==1\n")
    folder = tmp_path / "stick"
    with pytest.raises(bundle.BundleError, match="no-such-package-of-phi4==1.*needs a network"):
        bundle.make_bundle(broken, folder)
    assert not (folder / bundle.INSTALLER).exists()


def test_only_markers_of_the_laptop_count():
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    windows, linux = (
        sum(bundle.needed_on(text, name, "3.12"), []) for name in ("windows", "linux")
    )
    assert any(line.startswith("pywinpty==") for line in windows)
    assert not any(line.startswith("uvloop==") for line in windows)
    assert any(line.startswith("uvloop==") for line in linux)
    assert not any(line.startswith("pywinpty==") for line in linux)


def test_for_and_python_need_a_bundle(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["lessons", "--for", "windows"])
    with pytest.raises(SystemExit):
        lessons.main()
    assert "add --bundle FOLDER" in capsys.readouterr().err
