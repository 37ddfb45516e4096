"""The labs of chapter 05 that are tried in the browser as all labs are; the desk has a test of its own."""

from tests.browser.case import Case, simple

CASES = [
    Case("budget", simple("budget_lab"), "AI bias"),
]
