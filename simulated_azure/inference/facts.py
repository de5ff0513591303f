"""What the kit knows of things: tables of countries, animals, units and more.

The tables are the files in the folder ``facts``. ``attributes.toml`` says how their columns are
asked for and how a sentence says a value, ``kinds.toml`` has kinds of things and their members.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from .words import stem, words

FOLDER = Path(__file__).parent / "facts"
ALIASES = {
    "usa": "the United States",
    "america": "the United States",
    "united states of america": "the United States",
    "uk": "the United Kingdom",
    "great britain": "the United Kingdom",
    "britain": "the United Kingdom",
    "usa s": "the United States",
    "holland": "the Netherlands",
    "czech republic": "Czechia",
    "nyc": "New York",
    "new york city": "New York",
    "everest": "Mount Everest",
    "aluminum": "aluminium",
    "sulphur": "sulfur",
    "1984": "Nineteen Eighty-Four",
    "golang": "Go",
    "js": "JavaScript",
    "turtle": "tortoise",
    "hen": "chicken",
}
ARTICLES = {"the", "a", "an", "der", "die", "das", "le", "la", "les", "l", "den", "dem"}


@dataclass(frozen=True)
class Column:
    """A column of a table. words: how it is asked for. unit: that of its numbers, or "".

    sentences: language -> sentences with {of}, {Of} and {value}.
    """

    name: str
    words: tuple[tuple[str, ...], ...]
    unit: str = ""
    sentences: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Thing:
    """A row of a table: a thing that the kit knows something of."""

    table: Table
    row: dict[str, str]

    @property
    def name(self) -> str:
        """Return its name, with an article if it has one."""
        return self.row["name"]

    def value(self, column: str) -> str:
        """Return a value of it, or "" if the kit does not know it."""
        return self.row.get(column) or ""


@dataclass(frozen=True, eq=False)
class Table:
    """A table. kind: what its things are. keys: JSON keys for their name.

    json: the columns of an object whose keys are not named.
    """

    id: str
    kind: str
    keys: tuple[str, ...]
    columns: dict[str, Column]
    json: tuple[str, ...] = ()
    things: list[Thing] = field(default_factory=list)


@dataclass(frozen=True)
class Kind:
    """A kind of thing. complete: True if it has no other members.

    names: its singular, its plural, and other words for it. by_column: (table, column, value) if
    its members are the rows of a table with that value.
    """

    id: str
    names: tuple[str, ...]
    members: tuple[str, ...]
    complete: bool
    translations: dict[str, tuple[str, ...]]
    by_column: tuple[str, str, str] | None


def plain(name: str) -> tuple[str, ...]:
    """Return the words of a name without articles, for comparison."""
    all_words = words(name.replace("’", "'"))
    return tuple(word for word in all_words if word not in ARTICLES) or tuple(all_words)


def singular(word: str) -> str:
    """Return a word without the ending of a plural."""
    for ending, rest in (("ies", "y"), ("ches", "ch"), ("shes", "sh"), ("oes", "o"), ("s", "")):
        if word.endswith(ending) and len(word) > len(ending) + 2 and not word.endswith("ss"):
            return word.removesuffix(ending) + rest
    return word


class Facts:
    """All tables and kinds, and an index of their names."""

    def __init__(self, folder: Path = FOLDER):
        """Load the files of a folder. Raises OSError, ValueError or KeyError if one is wrong."""
        self.tables: dict[str, Table] = {}
        self._things: dict[tuple[str, ...], list[Thing]] = {}
        for id, entry in _toml(folder / "attributes.toml").items():
            kind, keys = entry.pop("kind"), tuple(entry.pop("keys"))
            json = tuple(entry.pop("json", ()))
            columns = {name: _column(name, column) for name, column in entry.items()}
            table = self.tables[id] = Table(id, kind, keys, columns, json or tuple(columns))
            for row in _csv(folder / f"{id}.csv"):
                thing = Thing(table, row)
                table.things.append(thing)
                names = {row["name"]}
                if id != "elements":  # the French for gold is "or"
                    names |= {row.get("de") or "", row.get("fr") or ""} - {""}
                for name in names:
                    self._things.setdefault(plain(name), []).append(thing)
        for alias, name in ALIASES.items():
            self._things.setdefault(plain(alias), self._things.get(plain(name), []))
        for thing in self.tables["countries"].things:  # "Peking" is a city without a row
            for column in ("capital_de", "capital_fr"):
                other = self._things.get(plain(thing.value("capital")))
                if thing.value(column) and other:
                    self._things.setdefault(plain(thing.value(column)), other)
        self.kinds = {
            id: self._kind(id, entry) for id, entry in _toml(folder / "kinds.toml").items()
        }
        self._kinds = {
            tuple(words(name)): kind for kind in self.kinds.values() for name in kind.names
        }
        self._kinds_abroad = {
            (code, tuple(words(name))): self.kinds[id]
            for id, entry in _toml(folder / "kinds.toml").items()
            for code, names in entry.get("called", {}).items()
            for name in names
        }
        self._kinds_of: dict[tuple[str, ...], list[Kind]] = {}
        for id, entry in _toml(folder / "kinds.toml").items():
            for name in entry.get("also", ()):
                self._kinds_of.setdefault(plain(name), []).append(self.kinds[id])
        for kind in self.kinds.values():
            for member in kind.members:
                self._kinds_of.setdefault(plain(member), []).append(kind)
        self.units = [row | {"factor": float(row["factor"])} for row in _csv(folder / "units.csv")]
        self._units = {}
        for unit in self.units:
            for name in (unit["name"], unit["plural"], *unit["symbols"].split(",")):
                if name:
                    self._units[name] = self._units[name.casefold()] = unit
        self.words = _toml(folder / "words.toml")
        self.dictionary = [row.split(";") for row in self.words["dictionary"]["rows"]]
        self.dictionary_languages = tuple(self.words["dictionary"]["languages"])
        for thing in self._all("animals", "plants", "elements"):
            self.dictionary.append([thing.name, thing.value("de"), thing.value("fr")])
        for kind in self.kinds.values():
            if len(kind.translations) == 2:
                self.dictionary += map(
                    list, zip(kind.members, *kind.translations.values(), strict=True)
                )
        for thing in self._all("countries"):
            name = thing.name.removeprefix("the ")
            self.dictionary.append([name, thing.value("de"), thing.value("fr")])

    def _all(self, *tables: str) -> Iterator[Thing]:
        return (thing for table in tables for thing in self.tables[table].things)

    def _kind(self, id: str, entry: dict) -> Kind:
        members, by_column = [], None
        condition = dict(entry.get("from", {}))
        translations = {code: list(entry.get(code, ())) for code in ("de", "fr")}
        if condition:
            table, column = condition.pop("table"), condition.pop("column", "name")
            for thing in self.tables[table].things:
                if all(thing.value(key) == value for key, value in condition.items()):
                    members.append(thing.value(column))
                    if column == "name" and "members" not in entry:
                        for code, names in translations.items():
                            if thing.value(code):
                                names.append(thing.value(code))
            if len(condition) == 1:
                (by_column,) = ((table, key, value) for key, value in condition.items())
        members += entry.get("members", ())
        translations = {
            code: tuple(names) for code, names in translations.items() if len(names) == len(members)
        }
        return Kind(
            id,
            tuple(entry["names"]),
            tuple(dict.fromkeys(members)),
            entry.get("complete", False),
            translations,
            by_column,
        )

    def things(self, name: str) -> list[Thing]:
        """Return the things with a name, which may be a plural."""
        return self._named(self._things, plain(name))

    def name_words(self) -> set[str]:
        """Return the words of the English names of all things."""
        return {
            word
            for table in self.tables.values()
            for thing in table.things
            for word in words(f"{thing.name} {thing.value('continent')}")
        }

    def kind(self, name: str) -> Kind | None:
        """Return the kind with a name."""
        return self._kinds.get(tuple(words(name)))

    def kind_called(self, name: str, language: str) -> Kind | None:
        """Return the kind with a name in a language, "de" or "fr"."""
        return self._kinds_abroad.get((language, tuple(words(name))))

    def kinds_of(self, name: str) -> list[Kind]:
        """Return the kinds that something belongs to."""
        return self._named(self._kinds_of, plain(name))

    @staticmethod
    def _named(index: dict[tuple[str, ...], list], key: tuple[str, ...]) -> list:
        """Return what an index has for the words of a name, whose last may be a plural."""
        if not key:
            return []
        return index.get(key) or index.get((*key[:-1], singular(key[-1])), [])

    def unit(self, name: str) -> dict | None:
        """Return the row of a unit by a name or a symbol of it."""
        return self._units.get(name) or self._units.get(name.casefold())

    def find_things(self, text: str) -> list[tuple[int, int, list[Thing]]]:
        """Return (begin, end, things) for each name in the words of a text, the longest first.

        begin and end count words.
        """
        return self._scan(words(text), lambda name: self._named(self._things, name))

    def find_members(self, text: str) -> list[tuple[int, int, list[Kind]]]:
        """Return (begin, end, kinds) for each member of a kind in the words of a text."""
        return self._scan(words(text), lambda name: self._named(self._kinds_of, name))

    def find_kinds(self, text: str) -> list[tuple[int, int, Kind]]:
        """Return (begin, end, kind) for each name of a kind in the words of a text."""
        return self._scan(words(text), self._kinds.get)

    @staticmethod
    def _scan(all_words: list[str], look_up) -> list:
        hits, begin = [], 0
        while begin < len(all_words):
            for end in range(min(len(all_words), begin + 5), begin, -1):
                name = tuple(all_words[begin:end])
                if name[0] in ARTICLES or name[-1] in ARTICLES:
                    continue
                value = look_up(name)
                if value:
                    hits.append((begin, end, value))
                    begin = end - 1
                    break
            begin += 1
        return hits


@cache
def load_facts() -> Facts:
    """Return the facts of the kit. They are loaded once."""
    return Facts()


def stems(text: str) -> tuple[str, ...]:
    """Return the stems of the words of a text, in their order."""
    return tuple(map(stem, words(text)))


def _column(name: str, entry: dict) -> Column:
    phrases = sorted((stems(word) for word in entry.pop("words")), key=len, reverse=True)
    unit = entry.pop("unit", "")
    return Column(name, tuple(phrases), unit, {code: tuple(texts) for code, texts in entry.items()})


def _toml(path: Path) -> dict:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=";"))
