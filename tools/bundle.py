"""Make a folder from which laptops without a network install the kit: ``lessons --bundle``.

The folder holds the kit, the wheels of all its packages, and install.py, which each laptop runs. It
fits on a USB stick, or in a folder that a class shares.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from pathlib import Path

KIT, WHEELS = "phi4-notebooks", "wheels"
INSTALLER, CONTENTS, START = "install.py", "bundle.json", "START-HERE.txt"
# What a learner needs of the kit, and nothing that a person may have put beside it, such as .env.
PARTS = (
    "helpers",
    "notebooks",
    "simulated_azure",
    "snippets",
    "teaching",
    "tools",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "TEACHING.md",
    "environment.yml",
    "pyproject.toml",
    "requirements.txt",
    "uv.lock",
)
LEFT_OUT = ("node_modules", "__pycache__")  # and every name that begins with a dot
# pip installs the kit itself with the first two; a laptop's own Python may have no pip.
BUILDERS = ("hatchling", "editables", "pip")
# Names of platforms: the tags of wheels that run there (PyPA's platform compatibility tags), and
# the values of environment markers (PEP 508) that requirements.txt asks for.
PLATFORMS = {
    "windows": (
        ("win_amd64",),
        {"sys_platform": "win32", "os_name": "nt", "platform_system": "Windows"},
    ),
    "macos": (
        ("macosx_14_0_arm64", "macosx_14_0_universal2"),
        {"sys_platform": "darwin", "os_name": "posix", "platform_system": "Darwin"},
    ),
    "macos-intel": (
        ("macosx_14_0_x86_64", "macosx_14_0_universal2"),
        {"sys_platform": "darwin", "os_name": "posix", "platform_system": "Darwin"},
    ),
    "linux": (
        ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"),
        {"sys_platform": "linux", "os_name": "posix", "platform_system": "Linux"},
    ),
}
LATEST_RELEASE = 99  # of a Python, such as 3.12.99: later than all
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
START_TEXT = """The Phi-4 notebooks, to be installed without a network.

You need Python {pythons}. Open a terminal in this folder and run

    Windows:        py install.py
    macOS, Linux:   python3 install.py

It copies the lessons into the folder {kit} in your home folder, installs the packages there, and
opens the first lesson. It needs no administrator right. The same line opens the lessons again.
"""


class BundleError(RuntimeError):
    """The bundle cannot be made. The message says why, and what to do."""


def this_platform() -> str:
    """Return the name in PLATFORMS of this computer. Raise BundleError if it has none."""
    tag = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    if tag == "win_amd64":
        return "windows"
    if tag.startswith("macosx"):
        return "macos-intel" if tag.endswith("x86_64") else "macos"
    if tag == "linux_x86_64":
        return "linux"
    raise BundleError(
        f"This computer is of the kind {tag}. Name the kind of the laptops: --for "
        f"{', --for '.join(PLATFORMS)}."
    )


def this_python() -> str:
    """Return the version of this Python, such as 3.12."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def needed_on(requirements: str, platform: str, python: str) -> list[list[str]]:
    """Return the requirements that apply on a platform in PLATFORMS with a version of Python.

    requirements: the text of requirements.txt, ``name==version ; marker`` each. There are two
    lists, because pip takes only one version of a package at a time: what the first release of this
    Python needs (3.12.0), and what its latest needs besides.

    >>> text = "a==1 ; sys_platform != 'win32'\\nb==2 ; python_full_version < '3.12.5'\\nc==3"
    >>> needed_on(text, "windows", "3.12")
    [['b==2', 'c==3'], []]
    """
    first, latest = (
        _that_apply(requirements, PLATFORMS[platform][1] | _markers_of(python, release))
        for release in (0, LATEST_RELEASE)
    )
    return [first, [requirement for requirement in latest if requirement not in first]]


def _markers_of(python: str, release: int) -> dict[str, str]:
    return {
        "python_version": python,
        "python_full_version": f"{python}.{release}",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }


def _that_apply(requirements: str, markers: Mapping[str, str]) -> list[str]:
    from packaging.requirements import Requirement  # `lessons` also tells who has no packages yet

    return [
        f"{requirement.name}{requirement.specifier}"
        for requirement in map(Requirement, requirements.splitlines())
        if requirement.marker is None or requirement.marker.evaluate(markers)
    ]


def copy_kit(root: Path, folder: Path) -> None:
    """Copy the parts of the kit that learners need from one folder into another, which is new."""

    def leave_out(_: str, names: list[str]) -> list[str]:
        return [name for name in names if name.startswith(".") or name in LEFT_OUT]

    folder.mkdir(parents=True)
    for name in PARTS:
        if (root / name).is_dir():
            shutil.copytree(root / name, folder / name, ignore=leave_out)
        else:
            shutil.copy2(root / name, folder / name)


def download(requirements: Iterable[str], platform: str, python: str, folder: Path) -> None:
    """Put the wheels of all requirements for a platform and a Python into a folder, with pip.

    Wheels that are there already are kept. Raise BundleError with pip's reason if one is missing.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--only-binary=:all:", "--dest", str(folder)]
    if (platform, python) != (_platform_or_none(), this_python()):  # pip knows its own best
        command += ["--implementation", "cp", "--python-version", python]
        command += [f"--platform={tag}" for tag in PLATFORMS[platform][0]]
    done = subprocess.run([*command, *requirements], capture_output=True, text=True)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        reason = " ".join((errors or done.stderr.split("\n"))[-1].split())
        raise BundleError(
            f"pip could not download the packages for {platform}, Python {python}: {reason}. This "
            'step needs a network (see README, "If it stops"). Nothing is lost: what has arrived '
            "is kept, so start again."
        )


def _platform_or_none() -> str | None:
    try:
        return this_platform()
    except BundleError:
        return None


def builders_of(folder: Path) -> None:
    """Put what pip builds the kit with, and what that needs, into a folder of wheels."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--only-binary=:all:", "--dest", str(folder), *BUILDERS]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise BundleError(
            f"pip could not download {' and '.join(BUILDERS)}: {done.stderr.strip()[-300:]}. This "
            "step needs a network."
        )


def make_bundle(
    root: Path,
    folder: Path,
    platforms: Iterable[str] = (),
    pythons: Iterable[str] = (),
) -> list[str]:
    """Make or renew a bundle of the kit. Return lines that say what it has.

    root: the kit's folder. platforms: names in PLATFORMS; this computer's if empty. pythons:
    versions such as "3.12"; this Python's if empty. Raise BundleError if the folder holds something
    else, or if a package cannot be downloaded; the installer is written last, so a bundle without
    it is incomplete.
    """
    platforms = [*platforms] or [this_platform()]
    pythons = [*pythons] or [this_python()]
    if folder.exists() and (not folder.is_dir() or _is_foreign(folder)):
        raise BundleError(
            f"{folder} holds something else. Name a new or empty folder, such as "
            f"{folder / 'phi4-bundle'}."
        )
    try:
        wheels = folder / WHEELS
        wheels.mkdir(parents=True, exist_ok=True)
        (folder / INSTALLER).unlink(missing_ok=True)
        shutil.rmtree(folder / KIT, ignore_errors=True)
        copy_kit(root, folder / KIT)
        requirements = (root / "requirements.txt").read_text(encoding="utf-8")
        for platform in platforms:
            for python in pythons:
                print(f"Downloading for {platform}, Python {python} ...", flush=True)
                for needed in filter(None, needed_on(requirements, platform, python)):
                    download(needed, platform, python, wheels)
        builders_of(wheels)
        contents = {"platforms": platforms, "pythons": pythons}
        _write(folder, contents)
    except OSError as error:
        raise BundleError(
            f"{error.filename or folder} cannot be written: {error.strerror}. Choose another "
            "folder."
        ) from None
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return [
        f"{folder} has the kit and {len([*wheels.iterdir()])} packages, {size / 1e6:,.0f} MB, for "
        f"{', '.join(platforms)} with Python {', '.join(pythons)}.",
        f"Copy the whole folder to a USB stick. {START} in it says how a laptop installs it.",
    ]


def _is_foreign(folder: Path) -> bool:
    """Return True for a folder with files that are not a bundle."""
    return any(folder.iterdir()) and not (folder / WHEELS).is_dir()


def _write(folder: Path, contents: Mapping[str, list[str]]) -> None:
    """Write the list of contents, the text for people, and at last the installer."""
    (folder / CONTENTS).write_text(json.dumps(contents, indent=2) + "\n", encoding="utf-8")
    text = START_TEXT.format(pythons=" or ".join(contents["pythons"]), kit=KIT)
    (folder / START).write_text(text, encoding="utf-8")
    shutil.copy2(Path(__file__).with_name("bundle_installer.py"), folder / INSTALLER)
