"""Make snippets/README.md from snippets.toml, the snippets and snippets_page.md.

Run ``python -m uv run python -m tools.snippets_table``.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from string import Template

SNIPPETS = Path(__file__).parent.parent / "snippets"
DATA, PAGE = SNIPPETS / "snippets.toml", SNIPPETS / "README.md"
TEMPLATE = Path(__file__).with_name("snippets_page.md")


def load() -> dict[str, list[dict]]:
    """Return the tables of ``snippets.toml``: tasks, clients, reasons for missing files, ties."""
    return tomllib.loads(DATA.read_text(encoding="utf-8"))


def snippet_files(suffixes: tuple[str, ...] = ("",)) -> list[Path]:
    """Return the paths of all snippets whose names end in one of the suffixes."""
    data = load()
    paths = [
        SNIPPETS / task["folder"] / client["file"]
        for task in data["task"]
        for client in data["client"]
    ]
    paths += [SNIPPETS / task["folder"] / "azure_ai_ml.py" for task in data["managing"]]
    return [path for path in paths if path.is_file() and path.name.endswith(suffixes)]


def reasons(data: dict[str, list[dict]]) -> dict[tuple[str, str], int]:
    """Return the number of the reason why a snippet is missing, by (folder, file)."""
    return {
        (folder, file): number
        for number, absent in enumerate(data["absent"], 1)
        for folder in absent["tasks"]
        for file in absent["clients"]
    }


def table(data: dict[str, list[dict]], number: int) -> list[str]:
    """Return the lines of the table with this number: a row for each task, a column a client."""
    reason_numbers = reasons(data)
    clients = [client for client in data["client"] if client["table"] == number]
    titles = " | ".join(client["title"] for client in clients)
    lines = [f"| Task | {titles} |", "|---" + "|:-:" * len(clients) + "|"]
    for task in data["task"]:
        cells = [task["title"]]
        for client in clients:
            folder, file = task["folder"], client["file"]
            if (SNIPPETS / folder / file).is_file():
                cells.append(f"[file]({folder}/{file})")
            else:
                cells.append(f"no&nbsp;({reason_numbers[folder, file]})")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def page() -> str:
    """Return the whole page as Markdown."""
    data = load()
    managing = []
    for task in data["managing"]:
        path = f"{task['folder']}/azure_ai_ml.py"
        managing.append(f"* {task['title']}: [{path}]({path})")
    numbered = [f"{number}. {absent['why']}" for number, absent in enumerate(data["absent"], 1)]
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        main_table="\n".join(table(data, 1)),
        managing="\n".join(managing),
        other_table="\n".join(table(data, 2)),
        reasons="\n".join(numbered),
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
