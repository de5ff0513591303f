"""A temporary folder that is gone when this process is, however it ends."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

# A process of its own waits for the end of its standard input, which comes when this process ends, killed or not.
# It is in a session of its own, since a notebook server kills the whole process group of a kernel.
REMOVE = "import sys, shutil; sys.stdin.buffer.read(); shutil.rmtree(sys.argv[1], ignore_errors=True)"


@cache
def scratch_folder() -> Path:
    """The folder of this process, made when it is first asked for."""
    folder = Path(tempfile.mkdtemp(prefix="phi4-notebooks-"))
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    apart = {"creationflags": subprocess.CREATE_NO_WINDOW} if sys.platform == "win32" else {"start_new_session": True}
    command = [sys.executable, "-I", "-S", "-c", REMOVE, str(folder)]
    scratch_folder.keeper = subprocess.Popen(command, stdin=subprocess.PIPE, cwd=tempfile.gettempdir(), **quiet, **apart)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=scratch_folder.keeper.stdin.close)  # a child must not keep it waiting
    return folder
