"""Experiments of chapter 09: nine wrong templates, what is learned from, how much of it, how fast."""

from __future__ import annotations

import functools
from statistics import fmean

import torch

from ...experiments.experiment import Claim, Experiment, above
from ...lm import Policy, load_policy
from ...training import SFTSettings, document_loss
from ...training.progress import silent
from ...training.sft import completion_loss
from ...world import Demonstration, PocketWorld
from ...world.facts import ATTRIBUTES, attribute_values, fact_sentence, with_article
from .losses import Loss, fine_tune, whole_text, without_end
from .templates import WAYS, go_on

CLEAN = {"short": 0.6, "long": 0.2, "polite": 0.2}
"""Styles of demonstrations that somebody has checked: all of them right, none with a fault."""

ASKED, FACTS = 128, 96
"""Held-out requests of all kinds, and held-out fact questions."""

SHOWN, STEPS = 1000, 63
PLACES = (0, 8, 16, 24, 32, 48, STEPS)
"""Checked demonstrations, the steps of one pass over them, and where on the way is measured."""


@functools.cache
def world() -> PocketWorld:
    """The natural world."""
    return PocketWorld()


def demonstrations(n: int, seed: int, checked: bool = True) -> list[Demonstration]:
    """`n` requests with an answer, of one turn; checked, or of the vendor's mixture."""
    styles = CLEAN if checked else None
    return world().demonstrations(n, seed=40 + seed, styles=styles, conversations=0.0)


def settings(seed: int, **changes) -> SFTSettings:
    """One pass in batches of 16."""
    return SFTSettings(**{"batch_size": 16, "learning_rate": 1e-3, "seed": seed, **changes})


def tuned(
    shown: list[Demonstration], seed: int, loss_of: Loss = completion_loss, **changes
) -> Policy:
    """pocket-base after fine-tuning on `shown`."""
    policy = load_policy("pocket-base")
    with silent():
        fine_tune(policy, shown, settings(seed, **changes), loss_of)
    return policy


@torch.no_grad()
def facts_right(policy: Policy, n: int = FACTS) -> float:
    """Share of held-out fact questions whose likeliest answer has the fact right."""
    asked = world().prompts(n, ("fact",), seed=9, split="test")
    texts = policy.sample(asked, max_new_tokens=32, temperature=0).texts
    scores = [world().gold_score(p, t).terms["task"] for p, t in zip(asked, texts, strict=True)]
    return fmean(score > 0 for score in scores)


@torch.no_grad()
def knows(policy: Policy) -> float:
    """Share of the world's facts whose true sentence is likelier, as plain text, than with any other value."""
    values, right = attribute_values(world().facts), []
    for animal, facts in world().facts.items():
        for attribute in ATTRIBUTES:
            texts = [
                "<|endoftext|>" + fact_sentence(with_article(animal), attribute, value) + "."
                for value in values[attribute]
            ]
            best = values[attribute][int(text_logps(policy, texts).argmax())]
            right.append(best == facts[attribute])
    return fmean(right)


def text_logps(policy: Policy, texts: list[str]) -> torch.Tensor:
    """log p (nats) of plain texts (B,), all tokens after the first."""
    rows = [policy.tokenizer.encode(text, add_special_tokens=False) for text in texts]
    width = max(map(len, rows))
    ids = torch.tensor([row + [policy.pad_token] * (width - len(row)) for row in rows])
    mask = torch.tensor([[1.0] * len(row) + [0.0] * (width - len(row)) for row in rows])
    ids, mask = ids.to(policy.device), mask.to(policy.device)
    logp = policy.model(ids, mask)[:, :-1].log_softmax(-1)
    return (logp.gather(-1, ids[:, 1:, None])[..., 0] * mask[:, 1:]).sum(1)


@torch.no_grad()
def measure(policy: Policy, seed: int = 0) -> dict[str, float]:
    """Gold and the share that ends, of an answer to each of 128 held-out requests; facts; documents.

    facts: `facts_right`. documents: loss (nats per token) on unseen documents, pocket-base's own kind of text.
    """
    asked = world().prompts(ASKED, seed=9, split="test")
    drawn = policy.sample(asked, max_new_tokens=40, seed=1 + seed)
    golds = [world().gold(p, t) for p, t in zip(asked, drawn.texts, strict=True)]
    return {
        "gold": fmean(golds),
        "ended": drawn.finished.float().mean().item(),
        "facts": facts_right(policy),
        "documents": document_loss(policy, world().documents(99), batches=2),
    }


@torch.no_grad()
def ways_of(policy: Policy, seed: int) -> dict[str, dict[str, float]]:
    """Way to write the prompt -> gold, its difference from the right way on the same requests with the
    standard error of that, the share that does the task, and the share that ends."""
    asked = world().prompts(ASKED, seed=9, split="test")
    found, right = {}, None
    for name, write in WAYS.items():
        texts, ended = go_on(policy, [write(p.messages) for p in asked], seed=1 + seed)
        scores = [world().gold_score(p, t) for p, t in zip(asked, texts, strict=True)]
        gold = torch.tensor([score.total for score in scores])
        right = gold if right is None else right
        found[name] = {
            "gold": gold.mean().item(),
            "cost": (right - gold).mean().item(),
            "error": (right - gold).std().item() / ASKED**0.5,
            "task": fmean(score.terms["task"] > 0 for score in scores),
            "ended": fmean(ended),
        }
    return found


def templates(seed: int) -> dict:
    """`ways_of` a model fine-tuned on 1,000 checked demonstrations."""
    return ways_of(tuned(demonstrations(SHOWN, seed), seed), seed)


def on_the_way(seed: int, places: tuple[int, ...] = PLACES) -> tuple[Policy, dict]:
    """(policy, curves): pocket-base through 1,000 checked demonstrations, its format and its facts on the way.

    The curves' places stand under 'step'; the loss is that of every step.
    """
    policy, rows = load_policy("pocket-base"), []
    asked = world().prompts(FACTS, seed=9, split="test")

    def look(step: int) -> dict[str, float]:
        drawn = policy.sample(asked, max_new_tokens=40, seed=1 + seed)
        rows.append(
            {
                "step": step,
                "ended": drawn.finished.float().mean().item(),
                "facts": facts_right(policy),
            }
        )
        return {}

    shown = demonstrations(SHOWN, seed)
    history = fine_tune(policy, shown, settings(seed), completion_loss, look, places)
    curves = {name: [row[name] for row in rows] for name in ("step", "ended", "facts")}
    return policy, {**curves, "loss": history.series("loss")}


SETS: dict[str, tuple[int, bool, Loss]] = {
    "1,000 checked": (SHOWN, True, completion_loss),
    "1,000 unchecked": (SHOWN, False, completion_loss),
    "3,000 unchecked": (3 * SHOWN, False, completion_loss),
    "end token left out": (SHOWN, True, without_end),
    "prompt in the loss": (SHOWN, True, whole_text),
}
"""Name -> demonstrations, whether they are checked, which tokens are learned."""


def tuned_on(name: str, seed: int) -> Policy:
    """pocket-base after one of the `SETS`."""
    n, checked, loss_of = SETS[name]
    return tuned(demonstrations(n, seed, checked), seed, loss_of)


def sets(seed: int) -> dict:
    """Each of the `SETS`, measured; 'before' is pocket-base; 'on the way' are the curves of the first."""
    with silent():
        policy, curves = on_the_way(seed)
    found = {"on the way": curves, "before": measure(load_policy("pocket-base"), seed)}
    for name in SETS:
        policy = policy if name == "1,000 checked" else tuned_on(name, seed)
        found[name] = measure(policy, seed)
    return found


def _cost(way: str, bound: float = 0.0) -> Claim:
    """That this way costs more gold than `bound`, on the same requests."""
    return above(lambda run: run[way]["cost"], bound)


def _better(first: str, second: str, what: str = "gold", bound: float = 0.0) -> Claim:
    """That the first of two sets ends above the second by more than `bound`."""
    return above(lambda run: run[first][what] - run[second][what], bound)


CHEAP = (
    "as in training",
    "no generation prompt",
    "no end tokens",
    "a system prompt it never saw",
)
"""Ways of which these runs do not show that they cost anything."""

TEMPLATE_CLAIMS = {f"{way}: costs gold": _cost(way) for way in WAYS if way not in CHEAP} | {
    "one space costs half a point and more": _cost("one space too many", 0.5),
    "and more than all tags in plain letters": above(
        lambda run: run["one space too many"]["cost"] - run["tags as plain letters"]["cost"]
    ),
    "another family's template costs less than the space, by 0.3 and more": above(
        lambda run: run["one space too many"]["cost"] - run["another family (### user:)"]["cost"],
        0.3,
    ),
}

CHECKED = "1,000 checked"
SET_CLAIMS = {
    "1,000 checked end above 3,000 unchecked, by 0.2 and more": _better(
        CHECKED, "3,000 unchecked", bound=0.2
    ),
    "3,000 unchecked end above 1,000 unchecked, by 0.2 and more": _better(
        "3,000 unchecked", "1,000 unchecked", bound=0.2
    ),
    "without the end token in the loss fewer than one answer in 16 ends": above(
        lambda run: -run["end token left out"]["ended"], -1 / 16
    ),
    "and gold is lower by half a point and more": _better(CHECKED, "end token left out", bound=0.5),
    "the prompt in the loss costs 0.3 and more": _better(CHECKED, "prompt in the loss", bound=0.3),
    "pocket-base never ends, and has four facts in five right": above(
        lambda run: run["before"]["facts"] - 0.8 - run["before"]["ended"]
    ),
    "in 63 updates the share of answers that end rises by 0.7 and more": above(
        lambda run: run["on the way"]["ended"][-1] - run["on the way"]["ended"][0], 0.7
    ),
    "the share of right facts by less than 0.2": above(
        lambda run: 0.2 + run["on the way"]["facts"][0] - run["on the way"]["facts"][-1]
    ),
    "facts dip after eight updates": above(
        lambda run: run["on the way"]["facts"][0] - run["on the way"]["facts"][1]
    ),
    "documents are forgotten: their loss rises by 0.1 and more": _better(
        CHECKED, "before", "documents", 0.1
    ),
}

SEEDS = (0, 1, 2, 3, 4)

EXPERIMENTS = {
    e.name: e
    for e in (
        Experiment(
            "templates", templates, SEEDS, claims=TEMPLATE_CLAIMS,
            settings={"requests": ASKED, "shown": SHOWN},
        ),
        Experiment(
            "sets", sets, SEEDS, claims=SET_CLAIMS,
            settings={"requests": ASKED, "steps": STEPS, "places": PLACES},
        ),
    )
}  # fmt: skip
