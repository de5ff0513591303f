"""Bars as HTML. A text says the same as the picture, to people who do not see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from helpers.look import BAR, INK, PAPER, STRIPES, TRACK, WARNING

ROW = (
    "display:grid;grid-template-columns:{names} minmax(80px,1fr) {texts};column-gap:10px;"
    "align-items:center"
)
NARROWEST = 0.002  # of a track; the border of a narrower bar would be wider than the bar
LAYER = "position:absolute;left:0;box-sizing:border-box;print-color-adjust:exact"


@dataclass(frozen=True)
class Bar:
    """A bar with a name on its left and a text on its right.

    width: from 0 to 1. before: the width of a dashed outline, None for none. is_cut: True if the
    bar is striped and its name crossed out, because it no longer counts.
    """

    name: str
    width: float
    text: str
    before: float | None = None
    is_cut: bool = False


def bars(rows: Sequence[Bar], description: str, names: str = "8em", texts: str = "9em") -> str:
    """Return bars as HTML, a row each.

    description: the text alternative of the picture. names, texts: the widths of the columns on
    both sides, as in CSS.

    >>> html = bars([Bar("Blue", 0.25, "25 %")], "Blue has 25 %.")
    >>> 'role="img" aria-label="Blue has 25 %."' in html, "width:25.0%" in html
    (True, True)
    """
    style = ROW.format(names=names, texts=texts)
    lines = "".join(f'<div style="{style}">{_row(row)}</div>' for row in rows)
    return (
        f'<div role="img" aria-label="{escape(description)}" style="font-size:14px">{lines}</div>'
    )


def sheet(*parts: str) -> str:
    """Return parts of HTML on the paper that all pictures have."""
    return f'<div style="{PAPER}">{"".join(parts)}</div>'


def status(text: str) -> str:
    """Return a line of text, which screen readers read out when it changes."""
    return f'<div role="status" style="margin-top:4px">{escape(text)}</div>'


def problem(text: str) -> str:
    """Return an error in words. It looks like one, and screen readers read it out."""
    return f'<div role="status" style="{WARNING}">{escape(text)}</div>'


def legend(*entries: tuple[str, str]) -> str:
    """Return what patterns mean. An entry is the CSS of a sample and its meaning."""
    samples = [
        f'<span style="display:inline-block;width:22px;height:11px;box-sizing:border-box;{css}">'
        f"</span> {escape(meaning)}"
        for css, meaning in entries
    ]
    text = "&emsp;".join(samples)
    return f'<div style="font-size:12px;margin-bottom:4px">{text}</div>'


FILLED = f"background:{BAR}"
OUTLINED = f"border:2px dashed {INK};border-left:0"
STRIPED = f"background:{STRIPES};border:1px solid {INK}"


def layer(style: str, width: float, left: float = 0.0, gap: int = 2) -> str:
    """Return a box in the track of a bar. width, left: shares of the track; gap: pixels."""
    place = f"top:{gap}px;bottom:{gap}px;left:{left:.1%};width:{width:.1%}"
    return f'<div style="{LAYER};{place};{style}"></div>'


def track(*layers: str) -> str:
    """Return the track of a bar with boxes in it."""
    style = f"position:relative;height:20px;background:{TRACK};print-color-adjust:exact"
    return f'<div style="{style}">{"".join(layers)}</div>'


def _row(row: Bar) -> str:
    layers = []
    if row.width >= NARROWEST:
        layers.append(layer(STRIPED if row.is_cut else FILLED, row.width))
    if row.before and row.before >= NARROWEST:
        layers.append(layer(OUTLINED, row.before, gap=0))
    name = escape(row.name)
    return (
        f'<code style="text-align:right;white-space:pre;color:{INK};background:none">'
        f"{f'<s>{name}</s>' if row.is_cut else name}</code>"
        f'{track(*layers)}<span style="white-space:nowrap">{escape(row.text)}</span>'
    )
