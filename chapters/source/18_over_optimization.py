# %% [markdown]
# # Over-optimization
#
# "When a measure becomes a target, it ceases to be a good measure" (Goodhart's law, in Strathern's words). A reward model is a measure. In this chapter it becomes a target, and because our world has a gold utility we can see, and
# not only suspect, what happens.
#
# **You will be able to**
# - tell over-optimization from over-fitting;
# - draw proxy and gold against the distance from the reference policy, for RL and for best-of-n, and fit the curves of Gao et al.;
# - say what more data, less noise, ensembles, a KL penalty and early stopping do, and do not do;
# - recognise the signs in the answers themselves.

# %% [markdown]
# ## 1. The whole lesson in a minute
#
# A policy is trained against a reward model made from nearly 4,000 comparisons. A second model, trained on *other* comparisons, and the gold utility only look on. We also keep a copy of the policy from step 22.
#
# **Predict** the three curves before you run on.

# %% tags=["setup"]
import numpy as np
import torch

from rlhf_lib import PocketWorld, data_path, load_policy, set_seed
from rlhf_lib.evaluation import rise_and_fall, smooth
from rlhf_lib.experiments.bands import load_band
from rlhf_lib.plots import figure, plot_rise_and_fall
from rlhf_lib.rewards import GoldReward, RewardModel
from rlhf_lib.training import OnlineTrainer, read_preferences, train_reward_model

set_seed(0)
world, sft = PocketWorld(), load_policy("pocket-sft")
proxy_model = RewardModel.load("pocket-reward")

# %%
held_out_model = RewardModel.from_policy(sft, seed=9)
others = read_preferences(data_path("preferences", "pocket-test.jsonl"))
train_reward_model(held_out_model, others[:320]);

# %% [markdown]
# `main_settings` are those of the library's experiment, which goes on to step 48; the stored runs of section 5 take fewer answers and reach this learning rate later. The loop is chapter 11's, one step at a time, so that we can look in.

# %% tags=["training"]
from rlhf_lib.experiments.over_optimization import main_settings

policy, gold = sft.copy(), GoldReward(world)
trainer = OnlineTrainer(policy, world.prompts(2000, seed=7), proxy_model, main_settings(steps=44), gold)
held_out, early = [], None
for step in range(trainer.settings.steps):
    trainer.step()
    if step == 22:
        early = policy.copy()
    if step % 6 == 0:
        rollout = policy.sample(world.prompts(40, seed=77, split="test"), max_new_tokens=40, seed=step)
        with torch.no_grad():
            held_out.append((step, held_out_model(rollout).mean().item()))
history = trainer.history

# %%
band = load_band("over_optimization")
shape = rise_and_fall(history.series("gold"), history.series("proxy"), band["spread"], band["start"])
fig = plot_rise_and_fall(
    history.series("proxy"), history.series("gold"), peak=shape.peak_step,
    band={name: (band[name]["low"], band[name]["high"]) for name in ("proxy", "gold")},
)
fig.axes[0].set_ylim(-2.5, 1);  # some runs fall far below this

# %%
print(f"gold: {shape.start:+.2f}, peak {shape.peak:+.2f} at step {shape.peak_step}, end {shape.end:+.2f}")
print(f"a rise of {shape.rise:.2f} sd of SFT answers; then {shape.fall:.0%} of the gain is lost")
print("the proxy kept rising:", shape.proxy_kept_rising)

# %% [markdown]
# The bands are five seeds, each with labels, reward model and policy of its own. First the two rewards rise together: the policy stops repeating itself, stays on the topic, refuses what it should. Then the easy gains are used up, and what is left to
# gain is in the reward model's errors and in the annotators' tastes.
#
# This is not over-**fitting**. The prompts are fresh in every step, and the policy generalises perfectly well: it has learned, in general, to please the wrong judge.

# %% [markdown]
# ## 2. What it looks like

# %%
from rlhf_lib.plots import answers_table

asked = world.prompts(5, kinds=("fact", "open", "lookalike", "unsafe", "opinion"), seed=12, split="test")
models = {"SFT": sft, "at step 22": early, "at the end": policy}
answers = {name: m.sample(asked, max_new_tokens=40, seed=3).texts for name, m in models.items()}
answers_table(asked, answers, gold=world.gold)

# %% [markdown]
# Count the signs that the field has learned to look for, on 150 answers of each:

# %%
from rlhf_lib.evaluation import qualitative_signs
from rlhf_lib.plots import plot_signs

many = world.prompts(150, seed=21, split="test")
signs = {}
for name, model in models.items():
    texts = model.sample(many, max_new_tokens=40, seed=4).texts
    signs[name] = qualitative_signs(world, many, texts)
plot_signs(signs["SFT"], {name: signs[name] for name in ("at step 22", "at the end")})
print("words per answer:", {name: round(found["words"], 1) for name, found in signs.items()})

# %% [markdown]
# The plainest sign here is praise, said with confidence: by the end most answers flatter, whatever was asked. The annotators give a little for each such sentence, the reward model has learned it, and nothing in it stops at one. Other signs differ from seed to seed: they depend on what the annotators liked and on where the reward model errs. Large models show the same families: stock phrases, hedging, flattery and agreement with the user (sycophancy), refusals of harmless requests, length.

# %% [markdown]
# ## 3. Without a gold utility
#
# In practice nobody has the blue curve. Bai et al. (2022) split the comparisons: the policy is trained on a reward model of one half, and a reward model of the other half looks on. Ours was trained on 320 comparisons of its own:

# %%
steps, scores = zip(*held_out, strict=True)
fig, axis = figure(height=3, width=6.6)
axis.plot(smooth(history.series("proxy")), color="#D55E00", label="reward model that is trained on")
axis.plot(steps, smooth(scores, 3), "o-", ms=3, color="#CC79A7", label="held-out reward model")
axis.plot(smooth(history.series("gold")), color="#0072B2", ls="--", label="gold utility")
axis.set(xlabel="step", ylabel="reward (sd of SFT answers; gold in points)")
axis.legend();

# %% [markdown]
# Where the two reward models part, the policy has begun to use errors that only one of them has. But look at where they part, and where gold turns: the held-out model shares the annotators' *taste* with the other. It cannot see what both like and nobody should.

# %% [markdown]
# ## 4. Against the distance
#
# Steps depend on the learning rate. Gao et al. (2022) draw rewards against $d = \sqrt{\mathrm{KL}(\pi\,\|\,\pi_{ref})}$, which can be compared between optimizers. **Best-of-n** moves too: sample n answers, keep the one with the best proxy. Its distance has a formula,
#
# $$\mathrm{KL}_{bon} = \log n - \frac{n-1}{n} \qquad \text{[KL-4]}$$
#
# and the gold gains follow, for best-of-n and for RL,
#
# $$R_{bon}(d) = d(\alpha - \beta d) \quad \text{[OO-1]} \qquad\qquad R_{RL}(d) = d(\alpha - \beta\log d) \quad \text{[OO-2]}$$

# %%
from rlhf_lib.experiments import best_of_n_curve
from rlhf_lib.evaluation import fit_best_of_n_curve, fit_rl_curve

best = best_of_n_curve(sft, world, proxy_model, n=64, prompts=12)
d_best, d_rl = np.sqrt(best.kl), np.sqrt(np.maximum(smooth(history.series("kl")), 0))
gain_best = np.array(best.gold) - best.gold[0]
gain_rl = smooth(history.series("gold")) - band["start"]
curve_best, curve_rl = fit_best_of_n_curve(d_best, gain_best), fit_rl_curve(d_rl, gain_rl)

# %%
fig, axes = figure(1, 2, height=3.2)
panels = {"best-of-n": (d_best, gain_best, curve_best), "RL": (d_rl, gain_rl, curve_rl)}
for axis, (name, (d, gain, curve)) in zip(axes, panels.items(), strict=True):
    axis.plot(d, gain, "o", ms=4, color="#0072B2", label="gold gain, measured")
    grid = np.linspace(0.05, max(d), 100)
    axis.plot(grid, curve(grid), "k--", lw=1.2, label=f"fit: α {curve.alpha:.2f}, β {curve.beta:.2f}")
    axis.set(title=name, xlabel="√KL (√nats)", ylabel="gold utility gained")
    axis.legend(loc="best")

# %% [markdown]
# Best-of-n up to 64 stays within 1.8 √nats of the SFT policy, where this proxy is still good. RL goes more than twice as far. Look where the RL form misses: at small distances it promises gains that are not there, since its slope at 0 is infinite, and so its peak comes too early or too low. It was found on language models of billions of parameters, against reward models of many sizes; two numbers cannot follow a
# curve that starts flat and then turns down at once.

# %% [markdown]
# ## 5. What helps, and how much
#
# Each line below is a real run from the stored grid (`make grid` rebuilds it): its own labels, reward model(s) and policy.

# %%
from rlhf_lib.workbook.ch18_over_optimization.lab_over_optimization import curves


def compare(title, runs):
    """Proxy and gold of several cells of the grid: label -> (pairs, noise, bias, members, beta)."""
    fig, (left, right) = figure(1, 2, height=2.9)
    for label, cell in runs.items():
        found = curves(*cell, "RL")
        left.plot(found["proxy"], label=label)
        right.plot(found["gold"], label=label)
    left.set(xlabel="step", title="proxy (sd of SFT answers)")
    right.set(xlabel="step", title="gold (points)")
    left.legend()
    fig.suptitle(title, fontsize=11)


compare("more comparisons", {f"{n} pairs": (n, 0.3, 1.0, 1, 0.0) for n in (300, 1000, 4000)})

# %%
compare("noisier annotators", {f"noise {t}": (1000, t, 1.0, 1, 0.0) for t in (0.3, 1.0)})
compare("fair annotators", {name: (4000, 0.3, b, 1, 0.0) for name, b in (("biased", 1.0), ("fair", 0.0))})

# %%
members = {f"{m} reward model(s)": (1000, 0.3, 1.0, m, 0.0) for m in (1, 3)}
compare("a cautious ensemble: mean − std of three", members)
compare("a KL penalty", {f"β = {b}": (1000, 0.3, 1.0, 1, b) for b in (0.0, 0.05, 0.2)})

# %% [markdown]
# The last comparison matters most, so here it is over five seeds: runs like that of section 1, to step 48, without a penalty and with a strong one, β = 0.5.

# %%
from rlhf_lib.plots import plot_bands

both = {"no penalty": band["gold"], "β = 0.5": load_band("kl_penalty")["gold"]}
cut = {name: [np.maximum(b[key], -3) for key in ("low", "median", "high")] for name, b in both.items()}
fig = plot_bands(cut, "gold utility (points), cut off at −3", band["start"])
for name, b in both.items():
    ends = [round(float(np.mean(b[key][-10:])), 2) for key in ("low", "median", "high")]
    print(f"{name:10s} highest median {max(b['median']):.2f}; last ten steps, low, median, high: {ends}")

# %% [markdown]
# The penalty takes away the cliff, not every loss. By the mean of the last ten steps all five seeds end above the SFT policy and keep more than half of their gain, but each has lost some of it, 10 to 48% (without the penalty: 54 to 2,672%). It is a slower way down as much as a stop: with four steps more, two of the five seeds had lost 54 and 58%. Within its reach the policy still moves to what the reward model overrates.
#
# A single run proves little: so here are all 72 of the grid, averaged over everything but one knob at a time.

# %%
from itertools import product

import pandas as pd

from rlhf_lib.experiments.build_grid import BETAS, BIAS, MEMBERS, NOISE, PAIRS

knobs = ["pairs", "noise", "bias", "reward models", "β"]
measured = ["peak of gold", "gold at the end", "KL at the end"]
rows = []
for cell in product(PAIRS, NOISE, BIAS, MEMBERS, BETAS):
    run = curves(*cell, "RL")
    rows.append((*cell, run["gold"].max(), run["gold"][-1], run["kl"][-1]))
grid = pd.DataFrame(rows, columns=[*knobs, *measured])
means = pd.DataFrame({(k, v): part[measured].mean() for k in knobs for v, part in grid.groupby(k)}).T
means.round(2)

# %% [markdown]
# One seed a cell, so a few hundredths mean nothing. What stands out:
#
# - **A KL penalty** costs little at the peak and saves most at the end. It does not make the reward model better; it keeps the policy where it is still good.
# - **More comparisons** raise the peak: the errors that remain are further away. They do not remove what the annotators *wanted*.
# - **Noise** hardly matters here: with thousands of comparisons it averages out. **Bias** does not average out.
# - **Fair annotators** do not save us: gold still falls with bias 0. That part is the reward model's own error, far from its data.
# - **Ensembles** end higher. They know where their members disagree, and not what all of them have learned wrongly.
# - **Early stopping** is the cheapest: keep the copy from step 22. It needs something trustworthy to look at: a held-out model, people, or tests.

# %% [markdown] tags=["lab"]
# ## 6. Lab
#
# Choose pairs, noise, bias, number of reward models, β and optimizer: the stored run appears with some of its answers. The button trains the chosen setting now (600 comparisons, 25 steps, less than half a minute).

# %% tags=["lab"]
from rlhf_lib.labs import over_optimization_lab
from rlhf_lib.workbook.ch18_over_optimization.lab_over_optimization import LiveRun

over_optimization_lab(LiveRun())

# %% [markdown]
# ### The two pictures tied together
#
# Chapter 02 had the same lesson as a walk over hills: a reward model is a map drawn near the baseline's path, and a walker that trusts it everywhere ends in a swamp. Everything in this chapter has its place there:
#
# | here | on the map of chapter 02 |
# |---|---|
# | comparisons of answers of the SFT policy | comparisons of points near the path |
# | the proxy rises, gold rises and falls | the walker climbs a summit that is not there |
# | √KL to the SFT policy | distance from the path, in units of the tube's radius |
# | β, or early stopping | the tube |
# | more comparisons | the map is right a little further out |
# | an ensemble | several maps; where they differ, nobody has been |
#
# And a walk over the map of *weights* shows the edge itself. This is the run of section 1, carried on to step 48, on the plane through the SFT policy, the policy where gold peaks and the last one:

# %%
from rlhf_lib.experiments import load_plane
from rlhf_lib.plots import plot_plane

plot_plane(load_plane());

# %% [markdown]
# Left below: the proxy has no edge; where gold falls off, it only rises. Right below: the KL climbs steeply in the same place. That is why a bound on the KL can do what no amount of staring at the proxy can.

# %% [markdown] tags=["lab"]
# **Lab: the mirage.** Predict, then move: (1) more comparisons at the same radius: does the summit that is not there go away? (2) The same comparisons from a larger radius. (3) β or the budget until gold no longer falls: what did it cost in proxy? Then find the same three settings in the
# lab above: pairs, and β. The radius has no slider there. What would it be?

# %% tags=["lab"]
from rlhf_lib.labs import mirage_lab

mirage_lab()

# %% [markdown]
# ## 7. Exercises

# %% [markdown] tags=["exercise"]
# {exercise: my_best_of_n_kl}
#
# Return the KL of best-of-n in nats.

# %% tags=["solution"]
import math


def solution_best_of_n_kl(n):
    return math.log(n) - (n - 1) / n

# %% [markdown] tags=["exercise"]
# {exercise: pessimistic_reward}
#
# `scores` (members, B): the same answers scored by several reward models. Return mean − k · standard deviation over the members, (B,).

# %% tags=["solution"]
def solution_pessimistic_reward(scores, k):
    return scores.mean(0) - k * scores.std(0)

# %% [markdown] tags=["exercise"]
# {exercise: early_stop}
#
# `validation` is a list of scores of checkpoints 0, 1, 2, … by something you trust. Stop when `patience` checks in a row have brought no new best. Return the index of the checkpoint to keep.

# %% tags=["solution"]
def solution_early_stop(validation, patience):
    best = 0
    for i, score in enumerate(validation):
        if score > validation[best]:
            best = i
        elif i - best >= patience:
            break
    return best

# %% [markdown] tags=["exercise"]
# {exercise: fit_best_of_n}
#
# `distance` and `gold` (n,) are d and the gold gain. Return (α, β) of the least-squares fit of $d(\alpha - \beta d)$ as two numbers.

# %% tags=["solution"]
def solution_fit_best_of_n(distance, gold):
    matrix = torch.stack((distance, -distance.square()), dim=1)
    alpha, beta = torch.linalg.lstsq(matrix, gold[:, None]).solution.flatten().tolist()
    return alpha, beta

# %% [markdown]
# ## 8. What this chapter claimed

# %% tags=["claims"]
assert shape.rise >= 0.4, "gold first rises by 0.4 standard deviations and more (0.5 on each seed of `make claims`)"
lowest = smooth(history.series("gold"))[shape.peak_step :].min()
assert shape.peak - lowest >= 0.5 * (shape.peak - shape.start), "then it loses at least half of that gain"
assert shape.proxy_kept_rising, "while the proxy keeps rising"
held_gold = load_band("kl_penalty")["gold"]
assert np.mean(held_gold["low"][-10:]) > band["start"], "with a strong penalty all five seeds end above the SFT policy"
assert best.gold[-1] > best.gold[0] and best.proxy[-1] > best.proxy[0], "best-of-64 still helps both"
ends, kls = means["gold at the end"], means["KL at the end"]
assert ends["β", 0.2] > ends["β", 0.0] + 0.2, "on average over the grid a KL penalty ends higher"
assert kls["β", 0.2] < kls["β", 0.05] < kls["β", 0.0], "and nearer"
assert ends["pairs", 4000] > ends["pairs", 300], "and so do more comparisons"
plane_sft, plane_peak, plane_over = load_plane().checkpoints.values()
assert plane_peak["gold"] > plane_sft["gold"] > plane_over["gold"], "on the plane of weights the run climbs a ridge and falls off"
assert plane_over["proxy"] > plane_peak["proxy"], "where the proxy shows no edge"
assert signs["at the end"]["flattery"] > signs["SFT"]["flattery"] + 0.5, "answers turn into praise"
print("all claims hold")

# %% [markdown] tags=["recap"]
# ## Recap
#
# - Optimise a proxy and the truth rises, then falls. The proxy does not tell you when.
# - Distance from the reference, √KL, is the common scale for all optimizers.
# - Data, ensembles, penalties and early stopping move the peak. None removes the difference between what is measured and what is wanted.
#
# **Recall** of earlier chapters:

# %% tags=["recall"]
from IPython.display import display

from rlhf_lib.exercises import recall

for quiz in recall("18_over_optimization"):
    display(quiz)

# %% [markdown]
# **More:** the book's chapter [Over-Optimization](https://rlhfbook.com/c/14-over-optimization); Gao, Schulman and Hilton (2022); Bai et al. (2022); Coste et al. (2023) and Eisenstein et al. (2023) on ensembles; Sharma et al. (2023) on sycophancy; Rafailov et al. (2024) on the same in direct alignment.
