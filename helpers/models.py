"""The Phi-4 family as data: what each model is, each fact with its source."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).with_name("data") / "phi4_family.toml"


@dataclass(frozen=True)
class Fact:
    """One value, where it was read, and why it may be wrong ("" if nothing speaks against it)."""

    value: int | float | str | bool | None
    source: str
    unsure: str = ""

    def __str__(self) -> str:
        """The value as a table shows it: "-" where none was found, a question mark where it is unsure.

        >>> str(Fact(16384, "registry")), str(Fact(False, "list")), str(Fact(128000, "list", "the card says 128K"))
        ('16,384', 'no', '128,000 ?')
        """
        if self.value is None:
            return "-"
        if isinstance(self.value, bool):
            text = "yes" if self.value else "no"
        else:
            text = self.value if isinstance(self.value, str) else f"{self.value:,}"
        return f"{text} ?" if self.unsure else text


def phi4_family() -> dict[str, dict[str, Fact]]:
    """The models by name, each a dict with the same fields.

    Fields: parameters (billions), context, max_output and vocabulary (tokens), reads (kinds of input), tool_calling
    (whether Microsoft's list says so), licence, released (year and month).

    >>> phi4_family()["Phi-4"]["context"].value
    16384
    """
    data = _data()
    return {
        name: {
            field: Fact(fact.get("value"), data["sources"][fact["source"]], fact.get("unsure", ""))
            for field, fact in facts.items()
        }
        for name, facts in data["models"].items()
    }


def phi4_shape() -> dict[str, int]:
    """The inner sizes of Phi-4, from its public config.json: hidden, layers, heads, key_value_heads, head_dimension.

    >>> phi4_shape()["layers"]
    40
    """
    return _data()["shape"]


def _data() -> dict:
    return tomllib.loads(DATA.read_text(encoding="utf-8"))
