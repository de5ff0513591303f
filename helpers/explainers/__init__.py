"""Small pictures that move with sliders, one for each of the lessons 04 to 08.

What a picture shows is computed in ``pictures``, ``tokens``, ``race`` and ``prices``, which use no
widget. ``widgets`` has the sliders. The cell after each explainer prints the same numbers.
"""

from helpers.explainers.widgets import (
    explore_bias,
    explore_costs,
    explore_sampling,
    explore_stream,
    explore_tokens,
)

__all__ = [
    "explore_bias",
    "explore_costs",
    "explore_sampling",
    "explore_stream",
    "explore_tokens",
]
