"""The class file: who sits in a room, with which key and which budget.

It is TOML, and people edit it::

    name = "Monday morning"
    address = "https://192.168.1.10:8443"   # as it stands on the slips
    port = 8080
    https_port = 8443

    [budget]            # of each seat, for the whole class; without a line there is no limit
    requests = 500
    tokens = 100_000

    [[seat]]
    name = "01"
    key = "..."
    requests = 900      # another budget for this seat

No message contains a key, nor a text of the file that may be one.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..auth import MIN_KEY_LENGTH

PORT, HTTPS_PORT = 8080, 8443  # of a class, so that the address on a slip stays right
MAX_PORT = 65_535
MAX_SEATS = 1000
MAX_NAME_LENGTH = 40  # characters
MAX_ADDRESS_LENGTH = 60  # characters
MAX_FILE_SIZE = 1 << 20  # bytes
FIELDS = ("name", "address", "port", "https_port", "budget", "seat")
BUDGETS = ("requests", "tokens")
SEAT_FIELDS = ("name", "key", *BUDGETS)
# People type keys from paper, so no 0, 1, i, l or o. A digit and then a letter begin each group,
# so that no key looks like a word or a number.
DIGITS, LETTERS = "23456789", "abcdefghjkmnpqrstuvwxyz"
KEY_GROUPS = 3  # of 4 characters: 52 bits, more than anybody can try out in a morning
KEY = re.compile(r"[!-~]+")
WORD = re.compile(r"[A-Za-z_]{1,20}")
POSITION = re.compile(r"line (\d+), column (\d+)")
HEAD = """\
# A class: its seats, their keys and their budgets. Keep this file to yourself: whoever has a key
# can use the endpoint. Start the class with
#   python -m simulated_azure --allow-remote --class {file}
# The slips for the seats are in class-slips.html. If the address changes, change it here, and write
# them again, with the same keys:
#   python -m simulated_azure --make-slips --class-file {file}
name = {name}
address = {address}
port = {port}
https_port = {https_port}

# The budget of each seat, for the whole class. If it is spent, the seat gets the error 429.
# Without a line there is no limit: remove the # to set one. Set both if a model costs money.
[budget]
# requests = 500
# tokens = 100_000
"""
SEAT = """
[[seat]]
name = {name}
key = {key}
"""


class ClassFileError(ValueError):
    """A class file cannot be used. The message says why and what to do; it contains no key."""


@dataclass(frozen=True)
class Seat:
    """A seat: its name, its key, and how much it may use; None means that there is no limit."""

    name: str
    key: str = field(repr=False)
    requests: int | None = None
    tokens: int | None = None


@dataclass(frozen=True)
class ClassFile:
    """A class, as its file describes it.

    path: the file. address: where the seats reach the endpoint; "" if the file does not say.
    port, https_port: where it listens for http and https.
    """

    name: str
    seats: tuple[Seat, ...]
    path: Path
    address: str = ""
    port: int = PORT
    https_port: int = HTTPS_PORT


def new_seat_key() -> str:
    """Return a made-up key that people can type from paper, such as ``7kmd-2xq8-9rtn``."""
    choose = secrets.choice
    groups = (
        [choose(DIGITS), choose(LETTERS), choose(DIGITS + LETTERS), choose(DIGITS + LETTERS)]
        for _ in range(KEY_GROUPS)
    )
    return "-".join(map("".join, groups))


def read_class(path: str | Path) -> ClassFile:
    """Return the class that a file describes. Raises ClassFileError."""
    path = Path(path)
    content = _read_toml(path)
    try:
        return _class(content, path)
    except ClassFileError as error:
        raise ClassFileError(f"{path}: {error}") from None


def make_class(
    path: str | Path,
    count: int,
    name: str = "Our class",
    names: Sequence[str] = (),
    address: str = "",
    port: int = PORT,
    https_port: int = HTTPS_PORT,
) -> ClassFile:
    """Write a class file with a new key for each seat, and return the class.

    count: how many seats. names: of the first seats; the others get numbers. Only this user may
    read the file. Raises ClassFileError if there is such a file already (it is not changed), if it
    cannot be written, or for what ``read_class`` would refuse.
    """
    path = Path(path)
    if not 1 <= count <= MAX_SEATS:
        raise ClassFileError(f"{count} seats: expected 1 to {MAX_SEATS}.")
    if len(names) > count:
        raise ClassFileError(
            f"{len(names)} names for {count} seats: make {len(names)} seats, or remove names."
        )
    width = max(2, len(str(count)))
    seat_names = [*names, *(f"{number:0{width}}" for number in range(len(names) + 1, count + 1))]
    head = {"name": _quote(name), "address": _quote(address), "file": path.name}
    text = HEAD.format(**head, port=port, https_port=https_port) + "".join(
        SEAT.format(name=_quote(seat), key=_quote(new_seat_key())) for seat in seat_names
    )
    made = _class(tomllib.loads(text), path)
    write_private(path, text, replace=False)
    return made


def read_names(path: str | Path) -> list[str]:
    """Return the names in a text file, one a line; empty lines do not count.

    Raises ClassFileError.
    """
    path = Path(path)
    lines = (line.strip() for line in _read_text(path).splitlines())
    names = [line for line in lines if line]
    try:
        for place, name in enumerate(names, 1):
            _check_name(name, f"name number {place}")
        _check_different([name.casefold() for name in names], "names")
    except ClassFileError as error:
        raise ClassFileError(f"{path}: {error}") from None
    return names


def write_private(path: Path, text: str, replace: bool) -> None:
    """Write a file that only this user may read.

    replace: True to replace a file that is there. Raises ClassFileError if there is one and it must
    not be replaced, or if the file cannot be written.
    """
    try:
        if replace:
            path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise ClassFileError(
            f"{path} is there already, and its keys may be on paper. Choose another name with "
            "--class-file, or remove it. --make-slips writes its slips again."
        ) from None
    except OSError as error:
        raise ClassFileError(f"Cannot write {path}: {error.strerror or error}.") from None


def check_address(address: str) -> str:
    """Return the address of an endpoint, without a slash at its end. Raises ClassFileError.

    >>> check_address("https://192.168.1.10:8443/")
    'https://192.168.1.10:8443'
    """
    text = address.strip().rstrip("/")
    if len(text) > MAX_ADDRESS_LENGTH:
        raise ClassFileError(
            f"the address has {len(text)} characters: a slip has room for {MAX_ADDRESS_LENGTH}."
        )
    try:
        parts = urlsplit(text)
        is_root = f"{parts.scheme}://{parts.netloc}" == text and "@" not in parts.netloc
        is_possible = is_root and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # half of an IPv6 address, or a port that is not a number
        is_possible = False
    if not is_possible or parts.scheme not in ("http", "https") or not KEY.fullmatch(text):
        raise ClassFileError(
            "the address cannot be used: expected scheme, host and port of this computer, such as "
            f"https://192.168.1.10:{HTTPS_PORT}."
        )
    return text


# How the file is checked


def _read_text(path: Path) -> str:
    """Return the text of a file. Raises ClassFileError."""
    try:
        if path.stat().st_size > MAX_FILE_SIZE:
            raise ClassFileError(f"{path} is too large: expected at most {MAX_FILE_SIZE} bytes.")
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ClassFileError(
            f"There is no file {path}. Name one that is there. A class file is made by "
            "`python -m simulated_azure --make-class 30`."
        ) from None
    except UnicodeDecodeError:
        raise ClassFileError(f"{path} is not UTF-8: save it as UTF-8.") from None
    except OSError as error:
        raise ClassFileError(f"Cannot read {path}: {error.strerror or error}.") from None


def _read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file. Raises ClassFileError, which repeats nothing of it."""
    text = _read_text(path)
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        position = POSITION.search(str(error))
        place = f" at line {position[1]}, column {position[2]}" if position else ""
        raise ClassFileError(
            f"{path} is not valid TOML{place}. Texts need quotation marks, as in name = "
            '"Room 1"; each seat begins with a line [[seat]]; no field may come twice.'
        ) from None


def _class(content: Mapping[str, Any], path: Path) -> ClassFile:
    _check_fields(content, FIELDS, "the file")
    name = content.get("name", "Our class")
    _check_name(name, "the field name")
    address = content.get("address", "")
    if not isinstance(address, str):
        raise ClassFileError(f"address: found {_kind(address)}, expected a text.")
    budget = content.get("budget", {})
    if not isinstance(budget, dict):
        raise ClassFileError(f"budget: found {_kind(budget)}, expected a table: write [budget].")
    _check_fields(budget, BUDGETS, "[budget]")
    limits = dict(_limits(budget, "[budget]"))
    tables = content.get("seat", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ClassFileError("seat: expected tables: write [[seat]], in two pairs of brackets.")
    if not 1 <= len(tables) <= MAX_SEATS:
        raise ClassFileError(
            f"{len(tables)} seats, expected 1 to {MAX_SEATS}. Each begins with a line [[seat]]."
        )
    seats = tuple(_seat(table, number, limits) for number, table in enumerate(tables, 1))
    _check_different([seat.name.casefold() for seat in seats], "seats' names")
    _check_different([seat.key for seat in seats], "seats' keys")
    return ClassFile(
        name,
        seats,
        path,
        check_address(address) if address else "",
        _port(content, "port", PORT),
        _port(content, "https_port", HTTPS_PORT),
    )


def _seat(table: Mapping[str, Any], number: int, limits: Mapping[str, int]) -> Seat:
    place = f"[[seat]] number {number}"
    _check_fields(table, SEAT_FIELDS, place)
    name, key = table.get("name", f"{number:02}"), table.get("key")
    _check_name(name, f"{place}, name")
    if not isinstance(key, str) or len(key) < MIN_KEY_LENGTH or not KEY.fullmatch(key):
        found = f"{len(key)} characters" if isinstance(key, str) else _kind(key)
        raise ClassFileError(
            f"{place}, key: found {found}, expected a text of at least {MIN_KEY_LENGTH} ASCII "
            "characters without spaces."
        )
    return Seat(name, key, **{**limits, **dict(_limits(table, place))})


def _limits(table: Mapping[str, Any], place: str) -> Iterator[tuple[str, int]]:
    for name in BUDGETS:
        value = table.get(name)
        if value is None:
            continue
        if type(value) is not int or value < 1:
            found = value if type(value) in (int, float) else _kind(value)
            raise ClassFileError(
                f"{place}, {name}: found {found}, expected a whole number from 1. "
                "Remove the line if there shall be no limit."
            )
        yield name, value


def _port(content: Mapping[str, Any], name: str, default: int) -> int:
    value = content.get(name, default)
    if type(value) is not int or not 1 <= value <= MAX_PORT:
        found = value if type(value) is int else _kind(value)
        raise ClassFileError(f"{name}: found {found}, expected a port from 1 to {MAX_PORT}.")
    return value


def _check_fields(table: Mapping[str, Any], expected: Iterable[str], place: str) -> None:
    """Raise ClassFileError for an unknown field. Its name is shown only if it is a plain word."""
    unknown = next((name for name in table if name not in expected), None)
    if unknown is not None:
        shown = f"the unknown field {unknown}" if WORD.fullmatch(unknown) else "an unknown field"
        raise ClassFileError(f"{place} has {shown}; expected {', '.join(expected)}.")


def _check_name(name: Any, place: str) -> None:
    is_text = isinstance(name, str)
    if not is_text or not name.strip() or len(name) > MAX_NAME_LENGTH or not name.isprintable():
        found = f"{len(name)} characters" if is_text else _kind(name)
        raise ClassFileError(
            f"{place}: found {found}, expected a text in quotation marks, one line of at most "
            f"{MAX_NAME_LENGTH} characters that can be printed."
        )


def _check_different(values: Sequence[str], what: str) -> None:
    """Raise ClassFileError if two values are the same. They are named by their places only."""
    common, count = Counter(values).most_common(1)[0] if values else ("", 0)
    if count > 1:
        first = values.index(common)
        second = values.index(common, first + 1)
        raise ClassFileError(
            f"two {what} are the same: number {first + 1} and number {second + 1}. Change one."
        )


def _kind(value: Any) -> str:
    """Return what kind of thing a value is, in words.

    >>> _kind(None), _kind(True), _kind([])
    ('nothing', 'true or false', 'a list')
    """
    kinds = {bool: "true or false", int: "a number", float: "a number", str: "a text"}
    kinds |= {list: "a list", dict: "a table", type(None): "nothing"}
    return kinds.get(type(value), "a date or time")


def _quote(text: str) -> str:
    """Return a text as TOML writes it."""
    return json.dumps(text, ensure_ascii=False)
