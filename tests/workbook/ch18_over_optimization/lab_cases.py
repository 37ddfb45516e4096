"""The labs of chapter 18 that are tried in the browser."""

from tests.browser.case import Case, simple

CASES = [
    Case("over_optimization", simple("over_optimization_lab"), "β"),
]
