"""The playground's style sheet, and answers, tokens and code as HTML. Pure: no widget, no network.

Colour and underline both say how likely a token was, so an answer can be read in grey and by people
who see colours differently. Both themes of JupyterLab have colours of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from helpers.look import THEMES, theme_rules
from helpers.playground.answer import (
    Answer,
    Answers,
    Option,
    Token,
    characters,
    describe,
    ending,
    others,
    percent,
    tally,
    visible,
)


@dataclass(frozen=True)
class Look:
    """Colours of a text, as #rrggbb, and its underline, of CSS."""

    background: str
    colour: str
    underline: str = "none"


@dataclass(frozen=True)
class Step:
    """How tokens look that have at least some probability, in the light and the dark theme."""

    name: str
    least: float
    light: Look
    dark: Look


PAPER = {theme: Look(values["paper"], values["ink"]) for theme, values in THEMES.items()}
# From the page's own colour to one far from it.
STEPS = (
    Step("90 % or more", 0.9, PAPER["light"], PAPER["dark"]),
    Step(
        "50 to 90 %",
        0.5,
        Look("#dcecf9", "#1a1a1a", "2px dotted #0072b2"),
        Look("#12384f", "#ffffff", "2px dotted #7cc4f4"),
    ),
    Step(
        "20 to 50 %",
        0.2,
        Look("#a5cdec", "#000000", "2px dashed #004a75"),
        Look("#1c5f8f", "#ffffff", "2px dashed #cde8fa"),
    ),
    Step(
        "5 to 20 %",
        0.05,
        Look("#4f9bd3", "#000000", "2px solid #000000"),
        Look("#6db6ea", "#000000", "2px solid #000000"),
    ),
    Step(
        "less than 5 %",
        0.0,
        Look("#0b3d62", "#ffffff", "4px double #ffffff"),
        Look("#d9eefb", "#000000", "4px double #000000"),
    ),
)
RULES = """
.playground .pg-paper {background: var(--kit-paper); color: var(--kit-ink); line-height: 1.5;
    border: 1px solid var(--kit-line); border-radius: 4px; padding: 6px; overflow-wrap: anywhere}
.playground .pg-small {line-height: 1.4; font-size: 13px; overflow-wrap: anywhere}
.playground .pg-chat {display: flex; flex-direction: column-reverse; height: 222px;
    overflow: auto; box-sizing: border-box}
.playground .pg-chat > div {margin-bottom: auto}
.playground .pg-turn {margin-bottom: 6px; white-space: pre-wrap}
.playground .pg-turn ol {margin: 0; white-space: pre-wrap}
.playground .pg-note {color: var(--kit-note); font-weight: 600}
.playground .pg-code {white-space: pre-wrap; font-family: monospace; font-size: 13px; margin: 0;
    max-height: 420px; overflow: auto}
.playground .pg-columns {display: grid; grid-template-columns: 1fr 1fr; gap: 8px}
.playground .pg-head {margin: 0 0 4px; font-weight: 600; border-bottom: 1px solid}
.playground .pg-table {max-height: 190px; overflow: auto}
.playground .pg-table table {border-collapse: collapse; width: 100%}
.playground .pg-table th, .playground .pg-table td {text-align: left; padding: 1px 8px;
    font-size: 12px; border-bottom: 1px solid var(--kit-line); white-space: pre-wrap;
    vertical-align: top; color: var(--kit-ink); background: var(--kit-paper)}
.playground .pg-table td + td + td {width: 60%}
.playground .pg-table .pg-right {text-align: right}
.playground .pg-row {position: relative; flex-flow: row wrap; padding-bottom: 42px;
    max-height: 230px; overflow: auto; background: var(--kit-paper); color: var(--kit-ink);
    border: 1px solid var(--kit-line); border-radius: 4px; margin: 2px}
.playground .pg-row .pg-token {position: static; overflow: visible; width: auto; min-width: 24px;
    height: 26px; line-height: 22px; margin: 2px 0; padding: 0 1px; border-radius: 2px;
    box-shadow: none; font-size: 14px; white-space: pre; text-align: left}
.playground .pg-row .pg-chosen {outline: 2px solid currentColor; outline-offset: -2px}
.playground .pg-row .pg-token:focus-visible {z-index: 1}
.playground .pg-row .pg-token:hover::after, .playground .pg-row .pg-token:focus-visible::after {
    content: attr(title); position: absolute; left: 0; right: 0; bottom: 0; height: 38px;
    overflow: hidden; padding: 0 6px; line-height: 19px; font-size: 13px; text-align: left;
    white-space: normal; background: var(--kit-paper); color: var(--kit-ink)}
.playground .pg-row .pg-token:hover::after {z-index: 1}
.playground .noUi-handle {border: 2px solid var(--kit-line)}
.playground .widget-toggle-button.mod-active {box-shadow: inset 0 -3px var(--kit-focus)}
.playground .pg-option {width: auto; white-space: pre}
.playground button:focus-visible, .playground input:focus-visible,
.playground select:focus-visible, .playground textarea:focus-visible,
.playground [tabindex]:focus-visible {outline: 3px solid var(--kit-focus) !important;
    outline-offset: 1px}
.playground .jupyter-widgets-disconnected::before {display: none}
.playground.jupyter-widgets-disconnected::before {display: block; position: static; padding: 6px;
    font: bold 14px sans-serif; height: auto; width: auto; color: var(--kit-note);
    content: "The kernel of this playground has ended or was restarted. Run its cell again."}
"""


def style_sheet() -> str:
    """Return the style sheet of the playground, as an element of HTML."""
    rules = [
        f".playground .pg-{number} {{background: var(--kit-{number}); "
        f"color: var(--kit-ink-{number}); border: 0; border-bottom: var(--kit-under-{number}); "
        "border-radius: 2px}"
        for number in range(len(STEPS))
    ]
    themes = theme_rules(".playground", _variables("light"), _variables("dark"))
    return f"<style>{themes} {' '.join(rules)} {RULES}</style>"


def _variables(theme: str) -> dict[str, str]:
    """Return the variables of CSS for the steps in a theme."""
    values = {}
    for number, step in enumerate(STEPS):
        look: Look = getattr(step, theme)
        values |= {
            f"{number}": look.background,
            f"ink-{number}": look.colour,
            f"under-{number}": look.underline,
        }
    return values


def step_of(token: Option) -> int:
    """Return the number of the step that a token is in."""
    return next(i for i, step in enumerate(STEPS) if token.probability >= step.least)


def coloured(answer: Answer, with_titles: bool = True) -> str:
    """Return an answer as HTML, its tokens coloured and underlined by their probability.

    with_titles: True to give each token its probability and the other tokens as a title, which
    appears when the mouse rests on it. Without probabilities, only the text is returned. The
    tokens of a stop text, which is not in the answer's text, are left out.
    """
    if not answer.tokens:
        return _line_breaks(answer.text)
    pieces = [*characters(answer.tokens)]
    whole = "".join(text for text, _ in pieces)
    is_cut = answer.finish_reason is not None and whole.startswith(answer.text)
    left = len(answer.text if is_cut else whole)
    spans = []
    for piece, tokens in pieces:
        text, left = piece[:left], left - len(piece[:left])
        if not text:
            break
        title = escape("; ".join(map(describe, tokens))) if with_titles else ""
        title = f' title="{title}"' if title else ""
        step = max(map(step_of, tokens))
        spans.append(f'<span class="pg-{step}"{title}>{_line_breaks(text)}</span>')
    return "".join(spans)


def legend() -> str:
    """Return the steps of colour as HTML, with what they mean."""
    samples = [
        f'<span class="pg-{number}">&nbsp;{step.name}&nbsp;</span>'
        for number, step in enumerate(STEPS)
    ]
    return f'<div class="pg-paper">Probability of a token: {" ".join(samples)}</div>'


def token_label(token: Option) -> str:
    r"""Return a token as it is shown on a button: with its spaces and with signs for line breaks.

    >>> token_label(Option(" is\n", 0.0, b" is\n"))
    ' is↵'
    """
    text = visible(token)
    return token.text.replace("\n", "\u21b5").replace("\t", "\u21e5") if text[0] != "b" else text


def token_table(tokens: Sequence[Token]) -> str:
    """Return tokens as a table of HTML: number, token, probability, the likeliest others."""
    heads = "".join(
        f'<th scope="col">{name}</th>'
        for name in ("Number", "Token", "Probability", "What else could have stood there")
    )
    rows = "".join(_row(number, token) for number, token in enumerate(tokens, 1))
    return (
        '<div class="pg-paper pg-table" role="region" aria-label="tokens" tabindex="0">'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row(number: int, token: Token) -> str:
    options = [f"{visible(each)} {percent(each.probability)}" for each in others(token)]
    return (
        f'<tr><th scope="row">{number}</th>'
        f'<td><span class="pg-{step_of(token)}">{escape(visible(token))}</span></td>'
        f"<td>{percent(token.probability)}</td>"
        f"<td>{escape(', '.join(options)) or 'not told'}</td></tr>"
    )


def small(text: str) -> str:
    """Return text as HTML in small letters."""
    return f'<div class="pg-small">{_line_breaks(text)}</div>'


def note(text: str) -> str:
    """Return a note or an error as HTML. Screen readers read it aloud when it appears."""
    return f'<div class="pg-note" role="status">{_line_breaks(text)}</div>'


def code_block(name: str, text: str) -> str:
    """Return code as HTML."""
    return (
        f'<b>{escape(name)}:</b><pre class="pg-paper pg-code" role="region" '
        f'aria-label="{escape(name)}" tabindex="0">{escape(text)}</pre>'
    )


def turn(role: str, html: str) -> str:
    """Return a turn of the conversation. Its text has a direction of its own."""
    name = {"user": "You", "assistant": "Model"}[role]
    return f'<div class="pg-turn"><b>{name}:</b> <bdi>{html}</bdi></div>'


def turns(messages: Iterable[Mapping[str, str]]) -> str:
    """Return messages as turns of the conversation."""
    return "".join(turn(each["role"], escape(each["content"])) for each in messages)


def answers_html(answers: Answers, is_complete: bool = True, has_stop_texts: bool = False) -> str:
    """Return answers with their colours; several as a list, and how often each text came.

    is_complete: False while they are being written; then tokens have no titles, which would be
    sent to the page again and again. has_stop_texts: as for ``ending``.
    """
    texts = []
    for answer in answers.list:
        is_alone = len(answers.list) == 1
        end = ending(answer, has_stop_texts) if is_alone else f"({answer.finish_reason})"
        space = "<br>" if is_alone else " "
        end = f"{space}<small>{escape(end)}</small>" if answer.finish_reason else ""
        texts.append(f'<span class="playground-answer">{coloured(answer, is_complete)}</span>{end}')
    if len(texts) <= 1:
        return "".join(texts)
    counts = f"<div><b>{escape(tally(answers.list))}</b></div>" if is_complete else ""
    return f"<ol>{''.join(f'<li>{text}</li>' for text in texts)}</ol>{counts}"


def column(name: str, settings: str, html: str) -> str:
    """Return one of two columns. settings: what differs from the other column."""
    head = escape(f"{name}: {settings}")
    return (
        f'<section class="pg-paper" role="region" aria-label="{escape(name)}" tabindex="0">'
        f'<div class="pg-head">{head}</div><div class="pg-turn"><bdi>{html}</bdi></div></section>'
    )


def _line_breaks(text: str) -> str:
    return escape(text).replace("\n", "<br>")
