"""Recall questions of chapter 07: on what came before. Every wrong option has a reason."""

from __future__ import annotations

from ..kit.quiz import Quiz

RECALL: tuple[Quiz, ...] = (
    Quiz(
        "In RLHF with a language model, what is the action?",
        (
            ("A whole completion; the prompt is the state and the reward comes at the end.",
             "That is the usual, bandit-like view; one can also look token by token."),
            ("The choice between two completions.", "That is the annotator's act, not the policy's."),
            ("The gradient step.", "That changes the policy; an action is drawn from it."),
        ),
    ),
    Quiz(
        "Which tokens count in the loss of supervised fine-tuning?",
        (
            ("Those of the completion, its end token included.",
             "The prompt is given, not to be learned; the end token teaches when to stop."),
            ("All tokens, prompt and completion.",
             "That is pre-training; the policy would learn to write prompts."),
            ("The last token only.", "That is where a reward model reads its score."),
        ),
    ),
    Quiz(
        "pocket-base answers a question with another question. Why?",
        (
            ("It continues documents as it has read them, and quizzes were among them.",
             "A base model predicts what comes next; answering has to be taught."),
            ("It does not know the answer.",
             "It knows many of the facts: complete 'a fox lives in a' with it and see."),
            ("Its temperature is too high.", "At temperature 0 it does the same."),
        ),
    ),
)  # fmt: skip
