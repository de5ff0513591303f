"""What one request costs its seat, and where the budget ends it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

from .seats import Seat
from .tally import TOKENS_AHEAD, Account, Tally
from .turns import Places

WAIT_SECONDS = 0.01  # between two looks at whether tokens have come back


class Bill:
    """What one request of a seat uses. It is paid token by token, while the answer is written.

    So many requests of one seat at once share what is left of its budget, and none can overdraw
    it: an answer ends where the budget does, with the finish_reason "length". ``is_begun``: the
    model answers. ``is_refused``: a budget was spent. tally, account: of the class and of the seat.
    spent: returns the error for a spent budget, given what is spent. places: at a model elsewhere.
    ``at_close``: called when this is closed, the last one first.
    """

    def __init__(
        self,
        tally: Tally,
        account: Account,
        spent: Callable[[str], Exception],
        places: Places | None = None,
    ):
        self._tally, self.account, self._spent = tally, account, spent
        self.places = places or Places(1)
        self.at_close: list[Callable[[], object]] = []
        self.is_begun = self.is_refused = False
        self._held = self._reserved = 0  # tokens of a request to a model elsewhere
        account.waiting += 1

    @property
    def seat(self) -> Seat:
        return self.account.seat

    def check(self) -> None:
        """Raise the error for a spent budget if the seat has no request or no token left."""
        if self.account.requests_left == 0:
            self._refuse(f"all {self.seat.requests:,} requests of this seat are used")
        if self.account.tokens_left == 0 and not self.account.held:
            self._refuse(f"all {self.seat.tokens:,} tokens of this seat are used")

    def note_question(self, messages: Sequence[tuple[str, str]]) -> None:
        """Note what the seat asks for. messages: (role, text) of each."""
        question = next((text for role, text in reversed(messages) if role == "user"), "")
        self._tally.note(self.account, question)

    def begin(self, prompt_tokens: int) -> None:
        """Pay for a request and its prompt. Raises the error for a spent budget.

        At least one token must be left for the answer.
        """
        self.check()
        if not self._has_tokens(prompt_tokens + 1):
            self._refuse_prompt(prompt_tokens)
        self._begin(prompt_tokens)

    def pay(self) -> bool:
        """Pay for one token of the answer. Return False if none is left: end the answer then."""
        account = self.account
        if account.seat.tokens is not None and account.tokens >= account.seat.tokens:
            return False
        account.tokens += 1
        if account.tokens > account.saved_tokens:
            self._tally.save(account, TOKENS_AHEAD)
        else:
            self._tally.version += 1
        return True

    def reserve(self, prompt_tokens: int, limit: int | None) -> Generator[float, None, int | None]:
        """Pay for a request to a model elsewhere, whose tokens cannot be paid one by one.

        prompt_tokens: as far as they can be known before. limit: the most tokens of the answer, all
        choices together; None if the request sets none. Return the most tokens that the answer may
        have; None for no limit. It is paid for until ``settle``. While other requests of the seat
        hold what would be needed, this yields the seconds to wait. Raises the error for a spent
        budget.
        """
        self.check()
        while not self._has_tokens(prompt_tokens + 1):
            if not self.account.held:
                self._refuse_prompt(prompt_tokens)
            yield WAIT_SECONDS
            self.check()
        left = self.account.tokens_left
        if left is not None:
            left -= prompt_tokens
            limit = left if limit is None else min(limit, left)
            self._held = prompt_tokens + limit
            self.account.held += self._held
        self._begin(prompt_tokens if left is None else self._held)
        self._reserved = prompt_tokens if left is None else self._held
        return limit

    def settle(self, tokens: int) -> None:
        """Pay for the tokens that a model elsewhere has used, in place of those of ``reserve``."""
        self.account.tokens += tokens - self._reserved
        self.account.held -= self._held
        self._held, self._reserved = 0, tokens
        self._tally.save(self.account)

    def close(self) -> None:
        """Say that the answer has been sent, or that the client has gone."""
        self.account.waiting -= 1
        for call in reversed(self.at_close):
            call()
        if not self.account.waiting and self.account.saved_tokens != self.account.tokens:
            self._tally.save(self.account)
        self._tally.version += 1

    def note_error(self) -> None:
        """Count an answer with an error, other than the one for a spent budget."""
        self.account.errors += 1
        self._tally.save(self.account, self.account.saved_tokens - self.account.tokens)

    def _has_tokens(self, count: int) -> bool:
        return self.account.tokens_left is None or self.account.tokens_left >= count

    def _begin(self, tokens: int) -> None:
        self.is_begun = True
        self.account.requests += 1
        self.account.tokens += tokens
        self._tally.save(self.account, TOKENS_AHEAD)

    def _refuse_prompt(self, prompt_tokens: int) -> None:
        self._refuse(
            f"{self.account.tokens_left:,} of this seat's {self.seat.tokens:,} tokens are left, "
            f"too few for this prompt of {prompt_tokens:,} and an answer"
        )

    def _refuse(self, what: str) -> None:
        self.is_refused = True
        self.account.refused += 1
        self._tally.save(self.account, self.account.saved_tokens - self.account.tokens)
        raise self._spent(what)
