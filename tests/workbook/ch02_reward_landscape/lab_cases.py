"""The labs of chapter 02 that are tried in the browser."""

from tests.browser.case import Case, simple

CURVE_IS_COMPLETE = "probe.graphs()[0].data[0].x.length === 8"
"""The tube's walkers, one for each budget, are trained one after the other while the lab is already in use."""

CASES = [
    Case("walk", simple("walk_lab"), "noise σ", scenes=1, plays=True),
    Case("look_ahead", simple("look_ahead_lab"), "west to east", scenes=1),
    Case("tube", simple("tube_lab"), "updates", scenes=1, plays=True, until=CURVE_IS_COMPLETE),
    Case("mirage", simple("mirage_lab"), "updates", scenes=1, plays=True),
    Case("plane", simple("plane_lab"), "pin: a", scenes=1, plays=True),
]
