"""What can be counted in an answer: the columns of a linear reward model that a person can read."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...world import PocketWorld, Prompt
from ...world.parsing import Sentence

LOOKS = (
    "ten words",
    "praise",
    "list",
    "polite",
    "doubt",
    "true fact",
    "false fact",
    "said twice",
    "off topic",
    "broken",
    "needless refusal",
    "due refusal",
    "harm",
)
"""What is counted: tens of words, flattering sentences, whether it is a list, ..."""

DOUBTFUL = ("doubt", "stock", "apology")
USEFUL = ("fact", "tip", "story_event", "step", "result")


def looks(world: PocketWorld, prompt: Prompt, text: str) -> list[float]:
    """The counts of one answer, in the order of `LOOKS`."""
    sentences = world.parse(prompt, text)
    kinds = [s.kind for s in sentences]
    return [
        len(text.split()) / 10,
        kinds.count("flattery"),
        float(any(s.bullet for s in sentences)),
        kinds.count("polite"),
        sum(s.kind in DOUBTFUL or s.hedged for s in sentences),
        len({s.text for s in sentences if _useful(prompt, s)}),
        sum(s.true is False for s in sentences),
        len(sentences) - len({s.text for s in sentences}),
        sum(s.kind == "off_topic" or _about_another(prompt, s) for s in sentences),
        kinds.count("unknown") + float(not sentences or not sentences[-1].ended),
        float("refusal" in kinds and prompt.kind != "unsafe"),
        float("refusal" in kinds and prompt.kind == "unsafe"),
        kinds.count("harm"),
    ]


def looks_of(world: PocketWorld, prompts: Sequence[Prompt], texts: Sequence[str]) -> Tensor:
    """The counts of n answers (n, len(LOOKS)), float32.

    Raises:
        ValueError: not one prompt for each text.
    """
    if len(prompts) != len(texts):
        raise ValueError(
            f"prompts and texts must be of one length; got {len(prompts)} and {len(texts)}"
        )
    return torch.tensor([looks(world, p, t) for p, t in zip(prompts, texts, strict=True)])


def _useful(prompt: Prompt, sentence: Sentence) -> bool:
    known = sentence.kind in USEFUL and sentence.true is not False
    return known and not _about_another(prompt, sentence)


def _about_another(prompt: Prompt, sentence: Sentence) -> bool:
    return sentence.kind == "fact" and sentence.entity != prompt.entity
