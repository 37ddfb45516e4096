"""The labs of chapter 08 that are tried in the browser."""

from tests.browser.case import Case, simple

CASES = [
    Case("divergence", simple("divergence_lab"), "distance"),
    Case("estimators", simple("estimator_lab"), "distance"),
]
