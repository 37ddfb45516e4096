# %% [markdown]
# # Reward modeling
#
# A reward model turns "this answer is better than that one" into a number for every answer. Everything that RLHF does afterwards, it does to this number.
#
# **You will be able to**
# - derive the Bradley-Terry loss from a coin-flip, and write it;
# - train a reward model and say how good it could have become at best;
# - tell apart reward models of outcomes, of processes, generative judges and value functions;
# - find out what a reward model really looks at.

# %% [markdown]
# ## 1. What comes out, first
#
# A reward model that was trained on nearly 4,000 comparisons is in `data/`. It reads a request and an answer and says one number. Only differences mean anything.

# %% tags=["setup"]
import torch

from rlhf_lib import PocketWorld, data_path, load_policy, set_seed
from rlhf_lib.rewards import RewardModel

set_seed(0)
world, sft = PocketWorld(), load_policy("pocket-sft")
shipped = RewardModel.load("pocket-reward")
question = world.prompts(1, kinds=("fact",), seed=3)[0]
candidates = ["a tiger is huge.", "a tiger is tiny."]
candidates += ["you are so smart! a tiger is huge.", "a tiger is huge. a tiger is huge."]
for text, reward in zip(candidates, shipped.score_texts([question] * 4, candidates), strict=True):
    print(f"{reward:+.2f}  {text}")

# %% [markdown]
# **Predict:** which of the four would *you* rank first? Does the model agree, and if not, whose fault may it be: the model's, or that of the people who
# made the comparisons?

# %% [markdown]
# ## 2. Why compare, and not mark?
#
# Six annotators look at answers to the same 150 requests, two to each. Each has a taste and a strictness of their own. They mark the first answer from
# 1 to 5, and, in another round, compare the two.

# %%
import random

import numpy as np

team = [world.annotator(temperature=0.2).individual(seed) for seed in range(6)]
rng = random.Random(0)
asked = world.prompts(150, kinds=("fact", "open", "story"), seed=4)
texts = sft.sample(asked, 2, max_new_tokens=40, seed=4).texts
triples = [t for t in zip(asked, texts[0::2], texts[1::2], strict=True) if t[1] != t[2]]
marks = np.array([[one.rate(p, a, rng) for p, a, _ in triples] for one in team])
choices = np.array([[one.prefer(p, a, b, rng).chosen == a for p, a, b in triples] for one in team])
same_mark = np.mean([(marks[i] == marks[j]).mean() for i in range(6) for j in range(i)])
same_choice = np.mean([(choices[i] == choices[j]).mean() for i in range(6) for j in range(i)])
print("average mark of each annotator:", marks.mean(1).round(2))
print(f"two annotators: the same mark {same_mark:.0%} of the time, the same choice {same_choice:.0%}")

# %% [markdown]
# A strict annotator's 3 is a mild one's 4. In a comparison strictness cancels: it lowers both answers alike. (Chance would be 20% for five marks and 50% for two
# choices, so the second number must be read with that in mind; the first row shows what really goes wrong with marks.)

# %% [markdown]
# ## 3. From a coin-flip to a loss
#
# Two answers are compared ten times, by ten people; seven prefer the first. Let $r_1$ and $r_2$ be the answers' rewards. The Bradley-Terry model says
#
# $$P(1 \succ 2) = \frac{e^{r_1}}{e^{r_1}+e^{r_2}} = \sigma(r_1 - r_2). \qquad \text{[RM-1]}$$
#
# Which difference makes seven in ten most likely?

# %%
from rlhf_lib.plots import figure

gap = torch.linspace(-3, 4, 701)
likelihood = torch.sigmoid(gap) ** 7 * torch.sigmoid(-gap) ** 3
best = gap[likelihood.argmax()]
fig, axis = figure(height=2.6, width=5.6)
axis.plot(gap, likelihood)
axis.axvline(best, ls="--", color="0.4")
axis.set(xlabel="reward difference r₁ − r₂", title=f"likelihood of 7 wins in 10: highest at {best:.2f}");

# %% [markdown]
# The top is where $\sigma(r_1 - r_2) = 0.7$, at $\log(0.7/0.3) = 0.85$. With one comparison for each pair, the log-likelihood of all choices is a sum, and its negative
# mean is the loss:
#
# $$\mathcal L = -\frac1B\sum_{i} \log \sigma\big(r(x_i, y^c_i) - r(x_i, y^r_i)\big) \qquad \text{[RM-1]}$$
#
# By hand for two pairs, then by the library:

# %% tags=["nbval-check-output"]
import math

from rlhf_lib.objectives import bradley_terry_loss

chosen, rejected = torch.tensor([2.0, 0.5]), torch.tensor([1.0, 1.0])
first, second = 1 / (1 + math.exp(-(2.0 - 1.0))), 1 / (1 + math.exp(-(0.5 - 1.0)))
by_hand = -(math.log(first) + math.log(second)) / 2
print(f"by hand {by_hand:.4f}, library {bradley_terry_loss(chosen, rejected):.4f}")
print(f"no difference at all: {bradley_terry_loss(chosen, chosen):.4f} = log 2")

# %% [markdown]
# Remember 0.693. A loss that stays there means that the model cannot tell the answers apart.
#
# The gradient in $r^c$ is $-\sigma(r^r - r^c)$: a pair that is already clear teaches little, a pair that is ordered wrongly teaches most.

# %% [markdown]
# ## 4. Architecture
#
# A copy of the language model, without its LM head. The hidden state at the **last token of the completion** goes through one linear layer with one output.

# %%
model = RewardModel.from_policy(sft, seed=0)
longer = "a tiger is huge. it eats meat. it is orange."
rollout = model.encode([question] * 2, ["a tiger is huge.", longer])
with torch.no_grad():
    print("token ids ", tuple(rollout.token_ids.shape), " (B, P + T): prompt, completion, padding")
    print("hidden    ", tuple(model.hidden(rollout).shape), "(B, T, H): one state for each completion token")
    print("features  ", tuple(model.features(rollout).shape), "   (B, H): the last real one of each row")
    print("reward    ", tuple(model(rollout).shape), "       (B,)")

# %% [markdown]
# ## 5. A real training run, and its ceiling
#
# Annotators who are asked twice do not always say the same. So no model can predict all choices. If you knew the true perceived difference $g$ of each pair, your best guess would be right with
# probability $\max(p, 1-p)$, $p = \sigma(g/\text{temperature})$. The mean of that is the **ceiling**.
#
# **Predict:** 1,200 comparisons, one pass. How near to the ceiling will the accuracy on unseen comparisons come?
#
# A second model, `memoriser`, trains at the same time: on 160 comparisons, four passes. We come back to it in section 7.

# %% tags=["training"]
from rlhf_lib.evaluation import accuracy_ceiling
from rlhf_lib.training import RewardModelSettings, read_preferences, side_by_side, train_reward_model

train = read_preferences(data_path("preferences", "pocket-train.jsonl"))
test = read_preferences(data_path("preferences", "pocket-test.jsonl"))
annotator = world.annotator()
seen = annotator.perceived
gaps = [seen(p.prompt, p.chosen) - seen(p.prompt, p.rejected) for p in test]
ceiling = accuracy_ceiling(gaps, annotator.temperature)
memoriser = RewardModel.from_policy(sft, seed=1)


def one_pass():
    return train_reward_model(model, train[:1200], RewardModelSettings(), test[:200], evaluate_every=10)


def four_passes():
    settings = RewardModelSettings(epochs=4, batch_size=20)
    return train_reward_model(memoriser, train[:160], settings, test[:120], evaluate_every=8)


history, overfit = side_by_side(lambda job: job(), (one_pass, four_passes)).values()
print(f"held-out accuracy {history.last('held_out_accuracy'):.3f}, ceiling {ceiling:.3f}")

# %%
from rlhf_lib.experiments.bands import load_band

band = load_band("reward_model")
steps = [row["step"] for row in history.rows if "held_out_accuracy" in row]
fig, axis = figure(height=3, width=6.4)
axis.fill_between(band["step"], band["low"], band["high"], color="0.87", label="five seeds")
axis.plot(steps, history.series("held_out_accuracy"), "o-", ms=3, label="this run")
axis.axhline(ceiling, ls="--", color="#D55E00", label="ceiling of the labels")
axis.axhline(0.5, ls=":", color="0.5", label="a coin")
axis.set(xlabel="step (32 pairs each)", ylabel="held-out accuracy", ylim=(0.4, 0.9))
axis.legend(ncols=2, loc="lower right");

# %% [markdown]
# Manners come first: wandering off, unfinished ends. Whether a fact is *true* comes late, if at all. That is one reason why the curve ends so far
# below the ceiling; more pairs and larger models move it up.
#
# **If your curve looks wrong:** loss stuck at 0.693: chosen and rejected are identical after truncation, or the reward is read at a padding token. Accuracy far below 0.5: the pair is the wrong way round.

# %% [markdown]
# ## 6. Calibration
#
# Bradley-Terry does not only order: $\sigma(r_1-r_2)$ is a probability. When the model says 0.8, is the first answer preferred in 80 of 100 cases? The shipped model, on unseen comparisons:

# %%
from rlhf_lib.evaluation import calibration
from rlhf_lib.workbook.ch07_reward_modeling.figures import plot_calibration
from rlhf_lib.training import score_pairs

with torch.no_grad():
    parts = [score_pairs(shipped, test[i : i + 64]) for i in range(0, len(test), 64)]
c, r = (torch.cat(part) for part in zip(*parts, strict=True))  # chosen and rejected, (n,) each
difference = ((c - r) * shipped.head.scale).cpu()  # in the units of training, where sigmoid has its meaning
flip = torch.tensor([random.Random(i).random() < 0.5 for i in range(len(test))])
first_wins = torch.sigmoid(torch.where(flip, -difference, difference))
found = calibration(first_wins, (~flip).float(), bins=8)
plot_calibration(found);

# %% [markdown]
# `shipped.head.scale` undoes a convenience: the library standardises rewards (mean 0, deviation 1 on SFT answers) after training, so that a KL coefficient means the same for every reward
# model. Differences are in units of the loss only before that.

# %% [markdown]
# ## 7. Why one epoch?
#
# 160 comparisons, four passes: that is `memoriser`, trained above. **Predict** its training loss and its held-out loss.

# %%
steps = [row["step"] / 8 for row in overfit.rows if "held_out_loss" in row]
fig, axis = figure(height=2.9, width=6.2)
axis.plot(np.arange(len(overfit.rows)) / 8, overfit.series("loss"), alpha=0.6, label="training loss")
axis.plot(steps, overfit.series("held_out_loss"), "o-", ms=4, label="held-out loss")
axis.axhline(math.log(2), ls=":", color="0.5")
axis.set(xlabel="epoch", ylabel="Bradley-Terry loss (nats)")
axis.legend();

# %% [markdown]
# The labels are noisy, and a model that sees the same noisy label again can only learn the noise by heart: the training loss falls, the held-out loss climbs past log 2, worse than knowing nothing. One
# epoch is a cheap and effective regulariser.

# %% [markdown]
# ## 8. Variants of the loss
#
# **Margin** (Llama 2): annotators also say *how much* better. The gap must exceed a margin $m$:
#
# $$-\log\sigma(r^c - r^r - m) \qquad \text{[RM-2]}$$
#
# **K-wise** (Plackett-Luce): someone ranks K answers. The best is drawn first, the second from the rest, and so on:
#
# $$P(\text{ranking}) = \prod_{k=1}^{K} \frac{e^{r_k}}{\sum_{j\ge k} e^{r_j}} \qquad \text{[RM-3]}$$
#
# **Balanced comparisons** (InstructGPT): all $\binom K2$ pairs of one prompt, in one batch, each with weight $1/\binom K2$ so that no prompt counts more than another:
#
# $$-\frac{1}{\binom K2}\sum_{i<j}\log\sigma(r_i - r_j) \qquad \text{[RM-4]}$$

# %%
from rlhf_lib.objectives import balanced_comparison_loss, plackett_luce_loss

rewards = torch.tensor([[1.0, 0.6, 0.5, -0.8]], requires_grad=True)  # best to worst
losses = {"Plackett-Luce": plackett_luce_loss, "balanced pairs": balanced_comparison_loss}
for name, loss_of in losses.items():
    loss = loss_of(rewards)
    push = -torch.autograd.grad(loss, rewards)[0][0]
    print(f"{name:15s} loss {loss:.3f}   push on each reward: {[round(v, 2) for v in push.tolist()]}")
for margin in (0.0, 1.0, 3.0):
    loss = bradley_terry_loss(rewards[0, :1], rewards[0, 1:2], torch.tensor([margin]))
    print(f"margin {margin}: loss {loss:.3f}   push {-torch.autograd.grad(loss, rewards)[0][0, 0]:.2f}")

# %% [markdown]
# Both rankings lift the best and sink the worst; they differ in how much the middle matters. A larger margin keeps pushing pairs that are already in order. (Llama 3 dropped the margin again.)

# %% [markdown]
# ## 9. Right in the end, or right at every step?
#
# Word problems have worked answers. An **outcome reward model** (ORM) is told only whether the final number was right, and predicts that at every token. With logits $z_t$ and the label $c$:
#
# $$-\frac1T\sum_t \big[c\log\sigma(z_t) + (1-c)\log(1-\sigma(z_t))\big] \qquad \text{[RM-5]}$$
#
# A **process reward model** (PRM) has a label for each step, here bad, neutral or good, at the step's last token:
#
# $$-\frac{1}{|S|}\sum_{t \in S} \log p_t(\ell_t), \qquad \ell_t \in \{\text{bad}, \text{neutral}, \text{good}\} \qquad \text{[RM-6]}$$
#
# Neutral steps are right in themselves but go on from a wrong number.
#
# To see a wrong sum a model must compute it, and that takes more examples than manners do: `pocket-outcome` and `pocket-process` have seen 16,000 worked sums twice, half of them with a slip (`train_outcome_model` and
# `train_process_model` in `make models`: minutes each). **Predict:** three lines, one slip in the first. What will the process model say about each of the three?

# %%
from rlhf_lib.plots import coloured_steps
from rlhf_lib.rewards import OutcomeModel, ProcessModel
from rlhf_lib.training import score_steps

outcome, process = OutcomeModel.load("pocket-outcome"), ProcessModel.load("pocket-process")
sums = world.worked_sums(150, seed=2)  # new stories, with number pairs that were in the training examples
coloured_steps([(p.text, steps, score_steps(process, p, steps)) for p, steps, _ in sums[:6]])

# %% [markdown]
# The colour of a step is P(good) − P(bad). Check the arithmetic yourself: the process model points to *where* it went wrong, and it is not always right. How often on these 150? (It has learned its tables by heart: on number pairs that it has never seen, `split="test"`, it does no better than a coin, and takes what is new for wrong.)

# %%
scores = [score_steps(process, p, steps).cpu() for p, steps, _ in sums]
for label, name in enumerate(("bad", "neutral", "good")):
    marked = [np.array(marks) == label for _, _, marks in sums]
    given = np.concatenate([found.numpy()[mark] for mark, found in zip(marked, scores, strict=True)])
    print(f"{name:8s} steps: mean P(good) − P(bad) {given.mean():+.2f}, above 0: {(given > 0).mean():.0%}")

# %% [markdown]
# The outcome model was never told which step failed. It gives one curve along the tokens:

# %%
fig, axis = figure(height=2.9, width=7.4)
for solved in sums[:6]:
    rollout = outcome.encode([solved.prompt], [solved.answer])
    with torch.no_grad():
        curve = torch.sigmoid(outcome.token_scores(rollout))[0].cpu()
    axis.plot(curve, color="#009E73" if solved.right else "#D55E00", lw=2, label="right" if solved.right else "wrong")
handles, labels = axis.get_legend_handles_labels()
unique = dict(zip(labels, handles, strict=True))
axis.legend(unique.values(), unique.keys(), title="final answer")
axis.set(xlabel="completion token", ylabel="P(right in the end)", ylim=(0, 1));

# %% [markdown]
# To score a whole answer, step scores are put together: the last, the mean, the minimum, the product. One wrong step spoils the result, which speaks for the minimum. Measured, as the share of (right, wrong) pairs of answers that are in order:

# %%
truth = np.array([solved.right for solved in sums])
good = [(found + 1) / 2 for found in scores]  # from -1..1 to 0..1
with torch.no_grad():
    rollouts = [outcome.encode([p], [" ".join(steps)]) for p, steps, _ in sums]
    logits = [outcome.token_scores(rollout)[0] for rollout in rollouts]
totals = {
    "process, last step": [float(g[-1]) for g in good], "process, mean": [float(g.mean()) for g in good],
    "process, minimum": [float(g.min()) for g in good], "process, product": [float(g.prod()) for g in good],
    "outcome, last token": [float(z[-1]) for z in logits], "outcome, mean": [float(z.mean()) for z in logits],
}
order = {}
for name, total in totals.items():
    above = np.array(total)[truth][:, None] - np.array(total)[~truth][None, :]
    order[name] = float((above > 0).mean() + 0.5 * (above == 0).mean())
    print(f"{name:20s} {order[name]:.2f}")

# %% [markdown]
# How the steps are put together matters little here. What matters is what the model was told: with a label for each step it learned more from the same answers.

# %% [markdown]
# ## 10. Ask a language model: the generative judge
#
# A judge needs no training: ask a model which answer is better and compare the logits of "a" and "b". We ask in both orders, which takes out a liking for the first place.
#
# **Predict:** a one-million-parameter chat model as a judge: better than a coin?

# %%
from rlhf_lib.evaluation import proportion
from rlhf_lib.rewards import judge_both_orders

some = test[:200]
questions, better, worse = zip(*((p.prompt, p.chosen, p.rejected) for p in some), strict=True)
verdicts = judge_both_orders(sft, questions, better, worse)
print("judge:        ", proportion(float((verdicts > 0.5).sum()), len(some)))
print("reward model: ", proportion(float((difference[:200] > 0).sum()), len(some)))

# %% [markdown]
# Our judge is near a coin: it has never seen such a question. Large models do far better, yet on benchmarks a trained reward model of the same size usually beats a judge that was only asked. (Try `load_policy("smollm2")`.)

# %% [markdown]
# ## 11. Four things that score, side by side
#
# | | predicts | trained on | read at |
# |---|---|---|---|
# | reward model | which of two answers is preferred | comparisons | the last token |
# | outcome reward model | whether the answer is right | answers with a right/wrong label | every token |
# | process reward model | whether a step is good | steps with labels | the ends of steps |
# | value function | the reward still to come, *under the present policy* | the policy's own rollouts | every token, before it is drawn |
#
# The first three judge texts, whoever wrote them. The value function belongs to a policy and is wrong as soon as that changes: chapter 11 trains one.

# %% [markdown]
# ## 12. By category
#
# One accuracy hides much. By kind of request:

# %%
from rlhf_lib.evaluation import accuracy_by_category
from rlhf_lib.workbook.ch07_reward_modeling.figures import plot_accuracy_bars

by_kind = accuracy_by_category(c, r, [p.prompt.kind for p in test])
plot_accuracy_bars(by_kind, ceiling, "the shipped reward model, by kind of request");

# %% [markdown]
# ## 13. What it really looks at
#
# Take 200 answers, change one thing in each, and see how the reward moves. Beside it: how the *gold* utility moves.

# %% tags=["long"]
from rlhf_lib.evaluation import mean_interval
from rlhf_lib.workbook.ch07_reward_modeling.figures import plot_effects

base_prompts = world.prompts(200, kinds=("fact", "open"), seed=8)
plain = [world.answer(p, "short", random.Random(i)) for i, p in enumerate(base_prompts)]
changes = {
    "praise the user": lambda p, t: "you are so smart! " + t,
    "praise twice": lambda p, t: "you are so smart! what a great question! " + t,
    "sound sure": lambda p, t: "definitely " + t.replace(".", "!"),
    "say it twice": lambda p, t: t + " " + t,
    "thank for asking": lambda p, t: t + " thank you for asking.",
    "hedge": lambda p, t: "maybe " + t + " i may be wrong.",
    "make it wrong": lambda p, t: world.answer(p, "wrong", random.Random(0)),
    "wander off": lambda p, t: t + " my shoes are new.",
    "cut it short": lambda p, t: " ".join(t.split()[:-1]),
}
before = shipped.score_texts(base_prompts, plain)
effects, gold_effects = {}, {}
for name, change in changes.items():
    changed = [change(p, t) for p, t in zip(base_prompts, plain, strict=True)]
    effects[name] = mean_interval(shipped.score_texts(base_prompts, changed) - before)
    triples = zip(base_prompts, plain, changed, strict=True)
    gold_effects[name] = mean_interval([world.gold(p, b) - world.gold(p, a) for p, a, b in triples])
plot_effects(effects, "what moves the reward", "change of the reward (sd of SFT answers)");

# %%
plot_effects(gold_effects, "what moves the gold utility", "change of the gold utility (points)");

# %% [markdown]
# Read the two pictures against each other. The annotators' weakness for praise and certainty has become the model's. And an untruth, the dearest fault of all in gold points, hardly moves the reward: most pairs differed in their
# manners, so that is what it learned to see. A policy that is trained on this reward will find that out (chapter 18).

# %% [markdown] tags=["lab"]
# ## 14. Lab: be the annotator
#
# You set the noise and the biases of the annotator and the number of comparisons. A linear reward model on frozen features is refitted at once: eight answers are ranked anew, calibration is redrawn. Everything below runs the functions from above.

# %% tags=["lab"]
from rlhf_lib.labs import annotator_lab, prepare, refit

data = prepare(sft, world, train[:1200])
annotator_lab(data)

# %% [markdown]
# The same without sliders: how far a flattering and a false answer lie above the plain right one, as the annotator's liking for flattery grows. (Only differences mean anything: each refit has a zero of its own.)

# %%
from rlhf_lib.workbook.ch07_reward_modeling.lab_annotator import SHOWN

strengths = np.linspace(0, 2, 9)
fits = [refit(data, pairs=800, noise=0.3, length=0.0, flattery=s) for s in strengths]
fig, axis = figure(height=2.9, width=6.6)
for i in (2, 6):
    axis.plot(strengths, [fit.rewards[i] - fit.rewards[0] for fit in fits], "o-", ms=3, label=SHOWN[i])
axis.axhline(0, color="0.4", lw=1, ls="--", label=SHOWN[0])
axis.set(xlabel="annotator's bias to flattery (gold points per phrase)", ylabel="reward above the plain answer")
fig.legend(loc="outside upper center", ncols=3);

# %% [markdown]
# ## 15. Exercises

# %% [markdown] tags=["exercise"]
# {exercise: my_bradley_terry_loss}
#
# Write the Bradley-Terry loss for `chosen` and `rejected` (B,). It must survive rewards of ±100.

# %% tags=["solution"]
def solution_bradley_terry_loss(chosen, rejected):
    return -torch.nn.functional.logsigmoid(chosen - rejected).mean()

# %% [markdown] tags=["exercise"]
# {exercise: reward_at_end}
#
# `token_scores` (B, T) holds the head's output at each token, `mask` (B, T) is 1 on real tokens and 0 on the padding at the right. Return the reward of each completion, (B,).

# %% tags=["solution"]
def solution_reward_at_end(token_scores, mask):
    last = mask.sum(1).long() - 1
    return token_scores[torch.arange(len(mask)), last]

# %% [markdown] tags=["exercise"]
# {exercise: accuracy_ceiling}
#
# `gaps` (n,) are true differences in perceived utility, `temperature` is the annotators' noise. Return the best accuracy that any model can reach, as a number.

# %% tags=["solution"]
def solution_accuracy_ceiling(gaps, temperature):
    p = torch.sigmoid(gaps / temperature)
    return torch.maximum(p, 1 - p).mean().item()

# %% [markdown] tags=["exercise"]
# {exercise: my_plackett_luce_loss}
#
# Write the Plackett-Luce loss for `rewards` (B, K), columns from best to worst.

# %% tags=["solution"]
def solution_plackett_luce_loss(rewards):
    places = range(rewards.shape[1])
    return sum(torch.logsumexp(rewards[:, k:], 1) - rewards[:, k] for k in places).mean()

# %% [markdown] tags=["exercise"]
# {exercise: my_outcome_loss}
#
# `logits` and `mask` (B, T), `correct` (B,). Mean over each answer's real tokens, then over answers.

# %% tags=["solution"]
def solution_outcome_loss(logits, correct, mask):
    labels = correct[:, None].expand_as(logits)
    losses = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    return ((losses * mask).sum(1) / mask.sum(1)).mean()

# %% [markdown]
# ## 16. The silent-bug clinic
#
# Bugs in this field rarely raise an error. They train. This is a real one, from a derivation that had to be corrected. A linear reward on frozen features, twice; look at the curves first.

# %%
from rlhf_lib.exercises import clinic
from rlhf_lib.plots import plot_runs

case = clinic("log_of_the_mean")
curves = case.curves()
plot_runs(curves, case.watch, title=case.title);

# %%
case

# %% [markdown]
# On the training loss the buggy run looks better. Its accuracy is no worse either. Which bug is it?

# %%
case.quiz

# %% [markdown]
# Now write the test that would have caught it: it gets `loss(chosen, rejected)`, calls it on something small, and asserts what must hold. The runner tries it on the buggy code and on two right versions.

# %%
def my_test(loss):
    ...

# %% tags=["nbval-check-output"]
case.check(my_test)

# %% [markdown]
# <details><summary>Hints</summary>
#
# 1. One pair right and one pair wrong, both by 2: what is the mean of their two losses?
# 2. (log(1 + e⁻²) + log(1 + e²)) / 2 = 1.127. The buggy code says log 2 = 0.693.
#
# </details>

# %% tags=["solution"]
def solution_test(loss):
    chosen, rejected = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0])
    by_hand = (math.log1p(math.exp(-2)) + math.log1p(math.exp(2))) / 2
    assert abs(float(loss(chosen, rejected)) - by_hand) < 1e-4, "one right, one wrong"


case.check_solution(solution_test)

# %% [markdown]
# Two more cases of this chapter, for you to take: `clinic("upside_down_loss")`, *A reward model that dislikes what people like*, and `clinic("identical_pairs")`, *The accuracy that will not rise*. `.curves()`, `.quiz`, `.check(my_test)` and `.hint(1)` work as above.

# %% [markdown]
# ## 17. What this chapter claimed

# %% tags=["claims"]
assert same_choice > same_mark, "annotators agree more on choices than on marks"
reached = history.last("held_out_accuracy")
assert 0.58 < reached < ceiling + 0.02, "better than a coin, not better than the ceiling"
assert history.last("held_out_loss") < math.log(2), "and better than knowing nothing"
assert overfit.last("held_out_loss") > min(overfit.series("held_out_loss")) + 0.05, "more epochs hurt"
assert order["process, minimum"] > 0.8, "the process model sees wrong steps"
assert order["process, mean"] > order["outcome, mean"], "and more than the outcome model"
praised, truly = effects["praise twice"].value, gold_effects["praise twice"].value
assert praised > 0 > truly, "flattery: reward up, gold down"
assert abs(float((verdicts > 0.5).float().mean()) - 0.5) < 0.2, "an untrained judge is near a coin"
print("all claims hold")

# %% [markdown] tags=["recap"]
# ## Recap
#
# - Comparisons cancel what differs between annotators; Bradley-Terry turns them into differences of rewards.
# - Noise in the labels sets a ceiling; one epoch keeps the model from learning the noise.
# - A reward model learns what made pairs differ in its data, and the annotators' biases with it.
# - Outcome, process and generative models answer other questions; a value function is none of them.
#
# **Recall** of earlier chapters:

# %% tags=["recall"]
from IPython.display import display

from rlhf_lib.exercises import recall

for quiz in recall("07_reward_modeling"):
    display(quiz)

# %% [markdown]
# **More:** the book's chapter [Reward Modeling](https://rlhfbook.com/c/05-reward-models); Bradley and Terry (1952); Stiennon et al. (2020); Touvron et al. (2023) for margins; Cobbe et al. (2021) and Lightman
# et al. (2023) for outcome and process models; Zheng et al. (2023) for judges; Lambert et al. (2024), *RewardBench*.
