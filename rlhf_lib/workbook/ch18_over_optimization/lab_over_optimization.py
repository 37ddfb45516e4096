"""Lab: over-optimization from a stored grid of real runs, and a button that runs a setting live."""

from __future__ import annotations

import json
from functools import cache

import numpy as np

from ...evaluation import smooth
from ...experiments.build_grid import BETAS, BIAS, FILE, MEMBERS, NOISE, PAIRS, grid_settings, key
from ...experiments.over_optimization import Setting, relabel
from ...plots import COLOURS
from ..kit.lab import Lab, choice, menu, plot

LIVE_STEPS = 25


@cache
def load_grid() -> dict[str, dict]:
    """The stored runs by `build_grid.key`.

    Raises:
        FileNotFoundError: the file is missing; says how to rebuild it.
    """
    if not FILE.exists():
        raise FileNotFoundError(f"no stored runs in {FILE}: fetch data/ or run `make grid`")
    return json.loads(FILE.read_text(encoding="utf-8"))


def curves(pairs, noise, bias, members, beta, optimizer: str) -> dict[str, np.ndarray]:
    """distance (sqrt KL), proxy and gold of one stored run; for best-of-n also n."""
    cell = load_grid()[key(Setting(pairs, noise, bias, members, beta))]
    if optimizer == "best-of-n":
        found = {name: np.array(values) for name, values in cell["best_of_n"].items()}
        return {**found, "distance": np.sqrt(found["kl"])}
    found = {name: smooth(values) for name, values in cell["rl"].items()}
    return {**found, "distance": np.sqrt(np.maximum(found["kl"], 0))}


def describe(found: dict, optimizer: str) -> str:
    """What a run did, in a sentence."""
    gold, proxy = found["gold"], found["proxy"]
    top = int(np.argmax(gold))
    where = f"n = {found['n'][top]:.0f}" if optimizer == "best-of-n" else f"step {top}"
    lost = gold[top] - gold[-1]
    ending = (
        "and stays there" if lost < 0.1 else f"then falls by {lost:.2f} while the proxy goes on"
    )
    return (
        f"Gold rises from {gold[0]:+.2f} to {gold[top]:+.2f} at {where} "
        f"(KL {found['distance'][top] ** 2:.1f} nats), {ending}; the proxy goes from {proxy[0]:+.2f} "
        f"to {proxy[-1]:+.2f}."
    )


def samples_html(pairs, noise, bias, members, beta) -> str:
    """Answers along the stored run as a small list."""
    import html

    cell = load_grid()[key(Setting(pairs, noise, bias, members, beta))]
    items = (
        f"<li>step {s['step']}: <i>{html.escape(s['prompt'])}</i> → {html.escape(s['text'])}</li>"
        for s in cell["samples"]
    )
    return f"<ul style='margin:.3em 0'>{''.join(items)}</ul>"


class LiveRun:
    """Train one setting now, in at most half a minute, on up to 600 comparisons."""

    def __init__(self) -> None:
        from ...lm import load_policy
        from ...runtime import data_path
        from ...training import read_preferences
        from ...world import PocketWorld

        self.world, self.policy = PocketWorld(), load_policy("pocket-sft")
        self.pairs = read_preferences(data_path("preferences", "pocket-train.jsonl"))

    def steps(self, setting: Setting, steps: int = LIVE_STEPS):
        """Yield the history after each round of training."""
        from ...rewards import EnsembleReward, GoldReward, RewardModel
        from ...training import OnlineTrainer, RewardModelSettings, train_reward_model

        models = []
        for member in range(setting.members):
            model = RewardModel.from_policy(self.policy, seed=member)
            labels = relabel(self.pairs, self.world, setting, member)[:600]
            train_reward_model(model, labels, RewardModelSettings(seed=member))
            models.append(model)
        proxy = models[0] if len(models) == 1 else EnsembleReward(models, "mean_minus_std")
        settings = grid_settings(setting, steps, prompts_per_step=16)
        prompts = self.world.prompts(500, seed=7)
        trainer = OnlineTrainer(
            self.policy.copy(), prompts, proxy, settings, GoldReward(self.world)
        )
        for _ in range(steps):
            trainer.step()
            yield trainer.history


def over_optimization_lab(live: LiveRun | None = None) -> Lab:
    """The lab over the stored grid; with `live` also a button that trains the chosen setting."""
    import ipywidgets as widgets

    figure = plot(2, ("proxy (sd of SFT answers)", "gold (points)"), height=370)
    for column, name in ((1, "proxy"), (2, "gold")):
        for dash, label in (("solid", "stored run"), ("dot", "live run")):
            figure.add_scatter(
                line={"color": COLOURS[name], "width": 3, "dash": dash}, name=f"{name}, {label}",
                row=1, col=column,
            )  # fmt: skip
    figure.update_xaxes(title="√KL (√nats)")
    controls = {
        "pairs": choice("pairs", PAIRS, PAIRS[-1], "comparisons the reward model has seen"),
        "noise": choice("noise", NOISE, NOISE[1], "temperature of the annotators' choices"),
        "bias": choice(
            "bias", BIAS, BIAS[-1], "0: fair annotators, 1: they like length and flattery"
        ),
        "members": choice("reward models", MEMBERS, 1, "1, or a cautious ensemble of 3"),
        "beta": choice("β", BETAS, 0.0, "weight of the KL penalty"),
        "optimizer": menu(
            "optimizer", ["RL", "best-of-n"], "RL", "train the policy, or pick the best"
        ),
    }
    answers = widgets.HTML()
    button = widgets.Button(
        description="train it live", icon="play", disabled=live is None,
        tooltip="trains reward model and policy now, with 600 comparisons and 25 steps",
    )  # fmt: skip

    def update(pairs, noise, bias, members, beta, optimizer) -> str:
        found = curves(pairs, noise, bias, members, beta, optimizer)
        with figure.batch_update():
            for place, name in ((0, "proxy"), (2, "gold")):
                figure.data[place].x, figure.data[place].y = found["distance"], found[name]
                figure.data[place + 1].x = figure.data[place + 1].y = ()
        answers.value = samples_html(pairs, noise, bias, members, beta) if optimizer == "RL" else ""
        return describe(found, optimizer)

    def train(_=None) -> None:
        values = {k: v for k, v in lab.values().items() if k != "optimizer"}
        for history in live.steps(Setting(**values)):
            distance = np.sqrt(np.maximum(history.series("kl"), 0))
            with figure.batch_update():
                for place, name in ((1, "proxy"), (3, "gold")):
                    figure.data[place].x, figure.data[place].y = distance, history.series(name)
            lab.sentence.value = f"step {len(history.rows)} of {LIVE_STEPS}, trained now"

    button.on_click(train)
    tasks = (
        "β from 0 to 0.2: where does the gold curve end now, and what did it cost the proxy?",
        "300 pairs against 4000: does the peak move, the height, or both?",
        "bias 0: does gold still fall? Then it is not the annotators' taste but the model's errors.",
        "best-of-n against RL at the same √KL: which is gentler?",
    )
    lab = Lab("Over-optimization", controls, figure, update, tasks, extra=(button,))
    lab.answers = answers
    lab.view.children = (*lab.view.children, answers)
    lab.train = train
    return lab
