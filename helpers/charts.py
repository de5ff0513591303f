"""Plots that can be read in black and white and without seeing them: each comes with one line of text.

matplotlib does the drawing. Series differ by hatch, marker and line style, never by colour alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import matplotlib.pyplot as plt
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure

HATCHES = ("", "///", "...", "xxx", "---")
FILLS = ("#4c72b0", "#dde3ee", "#9aa9c7", "#ffffff", "#c7cfe0")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
STYLES = ("-", "--", ":", "-.", (0, (1, 5)))
SIZE = (7.5, 3.2)  # inches

Lines = Mapping[str, tuple[Sequence[float], Sequence[float]]]  # for each name its x and y values


def show(figure: Figure, summary: str) -> None:
    """Shows a figure, with one line of text that says what is to be seen in it; the line is the picture's alt text too.

    The alt text stands in the output's metadata. Of nbconvert's templates (7.17) ``classic`` writes it into the page, the
    default one does not.
    """
    print(summary)
    figure.tight_layout()
    display(figure, metadata={"image/png": {"alt": summary}})
    plt.close(figure)


def bars(series: Mapping[str, Mapping[str, float]], title: str, xlabel: str, ylabel: str) -> Figure:
    """Bars side by side: for each series a bar at each label. Labels that a series lacks have the value 0.

    >>> figure = bars({"seen": {"a": 1, "b": 3}, "expected": {"a": 2, "b": 2}}, "Draws", "token", "times")
    >>> [float(patch.get_height()) for patch in figure.axes[0].patches]
    [1.0, 3.0, 2.0, 2.0]
    """
    figure, axes = plt.subplots(figsize=SIZE)
    labels = list(dict.fromkeys(label for values in series.values() for label in values))
    width = 0.8 / len(series)
    for number, (name, values) in enumerate(series.items()):
        places = [place + width * (number - (len(series) - 1) / 2) for place in range(len(labels))]
        heights = [values.get(label, 0) for label in labels]
        axes.bar(
            places,
            heights,
            width,
            label=name,
            color=FILLS[number % len(FILLS)],
            hatch=HATCHES[number % len(HATCHES)],
            edgecolor="black",
            linewidth=0.6,
        )
    axes.set_xticks(range(len(labels)), labels)
    if max(map(len, labels), default=0) * len(labels) > 80:
        axes.tick_params(axis="x", labelrotation=30)
    return _finish(figure, title, xlabel, ylabel, legend=len(series) > 1)


def lines(series: Lines, title: str, xlabel: str, ylabel: str, points: Collection[str] = ()) -> Figure:
    """Lines with markers: for each series its x and y values. points: names of series without a line, markers alone.

    >>> figure = lines({"first": ([0, 1], [2, 3])}, "Tokens", "seconds", "tokens")
    >>> figure.axes[0].lines[0].get_ydata().tolist()
    [2, 3]
    """
    figure, axes = plt.subplots(figsize=SIZE)
    _draw(axes, series, points)
    return _finish(figure, title, xlabel, ylabel, legend=len(series) > 1)


def panels(groups: Mapping[str, Lines], title: str, xlabel: str, ylabel: str) -> Figure:
    """Lines in panels side by side: for each panel's name its series. Each panel has a scale of its own, and each line its
    name at its end.

    >>> figure = panels({"low": {"a": ([0, 1], [0, 2])}, "high": {"b": ([0, 1], [0, 90])}}, "Cost", "hours", "USD")
    >>> [(axes.get_title(), axes.texts[0].get_text()) for axes in figure.axes]
    [('low', 'a'), ('high', 'b')]
    """
    figure, all_axes = plt.subplots(1, len(groups), figsize=(9.5, 4.0), squeeze=False)
    for axes, (name, series) in zip(all_axes[0], groups.items(), strict=True):
        _draw(axes, series)
        for label, (x, y) in series.items():
            axes.annotate(label, (x[-1], y[-1]), xytext=(6, 0), textcoords="offset points", va="center", fontsize=8)
        axes.set(title=name, xlabel=xlabel, ylabel=ylabel)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title)
    return figure


def _draw(axes: Axes, series: Lines, points: Collection[str] = ()) -> None:
    for number, (name, (x, y)) in enumerate(series.items()):
        axes.plot(
            x,
            y,
            label=name,
            color="black",
            linestyle="none" if name in points else STYLES[number % len(STYLES)],
            marker=MARKERS[number % len(MARKERS)],
            markersize=6 if name in points else 4,
            linewidth=1.2,
        )


def _finish(figure: Figure, title: str, xlabel: str, ylabel: str, legend: bool) -> Figure:
    (axes,) = figure.axes
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    axes.spines[["top", "right"]].set_visible(False)
    if legend:
        axes.legend(frameon=False)
    return figure
