"""One look for plots and widgets: colours, and the paper on which they are drawn.

Plots are on white paper in both themes. Widgets are on paper that is light or dark, as the page is:
``theme_rules`` sets variables of CSS. A colour never says anything alone: a pattern, a border or
a word says the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

# Those of Okabe and Ito (https://jfly.uni-koeln.de/color/), as dark as text has to be on white.
COLOURS = ("#0072b2", "#c25400", "#007a5a", "#a8558b")
# The colours of widgets by theme: name of a variable -> value.
THEMES: Mapping[str, Mapping[str, str]] = {
    "light": {
        "paper": "#ffffff",
        "ink": "#1a1a1a",
        "note": "#8a2b00",  # of notes and errors
        "line": "#767676",  # of borders
        "focus": "#0b5cad",
        "bar": COLOURS[0],
        "track": "#eeeeee",  # behind a bar
        "tint-0": "#dcecf9",  # of tokens; neighbours differ
        "tint-1": "#fbe6d4",
    },
    "dark": {
        "paper": "#1b1b1b",
        "ink": "#f0f0f0",
        "note": "#ffb58a",
        "line": "#8f8f8f",
        "focus": "#8ecbff",
        "bar": "#2b8ccb",
        "track": "#333333",
        "tint-0": "#12384f",
        "tint-1": "#4a2c12",
    },
}
# JupyterLab, a notebook exported in the dark, and VS Code tell the theme in these ways.
DARK = ('[data-jp-theme-light="false"]', ".theme-dark", ".vscode-dark")
# `lessons --playground` is light or dark as the browser is. Only voila's page has this id.
DARK_PAGE = "@media (prefers-color-scheme: dark) {{#rendered_cells {root} {{{values}}}}}"

INK, GREY, TRACK = "var(--kit-ink)", "var(--kit-line)", "var(--kit-track)"
BLANK, BAR = "var(--kit-paper)", "var(--kit-bar)"
PAPER = (
    f"background:{BLANK};color:{INK};border:1px solid {GREY};border-radius:4px;padding:6px;"
    "line-height:1.5"
)
STRIPES = f"repeating-linear-gradient(45deg,{BLANK} 0 4px,{GREY} 4px 6px)"
TINTS = ("var(--kit-tint-0)", BLANK, "var(--kit-tint-1)", BLANK)
WARNING = "color:var(--kit-note);font-weight:600"


def label(name: str, tip: str) -> dict[str, object]:
    """Return the arguments that give a widget a label, and a tip while the mouse rests on it.

    ipywidgets has ``tooltip`` for that, but shows it for no field that has a description.

    >>> label("n", "1 to 100")["description"]
    '<abbr title="1 to 100">n</abbr>'
    """
    text = f'<abbr title="{escape(tip)}">{escape(name, quote=False)}</abbr>'
    return {"description": text, "description_allow_html": True}


def theme_rules(
    root: str, light: Mapping[str, str] | None = None, dark: Mapping[str, str] | None = None
) -> str:
    """Return rules of CSS that set the variables ``--kit-…`` to the colours of the page's theme.

    root: selector of the elements that get them. light, dark: further variables of both themes.

    >>> "--kit-paper:#1b1b1b" in theme_rules(".explainer")
    True
    """
    bright, gloomy = (
        ";".join(
            f"--kit-{name}:{value}" for name, value in {**THEMES[theme], **(more or {})}.items()
        )
        for theme, more in (("light", light), ("dark", dark))
    )
    selectors = ", ".join(f"{place} {root}" for place in DARK)
    page = DARK_PAGE.format(root=root, values=gloomy)
    return f"{root} {{{bright}}} {selectors} {{{gloomy}}} {page}"
