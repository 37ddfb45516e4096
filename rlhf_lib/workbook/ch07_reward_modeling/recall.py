"""Recall questions of chapter 07: on what came before. Every wrong option has a reason."""

from __future__ import annotations

from ..kit.quiz import Quiz

RECALL: tuple[Quiz, ...] = (
    Quiz(
        "In RLHF with a language model, what is the action?",
        (
            ("A whole completion, rewarded at its end.",
             "That is the usual, bandit-like view; one can also look token by token."),
            ("A choice between two completions, by an annotator.", "That is the annotator's act, not the policy's."),
            ("A gradient step that moves the policy.", "That changes the policy; an action is drawn from it."),
        ),
    ),
    Quiz(
        "Which tokens count in the loss of supervised fine-tuning?",
        (
            ("The completion's, and the end token too.",
             "The prompt is given, not to be learned; the end token teaches when to stop."),
            ("All: the prompt's and the completion's.",
             "That is pre-training; the policy would learn to write prompts."),
            ("The last token's, where the score is read.", "That is where a reward model reads its score."),
        ),
    ),
    Quiz(
        "pocket-base answers a question with another question. Why?",
        (
            ("Quizzes were among the documents that it read.",
             "A base model predicts what comes next; answering has to be taught."),
            ("It does not know the answer and asks for help.",
             "It knows many of the facts: complete 'a fox lives in a' with it and see."),
            ("Its temperature is too high, so it wanders off.", "At temperature 0 it does the same."),
        ),
    ),
)  # fmt: skip
