"""The chapter's experiments: DPO on a whole file, displacement, nine losses, on-policy data, RL, length."""

from __future__ import annotations

import functools
import random
from collections.abc import Sequence

import torch
from torch import Tensor

from ...exact import ExactSettings, TabularPolicy, exact_world, near_pairs, train_exact
from ...experiments import Setting, relabel
from ...experiments.experiment import Experiment
from ...lm import Policy, load_policy
from ...rewards import RewardModel
from ...runtime import data_path
from ...training import (
    DirectSettings,
    DirectTrainer,
    OnlineDirectSettings,
    RefreshedJudge,
    RewardModelSettings,
    annotator_judge,
    preset,
    read_preferences,
    reward_judge,
    train_direct,
    train_online,
    train_online_direct,
    train_reward_model,
)
from ...training.schedule import linear
from ...training.sft import epochs_of_batches
from ...world import Bias, PocketWorld, Preference
from .measures import judged, log_ratios, pair_logps

BETA = 0.1
LOOKS = (0, 8, 16, 24, 48, 86, 125)
"""Updates after which the whole-file run is measured on held-out pairs and requests."""
WEIGHED = 500
"""Training pairs whose gradient weights are looked at after the run."""


def labelled(count: int, seed: int, start: int = 0) -> list[Preference]:
    """`count` comparisons of the training file from row `start` on, labelled anew by annotators of this seed."""
    pairs = read_preferences(data_path("preferences", "pocket-train.jsonl"))[start : start + count]
    return relabel(pairs, PocketWorld(), Setting(pairs=count, seed=seed))


def unseen(count: int = 160) -> list[Preference]:
    """Comparisons that no policy of the chapter is trained on."""
    return read_preferences(data_path("preferences", "pocket-test.jsonl"))[:count]


def whole_file(seed: int, steps: int | None = None) -> dict:
    """One epoch of DPO over all comparisons of the file; curves, and measurements on the way.

    steps: to stop early, on the schedule of the whole run; then only the pairs used are asked about.
    """
    policy = load_policy("pocket-sft").copy()
    settings = DirectSettings("dpo", beta=BETA, seed=seed)
    pairs, trainer = labelled(10_000, seed), DirectTrainer(policy, settings)
    batches = list(epochs_of_batches(len(pairs), settings))
    used = [row for batch in batches[:steps] for row in batch]
    data, place = trainer.prepare([pairs[i] for i in used]), {row: k for k, row in enumerate(used)}
    seen: dict[str, list] = {}

    def look() -> None:
        for name, value in {**on_unseen(policy), **judged(policy)}.items():
            seen.setdefault(name, []).append(value)

    look()
    for step, batch in enumerate(batches[:steps]):
        rate = settings.learning_rate * linear(step, len(batches), settings.warmup_steps)
        trainer.step(data, [place[row] for row in batch], rate)
        if step + 1 in LOOKS:
            look()
    done = len(batches[:steps])
    curves = {m: trainer.history.series(m) for m in ("loss", "margin", "logp_chosen", "accuracy")}
    return {
        "training": curves,
        "unseen": {"step": [s for s in LOOKS if s <= done], **seen},
        "weights": weights_of_labels(policy, [pairs[i] for i in used[:WEIGHED]]),
    }


def on_unseen(policy: Policy) -> dict[str, float]:
    """On held-out comparisons: loss and margin in nats, accuracy, and log-ratios of either answer."""
    ratios = pair_logps(policy, unseen())[0] - reference_of_unseen()
    margin = BETA * (ratios[:, 0] - ratios[:, 1])
    right = (margin > 0).float() + 0.5 * (margin == 0)
    return {
        "loss": -torch.nn.functional.logsigmoid(margin).mean().item(),
        "margin": margin.mean().item(),
        "accuracy": right.mean().item(),
        "chosen": ratios[:, 0].mean().item(),
        "rejected": ratios[:, 1].mean().item(),
    }


@functools.cache
def reference_of_unseen() -> Tensor:
    """log pi_sft (n, 2) of the held-out comparisons."""
    return pair_logps(load_policy("pocket-sft"), unseen())[0]


def weights_of_labels(policy: Policy, pairs: Sequence[Preference]) -> dict[str, float]:
    """Mean weight sigma(-beta h) of comparisons whose label is against gold, and of the others."""
    world = PocketWorld()
    golds = [[world.gold(p.prompt, t) for t in (p.chosen, p.rejected)] for p in pairs]
    wrong = torch.tensor([chosen < rejected for chosen, rejected in golds])
    ratios, _ = log_ratios(policy, pairs)
    weights = torch.sigmoid(-BETA * (ratios[:, 0] - ratios[:, 1]))
    return {
        "against gold": weights[wrong].mean().item(),
        "others": weights[~wrong].mean().item(),
        "share against gold": wrong.float().mean().item(),
    }


NEAR = {
    "DPO": {}, "DPO + NLL": {"nll_weight": 1.0}, "NLL alone": {"beta": 1e-6, "nll_weight": 1.0},
    "DPO, far pairs": {},
}  # fmt: skip
"""Name -> what differs from DPO with β 0.05; four epochs over 160 comparisons without noise."""
EPOCHS = 4


def displacement(seed: int, names: Sequence[str] = tuple(NEAR)) -> dict:
    """Right answers against the same with one thing wrong (near) or off the topic (far): what becomes of them."""
    world, found = PocketWorld(), {}
    for name in names:
        policy = load_policy("pocket-sft").copy()
        other = "off_topic" if "far" in name else "wrong"
        pairs = [
            p for p in near_pairs(world, 160, seed=10 + seed, other=other) if p.chosen != p.rejected
        ]
        found[name] = follow(policy, pairs, NEAR[name], seed) | judged(policy)
    return found


def follow(policy: Policy, pairs: Sequence[Preference], change: dict, seed: int) -> dict:
    """Train and measure the pairs' log-ratios after each epoch; shares of pairs at the end."""
    fixed = {"beta": 0.05, "epochs": float(EPOCHS), "learning_rate": 4e-4, "seed": seed}
    settings = DirectSettings("dpo", **(fixed | change))
    trainer, start = DirectTrainer(policy, settings), pair_logps(policy, pairs)[0]
    data, batches = trainer.prepare(pairs), list(epochs_of_batches(len(pairs), settings))
    path = [start - start]
    for step, batch in enumerate(batches):
        trainer.step(data, batch, settings.learning_rate * linear(step, len(batches), 10))
        if (step + 1) % (len(batches) // EPOCHS) == 0:
            path.append(pair_logps(policy, pairs)[0] - start)
    fell, wider = path[-1][:, 0] < 0, path[-1][:, 0] > path[-1][:, 1]
    return {
        "chosen": [x[:, 0].mean().item() for x in path],
        "rejected": [x[:, 1].mean().item() for x in path],
        "fell": fell.float().mean().item(),
        "wider": wider.float().mean().item(),
    }


LOSSES = {
    "dpo": {"beta": 0.1},
    "cdpo": {"beta": 0.1, "label_smoothing": 0.1},
    "ipo": {"beta": 0.5},
    "kto": {"beta": 0.1},
    "orpo": {"orpo_weight": 0.5},
    "simpo": {"beta": 2.0, "gamma": 0.5},
    "rebel": {"beta": 0.1},
    "apo_zero": {"beta": 0.1},
    "apo_down": {"beta": 0.1},
}
"""One learning rate for all, no search."""
FEW = 320


def losses(seed: int) -> dict:
    """Nine losses on the same 320 comparisons, one epoch; others, and other batches, with each seed."""
    found = {}
    for loss, change in LOSSES.items():
        policy = load_policy("pocket-sft").copy()
        pairs = labelled(FEW, seed, FEW * seed)
        train_direct(policy, pairs, DirectSettings(loss, seed=seed, **change))
        found[loss] = judged(policy)
    return found


def online_settings(seed: int, **change) -> OnlineDirectSettings:
    """Eight rounds of 40 comparisons, two updates each: 320 labels."""
    how = dict(rounds=8, prompts_per_round=40, batch_size=20, beta=BETA, warmup_steps=2, seed=seed)
    return OnlineDirectSettings(**{**how, **change})


def online(seed: int) -> dict:
    """320 labels: on a file's answers, on the policy's own, half and half; and two judges that are models.

    "file, three times the rate" is the control for step size: online the rate does not decay.
    """
    world, requests = PocketWorld(), PocketWorld().prompts(1000, seed=5)
    pairs, found = labelled(FEW, seed, FEW * seed), {}
    for name, rate in (("file", 3e-4), ("file, three times the rate", 9e-4)):
        policy = load_policy("pocket-sft").copy()
        train_direct(policy, pairs, DirectSettings(beta=BETA, learning_rate=rate, seed=seed))
        found[name] = judged(policy)
    judges = {
        "on-policy": annotator_judge(world.annotator(), seed),
        "frozen reward model": reward_judge(RewardModel.load("pocket-reward")),
        "D2PO": RefreshedJudge(RewardModel.load("pocket-reward"), world.annotator(), 20, 1e-4, seed),
    }  # fmt: skip
    for name, judge in judges.items():
        policy = load_policy("pocket-sft").copy()
        train_online_direct(policy, requests, judge, online_settings(seed))
        found[name] = judged(policy)
    policy = load_policy("pocket-sft").copy()
    train_direct(policy, pairs[: FEW // 2], DirectSettings(beta=BETA, seed=seed))
    judge = annotator_judge(world.annotator(), seed)
    train_online_direct(
        policy, requests, judge, online_settings(seed, rounds=4), load_policy("pocket-sft")
    )
    return {**found, "file, then on-policy": judged(policy)}


def against_rl(seed: int) -> dict:
    """RLOO against a reward model of the same 320 labels, and of all the file's (pocket-reward), with β 0.1."""
    sft, requests = load_policy("pocket-sft"), PocketWorld().prompts(1000, seed=5)
    own = RewardModel.from_policy(sft, seed=seed)
    train_reward_model(own, labelled(FEW, seed, FEW * seed), RewardModelSettings(seed=seed))
    found = {}
    for name, reward, steps in (
        ("RLOO, 320 labels", own, 12),
        ("RLOO, all labels", RewardModel.load("pocket-reward"), 36),
    ):
        policy = sft.copy()
        how = dict(steps=steps, prompts_per_step=8, learning_rate=2.5e-4, warmup_steps=3)
        train_online(
            policy, requests, reward, preset("rloo", kl_coefficient=BETA, seed=seed, **how)
        )
        found[name] = judged(policy)
    return found


def length(seed: int) -> dict:
    """Annotators who pay 0.15 points a word: tokens of answers after DPO on sums, and on means over tokens."""
    annotator, rng = PocketWorld().annotator(Bias(length=0.15)), random.Random(seed)
    part = labelled(FEW, seed, FEW * seed)
    labels = [annotator.prefer(p.prompt, p.chosen, p.rejected, rng) for p in part]
    found = {}
    for name, change in {
        "sums": {"beta": 0.1},
        "means": {"beta": 1.5, "length_average": True},
    }.items():
        policy = load_policy("pocket-sft").copy()
        train_direct(policy, labels, DirectSettings(learning_rate=6e-4, seed=seed, **change))
        found[name] = judged(policy)
    return found


KINDS = ("fact", "opinion", "unsafe", "lookalike", "sum")
EXACT = {
    "DPO, unlimited data": dict(algorithm="dpo"),
    "DPO, fresh pairs": dict(algorithm="dpo", samples=16),
    "DPO, fixed pairs": dict(algorithm="dpo", comparisons=64),
    "policy gradient": dict(samples=32),
}


def exact(seed: int, names: Sequence[str] = tuple(EXACT)) -> dict:
    """KL(policy || π*) along training, in a world whose answers are listed; other requests with each seed."""
    world = PocketWorld()
    listed = exact_world(
        world, world.prompts(8, KINDS, seed=60 + seed), load_policy("pocket-sft"), size=80
    )
    found = {}
    for name in names:
        settings = ExactSettings(beta=0.3, learning_rate=0.075, seed=seed, **EXACT[name])
        run = train_exact(TabularPolicy(listed.ref_logp), listed, settings)
        found[name] = {
            "step": [row["step"] for row in run.rows],
            "distance": run.series("reverse_kl"),
        }
    return found


EXPERIMENTS = {
    one.name: one
    for one in (
        Experiment("whole_file", whole_file, settings={"beta": BETA}),
        Experiment("displacement", displacement, settings=NEAR),
        Experiment("losses", losses, settings={"labels": FEW, **LOSSES}),
        Experiment("online", online, settings={"labels": FEW}),
        Experiment("against_rl", against_rl, settings={"labels": FEW}),
        Experiment("length", length, settings={"labels": FEW}),
        Experiment("exact", exact, settings=EXACT),
    )
}
