"""Run the grid of real experiments behind chapter 18's lab and store it: `make grid` (an hour or so).

Each cell trains its own reward model(s) and its own policy. The file holds, per cell: the curves of
proxy, gold, KL and length; answers to four requests at four moments; the best-of-n curve.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import sys

from ..lm import load_policy
from ..runtime import data_path
from ..training import OnlineSettings, read_preferences
from ..world import PocketWorld
from .over_optimization import Setting, best_of_n_curve, main_settings, train_against, train_proxy

PAIRS = (300, 1000, 4000)
NOISE = (0.3, 1.0)
BIAS = (0.0, 1.0)
MEMBERS = (1, 3)
BETAS = (0.0, 0.05, 0.2)
STEPS, PROMPTS_PER_STEP = 50, 10
LEARNING_RATE, WARMUP = 6e-4, 45
METRICS = ("proxy", "gold", "kl", "length")
FILE = data_path("over_optimization", "grid.json")


def key(setting: Setting) -> str:
    """The name of a cell in the file."""
    return f"{setting.pairs} {setting.noise} {setting.bias} {setting.members} {setting.beta}"


def grid_settings(
    setting: Setting, steps: int = STEPS, prompts_per_step: int = PROMPTS_PER_STEP
) -> OnlineSettings:
    """The training settings of a cell: the main run's, with fewer answers and a warm-up of its own."""
    settings = main_settings(setting, steps, prompts_per_step)
    return dataclasses.replace(settings, learning_rate=LEARNING_RATE, warmup_steps=WARMUP)


def run_cells(pairs: int, noise: float, bias: float) -> dict[str, dict]:
    """All cells that share their reward models: the single one is the first of the ensemble."""
    world, policy = PocketWorld(), load_policy("pocket-sft")
    comparisons = read_preferences(data_path("preferences", "pocket-train.jsonl"))
    cautious = train_proxy(policy, world, comparisons, Setting(pairs, noise, bias, max(MEMBERS)))
    cells = {}
    for members, proxy in zip(MEMBERS, (cautious.models[0], cautious), strict=True):
        best = best_of_n_curve(policy, world, proxy, prompts=32)
        rounded = {k: [round(v, 3) for v in getattr(best, k)] for k in ("n", "kl", "proxy", "gold")}
        for beta in BETAS:
            setting = Setting(pairs, noise, bias, members, beta)
            settings = grid_settings(setting)
            history = train_against(policy.copy(), world, proxy, settings)
            curves = {m: [round(v, 3) for v in history.series(m)] for m in METRICS}
            cells[key(setting)] = {"rl": curves, "best_of_n": rounded, "samples": history.samples}
    return cells


def main(part: int = 0, parts: int = 1) -> None:
    """Run every `parts`-th group of cells from `part` on, writing after each; groups done are kept."""
    FILE.parent.mkdir(parents=True, exist_ok=True)
    path = FILE if parts == 1 else FILE.with_suffix(f".{part}.json")
    cells = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    groups = list(itertools.product(PAIRS, NOISE, BIAS))[part::parts]
    for number, group in enumerate(groups, start=1):
        if key(Setting(*group, MEMBERS[-1], BETAS[-1])) not in cells:
            cells |= run_cells(*group)
            path.write_text(json.dumps(cells, separators=(",", ":")), encoding="utf-8")
        print(f"{number}/{len(groups)} {group}", flush=True)


def merge() -> None:
    """Join the files of several parts into one."""
    cells: dict[str, dict] = {}
    for path in sorted(FILE.parent.glob("grid.*.json")):
        cells |= json.loads(path.read_text(encoding="utf-8"))
        path.unlink()
    FILE.write_text(json.dumps(cells, separators=(",", ":")), encoding="utf-8")


if __name__ == "__main__":
    merge() if sys.argv[1:] == ["merge"] else main(*map(int, sys.argv[1:]))
