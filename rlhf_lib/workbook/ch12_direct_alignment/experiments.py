"""The chapter's experiments: DPO on a whole file, displacement, on-policy data, RL, and nine losses exactly."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
from torch import Tensor

from ...exact import ExactSettings, ExactWorld, TabularPolicy, exact_world, near_pairs, train_exact
from ...experiments import Setting, relabel
from ...experiments.experiment import Experiment, above
from ...lm import Policy, load_policy
from ...rewards import RewardModel
from ...runtime import data_path
from ...training import (
    LOSSES,
    DirectSettings,
    DirectTrainer,
    OnlineDirectSettings,
    RewardModelSettings,
    annotator_judge,
    preset,
    read_preferences,
    train_direct,
    train_online,
    train_online_direct,
    train_reward_model,
)
from ...training.schedule import linear
from ...training.sft import epochs_of_batches
from ...world import PocketWorld, Preference
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


FEW = 320


def online_settings(seed: int, **change) -> OnlineDirectSettings:
    """Eight rounds of 40 comparisons, two updates each: 320 labels."""
    how = dict(rounds=8, prompts_per_round=40, batch_size=20, beta=BETA, warmup_steps=2, seed=seed)
    return OnlineDirectSettings(**{**how, **change})


def online(seed: int) -> dict:
    """320 labels: on a file's answers, on the policy's own, and half and half.

    "file, three times the rate" is the control for step size: online the rate does not decay.
    """
    world, sft, found = PocketWorld(), load_policy("pocket-sft"), {}
    requests, pairs = world.prompts(1000, seed=5), labelled(FEW, seed, FEW * seed)
    for name, rate in (("file", 3e-4), ("file, three times the rate", 9e-4)):
        policy = sft.copy()
        train_direct(policy, pairs, DirectSettings(beta=BETA, learning_rate=rate, seed=seed))
        found[name] = judged(policy)
    for name, rounds in (("on-policy", 8), ("file, then on-policy", 4)):
        policy, judge = sft.copy(), annotator_judge(world.annotator(), seed)
        if rounds == 4:
            train_direct(policy, pairs[: FEW // 2], DirectSettings(beta=BETA, seed=seed))
        train_online_direct(policy, requests, judge, online_settings(seed, rounds=rounds), sft)
        found[name] = judged(policy)
    return found


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


KINDS = ("fact", "opinion", "unsafe", "lookalike", "sum")
EXACT = {
    "DPO, unlimited data": dict(algorithm="dpo"),
    "DPO, fresh pairs": dict(algorithm="dpo", samples=16),
    "DPO, fixed pairs": dict(algorithm="dpo", comparisons=64),
    "policy gradient": dict(samples=32),
}


def exact(seed: int, names: Sequence[str] = tuple(EXACT)) -> dict:
    """KL(policy || π*) along training, in a world whose answers are listed; other requests with each seed."""
    listed, found = exact_requests(seed), {}
    for name in names:
        settings = ExactSettings(beta=0.3, learning_rate=0.075, seed=seed, **EXACT[name])
        run = train_exact(TabularPolicy(listed.ref_logp), listed, settings)
        found[name] = {
            "step": [row["step"] for row in run.rows],
            "distance": run.series("reverse_kl"),
        }
    return found


def nine_losses(seed: int) -> dict:
    """Objective lost against π* for β 0.3, in reward points, by nine losses on 64 fixed comparisons a request.

    "best": at the best moment of 200 updates; "end": at their end. One learning rate, β 0.3 for all that
    have one; no search was made.
    """
    listed = exact_requests(seed)
    found = {}
    for loss in LOSSES:
        how = ExactSettings(loss, beta=0.3, comparisons=64, learning_rate=0.075, seed=seed)
        lost = train_exact(TabularPolicy(listed.ref_logp), listed, how).series("gap")
        found[loss] = {"best": min(lost), "end": lost[-1]}
    return found


@functools.cache
def exact_requests(seed: int) -> ExactWorld:
    """8 requests with 80 listed answers each; others with each seed."""
    world = PocketWorld()
    asked = world.prompts(8, KINDS, seed=60 + seed)
    return exact_world(world, asked, load_policy("pocket-sft"), size=80)


def missed_by(seed: int, beta: float, steps: int) -> float:
    """How much objective, in reward points, DPO on a fixed file leaves on the table: 0 at π* for β 0.3.

    The file has 64 comparisons for each of 8 requests with 80 listed answers; other requests and labels with
    each seed. beta and steps: what DPO is trained with.
    """
    listed = exact_requests(seed)
    how = ExactSettings(
        "dpo", beta=beta, steps=steps, learning_rate=0.075, comparisons=64, seed=seed
    )
    policy = TabularPolicy(listed.ref_logp)
    train_exact(policy, listed, how)
    return listed.measure(policy.table(), 0.3)["gap"]


def end(result: dict, name: str) -> float:
    """The last of a series of held-out numbers."""
    return result["unseen"][name][-1]


def left_behind(result: dict, name: str) -> float:
    """Nats that the chosen answers fell from their best measurement to the end."""
    return max(result[name]["chosen"]) - result[name]["chosen"][-1]


WHOLE_CLAIMS = {
    "gold is higher after the file than before": above(
        lambda r: end(r, "gold") - r["unseen"]["gold"][0]
    ),
    "the implicit reward orders two thirds of unseen pairs": above(
        lambda r: end(r, "accuracy"), 2 / 3
    ),
    "the chosen answers have become less likely": above(lambda r: -end(r, "chosen")),
    "labels against gold have the larger weight, by 0.05": above(
        lambda r: r["weights"]["against gold"] - r["weights"]["others"], 0.05
    ),
}
DISPLACEMENT_CLAIMS = {
    "DPO on near pairs: the margin grows in 8 of 10 pairs": above(lambda r: r["DPO"]["wider"], 0.8),
    "the chosen answers fall by half a nat from their best": above(
        lambda r: left_behind(r, "DPO"), 0.5
    ),
    "far pairs too": above(lambda r: left_behind(r, "DPO, far pairs"), 0.5),
    "an NLL term holds them up, by a nat": above(
        lambda r: r["DPO + NLL"]["chosen"][-1] - r["DPO"]["chosen"][-1], 1.0
    ),
    "and gold ends higher with it, by 0.2": above(
        lambda r: r["DPO + NLL"]["gold"] - r["DPO"]["gold"], 0.2
    ),
    "NLL alone comes within 0.2": above(
        lambda r: 0.2 - abs(r["DPO + NLL"]["gold"] - r["NLL alone"]["gold"])
    ),
}
EXACT_CLAIMS = {
    "DPO on unlimited data finds π*": above(
        lambda r: 0.01 - r["DPO, unlimited data"]["distance"][-1]
    ),
    "fixed pairs end three times as far off as fresh ones": above(
        lambda r: r["DPO, fixed pairs"]["distance"][-1] - 3 * r["DPO, fresh pairs"]["distance"][-1]
    ),
    "having been nearer before": above(
        lambda r: (
            r["DPO, fixed pairs"]["distance"][-1] - 1.3 * min(r["DPO, fixed pairs"]["distance"])
        )
    ),
    "32 answers a step: the policy gradient ends nearest": above(
        lambda r: r["DPO, fresh pairs"]["distance"][-1] - r["policy gradient"]["distance"][-1]
    ),
}
NINE_CLAIMS = {
    "REBEL loses least": above(
        lambda r: min(v["end"] for n, v in r.items() if n != "rebel") - r["rebel"]["end"]
    ),
    "DPO loses 0.1 and more after its best moment": above(
        lambda r: r["dpo"]["end"] - r["dpo"]["best"], 0.1
    ),
    "KTO, APO-zero and IPO end better than DPO": above(
        lambda r: r["dpo"]["end"] - max(r[n]["end"] for n in ("kto", "apo_zero", "ipo"))
    ),
}
ONLINE_CLAIMS = {
    "on-policy labels end higher than a file's": above(
        lambda r: r["on-policy"]["gold"] - r["file"]["gold"]
    ),
    "and higher than the file with three times the rate": above(
        lambda r: r["on-policy"]["gold"] - r["file, three times the rate"]["gold"]
    ),
    "having gone further": above(lambda r: r["on-policy"]["kl"] - r["file"]["kl"]),
}
RL_CLAIMS = {
    "RLOO with all labels ends above pocket-sft": above(
        lambda r: r["RLOO, all labels"]["gold"] + 0.093
    ),
}
EXPERIMENTS = {
    one.name: one
    for one in (
        Experiment("whole_file", whole_file, claims=WHOLE_CLAIMS, settings={"beta": BETA}),
        Experiment("displacement", displacement, claims=DISPLACEMENT_CLAIMS, settings=NEAR),
        Experiment("online", online, claims=ONLINE_CLAIMS, settings={"labels": FEW}),
        Experiment("against_rl", against_rl, claims=RL_CLAIMS, settings={"labels": FEW}),
        Experiment("exact", exact, claims=EXACT_CLAIMS, settings=EXACT),
        Experiment(
            "nine_losses",
            nine_losses,
            claims=NINE_CLAIMS,
            settings={"comparisons": 64, "beta": 0.3},
        ),
    )
}
