"""What is left of a plan runs, and a lesson sends as many tokens as the costs say."""

from __future__ import annotations

import os
import tomllib

import nbformat
from kernels import Kernel
from lesson_sources import NOTEBOOKS

from tools.class_cost import DATA, count_lesson
from tools.plans import first_error, read_plans


def test_a_lesson_runs_without_what_its_plan_leaves_out_when_it_is_late(kernel_server):
    plan = next(plan for plan in read_plans() if plan.name == "Half a day")
    whole, rest = (plan.lesson_cells("05", with_cuts) for with_cuts in (False, True))
    assert 0 < len(rest) < len(whole)
    kernel = Kernel(os.environ, kernel_server)
    try:
        assert first_error(rest, kernel.execute) == ""
        left_out = [cell for cell in whole if "enumerate(chunks)" in cell.source]
        needs_it = nbformat.v4.new_code_cell("print(number)")
        assert "name 'number' is not defined" in first_error([needs_it], kernel.execute)
        assert first_error([*left_out, needs_it], kernel.execute) == ""
    finally:
        kernel.kill()


def test_a_lesson_sends_what_the_costs_of_a_class_are_calculated_from(kernel_server):
    written = tomllib.loads(DATA.read_text(encoding="utf-8"))["05"]
    kernel = Kernel(os.environ, kernel_server)
    try:
        assert count_lesson(NOTEBOOKS / "05-streaming.ipynb", kernel.execute) == written
    finally:
        kernel.kill()
