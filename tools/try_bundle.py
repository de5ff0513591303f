"""Install the whole kit from a bundle, without a network, and run two lessons in it.

``python -m tools.try_bundle`` needs Linux, with ``unshare`` and ``ip``, and a network to download
the packages first. It takes several minutes, so it is not one of the tests.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tools import bundle
from tools.lessons import ROOT

LESSONS = ("00-start-here.ipynb", "06-parameters.ipynb")
# A network of its own, in which only this computer's address works.
ALONE = ("unshare", "--map-root-user", "--net", "sh", "-ec", 'ip link set lo up; exec "$@"', "sh")


def run(name: str, folder: Path, *command: str) -> None:
    """Run a command without a network and with a home folder; print how long it took.

    Raise SystemExit with its output if it fails.
    """
    began = time.monotonic()
    environment = {"HOME": str(folder), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    done = subprocess.run([*ALONE, *command], env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stdout}{done.stderr}")
    print(f"{time.monotonic() - began:6.1f} s  {name}", flush=True)


def main() -> None:
    """Make a bundle, install it, run the lessons and compare nothing but that they run."""
    if not all(map(shutil.which, ("unshare", "ip"))):
        sys.exit("This needs Linux with the programs unshare and ip (util-linux, iproute2).")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.monotonic()
        print(*bundle.make_bundle(ROOT, folder / "stick"), sep="\n")
        print(f"{time.monotonic() - began:6.1f} s  downloaded", flush=True)
        installer = str(folder / "stick" / bundle.INSTALLER)
        run("installed", folder, sys.executable, installer, "--no-start")
        kit = folder / bundle.KIT
        python = str(kit / ".venv" / "bin" / "python")
        for lesson in LESSONS:
            path = str(kit / "notebooks" / lesson)
            run(lesson, folder, python, "-m", "jupyter", "execute", "--timeout=300", path)


if __name__ == "__main__":
    main()
