"""What a skill gets and what it returns."""

from __future__ import annotations

from dataclasses import dataclass

from ..forms import Form


@dataclass(frozen=True)
class Chat:
    """A conversation, as a skill sees it.

    text: the user's last message, without what it says about the form of the answer. message: the
    same, as it was sent. earlier: the user's messages before it, oldest first. system: the text of
    all system messages. form: the form that the answer must have. pairs: the user's earlier
    messages, each with the assistant's answer to it.
    """

    text: str
    message: str = ""
    earlier: tuple[str, ...] = ()
    system: str = ""
    form: Form = Form()
    pairs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Reply:
    """What a skill answers. The language model then generates its text from it.

    skill: its name, which the fingerprint shows. answers: the possible answers, the preferred one
    first. weights: how often each counts; () for the model's usual weights. brief: the answer in a
    word or two, "" if there is none. items: the answer as a list, if it is one. language: the
    language of the answers, "" for English. is_fixed: True if no form may change the answers, as
    with JSON.
    """

    skill: str
    answers: tuple[str, ...]
    weights: tuple[float, ...] = ()
    brief: str = ""
    items: tuple[str, ...] = ()
    language: str = ""
    is_fixed: bool = False
