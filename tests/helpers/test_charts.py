"""Test that plots can be read in black and white, and without seeing them."""

from __future__ import annotations

import nbformat
import pytest
from matplotlib.colors import to_hex
from nbconvert import HTMLExporter

from helpers import charts
from tools.refresh import run_notebook

TWO_SERIES = {"first": ([0, 1], [0, 2]), "second": ([0, 1], [0, 3])}


def test_lines_differ_without_colour():
    first, second = charts.lines(TWO_SERIES, "title", "x", "y").axes[0].lines
    assert (
        first.get_linestyle() != second.get_linestyle()
        and first.get_marker() != second.get_marker()
    )
    assert to_hex(first.get_color()) == to_hex(second.get_color()) == "#000000"


def test_points_are_drawn_as_markers_without_a_line():
    first, second = charts.lines(TWO_SERIES, "title", "x", "y", points=["second"]).axes[0].lines
    assert first.get_linestyle() == "-"
    assert second.get_linestyle() == "None" and second.get_marker() not in ("None", "")


def test_each_panel_has_its_own_scale_and_each_line_its_name_at_its_end():
    figure = charts.panels(
        {"low": TWO_SERIES, "high": {"third": ([0, 1], [0, 900])}}, "title", "hours", "USD"
    )
    low, high = figure.axes
    assert [(text.get_text(), text.xy) for text in low.texts] == [
        ("first", (1, 2)),
        ("second", (1, 3)),
    ]
    assert low.get_ylim()[1] < 10 < 800 < high.get_ylim()[1]
    assert {axes.get_xlabel() for axes in figure.axes} == {"hours"}
    assert low.get_legend() is None and figure.get_suptitle() == "title"


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


def test_the_summary_is_printed_and_is_the_alt_text_of_the_picture(notebook):
    text, picture = notebook.cells[0].outputs
    assert text.text == "It climbs from 0 to 2.\n"
    assert picture.metadata["image/png"]["alt"] == "It climbs from 0 to 2."


def test_the_classic_template_writes_the_alt_text_into_the_page(notebook):
    page, _ = HTMLExporter(template_name="classic").from_notebook_node(notebook)
    assert 'alt="It climbs from 0 to 2."' in page
