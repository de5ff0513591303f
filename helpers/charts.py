"""Draw plots with matplotlib that can be read in black and white, or without seeing them.

Series differ in hatch, marker and line style, never in colour alone. ``show`` prints a summary of
each plot as text.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import matplotlib.pyplot as plt
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure

HATCHES = ("", "///", "...", "xxx", "---")
FILL_COLOURS = ("#4c72b0", "#dde3ee", "#9aa9c7", "#ffffff", "#c7cfe0")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINE_STYLES = ("-", "--", ":", "-.", (0, (1, 5)))
FIGURE_SIZE_INCHES = (7.5, 3.2)
PANELS_SIZE_INCHES = (9.5, 4.0)
MAX_HORIZONTAL_CHARACTERS = 80  # labels that are longer in total would overlap

Curves = Mapping[str, tuple[Sequence[float], Sequence[float]]]  # name -> (x values, y values)


def show(figure: Figure, summary: str) -> None:
    """Show a figure below a cell, after printing a one-line summary of what it shows.

    The summary is also the picture's alt text, in the metadata of the cell's output. Of the
    templates of nbconvert 7.17, ``classic`` writes the alt text into the page; the default template
    does not.
    """
    print(summary)
    figure.tight_layout()
    display(figure, metadata={"image/png": {"alt": summary}})
    plt.close(figure)


def bars(series: Mapping[str, Mapping[str, float]], title: str, xlabel: str, ylabel: str) -> Figure:
    """Return a figure with the bars of all series side by side.

    series: for each series' name, the height of its bar at each label. A missing label counts as 0.

    >>> series = {"drawn": {"a": 1, "b": 3}, "expected": {"a": 2, "b": 2}}
    >>> figure = bars(series, "Draws", "token", "times")
    >>> [float(patch.get_height()) for patch in figure.axes[0].patches]
    [1.0, 3.0, 2.0, 2.0]
    """
    figure, axes = plt.subplots(figsize=FIGURE_SIZE_INCHES)
    labels = list(dict.fromkeys(label for heights in series.values() for label in heights))
    width = 0.8 / len(series)
    for number, (name, heights) in enumerate(series.items()):
        offset = width * (number - (len(series) - 1) / 2)
        axes.bar(
            [position + offset for position in range(len(labels))],
            [heights.get(label, 0) for label in labels],
            width,
            label=name,
            color=FILL_COLOURS[number % len(FILL_COLOURS)],
            hatch=HATCHES[number % len(HATCHES)],
            edgecolor="black",
            linewidth=0.6,
        )
    axes.set_xticks(range(len(labels)), labels)
    if max(map(len, labels), default=0) * len(labels) > MAX_HORIZONTAL_CHARACTERS:
        axes.tick_params(axis="x", labelrotation=30)
    _label(axes, title, xlabel, ylabel)
    if len(series) > 1:
        axes.legend(frameon=False)
    return figure


def lines(
    series: Curves, title: str, xlabel: str, ylabel: str, points: Collection[str] = ()
) -> Figure:
    """Return a figure with a line and markers for each series.

    series: for each series' name, its x and its y values.
    points: the names of the series to draw as markers without a line.

    >>> figure = lines({"first": ([0, 1], [2, 3])}, "Tokens", "seconds", "tokens")
    >>> figure.axes[0].lines[0].get_ydata().tolist()
    [2, 3]
    """
    figure, axes = plt.subplots(figsize=FIGURE_SIZE_INCHES)
    _draw_curves(axes, series, points)
    _label(axes, title, xlabel, ylabel)
    if len(series) > 1:
        axes.legend(frameon=False)
    return figure


def panels(groups: Mapping[str, Curves], title: str, xlabel: str, ylabel: str) -> Figure:
    """Return a figure with panels side by side, each panel with its own scale.

    Each line has its name at its end instead of in a legend.

    groups: for each panel's name, its series as in ``lines``.

    >>> groups = {"low": {"a": ([0, 1], [0, 2])}, "high": {"b": ([0, 1], [0, 90])}}
    >>> figure = panels(groups, "Cost", "hours", "USD")
    >>> [(axes.get_title(), axes.texts[0].get_text()) for axes in figure.axes]
    [('low', 'a'), ('high', 'b')]
    """
    figure, grid = plt.subplots(1, len(groups), figsize=PANELS_SIZE_INCHES, squeeze=False)
    for axes, (name, series) in zip(grid[0], groups.items(), strict=True):
        _draw_curves(axes, series)
        for label, (x, y) in series.items():
            axes.annotate(
                label,
                (x[-1], y[-1]),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
        _label(axes, name, xlabel, ylabel)
    figure.suptitle(title)
    return figure


def _draw_curves(axes: Axes, series: Curves, points: Collection[str] = ()) -> None:
    for number, (name, (x, y)) in enumerate(series.items()):
        axes.plot(
            x,
            y,
            label=name,
            color="black",
            linestyle="none" if name in points else LINE_STYLES[number % len(LINE_STYLES)],
            marker=MARKERS[number % len(MARKERS)],
            markersize=6 if name in points else 4,
            linewidth=1.2,
        )


def _label(axes: Axes, title: str, xlabel: str, ylabel: str) -> None:
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    axes.spines[["top", "right"]].set_visible(False)
