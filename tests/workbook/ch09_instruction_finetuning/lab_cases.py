"""The lab of chapter 09 that is tried in the browser."""

from tests.browser.case import Case

PAINTER = """from rlhf_lib.labs import mask_painter_lab
from rlhf_lib.lm import load_policy
talk = [{"role": "user", "content": "what does a fox eat?"}, {"role": "assistant", "content": "a fox eats mice."},
        {"role": "user", "content": "where does a fox live?"}, {"role": "assistant", "content": "a fox lives in a den."}]
mask_painter_lab(load_policy("pocket-sft"), talk, talk[:2])"""

CASES = [Case("mask_painter", PAINTER, "learn", graphs=2)]
