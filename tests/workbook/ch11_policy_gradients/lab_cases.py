"""The labs of chapter 11 that are tried in the browser."""

from tests.browser.case import Case, simple

CASES = [
    Case("objective", simple("objective_lab"), "ratio"),
    Case("aggregation", simple("aggregation_lab"), "length of A", first=(("average", "End"),)),
]
