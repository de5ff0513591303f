"""Test that plots can be read on a projector, in grey, and without seeing them."""

from __future__ import annotations

import itertools

import nbformat
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_hex, to_rgb
from matplotlib.text import Text
from nbconvert import HTMLExporter

from helpers import charts
from tools.refresh import run_notebook

TWO_SERIES = {"first": ([0, 1], [0, 2]), "second": ([0, 1], [0, 3])}
LONG_LABELS = [f"Standard_ND96amsr_A100_v{number}" for number in range(8)]


ONE_OF_EACH = {
    "lines": lambda: charts.lines(TWO_SERIES, "title", "x", "y"),
    "bars": lambda: charts.bars({"a": {"b": 1}, "c": {"b": 2}}, "title", "x", "y"),
    "many bars": lambda: charts.bars(
        {name: dict.fromkeys("abcdefgh", 2) for name in "xyz"}, "title", "x", "y"
    ),
    "bars in rows": lambda: charts.bars({"a": dict.fromkeys(LONG_LABELS, 2)}, "title", "x", "y"),
}
# Where lines end: apart, near each other, one below a longer one, points on a line.
ENDS = {
    "apart": ({"first": ([0, 1], [0, 2]), "second": ([0, 1], [0, 9])}, ()),
    "close": ({"first": ([0, 1], [0, 9]), "second": ([0, 1], [0, 9.2])}, ()),
    "three streams": (
        {
            "Tell me a joke.": ([0, 0.6], [0, 45]),
            "Why is the sky blue?": ([0, 0.75], [0, 53]),
            "What is a haiku?": ([0, 0.87], [0, 46]),
        },
        (),
    ),
    "points": ({"line": ([0, 2000], [0, 5]), "loads": ([100, 300], [0.25, 0.75])}, ["loads"]),
}


@pytest.fixture(autouse=True)
def close_figures():
    """Close what a test has drawn: pyplot keeps all figures, and warns when there are twenty."""
    yield
    pyplot.close("all")


def contrast_with_white(colour):
    """Return the contrast ratio of WCAG 2."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in to_rgb(colour)
    )
    return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)


def test_lines_differ_in_colour_and_without_it():
    first, second = charts.lines(TWO_SERIES, "title", "x", "y").axes[0].lines
    assert first.get_color() != second.get_color()
    assert (
        first.get_linestyle() != second.get_linestyle()
        and first.get_marker() != second.get_marker()
    )


def test_bars_differ_in_colour_and_without_it():
    first, second = ONE_OF_EACH["bars"]().axes[0].patches
    assert first.get_facecolor() != second.get_facecolor()
    assert first.get_hatch() != second.get_hatch()


def test_colours_are_as_dark_as_text_has_to_be():
    assert [colour for colour in charts.COLOURS if contrast_with_white(colour) < 4.5] == []


def test_points_are_drawn_as_markers_without_a_line():
    first, second = charts.lines(TWO_SERIES, "title", "x", "y", points=["second"]).axes[0].lines
    assert first.get_linestyle() == "-"
    assert second.get_linestyle() == "None" and second.get_marker() not in ("None", "")


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_all_plots_have_one_size_a_white_background_and_large_text(name):
    figure = ONE_OF_EACH[name]()
    assert tuple(figure.get_size_inches()) == (8, 4)
    assert to_hex(figure.get_facecolor()) == to_hex(figure.axes[0].get_facecolor()) == "#ffffff"
    texts = [text for text in figure.findobj(Text) if text.get_text()]
    assert "title" in [text.get_text() for text in texts]
    assert [text.get_text() for text in texts if text.get_size() < 13] == []


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_values_begin_at_0(name):
    axes = ONE_OF_EACH[name]().axes[0]
    assert (axes.get_xlim() if name == "bars in rows" else axes.get_ylim())[0] == 0


def test_a_line_of_large_values_begins_at_0_too_and_one_of_negative_values_below():
    for values, lowest in (([54, 52], 0), ([-5, 3], -5)):
        axes = charts.lines({"a": ([0, 1], values)}, "title", "x", "y").axes[0]
        assert axes.get_ylim()[0] == lowest


@pytest.mark.parametrize("name", ENDS)
def test_each_line_has_its_name_at_its_end_and_no_name_covers_anything(name):
    series, points = ENDS[name]
    figure = charts.lines(series, "title", "x", "y", points)
    figure.draw_without_rendering()
    axes = figure.axes[0]
    assert axes.get_legend() is None
    ends = {text.get_text(): text.xy for text in axes.texts}
    assert ends == {name: (x[-1], y[-1]) for name, (x, y) in series.items()}
    boxes = [text.get_window_extent() for text in axes.texts]
    assert all(figure.bbox.containsx(x) for box in boxes for x in (box.x0, box.x1))
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    for line, box in itertools.product(axes.lines, boxes):
        path = line.get_path().transformed(line.get_transform())
        assert not path.intersects_bbox(box, filled=False)


def test_a_single_line_needs_no_name():
    axes = charts.lines({"a": ([0, 1], [0, 2])}, "title", "x", "y").axes[0]
    assert not axes.texts and axes.get_legend() is None


def test_a_long_line_has_few_markers_and_each_of_the_points_has_one():
    long = (range(100), range(100))
    line, points = charts.lines({"a": long, "b": long}, "t", "x", "y", points=["b"]).axes[0].lines
    assert len(line.get_xdata()[:: line.get_markevery()]) <= 10
    assert points.get_markevery() == 1


def test_a_few_bars_have_their_numbers_and_names_and_many_have_a_legend():
    few, many = (ONE_OF_EACH[name]().axes[0] for name in ("bars", "many bars"))
    assert [text.get_text() for text in few.texts] == ["a\n1", "c\n2"]
    assert few.get_legend() is None
    assert not many.texts
    assert [text.get_text() for text in many.get_legend().get_texts()] == ["x", "y", "z"]


def test_numbers_of_bars_are_short():
    heights = {"a": 16517.8, "b": 53.4, "c": 0.598, "d": 6e-7, "e": 0}
    axes = charts.bars({"one": heights}, "title", "x", "y").axes[0]
    assert [text.get_text() for text in axes.texts] == ["16,518", "53", "0.6", "<0.01", "0"]


def test_long_labels_are_written_in_rows_from_the_top():
    figure = ONE_OF_EACH["bars in rows"]()
    figure.draw_without_rendering()
    labels = figure.axes[0].get_yticklabels()
    assert [label.get_text() for label in labels] == LONG_LABELS
    boxes = [label.get_window_extent() for label in labels]
    assert all(upper.y0 >= lower.y1 for upper, lower in itertools.pairwise(boxes))
    assert {label.get_rotation() for label in labels} == {0}


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    """Return an executed notebook whose only cell shows a plot."""
    source = (
        "from helpers import charts\n\n"
        "figure = charts.lines({'a': ([0, 1], [0, 2])}, 'title', 'x', 'y')\n"
        "charts.show(figure, 'It climbs from 0 to 2.')"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    run_notebook(notebook, tmp_path_factory.mktemp("charts"))
    return notebook


def test_stdout_is_saved_before_stderr_whichever_is_printed_first(tmp_path):
    source = (
        "import sys, time\n"
        "print('red', file=sys.stderr, flush=True)\n"
        "time.sleep(0.3)\n"
        "print('black')"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    run_notebook(notebook, tmp_path)
    assert [output.name for output in notebook.cells[0].outputs] == ["stdout", "stderr"]


def test_a_saved_error_is_broken_between_words(tmp_path):
    cell = nbformat.v4.new_code_cell("raise ValueError('word ' * 40)")
    cell.metadata["tags"] = ["raises-exception"]
    notebook = nbformat.v4.new_notebook(cells=[cell])
    run_notebook(notebook, tmp_path)
    lines = notebook.cells[0].outputs[0].traceback[0].splitlines()
    assert max(map(len, lines)) <= 96
    assert " ".join(lines).split() == ["ValueError:", *["word"] * 40]


def test_thousands_are_separated_on_an_axis():
    axes = charts.lines({"a": ([0, 2000], [0, 2])}, "title", "x", "y").axes[0]
    assert "2,000" in [label.get_text() for label in axes.get_xticklabels()]


def test_a_name_keeps_its_distance_from_another_line():
    series = {"early": ([0, 1], [0, 9]), "late": ([0, 1.01, 1.01], [0, 0, 9])}
    figure = charts.lines(series, "title", "x", "y")
    axes = figure.axes[0]
    name = next(text for text in axes.texts if text.get_text() == "early")
    box = name.get_window_extent()
    x = axes.transData.transform((1.01, 0))[0]
    top = axes.transData.transform((0, 9))[1]
    assert not (box.y0 < top and box.x0 - charts.MARKER_PIXELS < x < box.x1)


def test_the_summary_is_printed_and_is_the_alt_text_of_the_picture(notebook):
    text, picture = notebook.cells[0].outputs
    assert text.text == "It climbs from 0 to 2.\n"
    assert picture.metadata["image/png"]["alt"] == "It climbs from 0 to 2."


def test_the_classic_template_writes_the_alt_text_into_the_page(notebook):
    page, _ = HTMLExporter(template_name="classic").from_notebook_node(notebook)
    assert 'alt="It climbs from 0 to 2."' in page
