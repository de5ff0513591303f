"""A lesson sends what the costs say, and a plan that lacks a cell is noticed.

python -m tools.plans --run runs all plans.
"""

from __future__ import annotations

import os
import tomllib

import nbformat
from kernels import Kernel
from lesson_sources import NOTEBOOKS

from tools.class_cost import DATA, count_lesson
from tools.plans import first_error


def test_a_lesson_sends_what_the_costs_say_and_a_cell_that_lacks_another_is_noticed(kernel_server):
    written = tomllib.loads(DATA.read_text(encoding="utf-8"))["05"]
    on_purpose = nbformat.v4.new_code_cell("1 / 0", metadata={"tags": ["raises-exception"]})
    lacking = nbformat.v4.new_code_cell("print(left_out)")
    kernel = Kernel(os.environ, kernel_server)
    try:
        assert count_lesson(NOTEBOOKS / "05-streaming.ipynb", kernel.execute) == written
        assert first_error([on_purpose], kernel.execute) == ""
        assert first_error([on_purpose, lacking], kernel.execute).startswith(
            "'print(left_out)': NameError: name 'left_out' is not defined"
        )
    finally:
        kernel.kill()
