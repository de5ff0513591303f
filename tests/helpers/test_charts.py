"""Plots: what a reader sees who cannot tell colours apart, and what one hears who sees no picture."""

from __future__ import annotations

import nbformat
import pytest
from matplotlib.colors import to_hex
from nbconvert import HTMLExporter

from helpers import charts
from tools.refresh import run_notebook

TWO = {"first": ([0, 1], [0, 2]), "second": ([0, 1], [0, 3])}


def test_lines_differ_without_colour():
    first, second = charts.lines(TWO, "title", "x", "y").axes[0].lines
    assert first.get_linestyle() != second.get_linestyle() and first.get_marker() != second.get_marker()
    assert to_hex(first.get_color()) == to_hex(second.get_color()) == "#000000"


def test_points_have_markers_and_no_line():
    first, second = charts.lines(TWO, "title", "x", "y", points=["second"]).axes[0].lines
    assert first.get_linestyle() == "-"
    assert second.get_linestyle() == "None" and second.get_marker() not in ("None", "")


def test_panels_have_scales_of_their_own_and_names_at_the_ends_of_lines():
    figure = charts.panels({"low": TWO, "high": {"third": ([0, 1], [0, 900])}}, "title", "hours", "USD")
    low, high = figure.axes
    assert [(text.get_text(), text.xy) for text in low.texts] == [("first", (1, 2)), ("second", (1, 3))]
    assert low.get_ylim()[1] < 10 < 800 < high.get_ylim()[1]
    assert {axes.get_xlabel() for axes in figure.axes} == {"hours"}
    assert low.get_legend() is None and figure.get_suptitle() == "title"


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """A notebook of one cell that shows a plot, executed."""
    source = "from helpers import charts\n\nfigure = charts.lines({'a': ([0, 1], [0, 2])}, 'title', 'x', 'y')\n"
    source += "charts.show(figure, 'It climbs from 0 to 2.')"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    run_notebook(notebook, tmp_path_factory.getbasetemp())
    return notebook


def test_what_a_cell_prints_is_saved_in_one_order_whatever_comes_first(tmp_path):
    source = "import sys, time\nprint('red', file=sys.stderr, flush=True)\ntime.sleep(0.3)\nprint('black')"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    run_notebook(notebook, tmp_path)
    assert [output.name for output in notebook.cells[0].outputs] == ["stdout", "stderr"]


def test_the_summary_is_printed_and_is_the_pictures_alt_text(shown):
    printed, picture = shown.cells[0].outputs
    assert printed.text == "It climbs from 0 to 2.\n"
    assert picture.metadata["image/png"]["alt"] == "It climbs from 0 to 2."


def test_the_page_of_a_notebook_has_the_alt_text_if_the_template_is_classic(shown):
    page, _ = HTMLExporter(template_name="classic").from_notebook_node(shown)
    assert 'alt="It climbs from 0 to 2."' in page
