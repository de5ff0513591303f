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
    """Return the number of the reason why a snippet is missing, by (folder, file).

    A reason without clients is for all clients that have no file and no reason of their own.
    """
    numbers: dict[tuple[str, str], int] = {}
    everybody = [client["file"] for client in data["client"]]
    for is_general in (False, True):
        for number, absent in enumerate(data["absent"], 1):
            if is_general != ("clients" not in absent):
                continue
            for folder in absent["tasks"]:
                for file in absent.get("clients", everybody):
                    if not is_general or not (SNIPPETS / folder / file).is_file():
                        numbers.setdefault((folder, file), number)
    return numbers


def link(task: dict, client: dict) -> str:
    """Return a link to a snippet: the client and the task, by which a browser's search finds it."""
    name = f"{client['name']} {task['folder'].replace('-', ' ')}"
    return f"[{name}]({task['folder']}/{client['file']})"


def row(task: dict, data: dict[str, list[dict]]) -> str:
    """Return the row of a task: its links, a column for each language, and what is missing."""
    columns: dict[str, list[str]] = {client["column"]: [] for client in data["client"]}
    missing: dict[int, list[str]] = {}
    numbers = reasons(data)
    for client in data["client"]:
        if (SNIPPETS / task["folder"] / client["file"]).is_file():
            columns[client["column"]].append(link(task, client))
        else:
            number = numbers[task["folder"], client["file"]]
            missing.setdefault(number, []).append(client["name"])
    cells = ["<br>".join(links) for links in columns.values()]
    why = "<br>".join(f"{names_or_others(names, data)}: {n}" for n, names in missing.items())
    return f"| **{task['title']}** | {' | '.join([*cells, why])} |"


def names_or_others(names: list[str], data: dict[str, list[dict]]) -> str:
    """Return the names of clients, or "others" if they are most of all clients."""
    return "others" if len(names) > len(data["client"]) / 2 else ", ".join(names)


def table(data: dict[str, list[dict]]) -> list[str]:
    """Return the lines of the table: a row for each task, a column for each language."""
    columns = [*dict.fromkeys(client["column"] for client in data["client"])]
    heads = ["Task", *columns, "No, because"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    return lines + [row(task, data) for task in data["task"]]


def page() -> str:
    """Return the whole page as Markdown."""
    data = load()
    managing = []
    for task in data["managing"]:
        path = f"{task['folder']}/azure_ai_ml.py"
        managing.append(f"* {task['title']}: [azure-ai-ml {task['folder']}]({path})")
    numbered = [f"{number}. {absent['why']}" for number, absent in enumerate(data["absent"], 1)]
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        table="\n".join(table(data)),
        managing="\n".join(managing),
        reasons="\n".join(numbered),
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
