"""What the seats of a class have used, in memory and in a file that survives the process.

The file is an SQLite database beside the class file. Each change is in it before an answer leaves,
so a process that is killed loses no count. Tokens are written ahead: while a seat is being
answered, the file says up to TOKENS_AHEAD more than it has used. If the process is killed then,
these count as used, since nobody knows how many of them were sent.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .seats import ClassFile, Seat

TOKENS_AHEAD = 32  # that the file counts before they are used: else each token would be a write
MAX_ASKED_LENGTH = 80  # characters of what a seat last asked for
MAX_READ_LENGTH = 4096  # characters in which keys are looked for; longer texts are cut before
TABLES = """
CREATE TABLE IF NOT EXISTS class (name TEXT NOT NULL, since TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS seat (
    name TEXT PRIMARY KEY, requests INTEGER NOT NULL, tokens INTEGER NOT NULL,
    errors INTEGER NOT NULL, refused INTEGER NOT NULL
) WITHOUT ROWID;
"""
SAVE = "INSERT OR REPLACE INTO seat VALUES (?, ?, ?, ?, ?)"


class TallyError(Exception):
    """The counts of a class cannot be read or written. The message says why and what to do."""


@dataclass
class Account:
    """What one seat has used.

    requests: answered by the model, or about to be. tokens: of prompts and answers. errors: other
    answers with an error. refused: requests that came when a budget was spent. waiting: requests
    without a whole answer yet. last_asked: the beginning of its last question, without keys.
    seen_at: when it last sent anything, by the monotonic clock; None if not since the start.
    saved_tokens: in the file. held: tokens that are paid for, but may come back.
    """

    seat: Seat
    requests: int = 0
    tokens: int = 0
    errors: int = 0
    refused: int = 0
    waiting: int = 0
    last_asked: str = ""
    seen_at: float | None = None
    saved_tokens: int = 0
    held: int = 0

    @property
    def requests_left(self) -> int | None:
        """How many requests the budget still allows; None if there is no limit."""
        return None if self.seat.requests is None else max(0, self.seat.requests - self.requests)

    @property
    def tokens_left(self) -> int | None:
        """How many tokens the budget still allows; None if there is no limit."""
        return None if self.seat.tokens is None else max(0, self.seat.tokens - self.tokens)


class Tally:
    """The accounts of a class.

    path: the file of the counts. group: the class; seats are known by their names, so a seat may
    get another key. ``version`` changes whenever the counts do. ``problem``: why counts are not
    saved any more, such as a full disk; "" as long as they are. ``report``: called with it. Raises
    TallyError if the file cannot be used, is in use, or belongs to another class.
    """

    def __init__(self, path: Path, group: ClassFile):
        self.path, self.name = path, group.name
        self.version = 0
        self.problem = ""
        self.report: Callable[[str], object] = lambda text: None
        self._accounts = {seat.name: Account(seat) for seat in group.seats}
        keys = (seat.key for seat in group.seats)
        self._keys = sorted(keys, key=len, reverse=True)  # one may be a part of another
        try:
            self._database = _open(path)
            self.since = self._read()
        except sqlite3.Error as error:
            raise TallyError(_reason(path, error)) from None
        except TallyError:
            self._database.close()
            raise

    def close(self) -> None:
        """Write what is used, and let go of the file."""
        for account in self._accounts.values():
            if account.saved_tokens != account.tokens:
                self.save(account)
        with suppress(sqlite3.Error):
            self._database.close()

    def account(self, name: str) -> Account:
        """Return the account of a seat."""
        return self._accounts[name]

    def changed(self, version: int) -> bool:
        """Return True if the counts are others than those of a version."""
        return self.version != version

    def save(self, account: Account, tokens_ahead: int = 0) -> None:
        """Write the counts of a seat into the file.

        tokens_ahead: that it may use before the next time.
        """
        self.version += 1
        tokens = account.tokens + tokens_ahead
        if account.seat.tokens is not None:
            tokens = max(account.tokens, min(tokens, account.seat.tokens))
        counts = account.requests, tokens, account.errors, account.refused
        try:
            self._database.execute(SAVE, (account.seat.name, *counts))
        except sqlite3.Error as error:  # the class goes on, since the counts in memory are right
            if not self.problem:
                self.problem = _reason(self.path, error)
                self.report(f"{self.problem} The class goes on, but this is not saved.")
        account.saved_tokens = tokens

    def note(self, account: Account, asked: str | None = None) -> None:
        """Note that a seat has sent something. asked: the text of its question, if it is one."""
        self.version += 1
        account.seen_at = time.monotonic()
        if asked is not None:
            account.last_asked = self.shorten(asked)

    def shorten(self, text: str) -> str:
        """Return the beginning of a text in one line, without the key of any seat."""
        if len(text) > MAX_READ_LENGTH:  # a key at the cut would stay in half
            text = text[: MAX_READ_LENGTH - max(map(len, self._keys))]
        text = self.redact(text)
        line = " ".join(text.split())
        return line if len(line) <= MAX_ASKED_LENGTH else line[: MAX_ASKED_LENGTH - 1] + "…"

    def redact(self, text: str) -> str:
        """Return a text without the key of any seat."""
        for key in self._keys:
            text = text.replace(key, "***")
        return text

    def snapshot(self) -> dict[str, Any]:
        """Return all counts, of the class and of each seat."""
        seats = self.rows()
        sums = {
            name: sum(seat[name] for seat in seats)
            for name in ("requests", "tokens", "errors", "refused")
        }
        return {"class": self.name, "since": self.since, **sums, "seats": seats}

    def rows(self) -> list[dict[str, Any]]:
        """Return the counts of each seat, in the order of the class file."""
        now = time.monotonic()
        return [
            {
                "name": account.seat.name,
                "requests": account.requests,
                "tokens": account.tokens,
                "errors": account.errors,
                "refused": account.refused,
                "requests_left": account.requests_left,
                "tokens_left": account.tokens_left,
                "waiting": account.waiting,
                "last_asked": account.last_asked,
                "last_seen": None if account.seen_at is None else round(now - account.seen_at, 1),
            }
            for account in self._accounts.values()
        ]

    def _read(self) -> str:
        """Fill the accounts from the file. Return when the counts begin (ISO 8601)."""
        self._database.executescript(TABLES)
        row = self._database.execute("SELECT name, since FROM class").fetchone()
        if row is None:
            row = self.name, datetime.now(UTC).isoformat(timespec="seconds")
            self._database.execute("INSERT INTO class VALUES (?, ?)", row)
        name, since = row
        if name != self.name:
            raise TallyError(
                f"{self.path} has the counts of the class {name!r}, not of {self.name!r}. Give the "
                "class file its old name again, or move the file with the counts away to begin "
                "with new ones."
            )
        for name, requests, tokens, errors, refused in self._database.execute("SELECT * FROM seat"):
            if account := self._accounts.get(name):  # others have left the class; they stay there
                account.requests, account.tokens = requests, tokens
                account.errors, account.refused = errors, refused
                account.saved_tokens = tokens
        return since


def _open(path: Path) -> sqlite3.Connection:
    """Return the database in a file, locked for this process. Raises sqlite3.Error."""
    database = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        path.chmod(0o600)
        # One process only: it keeps the counts in memory. The lock ends with the process.
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute(
            "PRAGMA journal_mode = WAL"
        )  # a write is one append, about 10 microseconds
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("BEGIN IMMEDIATE")  # takes the lock, and tells whether one may write
        database.execute("COMMIT")
    except (sqlite3.Error, OSError) as error:
        database.close()
        if isinstance(error, OSError):
            raise sqlite3.OperationalError(str(error.strerror)) from None
        raise
    return database


def _reason(path: Path, error: sqlite3.Error) -> str:
    """Return why the file of the counts cannot be used, and what to do."""
    kind = getattr(error, "sqlite_errorname", "")
    if kind.startswith("SQLITE_BUSY"):
        return (
            f"{path} is in use: another process serves this class. End that one first, or start "
            "this one with another class file."
        )
    if kind == "SQLITE_NOTADB" or kind.startswith("SQLITE_CORRUPT"):
        return (
            f"{path} is not a file of counts, or it is damaged. Move it away to begin with new "
            "counts."
        )
    if kind.startswith("SQLITE_READONLY"):
        return f"{path} may not be written. Let this user write it, and its folder."
    return (
        f"The counts of the class cannot be kept in {path} ({error}). Put the class file into a "
        "folder where you may write and where the disk is not full."
    )
