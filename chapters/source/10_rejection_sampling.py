# %% [markdown]
# # Rejection sampling
#
# Draw several answers to each prompt. Let a reward model score them. Keep the best and fine-tune on them. There is no policy gradient, no advantage and no clip: only sampling, sorting, and the loss of instruction fine-tuning. It is the first
# thing to try with a new reward model, and the baseline that RL has to beat.
#
# **You will be able to**
# - select answers by two rules, and say what each of them does to the prompts;
# - tell what the reward model contributed, by a random control;
# - estimate best-of-N for all N from one set of samples, and compute its KL exactly;
# - say when best-of-N, rejection sampling and RL end at the same policy.

# %% [markdown]
# ## 1. First the result
#
# Twelve requests, eight answers each, scored by a reward model. A column is a request; a ring marks the answer that we would keep.

# %% tags=["setup"]
import math

import numpy as np
import torch

from rlhf_lib import PocketWorld, load_policy, set_seed
from rlhf_lib.plots import COLOURS, figure
from rlhf_lib.rewards import GoldReward, RewardModel
from rlhf_lib.training import score_by_length, select_answers

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
# Mean of all answers and of those that are kept, by the reward model and by the truth:

# %%
true = gold(rollout).view(12, 8)
rows, columns = zip(*kept, strict=True)
for name, values in (("reward model", rewards), ("gold utility", true)):
    print(f"{name}: all {values.mean():+.2f}, kept {values[rows, columns].mean():+.2f}")
place = 0
for column in rewards[place].argsort(descending=True)[[0, -1]].tolist():
    print(f"{rewards[place, column]:+.2f}  {asked[place].text} -> {rollout.texts[8 * place + column]}")

# %% [markdown]
# Fine-tune on the kept answers, and the policy will give such answers at the first attempt. Then draw again.

# %% [markdown]
# ## 2. Two ways to select, by hand
#
# $M$ prompts $x_i$, $N$ answers $y_{ij}$ to each, rewards $R_{ij}=\mathcal R(y_{ij}\mid x_i)$: a matrix. Five prompts and four answers, the numbers of the book's example:

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
# **Best per prompt** keeps one answer of each row:
#
# $$S(R)_i = \arg\max_j R_{ij} \qquad \text{[RS-1]}$$
#
# **Top overall** forgets the rows and keeps the $K$ best of all $MN$:
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
# Row 2 gives two and row 4 none: its best, 0.6, loses against the second best of row 2. So best per prompt keeps the mixture of prompts as it is, and top overall moves it to prompts where rewards are high. That may mean *easy*, or only that the
# reward model likes such prompts: comparisons of answers to the same prompt never told it how to compare across prompts.
#
# From a place in the flattened matrix back to row and column is `divmod(place, N)`. A row has $N$ places. This line is wrong more often than one thinks: see the clinic below.

# %% [markdown]
# ## 3. The control
#
# After fine-tuning the policy is better. Was it the reward model's choice? Or just more fine-tuning, on answers of the policy's own kind? Only a **random control** can tell: as many answers, the same number of steps, chosen without a look at the reward.

# %%
asked = world.prompts(64, seed=9)
rollout = sft.sample(asked, 8, 40, seed=5)
rewards, true = score_by_length(proxy, rollout).view(64, 8), gold(rollout).view(64, 8)
print(f"{'':18s} reward   gold   requests   kinds of request kept most")
for selection in ("best_per_prompt", "random_per_prompt", "top_overall", "random_overall"):
    rows, columns = zip(*select_answers(rewards, selection, seed=1), strict=True)
    kinds = [asked[row].kind for row in rows]
    most = max(set(kinds), key=kinds.count)
    there = f"{len(set(rows)):3d} of 64   {most} {kinds.count(most)} times"
    print(f"{selection:18s} {rewards[rows, columns].mean():+.2f}    {true[rows, columns].mean():+.2f}   {there}")

# %% [markdown]
# Top overall has the highest rewards. It pays in variety: nearly half of the requests give nothing, and one kind of request makes up two fifths of what is kept. The means of the two rules are thus means over different requests; which of them trains
# better is for the next section.

# %% [markdown]
# ## 4. Several rounds, for real
#
# Three rounds of: 32 requests, 8 answers each, keep 32, fine-tune for two epochs. Each round draws from the policy as it then stands. The reward model selects; gold only looks on. Grey: the bands of five seeds, stored by `make claims`.

# %% tags=["training"]
from rlhf_lib.training import RejectionSettings, side_by_side, train_rejection

requests = world.prompts(1000, seed=5)
selections = ("best_per_prompt", "random_per_prompt", "top_overall", "random_overall")
policies = {selection: sft.copy() for selection in selections}


def fine_tune(selection):
    settings = RejectionSettings(rounds=3, prompts_per_round=32, selection=selection)
    return train_rejection(policies[selection], requests, proxy, settings, gold)


runs = side_by_side(fine_tune, selections)  # two at a time, each with half of the cores

# %%
from rlhf_lib.experiments.bands import load_band

bands = load_band("rejection")
fig, axes = figure(2, 4, height=1.9, sharex=True, sharey="row")
for column, (selection, run) in enumerate(runs.items()):
    for axis, metric in zip(axes[:, column], ("proxy", "gold"), strict=True):
        band = bands[selection][metric]
        axis.fill_between(range(3), band["low"], band["high"], color="0.85")
        axis.plot(run.series(metric), "o-", color=COLOURS[metric], lw=2, ms=4)
    axes[0, column].set_title(selection.replace("_", " "))
axes[0, 0].set_ylabel("reward model")
axes[1, 0].set_ylabel("gold (points)")
fig.supxlabel("rounds of fine-tuning so far", fontsize=9);

# %% [markdown]
# And on 96 requests that no round has seen:

# %%
unseen, ends = world.prompts(96, seed=99, split="test"), {}
trained = {"before": sft, **policies}
drawn = side_by_side(lambda name: trained[name].sample(unseen, 2, 40, seed=1), trained)
for name, rollout in drawn.items():
    ends[name] = tuple(score_by_length(r, rollout).mean().item() for r in (proxy, gold))
    words = rollout.lengths.mean()
    print(f"{name:18s} reward model {ends[name][0]:+.2f}   gold {ends[name][1]:+.2f}   tokens {words:.0f}")

# %% [markdown]
# Read the pairs: each selection against *its* control. A control moves as well, for a few of one's own answers, imitated, pull the policy somewhere; over the five seeds both controls together ended anywhere from −0.15 to +0.20 in reward and from −0.24 to −0.01 in gold. What
# the reward model's choice contributed is the difference: about one point of reward, and a few tenths of gold. (The book's own reference run on school sums shows the opposite outcome: its random control did as well as the selection, and
# most of its prompts had only right answers to choose from. Without the control, the gain would have been credited to the reward model.)
#
# What fine-tuning reads in a round:

# %%
import pandas as pd

shown = ["proxy", "proxy_kept", "gold", "gold_kept", "distinct", "length"]
pd.DataFrame(runs["best_per_prompt"].rows).set_index("step")[shown].round(2)

# %% [markdown]
# Two habits of such runs. The mean of a round creeps up towards what the round before has *kept*: that is all that imitation can do. And `distinct`, the share of different texts among the kept, begins to fall: answers become alike, so the best of eight is less and
# less ahead of the mean.
#
# | you see | likely cause |
# |---|---|
# | reward falls from round to round | the sort is ascending |
# | reward flat, and `proxy_kept` is near `proxy` | the selection is not by reward (indices!), or all answers are alike: raise the temperature |
# | the control gains as much | the answers were right anyway, or the fine-tuning itself helps |
# | `proxy_kept` rises, `gold_kept` does not | the reward model is being exploited: chapter 18 |
# | `distinct` collapses | fewer rounds, fewer epochs, more requests in a round |

# %% [markdown]
# ## 5. Best-of-N
#
# One can also leave out the fine-tuning: at each request draw $N$ answers and show the best. **Best-of-N** changes no weights. It costs $N$ times the sampling at each use, and it tells what a round of rejection sampling can reach at most.
#
# How good is the best of $n$, for each $n$? Drawing anew for each is dear. From $N$ answers in hand, one can average over *all* subsets of $n$: sort, and the $k$-th worst is the best of a subset if the other $n-1$ stand below it,
#
# $$\widehat{R}_n = \sum_{k=1}^{N} \frac{\binom{k-1}{n-1}}{\binom{N}{n}}\; r_{(k)}.$$
#
# It is unbiased, and it uses all answers. **Predict:** against "the best of the first $n$", which has the larger error?

# %%
from rlhf_lib.evaluation import best_of_n
from rlhf_lib.exact import exact_world
from rlhf_lib.objectives import best_of_n_kl, exact_kl

kinds = ("fact", "opinion", "unsafe", "lookalike", "sum")
exact = exact_world(world, world.prompts(8, kinds, seed=3), sft, proxy, size=100)

# %% [markdown]
# An **exact world**: eight requests, for each the list of 100 answers, the SFT model's probability of each, and its reward. In it nothing needs to be estimated: the probability that an answer is the best of $n$ is a difference of two $n$-th powers,
#
# $$\pi_n(y) = \frac{\pi(y)}{m(y)}\Big[F(y)^n - \big(F(y)-m(y)\big)^n\Big] \qquad \text{[OPT-4]}$$
#
# where $F(y)$ is the probability of a reward at most that of $y$, and $m(y)$ the probability of the same reward, the ties.

# %%
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
# ## 6. How far is best-of-N from the policy?
#
# Choosing the best of $n$ makes good answers likelier, so it is another policy, at some KL from the first. The usual formula needs neither policy nor reward:
#
# $$\mathrm{KL} = \log n - \frac{n-1}{n} \qquad \text{[KL-4]}$$
#
# In the exact world we can check it:
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
# The formula is an **upper bound**. Why? Give each draw a ticket with a random number and let tickets break ties. Then no two draws are equal, the rank of the best is all that matters, and the formula holds exactly. Now hide the tickets: forgetting part of what was drawn
# can only make two distributions more alike. So the KL of the answers themselves is at most the formula.
#
# It is **tight** where tickets are hardly needed: many answers, each rare, no ties. It is loose for rewards with few values, and for large $n$: the KL can't exceed $\log 1/P(\text{best})$, while the formula grows for ever.
#
# Two answers of probability 1/2, and what happens if each of them is split into ever more shades, each with its own reward:

# %%
for shades in (1, 2, 8, 64, 512):
    uniform = torch.zeros(2 * shades, dtype=torch.float64)
    ranks = torch.arange(2 * shades, dtype=torch.float64)
    print(f"{2 * shades:5d} answers: KL of best-of-8 {best_of_n_exact_kl(uniform, ranks, 8):.3f}")
print(f"      formula: {best_of_n_kl(8):.3f}")

# %% [markdown]
# Keep this in mind for figures that plot rewards against "the KL" of best-of-N: nearly all of them use the formula.

# %% tags=["lab"]
from rlhf_lib.labs import best_of_n_lab

best_of_n_lab(exact)

# %% [markdown]
# The same as a still figure: which answers are chosen, for $n$ = 1, 4 and 64 by the reward model, and how good they are.

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
# Best-of-N needs answers that differ. Temperature makes them differ, and makes them worse on average. **Predict:** which temperature gives the best of 16, by the reward model, and by gold?

# %%
asked, sweep, fresh = world.prompts(32, seed=21, split="test"), {}, {}
temperatures = (0.4, 0.7, 1.0, 1.4)
drawn = side_by_side(lambda temperature: sft.sample(asked, 16, 40, temperature, seed=2), temperatures)
for temperature, rollout in drawn.items():
    scores = [score_by_length(r, rollout).view(32, 16) for r in (proxy, gold)]
    sweep[temperature] = best_of_n(*scores)
    fresh[temperature] = len(set(rollout.texts)) / len(rollout.texts)
    if temperature == 1.0:
        pool, pool_proxy, pool_gold = rollout, *scores

# %%
fig, axes = figure(1, 2, height=2.8)
for temperature, found in sweep.items():
    label = f"T = {temperature}: {fresh[temperature]:.0%} distinct"
    axes[0].plot(found.n, found.proxy, "o-", ms=4, label=label)
    axes[1].plot(found.n, found.gold, "o-", ms=4, label=label)
doubled = [1, 2, 4, 8, 16]
for axis, name in zip(axes, ("reward model", "gold (points)"), strict=True):
    axis.set(xscale="log", xlabel="n", ylabel=name, xticks=doubled, xticklabels=doubled)
    axis.minorticks_off()
axes[0].legend();

# %% [markdown]
# Left: without variety there is little to choose from, so by the reward model T = 1 beats the cooler settings more and more clearly as $n$ grows. At 1.4 there is still more variety, and no more gain. Right: by gold the two cool settings are level and ahead. Warm answers start worse, and
# choosing by the reward model does not make up for it.
#
# The usual advice, from larger models, is T of 0.7 to 1.0 and 10 to 30 or more answers to each prompt. For our small model and this reward model, cooler is better by gold. So sweep it, and judge by something else than the reward that chooses. Each doubling of $n$ costs
# twice as much.

# %% [markdown]
# ## 8. It stands and falls with the reward model
#
# The same 512 answers (T = 1), chosen by four judges: gold itself, the shipped reward model, a poor one that has seen 100 very noisy comparisons, and length.

# %%
from rlhf_lib.experiments import Setting, relabel
from rlhf_lib.runtime import data_path
from rlhf_lib.training import RewardModelSettings, read_preferences, train_reward_model

pairs = read_preferences(data_path("preferences", "pocket-train.jsonl"))
noisy = relabel(pairs, world, Setting(pairs=100, noise=1.0))
poor = RewardModel.from_policy(sft)
train_reward_model(poor, noisy, RewardModelSettings(epochs=4))
scores = {
    "gold": pool_gold,
    "pocket-reward": pool_proxy,
    "poor reward model": score_by_length(poor, pool).view(32, 16),
    "length": pool.lengths.view(32, 16),
}
chosen = {name: best_of_n(values, pool_gold) for name, values in scores.items()}

# %%
fig, axis = figure(height=2.9)
for name, found in chosen.items():
    axis.plot(found.n, found.gold, "o-", ms=4, label=f"by {name}")
axis.set(xscale="log", xlabel="n", ylabel="gold of the chosen (points)")
axis.set(xticks=doubled, xticklabels=doubled)
axis.minorticks_off()
fig.legend(loc="outside right upper");

# %% [markdown]
# Every judge is delighted: its *own* reward of the chosen answer rises with $n$, by construction. Only gold tells them apart. The distance between the first line and the second is what a better reward model could still gain; the rest of the recipe is the same for all four.
#
# From $n=8$ to 16 the shipped model gains next to nothing. Over-optimization, or noise? 32 requests cannot tell. What `make claims` did check, on five sets of 96 requests: best-of-8 by the shipped model beats the poor one each time, and length is worse than chance each time.
# Chapter 18 goes on to n = 64: by this reward model gold still rises there; by models of fewer comparisons, in its lab, it turns.
#
# This is the price of the method's simplicity. RL uses the reward model in the same blind way, and adds a KL penalty against it. Rejection sampling has none: what holds the policy is that it only imitates its own answers, that $n$ is small, and that there are few
# rounds.

# %% [markdown]
# ## 9. Best-of-N, rejection sampling, RL: when do they agree?
#
# RL with a KL penalty maximises
#
# $$\mathbb E_\pi[r] - \beta\,\mathrm{KL}(\pi\|\pi_{ref}) = \beta\log Z - \beta\,\mathrm{KL}(\pi\|\pi^*), \qquad \text{[OPT-3]}$$
#
# whose maximum is the reference tilted by the reward,
#
# $$\pi^*(y) = \pi_{ref}(y)\,e^{r(y)/\beta}/Z \qquad \text{[OPT-1]}, \qquad Z = \sum_y \pi_{ref}(y)\,e^{r(y)/\beta} \qquad \text{[OPT-2]}.$$
#
# Best-of-n tilts it by the *rank*: for rare answers [OPT-4] becomes $\pi_n(y)\approx n\,\pi_{ref}(y)\,F(y)^{n-1}$, and $F^{n-1} = e^{(n-1)\log F}$. So **best-of-n is RL on the reward $\log F(y)$ with $\beta = 1/(n-1)$**. In the exact world:

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
# Best-of-n never looks at how large a reward is, only at its rank. RL does. They agree exactly where the reward has two values, right and wrong: then both keep the proportions within the right and within the wrong answers and move weight from one to the other. And they agree roughly
# where $r$ is close to a straight line in $\log F$.
#
# To compare them fairly, choose for each request the $\beta$ at which $\pi^*$ has the *same KL* as best-of-n (by bisection):

# %%
def equal_kl(ref_logp, rewards, kl):
    """Log-probabilities (N, K) of pi*, with the beta of each row such that its KL is kl (N,)."""
    low, high = torch.full_like(kl, 1e-3), torch.full_like(kl, 1e3)
    for _ in range(60):
        beta = (low * high).sqrt()
        star = (ref_logp + rewards / beta[:, None]).log_softmax(-1)
        too_far = exact_kl(star, ref_logp) > kl
        low, high = torch.where(too_far, beta, low), torch.where(too_far, high, beta)
    return star


# %%
right = exact.with_rewards((exact.gold > 0.5).double())
mixed = (right.rewards.std(1) > 0).nonzero()[:, 0]  # requests that have right and wrong answers
for name, one in (("reward model", exact), ("right or wrong", right)):
    for n in (4, 16):
        ours, ref, r = one.best_of_n(n)[mixed], one.ref_logp[mixed], one.rewards[mixed]
        star = equal_kl(ref, r, exact_kl(ours, ref))
        means = [expected(p, r).mean().item() for p in (ref, ours, star)]
        print(f"{name:14s} n = {n:2d}: reference {means[0]:.3f}, best-of-n {means[1]:.3f}, RL {means[2]:.3f}; "
              f"KL(best-of-n ‖ RL) {abs(exact_kl(ours, star).mean()):.4f}")  # fmt: skip

# %% [markdown]
# At equal KL no policy has a higher mean reward than $\pi^*$, so RL's is the higher one. But best-of-n gets most of the way, and with right-or-wrong rewards there is nothing left between them.
#
# **Rejection sampling** is best-of-n put into the weights. Fitted perfectly, it *is* best-of-n. And a second round starts from there, so its best of $n$ is the best of $n\cdot n$ of the first policy:

# %% tags=["nbval-check-output"]
from rlhf_lib.exact import best_of_n_policy

once = exact.best_of_n(4)
twice = best_of_n_policy(once, exact.rewards, 4)
difference = (twice.exp() - exact.best_of_n(16).exp()).abs().max()
print(f"two rounds of best-of-4 against best-of-16: largest difference {difference:.6f}")

# %% [markdown]
# So $k$ rounds are worth best-of-$n^k$, for the price of $k\,n$ answers. Three rounds of 8 would be the best of 512, if each round were fitted perfectly on unlimited requests. Section 4 shows what remains of it with 32 requests and two steps of fine-tuning a round.
#
# All on one picture, trained: tables of probabilities, one for each method, by the same loop. The line is the frontier of $\pi^*$ over all β.

# %%
from rlhf_lib.exact import ExactSettings, TabularPolicy, train_exact

frontier = [exact.measure(exact.optimum(beta), beta) for beta in np.geomspace(0.15, 20, 30)]
choosing = {n: exact.measure(exact.best_of_n(n), 1.0) for n in (2, 4, 16, 64)}
imitating, climbing = {}, {}
for n in (2, 4, 16, 64):
    settings = ExactSettings("best_of_n", n=n, samples=16, learning_rate=0.075)
    imitating[n] = train_exact(TabularPolicy(exact.ref_logp), exact, settings).rows[-1]
for beta in (2.0, 1.0, 0.5, 0.3):
    settings = ExactSettings(beta=beta, samples=16, learning_rate=0.075)
    climbing[beta] = train_exact(TabularPolicy(exact.ref_logp), exact, settings).rows[-1]

# %%
methods = {"best-of-n": choosing, "rejection sampling": imitating, "policy gradient": climbing}
titles = {"reward": "reward model", "gold": "gold (points)"}
fig, axes = figure(1, 2, height=3.1)
for axis, metric in zip(axes, titles, strict=True):
    axis.plot([f["kl"] for f in frontier], [f[metric] for f in frontier], color="0.5", label="π*, all β")
    for (name, found), mark in zip(methods.items(), "os^", strict=True):
        points = [(row["kl"], row[metric]) for row in found.values()]
        axis.plot(*zip(*points, strict=True), mark, ms=6, label=name)
    axis.set(xlabel="KL to the reference (nats)", title=titles[metric])
axes[0].legend(loc="lower right");

# %% [markdown]
# Best-of-n lies a little below the frontier, rejection sampling a little below best-of-n or near it, the policy gradient near the frontier of its β. What differs is less *where* they can go than what they cost: best-of-n at each use, rejection sampling
# once and simply, RL with more machinery and a dial, β, that is continuous. Right panel: beyond about 2 nats the reward of π* goes on rising and its gold does not.

# %% [markdown]
# ## 10. A trick: sort by length
#
# Scoring $M\times N$ answers is the second bill after drawing them. A batch is as wide as its longest answer, so in a random order about half of it is padding. Sort by length first, score, and put the rewards back in their places. The library's reward model forms groups of like length by itself, so to see the difference, the cell goes around it:

# %%
from rlhf_lib.training import time_scoring

def score_padded(rollout):
    """The reward model's head over a whole batch as it stands, padding and all."""
    states = proxy.trunk.hidden_states(rollout.token_ids, rollout.attention_mask)[:, rollout.prompt_length:]
    last = rollout.lengths.long() - 1
    return proxy.head(states[torch.arange(len(states)), last]).squeeze(-1)


pile = sft.sample(world.prompts(40, seed=22), 8, 40, seed=3)
timing = time_scoring(score_padded, pile, repeats=1)
print(f"as drawn: {timing.unsorted_padding:.0%} padding, {timing.unsorted_seconds:.2f} s")
print(f"sorted:   {timing.sorted_padding:.0%} padding, {timing.sorted_seconds:.2f} s")
in_order, sorted_first = (score_by_length(score_padded, pile, sort=sort) for sort in (False, True))
same = (in_order - sorted_first).abs().max()
print(f"largest difference of a reward: {same:.1e}")

# %% [markdown]
# The rewards are the same but for rounding. With answers of thousands of tokens the gain is larger still.
#
# **Who used it.** WebGPT chose by best-of-N at inference; models of Anthropic and Llama 2 were trained on selected answers, Llama 2 in several rounds, before RL; the DeepSeek R1 recipe has a stage of it between two of RL. RAFT (Dong et al., 2023) is the method in rounds; RSO (Liu et al.,
# 2024) draws the accepted answers by *statistical* rejection sampling, with probability in proportion to $e^{r/\beta}$, and so aims at $\pi^*$ itself.

# %% [markdown]
# ## 11. Exercises

# %% [markdown] tags=["exercise"]
# {exercise: my_best_per_prompt}
#
# `rewards` (M, N): a row a prompt. Return the column of the best answer in each row, as a tensor (M,) of whole numbers.

# %% tags=["solution"]
def solution_best_per_prompt(rewards):
    return rewards.argmax(dim=1)

# %% [markdown] tags=["exercise"]
# {exercise: my_top_overall}
#
# `rewards` (M, N) and a number `keep`. Return a list of `keep` pairs `(row, column)`, the best one first. No rewards are equal but in the book's matrix, where the earlier place goes first.

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
# 1. Make a small matrix in which the best two can be seen.
# 2. `[[0.1, 0.9, 0.3], [0.8, 0.2, 0.0]]` with `keep = 2` has to give (0, 1) and (1, 0).
#
# </details>

# %% tags=["solution"]
def solution_worst_test(select):
    found = select(torch.tensor([[0.1, 0.9, 0.3], [0.8, 0.2, 0.0]]), 2)
    assert {tuple(place) for place in found} == {(0, 1), (1, 0)}, "0.9 and 0.8 are the best two"


case.check_solution(solution_worst_test)

# %% [markdown]
# The second case: nothing falls, it only fails to rise as it should.

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

# %% tags=["claims"]
assert ends["best_per_prompt"][0] > ends["random_per_prompt"][0] + 0.3, "selection beats its control"
assert ends["best_per_prompt"][1] > ends["before"][1], "and gold is higher than before"
assert ends["top_overall"][0] > ends["random_overall"][0] + 0.3, "top overall beats its control"
assert abs(np.mean(all_subsets) - truth) < 4 * np.std(all_subsets) / math.sqrt(200), "unbiased"
assert np.std(all_subsets) < np.std(first_four), "all subsets scatter less than the first four"
bound = np.array([best_of_n_kl(n) for n in ns]) + 1e-9
assert all((np.array(found) <= bound).all() for found in kls.values()), "the formula is an upper bound"
assert kls["gold (many ties)"][-1] < kls["reward model (no ties)"][-1], "ties lower the KL"
assert torch.allclose(twice, exact.best_of_n(16)), "two rounds of best-of-4 are best-of-16"
assert exact_kl(ours, star).max() < 1e-6, "right or wrong: best-of-n and RL agree"
assert chosen["pocket-reward"].gold[3] > chosen["poor reward model"].gold[3], "a better judge, n = 8"
assert chosen["length"].gold[3] < chosen["length"].gold[0], "length is a bad judge"
assert timing.sorted_padding < timing.unsorted_padding, "sorted batches have less padding"
print("all claims hold")

# %% [markdown] tags=["recap"]
# ## Recap
#
# - Draw N, score, keep, fine-tune, again. Best per prompt keeps the mixture of prompts, top overall does not.
# - Without a random control one does not know what the reward model contributed.
# - Best-of-N's KL is at most log N − (N − 1)/N; ties and likely answers make it smaller.
# - Best-of-N looks at ranks, RL at sizes. Two-valued rewards make them one. k rounds of n are best-of-nᵏ, if fitted perfectly.
# - All of it trusts the reward model blindly.
#
# **Recall** of earlier chapters:

# %% tags=["recall"]
from IPython.display import display

from rlhf_lib.exercises import recall

for quiz in recall("10_rejection_sampling"):
    display(quiz)

# %% [markdown]
# **More:** the book's chapter [Rejection Sampling](https://rlhfbook.com/c/09-rejection-sampling); Nakano et al. (2021), WebGPT, with the estimator; Touvron et al. (2023), Llama 2; Dong et al. (2023), RAFT; Liu et al. (2024), RSO; Beirami et al. (2024) for the KL of best-of-n.
