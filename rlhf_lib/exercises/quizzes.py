"""Recall questions. Every wrong option has a reason; the order of options is shuffled by a seed."""

from __future__ import annotations

import html
import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Quiz:
    """A question with its right answer first: options are (text, why it is right or wrong).

    Shows itself in a notebook as a list with a fold under each option, which works without a kernel.
    """

    question: str
    options: tuple[tuple[str, str], ...]

    def order(self) -> list[int]:
        """The order in which the options are shown; option 0 is the right one."""
        places = list(range(len(self.options)))
        random.Random(self.question).shuffle(places)
        return places

    def answer(self, letter: str) -> str:
        """What to say to the choice 'a', 'b', ... of the options as shown."""
        place = "abcdefgh".find(letter.strip().lower())
        if not 0 <= place < len(self.options):
            return f"choose one of {', '.join('abcdefgh'[: len(self.options)])}"
        index = self.order()[place]
        return ("right: " if index == 0 else "not so: ") + self.options[index][1]

    def __repr__(self) -> str:
        lines = [f"  {'abcdefgh'[i]}) {self.options[o][0]}" for i, o in enumerate(self.order())]
        return "\n".join([self.question, *lines])

    def _repr_html_(self) -> str:
        folds = []
        for place, option in enumerate(self.order()):
            text, reason = (html.escape(part) for part in self.options[option])
            verdict = "right" if option == 0 else "not so"
            folds.append(
                f"<details style='margin:.2em 0 .2em 1em'><summary>{'abcdefgh'[place]}) {text}"
                f"</summary><i style='margin-left:1.4em'>{verdict}: {reason}</i></details>"
            )
        return f"<div><b>{html.escape(self.question)}</b>{''.join(folds)}</div>"


RECALL: dict[str, tuple[Quiz, ...]] = {
    "00_start_here": (
        Quiz(
            "Why is a reward model trained on comparisons and not on marks out of ten?",
            (
                ("People agree more when they compare two answers than when they mark one.",
                 "Marks drift between people and days; 'which of these is better' is easier to say."),
                ("Comparisons contain more information per label.",
                 "One comparison is at most one bit; a mark could hold more, if it were reliable."),
                ("Because a language model cannot output a number.",
                 "A linear head outputs a number, and that is how the reward model works."),
            ),
        ),
        Quiz(
            "What does the KL penalty measure?",
            (
                ("How far the policy's answers have drifted from the reference policy's.",
                 "It is the expected log-ratio of the two, under the policy's own answers."),
                ("How wrong the reward model is.",
                 "It knows nothing about the reward; it only limits how far we trust it."),
                ("How many tokens the answers have.",
                 "Long answers can add up more KL, but length alone costs nothing."),
            ),
        ),
        Quiz(
            "The proxy reward rises all through training. What does that tell you about the answers?",
            (
                ("Only that the reward model likes them more; look at them, or measure something else.",
                 "It is what was optimised, so it must rise; whether they are better is another question."),
                ("They are getting better.", "They may be getting better at pleasing the reward model."),
                ("The learning rate is too high.",
                 "The proxy rises at any learning rate that works at all."),
            ),
        ),
    ),
    "02_reward_landscape": (
        Quiz(
            "What are the three steps of basic RLHF, in order?",
            (
                ("Fine-tune on instructions, train a reward model on comparisons, optimise the policy against it.",
                 "The reward model starts from the fine-tuned policy, and the policy is optimised last."),
                ("Train a reward model, fine-tune on instructions, collect comparisons.",
                 "A reward model is made from comparisons, so they cannot come last."),
                ("Pre-train, optimise with RL, fine-tune on instructions.",
                 "RL needs a policy that answers already; fine-tuning comes first."),
            ),
        ),
        Quiz(
            "In the objective E[r] − β · KL(π || π_ref), what happens if β is made very large?",
            (
                ("The policy stays with the reference, whatever the reward says.",
                 "Any gain in reward is then outweighed by the smallest KL."),
                ("The policy forgets the reference.", "That is β = 0: KL costs nothing then."),
                ("The reward model becomes more accurate.",
                 "β does not touch the reward model; it limits how far we rely on it."),
            ),
        ),
        Quiz(
            "Over whose answers is KL(π || π_ref) averaged?",
            (
                ("The trained policy's own.",
                 "The first argument draws the samples: log π − log π_ref on what π says."),
                ("The reference policy's.", "That would be KL(π_ref || π), the other direction."),
                ("The annotators'.", "They only choose; the KL compares two policies."),
            ),
        ),
    ),
    "03_definitions": (
        Quiz(
            "The proxy reward of chapter 00 rose while the gold utility fell. Which of the two was the "
            "policy trained on?",
            (
                ("The proxy: the reward model's score.",
                 "Gold only looked on. In practice nobody has it, so it could not be trained on."),
                ("The gold utility.", "Then it would have risen; it is what we want and cannot have."),
                ("Both, added up.", "Nothing but the proxy went into the loss (and the KL penalty, where there was one)."),
            ),
        ),
        Quiz(
            "On the map of chapter 02, what is the difference between the altitude of a place and its summit "
            "potential?",
            (
                ("Altitude is the reward of stepping there now, the potential is what the walk from there on collects.",
                 "Reward and value: the second looks ahead, and depends on who walks."),
                ("The potential is the altitude of the highest summit in sight.",
                 "It is a mean over what this walker will do; the walker may never go to that summit."),
                ("None; they are two words for the same thing.",
                 "A flat plain before a peak has no altitude and a high potential."),
            ),
        ),
        Quiz(
            "In chapter 02 the walker without a tube climbed a summit that was not there. What had the reward model "
            "been shown?",
            (
                ("Comparisons of places near the baseline's path only.",
                 "Beyond them it went on as its last slope did, and no label said no."),
                ("Comparisons from the whole map.", "Then it recovers the terrain, and there is no mirage."),
                ("Nothing: its weights were random.", "Near the path it was right. That is what makes the mirage believable."),
            ),
        ),
    ),
    "07_reward_modeling": (
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
    ),
    "08_regularization": (
        Quiz(
            "A reward model of 70% held-out accuracy is used as the reward of RL. What should worry you?",
            (
                ("Where it errs: the policy will look for just those answers that it overrates.",
                 "An average over written answers says little about the answers that a policy will find."),
                ("That 30% of the policy's answers will be bad.",
                 "Accuracy is about comparisons, and the policy chooses which answers it gives."),
                ("Nothing, if the reward rises.",
                 "It rises because it is optimised; that is no evidence about the answers."),
            ),
        ),
        Quiz(
            "On the map of chapter 02 the walker had a tube around the baseline's path. What is the tube?",
            (
                ("A bound on the KL to the baseline: near the path the proxy's map is still right.",
                 "The comparisons came from there."),
                ("The reward of staying on the path.",
                 "The path has no reward of its own; leaving it costs."),
                ("The clip of PPO.",
                 "The clip bounds one batch's step, not the distance from the baseline."),
            ),
        ),
        Quiz(
            "The margin of the reward model's loss [RM-2] makes it",
            (
                ("ask for a larger gap between the two rewards where annotators saw a larger difference.",
                 "The push on a pair goes on until the gap has passed the margin."),
                ("ignore pairs whose gap is small.",
                 "Those are pushed most."),
                ("hold the policy near the reference.",
                 "It is about rewards; no policy stands in that loss."),
            ),
        ),
    ),
    "10_rejection_sampling": (
        Quiz(
            "A reward model prefers A to B by 2 points, another one by 0.02. Both are right about the order. What "
            "is different?",
            (
                ("How sure they are: the chance that A wins is 0.88 for the first and 0.505 for the second.",
                 "Bradley-Terry turns the gap into a probability by the sigmoid."),
                ("Nothing, since only the order of two answers counts.",
                 "For picking the better of two that is so; the loss and the KL-regularised optimum see the gap."),
                ("The first one is better trained.",
                 "It may only be more confident, which without calibration is no merit."),
            ),
        ),
        Quiz(
            "In supervised fine-tuning the prompt's tokens are masked out of the loss. What would fine-tuning on "
            "selected answers do without that mask?",
            (
                ("Also learn to write requests, for which nobody has given a reward.",
                 "The prompt is given; only the completion was scored and chosen."),
                ("Nothing: the prompt's loss is 0.", "It is not: the model is not sure of the next word there."),
                ("Learn faster, since there are more tokens.",
                 "There are more tokens, and they teach another task."),
            ),
        ),
        Quiz(
            "E[r] − β · KL(π || π_ref): which policy maximises it?",
            (
                ("The reference, with each answer's probability multiplied by exp(r / β) and divided by the sum.",
                 "That is π*; every other policy lacks β · KL(π || π*)."),
                ("The one that always gives the answer of the highest reward.",
                 "That is the limit of β = 0, and its KL has a price as soon as β > 0."),
                ("The reference itself.", "That is the limit of a very large β."),
            ),
        ),
    ),
    "11_policy_gradients": (
        Quiz(
            "A reward model gives 3.2 to an answer. What does the number mean by itself?",
            (
                ("Nothing: only differences between answers to the same prompt have a meaning.",
                 "Bradley-Terry fixes rewards up to a constant."),
                ("The answer is right with probability 0.96.",
                 "sigmoid(3.2) would be the chance to beat an answer of reward 0, not to be right."),
                ("It is above average.",
                 "Only if rewards were standardised; the loss alone does not do that."),
            ),
        ),
        Quiz(
            "Held-out accuracy of a reward model is 0.72 and does not rise with more data. Which limit "
            "should you think of first?",
            (
                ("The noise of the labels: not even the true utility could predict them better.",
                 "If annotators flip a coin on close pairs, no model can know how it falls."),
                ("A learning rate that is too low.",
                 "Possible, but then the training accuracy would be low and still rising."),
                ("KL.", "There is no KL in reward-model training."),
            ),
        ),
        Quiz(
            "What is the difference between an outcome and a process reward model?",
            (
                ("The first is told only whether the final answer was right, the second about each step.",
                 "So the second needs labels for steps, which are dear unless a rule can check them."),
                ("The first is trained on humans, the second on programs.",
                 "Labels of either may come from either."),
                ("The first scores the last token only, the second every token.",
                 "An outcome model is usually trained at every token, with the same label."),
            ),
        ),
    ),
    "12_direct_alignment": (
        Quiz(
            "Chapter 07's reward model was fitted to comparisons by a Bradley-Terry loss. What does that loss "
            "say about the level of the rewards of one prompt?",
            (
                ("Nothing: it sees differences only, so any constant of the prompt may be added.",
                 "Keep this in mind: it is why an intractable sum will cancel in this chapter."),
                ("That their mean is 0.", "A reward model is often shifted to that afterwards. The loss does not ask for it."),
                ("That the chosen answer's reward is positive.", "Only that it is the larger one of the two."),
            ),
        ),
        Quiz(
            "In chapter 08's exact world β is doubled. What becomes of π* and of its KL to the reference?",
            (
                ("It moves towards the reference, and the KL falls.",
                 "π* is the reference times exp(r / β): a larger β flattens the tilt."),
                ("It moves away from the reference, and the KL grows.", "That is what a smaller β does."),
                ("It stays; only training becomes slower.", "β is part of the objective, so the optimum moves."),
            ),
        ),
        Quiz(
            "Chapter 11: what does a policy gradient need from its policy that fine-tuning on a file does not?",
            (
                ("Fresh answers of the policy as it stands, scored by a reward.",
                 "The gradient is a mean over the policy's own answers: on-policy data."),
                ("A reference model.", "The KL penalty needs one; the policy gradient itself does not."),
                ("Right answers to imitate.", "It never sees one. It only hears how good its own were."),
            ),
        ),
    ),
    "18_over_optimization": (
        Quiz(
            "RLOO and Dr. GRPO differ by",
            (
                ("a factor G / (G - 1) in the advantages.",
                 "Leaving oneself out of the mean stretches the difference by that factor."),
                ("the clip.", "Both can be clipped or not."),
                ("RLOO being biased.", "RLOO's baseline is independent of the completion: no bias."),
            ),
        ),
        Quiz(
            "The very first GRPO loss of a run prints as 0.000. What is wrong?",
            (
                ("Nothing: at ratio 1 the value is the mean advantage, 0; the gradient is not.",
                 "The loss is a device for a gradient, not a measure of progress."),
                ("The learning rate is 0.", "The loss does not depend on it."),
                ("All rewards are equal.",
                 "They may be, but then the gradient is 0 too; the loss says nothing about it."),
            ),
        ),
        Quiz(
            "With mean-per-sequence aggregation, a wrong answer of 200 tokens and one of 20 have",
            (
                ("the same total weight, so each token of the long one is punished a tenth as much.",
                 "That is why long wrong answers can survive under it."),
                ("weights in proportion to their length.", "That is the mean over all tokens."),
                ("no weight: only right answers count.", "Negative advantages count as well."),
            ),
        ),
    ),
}  # fmt: skip


def recall(chapter: str) -> tuple[Quiz, ...]:
    """The three recall questions of a chapter.

    Raises:
        ValueError: unknown chapter.
    """
    if chapter not in RECALL:
        raise ValueError(f"no questions for {chapter!r}; there are {', '.join(RECALL)}")
    return RECALL[chapter]
