"""Check a file of settings against a JSON schema that others publish.

    python -m uv run python -m tools.schema_check FILE SCHEMA [DEFAULTS]

Helm checks a chart's values in this way, after it has laid them over the chart's own: name those as
DEFAULTS. All files may be YAML or JSON. CONTRIBUTING.md says where the schemas are.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import jsonschema
import yaml


def merged(defaults: Any, values: Any) -> Any:
    """Return values laid over defaults, as Helm does: mappings are merged, all else replaced.

    >>> merged({"a": {"b": 1, "c": [2]}, "d": 3}, {"a": {"c": [4]}})
    {'a': {'b': 1, 'c': [4]}, 'd': 3}
    """
    if not (isinstance(defaults, dict) and isinstance(values, dict)):
        return values
    names = {**defaults, **values}
    return {
        name: merged(defaults.get(name), values[name]) if name in values else defaults[name]
        for name in names
    }


def problems(values: Any, schema: dict) -> list[str]:
    """Return what a schema says against values, one line each: where, and what.

    >>> problems({"a": "x"}, {"properties": {"a": {"type": "integer"}}})
    ["a: 'x' is not of type 'integer'"]
    """
    validator = jsonschema.validators.validator_for(schema)(schema)
    return [
        f"{'.'.join(map(str, error.path)) or 'the file'}: {error.message}"
        for error in validator.iter_errors(values)
    ]


def read(path: Path) -> Any:
    """Return the content of a YAML or JSON file."""
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)


def main() -> None:
    """Run the program. Exit with 1 if the file does not fit."""
    parser = argparse.ArgumentParser(prog="python -m tools.schema_check")
    parser.add_argument("file", type=Path)
    parser.add_argument("schema", type=Path)
    parser.add_argument("defaults", type=Path, nargs="?", help="lay the file over this one first")
    options = parser.parse_args()
    values, schema = read(options.file), read(options.schema)
    if options.defaults:
        values = merged(read(options.defaults), values)
    lines = problems(values, schema)
    print(*lines or [f"{options.file.name} fits {options.schema.name}."], sep="\n")
    raise SystemExit(bool(lines))


if __name__ == "__main__":
    main()
