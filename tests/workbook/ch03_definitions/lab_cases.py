"""The labs of chapter 03 that are tried in the browser."""

from tests.browser.case import Case

NEXT_TOKEN = """from rlhf_lib.labs import next_token_lab
from rlhf_lib.lm import load_policy
starts = [("what does a tiger eat?", ""), ("what does a tiger eat?", "a tiger eats")]
next_token_lab(load_policy("pocket-sft"), starts)"""

CASES = [
    Case("next_token", NEXT_TOKEN, "temperature"),
]
