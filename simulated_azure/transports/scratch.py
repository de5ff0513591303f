"""A temporary folder for this process, which is removed when the process ends.

A process that is killed leaves its folder behind; the next process that needs one removes it. A
folder is in use as long as the file LOCK in it is locked, since the system releases the lock of a
process that ends, however it ends. (A process id alone would not do: another process may have it.)
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import IO

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

PREFIX = "phi4-notebooks-"
LOCK = "lock"
ATTEMPTS = 10  # to make a folder that no other process takes for an abandoned one


def scratch_folder() -> Path:
    """Return the temporary folder of this process; make it at the first call."""
    return _make_folder(os.getpid())  # a forked process gets a folder of its own


@cache
def _make_folder(process_id: int) -> Path:
    _remove_abandoned(Path(tempfile.gettempdir()))
    for _ in range(ATTEMPTS):
        folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{process_id}-"))
        lock = (folder / LOCK).open("wb")
        if _lock(lock) and (folder / LOCK).exists():
            break
    atexit.register(_remove, process_id, folder, lock)
    return folder


def _remove(process_id: int, folder: Path, lock: IO[bytes]) -> None:
    """Remove the folder of a process at its end."""
    if os.getpid() == process_id:  # not at the end of a process that was forked from it
        lock.close()  # Windows removes no open file
        shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned(parent: Path) -> None:
    """Remove the folders of this user whose processes have ended."""
    for folder in parent.glob(f"{PREFIX}*"):
        try:
            if hasattr(os, "getuid") and folder.lstat().st_uid != os.getuid():
                continue
            with (folder / LOCK).open("r+b") as lock:
                if not _lock(lock):
                    continue
                # Windows removes no open file, so it leaves the lock to the second call.
                shutil.rmtree(folder, ignore_errors=True)
            shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue  # not a folder of ours, or one that another process is making or removing


def _lock(file: IO[bytes]) -> bool:
    """Lock a file until it is closed. Return False if another process has locked it."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
