"""The labs of chapter 17 that are tried in the browser."""

from tests.browser.case import Case

ARENA = """from rlhf_lib.labs import arena_lab
from rlhf_lib.workbook.ch17_evaluation.arena import fill_pool
from rlhf_lib.world import PocketWorld
arena_lab(fill_pool(PocketWorld(), 200))"""

SHOPPING = """from rlhf_lib.labs import shopping_lab
from rlhf_lib.workbook.ch17_evaluation.experiments import kept_settings
shopping_lab(kept_settings())"""

CASES = [
    Case("arena", ARENA, "bias", graphs=2),
    Case("score_shopping", SHOPPING, "draw", graphs=2),
]
