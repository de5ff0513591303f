"""Start a learner's own server in JupyterHub, with the lessons in place.

JupyterHub runs it instead of ``jupyterhub-singleuser``, as the learner and in the learner's home
folder (``teaching/jupyterhub``). The lessons are copied before the server answers, so lesson 00 is
there when the browser opens it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from tools import copies
from tools.lessons import JUPYTERLAB_OPTIONS, ROOT, bypass_proxy, is_root

MEMORY_LIMIT = "MEM_LIMIT"  # JupyterHub sets it for every server that has a limit; bytes
LONGEST_IDLE = 1800  # seconds; then a kernel without a browser ends
OPTIONS = (
    *JUPYTERLAB_OPTIONS,
    f"--MappingKernelManager.cull_idle_timeout={LONGEST_IDLE}",
    "--MappingKernelManager.cull_interval=300",
)
DEFAULT_URL = f"/lab/tree/{copies.FOLDER}/{copies.FIRST_LESSON}"


def prepare_lessons(home: Path) -> Path:
    """Bring the copies in a home folder up to date, and return their folder.

    If that fails but lessons are there already, say why and go on: on a full disk, for example, a
    learner needs the server to remove files. Raise SystemExit if there are no lessons.
    """
    folder = home / copies.FOLDER
    try:
        copies.choose_folder(ROOT, home, str(folder))
        lines = copies.update(ROOT, folder)
    except copies.CopiesError as error:
        print(error, file=sys.stderr)
        if not (folder / copies.FIRST_LESSON).is_file():
            sys.exit(1)
    else:
        print(*lines, sep="\n", flush=True)
    return folder


def limit_memory(variables: Mapping[str, str]) -> None:
    """Let no process of this learner take more memory than MEM_LIMIT says.

    A cell that asks for more raises MemoryError, and its kernel lives on. Without such a limit it
    would take the memory of all others on the machine, and in a container the kernel would be
    killed. Do nothing without MEM_LIMIT, and on Windows.
    """
    text = variables.get(MEMORY_LIMIT, "")
    if not (text.isascii() and text.isdigit() and int(text)):
        return
    try:
        import resource
    except ImportError:
        return
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    limit = int(text) if most == resource.RLIM_INFINITY else min(int(text), most)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def main() -> None:
    """Run the program, with the options of jupyterhub-singleuser."""
    prepare_lessons(Path.home())
    limit_memory(os.environ)
    bypass_proxy(os.environ)
    # In a terminal, `lessons --reset 05` works, whatever PATH the hub was started with.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    sys.argv[1:1] = [*OPTIONS, f"--ServerApp.allow_root={is_root()}"]
    from jupyterhub.singleuser import main as run_server

    run_server()


if __name__ == "__main__":
    main()
