# %% [markdown]
# # Overview and history
#
# RLHF (reinforcement learning from human feedback) is older than chatbots. Its loop was made for robots and games: let an agent act, ask a person which of two clips is better, learn a reward from the answers, act better. In this chapter you run that loop on a cart, in seconds. Then you follow it into language models, and see what each stage after the base model adds.
#
# **You will be able to**
# - teach a behaviour by comparisons alone, and prove with a control that the comparisons did it;
# - say which part of the loop TAMER, Christiano et al., InstructGPT, DPO and RLVR each changed;
# - say what fine-tuning, RLHF and RLVR each change in a model, and what they do not touch;
# - tell a push on a token from a push on an answer, and one side of a comparison from both.

# %% [markdown]
# ## 1. First the result
#
# A cart carries a pole. Fifty times a second a small network, its **policy**, pushes it left or right. Nobody gives it a reward. It is shown which of two clips somebody likes better, 300 times, each clip 0.4 seconds long. This somebody wants the cart to *stand at x = 1 with the pole upright*; that wish stands in no reward.
#
# The left picture shows rides before the first comparison, the right one after the last.

# %% tags=["setup"]
import random

import numpy as np
import torch

from rlhf_lib import PocketWorld, load_policy, set_seed
from rlhf_lib.exact.cart import ride
from rlhf_lib.exact.clips import Lessons, stand_at, wishing_judge
from rlhf_lib.exercises import predict
from rlhf_lib.workbook.ch01_overview.experiments import taught
from rlhf_lib.workbook.ch01_overview.figures import plot_clips, plot_places

set_seed(0)

# %% tags=["training"]
pupil, live_wish = taught("wish", seed=0)
before, after = ride(Lessons().policy, 16, 200, seed=5), ride(pupil.policy, 16, 200, seed=5)
plot_places({"before the first comparison": before, "after 300 comparisons": after}, wish=1.0)

# %% [markdown]
# Each line is a ride of at most four seconds; a cross marks where the pole fell. The dashed line is the wish.

# %% [markdown]
# ## 2. The loop
#
# Two clips of the untaught cart. The palest cart is the first, the darkest the last.

# %%
new = Lessons()
first, second = new.show(1)
plot_clips(first[0], second[0], ("left clip", "right clip"))

# %% [markdown]
# Which of them is nearer to "stand at x = 1, upright"? You can say so in a second, and you could not write down the number of points that each of its twenty states deserves. That is why people are asked to compare.
#
# From comparisons to a behaviour it takes four boxes and four arrows:

# %%
from rlhf_lib.workbook.ch01_overview.figures import plot_loop

plot_loop(
    {"policy": "policy", "clips": "two clips", "judge": "a person", "reward": "reward model"},
    ("acts", "are shown", "“left is better”", "is maximised"),
)

# %% [markdown]
# The **reward model** is a small network too: it gives each *state* a number $r(s)$, its reward. A clip is as strong as its states together, and the stronger clip is likely to win:
#
# $$P(\text{first} \succ \text{second}) = \sigma\Big(\sum_{s\,\in\,\text{first}} r(s) - \sum_{s\,\in\,\text{second}} r(s)\Big) \qquad \text{[OV-1]}$$
#
# Read $\succ$ as "is preferred to"; $\sigma(z) = 1/(1+e^{-z})$, the sigmoid, turns a difference into a probability. Training makes the choices that were really made as likely as it can.
#
# The policy is then trained by reinforcement learning: pushes that were followed by more reward than usual become more likely. One detail matters. A fallen cart earns nothing more, so if a step were worth less than nothing, falling would be a way out. Comparisons leave the level of the rewards open, and so we set it: the mean step is worth +2 (in standard deviations), a *bonus* for staying alive.
#
# Here is the loop, two rounds of it. The judge is simulated: it knows the wish, and it errs now and then, as people do.

# %%
judge = wishing_judge(stand_at(1.0), seed=0)
for number in (1, 2):
    first, second = new.show(25)  # 1. act, and show 25 pairs of clips
    new.hear(first, second, judge(first, second))  # 2. compare
    loss = new.fit()  # 3. fit the reward model to all comparisons so far
    new.practise(8)  # 4. eight updates of the policy on it
    print(f"round {number}: {len(new.better)} comparisons, loss of the reward model {loss:.2f}")

# %% [markdown]
# With no idea at all the loss is log 2 = 0.69: heads or tails. Section 1 was twelve such rounds.
#
# ### The control
#
# Did the comparisons teach the cart, or would it have learned all this anyhow, from the bonus? Toss a coin in place of the judge, and keep everything else: as many clips, as many fits, as many updates.

# %% tags=["predict"]
guess = predict(
    "What will a cart learn from 300 tosses of a coin?",
    {
        "same": "to balance, but at no special place",
        "nothing": "hardly anything: the pole falls",
        "mark": "to stand near x = 1, only later",
    },
)
guess

# %% tags=["training"]
pupil_of_coin, live_coin = taught("coin", seed=0)

# %% tags=["predicted"]
from rlhf_lib.experiments.stored import band, results_of
from rlhf_lib.workbook.ch01_overview.experiments import end_of
from rlhf_lib.workbook.ch01_overview.figures import plot_lessons

stored = band("lessons")
titles = {"wish": "300 comparisons", "coin": "300 tosses of a coin", "once": "300, all at the start"}
plot_lessons(stored, {"wish": live_wish, "coin": live_coin}, titles)
kept = results_of("01_overview", "lessons").values()
ends = {arm: {name: [end_of(run[arm], name) for run in kept] for name in ("steps", "mark", "place")} for arm in titles}
for arm, end in ends.items():
    places = ", ".join(f"{place:+.1f}" for place in end["place"])
    print(f"{titles[arm]:23s} rides of {np.median(end['steps']):3.0f} steps, {np.median(end['mark']):4.0%} at the mark; x = {places}")
came = "nothing" if np.median(ends["coin"]["steps"]) < 100 else "mark" if np.median(ends["coin"]["mark"]) > 0.5 else "same"
guess.reveal(came, "in the median of five stored runs")

# %% [markdown]
# Grey: five stored runs of each kind, their median and range. Blue: your two runs. A round is 25 comparisons (in the third panel 300 in the first round, then none) and eight updates of the policy. The height is the share of the last second of a ride, over 64 rides, that the cart spends within 0.4 m of x = 1. A fallen cart counts 0. The lines below the picture are means over the last three rounds: medians of the five runs, and the mean place of each run.
#
# The coin teaches balance too! Its rides become long, because the bonus pays for every step; the labels have no part in it. But its carts stand anywhere. So a balanced pole is no evidence that the comparisons taught anything. The *place* is: the judge's comparisons bring the cart near the mark in four runs of five. (In the fifth the pole keeps falling, and few rides last to the end.) Without the control you would have given the
# comparisons credit for the balance as well.
#
# In the third panel the same judge makes as many comparisons, all of them in the first round. The carts learn to go to the right, and most go too far. Why, the next section says.

# %% [markdown]
# ## 3. What the reward model knows, and what not
#
# The reward model has two inputs that matter here, place and angle. Draw its reward over both, beside the wish. White dots: states in the clips that were compared.

# %%
from rlhf_lib.workbook.ch01_overview.figures import plot_reward_map

plot_reward_map(pupil, stand_at(1.0), torch.cat((pupil.better, pupil.worse)))

# %% [markdown]
# The learned map has the wish's main feature, a ridge near x = 1 with the pole about upright, and gets much else wrong; the outer parts, where there are few dots, are hardly more than a guess. And here is the map of a pupil that was asked about nothing but its first, clumsy rides:

# %%
early = Lessons()
first, second = early.show(300)
early.hear(first, second, wishing_judge(stand_at(1.0), seed=0)(first, second))
early.fit()
plot_reward_map(early, stand_at(1.0), torch.cat((early.better, early.worse)))

# %% [markdown]
# All its clips were near the middle. There, farther right was always better, and the reward model draws the line on: the more x, the better. It has never seen a cart that was too far right. A policy that follows it runs past the mark, as the third panel above has shown.
#
# So the reward model is a **proxy**: it stands in for the judge. It is right where clips were shown, and elsewhere it says whatever a small network says. A policy that is pushed hard on it goes to where the *proxy* is highest. That is **over-optimization**, which you saw in chapter 00, and controlling it is the main difficulty of RLHF. Two remedies stand in this chapter already: compare *new* clips of the policy
# as it now is; and, for language models, a KL penalty that holds the policy near its start.

# %% [markdown]
# ## 4. Whose idea was it?
#
# Two early works are often taken for one, *TAMER* and *Christiano et al.* Read two descriptions:
#
# 1. While the agent plays Tetris, a person presses *good* or *bad* after single moves. The agent learns to predict these numbers, and makes the move for which it predicts the best one.
# 2. While the agent plays Atari games or moves a simulated robot, a person is shown two clips of one or two seconds now and then, and says which one is better. A reward model is fitted to these choices, and the agent is trained on it.

# %% tags=["predict"]
whose = predict("Which of the two is TAMER (2008)?", {"first": "the first", "second": "the second"})
whose

# %% tags=["predicted"]
from rlhf_lib.workbook.ch01_overview.history import named

tamer, christiano = named("TAMER"), named("Christiano et al.")
for work in (tamer, christiano):
    print(f"{work.name}, {work.year}: shown {work.shown}; said: {work.said}")
whose.reveal("first" if "number" in tamer.said else "second")

# %% [markdown]
# TAMER (Knox and Stone, 2008) takes *numbers for actions*; Christiano et al. (2017) take *comparisons of clips*. The second needs far less of a person's time: its authors judged less than one percent of what the agent did, and taught new behaviours, such as a backflip, in about an hour. In one racing game, Enduro, people's comparisons even taught more than the game's own score. How large is that share for our cart?

# %%
shown_steps = 2 * 20 * len(pupil.better)
ridden = pupil.driven * 16 * 200
print(f"{len(pupil.better)} comparisons show {shown_steps:,} steps; the cart has ridden up to {ridden:,}: {shown_steps / ridden:.1%}")

# %% [markdown]
# What came next changed one part of the loop after another. A dot: this work changed this part.

# %%
from rlhf_lib.workbook.ch01_overview.figures import plot_timeline

plot_timeline()

# %% [markdown]
# Three periods stand out. **Before 2018** the loop is found, for games and robots. **2018 to 2022** it moves to language models: GPT-2, GPT-3, summaries, InstructGPT. It now starts from a model that knows a lot, so it must not lose that: a KL penalty joins the loop. When ChatGPT came out in November 2022, trained in this way, RLHF became known to everybody. **From 2023 on** all large labs use it, and it grows into a wider
# field: *direct alignment* (DPO) leaves out the reward model, *process rewards* judge each step of a solution, and *RLVR* puts a program that checks results in the judge's place, to train reasoning.
#
# The lab shows one work at a time, with the whole loop in words; what the work changed is bold.

# %% tags=["lab"]
from rlhf_lib.labs import timeline_lab

timeline_lab()

# %% [markdown]
# One story from 2019, told by Ziegler et al. themselves: a change of code flipped the sign of the reward, and that of the KL penalty with it. The authors slept while the model trained. In the morning it wrote, in fluent English, just what the labellers had been told to give the lowest marks. An optimizer does what the number says. Flip the sign of our comparisons, and look where the reward model would send the cart:

# %%
from rlhf_lib.workbook.ch01_overview.lab_clips import PLACES, at_rest

flipped = Lessons()
flipped.hear(pupil.worse, pupil.better, torch.ones(len(pupil.better)))  # the worse clip is called the better one
flipped.fit()
for name, one in (("as judged", pupil), ("flipped", flipped)):
    with torch.no_grad():
        print(f"{name}: the reward model likes x = {PLACES[one.rewards(at_rest()).argmax()]:+.1f} best")

# %% [markdown]
# ## 5. The same loop, with words
#
# Exchange the boxes: the policy is a language model, a state is a request (the **prompt**), what it does is an answer (the **completion**), and people compare two answers.

# %%
plot_loop(
    {"policy": "language model", "clips": "two answers", "judge": "a person", "reward": "reward model"},
    ("writes", "are shown", "“left is better”", "is maximised"),
)

# %% [markdown]
# A cart can start from nothing, since it falls and rises again in seconds. A language model that starts from nothing writes noise, and no comparison of two noises helps. So RLHF has **three steps**:
#
# 1. **Fine-tune** a *base model*, which has only read documents, on requests with good answers: *supervised fine-tuning* (SFT), also called instruction fine-tuning (IFT).
# 2. **Gather comparisons** of its answers, and train a reward model on them.
# 3. **Optimise** the model by RL: let it answer, let the reward model rate the answers, and make what is rated above average more likely.
#
# So people's preferences reach the policy by way of a second model: the comparisons are *encoded* in the reward model, and the policy meets nobody else. Step 1 is there to get the policy near enough: from then on its answers are worth comparing.
#
# All that comes after the base model is called **post-training**. For a time RLHF was nearly all of it. Today it is one link of a chain, and often a fourth step follows:
#
# 4. **RLVR**, RL with *verifiable* rewards: on requests whose results a program can check, sums or code, the check itself is the reward. It trains reasoning.
#
# Follow PocketWorld's model along the chain. The base model and the fine-tuned one come with the workbook. Steps 3 and 4 run now, 20 updates each: first on `pocket-reward`, the reward model of chapter 00, then on sums that are checked.

# %% tags=["training"]
from rlhf_lib.workbook.ch01_overview.stages import rlhf, rlvr

base, sft = load_policy("pocket-base"), load_policy("pocket-sft")
pleased = rlhf(sft, seed=0)
checked = rlvr(pleased, seed=0)

# %%
from rlhf_lib.plots import answers_table

world = PocketWorld()
chain = {"base": base, "SFT": sft, "RLHF": pleased, "RLVR": checked}
kinds = ("fact", "open", "unsafe", "sum")
asked = [world.prompts(1, (kind,), seed=3, split="test")[0] for kind in kinds]
answers = {name: model.sample(asked, max_new_tokens=40, seed=1).texts for name, model in chain.items()}
answers_table(asked, answers, gold=world.gold)

# %% [markdown]
# One answer is luck. The next figure measures all four stages on 96 unseen requests and 96 unseen sums, a dot for each stored run of RLHF and RLVR (the base model and the fine-tuned model are always the same).

# %%
from rlhf_lib.workbook.ch01_overview.figures import plot_stages

runs = list(results_of("01_overview", "stages").values())
plot_stages(runs)
print(f"stored runs: {len(runs)}")

# %% [markdown]
# - **facts it knows**: of 36 animals and five facts each, how often the model finds the true sentence likelier than all false ones, "a fox lives in a den." than "a fox lives in a sea." No chat, no request: only probabilities of plain text.
# - **answers that end**: of 96 answers, how many the model ends by itself within 40 tokens.
# - **gold**: the mean gold utility of the same answers, in points.
# - **sums right**: of 96 sums and word problems, how many results are right.
#
# Read it column by column. **SFT** makes the model answer: nearly all answers now end, and gold rises by almost two points. What the model knows stays, and so do the sums: the base model had as many right, somewhere in its endless text. **RLHF** lifts gold once more; a few more sums come out right with it, since people dislike wrong results too. **RLVR** lifts the sums further, which is all that it was paid for, and leaves gold about where it was. And through all of it the first panel is flat: post-training neither taught a fact nor took one away.
#
# How far has each stage moved the model? In nats of KL to the stage before it, measured on the stage's own answers, the median over the runs:

# %%
from rlhf_lib.experiments.build_rise import rise_runs

for stage in ("SFT", "RLHF", "RLVR"):
    print(f"{stage:5s} {np.median([run[stage]['moved'] for run in runs]):5.1f} nats an answer")
rises = [run["gold"][run["step"].index(20)] - run["gold"][0] for run in rise_runs()]
print(f"gold in the first 20 updates of {len(rises)} other runs of RLHF: {min(rises):+.2f} to {max(rises):+.2f}")

# %% [markdown]
# SFT has turned a document writer into something else; the two RL stages are small corrections beside it. The last line is of the runs that chapter 00 drew, each with labels and a reward model of its own: in these first updates gold rose in every one.

# %% [markdown]
# ## 6. Elicited, not taught
#
# Ask the two models of the start for a fact in both ways: by likelihood, and by a chat.

# %%
from rlhf_lib.evaluation.knowledge import cloze_accuracy, sentence_logp

homes = ("den", "sea", "tree", "barn")
sentences = [f"a fox lives in a {home}." for home in homes]
for name in ("base", "SFT"):
    logp = sentence_logp(chain[name], sentences).tolist()
    print(f"{name:4s} knows homes: {cloze_accuracy(chain[name], world, 'home'):.0%}; log p:", end=" ")
    print(", ".join(f"{home} {value:.1f}" for home, value in zip(homes, logp, strict=True)))
question = [prompt for prompt in world.prompts(200, ("fact",), seed=5) if prompt.entity == "fox"][:1]
for name in ("base", "SFT"):
    print(f"{name:4s} asked: {question[0].text} -> {chain[name].sample(question, 1, 30, 0.01, seed=1).texts[0]}")

# %% [markdown]
# Asked by likelihood, the base model knows where every animal lives: it read so in its documents. Asked in a chat, it goes on writing a document and never comes to an end. SFT did not teach it foxes; it taught it to *answer*, and to stop. RLHF did not teach it foxes either. It brings out behaviour that people value: an answer to the point, a refusal where one is due.
#
# The book compares the base model with the chassis of a racing car: post-training gets the most out of it, and cannot make another car of it. This is the **elicitation** view. Don't stretch it to "post-training is only style": the figure above shows that RLVR makes more sums come out right, and reasoning models of 2025 owe much of their skill to long RL.

# %% [markdown]
# ## 7. A token, or a whole answer
#
# SFT and RLHF differ in what they look at. SFT goes **token by token**: each token of an answer that somebody wrote is a target of its own, and all are pushed up. RLHF goes **answer by answer**: the model writes a whole answer, the answer gets *one* number, and this number pushes all of its tokens, up or down.
#
# The number is the **advantage** $A$: the reward of the answer minus the mean reward of the other answers to the same prompt. Here are six answers of the fine-tuned model to one request.

# %%
from rlhf_lib.objectives import policy_loss, rloo_advantages
from rlhf_lib.rewards import RewardModel

proxy = RewardModel.load("pocket-reward")
one = world.prompts(1, ("fact",), seed=4, split="test")
rollout = sft.sample(one, 6, 40, seed=2)
with torch.no_grad():
    rewards = proxy(rollout)
advantages = rloo_advantages(rewards.view(1, 6))[0]
print(one[0].text)
for place in advantages.argsort(descending=True).tolist():
    print(f"reward {rewards[place]:+.2f}, A {advantages[place]:+.2f}: {rollout.texts[place]}")

# %% [markdown]
# How hard is a token pushed? Raising a token's logit (its score before the softmax) by a little raises its log-probability by $1 - p$ of that, where $p$ is its probability: what is certain already cannot rise. SFT pushes each token of its answer by $1-p$; RLHF by $A\,(1-p)$.

# %%
from rlhf_lib.workbook.ch01_overview.figures import plot_pushes

best, worst = int(advantages.argmax()), int(advantages.argmin())
written = sft.encode_completions(one, [world.answer(one[0], "short", random.Random(0))])
cases = {"SFT: an answer that somebody wrote": (written, 0, 1.0)}
cases |= {f"RLHF: its own answer, A = {advantages[i]:+.2f}": (rollout, i, float(advantages[i])) for i in (best, worst)}
tokens, pushes = {}, {}
for title, (batch, row, weight) in cases.items():
    with torch.no_grad():
        p = sft.logprobs(batch)[row].exp()
    real = batch.completion_mask[row] > 0
    tokens[title] = [sft.tokenizer.decode([token]) for token in batch.completion_ids[row][real].tolist()]
    pushes[title] = (weight * (1 - p))[real].tolist()
plot_pushes(tokens, pushes)

# %% [markdown]
# In the first row every bar points up: fine-tuning can only say "more of this". In the last row every bar points down, on good words as on bad ones: the number is about the answer, and says nothing about where it went wrong. Only over many answers does it come out which words the bad ones have in common. Tokens of which the model is sure have hardly a bar, up or down.
#
# So are these two different learning rules? Take *one* answer and compute both gradients over all weights of the model: of the SFT loss on it, and of the policy-gradient loss with its advantage.

# %%
from rlhf_lib.training.sft import completion_loss


def gradient(loss):
    """All weights' derivatives in one row."""
    found = torch.autograd.grad(loss, [w for w in sft.model.parameters() if w.requires_grad], allow_unused=True)
    return torch.cat([g.flatten() for g in found if g is not None])


angles = {}
for name, row in (("best", best), ("worst", worst)):
    alone = rollout.select(torch.tensor([row]))
    by_sft = gradient(completion_loss(sft, alone))
    logp, mask = sft.logprobs(alone), alone.completion_mask
    loss, _ = policy_loss(logp, logp.detach(), advantages[row : row + 1], mask, algorithm="reinforce")
    by_rl = gradient(loss)
    angles[name] = torch.cosine_similarity(by_sft, by_rl, dim=0).item()
    ratio = (by_rl.norm() / by_sft.norm()).item()
    print(f"{name} answer: cosine {angles[name]:+.3f}, RLHF's step is {ratio:.2f} times as long (|A| = {abs(advantages[row]):.2f})")

# %% [markdown]
# On one and the same answer they are one rule: RLHF's gradient is $A$ times SFT's. A cosine of +1 is the same direction, −1 the opposite. What differs is all around it:
#
# | | SFT | RLHF |
# |---|---|---|
# | who wrote the answer | somebody else | the model itself, just now |
# | the weight of its tokens | 1 | the answer's $A$, of either sign |
# | so it can say | "say this" | "more of this, less of that" |
# | what it mimics | the tokens of a text | a style: whatever made answers score well |

# %% [markdown]
# ## 8. One side or both
#
# Comparisons know two sides: the chosen answer and the rejected one. You may use the chosen side alone, and fine-tune on it. Or you use a **contrastive** loss, that looks at both: it rises with the *difference* of the two answers' log-probabilities. Its gradient says what to pursue *and* what to avoid:
#
# $$\nabla\,\text{loss} = -\,w\,\big(\nabla \log \pi(\text{chosen}) - \nabla\log\pi(\text{rejected})\big),\qquad w > 0$$
#
# Here $\pi(\text{chosen})$ is the probability that the policy gives the chosen answer, and $w$ is large where the model still has the pair the wrong way round. The loss of a reward model has this form (with rewards in place of log-probabilities), and so has that of DPO, direct preference optimization.
#
# Take 192 comparisons and make one pass over them, once with each. Then look at 96 *unseen* comparisons.

# %% tags=["predict"]
sides = predict(
    "Trained on the contrast: what happens to the probability of unseen *chosen* answers?",
    {"rises": "it rises", "stays": "it stays about the same", "falls": "it falls"},
)
sides

# %% tags=["predicted"]

from rlhf_lib.workbook.ch01_overview.figures import plot_sides

contrast = list(results_of("01_overview", "contrast").values())
plot_sides(contrast)
for loss in contrast[0]:
    chosen = np.median([run[loss]["chosen"] for run in contrast])
    apart = [run[loss]["chosen"] - run[loss]["rejected"] for run in contrast]
    print(f"{loss:24s} chosen {chosen:+.2f}; the two sides {np.median(apart):.2f} nats farther apart ({min(apart):.2f} to {max(apart):.2f})")
sides.reveal("rises" if chosen > 0.3 else "falls" if chosen < -0.3 else "stays")

# %% [markdown]
# A dot for each of five stored runs. Fine-tuning on the chosen side separates the two sides too: it was told what to write. The contrast was also told what to avoid, and separates them farther. But look at the level: on unseen pairs *both* sides sink, and under the contrast by far the more, the chosen ones too. That surprises nearly everybody. A contrastive loss asks for a difference, and a difference can grow while both sides sink; chapter 12 takes this apart.

# %% [markdown]
# ## 9. Lab: two clips, one click
#
# Now you are the judge. Play the two clips, press *Left* or *Right*; after every fifth click the reward model is fitted anew, and the small curve shows what it thinks of each place. *Practise* gives the policy eight updates on it. A simulated judge fills in twenty comparisons when you are tired of it: say in the menu what it wants.

# %% tags=["lab"]
from rlhf_lib.labs import clips_lab

clips_lab()

# %% [markdown]
# ## 10. Exercises

# %% [markdown] tags=["exercise"]
# {exercise: my_clip_preference}
#
# `first` and `second` are the rewards of the steps of two clips, (L,) each; the clips may differ in length. Return the probability that the first is preferred, as a tensor through which a gradient can flow.

# %% tags=["solution"]
def solution_clip_preference(first, second):
    return torch.sigmoid(first.sum() - second.sum())

# %% [markdown] tags=["exercise"]
# {exercise: my_label_share}
#
# Somebody made `comparisons` comparisons of two clips of `clip_steps` steps each. The agent has lived through `ridden_steps` steps in all. Return the share of them that somebody looked at (a step that was shown twice counts twice).

# %% tags=["solution"]
def solution_label_share(comparisons, clip_steps, ridden_steps):
    return 2 * comparisons * clip_steps / ridden_steps

# %% [markdown] tags=["exercise"]
# {exercise: my_cloze_accuracy}
#
# For each of N facts there are K sentences, one for each value that the fact could have. `logp` and `mask` (N, K, T): log-probabilities of their tokens, and 1.0 on real tokens; `right` (N,): which value is true. Return how often the likeliest sentence is the true one, as a number.

# %% tags=["solution"]
def solution_cloze_accuracy(logp, mask, right):
    best = (logp * mask).sum(-1).argmax(-1)
    return (best == right).float().mean().item()

# %% [markdown] tags=["exercise"]
# {exercise: my_token_weights}
#
# `rewards` (G,): one number for each of G answers to the same prompt. `mask` (G, T): 1.0 on the real tokens of each. Return the weights (G, T) with which RLHF pushes the tokens: an answer's reward minus the mean of the *other* answers' rewards, on each of its tokens, and 0 on padding.

# %% tags=["solution"]
def solution_token_weights(rewards, mask):
    others = (rewards.sum() - rewards) / (len(rewards) - 1)
    return (rewards - others)[:, None] * mask

# %% [markdown] tags=["exercise"]
# {exercise: my_learning_from_clips}
#
# Write the loop of section 2 whole. `drive(policy, seed)` gives eight rides: `states` (B, T, 4) and `right` (B, T), 1.0 for a push to the right. Here a clip is a whole ride, and rides 0 and 1, 2 and 3, ... are compared: `judge(first, second)` gives (B / 2,), 1.0 where the first wins, else 0.0. `reward(states)` and `policy(states)` give (B, T, 1): a reward; and the logit of a push
# to the right. In each of `rounds` rounds: drive with the round's number (from 0) as seed; one update of the reward model on the mean loss of the comparisons [OV-1]; one update of the policy on the *new* reward model's totals, each minus the mean of the other rides', with loss $-\text{mean}(A \log \pi)$ over rides. Both by `torch.optim.SGD` at `learning_rate`. Return the list of the reward model's losses.

# %% tags=["solution", "long"]
def solution_learning_from_clips(policy, reward, drive, judge, rounds, learning_rate):
    for_reward = torch.optim.SGD(reward.parameters(), lr=learning_rate)
    for_policy = torch.optim.SGD(policy.parameters(), lr=learning_rate)
    losses = []
    for number in range(rounds):
        states, right = drive(policy, number)
        first, second = states[0::2], states[1::2]
        gap = reward(first).sum((1, 2)) - reward(second).sum((1, 2))
        sign = 2 * judge(first, second) - 1
        loss = -torch.nn.functional.logsigmoid(sign * gap).mean()
        for_reward.zero_grad()
        loss.backward()
        for_reward.step()
        losses.append(loss.item())
        with torch.no_grad():
            totals = reward(states).sum((1, 2))
            advantages = totals - (totals.sum() - totals) / (len(totals) - 1)
        logits = policy(states).squeeze(-1)
        logp = torch.nn.functional.logsigmoid((2 * right - 1) * logits).sum(1)
        for_policy.zero_grad()
        (-(advantages * logp).mean()).backward()
        for_policy.step()
    return losses

# %% [markdown] tags=["exercise"]
# {exercise: my_label_plan}
#
# Predict first. Then measure: `taught("wish", seed)` and `taught("once", seed)` give a pupil and its curves, some seconds a run; the number is `end_of(curves, "mark")`, the share of the last second at the mark, over the last three rounds. Five seeds each. Fill in the lists and choose: an option, or `"undecided"`. (The solution reads the stored runs.)

# %% tags=["solution"]
solution_label_plan = {"spread": [], "once": []}
for run in results_of("01_overview", "lessons").values():
    solution_label_plan["spread"].append(end_of(run["wish"], "mark"))
    solution_label_plan["once"].append(end_of(run["once"], "mark"))
solution_label_plan_choice = "undecided"

# %% [markdown]
# ## 11. What this chapter claimed
#
# First what the stored runs have to show: on how many seeds, and by how many standard deviations over seeds. Then what is exact.

# %% tags=["claims"]
from rlhf_lib.experiments.experiment import outcomes
from rlhf_lib.workbook.ch01_overview.experiments import EXPERIMENTS

for name, experiment in EXPERIMENTS.items():
    for outcome in outcomes(experiment, list(results_of("01_overview", name).values())):
        print(outcome)
        assert outcome.good, str(outcome)
assert cloze_accuracy(base, world, "home") >= 0.9, "the base model knows where animals live"
assert angles["best"] > 0.999 and angles["worst"] < -0.999, "on one answer RLHF's step is SFT's, times A"
assert len(pupil.better) == 300, "300 comparisons, and no reward"
print("all claims hold")

# %% [markdown] tags=["recap"]
# ## Recap
#
# - RLHF's loop: act, show, compare, fit a reward model, practise on it. It is older than language models.
# - TAMER: numbers for actions. Christiano et al.: comparisons of clips. Later works changed one part of the loop after another.
# - Three steps make an assistant: SFT, comparisons and a reward model, RL. RLVR puts a checker in the judge's place.
# - SFT pushes the tokens of a given text; RLHF pushes a whole answer of the model's own, up or down, by one number.
# - A contrastive loss uses both sides of a comparison.
# - Always run the control: the same run with random labels.
#
# **Recall** of the chapter before:

# %% tags=["recall"]
from IPython.display import display

from rlhf_lib.exercises import recall

for quiz in recall("01_overview"):
    display(quiz)

# %% [markdown]
# **More:** the book's [introduction](https://rlhfbook.com/c/01-introduction) and its [history](https://rlhfbook.com/c/02-related-works); Knox and Stone (2008), TAMER; MacGlashan et al. (2017), COACH, where feedback is an advantage; Warnell et al. (2018), deep TAMER; Christiano et al. (2017), *Deep reinforcement learning from human preferences*; Ziegler et al. (2019), *Fine-tuning language models from human
# preferences*; Stiennon et al. (2020); Ouyang et al. (2022), InstructGPT; Rafailov et al. (2023), DPO; Lightman et al. (2023), *Let's verify step by step*; Lambert et al. (2024), Tülu 3, which named RLVR; DeepSeek-AI (2025), R1; Hong et al. (2024), ORPO, on fine-tuning that lifts the rejected answers too. Barto, Sutton and Anderson (1983) built the cart.
