"""A text as tokens with their ids, and messages as the prompt that the model reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from helpers.explainers.bars import legend, sheet, status
from helpers.look import BLANK, GREY, INK, TINTS
from helpers.tokens import encode_prompt, encoding, prompt_text

MAX_CHARACTERS = 4000  # of a text that is cut into tokens
MAX_PIECES = 100  # that are shown
START, SEPARATOR = "<|im_start|>", "<|im_sep|>"
SPECIAL = f"background:{INK};color:{BLANK};border:1px solid {INK}"
ROLE = f"background:{BLANK};color:{INK};border:2px dashed {INK};font-weight:700"


@dataclass(frozen=True)
class Piece:
    """A token. kind: "text", "special" or "role"."""

    number: int
    content: bytes
    kind: str = "text"

    @property
    def text(self) -> str:
        r"""The token as text in which spaces and line ends can be seen; bytes if it is a part.

        >>> Piece(4221, b" language").text, Piece(222, bytes([128])).text
        ('·language', 'byte 80')
        """
        try:
            text = self.content.decode()
        except UnicodeDecodeError:
            noun = "byte" if len(self.content) == 1 else "bytes"
            return f"{noun} {self.content.hex(' ')}"
        return text.replace(" ", "·").replace("\n", "↵").replace("\t", "→")


def pieces_of(text: str) -> list[Piece]:
    """Return the tokens of a text. A special token that somebody typed is ordinary text here.

    >>> [(piece.number, piece.text) for piece in pieces_of("Hi there")]
    [(13347, 'Hi'), (1070, '·there')]
    """
    return [_piece(number) for number in encoding().encode_ordinary(text[:MAX_CHARACTERS])]


def prompt_pieces(messages: Iterable[Mapping]) -> list[Piece]:
    """Return the tokens of a prompt: special ones, roles, and the tokens of the contents.

    >>> [piece.kind for piece in prompt_pieces([{"role": "user", "content": "Hi"}])][:4]
    ['special', 'role', 'special', 'text']
    """
    special = encoding().special_tokens_set
    pieces, kind = [], "text"
    for number in encode_prompt(prompt_text(messages)):
        piece = _piece(number, kind)
        if (name := piece.content.decode(errors="replace")) in special:
            piece = Piece(number, piece.content, "special")
            kind = "role" if name == START else "text"
        pieces.append(piece)
    return pieces


def tokens_picture(system: str, user: str) -> str:
    """Return the tokens of a text, and of the prompt in which it stands, as HTML.

    system: an instruction; "" for none.
    """
    texts = [text[:MAX_CHARACTERS] for text in (system, user)]
    messages = [
        {"role": role, "content": text}
        for role, text in zip(("system", "user"), texts, strict=True)
        if text or role == "user"
    ]
    text, prompt = pieces_of(user), prompt_pieces(messages)
    lines = [tokens_text(text, prompt)]
    if len(system) > MAX_CHARACTERS or len(user) > MAX_CHARACTERS:
        lines.append(f"Only the first {MAX_CHARACTERS:,} characters of a text are counted.")
    key = legend(
        (SPECIAL, "special token"),
        (ROLE, "role"),
        (_tint(0), "text (neighbours differ in colour, that means nothing more)"),
    )
    return sheet(
        key,
        _tokens(text, "The text alone"),
        _tokens(prompt, "The prompt, as the model reads it"),
        status(" ".join(lines)),
    )


def tokens_text(text: Sequence[Piece], prompt: Sequence[Piece]) -> str:
    """Return how many tokens a text and its prompt have, as a sentence.

    >>> tokens_text(pieces_of("Hi"), prompt_pieces([{"role": "user", "content": "Hi"}]))
    'The text has 1 token. The prompt has 8: 5 special, 2 for roles, 1 for contents.'
    """
    kinds = [piece.kind for piece in prompt]
    counts = [kinds.count(kind) for kind in ("special", "role", "text")]
    noun = "token" if len(text) == 1 else "tokens"
    return (
        f"The text has {len(text)} {noun}. The prompt has {len(prompt)}: {counts[0]} special, "
        f"{counts[1]} for roles, {counts[2]} for contents."
    )


def _piece(number: int, kind: str = "text") -> Piece:
    return Piece(number, encoding().decode_single_token_bytes(number), kind)


def _tint(place: int) -> str:
    return f"background:{TINTS[place % len(TINTS)]};color:{INK};border:1px solid {GREY}"


def _tokens(pieces: Sequence[Piece], title: str) -> str:
    """Return tokens in a row, each with its id below it."""
    shown = pieces[:MAX_PIECES]
    boxes = "".join(_box(piece, place) for place, piece in enumerate(shown))
    left = len(pieces) - len(shown)
    more = f" … and {left:,} more" if left else ""
    words = ", ".join(f"{piece.text} {piece.number}" for piece in shown)
    description = f"{title}: {words or 'no token'}{more}"
    return (
        f"<b>{title}</b> ({len(pieces)})"
        f'<div role="img" aria-label="{escape(description)}" style="display:flex;flex-wrap:wrap;'
        f'gap:3px;margin:2px 0 8px">{boxes}{more}</div>'
    )


def _box(piece: Piece, place: int) -> str:
    style = {"special": SPECIAL, "role": ROLE}.get(piece.kind, _tint(place))
    return (
        f'<span style="{style};border-radius:3px;padding:0 4px;text-align:center;'
        f'print-color-adjust:exact"><code style="color:inherit;background:none;white-space:pre;'
        f'font-size:14px">{escape(piece.text)}</code><br>'
        f'<small style="font-weight:400">{piece.number}</small></span>'
    )
