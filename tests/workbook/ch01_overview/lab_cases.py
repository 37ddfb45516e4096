"""The labs of chapter 01 that are tried in the browser."""

from tests.browser.case import Case, simple

CASES = [
    Case("clips", simple("clips_lab"), "frame", graphs=2, plays=True),
    Case("timeline", simple("timeline_lab"), "work", plays=True),
]
