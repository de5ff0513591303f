"""Look up facts about the models of the Phi-4 family, each with its source."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).with_name("data") / "phi4_family.toml"


@dataclass(frozen=True)
class Fact:
    """A value, its source, and why it may be wrong ("" if there is no known reason).

    ``value`` is None if no source has it.
    """

    value: int | float | str | bool | None
    source: str
    unsure: str = ""

    def __str__(self) -> str:
        """Return the value for a table: "-" if it is unknown, with " ?" if it may be wrong.

        >>> str(Fact(16384, "registry")), str(Fact(False, "list"))
        ('16,384', 'no')
        >>> str(Fact(128000, "list", unsure="the card says 128K"))
        '128,000 ?'
        """
        if self.value is None:
            return "-"
        if isinstance(self.value, bool):
            text = "yes" if self.value else "no"
        else:
            text = self.value if isinstance(self.value, str) else f"{self.value:,}"
        return f"{text} ?" if self.unsure else text


def phi4_family() -> dict[str, dict[str, Fact]]:
    """Return the facts about each model, by the model's name. All models have the same fields:

    * parameters: in billions
    * context, max_output, vocabulary: in tokens
    * reads: the kinds of input, such as "text+image+audio"
    * tool_calling: True if Microsoft's list of models says so
    * licence
    * released: year and month, such as "2024-12"

    >>> phi4_family()["Phi-4"]["context"].value
    16384
    """
    data = _read_data()
    return {
        model: {
            field: Fact(row.get("value"), data["sources"][row["source"]], row.get("unsure", ""))
            for field, row in rows.items()
        }
        for model, rows in data["models"].items()
    }


def phi4_shape() -> dict[str, int]:
    """Return the dimensions of Phi-4's network, from the model's public config.json.

    The keys are hidden, layers, heads, key_value_heads and head_dimension.

    >>> phi4_shape()["layers"]
    40
    """
    return _read_data()["shape"]


def _read_data() -> dict:
    return tomllib.loads(DATA.read_text(encoding="utf-8"))
