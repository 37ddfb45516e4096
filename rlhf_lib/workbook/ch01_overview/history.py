"""Nine works that made RLHF what it is, and which part of the loop each one changed."""

from __future__ import annotations

from dataclasses import dataclass

PARTS = {
    "start": "where the policy starts",
    "shown": "what is shown",
    "judge": "who judges",
    "said": "what is said about it",
    "learned": "what the policy learns from",
    "held": "what holds it back",
}
"""Parts of the loop, from its beginning to its end."""


@dataclass(frozen=True)
class Work:
    """A work, or a system: its name and year, the parts of `PARTS` that it changed, and the whole loop in it."""

    name: str
    year: int
    changed: tuple[str, ...]
    start: str
    shown: str
    judge: str
    said: str
    learned: str
    held: str
    source: str

    def part(self, name: str) -> str:
        """What this work has in a part of the loop."""
        return getattr(self, name)


WORKS = (
    Work(
        "TAMER", 2008, ("judge", "said", "learned"),
        start="an agent that knows nothing", shown="each action, as it happens",
        judge="a person who looks on", said="good or bad, as a number",
        learned="a model of the person's number; the action with the highest one is taken",
        held="nothing", source="Knox & Stone (2008)",
    ),
    Work(
        "Christiano et al.", 2017, ("shown", "said", "learned"),
        start="an agent that knows nothing", shown="two clips of a second or two",
        judge="a person, now and then", said="which clip is better",
        learned="a reward model that is fitted to the comparisons, by deep RL",
        held="nothing", source="Christiano et al. (2017)",
    ),
    Work(
        "Ziegler et al.", 2019, ("start", "shown", "held"),
        start="GPT-2, which has read the web", shown="four continuations of a text",
        judge="hired labellers", said="which of the four is best",
        learned="a reward model, by PPO",
        held="a KL penalty to GPT-2", source="Ziegler et al. (2019)",
    ),
    Work(
        "Stiennon et al.", 2020, ("start", "judge"),
        start="a model fine-tuned on summaries", shown="two summaries of a post",
        judge="labellers who are trained and checked, batch by batch", said="which summary is better",
        learned="a reward model, by PPO",
        held="a KL penalty to the fine-tuned model", source="Stiennon et al. (2020)",
    ),
    Work(
        "InstructGPT", 2022, ("start", "shown", "said"),
        start="GPT-3, fine-tuned on answers by labellers", shown="4 to 9 answers to any request",
        judge="about 40 hired labellers", said="a ranking of all of them",
        learned="a reward model, by PPO",
        held="a KL penalty, and some pre-training text in between", source="Ouyang et al. (2022)",
    ),
    Work(
        "ChatGPT", 2022, ("shown",),
        start="a later GPT, fine-tuned on dialogues", shown="answers in a dialogue",
        judge="hired labellers", said="a ranking",
        learned="a reward model, by PPO",
        held="as in InstructGPT, as far as is known", source="OpenAI (2022)",
    ),
    Work(
        "DPO", 2023, ("learned",),
        start="a fine-tuned model", shown="two answers to a request",
        judge="people, or another model", said="which answer is better",
        learned="the comparisons themselves: no reward model, no sampling",
        held="β, in the loss itself", source="Rafailov et al. (2023)",
    ),
    Work(
        "process rewards", 2023, ("shown", "said"),
        start="a fine-tuned model", shown="the steps of a solution, one by one",
        judge="labellers who can follow them", said="right, wrong or neutral, for each step",
        learned="a process reward model (PRM), which picks the best of many solutions",
        held="nothing: the policy is not trained", source="Lightman et al. (2023)",
    ),
    Work(
        "RLVR", 2024, ("judge", "said"),
        start="a model after SFT and preference tuning", shown="a final result",
        judge="a program that checks it", said="right or wrong",
        learned="the verdict itself, by RL",
        held="a KL penalty, weak or none", source="Tülu 3 (2024); DeepSeek R1 (2025)",
    ),
)  # fmt: skip


def named(name: str) -> Work:
    """The work of this name.

    Raises:
        ValueError: there is none.
    """
    for work in WORKS:
        if work.name == name:
            return work
    raise ValueError(f"name must be one of {', '.join(w.name for w in WORKS)}; got {name!r}")
