"""One look for plots and widgets: colours, and the paper on which they are drawn.

The paper is white in the light and in the dark theme, as the plots are. A colour never says
anything alone: a pattern, a border or a word says the same.
"""

from __future__ import annotations

# Those of Okabe and Ito (https://jfly.uni-koeln.de/color/), as dark as text has to be on white.
COLOURS = ("#0072b2", "#c25400", "#007a5a", "#a8558b")
INK, GREY = "#1a1a1a", "#767676"
PAPER = (
    f"background:#ffffff;color:{INK};border:1px solid {GREY};border-radius:4px;padding:6px;"
    "line-height:1.5"
)
TRACK = "#eeeeee"  # behind a bar
STRIPES = f"repeating-linear-gradient(45deg,#ffffff 0 4px,{GREY} 4px 6px)"
TINTS = ("#dcecf9", "#ffffff", "#fbe6d4", "#ffffff")  # neighbours differ, in grey by their borders
WARNING = "color:#8a2b00;font-weight:600"
