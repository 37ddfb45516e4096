# %% [markdown]
# # Rejection sampling
#
# Draw several answers to each prompt. Let a reward model score them. Keep the best and fine-tune on them. That is all: no policy gradient, no advantage, no clip. You need sampling, sorting, and the loss of instruction fine-tuning. It is the first thing to try with a new reward model, and the baseline that reinforcement
# learning (RL) has to beat.
#
# **You will be able to**
# - select answers by two rules, and say what each rule does to the mix of prompts;
# - use a random control to tell what the reward model contributed;
# - estimate best-of-N for every N from one set of samples, and compute its KL exactly;
# - write a round of rejection sampling yourself, and decide how to spend a budget of answers.

# %% [markdown]
# ## 1. First the result
#
# Twelve requests, eight answers to each, scored by a reward model. Each column is a request. A ring marks the answer that we would keep.

# %% tags=["setup"]
import math

import numpy as np
import torch

from rlhf_lib import PocketWorld, load_policy, set_seed
from rlhf_lib.exercises import predict
from rlhf_lib.plots import COLOURS, CYCLE, figure
from rlhf_lib.rewards import GoldReward, RewardModel, score_by_length
from rlhf_lib.training import select_answers

set_seed(0)
world, sft = PocketWorld(), load_policy("pocket-sft")
proxy, gold = RewardModel.load("pocket-reward"), GoldReward(world)

# %%
asked = world.prompts(12, seed=8, split="test")
rollout = sft.sample(asked, samples_per_prompt=8, max_new_tokens=40, seed=4)
rewards = score_by_length(proxy, rollout).view(12, 8).cpu()
kept = select_answers(rewards, "best_per_prompt")
fig, axis = figure(height=2.6)
axis.plot(np.arange(12), rewards, "o", color="0.6", ms=5)
ring = dict(ms=11, mfc="none", mec=COLOURS["proxy"], mew=2)
axis.plot(range(12), [rewards[place] for place in kept], "o", **ring, label="kept")
axis.axhline(rewards.mean(), color="0.4", ls=":", label="mean of all answers")
axis.set(xlabel="request", ylabel="reward", xticks=range(12))
fig.legend(loc="outside upper right", ncols=2);

# %% [markdown]
# How good are the kept answers? Compare their mean with the mean of all answers, first by the reward model that chose them, then by the gold utility, PocketWorld's true measure, which had no say:

# %%
true = gold(rollout).view(12, 8)
rows, columns = zip(*kept, strict=True)
for name, values in (("reward model", rewards), ("gold utility", true)):
    print(f"{name}: all {values.mean():+.2f}, kept {values[rows, columns].mean():+.2f}")
place = 0
for column in rewards[place].argsort(descending=True)[[0, -1]].tolist():
    print(f"{rewards[place, column]:+.2f}  {asked[place].text} -> {rollout.texts[8 * place + column]}")

# %% [markdown]
# Fine-tune on the kept answers, and the policy learns to give answers like these at the first attempt. Then draw again.

# %% [markdown]
# ## 2. Two ways to select
#
# Take $M$ prompts $x_i$ with $N$ answers $y_{ij}$ each. Their rewards $R_{ij}=\mathcal R(y_{ij}\mid x_i)$ form a matrix: a row for each prompt. Here are five prompts with four answers, in the numbers of the book's example:

# %%
R = torch.tensor(
    [
        [0.7, 0.3, 0.5, 0.2],
        [0.4, 0.8, 0.6, 0.5],
        [0.9, 0.3, 0.4, 0.7],
        [0.2, 0.5, 0.8, 0.6],
        [0.5, 0.4, 0.3, 0.6],
    ]
)

# %% [markdown]
# **Best per prompt** keeps one answer from each row:
#
# $$S(R)_i = \arg\max_j R_{ij} \qquad \text{[RS-1]}$$
#
# **Top overall** ignores the rows and keeps the $K$ best of all $MN$ answers:
#
# $$S_K(R) = \text{the } K \text{ largest entries of } \mathrm{flat}(R) \qquad \text{[RS-2]}$$
#
# **Predict** both for $K=5$. Which prompt gives two answers, and which gives none?

# %% tags=["nbval-check-output"]
best = select_answers(R, "best_per_prompt")
top = select_answers(R, "top_overall", keep=5)
print("best per prompt, column of each row:", [column for _, column in best])
print("top overall, (row, column)         :", top)
print("top overall, places when flattened :", [4 * row + column for row, column in top])

# %%
ring_box = dict(boxstyle="round", fc="white", ec=COLOURS["proxy"], lw=1.8)
fig, axes = figure(1, 2, height=2.4, width=6)
for axis, (name, places) in zip(axes, (("best per prompt", best), ("top 5 overall", top)), strict=True):
    axis.imshow(R, cmap="Greys", vmin=0, vmax=1.6)
    for (i, j), value in np.ndenumerate(R.numpy()):
        box = ring_box if (i, j) in places else None
        axis.text(j, i, f"{value:.1f}", ha="center", va="center", bbox=box, fontsize=9)
    axis.set(title=name, xlabel="answer", ylabel="prompt", xticks=range(4), yticks=range(5))
    axis.grid(False)

# %% [markdown]
# Counting from 0: prompt 2 gives two answers and prompt 4 gives none, because its best, 0.6, loses to the second best of prompt 2. So best per prompt keeps the mix of prompts as it is. Top overall shifts the mix towards prompts with high rewards. Those may be *easy* prompts, or prompts that the reward model merely likes: it was
# trained on comparisons of answers to the *same* prompt, so nothing taught it how to compare answers across prompts.
#
# To get from a place in the flattened matrix back to row and column, use `divmod(place, N)`: a row has $N$ places, not $M$. Real code gets this wrong; the clinic below shows what that looks like.

# %% [markdown]
# ## 3. The control
#
# Suppose that the policy is better after fine-tuning. Was it the reward model's choice, or would *any* further fine-tuning on the policy's own answers have helped? Only a **random control** can tell: keep as many answers, train for as many steps, but choose without looking at the reward.

# %%
from rlhf_lib.training.rejection import SELECTIONS

asked = world.prompts(64, seed=9)
rollout = sft.sample(asked, 8, 40, seed=5)
rewards, true = score_by_length(proxy, rollout).view(64, 8), gold(rollout).view(64, 8)
print(f"{'':18s} reward   gold   requests   kinds of request kept most")
for selection in SELECTIONS:
    rows, columns = zip(*select_answers(rewards, selection, seed=1), strict=True)
    kinds = [asked[row].kind for row in rows]
    most = max(set(kinds), key=kinds.count)
    there = f"{len(set(rows)):3d} of 64   {most} {kinds.count(most)} times"
    print(f"{selection:18s} {rewards[rows, columns].mean():+.2f}    {true[rows, columns].mean():+.2f}   {there}")

# %% [markdown]
# Top overall collects the highest rewards, and pays in variety: nearly half of the requests contribute nothing, and one kind of request makes up a third of what is kept. So the two means are means over different requests, and the table cannot say which rule *trains* better. The next section trains with both.

# %% [markdown]
# ## 4. One round by hand, then three
#
# One round is four lines:

# %%
from rlhf_lib.training import SFTSettings, train_sft

policy, asked = sft.copy(), world.prompts(32, seed=9)
rollout = policy.sample(asked, 8, 40, seed=5)  # 1. draw
rewards = score_by_length(proxy, rollout).view(32, 8)  # 2. score
kept = select_answers(rewards, "best_per_prompt")  # 3. keep
examples = [(asked[row], rollout.texts[8 * row + column]) for row, column in kept]
train_sft(policy, examples, SFTSettings(epochs=2, learning_rate=3e-4, warmup_steps=2));  # 4. learn

# %% [markdown]
# `train_rejection` repeats these lines; each round draws from the policy as it now stands. Exercise 5 asks you to write a round without `train_sft`. The run below goes three rounds, with 32 requests and 8 answers each, and keeps 32 answers a round. It trains on the reward model's choice and, beside it, on the random control.
# The gold utility is measured and never used.

# %% tags=["training"]
from rlhf_lib.experiments.stored import band, results_of
from rlhf_lib.training import side_by_side
from rlhf_lib.workbook.ch10_rejection_sampling.experiments import fine_tuned

live = side_by_side(fine_tuned, ("best_per_prompt", "random_per_prompt"))

# %%
stored = band("selections")
fig, axes = figure(2, 4, height=1.9, sharex=True, sharey="row")
for column, selection in enumerate(SELECTIONS):
    for axis, metric in zip(axes[:, column], ("proxy", "gold"), strict=True):
        values = stored[selection][metric]
        axis.fill_between(range(3), values["low"], values["high"], color="0.85")
        axis.plot(values["median"], color="0.5", lw=1)
        if selection in live:
            axis.plot(live[selection][1].series(metric), "o-", color=COLOURS[metric], lw=2, ms=4)
    axes[0, column].set_title(selection.replace("_", " "))
axes[0, 0].set_ylabel("reward model")
axes[1, 0].set_ylabel("gold (points)")
fig.supxlabel("rounds of fine-tuning so far", fontsize=9);

# %% [markdown]
# Grey: five stored runs of each selection (their median and range). Coloured: your run of two of them. Each point is the mean of all 256 answers of a round, *before* that round's fine-tuning, so the last round's gain does not show yet. It shows on requests that no run has seen. The stored runs, measured there on two answers to each of 96 requests:

# %%
print(f"{'':18s}  reward model (lowest to highest)   gold (lowest to highest)")
for name in ("before", *SELECTIONS):
    end = stored[name] if name == "before" else stored[name]["end"]
    cells = [(end[m]["median"], end[m]["low"], end[m]["high"]) for m in ("proxy", "gold")]
    print(f"{name:18s}  " + "".join(f"{m:+.2f} ({low:+.2f} to {high:+.2f})           " for m, low, high in cells))

# %% [markdown]
# Read the pairs: each selection against *its* control. A control moves too, since imitating a few of your own answers pulls you somewhere, and here the controls end near where they began, most of them a little below. What the reward model's choice contributed is the difference: about half a point of reward and a quarter of a point of gold. Both
# selections end above pocket-sft by gold on every seed; which of the two is better, these runs cannot tell.

# %% [markdown]
# What a round reads, in your own run:

# %%
import pandas as pd

shown = ["proxy", "proxy_kept", "gold", "gold_kept", "distinct", "length"]
pd.DataFrame(live["best_per_prompt"][1].rows).set_index("step")[shown].round(2)

# %% [markdown]
# `proxy_kept` is the mean of what a round keeps: it is the ceiling for what imitation can reach, and the next round's mean stays well below it. `distinct` is the share of different texts among the 32 kept. It starts at or near 1; once it falls, answers are becoming alike, and the best of eight is less and less ahead of the mean.
#
# | you see | likely cause |
# |---|---|
# | reward falls from round to round | the sort is ascending |
# | reward flat, and `proxy_kept` is near `proxy` | the selection is not by reward (indices!), or all answers are alike: raise the temperature |
# | the control gains as much | the answers were right anyway, or fine-tuning itself helps |
# | `proxy_kept` rises, `gold_kept` does not | the reward model is being exploited: chapter 18 |
# | `distinct` collapses | use fewer rounds, fewer epochs, or more requests in a round |

# %% [markdown]
# ## 5. Best-of-N
#
# You can also leave out the fine-tuning: at each request, draw $N$ answers and show the best. **Best-of-N** changes no weights. It costs $N$ times the sampling each time it is used, and it shows at once what a perfectly fitted round of rejection sampling would reach.
#
# How good is the best of $n$, for each $n$? Drawing anew for every $n$ is expensive. Take $N$ answers that you already have and average over *all* subsets of size $n$. Sort the rewards: the $k$-th lowest, $r_{(k)}$, is the best of a subset if the other $n-1$ members stand below it, so
#
# $$\widehat{R}_n = \sum_{k=1}^{N} \frac{\binom{k-1}{n-1}}{\binom{N}{n}}\; r_{(k)}.$$
#
# The estimate is unbiased, and it uses every answer. **Predict:** which has the larger error, this or "the best of the first $n$"?
#
# To check it we need a place where the truth is known. An **exact world** has eight requests, and for each a list of 100 answers with their rewards. Inside the list nothing needs to be sampled: everything is a sum over 100 answers.

# %%
from rlhf_lib.exact import coverage, exact_world
from rlhf_lib.objectives import best_of_n_kl, exact_kl

kinds = ("fact", "opinion", "unsafe", "lookalike", "sum")
exact = exact_world(world, world.prompts(8, kinds, seed=3), sft, proxy, size=100)
share = coverage(sft, exact)
print(f"the lists hold {share.mean():.0%} of pocket-sft's probability ({share.min():.0%} to {share.max():.0%})")

# %% [markdown]
# So a list does not hold everything that pocket-sft can say. It leaves out its misspelt, unfinished and rambling answers. The policy of this world is pocket-sft *given that it answers from the list*: its probabilities, rescaled to sum to 1. That is a fair place to test formulas, and no measurement of pocket-sft.
#
# In it, the probability that an answer is the best of $n$ is a difference of two $n$-th powers:
#
# $$\pi_n(y) = \frac{\pi(y)}{m(y)}\Big[F(y)^n - \big(F(y)-m(y)\big)^n\Big] \qquad \text{[OPT-4]}$$
#
# Here $F(y)$ is the probability of a reward at most that of $y$, and $m(y)$ the probability of exactly that reward, which is more than $\pi(y)$ if answers tie.

# %%
from rlhf_lib.evaluation import best_of_n
from rlhf_lib.exact import draw, expected

truth = expected(exact.best_of_n(4), exact.rewards).mean().item()
all_subsets, first_four = [], []
for seed in range(200):
    index = draw(exact.ref_logp, 16, torch.Generator().manual_seed(seed))
    seen = exact.rewards.gather(1, index)
    all_subsets.append(best_of_n(seen, seen, [4]).proxy[0])
    first_four.append(seen[:, :4].max(1).values.mean().item())
print(f"exact value of best-of-4: {truth:.3f}")
for name, values in (("all subsets of 16", all_subsets), ("the first four", first_four)):
    print(f"{name:18s} mean {np.mean(values):.3f}, standard deviation {np.std(values):.3f}")

# %% [markdown]
# Both means agree with the exact value, up to the noise of 200 tries. The average over all subsets scatters far less, because it uses all sixteen answers and not four.

# %% [markdown]
# ## 6. How far is best-of-N from the policy?
#
# Choosing the best of $n$ makes good answers likelier. So it is another policy, at some KL divergence from the first. The usual formula needs neither the policy nor the reward:
#
# $$\mathrm{KL} = \log n - \frac{n-1}{n} \qquad \text{[KL-4]}$$
#
# In the exact world we can compare it with the sum itself:
#
# $$\mathrm{KL}(\pi_n\,\|\,\pi) = \sum_y \pi_n(y)\log\frac{\pi_n(y)}{\pi(y)} \qquad \text{[OPT-5]}$$

# %%
from rlhf_lib.exact import best_of_n_exact_kl

ns = [2**i for i in range(11)]
judges = {"reward model (no ties)": exact.rewards, "gold (many ties)": exact.gold}
judges["right or wrong"] = (exact.gold > 0.5).double()
kls = {
    name: [best_of_n_exact_kl(exact.ref_logp, values, n).mean().item() for n in ns]
    for name, values in judges.items()
}
fig, axis = figure(height=2.9, width=6)
axis.plot(ns, [best_of_n_kl(n) for n in ns], "k--", label="log n − (n − 1)/n")
for name, values in kls.items():
    axis.plot(ns, values, "o-", ms=4, label=name)
axis.set(xscale="log", xlabel="n", ylabel="KL to the policy (nats)")
axis.legend();

# %% [markdown]
# The formula is an **upper bound**. Here is why. Give each draw a ticket with a random number, and let tickets break ties. Now no two draws are equal, only the rank of the best matters, and the formula holds exactly. Then hide the tickets. Forgetting part of what was drawn can only make two distributions more alike, so the KL
# between the answers themselves is at most the formula.
#
# It is **tight** where tickets are hardly needed: many answers, each rare, no ties. It is loose for rewards with few values, and for large $n$: the KL cannot exceed $\log 1/P(\text{best})$, while the formula grows for ever.
#
# Watch it become tight. Take two answers of probability 1/2, then split each into more and more shades, each shade with its own reward:

# %% tags=["nbval-check-output"]
for shades in (1, 2, 8, 64, 512):
    uniform = torch.zeros(2 * shades, dtype=torch.float64)
    ranks = torch.arange(2 * shades, dtype=torch.float64)
    print(f"{2 * shades:5d} answers: KL of best-of-8 {best_of_n_exact_kl(uniform, ranks, 8):.3f}")
print(f"      formula: {best_of_n_kl(8):.3f}")

# %% [markdown]
# Keep this in mind when a figure plots rewards against "the KL" of best-of-N: nearly all of them use the formula.

# %% tags=["lab"]
from rlhf_lib.labs import best_of_n_lab

best_of_n_lab(exact)

# %% [markdown]
# The same as a still picture: which answers are chosen, for $n$ = 1, 4 and 64 by the reward model, and how good they are.

# %%
fig, axes = figure(1, 2, height=2.7)
shown = (exact.rewards, "reward model"), (exact.gold, "gold (points)")
for axis, (values, name) in zip(axes, shown, strict=True):
    edges = np.linspace(values.min(), values.max(), 21)
    for n, colour in ((1, "0.6"), (4, COLOURS["gold"]), (64, COLOURS["proxy"])):
        weights = exact.best_of_n(n).exp().flatten() / len(values)
        style = dict(histtype="step", lw=2, color=colour, label=f"n = {n}")
        axis.hist(values.flatten(), edges, weights=weights, **style)
    axis.set(xlabel=name)
axes[0].set_ylabel("probability")
axes[0].legend(loc="upper left");

# %% [markdown]
# ## 7. Two knobs: N and temperature
#
# Best-of-N needs answers that differ. A higher temperature makes them differ more, and makes the average answer worse. Which temperature gives the best of 16?
#
# Stored runs draw 16 answers to each of 96 unseen requests, other requests each time. (`judged(seed=0, temperature=1.0)` repeats one of them in some ten seconds.)

# %% tags=["predict"]
guess = predict(
    "By the gold utility, at which temperature is the best of 16 (chosen by the reward model) best?",
    {"0.4": "0.4, cool: good answers, nearly alike", "1.0": "1.0, as the model was trained",
     "1.4": "1.4, warm: worse answers, and all different"},
)  # fmt: skip
guess

# %% tags=["predicted"]
from rlhf_lib.workbook.ch10_rejection_sampling.experiments import TEMPERATURES

runs = list(results_of("10_rejection_sampling", "choices").values())
doubled = runs[0]["1.0"]["gold"]["step"]
fig, axes = figure(1, 2, height=3.0)
for temperature, colour in zip(TEMPERATURES, CYCLE, strict=False):
    for axis, metric in zip(axes, ("own", "gold"), strict=True):
        curves = np.array([run[f"{temperature}"]["pocket-reward"][metric] for run in runs])
        axis.plot(doubled, curves.T, color=colour, lw=0.6, alpha=0.6)
        axis.plot(doubled, curves.mean(0), "o-", color=colour, ms=4, lw=2, label=f"T = {temperature}")
    distinct = np.mean([run[f"{temperature}"]["distinct"] for run in runs])
    print(f"T = {temperature}: {distinct:.0%} of the texts are distinct")
for axis, name in zip(axes, ("reward model", "gold (points)"), strict=True):
    axis.set(xscale="log", xlabel="n", ylabel=name, xticks=doubled, xticklabels=doubled)
    axis.minorticks_off()
axes[0].legend()
gold_of = {t: np.mean([run[f"{t}"]["pocket-reward"]["gold"][-1] for run in runs]) for t in TEMPERATURES}
guess.reveal(f"{max(gold_of, key=gold_of.get)}")

# %% [markdown]
# Left, by the reward model: where answers are nearly alike, there is little to choose from. The cool setting starts ahead and is overtaken as soon as there are a few answers to choose between; the two warmer ones end level.
#
# Right, by gold: the cool setting is ahead at every $n$. Warm answers start so much worse that choosing by the reward model does not make up for it. (A better judge would: chapter 03 chooses the best of four by gold itself, and there the warmer answers catch up.) The two panels name different winners, and the reward model's panel is the one that you see in practice.
#
# The usual advice, from larger models, is a temperature of 0.7 to 1.0 and 10 to 30 or more answers to each prompt. Sweep it for your own model, and judge by something other than the reward that chooses.

# %% [markdown]
# ## 8. It stands and falls with the reward model
#
# Now fix the temperature at 1 and change the judge. The same answers are judged by gold itself, by the shipped reward model, by a poor one that has seen 100 very noisy comparisons, and by length.

# %%
fig, axis = figure(height=3.0)
choosers = [name for name in runs[0]["1.0"] if name != "distinct"]
for name, colour in zip(choosers, (COLOURS["proxy"], COLOURS["gold"], *CYCLE[2:]), strict=False):
    curves = np.array([run["1.0"][name]["gold"] for run in runs])
    axis.plot(doubled, curves.T, color=colour, lw=0.6, alpha=0.6)
    axis.plot(doubled, curves.mean(0), "o-", color=colour, ms=4, lw=2, label=f"by {name}")
axis.set(xscale="log", xlabel="n", ylabel="gold of the chosen (points)", xticks=doubled, xticklabels=doubled)
axis.minorticks_off()
fig.legend(loc="outside right upper");

# %% [markdown]
# Thin lines: single sets of 96 requests; thick: their mean. By its *own* reward each judge gets better answers as $n$ grows, by construction. Only gold tells the judges apart.
#
# The top line is what a perfect judge would reach; its distance from the shipped model's is what a better reward model could still gain, with the rest of the recipe unchanged. The shipped model's curve flattens: most of its gain comes from the first few answers, and from 8 to 16 it hardly gains at all, for twice the cost. The poor model
# gains next to nothing at small $n$ and loses at large $n$, and choosing by length makes answers worse. Chapter 18 draws more answers, from reward models of several qualities.
#
# That is the price of the method's simplicity: whatever the judge likes is what you get. RL trusts its reward model just as blindly, and adds a KL penalty against it. Rejection sampling has none. What holds its policy is that it imitates only its own answers, that $n$ is small, and that there are few rounds.

# %% [markdown]
# ## 9. A trick, and who used it
#
# Scoring $M\times N$ answers is the second bill, after drawing them. A batch is as wide as its longest answer, and the rest is padding that is computed for nothing. So sort the answers by length, score them in batches of like length, and put the rewards back in their places:

# %%
from rlhf_lib.training.rejection import padding_share

pile = sft.sample(world.prompts(40, seed=22), 8, 40, seed=3)
for name, sort in (("as drawn", False), ("sorted by length", True)):
    print(f"{name:17s} {padding_share(pile, sort=sort):.0%} of the positions are padding")
in_order, sorted_first = (score_by_length(proxy, pile, sort=sort) for sort in (False, True))
print(f"largest difference of a reward: {(in_order - sorted_first).abs().max():.1e}")

# %% [markdown]
# The rewards are the same but for rounding. With answers of thousands of tokens the saving is what makes the method affordable.
#
# **Who used it.** WebGPT answered with the best of up to 64 samples, and so did without RL in its best model. Anthropic's assistants of 2022 chose among several samples by a preference model *while answering*, and in collecting data: best-of-N, and no fine-tuning on the chosen. Llama 2 was fine-tuned on selected answers over several rounds, and
# only its last rounds added PPO. The DeepSeek R1 recipe has a stage of rejection sampling between two of RL. RAFT (Dong et al., 2023) is the method in rounds. RSO (Liu et al., 2024) accepts answers by *statistical* rejection sampling, with a probability that grows as $e^{r/\beta}$, and so aims at RL's own optimum. As a baseline it is hard to beat,
# and hard to skip: the book's reference run on school sums found no gain over its *random* control, since most of its prompts had only right answers to choose from. Without the control the reward model would have got the credit.

# %% [markdown]
# ## 10. For experts: when do best-of-N, rejection sampling and RL agree?
#
# This section is theory; the exercises do not need it. RL with a KL penalty of price β maximises
#
# $$\mathbb E_\pi[r] - \beta\,\mathrm{KL}(\pi\|\pi_{ref}) = \beta\log Z - \beta\,\mathrm{KL}(\pi\|\pi^*), \qquad \text{[OPT-3]}$$
#
# and its maximum is the reference tilted by the reward,
#
# $$\pi^*(y) = \pi_{ref}(y)\,e^{r(y)/\beta}/Z \qquad \text{[OPT-1]}, \qquad Z = \sum_y \pi_{ref}(y)\,e^{r(y)/\beta} \qquad \text{[OPT-2]}.$$
#
# Best-of-n tilts by the *rank*. For rare answers [OPT-4] becomes $\pi_n(y)\approx n\,\pi_{ref}(y)\,F(y)^{n-1}$, and $F^{n-1} = e^{(n-1)\log F}$. So **best-of-n is RL on the reward $\log F(y)$ with $\beta = 1/(n-1)$**. In the exact world:

# %%
from rlhf_lib.exact import optimal_policy

below = exact.rewards[:, None, :] <= exact.rewards[:, :, None]
log_rank = (below * exact.ref_logp.exp()[:, None, :]).sum(-1).log()
for n in (2, 4, 16, 64):
    tilted = optimal_policy(exact.ref_logp, log_rank, 1 / (n - 1))
    distance = exact_kl(exact.best_of_n(n), tilted).mean()
    size = exact_kl(exact.best_of_n(n), exact.ref_logp).mean()
    print(f"n = {n:2d}: KL to the reference {size:.2f}, to the tilt by rank {distance:.3f} nats")

# %% [markdown]
# Best-of-n never looks at how large a reward is, only at its rank. RL does. They agree exactly where the reward has two values, right and wrong: both keep the proportions within each class and move weight from one class to the other. For a fair comparison, `equal_kl_policy` picks for each request the β at which $\pi^*$ has the *same KL* as best-of-n:

# %%
from rlhf_lib.exact import equal_kl_policy

right = exact.with_rewards((exact.gold > 0.5).double())
mixed = (right.rewards.std(1) > 0).nonzero()[:, 0]  # requests that have right and wrong answers
for name, one in (("reward model", exact), ("right or wrong", right)):
    for n in (4, 16):
        ours, ref, r = one.best_of_n(n)[mixed], one.ref_logp[mixed], one.rewards[mixed]
        star = equal_kl_policy(ref, r, exact_kl(ours, ref))
        means = [expected(p, r).mean().item() for p in (ref, ours, star)]
        apart = abs(exact_kl(ours, star).mean())
        print(f"{name:14s} n = {n:2d}: reward of the reference {means[0]:.3f}, best-of-n {means[1]:.3f}, "
              f"RL {means[2]:.3f}; KL(best-of-n ‖ RL) {apart:.4f}")  # fmt: skip

# %% [markdown]
# At equal KL no policy has a higher mean reward than $\pi^*$, so RL's is the higher one. But best-of-n gets most of the way, and with right-or-wrong rewards nothing is left between them.
#
# **Rejection sampling** is best-of-n written into the weights. Fitted perfectly, it *is* best-of-n. And a second round starts from there, so its best of $n$ is the best of $n\cdot n$ of the first policy:

# %% tags=["nbval-check-output"]
from rlhf_lib.exact import best_of_n_policy

once = exact.best_of_n(4)
twice = best_of_n_policy(once, exact.rewards, 4)
difference = (twice.exp() - exact.best_of_n(16).exp()).abs().max()
print(f"two rounds of best-of-4 against best-of-16: largest difference {difference:.6f}")

# %% [markdown]
# So $k$ rounds are worth best-of-$n^k$, for the price of $k\,n$ answers. Three rounds of 8 would be the best of 512, if each round were fitted perfectly on unlimited requests. Section 4 shows what remains of it with 32 requests and two steps of fine-tuning a round.
#
# All of it in one picture, trained: tables of probabilities, one for each method, by the same loop. The line is the frontier, $\pi^*$ over all β.

# %%
from rlhf_lib.exact import ExactSettings, TabularPolicy, train_exact
from rlhf_lib.training.progress import silent

frontier = [exact.measure(exact.optimum(beta), beta) for beta in np.geomspace(0.15, 20, 30)]
choosing = {n: exact.measure(exact.best_of_n(n), 1.0) for n in (2, 4, 16, 64)}
common = dict(samples=16, learning_rate=0.075)


def end_of(settings):
    """Exact measures of a table after its training."""
    with silent():
        return train_exact(TabularPolicy(exact.ref_logp), exact, settings).rows[-1]


imitating = {n: end_of(ExactSettings("best_of_n", n=n, **common)) for n in (2, 4, 16, 64)}
climbing = {beta: end_of(ExactSettings(beta=beta, **common)) for beta in (2.0, 1.0, 0.5, 0.3)}

# %%
methods = {"best-of-n": choosing, "rejection sampling": imitating, "policy gradient": climbing}
titles = {"reward": "reward model", "gold": "gold (points)"}
fig, axes = figure(1, 2, height=3.1)
for axis, metric in zip(axes, titles, strict=True):
    axis.plot([f["kl"] for f in frontier], [f[metric] for f in frontier], color="0.5", label="π*, all β")
    for (name, results), mark in zip(methods.items(), "os^", strict=True):
        points = [(row["kl"], row[metric]) for row in results.values()]
        axis.plot(*zip(*points, strict=True), mark, ms=6, label=name)
    axis.set(xlabel="KL to the reference (nats)", title=titles[metric])
axes[0].legend(loc="lower right");

# %% [markdown]
# All methods end just below the frontier, close together. Right panel: beyond about 2 nats the reward of π* goes on rising, and its gold hardly does. What differs is less *where* the methods can go than what they cost: best-of-n at each use; rejection sampling once, and simply; RL with more machinery, and with a dial, β, that is continuous.

# %% [markdown]
# ## 11. Exercises

# %% [markdown] tags=["exercise"]
# {exercise: my_best_per_prompt}
#
# `rewards` (M, N): a row for each prompt. Return the column of the best answer in each row, as a tensor (M,) of whole numbers.

# %% tags=["solution"]
def solution_best_per_prompt(rewards):
    return rewards.argmax(dim=1)

# %% [markdown] tags=["exercise"]
# {exercise: my_top_overall}
#
# `rewards` (M, N) and a number `keep`. Return a list of `keep` pairs `(row, column)`, the best one first. If rewards tie, the earlier place goes first.

# %% tags=["solution"]
def solution_top_overall(rewards, keep):
    places = rewards.flatten().argsort(descending=True, stable=True)[:keep]
    return [divmod(place, rewards.shape[1]) for place in places.tolist()]

# %% [markdown] tags=["exercise"]
# {exercise: my_best_of_n}
#
# `rewards` (N,) of answers to one prompt, and n. Return the mean, over all subsets of n answers, of the subset's best reward. Don't list the subsets: there are too many. The formula stands in section 5.

# %% tags=["solution"]
def solution_best_of_n(rewards, n):
    total = 0.0
    for k, reward in enumerate(rewards.sort().values.tolist()):
        total += math.comb(k, n - 1) * reward
    return total / math.comb(len(rewards), n)

# %% [markdown] tags=["exercise"]
# {exercise: my_exact_kl}
#
# `p` (K,): probabilities of the answers, sorted from the worst to the best, no ties. Return KL(best-of-n ‖ p) in nats, as a number.

# %% tags=["solution"]
def solution_exact_kl(p, n):
    upto = p.cumsum(0)
    won = upto**n - (upto - p).clamp(min=0) ** n
    return (won * (won / p).log()).sum().item()

# %% [markdown] tags=["exercise"]
# {exercise: my_rejection_round}
#
# Write one whole round. `policy.sample(prompts, samples, seed=0)` draws `samples` answers to each prompt: token ids and mask, (N · G, T), the answers to one prompt in neighbouring rows. `reward(token_ids, mask)` gives (N · G,). Keep the best answer to each prompt. Fine-tune on those: `epochs` updates with
# `torch.optim.SGD` at `learning_rate`, on the mean negative log-likelihood of their real tokens. `policy.logprobs(prompts, token_ids)` gives (B, T), a prompt for each answer. Return the list of losses.

# %% tags=["solution"]
def solution_rejection_round(policy, reward, prompts, samples, epochs, learning_rate):
    token_ids, mask = policy.sample(prompts, samples, seed=0)
    rewards = reward(token_ids, mask).reshape(len(prompts), samples)
    best = torch.arange(len(prompts)) * samples + rewards.argmax(1)
    token_ids, mask = token_ids[best], mask[best]
    optimizer, losses = torch.optim.SGD(policy.parameters(), lr=learning_rate), []
    for _ in range(epochs):
        logp = policy.logprobs(prompts, token_ids)
        loss = -(logp * mask).sum() / mask.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses

# %% [markdown] tags=["exercise"]
# {exercise: my_group_size}
#
# Predict first. Then train a table of answers by imitating the best of every n, with sixteen draws of each request a step, for 40 steps, with n = 2, 4 and 16 and five seeds: `train_exact(TabularPolicy(tables.ref_logp), tables, settings)` with `tables = small_world()`. The number is the history's last `reward`. Fill in the lists and choose: an option, or `"undecided"`.

# %% tags=["solution"]
from rlhf_lib.exact.small_world import small_world

solution_group_size = {"2": [], "4": [], "16": []}
tables = small_world()
for n, measured in solution_group_size.items():
    for seed in range(5):
        settings = ExactSettings("best_of_n", steps=40, learning_rate=0.1, samples=16 // int(n), n=int(n), seed=seed)
        with silent():
            run = train_exact(TabularPolicy(tables.ref_logp), tables, settings)
        measured.append(run.last("reward"))
solution_group_size_choice = "undecided"

# %% [markdown]
# ## 12. The silent-bug clinic
#
# Bugs that raise no error. First the curves of a healthy run and of one with the bug; you say which bug it is. Then you prove it: write a test that gets a function, calls it on numbers of your choice, and asserts. It must fail the wrong code and pass the right one.

# %%
from rlhf_lib.exercises import clinic
from rlhf_lib.plots import plot_runs

case = clinic("worst_kept")
case

# %%
plot_runs(case.curves(), case.watch, title=case.title);

# %%
case.quiz

# %% [markdown]
# Now the test. `select(rewards, keep)` gives the places `(row, column)` of the `keep` best answers.

# %%
def my_test(select):
    raise NotImplementedError


case.check(my_test)

# %% [markdown]
# <details><summary>Hints</summary>
#
# 1. Make a small matrix in which you can see the best two.
# 2. `[[0.1, 0.9, 0.3], [0.8, 0.2, 0.0]]` with `keep = 2` has to give (0, 1) and (1, 0).
#
# </details>

# %% tags=["solution"]
def solution_worst_test(select):
    found = select(torch.tensor([[0.1, 0.9, 0.3], [0.8, 0.2, 0.0]]), 2)
    assert {tuple(place) for place in found} == {(0, 1), (1, 0)}, "0.9 and 0.8 are the best two"


case.check_solution(solution_worst_test)

# %% [markdown]
# In the second case nothing falls; it only fails to rise as it should.

# %%
second = clinic("mixed_rows")
second

# %%
plot_runs(second.curves(), second.watch, title=second.title);

# %%
second.quiz

# %%
def my_second_test(select):
    raise NotImplementedError


second.check(my_second_test)

# %% [markdown]
# <details><summary>Hints</summary>
#
# 1. A square matrix hides some mistakes. Put a single good answer into one that is not square.
# 2. Rewards of shape (3, 2), all 0 but for a 1 at (1, 0): that place has to come out.
#
# </details>

# %% tags=["solution"]
def solution_layout_test(select):
    rewards = torch.zeros(3, 2)
    rewards[1, 0] = 1.0
    assert [tuple(place) for place in select(rewards, 1)] == [(1, 0)], "the one good answer"


second.check_solution(solution_layout_test)

# %% [markdown]
# ## 13. What this chapter claimed
#
# First what the stored runs have to show: on how many seeds, and by how many standard deviations over seeds. Then the exact world.

# %% tags=["claims"]
from rlhf_lib.experiments.experiment import outcomes
from rlhf_lib.workbook.ch10_rejection_sampling.experiments import EXPERIMENTS

for name, experiment in EXPERIMENTS.items():
    for outcome in outcomes(experiment, list(results_of("10_rejection_sampling", name).values())):
        print(outcome)
        assert outcome.good, str(outcome)
assert abs(np.mean(all_subsets) - truth) < 4 * np.std(all_subsets) / math.sqrt(200), "unbiased"
assert np.std(all_subsets) < np.std(first_four), "all subsets scatter less than the first four"
bound = np.array([best_of_n_kl(n) for n in ns]) + 1e-9
assert all((np.array(found) <= bound).all() for found in kls.values()), "the formula is an upper bound"
assert kls["gold (many ties)"][-1] < kls["reward model (no ties)"][-1], "ties lower the KL"
assert torch.allclose(twice, exact.best_of_n(16)), "two rounds of best-of-4 are best-of-16"
assert exact_kl(ours, star).max() < 1e-6, "right or wrong: best-of-n and RL agree"
assert (in_order - sorted_first).abs().max() < 1e-3, "sorting changes no reward"
print("all claims hold")

# %% [markdown] tags=["recap"]
# ## Recap
#
# - Draw N, score, keep, fine-tune, again. Best per prompt keeps the mix of prompts, top overall does not.
# - Without a random control you do not know what the reward model contributed.
# - Best-of-N's KL is at most log N − (N − 1)/N; ties and likely answers make it smaller.
# - Best-of-N looks at ranks, RL at sizes. Two-valued rewards make them one. k rounds of n are best-of-nᵏ, if fitted perfectly.
# - All of it trusts the reward model blindly, and its gold levels off when the judge has no more to say.
#
# **Recall** of earlier chapters:

# %% tags=["recall"]
from IPython.display import display

from rlhf_lib.exercises import recall

for quiz in recall("10_rejection_sampling"):
    display(quiz)

# %% [markdown]
# **More:** the book's chapter [Rejection Sampling](https://rlhfbook.com/c/09-rejection-sampling); Nakano et al. (2021), WebGPT, with the estimator; Bai et al. (2022) and Ganguli et al. (2022) for best-of-N while answering; Touvron et al. (2023), Llama 2; Dong et al. (2023), RAFT; Liu et al. (2024), RSO; Beirami et al. (2024) for the KL of best-of-n.
