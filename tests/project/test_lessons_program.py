"""The program `lessons`, run in processes of its own, and its advice if it cannot start."""

from __future__ import annotations

import ast
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import websocket
from lessons_program import GUARD, Server, running

from tools import copies, lessons, voila_page

ROOT = Path(__file__).parents[2]
KIT = ("helpers", "notebooks", "simulated_azure", "snippets", "tools", "README.md")
ORDINARY_USER = shlex.split(
    # "nobody", who may read a folder of root's, where a fresh environment often lies
    "setpriv --reuid=65534 --regid=65534 --clear-groups"
    " --inh-caps=+dac_override --ambient-caps=+dac_override"
)


def program() -> str:
    """Return the path of the command that the package installs beside this Python."""
    return shutil.which("lessons", path=Path(sys.executable).parent)


@pytest.fixture(scope="module")
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture(scope="module")
def server(tmp_path_factory, taken_port) -> Iterator[Server]:
    """The program of a kit in a path with spaces and an umlaut, where the usual port is in use.

    It is behind a proxy that does not exist.
    """
    kit = tmp_path_factory.mktemp("Kit für alle") / "phi 4"
    ignored = shutil.ignore_patterns("node_modules", ".venv", "__pycache__", copies.FOLDER)
    kit.mkdir()
    for name in KIT:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, kit / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, kit / name)
    (kit / "requirements.txt").touch()
    variables = {
        "JUPYTER_PORT": str(taken_port),
        "HTTP_PROXY": "http://proxy.invalid:3128",
        "PYTHONPATH": str(kit),
    }
    command = [sys.executable, "-m", "tools.lessons"]
    with running(tmp_path_factory.mktemp("lessons"), *command, **variables) as server:
        server.kit = kit
        yield server


def page_config(server: Server) -> dict:
    """Return the settings that JupyterLab's page holds for its scripts."""
    with urllib.request.urlopen(server.address) as response:
        page = response.read().decode()
    start = page.split('id="jupyter-config-data" type="application/json">')[1]
    return json.loads(start.split("</script>")[0])


def test_the_last_line_is_an_address_that_opens_the_copy_of_lesson_00(server):
    assert page_config(server)["treePath"] == "my-lessons/00-start-here.ipynb"


def test_the_program_says_where_the_copies_are(server):
    assert server.lines[0] == f"You work in {server.kit / 'my-lessons'}."


def test_a_copy_is_unchanged_after_jupyterlab_has_only_opened_and_saved_it(server):
    """Send what the page sends: all that the server gave it, and what the kernel told of itself."""
    name, path = "05-streaming.ipynb", "/api/contents/my-lessons/05-streaming.ipynb"
    lesson = server.send(path)["content"]
    lesson["metadata"]["language_info"] = {"name": "python", "version": "3.13", "mimetype": "x"}
    before = (server.kit / "my-lessons" / name).read_bytes()
    server.send(path, {"type": "notebook", "format": "json", "content": lesson}, method="PUT")
    after = (server.kit / "my-lessons" / name).read_bytes()
    assert before != after
    assert copies.fingerprint(name, before) == copies.fingerprint(name, after)


def test_a_browser_is_opened_at_lesson_00(server):
    record = server.folder / "opened.txt"
    for _ in range(10 * GUARD):  # the browser is a process of its own
        if record.is_file() and record.read_text().endswith(".html"):
            break
        time.sleep(0.1)
    with urllib.request.urlopen(record.read_text()) as page:
        assert b"/lab/tree/my-lessons/00-start-here.ipynb" in page.read()


def test_the_kit_is_the_root_of_jupyterlab(server):
    names = {entry["name"] for entry in server.send("/api/contents")["content"]}
    assert {"README.md", "notebooks", "helpers", "snippets"} <= names


def test_nobody_gets_in_without_the_token(server):
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"http://127.0.0.1:{server.port}/api/contents")


def test_another_port_is_taken_where_the_usual_one_is_in_use(server, taken_port):
    assert server.port != taken_port


def test_jupyterlab_asks_nobody_about_news_updates_or_extensions(server):
    notification = "/lab/api/settings/@jupyterlab/apputils-extension:notification"
    properties = server.send(notification)["schema"]["properties"]
    assert properties["fetchNews"]["default"] == "false"  # "none" shows a question
    assert properties["checkForUpdates"]["default"] is False
    assert server.send("/lab/api/news") == {"news": []}
    assert server.send("/lab/api/update") == {"notification": None}
    assert page_config(server)["extensionManager"]["name"] == "read-only"


def test_voila_adds_nothing_to_jupyterlab(server):
    """It is there for the playground alone, and would add a button to each notebook."""
    [extension] = (Path(sys.prefix) / "share/jupyter/labextensions/@voila-dashboards").iterdir()
    disabled = page_config(server)["disabledExtensions"]
    assert f"@voila-dashboards/{extension.name}" in disabled
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(server.address.replace("/lab/tree/", "/voila/render/"))


def test_kernels_have_the_helpers_and_reach_this_computer_without_a_proxy(server):
    values = server.evaluate(
        helpers="__import__('helpers').__file__", no_proxy="__import__('os').environ['NO_PROXY']"
    )
    assert Path(ast.literal_eval(values["helpers"])) == server.kit / "helpers" / "__init__.py"
    assert "127.0.0.1" in values["no_proxy"]


def test_root_is_told_what_that_means(server):
    assert any("You are root" in line for line in server.lines) == lessons.is_root()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process alone")
def test_one_interrupt_ends_jupyterlab_and_its_kernels(tmp_path):
    user = ordinary_user() if lessons.is_root() else []
    command = [program(), "--no-browser", "--port", "0", "--folder", "Meine Übungen"]
    with running(tmp_path, *user, *command) as server:
        values = server.evaluate(pid="__import__('os').getpid()")
        server.process.send_signal(signal.SIGINT)
        rest, errors = server.process.communicate(timeout=GUARD)
    assert server.process.returncode == 0
    with pytest.raises(ProcessLookupError):
        os.kill(int(values["pid"]), 0)
    assert rest == "Ending JupyterLab ...\n"
    assert "App]" not in errors  # neither server nor kernels chatter
    assert not any("You are root" in line for line in server.lines)
    assert server.lines[0] == f"You work in {tmp_path / 'Meine Übungen'}."
    assert urlsplit(server.address).path == "/lab/tree/00-start-here.ipynb"
    assert not (tmp_path / "opened.txt").exists()


def ordinary_user() -> list[str]:
    """Return the beginning of a command that runs as an ordinary user. Skip if that fails."""
    try:
        subprocess.run([*ORDINARY_USER, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"root cannot become an ordinary user here: {error}")
    return ORDINARY_USER


def test_a_taken_port_that_was_asked_for_is_explained(monkeypatch, taken_port):
    monkeypatch.setattr(sys, "argv", ["lessons", "--no-browser", "--port", str(taken_port)])
    with pytest.raises(SystemExit, match=f"Port {taken_port} is in use") as end:
        lessons.main()
    assert "leave out --port" in end.value.code


@pytest.mark.parametrize("text", ["", "x", "-1", "65536", "80a", "\u0661"])
def test_what_is_not_a_port_is_refused(capsys, text):
    with pytest.raises(SystemExit):
        lessons.arguments().parse_args([f"--port={text}"])
    assert f"got {text!r}, expected a port from 0 to 65535" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (
            PermissionError(13, "Permission denied", "/read-only"),
            "may not write /read-only. Set .* HOME",
        ),
        (ValueError("no certfile"), "refuses a setting: no certfile. .* JUPYTER_CONFIG_DIR"),
    ],
)
def test_what_stops_jupyterlab_is_explained(monkeypatch, error, advice):
    def stop(options: list[str]) -> None:
        raise error

    monkeypatch.setattr("jupyterlab.labapp.LabApp.initialize_server", stop)
    with pytest.raises(SystemExit, match=advice):
        lessons.run_jupyterlab("127.0.0.1", 0, False, ROOT / "notebooks")


@pytest.fixture
def folders(monkeypatch, tmp_path) -> list[Path]:
    """Run main() in a kit with one empty lesson. Each start of JupyterLab adds its folder here."""
    (tmp_path / "notebooks").mkdir()
    lesson = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "notebooks" / "00-start-here.ipynb").write_text(json.dumps(lesson))
    (tmp_path / "requirements.txt").touch()
    opened: list[Path] = []
    monkeypatch.setattr(lessons, "ROOT", tmp_path)
    monkeypatch.setattr(lessons, "run_jupyterlab", lambda *arguments: opened.append(arguments[-1]))
    monkeypatch.setattr(lessons, "bypass_proxy", lambda environment: None)
    return opened


def run_main(monkeypatch, *options: str) -> None:
    monkeypatch.setattr(sys, "argv", ["lessons", *options])
    lessons.main()


def test_the_originals_are_opened_where_they_are_wanted(monkeypatch, folders):
    run_main(monkeypatch, "--checked")
    assert folders == [lessons.ROOT / "notebooks"]
    assert not (lessons.ROOT / copies.FOLDER).exists()


def test_a_folder_for_copies_is_refused_where_the_originals_are_wanted(
    monkeypatch, folders, capsys, tmp_path
):
    with pytest.raises(SystemExit) as stop:
        run_main(monkeypatch, "--checked", "--folder", str(tmp_path / "mine"))
    message = capsys.readouterr().err
    assert stop.value.code == 2
    assert "--checked and --folder exclude each other" in message
    assert str(tmp_path / "mine") in message
    assert folders == []
    assert not (tmp_path / "mine").exists()


def test_the_playground_alone_makes_no_copies(monkeypatch, folders, capsys, tmp_path):
    with pytest.raises(SystemExit):
        run_main(monkeypatch, "--playground", "--folder", str(tmp_path / "mine"))
    assert "--playground and --folder exclude each other" in capsys.readouterr().err
    monkeypatch.setattr(lessons, "run_playground", lambda *options: print("served"))
    run_main(monkeypatch, "--playground")
    assert "served" in capsys.readouterr().out
    assert folders == []
    assert not (lessons.ROOT / copies.FOLDER).exists()


def test_the_playground_alone_without_voila_is_told_what_to_install(monkeypatch, folders):
    monkeypatch.setattr(lessons.importlib.util, "find_spec", lambda name: name != "voila" or None)
    with pytest.raises(SystemExit, match="uv run --extra playground lessons --playground"):
        run_main(monkeypatch, "--playground")


def test_settings_that_cannot_work_stop_the_playground_before_it_starts(monkeypatch):
    monkeypatch.setenv("AZURE_INFERENCE_ENDPOINT", "https://a.eastus.inference.ml.azure.com")
    monkeypatch.delenv("AZURE_INFERENCE_CREDENTIAL", raising=False)
    monkeypatch.setattr(voila_page, "run_page", lambda *options: None)
    with pytest.raises(SystemExit, match="AZURE_INFERENCE_CREDENTIAL is not"):
        lessons.run_playground("127.0.0.1", 0, False)


def test_a_reset_starts_no_jupyterlab(monkeypatch, folders, capsys):
    run_main(monkeypatch, "--reset", "0")
    assert folders == []
    assert "00-start-here.ipynb is fresh." in capsys.readouterr().out


def test_copies_that_cannot_be_written_are_explained_before_jupyterlab_starts(monkeypatch, folders):
    (lessons.ROOT / copies.FOLDER).touch()
    with pytest.raises(SystemExit, match="Move that file, or choose another folder"):
        run_main(monkeypatch)
    (lessons.ROOT / copies.FOLDER).unlink()
    with pytest.raises(SystemExit, match="There is no lesson '99'"):
        run_main(monkeypatch, "--reset", "99")
    assert folders == []


def test_an_address_of_another_computer_is_explained():
    with pytest.raises(SystemExit, match="This computer has no address '192.0.2.1'"):
        lessons.check_address("192.0.2.1", 0)


def test_a_python_without_jupyterlab_is_told_what_to_do():
    command = [sys.executable, "-S", "-m", "tools.lessons"]  # -S: without installed packages
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "has no JupyterLab" in done.stderr
    assert "python -m uv run lessons" in done.stderr


def test_an_old_python_is_told_what_to_do(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 0))
    with pytest.raises(SystemExit, match="need 3.11 or newer"):
        lessons.check_installation()


def test_the_oldest_python_is_that_of_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == f">={'.'.join(map(str, lessons.MINIMUM_PYTHON))}"


def test_a_program_without_its_lessons_is_told_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(lessons, "ROOT", tmp_path)
    with pytest.raises(SystemExit, match="There is no notebooks/00-start-here.ipynb"):
        lessons.check_installation()


def test_versions_other_than_the_tested_ones_are_named_with_the_fix(monkeypatch, tmp_path, capsys):
    (tmp_path / "requirements.txt").write_text(
        f"pytest=={pytest.__version__}\n"
        "websocket-client==0.1\n"
        "no-such-package==1.0\n"
        "not-for-this-python==1.0 ; python_full_version < '3'\n"
    )
    monkeypatch.setattr(lessons, "ROOT", tmp_path)
    lessons.warn_of_untested_versions()
    note = capsys.readouterr().err
    assert f"websocket-client {websocket.__version__} (tested: 0.1)" in note
    assert "no-such-package is missing (tested: 1.0)" in note
    assert "git checkout -- uv.lock" in note
    assert "pytest" not in note and "not-for-this-python" not in note


def test_tested_versions_need_no_words(monkeypatch, tmp_path, capsys):
    (tmp_path / "requirements.txt").write_text(f"pytest=={pytest.__version__}\n")
    monkeypatch.setattr(lessons, "ROOT", tmp_path)
    lessons.warn_of_untested_versions()
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"HTTP_PROXY": "p"}, "localhost,127.0.0.1,::1"),
        ({"https_proxy": "p", "NO_PROXY": "a.example"}, "a.example,localhost,127.0.0.1,::1"),
        (
            {"ALL_PROXY": "p", "no_proxy": "127.0.0.1, b.example"},
            "127.0.0.1,b.example,localhost,::1",
        ),
        ({"HTTP_PROXY": "p", "NO_PROXY": "*"}, None),
        ({"NO_PROXY": "a.example"}, None),
        ({"HTTP_PROXY": ""}, None),
    ],
)
def test_only_where_there_is_a_proxy_this_computer_is_excluded_from_it(before, after):
    environment = dict(before)
    lessons.bypass_proxy(environment)
    assert environment == (before | ({"NO_PROXY": after, "no_proxy": after} if after else {}))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a display")
def test_a_computer_without_a_display_has_no_browser(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    assert not lessons.has_browser()
