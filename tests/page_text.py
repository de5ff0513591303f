"""Read text that helpers.text.fit_page has broken into lines."""

from __future__ import annotations

import re


def whole_lines(text: str) -> list[str]:
    """Return the lines that were printed, each as it was before it was broken.

    >>> whole_lines("one line\\n    and more\\nanother\\n")
    ['one line and more', 'another']
    """
    return re.sub(r"\n +(?=\S)", " ", text).splitlines()
