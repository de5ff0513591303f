"""What runs the kit elsewhere: JupyterHub's settings, its values for Kubernetes, the images.

The settings are read as JupyterHub reads them, without starting it; test_jupyterhub.py starts it.
No Docker engine and no cluster are needed. CONTRIBUTING.md says how to try more than this.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import toolchain
import yaml
from traitlets.config import Config

from tools.copies import copies
from tools.image import DOCKERFILE, context_files, instructions, is_ignored, patterns_of
from tools.single_user import DEFAULT_URL, prepare_lessons

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "teaching" / "jupyterhub"
PASSWORD = "a password for all"
SEAT_KEY = "7kmd-2xq8-9rtn"

needs_unix = pytest.mark.skipif(os.name == "nt", reason="JupyterHub does not run on Windows")


@pytest.fixture
def read_settings(tmp_path, monkeypatch):
    """Return a function that reads jupyterhub_config.py with variables and a file of names."""

    def read(names: str = "ada\ngrace\n", **variables: str) -> Config:
        (tmp_path / "names").write_text(names, encoding="utf-8")
        defaults = {
            "CLASS_NAMES": str(tmp_path / "names"),
            "CLASS_PASSWORD": PASSWORD,
            "CLASS_SPAWNER": "simple",
            "CLASS_DATA": str(tmp_path / "data"),
        }
        for name in [name for name in os.environ if name.startswith("CLASS_")]:
            monkeypatch.delenv(name)
        for name, value in {**defaults, **variables}.items():
            monkeypatch.setenv(name, value)
        config = Config()
        file = FOLDER / "jupyterhub_config.py"
        code = compile(file.read_text(encoding="utf-8"), str(file), "exec")
        exec(code, {"get_config": lambda: config, "__file__": str(file)})
        return config

    toolchain.npm_packages(FOLDER)
    return read


@needs_unix
@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"CLASS_PASSWORD": ""}, "CLASS_PASSWORD is not set"),
        ({"CLASS_NAMES": "no-such-file"}, "CLASS_NAMES names cannot be read"),
        ({"names": "# nobody\n\n"}, "the file has no names"),
        ({"names": "Ada Lovelace\n"}, "'Ada Lovelace' is not an account name"),
        ({"names": "../etc\n"}, "'../etc' is not an account name"),
        ({"CLASS_LOGIN": "ldap"}, "Set it to shared or pam"),
        ({"CLASS_TEACHER": "maria"}, "CLASS_TEACHER_PASSWORD is not set"),
        ({"CLASS_ENDPOINT": "http://127.0.0.1:8080"}, "CLASS_FILE is not set"),
    ],
)
def test_jupyterhub_refuses_settings_that_cannot_work(read_settings, variables, message):
    with pytest.raises(SystemExit, match=re.escape(message)) as refusal:
        read_settings(**variables)
    assert PASSWORD not in str(refusal.value)


@needs_unix
def test_servers_are_started_only_for_ordinary_accounts_with_private_folders(
    read_settings, tmp_path, monkeypatch
):
    import pwd
    from types import SimpleNamespace

    def account(name: str) -> SimpleNamespace:
        if name == "nobody-here":
            raise KeyError(name)
        uid = 0 if name == "root" else 1001
        return SimpleNamespace(pw_uid=uid, pw_gid=1001, pw_dir=str(tmp_path / name))

    monkeypatch.setattr(pwd, "getpwnam", account)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    ran = SimpleNamespace(returncode=0, stderr="")
    monkeypatch.setattr(subprocess, "run", lambda command, user, **options: ran)
    (tmp_path / "ada").mkdir(mode=0o700)
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o755)
    config = read_settings("ada\n", CLASS_SPAWNER="local")
    assert config.JupyterHub.spawner_class == "jupyterhub.spawner.LocalProcessSpawner"
    for name, message in {
        "root": "belongs to the system",
        "nobody-here": "useradd --create-home --key HOME_MODE=0700",
        "open": "chmod o=",
        "gone": "has no home folder",
    }.items():
        with pytest.raises(SystemExit, match=message):
            read_settings(f"ada\n{name}\n", CLASS_SPAWNER="local")
    ran.returncode, ran.stderr = 1, "ModuleNotFoundError: No module named 'tools'"
    with pytest.raises(SystemExit, match="No module named 'tools'. Put the"):
        read_settings("ada\n", CLASS_SPAWNER="local")
    monkeypatch.setattr(os, "geteuid", lambda: 1001)
    with pytest.raises(SystemExit, match="CLASS_SPAWNER=simple"):
        read_settings("ada\n", CLASS_SPAWNER="local")


@needs_unix
def test_only_the_names_in_the_file_may_log_in_and_nobody_opens_others_files(read_settings):
    config = read_settings(CLASS_TEACHER="maria", CLASS_TEACHER_PASSWORD="x" * 32)
    assert config.Authenticator.allowed_users == {"ada", "grace", "maria"}
    assert config.Authenticator.admin_users == {"maria"}
    assert not config.Authenticator.allow_existing_users
    assert not config.JupyterHub.admin_access
    assert "127.0.0.1" in config.JupyterHub.bind_url


@needs_unix
def test_each_learner_gets_the_key_of_a_seat_of_the_class(read_settings, tmp_path):
    from types import SimpleNamespace

    seats = tmp_path / "class.toml"
    keys = [SEAT_KEY, "3abc-4def-5ghj"]
    seats.write_text("".join(f'[[seat]]\nname = "x"\nkey = "{key}"\n' for key in keys))
    class_variables = {"CLASS_ENDPOINT": "http://127.0.0.1:8080", "CLASS_FILE": str(seats)}
    environment = read_settings(**class_variables).Spawner.environment
    assert environment["AZURE_INFERENCE_ENDPOINT"] == "http://127.0.0.1:8080"
    key_of = environment["AZURE_INFERENCE_CREDENTIAL"]
    learners = [SimpleNamespace(user=SimpleNamespace(name=name)) for name in ("ada", "grace")]
    assert [key_of(learner) for learner in learners] == keys
    with pytest.raises(SystemExit, match="2 seats for 3 names"):
        read_settings("ada\ngrace\nlinus\n", **class_variables)
    for text in (f"[[seat]]\nkey = {SEAT_KEY}", f'[[seats]]\nkey = "{SEAT_KEY}"', "seat = [1]"):
        seats.write_text(text)
        with pytest.raises(SystemExit, match="not a class file") as refusal:
            read_settings(**class_variables)
        assert SEAT_KEY not in str(refusal.value)


def test_a_learner_with_lessons_gets_a_server_though_new_copies_cannot_be_written(
    tmp_path, monkeypatch, capsys
):
    from tools.copies import CopiesError

    def fail(*arguments: object) -> None:
        raise CopiesError("The disk is full.")

    monkeypatch.setattr("tools.copies.update", fail)
    with pytest.raises(SystemExit):
        prepare_lessons(tmp_path)
    (tmp_path / "my-lessons" / "00-start-here.ipynb").write_text("{}")
    assert prepare_lessons(tmp_path) == tmp_path / "my-lessons"
    assert "The disk is full." in capsys.readouterr().err


def test_kubernetes_starts_the_same_server_with_room_for_two_lessons():
    values = yaml.safe_load((FOLDER / "values.yaml").read_text(encoding="utf-8"))
    server = values["singleuser"]
    assert server["cmd"] == ["python", "-m", "tools.single_user"]
    assert server["defaultUrl"] == DEFAULT_URL
    assert values["hub"]["config"]["JupyterHub"]["admin_access"] is False
    assert values["proxy"]["https"]["enabled"] is True
    assert "password" not in str(values).replace("shared-password", "")
    head = (FOLDER / "values.yaml").read_text(encoding="utf-8")
    chart_version = ".".join(version("jupyterhub").split(".")[:2])
    assert f"(JupyterHub {chart_version})" in head  # the server's has to be the hub's


def test_the_image_holds_the_lessons_but_no_settings_and_no_work_of_a_person():
    patterns = patterns_of(DOCKERFILE)
    files = set(context_files(ROOT, patterns))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    needed = ["uv.lock", "requirements.txt", *project["project"]["license-files"]]
    needed += [f"notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")]
    assert set(needed) - files == set()
    links = {name for name in copies(ROOT, ROOT.parent / "elsewhere") if name.startswith("kit/")}
    assert {name.removeprefix("kit/") for name in links} - files == set()
    for path in (
        ".env",
        "notebooks/.env",
        "my-lessons/00-start-here.ipynb",
        "notebooks/my_chat.py",
        "notebooks/.ipynb_checkpoints/a.ipynb",
        "helpers/__pycache__/a.pyc",
        "snippets/environments/litellm/.venv/x",
        "teaching/jupyterhub/passwords.yaml",
        "tests/a.py",
        ".git/config",
    ):
        assert is_ignored(path, patterns), path


def test_the_image_runs_as_an_ordinary_user_from_the_lock():
    steps = list(instructions(DOCKERFILE.read_text(encoding="utf-8")))
    assert [rest for name, rest in steps if name == "USER"] == ["1000"]
    commands = " ".join(rest for name, rest in steps if name == "RUN")
    assert commands.count("uv sync --frozen") == 2
    assert "--uid 1000" in commands
    images = {rest.partition(" AS ")[0] for name, rest in steps if name == "FROM"}
    assert all(re.search(r":\d+\.\d+-", image) for image in images), images


def test_the_devcontainer_makes_the_environment_that_its_editor_opens():
    text = (ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8")
    container = json.loads(text)
    [uv] = re.findall(r"uv==([\d.]+)", container["postCreateCommand"])
    assert f"uv=={uv}" in DOCKERFILE.read_text(encoding="utf-8")
    assert "update_copies" in container["postStartCommand"]
    custom = container["customizations"]
    assert custom["vscode"]["settings"]["python.defaultInterpreterPath"].endswith(
        ".venv/bin/python"
    )
    assert custom["codespaces"]["openFiles"] == ["my-lessons/00-start-here.ipynb"]
    assert not (ROOT / "Dockerfile").exists()  # Binder would take it instead of environment.yml
    assert not (ROOT / "binder").exists() and not (ROOT / ".binder").exists()
