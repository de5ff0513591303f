"""Slips to print and cut out, one for each seat: its address, its key, and a QR code of both.

One file of HTML, which fits A4 and US Letter, in black and white. After the slips comes a list of
the seats for the teacher, without keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import islice
from pathlib import Path

import segno

from .seats import ClassFile, Seat, write_private

SLIPS_ON_A_PAGE = 8  # 2 columns of 4
LONG_NAME = 14  # characters; longer ones are printed smaller
ROWS_ON_A_PAGE = 44  # of the list, in 2 columns
STYLE = Path(__file__).with_name("slips.css")
SLIP = """\
<section class="slip"><div class="qr">{qr}</div>
<h2{long}><small>{title}</small>{seat}</h2>
<dl><dt>Address</dt><dd class="address">{address}</dd>
<dt>Key</dt><dd class="key">{key}</dd></dl>
<p>For the file <b>.env</b> in the lessons' folder (the code has the same):</p>
<pre>{lines}</pre></section>"""


def save_slips(group: ClassFile, extra: Sequence[tuple[str, str]] = ()) -> Path:
    """Write the slips of a class beside its file, over the ones that are there. Return the path.

    extra: more variables that each seat has to set. Only this user may read the file. Raises
    ClassFileError if it cannot be written.
    """
    stem = "class-slips" if group.path.stem == "class" else f"class-slips-{group.path.stem}"
    path = group.path.with_name(f"{stem}.html")
    write_private(path, write_slips(group, extra), replace=True)
    return path


def write_slips(group: ClassFile, extra: Sequence[tuple[str, str]] = ()) -> str:
    """Return the slips of a class, and the list of its seats, as HTML."""
    slips = [_slip(group, seat, extra) for seat in group.seats]
    title, style = escape(group.name), STYLE.read_text(encoding="utf-8")
    return "\n".join(
        [
            '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">',
            '<meta http-equiv="Content-Security-Policy"',
            "content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            f"<title>Slips: {title}</title><style>{style}</style></head><body>",
            *(
                '<div class="page slips">' + "\n".join(page) + "</div>"
                for page in _batches(slips, SLIPS_ON_A_PAGE)
            ),
            *_list(group),
            "</body></html>",
        ]
    )


def env_lines(group: ClassFile, seat: Seat, extra: Sequence[tuple[str, str]] = ()) -> str:
    """Return the lines of a .env file with which a seat reaches the endpoint."""
    variables = [
        ("AZURE_INFERENCE_ENDPOINT", group.address),
        ("AZURE_INFERENCE_CREDENTIAL", seat.key),
        *extra,
    ]
    return "\n".join(f"{name}={value}" for name, value in variables)


def _slip(group: ClassFile, seat: Seat, extra: Sequence[tuple[str, str]]) -> str:
    lines = env_lines(group, seat, extra)
    # Level M repairs 15 % of the code: paper gets folded. Four light modules must surround it.
    code = segno.make(lines, error="m", micro=False, boost_error=False)
    return SLIP.format(
        qr=code.svg_inline(border=4, omitsize=True, svgclass=None, lineclass=None),
        title=escape(group.name),
        long=' class="long"' if len(seat.name) > LONG_NAME else "",
        seat=escape(seat.name),
        address=escape(group.address),
        key=escape(seat.key),
        lines=escape(lines),
    )


def _list(group: ClassFile) -> Iterator[str]:
    """Yield the pages of the teacher's list: the seats, and room to write who sits there."""
    head = '<thead><tr><th scope="col">Seat</th><th scope="col">Given to</th></tr></thead>'
    rows = [f"<tr><td>{escape(seat.name)}</td><td></td></tr>" for seat in group.seats]
    for page in _batches(rows, ROWS_ON_A_PAGE):
        columns = _batches(page, -(-len(page) // 2))
        tables = (f"<table>{head}<tbody>{''.join(each)}</tbody></table>" for each in columns)
        yield f'<div class="page"><h1>{escape(group.name)}: seats</h1>{"".join(tables)}</div>'


def _batches(items: Iterable[str], size: int) -> Iterator[list[str]]:
    """Yield items in lists of a size; the last one may be shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
