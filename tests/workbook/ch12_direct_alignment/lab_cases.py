"""The labs of chapter 12 that are tried in the browser."""

from tests.browser.case import Case, simple

CASES = [
    Case("displacement", simple("displacement_lab"), "distance"),
]
