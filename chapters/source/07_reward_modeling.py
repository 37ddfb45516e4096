# %% [markdown]
# # Reward modeling
#
# A reward model turns "this answer is better than that one" into a number for every answer. Everything that RLHF does afterwards, it does to this number.
#
# **You will be able to**
# - derive the Bradley-Terry loss from a coin flip, and write the training loop around it;
# - train a reward model, say how good it could have become at best, and stop it in time;
# - tell apart reward models of outcomes and of processes, generative judges and value functions;
# - find out what a reward model really looks at, and what it is worth to whoever uses it.

# %% [markdown]
# ## 1. First, what comes out
#
# `data/` holds a reward model that was trained on nearly 4,000 comparisons. It reads a request and an answer and returns one number. Only differences between answers mean anything.

# %% tags=["setup"]
import math
import random

import numpy as np
import torch

from rlhf_lib import PocketWorld, data_path, load_policy, set_seed
from rlhf_lib.exercises import predict
from rlhf_lib.experiments.stored import band, results_of
from rlhf_lib.plots import figure
from rlhf_lib.rewards import RewardModel

set_seed(0)
CHAPTER = "07_reward_modeling"
world, sft = PocketWorld(), load_policy("pocket-sft")
shipped = RewardModel.load("pocket-reward")
question = world.prompts(1, kinds=("fact",), seed=3)[0]
candidates = ["a tiger is huge.", "a tiger is tiny."]
candidates += ["you are so smart! a tiger is huge.", "a tiger is huge. a tiger is huge."]
print(question.text)
for text, reward in zip(candidates, shipped.score_texts([question] * 4, candidates), strict=True):
    print(f"{reward:+.2f}  {text}")

# %% [markdown]
# Which of the four would *you* rank first? Where the model disagrees with you, keep the question in mind: is it the model's fault, or that of the people who made the comparisons? Section 14 answers it.

# %% [markdown]
# ## 2. Why compare, and not mark?
#
# Six annotators look at answers to the same 150 requests, two answers to each. Each annotator has a taste and a strictness of their own. They mark the first answer from 1 to 5. In another round they compare the two.
#
# Two people who press buttons blindly also agree now and then, and more often with two buttons than with five. **Cohen's κ** (kappa) takes that out: 0 is what blind pressing gives, 1 is full agreement.

# %%
team = [world.annotator(temperature=0.2).individual(seed) for seed in range(6)]
rng = random.Random(0)
asked = world.prompts(150, kinds=("fact", "open", "story"), seed=4)
texts = sft.sample(asked, 2, max_new_tokens=40, seed=4).texts
triples = [t for t in zip(asked, texts[0::2], texts[1::2], strict=True) if t[1] != t[2]]
marks = np.array([[one.rate(p, a, rng) for p, a, _ in triples] for one in team])
choices = np.array([[one.prefer(p, a, b, rng).chosen == a for p, a, b in triples] for one in team])


def kappa(a, b):
    same, values = (a == b).mean(), np.union1d(a, b)
    chance = sum((a == v).mean() * (b == v).mean() for v in values)
    return (same - chance) / (1 - chance)


# %%
duos = [(i, j) for i in range(6) for j in range(i)]
kappas = {"marks": np.mean([kappa(marks[i], marks[j]) for i, j in duos])}
kappas["choices"] = np.mean([kappa(choices[i], choices[j]) for i, j in duos])
print("average mark of each annotator:", marks.mean(1).round(2))
for name, value in kappas.items():
    print(f"agreement beyond chance on {name:8s} κ = {value:.2f}")

# %% [markdown]
# The first row shows what goes wrong with marks: a strict annotator's 3 is a mild one's 4. In a comparison strictness cancels, because it lowers both answers alike.

# %% [markdown]
# ## 3. From a coin flip to a loss
#
# Ten people compare two answers; seven prefer the first. Give the answers rewards $r_1$ and $r_2$. The Bradley-Terry model says that the first wins with probability
#
# $$P(1 \succ 2) = \frac{e^{r_1}}{e^{r_1}+e^{r_2}} = \sigma(r_1 - r_2), \qquad \sigma(x) = \frac{1}{1 + e^{-x}}.$$
#
# Which difference $r_1 - r_2$ makes "seven in ten" most likely?

# %%
gap = torch.linspace(-3, 4, 701)
likelihood = torch.sigmoid(gap) ** 7 * torch.sigmoid(-gap) ** 3
best = gap[likelihood.argmax()]
fig, axis = figure(height=2.6, width=5.6)
axis.plot(gap, likelihood)
axis.axvline(best, ls="--", color="0.4")
axis.set(xlabel="reward difference r₁ − r₂", ylabel="likelihood")
axis.set_title(f"seven wins in ten are likeliest at {best:.2f}");

# %% [markdown]
# The top is where $\sigma(r_1 - r_2) = 0.7$, at $\log(0.7/0.3) = 0.85$. Real data sets have one comparison for each pair $i$, a chosen answer $y^c$ and a rejected one $y^r$ to a request $x$. The log-likelihood of all choices is a sum, and its negative mean is the loss. It is measured in nats (units of the natural logarithm):
#
# $$\mathcal L = -\frac1B\sum_{i=1}^{B} \log \sigma\big(r(x_i, y^c_i) - r(x_i, y^r_i)\big) \qquad \text{[RM-1]}$$
#
# For two pairs, by hand and by the library:

# %% tags=["nbval-check-output"]
from rlhf_lib.objectives import bradley_terry_loss

chosen, rejected = torch.tensor([2.0, 0.5]), torch.tensor([1.0, 1.0])
first, second = 1 / (1 + math.exp(-(2.0 - 1.0))), 1 / (1 + math.exp(-(0.5 - 1.0)))
by_hand = -(math.log(first) + math.log(second)) / 2
print(f"by hand {by_hand:.4f}, library {bradley_terry_loss(chosen, rejected):.4f}")
print(f"no difference at all: {bradley_terry_loss(chosen, chosen):.4f} = log 2")

# %% [markdown]
# Remember 0.693. A loss that stays there means that the model cannot tell the answers apart.
#
# The gradient with respect to the chosen reward is $-\sigma(r^r - r^c)$. A pair that is clearly in order teaches little; a pair in the wrong order teaches most.

# %% [markdown]
# ## 4. Architecture
#
# Take a copy of the language model and drop its LM head. The hidden state at the **last token of the answer** goes through one linear layer with one output.

# %%
model = RewardModel.from_policy(sft, seed=0)
longer = "a tiger is huge. it eats meat. it is orange."
rollout = model.encode([question] * 2, ["a tiger is huge.", longer])
with torch.no_grad():
    print("token ids ", tuple(rollout.token_ids.shape), " (B, P + T): prompt, answer, padding")
    print("hidden    ", tuple(model.hidden(rollout).shape), "(B, T, H): one state for each token of the answer")
    print("features  ", tuple(model.features(rollout).shape), "   (B, H): the last real one of each row")
    print("reward    ", tuple(model(rollout).shape), "       (B,)")

# %% [markdown]
# One step of training is a few lines: score both answers of each pair, take the loss, go back, update. In the last but one exercise you write the whole loop. Here are two steps on the same two pairs:

# %%
from rlhf_lib.training import read_preferences, score_pairs

train_file = data_path("preferences", "pocket-train.jsonl")

two = read_preferences(train_file)[:2]
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
for _ in range(2):
    r_chosen, r_rejected = score_pairs(model, two)
    loss = bradley_terry_loss(r_chosen, r_rejected)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"loss {loss.item():.3f}   r chosen − r rejected: {(r_chosen - r_rejected).tolist()}")

# %% [markdown]
# ## 5. A real training run, and its ceiling
#
# Annotators who are asked twice do not always say the same, so no model can predict all choices. Suppose you knew the true difference $g$ that an annotator perceives between two answers. Your best guess would be right with probability $\max(p, 1-p)$, where $p = \sigma(g/\text{temperature})$. Its mean over the pairs is the **ceiling** of the accuracy.

# %%
from rlhf_lib.evaluation import accuracy_ceiling

test = read_preferences(data_path("preferences", "pocket-test.jsonl"))
annotator = world.annotator()
seen = annotator.perceived
gaps = [seen(p.prompt, p.chosen) - seen(p.prompt, p.rejected) for p in test]
ceiling = accuracy_ceiling(gaps, annotator.temperature)
print(f"ceiling of the labels: {ceiling:.3f}")

# %% tags=["predict"]
guess = predict(
    "1,200 comparisons, one pass: how far from a coin (0.5) to the ceiling will the accuracy on unseen comparisons get?",
    {"little": "less than a third of the way", "half": "between a third and two thirds", "most": "further"},
)
guess

# %% [markdown]
# Your run is the first of four passes over 1,200 comparisons: 38 updates of 32 pairs. Behind it stand stored runs of the same function, whole, with other labels, batches and starts of the head; shaded from the lowest to the highest, the median dashed. `make experiments ONLY=07` makes them.

# %% tags=["training"]
from rlhf_lib.workbook.ch07_reward_modeling.experiments import epochs

LONG = False  # True: all four passes, a few minutes
run = epochs(seed=0, steps=None if LONG else 38)
stored = band(f"{CHAPTER}/epochs")

# %% tags=["predicted"]
from rlhf_lib.workbook.ch07_reward_modeling.figures import plot_faults, plot_held_out

plot_held_out(stored, run, last_epoch=1, ceiling=ceiling);

# %%
way = (stored["held_out"]["accuracy"]["median"][5] - 0.5) / (ceiling - 0.5)
truth = "little" if way < 1 / 3 else "half" if way < 2 / 3 else "most"
guess.reveal(truth, f"Median of the stored seeds after one pass: {way:.0%} of the way")

# %% [markdown]
# *Confidence* in the right panel is the probability that the model gives to its own choice, $\max(\sigma, 1-\sigma)$, on average. Where confidence and accuracy agree, a model knows how much it knows.
#
# **If your curve looks wrong.** Loss stuck at 0.693: chosen and rejected are identical after truncation, or the reward is read at a padding token. Accuracy far below 0.5: the pair is the wrong way round. A curve a little outside the band: another machine rounds differently, and after a few dozen updates that is another run.

# %% [markdown]
# ## 6. What it learns first
#
# Take a right answer and give it one fault. Does the model put the right answer on top? The same run, asked five questions as it goes along:

# %%
plot_faults(stored, run);

# %% [markdown]
# Manners come first. The curves are nervous, for at this learning rate a single batch can turn the verdict on a fault around. But by the end of the pass nearly every right answer stands above the one that wanders off, and above the hedged and the unfinished one. Saying everything twice stays undecided for long: longer answers often win, and the model has to tell length from repetition. And whether a fact is **true** is not learned here at all: the last panel swings about a coin.
#
# The reason is in the data. Pairs of SFT answers differ in manners far more often than in truth alone, and manners can be seen in a few words, while truth needs knowledge of the world. That is also one reason why the accuracy ends so far below the ceiling.

# %% [markdown]
# ## 7. Why one epoch?
#
# Now let the run go on: the same 1,200 comparisons a second, third and fourth time. **Predict** three curves on held-out comparisons: loss, accuracy, confidence.

# %%
plot_held_out(stored)
print("gold of the best of 8 after each pass:", [round(value, 2) for value in stored["gold_of_best"]["median"]])

# %% [markdown]
# The loss falls for a pass or two and then climbs past log 2: in the end these models are worse than knowing nothing. The accuracy shows none of it. It stays where it was. What has changed is the **confidence**: the labels are noisy, and a model that meets the same noisy label again and again can only learn it by heart. It becomes very sure, and is right no more often.
#
# So watch the held-out *loss*, not the accuracy. One pass is the field's habit. It is not the optimum here (a second pass still helps a little), but it is never far from it, and it costs nothing to stop.
#
# Who suffers? Not best-of-n: it asks for the order alone, and the printed line shows that it picks no worse in the end. But σ of these differences is no probability any more, and a policy gradient (chapter 11) takes the *size* of each difference at its word.

# %% [markdown]
# ## 8. Calibration
#
# Bradley-Terry does more than order: $\sigma(r_1-r_2)$ is a probability. When the model says 0.8, is the first answer preferred in 80 of 100 cases? Ask the shipped model about unseen comparisons:

# %%
from rlhf_lib.evaluation import calibration
from rlhf_lib.workbook.ch07_reward_modeling.figures import plot_calibration
from rlhf_lib.workbook.ch07_reward_modeling.measures import differences

difference = differences(shipped, test)  # chosen minus rejected, in nats of the training loss
flip = torch.tensor([random.Random(i).random() < 0.5 for i in range(len(test))])
first_wins = torch.sigmoid(torch.where(flip, -difference, difference))
found = calibration(first_wins, (~flip).float(), bins=8)
plot_calibration(found);

# %% [markdown]
# The library standardises rewards after training (mean 0 and standard deviation 1 on answers of the SFT model), so that a KL coefficient means the same for every reward model. `differences` undoes this, because σ has its meaning only in the units of the loss.

# %% [markdown]
# ## 9. Variants of the loss
#
# **Margin** (Llama 2). Annotators also say *how much* better. The gap then has to exceed a margin $m$:
#
# $$-\log\sigma(r^c - r^r - m) \qquad \text{[RM-2]}$$
#
# A larger margin keeps pushing pairs that are already in order:

# %%
pair = torch.tensor([1.0, 0.6], requires_grad=True)
for margin in (0.0, 1.0, 3.0):
    loss = bradley_terry_loss(pair[:1], pair[1:], torch.tensor([margin]))
    print(f"margin {margin}: loss {loss:.3f}   push on the chosen reward {-torch.autograd.grad(loss, pair)[0][0]:.2f}")

# %% [markdown]
# **K-wise** (Plackett-Luce). Someone ranks K answers. Read the ranking as a draw without putting back: the best is drawn first, the second from the rest, and so on.
#
# $$P(\text{ranking}) = \prod_{k=1}^{K} \frac{e^{r_k}}{\sum_{j\ge k} e^{r_j}} \qquad \text{[RM-3]}$$
#
# **Balanced comparisons** (InstructGPT). Take all $\binom K2$ pairs of one request together in one batch, each with weight $1/\binom K2$, so that no request counts more than another:
#
# $$-\frac{1}{\binom K2}\sum_{i<j}\log\sigma(r_i - r_j) \qquad \text{[RM-4]}$$

# %%
from rlhf_lib.objectives import balanced_comparison_loss, plackett_luce_loss

rewards = torch.tensor([[1.0, 0.6, 0.5, -0.8]], requires_grad=True)  # ranked best to worst
losses = {"Plackett-Luce": plackett_luce_loss, "balanced pairs": balanced_comparison_loss}
for name, loss_of in losses.items():
    loss = loss_of(rewards)
    push = -torch.autograd.grad(loss, rewards)[0][0]
    print(f"{name:15s} loss {loss:.3f}   push on each reward: {[round(v, 2) for v in push.tolist()]}")

# %% [markdown]
# Both lift the best. Look at the third: it is pushed down hardest, harder than the last. Its reward, 0.5, is nearly that of the second, so the model expects it near the top, and the ranking says otherwise. The last one has a low reward already and needs little correction.
#
# Does it matter in training? To afford many seeds we train only the head, on frozen features of pocket-sft: milliseconds a model. The data are 264 requests with four answers each, ranked by an annotator. Each row below uses them in another way, eight times with new labels.

# %%
from rlhf_lib.plots.seeds import plot_seeds
from rlhf_lib.workbook.ch07_reward_modeling.linear import four_answers, learned

answers = four_answers(sft, world)
LABELS = {"order": "unseen pairs in the annotators' order", "gold": "gold of the best of 4 (points)"}


def by_way(ways):
    found = {name: [train(seed) for seed in range(8)] for name, train in ways.items()}
    return {label: {way: [run[m] for run in runs] for way, runs in found.items()} for m, label in LABELS.items()}


ways = ("one pair", "one pair, margin", "six pairs", "Plackett-Luce")
variants = by_way({way: lambda seed, way=way: learned(answers, way, seed) for way in ways})
plot_seeds(variants);

# %% [markdown]
# Each dot is a seed, the bar is the median. Ranking four answers teaches more than comparing two of them: the same requests, more bits. The two losses for rankings do not differ by anything we can see, and neither does the margin from no margin. (Llama 3 dropped the margin again.) On the right: how good the answer is, in gold points, that each model would pick from four.

# %% [markdown]
# ## 10. Right in the end, or right at every step?
#
# Word problems have worked answers. An **outcome reward model** (ORM) is told only whether the final number was right, and predicts that at every token. With logits $z_t$ and the label $c$ (1 for right):
#
# $$-\frac1T\sum_t \big[c\log\sigma(z_t) + (1-c)\log(1-\sigma(z_t))\big] \qquad \text{[RM-5]}$$
#
# A **process reward model** (PRM) gets a label for each step, here bad, neutral or good, at the step's last token:
#
# $$-\frac{1}{|S|}\sum_{t \in S} \log p_t(\ell_t), \qquad \ell_t \in \{\text{bad}, \text{neutral}, \text{good}\} \qquad \text{[RM-6]}$$
#
# In PocketWorld a neutral step is right in itself but goes on from a wrong number. (In PRM800K, the best-known data set of this kind, annotators used "neutral" for steps that they found ambiguous.)
#
# To notice a wrong sum a model has to compute it, and that takes more examples than manners do. `pocket-outcome` and `pocket-process` saw 16,000 worked sums twice, half of them with a slip. **Predict:** three lines, one slip in the first. What will the process model say about each of the three?

# %%
from rlhf_lib.plots import coloured_steps
from rlhf_lib.rewards import OutcomeModel, ProcessModel
from rlhf_lib.training import score_steps

outcome, process = OutcomeModel.load("pocket-outcome"), ProcessModel.load("pocket-process")
sums = world.worked_sums(6, seed=2)  # new stories, with number pairs that were in the training examples
coloured_steps([(p.text, steps, score_steps(process, p, steps)) for p, steps, _ in sums])

# %% [markdown]
# The colour of a step is P(good) − P(bad). Check the arithmetic yourself: the process model points to *where* the sum went wrong, and it is not always right.
#
# The outcome model was never told which step failed. It gives one curve along the tokens:

# %%
fig, axis = figure(height=2.9, width=7.4)
for solved in sums:
    rollout = outcome.encode([solved.prompt], [solved.answer])
    with torch.no_grad():
        curve = torch.sigmoid(outcome.token_scores(rollout))[0].cpu()
    axis.plot(curve, color="#009E73" if solved.right else "#D55E00", lw=2, label="right" if solved.right else "wrong")
handles, labels = axis.get_legend_handles_labels()
unique = dict(zip(labels, handles, strict=True))
axis.legend(unique.values(), unique.keys(), title="final answer")
axis.set(xlabel="token of the answer", ylabel="P(right in the end)", ylim=(0, 1));

# %% [markdown]
# To score a whole answer, put its step scores together: the last, the mean, the minimum, or the product. One wrong step spoils the result, which speaks for the minimum.
#
# How well does each score part right answers from wrong ones? Count all pairs of a right and a wrong answer and ask how often the right one scores higher. That share is called **AUC**: 0.5 is a coin, 1 is perfect. Each dot on the left is 1,500 worked sums with number pairs that the models met in training, in new stories; each on the right is 500 sums whose number pairs they have never met.

# %%
runs = list(results_of(CHAPTER, "steps").values())
panels = {
    f"AUC, {pairs}": {way: [run[pairs]["auc"][way] for run in runs] for way in runs[0][pairs]["auc"]}
    for pairs in ("known number pairs", "new number pairs")
}
fig = plot_seeds(panels, {label: (0.5, "a coin") for label in panels})
for axis in fig.axes:
    axis.set_xlim(0.35, 1)
low, high = (runs[0]["known number pairs"]["gap"][end] for end in ("low", "high"))
print(f"process (minimum) minus outcome (mean) on 1,500 sums: 95% interval of the difference {low:+.3f} to {high:+.3f}")
for pairs in ("known number pairs", "new number pairs"):
    called = {name: f"{share:.0%}" for name, share in runs[0][pairs]["called bad"].items()}
    print(f"{pairs}: the process model calls bad {called}")

# %% [markdown]
# On sums whose parts it knows, the process model is clearly ahead, whichever way its steps are put together: with a label for each step it learned more from the same answers. The interval (from drawing the 1,500 sums again and again with replacement, a *bootstrap*) does not come near 0.
#
# On the right the same two models are no better than a coin. The last line says why: on new number pairs the process model calls most *good* steps bad as well. These models of a million weights have learned their tables by heart, not how to add, and take what is new for wrong. A reward model is good where its data were. Chapter 18 lives on that sentence.

# %% [markdown]
# ## 11. Ask a language model: the generative judge
#
# A judge needs no comparisons: show a language model an answer, ask for a verdict, and see which verdict it finds more likely. `pocket-critic` is pocket-sft after a course in just that. It judges drafts by one principle of a written constitution at a time. This is all that it reads:

# %%
from rlhf_lib.workbook.ch07_reward_modeling.measures import by_constitution, keeps
from rlhf_lib.world import CONSTITUTION

critic, draft = load_policy("pocket-critic"), "you are so smart! a tiger is tiny."
asked = [world.critique(question, draft, principle) for principle in CONSTITUTION]
print("\n".join(f"{turn['role']:10s} {turn['content']}" for turn in asked[0].messages))
print("\nThe same with each principle, and the verdict:")
for prompt, kept in zip(asked, keeps(critic, asked), strict=True):
    principle = prompt.messages[-1]["content"].removeprefix("critique: ")
    print(f"   {principle:72s} P(keeps) {kept:.2f}   right: {prompt.result}")

# %% [markdown]
# How good are its verdicts? Take 150 unseen drafts, about half of which break the principle in question, and put pocket-sft beside it, which has read only a few critiques:

# %%
drafts = [d.prompt for d in world.course("critic", 220, seed=1, split="test") if d.prompt.kind == "critique"][:150]
truth = np.array([prompt.result.startswith("keeps") for prompt in drafts])
for name, judge in {"pocket-critic": critic, "pocket-sft": sft}.items():
    said = (keeps(judge, drafts) > 0.5).numpy()
    print(f"{name:14s} verdicts right {(said == truth).mean():.0%}, κ = {kappa(said, truth):.2f}, says 'keeps' {said.mean():.0%} of the time")

# %% [markdown]
# Impressive: pocket-sft says "keeps" to everything, pocket-critic is right nine times in ten. Now a harder test. Take the same right answers and change one thing at a time. The judge's mean P(keeps) for the two principles that are concerned:

# %%
from rlhf_lib.evaluation import proportion
from rlhf_lib.workbook.ch07_reward_modeling.measures import spoiled

requests, plain, faulty = spoiled()
honest, concise = (next(p for p in CONSTITUTION if p.name == name) for name in ("honest", "concise"))
versions = {"right": plain, **{name: faulty[name] for name in ("make it wrong", "wander off", "say it twice")}}
for kind, texts in versions.items():
    rows = list(zip(requests, texts, strict=True))[:24]
    means = [keeps(critic, [world.critique(p, t, principle) for p, t in rows]).mean().item() for principle in (honest, concise)]
    print(f"{kind:14s} P(keeps honest) {means[0]:.2f}   P(keeps concise) {means[1]:.2f}")

# %%
some, agrees = test[:60], {}
sides = [by_constitution(critic, world, [p.prompt for p in some], [getattr(p, side) for p in some]) for side in ("chosen", "rejected")]
agrees["the judge"] = proportion(float((sides[0] > sides[1]).sum()), len(some))
agrees["the reward model"] = proportion(float((differences(shipped, some) > 0).sum()), len(some))
for name, share in agrees.items():
    print(f"60 comparisons by annotators: {name} agrees with {share}")

# %% [markdown]
# The judge hardly tells a right answer from a wrong one. It distrusts short plain statements, true or false, and trusts whatever rambles. Probably that was a good rule in its course, where a draft that breaks "honest" is often a short one with a wrong fact. Nine in ten right, by a short cut. (Repetition it notices, a little.) Test a judge on pairs that differ in nothing but the point in question.
#
# On annotators' comparisons it is no better than a coin. Most pairs keep all five principles and differ in what the constitution does not mention: off the topic, unfinished. A judge knows the rules that it was given; a reward model learns what its annotators care about. Large models judge far better than this one, and still a trained reward model of the same size is usually ahead on benchmarks. What judges have is
# convenience: new rules cost a sentence, not a data set, and a verdict can come with reasons. (For a real model, `load_policy("smollm2")` and `judge_both_orders` ask "a or b?" in both orders, which takes out a liking for the first place.)

# %% [markdown]
# ## 12. Four things that score, side by side
#
# | | predicts | trained on | read at |
# |---|---|---|---|
# | reward model | which of two answers is preferred | comparisons | the last token |
# | outcome reward model | whether the answer is right | answers with a right/wrong label | every token |
# | process reward model | whether a step is good | steps with labels | the ends of steps |
# | value function | the reward still to come, *under the present policy* | the policy's own answers | every token, before it is drawn |
#
# The first three judge texts, whoever wrote them. A value function belongs to one policy and is wrong as soon as that policy changes: chapter 11 trains one.

# %% [markdown]
# ## 13. By kind of request
#
# One accuracy hides much:

# %%
from rlhf_lib.evaluation import accuracy_by_category
from rlhf_lib.workbook.ch07_reward_modeling.figures import plot_accuracy_bars

by_kind = accuracy_by_category(difference, torch.zeros(len(test)), [p.prompt.kind for p in test])
plot_accuracy_bars(by_kind, ceiling, "the shipped reward model, by kind of request");

# %% [markdown]
# The thin lines are 95% intervals: a kind with a few dozen comparisons could be almost anywhere within its line. Read the ranking of kinds with that in mind.

# %% [markdown]
# ## 14. What it really looks at
#
# Take 200 right answers, change one thing in each, and see how the reward moves. Beside it: how the *gold* utility moves, PocketWorld's exact measure of how good an answer is.

# %% tags=["long"]
from rlhf_lib.evaluation import mean_interval
from rlhf_lib.workbook.ch07_reward_modeling.faults import changes, plain_answers
from rlhf_lib.workbook.ch07_reward_modeling.figures import plot_effects

base_prompts = world.prompts(200, kinds=("fact", "open"), seed=8)
plain = plain_answers(world, base_prompts)
before = shipped.score_texts(base_prompts, plain)
effects, gold_effects = {}, {}
for name, change in changes(world).items():
    changed = [change(p, t) for p, t in zip(base_prompts, plain, strict=True)]
    effects[name] = mean_interval(shipped.score_texts(base_prompts, changed) - before)
    triples = zip(base_prompts, plain, changed, strict=True)
    gold_effects[name] = mean_interval([world.gold(p, b) - world.gold(p, a) for p, a, b in triples])
plot_effects(effects, "what moves the reward", "change of the reward (standard deviations of SFT answers)");

# %%
plot_effects(gold_effects, "what moves the gold utility", "change of the gold utility (points)");

# %% [markdown]
# Read the two pictures against each other. Praise costs gold points and earns more reward than anything else: the annotators' weakness has become the model's. Being wrong costs most gold of all, and the reward does not even fall: most pairs differed in their manners, so that is what the model learned to see. And it punishes sounding sure, to which gold is indifferent and which the annotators even like a little; not every quirk comes from the people.
#
# So the ranking of section 1 is explained: "tiny" beside "huge" is the model's fault, the praise on top is the annotators'. A policy that is trained on this reward will find both out (chapter 18).

# %% [markdown] tags=["lab"]
# ## 15. Lab: be the annotator
#
# You set the annotator's noise and biases and the number of comparisons. A linear reward model on frozen features is refitted at once: eight answers are ranked anew, and calibration is redrawn. Everything below runs the functions from above.

# %% tags=["lab"]
from rlhf_lib.workbook.ch07_reward_modeling.lab_annotator import SHOWN, annotator_lab, prepare, refit

data = prepare(sft, world, read_preferences(train_file)[:1200])
annotator_lab(data)

# %% [markdown]
# The same without sliders: how far a flattering and a false answer lie above the plain right one, as the annotator's liking for flattery grows. (Each refit has a zero of its own, so only differences are drawn.)

# %%
strengths = np.linspace(0, 2, 9)
fits = [refit(data, pairs=800, noise=0.3, length=0.0, flattery=s) for s in strengths]
fig, axis = figure(height=2.9, width=6.6)
for i in (2, 6):
    axis.plot(strengths, [fit.rewards[i] - fit.rewards[0] for fit in fits], "o-", ms=3, label=SHOWN[i])
axis.axhline(0, color="0.4", lw=1, ls="--", label=SHOWN[0])
axis.set(xlabel="annotator's bias to flattery (gold points per phrase)", ylabel="reward above the plain answer")
fig.legend(loc="outside upper center", ncols=3);

# %% [markdown]
# Two things to notice. The flattering answer lies above the plain one even for an annotator without that bias: on these frozen features a linear model cannot tell flattery from other cheerful sentences in front of an answer. The bias then lifts it further, and levels off. And the *false* answer stays level with the true one whatever you do. The features hold manners, not facts.

# %% [markdown]
# ## 16. In practice
#
# ### How good is good enough?
#
# Nobody uses a reward model to predict comparisons. It is used to *pick* or to *train*. The cheapest test of that is best-of-n: draw n answers, take the one with the highest reward, and look at how good it really is. (RewardBench 2 was built around this, because accuracy on a benchmark and value in use do not always agree.)
#
# Two axes: how many rankings the model has seen, and how big it is. The smaller ones read the state after the first one or two of pocket-sft's four layers. Heads on frozen features again, eight seeds each:

# %%
from rlhf_lib.workbook.ch07_reward_modeling.linear import TRAINED, with_layers

sizes = {f"4 layers, {n} rankings": (lambda seed, n=n: learned(answers, "Plackett-Luce", seed, n)) for n in (33, 132, 264)}
for layers in (2, 1):
    small = with_layers(answers, sft, layers)
    sizes[f"{layers} layer{'s' * (layers > 1)}, 264 rankings"] = lambda seed, small=small: learned(small, "Plackett-Luce", seed)
sized = by_way(sizes)
held_out = answers.gold[TRAINED:]
plot_seeds(sized, {LABELS["order"]: (0.5, "a coin"), LABELS["gold"]: (held_out.mean().item(), "picked blindly")})
print(f"best of 4: picked blindly {held_out.mean():+.2f}, picked by gold itself {held_out.max(1).values.mean():+.2f}")

# %% [markdown]
# More data and more layers help in both panels. But compare the second row with the last: nearly the same share of pairs in order, and quite another gold. The one-layer model gets its pairs right by things that do not matter much for the best answer, and picks little better than a blind man. Accuracy says how often; value asks *where*.
#
# ### Answers of the policy
#
# Whoever uses a reward model moves to the answers that it likes. So the pairs that matter are those among its favourites, and they are the hard ones. From eight answers to each of 96 requests take the two with the highest reward:

# %%
from rlhf_lib.workbook.ch07_reward_modeling.measures import DRAWN, REQUESTS, drawn

rollout, gold = drawn()
with torch.no_grad():
    liked = shipped(rollout).view(REQUESTS, DRAWN).cpu()
felt = torch.tensor([seen(p, t) for p, t in zip(rollout.prompts, rollout.texts, strict=True)]).view(REQUESTS, DRAWN)
top = liked.topk(2).indices
for name, pair in {"any two answers": torch.tensor([[0, 1]] * REQUESTS), "its two favourites": top}.items():
    r, u = liked.gather(1, pair), felt.gather(1, pair)
    told = u[:, 0] != u[:, 1]
    right = ((r[:, 0] > r[:, 1]) == (u[:, 0] > u[:, 1]))[told]
    print(f"{name:20s} in the annotators' order: {proportion(float(right.sum()), len(right))}")

# %% [markdown]
# Among its own favourites the model is hardly better than a coin. It has used up what it knows in choosing them. That is why fresh comparisons of the *policy's* answers are worth more than the same number of comparisons of old ones, and why serious recipes retrain the reward model on them every few rounds (Llama 2 did so weekly; chapter 12's D2PO does it in every round; chapter 18 shows what happens otherwise).

# %% [markdown]
# ### Rubrics, shaping, averaging
#
# A **rubric** is a list of yes/no questions about an answer; the reward is the share that it passes. Rubrics make a vague "good" checkable, one point at a time. PocketWorld's constitution can serve as one; here rules answer the questions, elsewhere a judge model does (chapter 13).

# %%
from rlhf_lib.evaluation import best_of_n

kept = [len(CONSTITUTION) - len(world.breaches(p, t)) for p, t in zip(rollout.prompts, rollout.texts, strict=True)]
rubric = np.array(kept, float).reshape(REQUESTS, DRAWN)
scores = {"the rubric": rubric, "the shipped reward model": liked.numpy(), "both, added": rubric + liked.numpy()}
print(f"gold of the best of 8: picked blindly {gold.mean():+.2f}")
for name, score in scores.items():
    print(f"   by {name:26s} {best_of_n(score, gold, [DRAWN]).gold[0]:+.2f}")

# %% [markdown]
# The rules see falsehood and repetition, the reward model sees manners, and their sum picks better than either. Such mixtures are common: a learned reward for taste, rules or a verifier for what can be checked.
#
# **Shaping and clipping.** A reward model can be most wrong where its reward is highest. So many recipes bend the top: they cut rewards off at a bound, or pass them through a sigmoid around the reward of an ordinary answer. Four answers to one request, one of which the reward model wildly overrates, and the *advantage* of each, reward minus the group's mean, by which a policy gradient will push (chapter 11):

# %% tags=["nbval-check-output"]
group = np.array([-0.5, 0.2, 0.4, 6.0])
ways = {"raw": lambda r: r, "clipped at ±2": lambda r: np.clip(r, -2, 2), "sigmoid": lambda r: 1 / (1 + np.exp(-r))}
for name, shape in ways.items():
    advantage = shape(group) - shape(group).mean()
    print(f"{name:14s} advantages {(advantage / np.abs(advantage).max()).round(2)}, the largest set to 1")

# %% [markdown]
# Raw, the three ordinary answers look nearly alike: all that the policy learns is to be like the fourth. Shaped, the differences among ordinary answers count again.
#
# **Averaging weights.** Instead of one set of weights, keep several along a run, or from several runs, and use their mean: one model's cost, and some of an ensemble's calm (WARM, Ramé et al., 2024). For the four-pass run of section 7, whose end was over-confident:

# %%
ends = {"after four passes": {m: stored["held_out"][m]["median"][-1] for m in ("loss", "accuracy", "confidence")}}
ends["mean of the weights after each pass"] = {m: stored["averaged"][m]["median"] for m in ("loss", "accuracy", "confidence")}
for name, values in ends.items():
    print(f"{name:36s}", "   ".join(f"{metric} {value:.2f}" for metric, value in values.items()))

# %% [markdown]
# The mean is right as often, far less sure, and its loss is about as good as the best along the way.

# %% [markdown]
# ## 17. Exercises

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

# %% [markdown] tags=["exercise"]
# {exercise: my_reward_training}
#
# Write the whole loop. `model(token_ids)` gives a score for each token, (B, T). `batches` is a list of `(chosen, chosen_mask, rejected, rejected_mask)`: token ids and masks, (B, T) each; `held_out` is one such batch. A reward is the score at an answer's last real token. Train with
# `torch.optim.SGD` at `learning_rate`, one update for each batch on the mean Bradley-Terry loss, in training mode (the model has dropout). Then measure the same loss on `held_out`, in eval mode. Return the list of training losses and the held-out loss.

# %% tags=["solution"]
def solution_reward_training(model, batches, held_out, learning_rate):
    def reward(token_ids, mask):
        scores = model(token_ids)
        return scores[torch.arange(len(scores)), mask.sum(1).long() - 1]

    def pair_loss(chosen, chosen_mask, rejected, rejected_mask):
        gap = reward(chosen, chosen_mask) - reward(rejected, rejected_mask)
        return -torch.nn.functional.logsigmoid(gap).mean()

    optimizer, losses = torch.optim.SGD(model.parameters(), lr=learning_rate), []
    model.train()
    for batch in batches:
        loss = pair_loss(*batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        return losses, pair_loss(*held_out).item()

# %% [markdown] tags=["exercise"]
# {exercise: my_labels}
#
# `order_learned(data, seed, pairs, labels_each)` trains a linear reward model on `pairs` comparisons, each labelled by the majority of `labels_each` noisy annotators, and returns the share of 400 unseen pairs that it puts in the right order. `data` comes from the lab above. Spend 240 labels in both ways, with seeds 0 to 7.

# %% tags=["solution"]
from rlhf_lib.workbook.ch07_reward_modeling.budget import order_learned

solution_labels = {
    "once": [order_learned(data, seed, pairs=240, labels_each=1) for seed in range(8)],
    "thrice": [order_learned(data, seed, pairs=80, labels_each=3) for seed in range(8)],
}
solution_labels_choice = "once"

# %% [markdown]
# ## 18. The silent-bug clinic
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
# ## 19. What this chapter claimed
#
# Of your own runs only what holds on any machine is asserted. Claims about the stored runs are asserted with their seeds by `make claims`.

# %% tags=["claims"]
assert kappas["choices"] > kappas["marks"] + 0.1, "beyond chance, annotators agree more on choices than on marks"
assert run["held_out"]["loss"][-1] < math.log(2), "one pass: better than knowing nothing"
assert 0.55 < run["held_out"]["accuracy"][-1] < ceiling + 0.02, "better than a coin, not better than the ceiling"
late = stored["held_out"]
assert late["loss"]["low"][-1] > late["loss"]["high"][5], "stored seeds: the held-out loss is higher after four passes than after one"
assert late["confidence"]["low"][-1] > late["accuracy"]["high"][-1], "and the models are surer than they are right"
praised, truly = effects["praise twice"].value, gold_effects["praise twice"].value
assert praised > 0 > truly, "flattery: reward up, gold down"
assert effects["wander off"].value < 0 and effects["make it wrong"].value > effects["wander off"].value, "wandering off costs more reward than being wrong"
print("all claims hold")

# %% [markdown] tags=["recap"]
# ## Recap
#
# - Comparisons cancel what differs between annotators; Bradley-Terry turns them into differences of rewards.
# - Noise in the labels sets a ceiling. Watch held-out *loss*: accuracy can stay level while the model grows over-confident.
# - A reward model learns what made pairs differ in its data, manners first, and the annotators' biases with it.
# - Outcome, process and generative models answer other questions; a value function is none of them.
# - Judge a reward model by what it picks, on answers of the policy that uses it.
#
# **Recall** of earlier chapters:

# %% tags=["recall"]
from IPython.display import display

from rlhf_lib.exercises import recall

for quiz in recall("07_reward_modeling"):
    display(quiz)

# %% [markdown]
# **More:** the book's chapter [Reward Modeling](https://rlhfbook.com/c/05-reward-models); Bradley and Terry (1952); Stiennon et al. (2020); Touvron et al. (2023) for margins; Cobbe et al. (2021) and Lightman et al. (2023) for outcome and process models; Zheng et al. (2023) for judges; Malik et al. (2025), *RewardBench 2*, for accuracy against value in use; Ramé et al. (2024), *WARM*; Fu et al. (2025) for
# reward shaping.
