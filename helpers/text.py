"""Break long lines of text between words.

JupyterLab and pages break a line that is too long for them anywhere, also inside a word.
"""

from __future__ import annotations

from textwrap import fill

PAGE_WIDTH = 96  # characters; as much as JupyterLab shows on a small screen


def fit_page(line: str, indent: int = 0) -> str:
    """Return a line of text, broken between words where it is too long for a page.

    indent: how many spaces begin the second line and those after it.

    >>> print(fit_page("python      " + "word " * 19, indent=12))
    python      word word word word word word word word word word word word word word word word word
                word word
    """
    return fill(
        line,
        PAGE_WIDTH,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
