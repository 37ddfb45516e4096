"""The silent-bug clinic of chapter 05."""

from __future__ import annotations

from ..kit.bug import Bug
from .clinic_runs import run_answers


def _strip(prompt, answer):
    return answer[len(prompt) :].lstrip() if answer.startswith(prompt) else answer


def _strip_otherwise(prompt, answer):
    return answer.removeprefix(prompt).strip() if answer[: len(prompt)] == prompt else answer


def _as_it_is(prompt, answer):
    return answer


def _prove(implementation):
    assert implementation("how big is a fox?", "how big is a fox? small.") == "small."
    assert implementation("how big is a fox?", "small.") == "small.", "nothing to take off"


doubled_prompt = Bug(
    name="doubled_prompt",
    chapter="05",
    title="A loss that falls, and answers that get worse",
    story="Fine-tuning on the chosen answers of a preference file. The training loss starts higher than in the other run and "
    "falls from round to round, as if much were being learned. The gold of the answers to held-out requests falls with it.",
    function="completion(prompt, chosen) -> the text that is trained on after the prompt",
    source="allenai/reward-bench issue 140 (2024): `chosen` and `rejected` already held the prompt, which was put in front of them "
    "once more; only its first copy was masked.",
    lesson="In some data sets `chosen` is the answer, in others the whole conversation. Print one row as the model gets it.",
    right=_strip,
    also_right=_strip_otherwise,
    wrong=_as_it_is,
    example=lambda: ("what colour is a fox?", "what colour is a fox? a fox is red."),
    run=run_answers,
    watch=("loss", "gold"),
    options=(
        (
            "The prompt stands twice, and is learned.",
            "To say the question again is new to the model: it costs at first, is learned quickly, and then done.",
        ),
        (
            "The learning rate is too high for it.",
            "Then the training loss would be restless, and not fall so evenly.",
        ),
        (
            "Chosen and rejected have been swapped.",
            "Answers of the same model cost about the same, so the loss would hardly start higher.",
        ),
    ),
    hints=(
        "What would the function have to give for a row whose answer begins with the request?",
        "completion('a? ', 'a? b') must be 'b', and completion('a?', 'b') too.",
    ),
    proof=_prove,
)

BUGS = (doubled_prompt,)
