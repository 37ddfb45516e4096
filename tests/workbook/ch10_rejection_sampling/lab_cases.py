"""The labs of chapter 10 that are tried in the browser."""

from tests.browser.case import Case

BELOW_THE_FORMULA = """probe.graphs().some((graph) => {
  const [formula, exact] = graph.data;
  return formula.name === "formula" && exact.x && exact.x.length === formula.x.length
    && exact.x.every((n, i) => n === formula.x[i] && exact.y[i] <= formula.y[i] + 1e-9);
})"""
"""In the page, not only in Python: the exact KL stands at the same n as the formula, and never above it."""

BEST_OF_N = """from rlhf_lib.exact import exact_world
from rlhf_lib.labs import best_of_n_lab
from rlhf_lib.lm import load_policy
from rlhf_lib.rewards import RewardModel
from rlhf_lib.world import PocketWorld
world, kinds = PocketWorld(), ("fact", "opinion", "unsafe", "lookalike", "sum")
proxy = RewardModel.load("pocket-reward")
best_of_n_lab(exact_world(world, world.prompts(8, kinds, seed=3), load_policy("pocket-sft"), proxy))"""

CASES = [
    Case("best_of_n", BEST_OF_N, "noise", graphs=2, first=(("n", "End"),), until=BELOW_THE_FORMULA),
]
