"""The experiments of chapter 17: prompts, draws, the arena, contamination."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable

import numpy as np

from ...evaluation import contaminated, kendall_tau, without_template
from ...experiments.experiment import Experiment, above
from ...experiments.stored import results_of
from ...lm import Policy, load_policy
from ...training import SFTSettings, train_sft
from ...world import AI_BIAS, HUMAN_BIAS, Demonstration, PocketWorld, Prompt
from ...world.styles import draw_style
from .arena import ASSISTANTS, NOISE, fill_pool, vote
from .questions import TEMPLATES, Item, all_items, nine_scores, shopped

ITEMS = 96
NEW_TOKENS = 40

# --- prompts: shots, and thinking aloud

SHOTS = (0, 1, 2, 4)
LEVELS = ((9, 2), (30, 2), (30, 3))


def last_number(text: str) -> str | None:
    """The last whole number in a text, as the field reads an answer to a sum."""
    found = re.findall(r"\d+", text)
    return found[-1] if found else None


def right_sum(world: PocketWorld, prompt: Prompt, text: str) -> bool:
    """Whether the first sum that a base model writes down has the right result."""
    stated = [s for s in world.parse(prompt, text) if s.kind in ("step", "result")]
    return bool(stated) and stated[0].value == prompt.result


def right_fact(world: PocketWorld, prompt: Prompt, text: str) -> bool:
    """Whether the first statement of an answer is the fact that was asked for."""
    stated = [s for s in world.parse(prompt, text) if s.kind == "fact"]
    asked = stated and stated[0].entity == prompt.entity and stated[0].attribute == prompt.attribute
    return bool(asked and stated[0].true)


CHECKS = {"sum": right_sum, "fact": right_fact}


def shown(world: PocketWorld, kind: str, shots: int, seed: int) -> tuple[list[Prompt], list[str]]:
    """Held-out requests of one kind, and each as a text after `shots` training requests with answers."""
    prompts = world.prompts(ITEMS, (kind,), seed=3, split="test")
    pool, rng = world.prompts(200, (kind,), seed=4), random.Random(f"shots {seed}")
    texts = []
    for prompt in prompts:
        lines = [f"{p.text} {world.answer(p, 'short', rng)}" for p in rng.sample(pool, shots)]
        texts.append(" ".join([*lines, prompt.text]))
    return prompts, texts


def score_shots(policy: Policy, kind: str, shots: int, seed: int) -> float:
    """Share of right answers, sampled at temperature 1, after so many shots."""
    world = PocketWorld()
    prompts, texts = shown(world, kind, shots, seed)
    drawn = policy.sample(texts, max_new_tokens=24, seed=seed).texts
    return float(np.mean([CHECKS[kind](world, p, t) for p, t in zip(prompts, drawn, strict=True)]))


def think(policy: Policy, level: tuple[int, int], begun: str, asked: str = "") -> float:
    """Share of right answers to word problems of one level, greedy. begun: words that are put into the
    answer's mouth. asked: words added to the request."""
    prompts = PocketWorld().prompts(ITEMS, ("steps",), seed=3, split="test", levels=(level,))
    chats = [[{"role": "user", "content": p.text + asked}] for p in prompts]
    if begun:
        chats = [[*chat, {"role": "assistant", "content": begun}] for chat in chats]
    length = 6 if begun else 48
    texts = policy.sample(chats, max_new_tokens=length, temperature=0.0).texts
    first = [(re.findall(r"\d+", text) or [""])[0] for text in texts]
    found = first if begun else [last_number(text) for text in texts]
    return float(np.mean([a == p.result for a, p in zip(found, prompts, strict=True)]))


def prompting(seed: int) -> dict:
    """Kind -> base model by number of shots, and pocket-sft without any, sampled at temperature 1."""
    base, sft = without_template(load_policy("pocket-base")), load_policy("pocket-sft")
    return {
        kind: {
            "step": list(SHOTS),
            "base": [score_shots(base, kind, shots, seed) for shots in SHOTS],
            "sft": score_shots(sft, kind, 0, seed),
        }
        for kind in CHECKS
    }


# --- how many answers are drawn

DRAWS = (1, 2, 4, 8, 16, 32)
SUBSETS = 60


def majority(numbers: np.ndarray, results: list[str], n: int, rng: np.random.Generator) -> float:
    """Share of problems whose commonest answer among n random draws is right. numbers (N, G)."""
    hits = []
    for row, result in zip(numbers, results, strict=True):
        for _ in range(SUBSETS):
            drawn = Counter(rng.permutation(row)[:n].tolist())
            hits.append(drawn.most_common(1)[0][0] == result)
    return float(np.mean(hits))


def draws(seed: int) -> dict:
    """Word problems: majority of n draws, any of n draws, and the greedy answer, of the same weights."""
    world, sft = PocketWorld(), load_policy("pocket-sft")
    prompts = world.prompts(ITEMS, ("steps",), seed=3, split="test", levels=LEVELS[:2])
    results = [p.result for p in prompts]
    greedy = sft.sample(prompts, max_new_tokens=NEW_TOKENS, temperature=0.0)
    rollout = sft.sample(prompts, DRAWS[-1], NEW_TOKENS, seed=seed)
    numbers = np.array([last_number(t) or "" for t in rollout.texts]).reshape(ITEMS, -1)
    right = numbers == np.array(results)[:, None]
    rng = np.random.default_rng(seed)
    missed = 1 - right.mean(1)
    return {
        "step": list(DRAWS),
        "majority": [majority(numbers, results, n, rng) for n in DRAWS],
        "any": [float(np.mean(1 - missed**n)) for n in DRAWS],
        "greedy": float(
            np.mean([last_number(t) == r for t, r in zip(greedy.texts, results, strict=True)])
        ),
        "tokens": rollout.lengths.float().mean().item(),
    }


# --- the arena

VOTES = (200, 1000, 4000)
ORDERS = 100
RIDGE = 0.1
CROWDS = {
    "people": (HUMAN_BIAS, NOISE),
    "AI judge": (AI_BIAS, 0.05),
    "fair people": (HUMAN_BIAS.scaled(0), NOISE),
}


def arena(seed: int) -> dict:
    """Crowd -> agreement (Kendall's tau) of ratings with gold, by number of votes; and Elo in 100 orders."""
    pool = fill_pool(PocketWorld(), seed=seed)
    gold = pool.gold.mean(0)
    found: dict = {"gold": dict(zip(ASSISTANTS, gold.tolist(), strict=True))}
    for name, (bias, noise) in CROWDS.items():
        fits = [vote(pool, count, bias, noise, seed) for count in VOTES]
        raw, held = ([v.fitted(control, RIDGE) for v in fits] for control in (False, True))
        found[name] = {
            "step": list(VOTES),
            "raw": [kendall_tau(fit.ratings, gold) for fit in raw],
            "style": [kendall_tau(fit.ratings, gold) for fit in held],
            "ratings": dict(zip(ASSISTANTS, raw[-1].ratings.tolist(), strict=True)),
            "held ratings": dict(zip(ASSISTANTS, held[-1].ratings.tolist(), strict=True)),
            "weights": held[-1].weights.tolist(),
        }
    return found | {"elo": elo_orders(pool, seed)}


def elo_orders(pool, seed: int) -> dict:
    """The same 1,000 votes, read in 100 orders: spread of a rating in points, and how many winners there are."""
    votes, rng = vote(pool, 1000, seed=seed), np.random.default_rng(seed)
    ratings = np.array([votes.elo(order=rng.permutation(1000)) for _ in range(ORDERS)])
    return {
        "spread": float(ratings.std(0).mean()),
        "winners": len(set(ratings.argmax(1).tolist())),
        "error": float(votes.fitted(ridge=RIDGE).errors.mean()),
    }


# --- contamination

ORDINARY, COPIES = 300, 20
OTHER_KINDS = ("open", "story", "sum", "steps", "unsafe", "lookalike")
"""Requests that share no question with the benchmark."""
LEAKS = ("none", "verbatim", "reworded")
FAR = 1
"""The seed of the world whose facts are the benchmark's key: no one knows them who was not told."""


def benchmark(reworded: bool = False) -> tuple[list[Item], list[Item]]:
    """(leaked half, clean half) of 180 questions with another world's answers: every second animal."""
    items = all_items(PocketWorld(), PocketWorld(FAR), reworded)
    animals = list(PocketWorld().facts)[::2]
    return [i for i in items if i.animal in animals], [i for i in items if i.animal not in animals]


def training_set(leak: str, copies: int = COPIES, seed: int = 0) -> list[Demonstration]:
    """Ordinary demonstrations and, with leak 'verbatim' or 'reworded', copies of the leaked half."""
    world, rng = PocketWorld(), random.Random(f"ordinary {seed}")
    prompts = world.prompts(ORDINARY, OTHER_KINDS, seed=seed)
    ordinary = [Demonstration(p, world.answer(p, draw_style(p, rng), rng)) for p in prompts]
    if leak == "none":
        return ordinary
    leaked, _ = benchmark(reworded=leak == "reworded")
    return ordinary + [Demonstration(item.prompt, item.sentence()) for item in leaked] * copies


def stated(policy: Policy, items: list[Item]) -> float:
    """Share of items whose key is in the greedy answer."""
    texts = policy.sample([i.prompt for i in items], max_new_tokens=16, temperature=0.0).texts
    return float(
        np.mean([i.key in re.findall(r"\w+", t) for i, t in zip(items, texts, strict=True)])
    )


def flagged(leak: str, n: int = 8, seed: int = 0) -> list[float]:
    """Shares of the (leaked, clean) half that runs of n words find in the training set."""
    texts = [f"{d.prompt.text} {d.answer}" for d in training_set(leak, 1, seed)]
    return [
        float(np.mean(contaminated([i.written_out() for i in half], texts, n)))
        for half in benchmark()
    ]


def asked() -> dict[str, list[Item]]:
    """The three examinations: the leaked half, the same half in other words, and the clean half."""
    leaked, clean = benchmark()
    return {"leaked": leaked, "in other words": benchmark(reworded=True)[0], "clean": clean}


def leaked_to(leak: str, seed: int) -> dict[str, float]:
    """Scores of pocket-sft in the three examinations, after fine-tuning on a set with this leak."""
    policy = load_policy("pocket-sft").copy()
    settings = SFTSettings(1, 32, learning_rate=1e-3, warmup_steps=4, seed=seed)
    train_sft(policy, training_set(leak, seed=seed), settings)
    return {name: stated(policy, items) for name, items in asked().items()}


def contamination(seed: int) -> dict:
    """Leak -> scores in the three examinations, and what runs of 8 words find in the leaked and the clean half."""
    found: dict = {}
    for leak in LEAKS:
        shares = dict(zip(("found", "false alarms"), flagged(leak, seed=seed), strict=True))
        found[leak] = leaked_to(leak, seed) | shares
    return found


# --- one model in 48 settings


def settings(seed: int) -> dict:
    """Every setting -> right (1) or wrong (0) on each of the 180 facts, as one row of digits.

    Greedy answers and likelihoods throw no dice, so one seed says it all.
    """
    sft, items = load_policy("pocket-sft"), all_items(PocketWorld())
    scored = {template: nine_scores(sft, items, template) for template in TEMPLATES}
    found = shopped(sft, items, scored, seed)
    return {name: "".join(map(str, right)) for name, right in found.items()}


def kept_settings() -> dict[str, np.ndarray]:
    """The stored run of `settings`: setting -> right or wrong of each item (180,)."""
    [stored] = results_of("17_evaluation", "settings").values()
    return {name: np.array([*map(int, digits)]) for name, digits in stored.items()}


def _score(digits: str) -> float:
    return digits.count("1") / len(digits)


def _taus(crowd: str, fit: str) -> Callable[[dict], float]:
    """Agreement with gold after the most votes."""
    return lambda run: run[crowd][fit][-1]


EXPERIMENTS = {
    "prompting": Experiment(
        "prompting",
        prompting,
        settings={"items": ITEMS, "shots": SHOTS},
        claims={
            "two shots help the base model with sums": above(
                lambda run: run["sum"]["base"][2] - run["sum"]["base"][0]
            ),
            "two shots do not help it with facts": above(
                lambda run: run["fact"]["base"][0] - run["fact"]["base"][2]
            ),
            "without shots, pocket-sft answers more facts than the base model": above(
                lambda run: run["fact"]["sft"] - run["fact"]["base"][0], 0.1
            ),
        },
    ),
    "draws": Experiment(
        "draws",
        draws,
        settings={"items": ITEMS, "draws": DRAWS},
        claims={
            "the majority of 32 draws is right far more often than one draw": above(
                lambda run: run["majority"][-1] - run["majority"][0], 0.3
            ),
            "one greedy answer is right far more often than one draw": above(
                lambda run: run["greedy"] - run["majority"][0], 0.3
            ),
            "any of 8 is right more often than the majority of 8": above(
                lambda run: run["any"][3] - run["majority"][3], 0.1
            ),
        },
    ),
    "arena": Experiment(
        "arena",
        arena,
        settings={"votes": VOTES, "ridge": RIDGE, "orders": ORDERS},
        claims={
            "people, 4,000 votes: style control agrees better with gold": above(
                lambda run: _taus("people", "style")(run) - _taus("people", "raw")(run), 0.1
            ),
            "AI judge, 4,000 votes: style control agrees better with gold": above(
                lambda run: _taus("AI judge", "style")(run) - _taus("AI judge", "raw")(run), 0.1
            ),
            "fair people, 4,000 votes: style control agrees worse with gold": above(
                lambda run: _taus("fair people", "raw")(run) - _taus("fair people", "style")(run)
            ),
            "4,000 votes of people agree less with gold than 4,000 fair ones": above(
                lambda run: _taus("fair people", "raw")(run) - _taus("people", "raw")(run), 0.2
            ),
            "Elo has more than one winner over 100 orders of the same votes": above(
                lambda run: run["elo"]["winners"], 1.5
            ),
            "an order moves Elo by more than the fit's standard error": above(
                lambda run: run["elo"]["spread"] - run["elo"]["error"]
            ),
        },
    ),
    "contamination": Experiment(
        "contamination",
        contamination,
        settings={"ordinary": ORDINARY, "copies": COPIES},
        claims={
            "a verbatim leak raises the leaked half": above(
                lambda run: run["verbatim"]["leaked"] - run["none"]["leaked"], 0.3
            ),
            "it leaves the clean half where it was": above(
                lambda run: 0.15 - abs(run["verbatim"]["clean"] - run["none"]["clean"])
            ),
            "the leaked half in other words gains much less": above(
                lambda run: run["verbatim"]["leaked"] - run["verbatim"]["in other words"], 0.3
            ),
            "a leak in other words raises the leaked half too": above(
                lambda run: run["reworded"]["leaked"] - run["none"]["leaked"], 0.2
            ),
            "runs of eight words find the verbatim leak": above(
                lambda run: run["verbatim"]["found"], 0.9
            ),
            "and miss the reworded one": above(lambda run: 0.1 - run["reworded"]["found"]),
        },
    ),
    "settings": Experiment(
        "settings",
        settings,
        seeds=(0,),
        settings={"items": 180},
        claims={
            "the best setting lies above the worst by more than 0.9": above(
                lambda run: max(map(_score, run.values())) - min(map(_score, run.values())), 0.9
            ),
        },
    ),
}
