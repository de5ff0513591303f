"""Draw plots with matplotlib that can be read on a projector, in grey, or without seeing them.

Series differ in colour, and also in hatch, marker and line style. The colours follow a palette that
colour-blind people can tell apart. ``show`` prints a summary of each plot as text.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import matplotlib.pyplot as plt
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

from helpers.look import COLOURS

HATCHES = ("", "///", "...", "xxx")
MARKERS = ("o", "s", "^", "D")
LINE_STYLES = ("-", "--", ":", "-.")
FIGURE_SIZE_INCHES = (8, 4)
FONT_SIZE = 13  # points
MARKERS_PER_LINE = 8
MARKER_PIXELS = 8  # a name begins at least this far beside another line
LONGEST_LABEL_ROW = 60  # characters; labels that are longer in total get a row each
MAX_NUMBERED_BARS = 8  # more numbers would overlap
# Where a line's name may be, as seen from its end: (x, y) in points, alignments.
NAME_PLACES = (
    ((9, 0), "left", "center"),
    ((9, -3), "left", "top"),
    ((9, 3), "left", "bottom"),
    ((-4, 6), "right", "bottom"),
    ((-4, -6), "right", "top"),
)

Curves = Mapping[str, tuple[Sequence[float], Sequence[float]]]  # name -> (x values, y values)


def show(figure: Figure, summary: str) -> None:
    """Show a figure below a cell, after printing a one-line summary of what it shows.

    The summary is also the picture's alt text, in the metadata of the cell's output. Of the
    templates of nbconvert 7.17, ``classic`` writes the alt text into the page; the default template
    does not.
    """
    print(summary)
    display(figure, metadata={"image/png": {"alt": summary}})
    plt.close(figure)


def bars(series: Mapping[str, Mapping[str, float]], title: str, xlabel: str, ylabel: str) -> Figure:
    """Return a figure with the bars of all series side by side, or in rows if labels are long.

    series: for each series' name, the height of its bar at each label. A missing label counts as 0.
    xlabel: what the labels are.
    ylabel: what the heights are, with the unit.

    >>> series = {"drawn": {"a": 1, "b": 3}, "expected": {"a": 2, "b": 2}}
    >>> figure = bars(series, "Draws", "token", "times")
    >>> [float(patch.get_height()) for patch in figure.axes[0].patches]
    [1.0, 3.0, 2.0, 2.0]
    """
    labels = list(dict.fromkeys(label for heights in series.values() for label in heights))
    in_rows = max(map(len, labels), default=0) * len(labels) > LONGEST_LABEL_ROW
    if in_rows:
        axes = _axes(title, ylabel, xlabel, values="x")
        draw, thickness = axes.barh, "height"
    else:
        axes = _axes(title, xlabel, ylabel)
        draw, thickness = axes.bar, "width"
    width = 0.8 / len(series)
    has_names = len(series) > 1
    has_numbers = len(series) * len(labels) <= MAX_NUMBERED_BARS
    for number, (name, heights) in enumerate(series.items()):
        offset = width * (number - (len(series) - 1) / 2)
        colour = COLOURS[number % len(COLOURS)]
        drawn = draw(
            [position + offset for position in range(len(labels))],
            [heights.get(label, 0) for label in labels],
            **{thickness: width},
            label=name,
            color=to_rgba(colour, 1 if number == 0 else 0.25),
            hatch=HATCHES[number % len(HATCHES)],
            edgecolor=colour,
        )
        if has_numbers:
            texts = [_short(heights.get(label, 0)) for label in labels]
            if has_names and not in_rows:
                texts[0] = f"{name}\n{texts[0]}"
            axes.bar_label(drawn, texts, padding=3, fontsize=FONT_SIZE)
    if in_rows:
        axes.set_yticks(range(len(labels)), labels)
        axes.invert_yaxis()
        axes.margins(x=0.1)  # for the numbers
        axes.locator_params(axis="x", nbins=5)
    else:
        axes.set_xticks(range(len(labels)), labels)
        axes.margins(y=0.2 if has_numbers else 0.05)
    if has_names and (in_rows or not has_numbers):
        axes.legend(frameon=False, fontsize=FONT_SIZE)
    _separate_thousands(axes)
    axes.figure.tight_layout()
    return axes.figure


def lines(
    series: Curves, title: str, xlabel: str, ylabel: str, points: Collection[str] = ()
) -> Figure:
    """Return a figure with a line and a few markers for each series, and its name at its end.

    series: for each series' name, its x and its y values.
    points: the names of the series to draw as markers without a line.

    >>> figure = lines({"first": ([0, 1], [2, 3])}, "Tokens", "seconds", "tokens")
    >>> figure.axes[0].lines[0].get_ydata().tolist()
    [2, 3]
    """
    axes = _axes(title, xlabel, ylabel)
    for number, (name, (x, y)) in enumerate(series.items()):
        axes.plot(
            x,
            y,
            label=name,
            color=COLOURS[number % len(COLOURS)],
            linestyle="none" if name in points else LINE_STYLES[number % len(LINE_STYLES)],
            linewidth=2.5,
            marker=MARKERS[number % len(MARKERS)],
            markersize=10 if name in points else 7,
            markevery=1 if name in points else max(1, len(x) // MARKERS_PER_LINE),
            clip_on=False,  # a line along the axis is drawn whole
        )
    axes.margins(y=0.12)
    axes.set_ylim(bottom=min(0, axes.dataLim.y0))
    axes.locator_params(nbins=6)
    _separate_thousands(axes)
    if len(series) > 1:
        _write_names(axes)
    axes.figure.tight_layout()
    return axes.figure


def _axes(title: str, xlabel: str, ylabel: str, values: str = "y") -> Axes:
    figure, axes = plt.subplots(figsize=FIGURE_SIZE_INCHES, facecolor="white")
    figure.suptitle(title, fontsize=FONT_SIZE + 1, fontweight="bold")
    axes.set_xlabel(xlabel, fontsize=FONT_SIZE)
    axes.set_ylabel(ylabel, fontsize=FONT_SIZE)
    axes.tick_params(labelsize=FONT_SIZE)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(axis=values, color="#dddddd")
    return axes


def _separate_thousands(axes: Axes) -> None:
    for axis in (axes.xaxis, axes.yaxis):
        if max(axis.get_view_interval()) >= 1000:
            axis.set_major_formatter("{x:,.0f}")


def _short(number: float) -> str:
    if 0 < number < 0.01:
        return "<0.01"
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def _write_names(axes: Axes) -> None:
    """Write each line's name at its end, in the first place where it covers nothing."""
    ends = sorted(axes.lines, key=lambda line: -line.get_ydata()[-1])
    names = [
        axes.annotate(
            line.get_label(),
            (line.get_xdata()[-1], line.get_ydata()[-1]),
            xytext=NAME_PLACES[0][0],
            textcoords="offset points",
            va="center",
            color=line.get_color(),
            fontsize=FONT_SIZE,
            fontweight="bold",
        )
        for line in ends
    ]
    axes.figure.tight_layout()  # now the names have room to the right of the axes
    boxes = []
    for name, own in zip(names, ends, strict=True):
        for position, horizontal, vertical in NAME_PLACES:
            name.set(position=position, ha=horizontal, va=vertical)
            box = name.get_window_extent()
            if not any(map(box.overlaps, boxes)) and not any(
                _crosses(line, box if line is own else box.padded(MARKER_PIXELS, 0))
                for line in axes.lines
            ):
                break
        boxes.append(box)


def _crosses(line: Line2D, box: Bbox) -> bool:
    path = line.get_path().transformed(line.get_transform())
    return path.intersects_bbox(box, filled=False)
