# %% [markdown]
# # Direct alignment
#
# RLHF fits a reward model to comparisons, then a policy to the reward model. Direct alignment leaves out the middle: one loss takes comparisons and changes the policy. There is no reward model, no sampling during training, no value function. **DPO** (direct preference optimization; Rafailov et al., 2023) is the first and best known of these losses. It optimises
# the same objective as RLHF. This chapter shows when that is true, and what goes wrong when it is not.
#
# **You will be able to**
# - derive DPO in five steps, each of which you have checked, and write its training loop;
# - read a DPO run: implicit rewards, β, the gradient's weight, a chosen answer that falls;
# - choose between DPO, cDPO, IPO, SimPO, ORPO, KTO, REBEL and APO by what each of them changes;
# - say what offline data cannot teach, and what on-policy data and RL add.

# %% [markdown]
# ## 1. First the result
#
# Take requests with a short list of possible answers (chapter 08's exact world). On such a list the best policy for a reward $r$ and a price β is known: $\pi^* \propto \pi_{ref}\,e^{r/\beta}$. Now hide the reward. Show DPO nothing but comparisons: *this answer was preferred to that one*.

# %% tags=["setup"]
import copy

import numpy as np
import torch

from rlhf_lib import PocketWorld, data_path, load_policy, set_seed
from rlhf_lib.exact import ExactSettings, TabularPolicy, coverage, exact_world, train_exact
from rlhf_lib.experiments.stored import band, results_of
from rlhf_lib.plots import COLOURS, CYCLE, figure
from rlhf_lib.plots.seeds import plot_seeds
from rlhf_lib.rewards import GoldReward, RewardModel

set_seed(0)
CHAPTER = "12_direct_alignment"
world, sft = PocketWorld(), load_policy("pocket-sft")
gold, beta = GoldReward(world), 0.3
kinds = ("fact", "opinion", "unsafe", "lookalike", "sum")

# %%
exact = exact_world(world, world.prompts(6, kinds, seed=3), sft, size=40)
table = TabularPolicy(exact.ref_logp)
direct = train_exact(table, exact, ExactSettings("dpo", beta=beta, learning_rate=0.075))
star, found = exact.optimum(beta), table.table().detach()
share = coverage(sft, exact)
print(f"the 40 listed answers hold {share.min():.0%} to {share.max():.0%} of pocket-sft's probability, {share.mean():.0%} on average")

# %% [markdown]
# The list leaves out most of what pocket-sft might say. So this world is a model of the model: probabilities are renormalised over the list, and everything "exact" below is exact *on the list*.

# %%
row = 1
order = star[row].argsort(descending=True)[:9]
fig, axis = figure(height=3.0)
bars = (ref := exact.ref_logp, "0.75", "reference"), (star, COLOURS["gold"], "π*, from the reward")
for place, (logp, colour, name) in enumerate((*bars, (found, COLOURS["proxy"], "DPO, from comparisons"))):
    axis.barh(np.arange(9) + 0.27 * (place - 1), logp[row, order].exp(), 0.26, color=colour, label=name)
axis.set(yticks=range(9), yticklabels=[exact.texts[row][k].replace("\n", " / ") for k in order], xlabel="probability")
axis.set_title(exact.prompts[row].text)
axis.invert_yaxis()
axis.legend()
first, last = direct.series("reverse_kl")[0], direct.last("reverse_kl")
print(f"KL(policy ‖ π*): at the start {first:.3f} nats, after DPO {last:.5f}")

# %% [markdown]
# DPO finds the same policy, without ever seeing a reward. The comparisons were unlimited here and covered every listed answer. Most of this chapter is about what remains when neither is so.

# %% [markdown]
# ## 2. On a language model
#
# For a chosen answer $y_c$ and a rejected one $y_r$ to the same prompt, the loss is
#
# $$-\log\sigma\Big(\beta\log\frac{\pi_\theta(y_c\mid x)}{\pi_{ref}(y_c\mid x)} - \beta\log\frac{\pi_\theta(y_r\mid x)}{\pi_{ref}(y_r\mid x)}\Big) \qquad \text{[DA-2]}$$
#
# Write $h$ for the difference of the two log-ratios. Then $\beta h$ is the *margin* and the loss is $-\log\sigma(\beta h)$, in nats.
#
# One epoch over the whole file of nearly 4,000 comparisons by noisy annotators takes 125 updates. Yours are the first 24 of them; behind them stand the stored runs, whole (shaded from the lowest to the highest seed, the median dashed).

# %% tags=["training"]
from rlhf_lib.workbook.ch12_direct_alignment.experiments import whole_file

LONG = False  # True: the whole file, a few minutes
run = whole_file(seed=0, steps=None if LONG else 24)
stored = band(f"{CHAPTER}/whole_file")

# %%
from rlhf_lib.workbook.ch12_direct_alignment.figures import plot_run

plot_run(stored, run);

# %% [markdown]
# How to read it. The held-out loss starts at log 2 (dotted), falls, and takes its time: the labels are noisy, and a nat of log-ratio counts only β = 0.1. Gold, the true quality of *new* answers, gains most of what it gains in the first few updates. After that it moves up and down with the KL: the learning rate is at its peak, and 192 answers have a standard error of about 0.06 points. And look at the last panel: the chosen answers become *less* likely too,
# only less so than the rejected ones. Section 7 is about that.

# %%
fig, axes = figure(1, 2, height=2.4)
for axis, name in zip(axes, ("loss", "margin"), strict=True):
    axis.plot(run["training"][name], "o", ms=3, alpha=0.6, label="each batch of 32 pairs")
    axis.plot(run["unseen"]["step"], run["unseen"][name], "k-", lw=1.5, label="160 held-out pairs")
    axis.set(xlabel="updates", title=name)
axes[0].legend();

# %% [markdown]
# The same run as most logs show it: a dot for each batch. Judge a DPO run by held-out pairs and by its answers, not by these dots.
#
# | you see | likely cause |
# |---|---|
# | the first loss is not $\log 2 = 0.693$ | the reference is not the policy's start, or its log-probabilities were cached with other tokens or with dropout |
# | the loss *stays* at exactly 0.693 | the reference is the policy itself, or β is 0 (clinic) |
# | the training loss falls, the accuracy on unseen pairs does not | few pairs, many epochs: section 8 |
# | the chosen answer's log-probability falls | displacement: section 7. Not always bad, always worth watching |
# | a KL far above what β suggests | means where sums belong (clinic), or a memorised file: section 5 |
#
# **What it costs.** RLHF with PPO holds four models (policy, reference, reward, value) and samples in each step. DPO holds the policy, and the reference only *before* training: its log-probabilities are constants, so they are computed once and cached.

# %%
import time

from rlhf_lib.training import DirectSettings, DirectTrainer, read_preferences

unseen = read_preferences(data_path("preferences", "pocket-test.jsonl"))[:160]
policy = sft.copy()
trainer = DirectTrainer(policy, DirectSettings("dpo", beta=0.1))
start = time.perf_counter()
data = trainer.prepare(unseen)  # asks the reference
print(f"cached: {tuple(data.ref.shape)} numbers for {len(unseen)} pairs in {time.perf_counter() - start:.1f} s; from now on no reference")
start = time.perf_counter()
trainer.step(data, range(32))
print(f"one update on 32 pairs, forward and backward: {time.perf_counter() - start:.1f} s")

# %% [markdown]
# ## 3. The derivation, with a check for each step
#
# **Step 1: the RLHF objective is a distance.** For every policy,
#
# $$\mathbb E_\pi[r] - \beta\,\mathrm{KL}(\pi\|\pi_{ref}) = \beta\log Z(x) - \beta\,\mathrm{KL}(\pi\|\pi^*), \qquad Z(x)=\sum_y \pi_{ref}(y\mid x)\,e^{r(x,y)/\beta}.$$
#
# (Divide by $-\beta$; write the reward as $\log e^{r/\beta}$; add and subtract $\log Z$. What is left is a KL to $\pi_{ref}e^{r/\beta}/Z$.) Check it on a random policy:

# %% tags=["nbval-check-output"]
from rlhf_lib.exact import log_partition, regularized_value
from rlhf_lib.objectives import exact_kl

r = exact.rewards
some = torch.randn(r.shape, generator=torch.Generator().manual_seed(0)).double().log_softmax(-1)
left = regularized_value(some, ref, r, beta)
right = beta * log_partition(ref, r, beta) - beta * exact_kl(some, star)
print(f"largest difference of the two sides over {len(r)} requests: {(left - right).abs().max():.6f}")

# %% [markdown]
# **Step 2: so the best policy is known.** Only the KL depends on π, and it is 0 for $\pi = \pi^*$ alone:
#
# $$\pi^*(y\mid x) = \frac1{Z(x)}\,\pi_{ref}(y\mid x)\,e^{r(x,y)/\beta} \qquad \text{[OPT-1]}$$
#
# It is of no direct use: $Z$ is a sum over all possible answers, and nobody can sample from π* without knowing it. Is anything near π* better?

# %%
best = regularized_value(star, ref, r, beta).mean()
dice = torch.randn(200, *r.shape, generator=torch.Generator().manual_seed(1)).double()
others = [regularized_value((star + 0.1 * x).log_softmax(-1), ref, r, beta).mean() for x in dice]
print(f"value of π*: {best:.4f}; the best of 200 policies near it: {max(others):.4f}")

# %% [markdown]
# **Step 3: turn it round.** Take the log of [OPT-1] and solve for the reward:
#
# $$r(x,y) = \beta\log\frac{\pi^*(y\mid x)}{\pi_{ref}(y\mid x)} + \beta\log Z(x)$$
#
# Any policy can be read this way. $\hat r(x,y) = \beta\log\frac{\pi_\theta(y\mid x)}{\pi_{ref}(y\mid x)}$ [DA-1] is its **implicit reward**: the reward for which it would be optimal, up to a constant of the prompt. *(The numerator is the policy that learns. Some notes write $\pi_r$ for it, "the policy of reward r".)* Read the reward off a policy, then, and compare:

# %%
from rlhf_lib.objectives import implicit_reward

off = r - implicit_reward(star, ref, beta)
print("r - implicit reward, lowest and highest in each request:")
for low, high, z in zip(off.min(1).values, off.max(1).values, beta * log_partition(ref, r, beta), strict=True):
    print(f"   {low:+.4f} {high:+.4f}   beta log Z: {z:+.4f}")

# %% [markdown]
# **Step 4: Z cancels.** Chapter 07's Bradley-Terry model says that $y_c$ is preferred with probability $\sigma(r_c - r_r)$. Both answers belong to one prompt, so their difference contains no $\beta\log Z(x)$. The sum that nobody can compute is gone.

# %% tags=["nbval-check-output"]
true = torch.sigmoid(r[:, :1] - r[:, 1:])
h = (star - ref)[:, :1] - (star - ref)[:, 1:]
print(f"P(preferred), by r and by the policy alone: largest difference {(true - torch.sigmoid(beta * h)).abs().max():.6f}")

# %% [markdown]
# **Step 5: maximum likelihood.** So fit the policy to comparisons as you would fit a reward model, with the Bradley-Terry loss on implicit rewards. That is [DA-2]: **"your language model is secretly a reward model"**. With unlimited comparisons the minimum is where the implied probabilities are the true ones: at π*.

# %%
from rlhf_lib.exact import comparison_probabilities
from rlhf_lib.objectives import bradley_terry_loss, dpo_loss

pc, pr, rc, rr = some[:, 0], some[:, 1], ref[:, 0], ref[:, 1]
as_rewards = bradley_terry_loss(implicit_reward(pc, rc, beta), implicit_reward(pr, rr, beta))
print(f"one batch: dpo_loss {dpo_loss(pc, pr, rc, rr, beta):.6f}, Bradley-Terry on implicit rewards {as_rewards:.6f}")


def expected_loss(logp):
    """The DPO loss over all comparisons of all listed answers."""
    gap = beta * ((logp - ref)[:, :, None] - (logp - ref)[:, None, :])
    return -(comparison_probabilities(exact) * torch.nn.functional.logsigmoid(gap)).sum((1, 2)).mean()


for name, logp in {"reference": ref, "some policy": some, "π*": star, "after DPO": found}.items():
    print(f"   expected loss of {name:12s} {expected_loss(logp):.5f}")

# %% [markdown]
# The loss does not go to 0. Annotators who follow Bradley-Terry disagree with themselves, and at π* the loss is just the entropy of their labels.
#
# **What was assumed.** (a) Preferences follow Bradley-Terry with *some* reward. (For rankings of more than two answers, Plackett-Luce gives the same cancellation.) (b) The policy can represent π*. (c) The comparisons are unlimited and cover every answer. (d) β is the one you mean.
#
# RLHF needs (a) and, to reach π*, (c) as well: its reward model is fitted to the same comparisons. The difference lies elsewhere. RLHF's *policy* loss asks the reward model about whatever the policy says now, so its guess about unseen answers is at least consulted. DPO's loss never sees those answers.

# %% [markdown]
# ## 4. Implicit rewards
#
# A trained policy is thus a reward model. How good a one? Here are accuracies on comparisons that neither has seen: of the implicit reward after the whole file (a dot for each stored seed), and of chapter 07's reward model, which was trained on the same answers.

# %%
from rlhf_lib.training import evaluate_pairs

implicit = [run["unseen"]["accuracy"][-1] for run in results_of(CHAPTER, "whole_file").values()]
own = evaluate_pairs(RewardModel.load("pocket-reward"), unseen)["held_out_accuracy"]
plot_seeds({"accuracy on 160 unseen pairs": {"implicit reward of DPO": implicit, "reward model": [own]}});

# %% [markdown]
# The implicit reward holds its own, although nobody trained it to be one. The caveats of chapter 07 hold for both: the labels are noisy, so no judge of these pairs reaches 1. A constant of the prompt is missing, so an implicit reward cannot compare answers to *different* prompts. And it was fitted to a file's answers and is untested far from them.

# %% [markdown]
# ## 5. β is static
#
# β is the same price as in RLHF: points of reward for a nat of KL. A **larger** β holds the policy **nearer** to the reference. But look where it stands. In RL the KL is measured on fresh answers in every step, and a controller may steer its coefficient (chapter 08). In DPO β is a constant inside a sigmoid: it says how large a log-ratio
# satisfies a pair. Nothing measures the KL. It is *static*.
#
# With unlimited data the two agree. **Predict** what happens with 64 comparisons a request that are used again and again.

# %%
betas = (3.0, 1.0, 0.3, 0.1)
kl_star = [exact.measure(exact.optimum(b), b)["kl"] for b in betas]
kl_fixed = []
for b in betas:
    settings = ExactSettings("dpo", beta=b, comparisons=64, learning_rate=0.075)
    kl_fixed.append(train_exact(TabularPolicy(ref), exact, settings).last("kl"))
fig, axis = figure(height=2.7, width=5)
axis.loglog(betas, kl_star, "o-", label="π*: what β asks for")
axis.loglog(betas, kl_fixed, "s-", label="DPO on 64 fixed pairs a request")
axis.set(xlabel="β", ylabel="KL to the reference (nats)", xticks=betas, xticklabels=betas)
axis.minorticks_off()
axis.legend();

# %% [markdown]
# On a fixed file the policy goes further than asked at every β shown. It fits the labels' noise, and where all comparisons of an answer went one way, the best log-ratio is infinite. Then epochs and learning rate are the brake, and not β.
#
# **A KL budget, if you keep it yourself.** A direct run sets out from the reference and stops when its file ends. That makes β, epochs and learning rate together a rough *budget* of KL, and some list direct alignment among the cures for over-optimization for that reason (chapter 18 has what others measured). The budget is not enforced by anything: it is whatever the settings
# happen to buy. So sweep β (usual values: 0.01 to 0.5) together with the learning rate, and *measure* the KL on samples afterwards. `judged` does that here:

# %%
from rlhf_lib.workbook.ch12_direct_alignment.measures import judged

print("pocket-sft ", {name: round(value, 2) for name, value in judged(sft).items()})
ends = {name: stored["unseen"][name] for name in ("gold", "tokens", "kl")}
print("after the whole file, stored seeds:", {name: f"{b['low'][-1]:.2f} to {b['high'][-1]:.2f}" for name, b in ends.items()})

# %% [markdown]
# ## 6. The gradient's weight
#
# $$\nabla L = -\beta\;\underbrace{\sigma(\hat r_r - \hat r_c)}_{\text{weight}}\;\big[\nabla\log\pi_\theta(y_c) - \nabla\log\pi_\theta(y_r)\big]$$
#
# The bracket alone would be *unlikelihood training*: up with one answer, down with the other, for ever. The weight is what DPO adds. It is ½ at the start, goes to 0 for pairs that are right by a wide margin, and to 1 for pairs that the implicit reward has the wrong way round. Check the formula by autograd:

# %%
pc, pr, rc, rr = (x.clone() for x in (some[:, 0], some[:, 1], ref[:, 0], ref[:, 1]))
pc.requires_grad_()
pr.requires_grad_()
dpo_loss(pc, pr, rc, rr, beta).backward()
weight = torch.sigmoid(-beta * ((pc - rc) - (pr - rr))).detach()
print("d loss / d log π(chosen):  ", pc.grad.numpy().round(4))
print("-β weight / B:             ", (-beta * weight / len(pc)).numpy().round(4))
print("d loss / d log π(rejected):", pr.grad.numpy().round(4))

# %% [markdown]
# A pair that is the wrong way round may be a hard one. Or its label is wrong; on our pairs the gold utility knows which. **Predict:** after an epoch, which pairs does DPO work hardest on? The mean weight of 500 training pairs, by whether their label agrees with gold, in the stored runs:

# %%
runs = list(results_of(CHAPTER, "whole_file").values())
panels = {"mean weight σ(−βh)": {name: [run["weights"][name] for run in runs] for name in ("against gold", "others")}}
plot_seeds(panels, {"mean weight σ(−βh)": (0.5, "at the start")})
share = np.mean([run["weights"]["share against gold"] for run in runs])
print(f"{share:.0%} of the labels are against gold")

# %% [markdown]
# The wrong labels have the larger weight by far. The others have become easy. What the policy cannot explain, it is pushed to memorise. cDPO, IPO and KTO answer that (section 9).

# %% [markdown]
# ## 7. Preference displacement
#
# The loss contains a *difference*. It is just as content when both answers fall, as long as the rejected one falls further. Where does their probability go? To answers that nobody compared.
#
# A picture first: a policy that knows answers by their places on a map, $\pi(y)\propto\pi_{ref}(y)\,e^{w\cdot place(y)}$, as a language model knows them by its hidden states. The model cannot move one answer alone. Pushing chosen away from rejected moves $w$ along the arrow from rejected to chosen, and that shifts *every* answer in that direction, like a wind. Those furthest downwind gain most, and the chosen one, close to the
# rejected, may be left behind.

# %%
from rlhf_lib.exact import answer_map, follow_pair
from rlhf_lib.workbook.ch12_direct_alignment.figures import plot_displaced

cases = {"alike": (0.6, {}), "alike, with NLL": (0.6, {"nll_weight": 0.3}), "far apart": (3.0, {})}
maps = {}
for title, (distance, change) in cases.items():
    answers = answer_map(distance)
    maps[title] = (answers.places, follow_pair(answers, DirectSettings("dpo", beta=0.1, **change)))
plot_displaced(maps)
for title, (_, path) in maps.items():
    (c0, r0), (c1, r1) = path[[0, -1], :2].exp().tolist()
    print(f"{title:16s} chosen {c0:.1%} -> {c1:.1%}   rejected {r0:.1%} -> {r1:.1%}")

# %% [markdown]
# The area of a disc is its probability. Two answers that are *alike* have a short arrow between them: to widen the margin by a nat, the policy has to go far, and the pair is left behind. Answers far apart are parted by a small step. (Razin et al., 2024, show this for language models; Pal et al., 2024, saw it with pairs that differ in a few characters.)

# %% tags=["lab"]
from rlhf_lib.labs import displacement_lab

displacement_lab()

# %% [markdown]
# **On the language model.** 160 comparisons without any noise: a right answer against the same answer with one thing wrong. Two runs: the loss as it is, and with a negative log-likelihood (NLL) of the chosen answer added, $L_{DPO} - \alpha\log\pi_\theta(y_c)/|y_c|$ (iterative RPO; chapter 15 of the book).

# %%
from rlhf_lib.exact import near_pairs

near = near_pairs(world, 160, seed=10)
for pair in near[:3]:
    print(f"{pair.prompt.text}   {pair.chosen!r} against {pair.rejected!r}")

# %% tags=["training"]
from rlhf_lib.workbook.ch12_direct_alignment.experiments import displacement
from rlhf_lib.workbook.ch12_direct_alignment.figures import plot_pairs

tried = displacement(seed=0, names=("DPO", "DPO + NLL"))
displaced = band(f"{CHAPTER}/displacement")
plot_pairs(displaced, tried, ("DPO", "DPO + NLL"));

# %% [markdown]
# (Green: the chosen answers, all of them right. Orange: the rejected ones. Dots: your run; shaded and dashed: stored seeds.) On the left the margin widens all the time, and DPO's own metrics, loss and accuracy, look perfect. Yet the right answers rise for an epoch at best and then, on most seeds, *fall*: it was the rejected answer's fall that paid. With the NLL the right answers rise and stay up. So **log the chosen answer's log-probability**, not only the margin.
#
# What becomes of the answers that the policy gives? And do far pairs help, where an off-topic answer is the rejected one? Four settings, stored:

# %%
names = list(displaced)
panels = {"gold of new answers (points)": {n: [run[n]["gold"] for run in results_of(CHAPTER, "displacement").values()] for n in names}}
panels["share of pairs, chosen fell"] = {n: [run[n]["fell"] for run in results_of(CHAPTER, "displacement").values()] for n in names}
plot_seeds(panels, {"gold of new answers (points)": (judged(sft)["gold"], "pocket-sft")})
plot_pairs(displaced, names=("NLL alone", "DPO, far pairs"));

# %% [markdown]
# - **DPO** on near pairs widens nearly every margin and makes new answers no better, rather worse.
# - **Far pairs fall too.** An off-topic answer is parted from a right one within a few updates. But with so small a β (0.05) nothing stops the run there: the rejected answers go down and down, the chosen ones follow after an epoch, and gold does not gain. Likeness is one way to lose the chosen answer; a small β and many epochs are another.
# - **DPO + NLL** turns the fall into a rise, and gold goes up by half a point. But look at the control, **NLL alone**: fine-tuning on the right answers, without a glance at the wrong ones, is as good. On these pairs the chosen answers teach. The comparison adds nothing that we can measure, and without the NLL it does harm.
#
# Is displacement always bad? No. In section 2 the chosen answers fell by several nats, and gold rose all the same. There a chosen answer is only the better one of two, and often poor; if it falls in favour of answers better than both, so be it. Displacement hurts where the chosen answer is *right*: then whatever rises instead is not.

# %% [markdown]
# ## 8. What a file cannot teach
#
# Offline data are answers that *somebody else* gave, some time ago. Three ways to learn on a list of 80 answers a request: DPO on 16 fresh comparisons a request in each step; DPO on the same 64 in all steps; and the policy gradient, which draws 32 answers a step from the policy as it stands. The bands are five seeds with other requests.

# %%
from rlhf_lib.workbook.ch12_direct_alignment.experiments import exact as exact_runs

ways = ("DPO, fixed pairs", "DPO, fresh pairs", "policy gradient")
bands, paths = band(f"{CHAPTER}/exact"), exact_runs(seed=0, names=ways)
fig, axis = figure(height=3.0, width=6)
for name, colour in zip(ways, (CYCLE[1], CYCLE[0], CYCLE[2]), strict=True):
    steps, distance = bands[name]["step"], bands[name]["distance"]
    axis.fill_between(steps, distance["low"], distance["high"], color=colour, alpha=0.2, lw=0)
    axis.plot(steps, paths[name]["distance"], color=colour, lw=2, label=name)
axis.set(yscale="log", xlabel="step", ylabel="KL(policy ‖ π*) (nats)")
axis.legend();

# %% [markdown]
# The fixed file leads the policy near π*, and then past it: it goes on to fit which of two answers *happened* to win. Fresh pairs come closer by a factor of ten. (The policy gradient is given more here: the reward's numbers, where DPO gets a coin thrown by them. Section 13 evens this out.)

# %%
print("comparisons a request   nearest to π*, at step   at the end")
for count in (16, 64, 256, 1024):
    settings = ExactSettings("dpo", beta=beta, comparisons=count, samples=min(count, 64), learning_rate=0.075)
    distances = train_exact(TabularPolicy(ref), exact, settings).series("reverse_kl")
    place = int(np.argmin(distances))
    print(f"{count:15d}         {distances[place]:8.3f}     {10 * place:8d}       {distances[-1]:8.3f}")

# %% [markdown]
# More comparisons: nearer, later, and less to lose afterwards. So stop early, by unseen pairs, and prefer one more comparison to one more epoch.
#
# More epochs can't help with the second limit: **coverage**. A file says something about the answers that are in it. About all others DPO has no opinion; what they gain or lose is the model's own generalisation (section 7's wind). RLHF asks its reward model about whatever the policy says now, and may be told wrong. That the data should come from
# the policy, or from one near it, is the reason for fresh preference data in each round of many recipes. (There is a case for files as well: *Delta Learning* takes pairs of answers from a small and a smaller model, neither of them good. The difference teaches.)

# %% [markdown]
# ## 9. The family
#
# Each of the following changes one thing about DPO. $\Delta = \log\frac{\pi_\theta}{\pi_{ref}}$ of an answer, $h=\Delta_c-\Delta_r$, and a bar is a mean over the answer's tokens. The pictures show how hard a loss *pulls*: minus its slope. Begin with DPO itself, which pulls hardest on pairs that are the wrong way round and never quite stops:

# %%
from rlhf_lib.workbook.ch12_direct_alignment.figures import plot_arrows, plot_pulls

zero = torch.zeros(1, dtype=torch.float64)
dpo = {"DPO, β = 0.5": lambda x: dpo_loss(x, zero, zero, zero, 0.5)}
plot_pulls(dpo);

# %% [markdown]
# **cDPO: what if some labels are wrong?** (Mitchell, 2023.) Assume that a share ε of them is:
#
# $$-(1-\varepsilon)\log\sigma(\beta h) - \varepsilon\log\sigma(-\beta h) \qquad \text{[DA-3]}$$
#
# Now there is a place where the pull is 0, at $h = \log\frac{1-\varepsilon}{\varepsilon}/\beta$. Beyond it the loss pulls *back*: a pair should not look more certain than labels are.

# %%
cdpo = {"cDPO, ε = 0.1": lambda x: dpo_loss(x, zero, zero, zero, 0.5, 0.1)}
plot_pulls(dpo | cdpo, stops=(np.log(0.9 / 0.1) / 0.5,));

# %% [markdown]
# **IPO: ask for a certain gap and no more** (Azar et al., 2023).
#
# $$\Big(\bar h - \frac1{2\beta}\Big)^2 \qquad \text{[DA-4]}$$
#
# The pull is a straight line through the target. That matters where preferences are **deterministic**, the same answer winning every time. Bradley-Terry then asks for an infinite difference of rewards, and β is of no use. Two answers, equally likely under the reference, the first always preferred:

# %%
from rlhf_lib.objectives import ipo_loss


def two_answers(loss, steps=300):
    """Probability of the preferred of two answers after training, by Adam."""
    logits = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer, half = torch.optim.Adam([logits], 0.2), torch.full((1,), 0.5, dtype=torch.float64).log()
    for _ in range(steps):
        logp = logits.log_softmax(0)
        optimizer.zero_grad()
        loss(logp[:1], logp[1:], half, half).backward()
        optimizer.step()
    return logits.log_softmax(0)[0].exp().item()


# %%
for b in (0.5, 2.0):
    found_p = {
        "DPO": two_answers(lambda *x, b=b: dpo_loss(*x, b)),
        "cDPO": two_answers(lambda *x, b=b: dpo_loss(*x, b, 0.1)),
        "IPO": two_answers(lambda *x, b=b: ipo_loss(*x, b)),
    }
    print(f"β {b}:", ", ".join(f"{name} {p:.3f}" for name, p in found_p.items()))

# %% [markdown]
# DPO heads for certainty at both values of β (after 300 steps; more steps, more certainty): here the regularization does nothing. IPO's probability is set by β, as you would want of a price. cDPO's is too, by way of ε. (In Azar et al.'s general form IPO is the *identity* Ψ; the logit Ψ gives back DPO. Texts often swap the two. Nor is label smoothing in the DPO paper.)
#
# **SimPO: no reference, and means over tokens** (Meng et al., 2024).
#
# $$-\log\sigma\big(\beta\,\overline{\log\pi}(y_c) - \beta\,\overline{\log\pi}(y_r) - \gamma\big) \qquad \text{[DA-5]}$$
#
# What is generated is what is scored: the mean log-probability of an answer's own tokens. Without a reference there is one model less, and nothing to hold the policy but the learning rate. γ is a margin that the gap has to exceed. The contrast is in the length. Two pairs with the same log-probability per token, −0.5 for the chosen and −0.9 for the rejected answer, once with 5 tokens and once with 20:

# %%
from rlhf_lib.objectives import simpo_loss

c_mean, r_mean = torch.tensor([-0.5]), torch.tensor([-0.9])
for tokens in (5, 20):
    summed = torch.sigmoid(-0.1 * tokens * (c_mean - r_mean)).item()
    averaged = torch.sigmoid(-2.0 * (c_mean - r_mean) + 0.5).item()
    print(f"{tokens:2d} tokens: weight of the pair with sums (β 0.1) {summed:.3f}, with SimPO's means (β 2, γ 0.5) {averaged:.3f}")

# %% [markdown]
# With sums a long pair counts as settled sooner; with means length drops out.
#
# **ORPO: fine-tuning and preference in one stage** (Hong et al., 2024), without a reference. *Odds Ratio Preference Optimization*: odds are $p/(1-p)$, with $p$ the geometric mean of an answer's token probabilities.
#
# $$-\overline{\log\pi}(y_c) - \lambda\log\sigma\Big(\log\frac{\mathrm{odds}(y_c)}{\mathrm{odds}(y_r)}\Big) \qquad \text{[DA-6]}$$
#
# The first term imitates the chosen answer. The second pushes the *rejected* one down. How hard the loss (λ = 0.5) pulls on either answer while the other stays put:

# %%
from rlhf_lib.objectives import orpo_loss

fixed = torch.full((1,), -0.9, dtype=torch.float64)
terms = {"on the chosen answer": lambda x: orpo_loss(x, fixed, -x, 0.5)}
terms["on the rejected answer"] = lambda x: orpo_loss(fixed, x, -fixed, 0.5)
plot_pulls(terms, low=-3.0, high=-0.2, xlabel="mean log-probability of that answer's tokens (the other: −0.9)");

# %% [markdown]
# The chosen answer is pulled up wherever it stands, by imitation (1 of it) and the odds ratio (the rest). The rejected one is pushed down by the odds ratio alone, and harder the likelier it is.
#
# **KTO: no pairs** (Ethayarajh et al., 2024), only answers that are labelled good or bad. $z_0$ is how far the policy has drifted on average:
#
# $$w_+\big[1-\sigma(\beta(\Delta - z_0))\big]\ \text{if good}, \qquad w_-\big[1-\sigma(\beta(z_0-\Delta))\big]\ \text{if bad} \qquad \text{[DA-7]}$$
#
# A thumb up or down is the cheapest label there is. And the pull fades on *both* sides: an answer that is hopelessly wrong is given up, as if its label were noise. Compare with DPO, whose pull is full on the left:

# %%
from rlhf_lib.objectives import kto_loss

good = torch.ones(1, dtype=torch.bool)
kto = {"KTO, a good answer (z₀ = 1)": lambda x: kto_loss(x, zero, good, torch.ones(1, dtype=torch.float64), 0.5)}
kto["KTO, a bad answer (z₀ = 1)"] = lambda x: kto_loss(x, zero, ~good, torch.ones(1, dtype=torch.float64), 0.5)
plot_pulls(dpo | kto, low=-12, high=12, xlabel="h for DPO, Δ for KTO (nats)");

# %% [markdown]
# **REBEL: how much better?** (Gao et al., 2024.) Regress the *size* of the reward difference; $\Delta$ is measured to the policy that drew the answers:
#
# $$\Big(\frac{\Delta_1-\Delta_2}{\eta} - (r_1 - r_2)\Big)^2 \qquad \text{[DA-8]}$$
#
# DPO is told which answer won. REBEL is told by how much, so each pair has its own place to stop: η times the difference of rewards.

# %%
from rlhf_lib.objectives import rebel_loss

sizes = {f"reward difference {gap}": (lambda x, gap=gap: rebel_loss(x, zero, zero, zero, torch.full_like(x, gap), 2.0))
         for gap in (0.5, 2.0, 4.0)}
plot_pulls(sizes, stops=(1.0, 4.0, 8.0), xlabel="Δ₁ − Δ₂ (nats), η = 2");

# %% [markdown]
# **APO: where should the chosen answer go?** (D'Oosterlinck et al., 2024.) *Zero*, for data better than the policy: up. *Down*, for data worse than it: down, and the rejected one further.
#
# $$1-\sigma(\beta\Delta_c)+\sigma(\beta\Delta_r) \qquad \text{[DA-9]}$$
#
# $$\sigma(\beta\Delta_c)+1-\sigma(\beta h) \qquad \text{[DA-10]}$$

# %%
plot_arrows();

# %% [markdown]
# Every point is a pair, and the arrow says where the loss pushes it. DPO always pushes at right angles to the dotted line (both log-ratios equal), so it has no opinion on where the chosen answer ends. APO-zero pushes it to the right, APO-down downwards and mostly to the left.
#
# **All nine on one file.** The exact world of section 8: 64 comparisons for each request, 200 updates, β = 0.3 for every loss that has one, no search over settings. How much of the objective is lost against π*, in reward points, at each run's best moment and at its end (left is better; each dot is a seed with other requests)?

# %%
nine = list(results_of(CHAPTER, "nine_losses").values())
panels = {f"lost at the {when}": {loss: [run[loss][when.split()[-1]] for run in nine] for loss in nine[0]} for when in ("best", "end")}
plot_seeds(panels);

# %% [markdown]
# What stands out, on every seed: **REBEL** is closest by far, and is cheating a little: it is told the size of each reward difference, where the others are told who won. **DPO**, **cDPO** and **SimPO** are good at their best moment and lose much of it by going on. **KTO**, **APO-zero** and **IPO** never get quite so near, but go on losing less: their pull fades or turns. **APO-down** is made for chosen answers worse than the policy; here it drives good answers away.
#
# In published comparisons on language models the differences between the losses are mostly smaller than those between seeds, or between data sets. That is why the book's advice is to change the data before the loss.

# %% [markdown]
# ## 10. Conventions, in numbers
#
# The same name does not always mean the same function. Four places where paper, book and TRL differ. First, a short run of our own to measure on:

# %%
from rlhf_lib.training import train_direct
from rlhf_lib.workbook.ch12_direct_alignment.experiments import labelled
from rlhf_lib.workbook.ch12_direct_alignment.measures import log_ratios

pairs = labelled(320, seed=0)
policy = sft.copy()
train_direct(policy, pairs, DirectSettings("dpo", beta=0.1))
seen, lengths = log_ratios(policy, pairs[:200])  # log π/π_ref and tokens, (200, 2): chosen, rejected

# %% [markdown]
# **Sum or mean.** DPO's paper and TRL *sum* log-probabilities over tokens. Some textbook code takes the mean. Then β means something else, by the answer's length:

# %%
h_sum = seen[:, 0] - seen[:, 1]
h_mean = seen[:, 0] / lengths[:, 0] - seen[:, 1] / lengths[:, 1]
for name, h in (("sums", h_sum), ("means", h_mean)):
    print(f"{name:5s}: mean |h| {h.abs().mean():.3f} nats; weights at β 0.1 scatter by {torch.sigmoid(-0.1 * h).std():.4f}")
print(f"an answer has {lengths.mean():.1f} tokens on average")

# %% [markdown]
# **IPO averages.** The paper's formula has sums; its authors report that they used means, and TRL does. With β = 0.1 the aim is a gap of 5 nats: between two *answers*, or *a token*?

# %%
for b in (0.1, 0.5):
    by_sum, by_mean = (x - 1 / (2 * b) for x in (h_sum, h_mean))
    missing = f"with sums {-by_sum.mean():+.2f}, with means {-by_mean.mean():+.2f} a token"
    print(f"β {b}: the aim is {1 / (2 * b):.0f}; still missing on average: {missing}")

# %% [markdown]
# **SimPO's γ** stands outside β in the paper and in TRL, and inside in other code, the book's among them:

# %% tags=["nbval-check-output"]
print(f"β h - γ:    {simpo_loss(c_mean, r_mean, beta=2.0, gamma=0.5):.4f}")
print(f"β (h - γ):  {simpo_loss(c_mean, r_mean, beta=2.0, gamma=2.0 * 0.5):.4f}   the same name and numbers, another loss")

# %% [markdown]
# **KTO's reference point** $z_0$ is the policy's drift from the reference, $\mathrm{KL}(\pi_\theta\|\pi_{ref})$. To measure it one would have to sample. The paper (and TRL) take the batch's answers under *other* prompts; the book's code takes the batch's *rejected* answers. All use at least 0:

# %%
from rlhf_lib.world import Preference

strangers = [Preference(pairs[i].prompt, pairs[i + 1].chosen, pairs[i + 1].rejected) for i in range(160)]
drift = {"own answers: the KL itself": judged(policy)["kl"]}
drift["mismatched (paper, TRL)"] = log_ratios(policy, strangers)[0][:, 0].mean().item()
drift["rejected (book's code)"] = seen[:, 1].mean().item()
for name, z in drift.items():
    print(f"{name:27s} {z:+.2f} nats, used {max(0.0, z):.2f}")

# %% [markdown]
# Both stand-ins use answers that the policy did *not* write. Training tends to make those less likely, so their mean log-ratio can be negative, and the loss takes 0. The KL itself is higher.

# %% [markdown]
# ## 11. Length
#
# A sum over tokens grows with the number of tokens, so long answers have larger implicit rewards, of either sign. That is one reason given for the long answers of DPO models, and for SimPO's means.

# %%
size, counts = seen.abs().flatten(), lengths.flatten()
for low, high in ((1, 9), (9, 17), (17, 60)):
    rows = (counts >= low) & (counts < high)
    token = (size[rows] / counts[rows]).mean()
    print(f"{low:2d} to {high - 1:2d} tokens: mean |log-ratio| {size[rows].mean():.2f} nats, {token:.3f} a token")
print(f"chosen answers have {lengths[:, 0].mean():.1f} tokens on average, rejected ones {lengths[:, 1].mean():.1f}")
print(f"answers of the policy: {judged(sft)['tokens']:.1f} tokens before, {judged(policy)['tokens']:.1f} after")

# %% [markdown]
# A *token* of a long answer moves less than a token of a short one. Yet the sums of long answers are the larger ones, so they weigh more in the loss, in either direction. Whether a policy then grows longer depends on the labels: which of the two has more tokens, the chosen or the rejected answer? A mean over tokens takes the length out of the loss, not out of the labels. So look at the lengths in your file first.

# %% [markdown]
# ## 12. On-policy data, and the recipe
#
# **Online DPO** (Guo et al., 2024): draw two answers from the policy *as it stands*, have them compared, take a step, again. The loss is the same; only the data are no longer a file. Labels by people in every round are expensive and slow. **D2PO** (Singhal et al., 2024) lets a reward model judge the policy's answers, and keeps it up to date with a few labels a round; its control is the same reward model, frozen.
#
# **The recipe** of many open models is the middle way, *iterated* preference tuning: supervised fine-tuning, then DPO on a file, then rounds in which the newest policy writes the answers and somebody or something compares them. (Llama 3 went through six such rounds; Tülu 3 mixes on-policy pairs into its file; RLVR often follows, chapter 14.)
#
# Four ways to spend 320 labels. "File, three times the rate" is a control: online the learning rate does not decay, so an online run takes larger steps in sum. Each dot is a policy (other labels and batches), measured on the same 192 new answers.

# %%
online_runs = list(results_of(CHAPTER, "online").values())
labels = {"gold": "gold of new answers (points)", "kl": "KL to pocket-sft (nats)"}
panels = {label: {way: [run[way][m] for run in online_runs] for way in online_runs[0]} for m, label in labels.items()}
plot_seeds(panels, {labels["gold"]: (judged(sft)["gold"], "pocket-sft")});

# %% [markdown]
# Labels on the policy's own answers end higher than the same number of labels on a file's answers, on every stored seed. The control says that larger steps are most of the reason: with three times the rate the file comes close, on one of the five seeds ahead. The on-policy run also goes furthest in KL: fresh pairs keep it moving. File first and then on-policy, the recipe in small, lies between in the median, with half of the labels off a shelf. (Five seeds are few: read the order, not the distances.)
#
# The papers that argue for iterating train for much longer, until the policy has left the region where the file was written. There the difference grows: chapter 07 (section 16) showed how little a judge of old answers knows about new ones.
#
# Here is one such run, live: eight rounds of 40 pairs, two updates on each.

# %% tags=["training"]
from rlhf_lib.training import annotator_judge, train_online_direct
from rlhf_lib.workbook.ch12_direct_alignment.experiments import online_settings

online_policy = sft.copy()
referee = annotator_judge(world.annotator(), 0)
online = train_online_direct(online_policy, world.prompts(1000, seed=5), referee, online_settings(0), gold=gold)
fig, axis = figure(height=2.5, width=5.5)
axis.plot(online.series("gold"), "o-", ms=4, color=COLOURS["gold"])
axis.axhline(judged(sft)["gold"], color="0.4", ls="--", label="pocket-sft on held-out requests")
axis.set(xlabel="round", ylabel="gold of the 80 answers drawn")
axis.legend();

# %% [markdown]
# Each dot is the mean of 80 answers to other requests each time, so it jumps by a tenth or two by chance alone. The held-out measurement is the picture above.

# %% [markdown]
# ## 13. Against policy gradients, at equal budget
#
# The budget that counts in practice is labels. With 320 of them: DPO, or a reward model on the same labels and then RLOO (chapter 11) against it. With all 3,969: DPO on the whole file, or RLOO against the reward model that was trained on the whole file. β = 0.1 everywhere.

# %%
rl = list(results_of(CHAPTER, "against_rl").values())
whole = [{m: run["unseen"][m][-1] for m in ("gold", "kl")} for run in results_of(CHAPTER, "whole_file").values()]
rows = {"DPO, 320 labels": [run["file"] for run in online_runs], "RLOO, 320 labels": [run["RLOO, 320 labels"] for run in rl]}
rows |= {"DPO, all labels": whole, "RLOO, all labels": [run["RLOO, all labels"] for run in rl]}
panels = {label: {name: [one[m] for one in found] for name, found in rows.items()} for m, label in labels.items()}
plot_seeds(panels, {labels["gold"]: (judged(sft)["gold"], "pocket-sft")});

# %% [markdown]
# (Each dot is a stored run.) The dots overlap. DPO's median is ahead at both budgets, by less than a tenth of a point, and the seeds of one way differ by more than that. So these runs choose nothing. (They are short, twelve and 36 updates of RLOO, and no settings were searched.) What they do show: everybody ends above pocket-sft, and a nat does not buy a fixed amount of gold. DPO on 320 labels has most of what the others have, at a third of a nat.
#
# In the literature, at scale and with equal data, RL comes out a little ahead more often than not (Xu et al., 2024; Ivison et al., 2024; Tajwar et al., 2024, on why on-policy data help), and DPO has stayed popular all the same:
#
# | | DPO | policy gradients |
# |---|---|---|
# | models in memory | policy (reference cached) | policy, reference, reward model, for PPO a value model |
# | in each step | one forward and backward pass | sampling, scoring, then the same |
# | to tune | β, learning rate, epochs | those, and a reward model, sampling, clipping, advantages |
# | data | a file of comparisons, of any origin | prompts, and a reward that answers at once |
# | the KL | set by nobody during training | measured, and can be steered |
# | typical failure | displacement; a memorised file | over-optimization of the reward model |

# %% [markdown]
# ## 14. Exercises

# %% [markdown] tags=["exercise"]
# {exercise: my_dpo_loss}
#
# `pc`, `pr`, `rc`, `rr` (B,): log-probabilities, sums over tokens, of the policy and the reference for the chosen and the rejected answers. Return the mean loss.

# %% tags=["solution"]
def solution_dpo_loss(pc, pr, rc, rr, beta):
    h = (pc - rc) - (pr - rr)
    return -torch.nn.functional.logsigmoid(beta * h).mean()

# %% [markdown] tags=["exercise"]
# {exercise: my_dpo_gradient}
#
# Same arguments. Return the derivatives of the mean loss in `pc` and in `pr`, two tensors (B,), without autograd.

# %% tags=["solution"]
def solution_dpo_gradient(pc, pr, rc, rr, beta):
    h = (pc - rc) - (pr - rr)
    weight = beta * torch.sigmoid(-beta * h) / len(pc)
    return -weight, weight

# %% [markdown] tags=["exercise"]
# {exercise: my_ipo_loss}
#
# `chosen` (B, T) and `rejected` (B, S): log-ratios $\log\pi_\theta/\pi_{ref}$ of the tokens. The masks of the same shapes are 1.0 on the answers' tokens and 0.0 on padding. Return the mean loss, with log-ratios averaged over each answer's own tokens.

# %% tags=["solution"]
def solution_ipo_loss(chosen, rejected, chosen_mask, rejected_mask, beta):
    def mean(x, mask):
        return (x * mask).sum(1) / mask.sum(1)

    h = mean(chosen, chosen_mask) - mean(rejected, rejected_mask)
    return (h - 1 / (2 * beta)).square().mean()

# %% [markdown] tags=["exercise"]
# {exercise: my_displaced_share}
#
# Log-probabilities (B,) of the chosen and the rejected answers, before and after training. Return, as a number, the share of pairs whose chosen answer fell although the margin (chosen minus rejected) grew.

# %% tags=["solution"]
def solution_displaced_share(before_chosen, before_rejected, after_chosen, after_rejected):
    fell = after_chosen < before_chosen
    wider = after_chosen - after_rejected > before_chosen - before_rejected
    return (fell & wider).double().mean().item()

# %% [markdown] tags=["exercise"]
# {exercise: my_dpo_training}
#
# Write the whole loop. `batches` is a list of `(prompts, chosen, chosen_mask, rejected, rejected_mask)`: prompts (B,), token ids and masks (B, T). `policy.logprobs(prompts, token_ids)` gives the log-probability of each token, (B, T); padding has one too. The reference is the policy as it starts. One update for each batch on the mean
# DPO loss, with `torch.optim.SGD` at `learning_rate`. Return the list of losses.

# %% tags=["solution"]
def solution_dpo_training(policy, batches, beta, learning_rate):
    reference = copy.deepcopy(policy)
    optimizer, losses = torch.optim.SGD(policy.parameters(), lr=learning_rate), []

    def gap(model, prompts, chosen, chosen_mask, rejected, rejected_mask):
        better = (model.logprobs(prompts, chosen) * chosen_mask).sum(1)
        return better - (model.logprobs(prompts, rejected) * rejected_mask).sum(1)

    for batch in batches:
        with torch.no_grad():
            before = gap(reference, *batch)
        loss = -torch.nn.functional.logsigmoid(beta * (gap(policy, *batch) - before)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses

# %% [markdown] tags=["exercise"]
# {exercise: my_brake}
#
# `missed_by(seed, beta, steps)` trains DPO on a file of 64 comparisons a request, in the exact world of section 8, and returns how much of the objective (reward minus 0.3 times the KL, in reward points) is lost against π*. Run the three options with seeds 0 to 4.

# %% tags=["solution"]
from rlhf_lib.workbook.ch12_direct_alignment.experiments import missed_by

solution_brake = {
    "as meant": [missed_by(seed, beta=0.3, steps=200) for seed in range(5)],
    "short": [missed_by(seed, beta=0.3, steps=40) for seed in range(5)],
    "strict": [missed_by(seed, beta=1.0, steps=200) for seed in range(5)],
}
solution_brake_choice = "short"

# %% [markdown]
# ## 15. The silent-bug clinic
#
# Bugs that raise no error. First the curves of a healthy run and of one with the bug; you say which bug it is. Then you prove it: write a test that gets a function, calls it on numbers of your choice, and asserts. It must fail the wrong code and pass the right one.

# %%
from rlhf_lib.exercises import clinic
from rlhf_lib.plots import plot_runs

case = clinic("reference_is_policy")
case

# %%
plot_runs(case.curves(), case.watch, title=case.title);

# %%
case.quiz

# %% [markdown]
# Now the test. `make_reference(policy)` gives the reference for a `TabularPolicy`.

# %%
def my_test(make_reference):
    raise NotImplementedError


case.check(my_test)

# %% [markdown]
# <details><summary>Hints</summary>
#
# 1. What must not happen to a reference when the policy takes a step?
# 2. Make a `TabularPolicy(torch.zeros(1, 2))`, then its reference; change `policy.logits` under `torch.no_grad()`; the reference's `table()` has to be what it was.
#
# </details>

# %% tags=["solution"]
def solution_still_test(make_reference):
    moving = TabularPolicy(torch.zeros(1, 2))
    reference = make_reference(moving)
    before = reference.table().detach().clone()
    with torch.no_grad():
        moving.logits.add_(torch.tensor([[1.0, -1.0]]))
    assert torch.equal(reference.table(), before), "the reference stays when the policy moves"


case.check_solution(solution_still_test)

# %% [markdown]
# The second case: nothing crashes, nothing falls.

# %%
second = clinic("beta_upside_down")
second

# %%
plot_runs(second.curves(), second.watch, title=second.title);

# %%
second.quiz

# %%
def my_second_test(loss):
    raise NotImplementedError


second.check(my_second_test)

# %% [markdown]
# <details><summary>Hints</summary>
#
# 1. Keep the log-probabilities and change β: which way must the loss go?
# 2. `pc` = 1, all others 0: the loss at β = 10 has to be below that at β = 0.1.
#
# </details>

# %% tags=["solution"]
def solution_beta_test(loss):
    one, zero = torch.ones(1), torch.zeros(1)
    assert loss(one, zero, zero, zero, 10.0) < loss(one, zero, zero, zero, 0.1), "a larger β, a larger margin"


second.check_solution(solution_beta_test)

# %% [markdown]
# A third, `clinic("averaged_logp")`, is yours: section 10's means where sums belong, met in a training curve. Curves, quiz and test as above.

# %% [markdown]
# ## 16. What this chapter claimed
#
# Of your own runs only what holds on any machine is asserted. Claims about the stored runs are asserted with their seeds by `make claims`.

# %% tags=["claims"]
assert direct.last("reverse_kl") < 0.01, "DPO on unlimited comparisons finds π*"
assert expected_loss(star) < min(expected_loss(ref), expected_loss(some)), "π* has the lowest loss"
assert abs(run["training"]["loss"][0] - np.log(2)) < 1e-3, "the first loss is log 2"
assert stored["unseen"]["gold"]["low"][-1] > stored["unseen"]["gold"]["high"][0], "stored seeds: gold is higher after the whole file"
assert all(a > b for a, b in zip(kl_fixed, kl_star, strict=True)), "fixed pairs go further than β asks"
assert maps["alike"][1][-1, 0] < maps["alike"][1][0, 0], "answers alike: the chosen one falls"
assert maps["far apart"][1][-1, 0] > maps["far apart"][1][0, 0], "far apart: it rises"
lifted = {name: run["chosen"][-1] for name, run in tried.items()}
assert lifted["DPO + NLL"] > lifted["DPO"], "near pairs: an NLL term holds the chosen answers up"
distance = {name: path["distance"][-1] for name, path in paths.items()}
assert distance["DPO, fresh pairs"] < 0.5 * distance["DPO, fixed pairs"], "a fixed file is memorised"
assert found_p["DPO"] > found_p["cDPO"] and found_p["DPO"] > found_p["IPO"], "DPO never stops"
print("all claims hold")

# %% [markdown] tags=["recap"]
# ## Recap
#
# - RLHF's objective is a KL to π*. Solve π* for the reward, put that into Bradley-Terry, and Z cancels: DPO.
# - A policy is a reward model: β log π/π_ref, up to a constant of the prompt.
# - β is static: it says what satisfies a pair. On a file of pairs the KL is whatever your settings buy; measure it.
# - The loss sees a difference. With answers alike both may fall. An NLL term holds the chosen one.
# - Each variant changes one thing: when to stop (cDPO, IPO), what an answer is compared with (SimPO, ORPO, KTO), or what is known of it (REBEL, APO).
# - Offline data is the limit more than the loss is. The recipe is SFT, DPO on a file, then rounds on the policy's own answers.
#
# **Recall** of earlier chapters:

# %% tags=["recall"]
from IPython.display import display

from rlhf_lib.exercises import recall

for quiz in recall("12_direct_alignment"):
    display(quiz)

# %% [markdown]
# **More:** the book's chapter [Direct Alignment](https://rlhfbook.com/c/08-direct-alignment); Rafailov et al. (2023), DPO; Azar et al. (2023), IPO; Razin et al. (2024) and Pal et al. (2024), displacement; Tajwar et al. (2024) and Xu et al. (2024), on-policy data and DPO against PPO; Ivison et al. (2024), what matters more than the algorithm; Rafailov et al. (2024) on over-optimization in direct alignment.
