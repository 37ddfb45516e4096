"""The labs of chapter 04 that are tried in the browser."""

from tests.browser.case import Case, simple

PIPELINE = "from rlhf_lib.labs import pipeline_lab\npipeline_lab(live=False)"

CASES = [
    Case("terms", simple("terms_lab"), "horizon"),
    Case("pipeline", PIPELINE, "1st stage"),
]
