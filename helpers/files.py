"""Find files that lie beside the lessons, whatever folder a notebook runs in."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parent.parent
COPIES, ORIGINALS = "my-lessons", "notebooks"


def lesson_file(name: str) -> Path:
    """Return the path of a file beside the lessons, such as phi4-deployment.yml.

    JupyterLab and VS Code run a notebook in its own folder, so the file is usually there. VS Code
    can be set to run it in the folder of the project. Then the learner's copy comes first, and the
    kit's original last. Raise FileNotFoundError if the file is in none of these folders.
    """
    here = Path.cwd()
    folders = [here, here / COPIES, ROOT / COPIES, ROOT / ORIGINALS]
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    places = ", ".join(map(str, dict.fromkeys(folders)))
    raise FileNotFoundError(
        f"There is no file {name!r} in these folders: {places}. Move the file beside the notebook, "
        "or give its whole path."
    )
