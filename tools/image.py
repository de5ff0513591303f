"""Run the instructions of a Dockerfile in an empty Debian root, where no Docker engine is.

    debootstrap --variant=minbase bookworm /var/tmp/bookworm
    python -m uv run python -m tools.image /var/tmp/bookworm /opt/python3.12 /var/tmp/image

as root on Linux. The first folder is the empty root, the second a Python to stand at /usr/local as
in the base image, the third is made for the stages. What is built comes from the file itself, line
by line: RUN, COPY, ENV, WORKDIR and USER as Docker does them, and .dockerignore too. Then its CMD
is started as its user, its HEALTHCHECK is run until it passes, and `--run` runs more.

This does not show what only an engine does: layers, the base image itself, published ports.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parent.parent
DOCKERFILE = ROOT / "teaching" / "jupyterhub" / "Dockerfile"
PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
# What the base image has besides Debian's smallest root: the libraries of its Python.
PACKAGES = "ca-certificates libbz2-1.0 libexpat1 libffi8 liblzma5 libncursesw6 libreadline8".split()
PACKAGES += "libsqlite3-0 libssl3 libuuid1 netbase tzdata zlib1g".split()
LONGEST_START = 120  # seconds until the health check has to pass
NOT_COPIED = shutil.ignore_patterns("__pycache__", "test", "site-packages")


@dataclass
class Stage:
    """A stage of a build: its root, and what its instructions have set so far."""

    root: Path
    variables: dict[str, str] = field(default_factory=lambda: {"PATH": PATH})
    folder: str = "/"
    user: str = "0"
    command: list[str] = field(default_factory=list)
    check: list[str] = field(default_factory=list)

    def process(self, command: list[str], **options: object) -> subprocess.Popen:
        """Start a command in this root, as its user and with its variables."""
        inside = f"cd {shlex.quote(self.folder)} && exec {shlex.join(command)}"
        home = "/root" if self.user == "0" else f"/home/{user_name(self.root, self.user)}"
        return subprocess.Popen(
            ["chroot", f"--userspec={self.user}:{group_of(self.root, self.user)}", str(self.root)]
            + ["/bin/sh", "-c", inside],
            env={"HOME": home, **self.variables},
            **options,
        )

    def run(self, command: list[str]) -> None:
        """Run a command as `process` does. Raise CalledProcessError if it fails."""
        code = self.process(command).wait()
        if code:
            raise subprocess.CalledProcessError(code, command)


def instructions(text: str) -> Iterator[tuple[str, str]]:
    r"""Yield the instructions of a Dockerfile: (name, the rest in one line).

    >>> list(instructions("# a comment\nFROM x AS y\nRUN a \\\n # another\n  && b\n"))
    [('FROM', 'x AS y'), ('RUN', 'a && b')]
    """
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    for line in filter(str.strip, joined.splitlines()):
        name, _, rest = line.strip().partition(" ")
        yield name.upper(), rest.strip()


def is_ignored(path: str, patterns: Iterable[str]) -> bool:
    """Return True if .dockerignore keeps a path out: the last pattern that matches decides.

    A pattern matches a path, and all that is in a folder that it matches.

    >>> is_ignored("tools/a.py", ["*", "!tools"]), is_ignored("tools/.env", ["!tools", "**/.*"])
    (False, True)
    """
    parts = PurePosixPath(path).parts
    prefixes = ["/".join(parts[: number + 1]) for number in range(len(parts))]
    verdict = False
    for pattern in patterns:
        wanted = re.escape(pattern.removeprefix("!"))
        wanted = wanted.replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
        if any(re.fullmatch(wanted, prefix) for prefix in prefixes):
            verdict = not pattern.startswith("!")
    return verdict


def patterns_of(dockerfile: Path) -> list[str]:
    """Return the patterns of the .dockerignore file that belongs to a Dockerfile."""
    text = dockerfile.with_name(f"{dockerfile.name}.dockerignore").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def context_files(context: Path, patterns: list[str]) -> Iterator[str]:
    """Yield the files of a build context that .dockerignore lets in."""
    for folder, folders, names in os.walk(context):
        place = Path(folder).relative_to(context)
        folders[:] = [name for name in folders if name not in (".git", ".venv", "node_modules")]
        for name in names:
            path = (place / name).as_posix()
            if not is_ignored(path, patterns):
                yield path


def user_name(root: Path, uid: str) -> str:
    """Return the name of a user id in a root."""
    return account(root, uid)[0]


def group_of(root: Path, uid: str) -> str:
    """Return the group id of a user id in a root."""
    return account(root, uid)[3]


def account(root: Path, uid: str) -> list[str]:
    """Return the fields of a user id in a root's /etc/passwd."""
    for line in (root / "etc" / "passwd").read_text(encoding="utf-8").splitlines():
        if line.split(":")[2] == uid:
            return line.split(":")
    raise SystemExit(f"{uid} has no account in the image. Its USER has to be a number.")


def build(text: str, base: Path, folder: Path, context: list[str]) -> Stage:
    """Run all instructions of a Dockerfile. Return its last stage.

    Raise SystemExit for an instruction that is not known here.
    """
    stages: dict[str, Stage] = {}
    stage = Stage(base)
    for name, rest in instructions(text):
        print(f"{name} {rest}", flush=True)
        match name:
            case "FROM":
                image, _, alias = rest.partition(" AS ")
                root = folder / (alias or "image")
                subprocess.run(["cp", "-a", str(base), str(root)], check=True)
                stage = stages[alias or image] = Stage(root)
            case "ENV":
                for word in shlex.split(rest):
                    variable, _, value = word.partition("=")
                    values = {f"${key}": old for key, old in stage.variables.items()}
                    for key in sorted(values, key=len, reverse=True):
                        value = value.replace(key, values[key])
                    stage.variables[variable] = value
            case "WORKDIR":
                stage.folder = rest
                (stage.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
            case "USER":
                stage.user = rest
            case "RUN":
                stage.run(["/bin/sh", "-c", rest])
            case "COPY":
                copy(rest, stage, stages, context)
            case "CMD":
                stage.command = json.loads(rest)
            case "HEALTHCHECK":
                stage.check = json.loads(rest[rest.index("[") :])
            case "EXPOSE":
                pass
            case _:
                raise SystemExit(f"tools.image does not know {name}. Add it there.")
    return stage


def copy(rest: str, stage: Stage, stages: dict[str, Stage], context: list[str]) -> None:
    """Do what COPY does: files of the context or of another stage, as root's."""
    words = rest.split()
    target = stage.root / os.path.join(stage.folder, words[-1]).lstrip("/")
    if words[0].startswith("--from="):
        source = stages[words[0].partition("=")[2]].root / words[1].lstrip("/")
        subprocess.run(["cp", "-a", str(source), str(target)], check=True)
        return
    for path in context:
        if any(word == "." or path == word or path.startswith(f"{word}/") for word in words[:-1]):
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / path, target / path)


def prepare_base(base: Path, python: Path, files: list[str]) -> None:
    """Make of an empty root what the base image has: libraries, a Python, files of this machine."""
    for path in files:
        (base / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, base / path.lstrip("/"))
    local = Stage(base, {"PATH": PATH, "DEBIAN_FRONTEND": "noninteractive"})
    local.run(["apt-get", "update", "-qq"])
    local.run(["apt-get", "install", "-qq", "--no-install-recommends", *PACKAGES])
    for path in files:  # a package may have replaced it
        shutil.copyfile(path, base / path.lstrip("/"))
    for part in ("bin", "lib"):
        source, target = python / part, base / "usr" / "local" / part
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True, ignore=NOT_COPIED)
    local.run(["ldconfig"])
    local.run(["python3", "-m", "ensurepip"])
    (base / "usr" / "local" / "bin" / "python").unlink(missing_ok=True)
    (base / "usr" / "local" / "bin" / "python").symlink_to("python3")


def try_image(stage: Stage, commands: list[str]) -> None:
    """Start the image's CMD, wait for its HEALTHCHECK, and run further commands beside it.

    Raise SystemExit if the check does not pass, or CalledProcessError if a command fails.
    """
    proc = str(stage.root / "proc")
    subprocess.run(["mount", "-t", "proc", "proc", proc], check=True)
    try:
        _try_image(stage, commands)
    finally:
        subprocess.run(["umount", proc], check=True)


def _try_image(stage: Stage, commands: list[str]) -> None:
    server = stage.process(stage.command, start_new_session=True)
    try:
        begin = time.monotonic()
        while stage.process(stage.check, stderr=subprocess.DEVNULL).wait():
            if time.monotonic() - begin > LONGEST_START or server.poll() is not None:
                raise SystemExit("The health check does not pass.")
            time.sleep(1)
        print(f"healthy after {time.monotonic() - begin:.0f} s", flush=True)
        for command in commands:
            stage.run(["/bin/sh", "-c", command])
            print(f"passed: {command}", flush=True)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="python -m tools.image")
    parser.add_argument("base", type=Path, help="an empty Debian root, as debootstrap makes it")
    parser.add_argument("python", type=Path, help="a folder with bin and lib of a Python 3.12")
    parser.add_argument("folder", type=Path, help="a folder for the stages, which is made")
    parser.add_argument("--file", action="append", default=[], help="copy it into the root, too")
    parser.add_argument("--variable", action="append", default=[], help="NAME=value for all RUNs")
    parser.add_argument("--run", action="append", default=[], help="a command for the image")
    options = parser.parse_args()
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        sys.exit("Run it as root on Linux: it changes the root folder of programs.")
    if (options.base / "usr/local/bin/python").exists():
        print(f"{options.base} has a Python already: it is taken as it is.")
    else:
        prepare_base(options.base, options.python, options.file)
    options.folder.mkdir(parents=True)
    patterns = patterns_of(DOCKERFILE)
    context = sorted(context_files(ROOT, patterns))
    variables = "".join(f"ENV {each}\n" for each in options.variable)
    text = DOCKERFILE.read_text(encoding="utf-8")
    text = re.sub(r"^(FROM .*\n)", rf"\1{variables}", text, flags=re.MULTILINE)
    stage = build(text, options.base, options.folder, context)
    size = subprocess.run(["du", "-sm", str(stage.root)], capture_output=True, text=True)
    print(f"the image's root: {size.stdout.split()[0]} MB, {len(context)} files of the kit")
    try_image(stage, options.run)


if __name__ == "__main__":
    main()
