"""The labs that are tried in the browser."""

from __future__ import annotations

from dataclasses import dataclass

from rlhf_lib.experiments.build_grid import FILE as GRID


@dataclass(frozen=True)
class Case:
    """A lab: the cell that shows it, how many plotly figures and k3d scenes it has, the slider to time.

    first: (label, key) pressed before all else, so that every control has something to change. plays: it has
    a player. until: what the page must find true before the lab counts as complete.
    """

    name: str
    cell: str
    slider: str
    graphs: int = 1
    scenes: int = 0
    first: tuple[tuple[str, str], ...] = ()
    plays: bool = False
    until: str = "true"


ANNOTATOR = """from rlhf_lib.labs import annotator_lab, prepare
from rlhf_lib.lm import load_policy
from rlhf_lib.runtime import data_path
from rlhf_lib.training import read_preferences
from rlhf_lib.world import PocketWorld
pairs = read_preferences(data_path("preferences", "pocket-train.jsonl"))[:480]
annotator_lab(prepare(load_policy("pocket-sft"), PocketWorld(), pairs))"""


NEXT_TOKEN = """from rlhf_lib.labs import next_token_lab
from rlhf_lib.lm import load_policy
starts = [("what does a tiger eat?", ""), ("what does a tiger eat?", "a tiger eats")]
next_token_lab(load_policy("pocket-sft"), starts)"""

BELOW_THE_FORMULA = """probe.graphs().some((graph) => {
  const [formula, exact] = graph.data;
  return formula.name === "formula" && exact.x && exact.x.length === formula.x.length
    && exact.x.every((n, i) => n === formula.x[i] && exact.y[i] <= formula.y[i] + 1e-9);
})"""
"""In the page, not only in Python: the exact KL stands at the same n as the formula, and never above it."""

BEST_OF_N = """from rlhf_lib.evaluation import exact_world
from rlhf_lib.labs import best_of_n_lab
from rlhf_lib.lm import load_policy
from rlhf_lib.rewards import RewardModel
from rlhf_lib.world import PocketWorld
world, kinds = PocketWorld(), ("fact", "opinion", "unsafe", "lookalike", "sum")
proxy = RewardModel.load("pocket-reward")
best_of_n_lab(exact_world(world, world.prompts(8, kinds, seed=3), load_policy("pocket-sft"), proxy))"""


def simple(name: str) -> str:
    """The cell of a lab that needs nothing."""
    return f"from rlhf_lib.labs import {name}\n{name}()"


CURVE_IS_COMPLETE = "probe.graphs()[0].data[0].x.length === 8"
"""The tube's walkers, one for each budget, are trained one after the other while the lab is already in use."""

CASES = [
    Case("objective", simple("objective_lab"), "ratio"),
    Case("aggregation", simple("aggregation_lab"), "length of A", first=(("average", "End"),)),
    Case("next_token", NEXT_TOKEN, "temperature"),
    Case("divergence", simple("divergence_lab"), "distance"),
    Case("estimators", simple("estimator_lab"), "distance"),
    Case("best_of_n", BEST_OF_N, "noise", graphs=2, first=(("n", "End"),), until=BELOW_THE_FORMULA),
    Case("displacement", simple("displacement_lab"), "distance"),
    Case("annotator", ANNOTATOR, "flattery bias"),
    Case("walk", simple("walk_lab"), "noise σ", scenes=1, plays=True),
    Case("look_ahead", simple("look_ahead_lab"), "west to east", scenes=1),
    Case("tube", simple("tube_lab"), "updates", scenes=1, plays=True, until=CURVE_IS_COMPLETE),
    Case("mirage", simple("mirage_lab"), "updates", scenes=1, plays=True),
    Case("plane", simple("plane_lab"), "pin: a", scenes=1, plays=True),
]
if GRID.exists():
    CASES.append(Case("over_optimization", simple("over_optimization_lab"), "β"))
