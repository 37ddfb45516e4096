# %% [markdown]
# # Regularization
#
# A reward model is right near the answers that it has seen compared. Optimisation does not stay there. Regularization is everything that holds a policy back: a penalty on its distance from where it began, a second loss, a small step. This chapter measures what each of them does.
#
# **You will be able to**
# - put a KL penalty into the reward, and say what β buys and costs;
# - choose between k1, k2 and k3, and explain a negative KL and a spike;
# - tell forward from reverse KL by what becomes of a second mode;
# - measure what a policy forgets, and say which brake acts on what.

# %% [markdown]
# ## 1. First the result
#
# Two short runs of chapter 11's RLOO against the shipped reward model. They differ in one number, β. The gold utility only looks on.
#
# **Predict:** which of the two has the higher reward at the end, and which the higher gold utility?

# %% tags=["setup"]
import math
import random

import numpy as np
import torch

from rlhf_lib import PocketWorld, load_policy, set_seed
from rlhf_lib.evaluation import smooth
from rlhf_lib.experiments.bands import load_band
from rlhf_lib.plots import CYCLE, figure
from rlhf_lib.rewards import GoldReward, RewardModel
from rlhf_lib.training import packed_rows, preset, side_by_side, train_online

set_seed(0)
world, sft = PocketWorld(), load_policy("pocket-sft")
proxy, gold = RewardModel.load("pocket-reward"), GoldReward(world)
requests = world.prompts(1000, seed=5)

# %% tags=["training"]
changes = {"β = 0": {}, "β = 0.2": {"kl_coefficient": 0.2}, "β = 1": {"kl_coefficient": 1.0}}
changes["ptx, γ = 0.3"] = {"pretraining_coefficient": 0.3}


def short_run(name):
    """(policy, history) after ten rounds from pocket-sft."""
    policy = sft.copy()
    settings = preset("rloo", steps=10, prompts_per_step=6, learning_rate=6e-4, **changes[name])
    documents = packed_rows(policy, world.documents(100), 8, 64)  # used in section 9
    return policy, train_online(policy, requests, proxy, settings, gold, pretraining=documents)


runs = side_by_side(short_run, ("β = 0", "β = 0.2"))  # both at once, each with half of the cores

# %%
band = load_band("regularization")
fig, axes = figure(1, 3, height=2.7)
titles = {"proxy": "reward model", "gold": "gold utility", "kl": "KL to pocket-sft (nats)"}
for axis, (metric, title) in zip(axes, titles.items(), strict=True):
    for (name, (_, history)), key, colour in zip(runs.items(), ("free", "beta"), CYCLE, strict=False):
        low, high = band[key][metric]["low"], band[key][metric]["high"]
        axis.fill_between(range(len(low)), low, high, color=colour, alpha=0.18, lw=0)
        axis.plot(smooth(history.series(metric)), color=colour, lw=2, label=name)
    axis.set(title=title, xlabel="step")
axes[0].legend();

# %% [markdown]
# Bands: five seeds; lines: what you have just run. The reward model likes both runs about as much. The distance travelled is another, and so is the gold utility: on four of the five seeds the free run ends lower than the other, on the fifth they are level. (A single batch, as in the line of progress, is mostly noise.) Chapter 18 goes on for longer, and there it falls off a cliff.
#
# That is why one regularizes: *the reward is a proxy, and it is worst where nobody has looked*. A penalty does not mend the reward. It keeps the policy where the reward is still good.
#
# **If your curve looks wrong.** KL above 0 in the very first round (`history.series("kl")[0]`; the curves drawn are means of neighbours): the reference is not the policy's start. KL below 0 for many steps: section 5. Both runs alike: β is not used (is `kl_in` "loss" and the kind "k1"? section 6).

# %% [markdown]
# ## 2. KL in the reward
#
# The general form is $r = r_\theta - \lambda\, r_{reg}$. In RLHF nearly always:
#
# $$r(x, y) - \beta\,\log\frac{\pi(y\mid x)}{\pi_{ref}(y\mid x)}$$
#
# whose mean over the policy's own answers is $\mathbb E[r] - \beta\,\mathrm{KL}(\pi\,\|\,\pi_{ref})$. The log-ratio of an answer is the sum over its tokens, so the reference has to score exactly the tokens that the policy drew:

# %%
asked = world.prompts(3, ("fact", "opinion", "lookalike"), seed=4, split="test")
rollout = runs["β = 0"][0].sample(asked, max_new_tokens=40, seed=1)
with torch.no_grad():
    rewards, ref_logp = proxy(rollout), sft.logprobs(rollout)
log_ratio = (rollout.logp - ref_logp).sum(1)
for text, r, d in zip(rollout.texts, rewards.tolist(), log_ratio.tolist(), strict=True):
    print(f"reward {r:+.2f}  log-ratio {d:+5.1f}  with β 0.2: {r - 0.2 * d:+.2f}   {text[:52]!r}")

# %% [markdown]
# **β** is a price in points of reward per nat. *Larger β, nearer to the reference.* Three traps that real code has fallen into:
#
# - **The prompt.** The same tokens stand in front of both models; they were not drawn by the policy. Their log-ratio is no part of the KL. Mask them out.
# - **The sign.** $+\beta$ log-ratio pays for drift. With β = 0 in all tests nobody notices (the clinic below).
# - **`F.kl_div`.** It takes the *log* of its input but not of its target, unless told so, and its order is turned round:

# %% tags=["nbval-check-output"]
import torch.nn.functional as F

from rlhf_lib.objectives import exact_kl

pi, ref = torch.tensor([0.7, 0.2, 0.1]).log(), torch.tensor([0.4, 0.4, 0.2]).log()
print(f"KL(π‖ref), exact:                        {exact_kl(pi, ref):.4f}")
print(f"F.kl_div(ref, π, log_target=True):       {F.kl_div(ref, pi, reduction='sum', log_target=True):.4f}")
print(f"F.kl_div(π, ref, log_target=True):       {F.kl_div(pi, ref, reduction='sum', log_target=True):.4f}")
print(f"F.kl_div(ref, π), log_target forgotten:  {F.kl_div(ref, pi, reduction='sum'):.4f}")

# %% [markdown]
# ## 3. What β does, exactly
#
# Take requests for which every answer is listed. Then the best policy needs no training:
#
# $$\pi^*(y\mid x) = \frac1{Z(x)}\,\pi_{ref}(y\mid x)\,e^{r(x,y)/\beta} \quad \text{[OPT-1]} \qquad Z(x) = \sum_y \pi_{ref}(y\mid x)\,e^{r(x,y)/\beta} \quad \text{[OPT-2]}$$
#
# and any other policy lacks exactly its distance to it (chapter 12 derives this):
#
# $$\mathbb E_\pi[r] - \beta\,\mathrm{KL}(\pi\|\pi_{ref}) = \beta\log Z - \beta\,\mathrm{KL}(\pi\|\pi^*) \qquad \text{[OPT-3]}$$

# %%
from rlhf_lib.exact import exact_world

kinds = ("fact", "opinion", "unsafe", "lookalike", "sum")
exact = exact_world(world, world.prompts(8, kinds, seed=3), sft, proxy, size=100)
for beta in (5.0, 1.0, 0.2):
    best = exact.optimum(beta)
    numbers = exact.measure(best, beta)
    print(f"β {beta}: reward {numbers['reward']:+.2f}, KL {numbers['kl']:.2f}. Likeliest:")
    for probability, reward, text in exact.likeliest(best, row=1, count=2):
        print(f"     {probability:.2f}  reward {reward:+.2f}  {text!r}")

# %% [markdown]
# A sweep over β costs nothing here. **Predict** the shape of reward against KL: a line, bending up, or bending down?

# %%
from rlhf_lib.objectives import best_of_n_kl

betas = np.geomspace(20, 0.02, 40)
sweep = [exact.measure(exact.optimum(b), b) for b in betas]
of_n = [exact.measure(exact.best_of_n(n), 1.0) for n in (2, 4, 16, 64)]
fig, axes = figure(1, 2, height=3.0)
for axis, key in zip(axes, ("reward", "gold"), strict=True):
    axis.plot([s["kl"] for s in sweep], [s[key] for s in sweep], lw=2, label="π*, β from 20 to 0.02")
    axis.plot([s["kl"] for s in of_n], [s[key] for s in of_n], "o", label="best of 2, 4, 16, 64")
    axis.set(xlabel="KL to the reference (nats)", title=f"expected {key}")
axes[0].legend()
print("best-of-n, exact KL:", [round(s["kl"], 2) for s in of_n])
print("the formula:        ", [round(best_of_n_kl(n), 2) for n in (2, 4, 16, 64)])

# %% [markdown]
# The left curve is the **frontier**: nothing lies above it. It bends down, so the first nat buys most. Best-of-n (its exact distribution [OPT-4], its exact KL [OPT-5]) stays close under it, at a KL of at most $\log n - \frac{n-1}n$ [KL-4]; chapter 10 has more.
#
# The right picture is over-optimization without a training run: the same optimal policies, judged by gold. Where it stops rising, more optimisation is for the reward model's sake only. (All listed answers are proper sentences. A real policy can leave that list.)

# %% [markdown]
# ## 4. A sweep of real runs
#
# And on the language model? One more short run, with β = 1; the others are section 1's.

# %%
more = side_by_side(short_run, ("β = 1", "ptx, γ = 0.3"))  # the second for section 9
runs["β = 1"] = more["β = 1"]
fig, axes = figure(1, 3, height=2.7)
for axis, (metric, title) in zip(axes, titles.items(), strict=True):
    ends = [np.mean(history.series(metric)[-5:]) for _, history in runs.values()]
    axis.plot(list(runs), ends, "o-", color=CYCLE[4])
    axis.set_title(title)
    print(f"{metric:5s}", [round(float(end), 2) for end in ends])

# %% [markdown]
# β = 1 is an expensive leash: distance small, reward small. There is no β that is right in general: it depends on the scale of the rewards (ours have a standard deviation of 1 over SFT answers), on the length of answers (KL adds up over tokens), and on how far the reward model can be trusted. So: sweep it, and
# compare runs at equal **KL**, not at equal steps.

# %% [markdown]
# ## 5. Three estimators, more closely
#
# Chapter 11 (section 11) meets $k_1=\Delta$, $k_2=\frac12\Delta^2$ and $k_3=e^{-\Delta}-1+\Delta$ [KL-1] on three tokens, beside the exact sum [KL-2]. Here: where k3 comes from, when it is *worse*, and what a negative value means.
#
# Samples of $\pi$ obey $\mathbb E[e^{-\Delta}-1] = \sum_y \pi_{ref}(y) - 1 = 0$. So any multiple of it may be added to k1 without a bias: a **control variate**. $k_1 + c\,(e^{-\Delta}-1)$ is k1 for $c=0$ and k3 for $c=1$.

# %%
cs = torch.linspace(-0.2, 1.4, 81, dtype=torch.float64)[:, None]
fig, axis = figure(height=2.9, width=6.2)
for beta in (8.0, 2.0, 0.7):
    logp, reference = exact.optimum(beta)[1], exact.ref_logp[1]
    d, p = logp - reference, logp.exp()
    values = d + cs * torch.expm1(-d)
    spread = ((p * values**2).sum(1) - (p * values).sum(1) ** 2).clamp(min=0).sqrt()
    axis.plot(cs, spread / spread[10], label=f"β {beta}: KL {(p * d).sum():.3f}")
axis.set(xlabel="c (0: k1, 1: k3)", ylabel="standard deviation / that of k1", ylim=(0, 2.5))
axis.legend();

# %% [markdown]
# Near the reference $c=1$ nearly cancels the noise (there $e^{-\Delta}-1\approx-\Delta$). Far away (β 0.7) the best $c$ has moved back towards 0, and k3 scatters more than k1. Along each curve the mean is the same: its KL, in the legend.

# %%
from rlhf_lib.exact import drifted, estimator_moments

distances = np.linspace(0.05, 2.5, 40)
fig, axes = figure(1, 2, height=2.9, sharex=True)
for kind in ("k1", "k2", "k3"):
    found = [estimator_moments(*drifted("all a little", x), kind) for x in distances]
    axes[0].plot(distances, [m.bias for m in found], label=kind)
    axes[1].semilogy(distances, [m.deviation for m in found], label=kind)
axes[0].set(title="bias (nats)", xlabel="distance of the policies")
axes[1].set(title="standard deviation of one sample (nats)", xlabel="distance of the policies")
axes[0].legend();

# %% [markdown]
# | | bias | spread near the reference | spread far away | sign |
# |---|---|---|---|---|
# | k1 | none | large | moderate | may be negative |
# | k2 | small near, large far | small | moderate | never negative |
# | k3 | none | small | explodes | never negative |
#
# ### Negative values
#
# A log-ratio is negative whenever the policy drew something that the reference likes better. That must happen, since both sum to 1. On real answers:

# %%
far = runs["β = 0.2"][0].sample(world.prompts(128, seed=33), 2, 40, seed=2)
with torch.no_grad():
    token_k1 = far.logp - sft.logprobs(far)
real = far.completion_mask.bool()
tokens, answers = token_k1[real], token_k1.sum(1)
batches = answers[torch.randperm(256, generator=torch.Generator().manual_seed(0))].view(-1, 8).mean(1)
print(f"negative: {(tokens < 0).float().mean():.0%} of tokens, {(answers < 0).float().mean():.0%} of answers,")
print(f"          {(batches < 0).float().mean():.0%} of means over 8 answers")
print(f"mean of all answers: {answers.mean():.2f} nats")

# %% [markdown]
# Single values below 0 are noise. (Nearer to the reference, as at the start of every run, means over a batch are too: distance 0.1 in the lab below.) A *mean* that stays below 0 is a bug, and the identity says which: the samples are not the policy's. If they are the reference's, k1 has the mean $-\mathrm{KL}(\pi_{ref}\|\pi)$:

# %%
old = sft.sample(world.prompts(128, seed=33), 2, 40, seed=2)  # stale samples: from before the training
with torch.no_grad():
    wrong = (runs["β = 0.2"][0].logprobs(old) - old.logp).sum(1)
print(f"mean k1 on stale samples: {wrong.mean():.2f} nats, standard error {wrong.std() / 16:.2f}")

# %% [markdown]
# In the wild: samples of an older policy, another temperature or top-p than is scored, an end token masked out, a reference in another precision.
#
# ### k3's spikes
#
# k3 is large where the *reference* finds a token far likelier than the policy does. The policy rarely draws such a token. Rarely is not never:

# %% tags=["nbval-check-output"]
logp, reference = drifted("one dropped", 2.0)
k3 = estimator_moments(logp, reference, "k3")
value = torch.expm1(reference - logp) + logp - reference
place = int(value.argmax())
print(f"KL {k3.mean:.3f} nats")
print(f"k3 of the dropped answer: {value[place]:.0f}; it is drawn once in {1 / logp[place].exp():.0f} times")
without = ((logp.exp() * value).sum() - logp[place].exp() * value[place]).item()
print(f"the mean of k3 as long as it is not drawn: {without:.3f}; when it is, the loss jumps")

# %% [markdown]
# So "unbiased" is of little use when most of the mean sits in an event that your batch does not contain: the estimate is nearly always too low, and then far too high. In the loss, the gradient spikes too, and gradient clipping hides it. (Readers of the book have reported such spikes at β = 0.04. A second cause is worse: with Δ the wrong way
# round k3 explodes where the policy *does* sample. The clinic has that one.)

# %% tags=["lab"]
from rlhf_lib.labs import estimator_lab

estimator_lab()

# %% [markdown]
# ### A fourth way: don't sample what you can sum
#
# At each token both models give the whole distribution. The KL of the next token is then a sum over the vocabulary, and only the *prefix* is sampled. Same mean as k1, less noise, at the price of holding (B, T, V) numbers twice:

# %%
part = far.select(torch.arange(96))
with torch.no_grad():
    per_token = exact_kl(runs["β = 0.2"][0].completion_logits(part), sft.completion_logits(part))
summed, sampled = (per_token * part.completion_mask).sum(1), token_k1[:96].sum(1)
for name, x in (("k1, sampled tokens", sampled), ("summed over the vocabulary", summed)):
    print(f"{name:27s} {x.mean():.2f} nats, standard deviation {x.std():.2f}, smallest {x.min():+.2f}")

# %% [markdown]
# ## 6. The gradient: where the estimate stands matters
#
# As a *number in the reward*, k1 does what it should. As a term of the *loss* the estimate is differentiated, and only k2 has the KL's gradient: k1's is 0 on average, k3's is that of $\mathrm{KL}(\pi_{ref}\|\pi)$ (chapter 11). How much does that matter in the end? Train a table in the exact world with each, and measure the distance to π*.

# %%
from rlhf_lib.exact import TabularPolicy, draw
from rlhf_lib.objectives import kl_estimate, rloo_advantages

places = {"k1 in the reward": None, "k1 in the loss": "k1", "k2 in the loss": "k2", "k3 in the loss": "k3"}


def penalised_loss(table, kind, generator, beta=0.5, samples=32):
    """REINFORCE on sampled answers, with the penalty in the reward (kind None) or in the loss."""
    with torch.no_grad():
        index = draw(table.table(), samples, generator)
    logp, ref_logp = table.pick(index), exact.ref_logp.gather(1, index)
    rewards = exact.rewards.gather(1, index)
    if kind is None:
        rewards = rewards - beta * (logp.detach() - ref_logp)
    penalty = 0.0 if kind is None else beta * kl_estimate(logp, ref_logp, kind).mean()
    return penalty - (rloo_advantages(rewards) * logp).mean()

# %%
ends, (fig, axes) = {}, figure(1, 2, height=2.9)
for name, kind in places.items():
    table, generator = TabularPolicy(exact.ref_logp), torch.Generator().manual_seed(0)
    optimizer, rows = torch.optim.Adam(table.parameters(), 0.05), []
    for step in range(240):
        loss = penalised_loss(table, kind, generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 8 == 7:
            rows.append(exact.measure(table.table(), 0.5))
    for axis, key in zip(axes, ("reverse_kl", "kl"), strict=True):
        axis.plot(range(8, 248, 8), [row[key] for row in rows], label=name)
    ends[name] = rows[-1]
axes[0].set(title="KL(policy ‖ π*) (nats)", xlabel="step", yscale="log")
axes[1].set(title="KL(policy ‖ reference) (nats)", xlabel="step")
axes[1].legend();

# %% [markdown]
# k1 in the loss is no penalty at all: that policy walks away. k1 in the reward and k2 in the loss head for the same π*, k2 with more noise. k3 in the loss holds as well, but to **another optimum**: it penalises $\mathrm{KL}(\pi_{ref}\|\pi)$, whose best policy is $\pi = \beta\,\pi_{ref}/(c - r)$, with the $c$ that makes it sum to 1. That optimum can be computed:

# %%
p, low = exact.ref_logp.exp(), exact.rewards.max(1, keepdim=True).values
high = low + 0.5  # c lies between the best reward and that plus beta
for _ in range(60):
    c = (low + high) / 2
    too_much = (0.5 * p / (c - exact.rewards)).sum(1, keepdim=True) > 1
    low, high = torch.where(too_much, c, low), torch.where(too_much, high, c)
other = exact.measure((0.5 * p / (high - exact.rewards)).log(), 0.5)
print(f"optimum under KL(ref‖π): {other['reverse_kl']:.2f} nats from π*, {other['kl']:.2f} from the reference")
run = ends["k3 in the loss"]
print(f"the k3 run above:        {run['reverse_kl']:.2f} and {run['kl']:.2f}")

# %% [markdown]
# The run is still on its way there: its KL was rising when we stopped. k3 in the loss is not wrong. It is another and here a longer leash under the same name, and β values do not carry over.

# %% [markdown]
# ## 7. Forward and reverse
#
# $\mathrm{KL}(p\|q)$ is weighed by $p$. Fit $q$ to a target $p$:
#
# - **forward**, $\mathrm{KL}(p\|q)$: wherever the target has mass, $q$ must have some. It *covers*;
# - **reverse**, $\mathrm{KL}(q\|p)$: wherever $q$ has mass, the target must have some. It *seeks a mode*.
#
# **Predict:** a single Gaussian for a target with two summits. Where does each direction put it?

# %%
from rlhf_lib.exact import fit_gaussian, grid, two_modes

x, target = grid(), two_modes(4.0, weight=0.4)
step = float(x[1] - x[0])
fig, axes = figure(1, 2, height=2.8, sharey=True)
for axis, direction in zip(axes, ("forward", "reverse"), strict=True):
    axis.fill_between(x, target.exp() / step, color="0.85", label="target")
    for start, style in ((-3.0, "-"), (3.0, "--")):
        fit = fit_gaussian(target, direction, (start, 0.7))
        text = f"start {start:+.0f}: forward {fit.forward_kl:.2f}, reverse {fit.reverse_kl:.2f}"
        axis.plot(x, fit.logp.exp() / step, style, label=text)
    axis.set(title=f"fitted by {direction} KL", xlim=(-6, 6), ylim=(0, 0.85), xlabel="answer")
    axis.legend(loc="upper right", fontsize=7.5)

# %% [markdown]
# Forward gives the same answer from everywhere, and puts its summit near the valley, where the target has next to nothing. Reverse takes the summit where it stands and does not know of the other. Look at the numbers: the fit on the right summit is a local minimum, 0.91 against 0.51, and descent has no reason to leave it.

# %% tags=["lab"]
from rlhf_lib.labs import divergence_lab

divergence_lab()

# %% [markdown]
# ### What has that to do with SFT and RL?
#
# - **SFT** minimises $-\mathbb E_{y\sim p}[\log\pi(y)] = \mathrm{KL}(p\|\pi) + H(p)$: forward KL to the writers of the data, *plus* a constant.
# - **RL** with a KL penalty minimises $\beta\,\mathrm{KL}(\pi\|\pi^*)$ up to a constant: that is [OPT-3]. Reverse KL, to the policy that the reward asks for.
#
# With room for every answer (a table, a large model) both could reach their target. The difference shows when they cannot, or are stopped early: SFT spreads out to all that it was shown, RL sharpens what it already does.
#
# And the *penalty* is a reverse KL too. It forbids to say what the reference never says. It hardly forbids to **stop** saying something:

# %% tags=["nbval-check-output"]
both_modes, one_mode = torch.tensor([0.5, 0.5]), torch.tensor([0.999, 0.001])
new_mode, two_old = torch.tensor([0.8, 0.1, 0.1]), torch.tensor([0.002, 0.499, 0.499])
print(f"drop one of two modes:  KL(π‖ref) {exact_kl(one_mode.log(), both_modes.log()):.2f}   "
      f"KL(ref‖π) {exact_kl(both_modes.log(), one_mode.log()):.2f}")
print(f"invent a third:         KL(π‖ref) {exact_kl(new_mode.log(), two_old.log()):.2f}   "
      f"KL(ref‖π) {exact_kl(two_old.log(), new_mode.log()):.2f}")

# %% [markdown]
# To give up half of all it can say costs a policy $\log 2 = 0.69$ nats. That is one reason why RLHF'd models are less diverse than their reference at an innocent-looking KL.

# %% [markdown]
# ## 8. A coefficient that steers itself
#
# Instead of β choose a distance (Ziegler et al., 2019): $\beta \leftarrow \beta\,(1 + e\,n/\text{horizon})$, with $e = \mathrm{clip}(\mathrm{KL}/\text{target} - 1, \pm0.2)$ [KL-3]. In the exact world the right answer is known: the β whose π* has just that KL. **Predict:** started nine times too low and sixteen times too high, do both arrive?

# %%
from rlhf_lib.objectives import AdaptiveKL


def steered(beta, horizon, target=0.8, steps=400):
    """[(β, KL), ...] of sampled policy gradients under the controller."""
    table, generator = TabularPolicy(exact.ref_logp), torch.Generator().manual_seed(1)
    control, rows = AdaptiveKL(target, horizon, beta), []
    optimizer = torch.optim.Adam(table.parameters(), 0.05)
    for _ in range(steps):
        loss = penalised_loss(table, None, generator, control.coefficient, 16)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        kl = exact_kl(table.table().detach(), exact.ref_logp).mean().item()
        rows.append((control.update(kl, 16 * 8), kl))
    return np.array(rows)

# %%
dense = np.geomspace(0.1, 10, 200)
known = dense[np.argmin([abs(exact.measure(exact.optimum(b), b)["kl"] - 0.8) for b in dense])]
tries = {"from β 0.07": (0.07, 1500), "from β 10": (10.0, 1500), "from β 10, short horizon": (10.0, 250)}
paths = {name: steered(*settings) for name, settings in tries.items()}
fig, axes = figure(1, 2, height=2.9)
for name, path in paths.items():
    axes[0].semilogy(path[:, 0], label=name)
    axes[1].plot(path[:, 1])
axes[0].axhline(known, color="0.4", ls=":")
axes[1].axhline(0.8, color="0.4", ls=":")
axes[0].set(title="β (dotted: the exact answer)", xlabel="step")
axes[1].set(title="KL (dotted: the target)", xlabel="step")
print(f"the exact answer: β = {known:.2f}")
fig.legend(loc="outside lower center", ncols=3);

# %% [markdown]
# From either side it finds its way, from below only after a long swing: β is small while it is learning to be large. With a short horizon β outruns the policy, which needs time to follow: it swings. A controller that is quicker than what it controls always does. Direct losses such as DPO have no such knob: their β is fixed from the first step to the last.

# %% [markdown]
# ## 9. Pretraining gradients
#
# KL holds the *answers*. What of everything else that the model could do? InstructGPT mixed the pre-training loss into each update (PPO-ptx):
#
# $$\mathcal L = \mathcal L_{RL} - \gamma\ \mathbb E_{x\sim D_{pretrain}}[\log\pi_\theta(x)] \qquad \text{[REG-1]}$$
#
# "Forgetting" can be measured: the loss on documents that the base model had learned.

# %%
from rlhf_lib.training import document_loss

runs |= more  # the run whose loss has pretraining text in it
lost = {"pocket-base": load_policy("pocket-base"), "pocket-sft": sft} | {n: p for n, (p, _) in runs.items()}
lost = {name: document_loss(policy, world.documents(99), batches=2) for name, policy in lost.items()}
fig, axis = figure(height=2.7, width=6.4)
axis.barh(list(lost)[::-1], list(lost.values())[::-1], color=CYCLE[0])
axis.set(xlabel="loss on documents (nats a token)", xlim=(0.4, None))
for name, (_, history) in runs.items():
    reward, utility = (np.mean(history.series(m)[-5:]) for m in ("proxy", "gold"))
    print(f"{name:13s} reward {reward:+.2f}  gold {utility:+.2f}")

# %% [markdown]
# Most of the forgetting happened in SFT, before any RL. RL adds some more. A KL penalty helps only a little, and not in every run: it holds the *answers*, not documents. How much their loss rose over the five seeds, sorted:

# %%
start = band["documents_start"]
for name, key in (("RLOO, β = 0", "free"), ("RLOO, β = 0.2", "beta"), ("with ptx", "ptx")):
    print(f"{name:14s} {[round(value - start, 2) for value in band['documents'][key]]}")

# %% [markdown]
# ptx does not only hold: it *re-learns*, far below where RL began. It costs an extra forward and backward pass a step. It is no bound on the answers: its KL to pocket-sft is above that of β = 0.2.

# %% [markdown]
# ## 10. Other terms beside the loss
#
# **DPO + NLL** (iterative RPO). DPO only wants the *difference* of chosen and rejected to grow, and often lets both fall. A likelihood term holds the chosen answer up:
#
# $$\mathcal L = \mathcal L_{DPO} - \alpha\,\frac{\log\pi_\theta(y_c\mid x)}{|y_c|} \qquad \text{[REG-2]}$$

# %%
from rlhf_lib import data_path
from rlhf_lib.training import DirectSettings, read_preferences, train_direct

pairs = read_preferences(data_path("preferences", "pocket-train.jsonl"))[:128]


def change_of_chosen(weight):
    """log π/π_ref of the chosen answers, step by step."""
    settings = DirectSettings(
        beta=0.05, nll_weight=weight, batch_size=16, learning_rate=6e-4, warmup_steps=3
    )
    history = train_direct(sft.copy(), pairs, settings)
    return smooth(np.array(history.series("reward_chosen")) / settings.beta)


chosen = side_by_side(change_of_chosen, (0.0, 1.0))
for weight, change in chosen.items():
    print(f"α = {weight:.0f}: chosen answers' log-probability changed by {change[-1]:+.1f} nats")

# %% [markdown]
# Chapter 12 makes this "displacement", measures it over seeds and compares the cures.
#
# **Margins.** The reward model's loss with a margin $m$ [RM-2] (chapter 07) is often listed here. It holds no policy; it says how much a pair still teaches. The push on a pair, by the gap it already has:

# %%
from rlhf_lib.objectives import bradley_terry_loss

fig, axis = figure(height=2.6, width=5.8)
for margin in (0.0, 1.0, 3.0):
    gaps = torch.linspace(-3, 6, 91, requires_grad=True)
    loss = bradley_terry_loss(gaps, torch.zeros(91), torch.full((91,), margin)) * 91
    axis.plot(gaps.detach(), -torch.autograd.grad(loss, gaps)[0], label=f"margin {margin:.0f}")
axis.set(xlabel="gap of rewards, chosen − rejected", ylabel="push on the gap")
axis.legend();

# %% [markdown]
# Without a margin, clear pairs soon fall silent, and that in itself keeps rewards small. With one, clear pairs are pushed further. (SimPO's γ does the same to the policy itself.)

# %% [markdown]
# ## 11. PPO holds back twice
#
# The clip compares with $\pi_{old}$, the policy that drew *this batch*; the penalty with $\pi_{ref}$, where all began. Thirty batches, six updates on each, in the exact world:

# %%
from rlhf_lib.objectives import policy_loss


def ppo(clip, beta, rounds=30):
    """[(KL of one batch's move, KL to the reference), ...], a row a batch."""
    table, generator, rows = TabularPolicy(exact.ref_logp), torch.Generator().manual_seed(0), []
    optimizer, ones = torch.optim.Adam(table.parameters(), 0.15), torch.ones(256, 1)
    for _ in range(rounds):
        old = table.table().detach()
        index = draw(old, 32, generator)
        logp = old.gather(1, index)
        total = exact.rewards.gather(1, index) - beta * (logp - exact.ref_logp.gather(1, index))
        a = rloo_advantages(total).view(-1)
        for _ in range(6):
            optimizer.zero_grad()
            now = table.pick(index).view(-1, 1)
            policy_loss(now, logp.view(-1, 1), a, ones, "ppo", clip_low=clip, clip_high=clip)[0].backward()
            optimizer.step()
        new = table.table().detach()
        rows.append([exact_kl(new, q).mean().item() for q in (old, exact.ref_logp)])
    return np.array(rows)

# %%
brakes = {"neither": (0.99, 0.0), "clip 0.2": (0.2, 0.0), "β 0.5": (0.99, 0.5), "both": (0.2, 0.5)}
moves = {name: ppo(*settings) for name, settings in brakes.items()}
fig, axes = figure(1, 2, height=2.9)
for name, path in moves.items():
    axes[0].plot(path[:, 0], label=name)
    axes[1].plot(path[:, 1], label=name)
axes[0].set(title="KL(new ‖ old) of one batch (nats)", xlabel="batch", xlim=(0, 10))
axes[1].set(title="KL(policy ‖ reference) (nats)", xlabel="batch")
axes[1].legend();

# %% [markdown]
# Left: in the first batches the clip makes single moves smaller. (Later the other policy has nearly arrived, and moves less.) Right, it only delays: without a penalty the clipped policy walks on, as far as the unclipped one and here a little farther. The penalty bounds the total and lets the first batches leap. *One brake for the step, one for the journey.*

# %% [markdown]
# ## 12. No KL at all
#
# Many reasoning models are now trained with β = 0, so that they may explore. What holds them then? First, a reward that is *true*: a verifier has no mirage to climb. Second, it is bounded: a right answer cannot become righter. In the exact world, with a reward of 1 for answers of positive gold and β → 0, π* is the reference restricted to the right answers, at a KL of only
# $\log(1/p)$, where $p$ is the share that was right before.

# %% tags=["nbval-check-output"]
verified = exact.with_rewards((exact.gold > 0).double())
p_right = (exact.ref_logp.exp() * verified.rewards).sum(1)
solvable = p_right > 0
cost = exact_kl(verified.optimum(1e-3), exact.ref_logp)[solvable].mean()
print(f"right before: {p_right[solvable].mean():.2f}; all right at a KL of {cost:.1f} nats")
print(f"log(1/p):     {(1 / p_right[solvable]).log().mean():.1f} nats")
far_off = exact_kl(exact.optimum(1e-2), exact.ref_logp).mean()
print(f"the reward model's favourite answer, always: {far_off:.1f} nats")

# %% [markdown]
# Third: it learns from its own samples only, and an answer that it never draws gets no gradient. Fourth: clip, small learning rate, and stopping. None of these is a bound on the distance. A real run, on sums, with a reward of 1 for a right result; copies are kept for the next section:

# %%
from rlhf_lib.rewards import VerifiedAnswer
from rlhf_lib.training import OnlineTrainer

right = VerifiedAnswer(world)
sums = world.prompts(600, ("sum",), seed=5)
settings = preset("rloo", steps=14, prompts_per_step=12, learning_rate=3e-4)
trainer = OnlineTrainer(sft.copy(), sums, right, settings, gold)
copies = []
for step in range(14):
    trainer.step()
    if step % 7 == 6:
        copies.append(trainer.policy.copy(frozen=True))

# %%
from rlhf_lib.plots import plot_history

plot_history(trainer.history, ("proxy", "gold", "kl"));

# %% [markdown]
# Without any penalty the share of right results rises, and gold with it: this reward cannot be fooled. (The policy moves by two nats and more, although $\log(1/0.46) = 0.8$ would do: nothing asks it to take the nearest way.)

# %% [markdown]
# ## 13. Forgetting and KL: RL's razor
#
# Shenfeld et al. (2025) report two things: how much a model forgets is told by its KL *on the new task*, and RL forgets less than SFT at equal reward, since among all policies that solve the task it ends near one with a small KL. Let us see. The new task is sums. Three ways to learn it: RL (the run above), SFT on 128 *written* answers,
# SFT on the policy's *own* right answers.

# %%
from rlhf_lib.experiments import measure_drift
from rlhf_lib.training import SFTSettings, train_sft

elsewhere = ("fact", "open", "opinion", "unsafe", "lookalike")
task = world.prompts(48, ("sum",), seed=9, split="test")
others = world.prompts(48, elsewhere, seed=9, split="test")
rng = random.Random(0)
written = [(prompt, world.answer(prompt, "short", rng)) for prompt in sums[:128]]
tried = sft.sample(sums[:400], 1, 40, seed=0)
own = [(q, a) for q, a, ok in zip(tried.prompts, tried.texts, right(tried), strict=True) if ok][:128]
print(f"written: {written[0][1]!r}   own: {own[0][1]!r}")

# %%
before = sft.sample(task, 2, 40, seed=0)


def drift(policy):
    return measure_drift(policy, sft, world, task, others, right, gold, before=before)


def epochs_of_sft(data, count=2):
    """A `Drift` after each epoch."""
    policy, found = sft.copy(), []
    for seed in range(count):
        train_sft(policy, data, SFTSettings(batch_size=16, learning_rate=1e-4, warmup_steps=1, seed=seed))
        found.append(drift(policy))
    return found


data = {"SFT, written answers": written, "SFT, own right answers": own}
razor = {"RL": list(side_by_side(drift, copies).values())}
razor |= side_by_side(lambda name: epochs_of_sft(data[name]), data)

# %%
stored, begin = load_band("razor")["runs"], drift(sft)
fig, axes = figure(1, 2, height=3.2)
for (name, found), colour in zip(razor.items(), CYCLE, strict=False):
    for run in stored:  # five seeds, pale
        share, kl, loss = ([d[m] for d in run[name]] for m in ("task", "forward_kl", "documents"))
        axes[0].plot(share, kl, ".", color=colour, alpha=0.35)
        axes[1].plot(kl, loss, ".", color=colour, alpha=0.35)
    axes[0].plot([d.task for d in found], [d.forward_kl for d in found], "o-", color=colour, label=name)
    axes[1].plot([d.forward_kl for d in found], [d.documents for d in found], "o-", color=colour)
axes[0].set(xlabel="right results in the new task", ylabel="KL(start ‖ policy) on the task (nats)")
axes[1].set(xlabel="KL(start ‖ policy) on the task (nats)", ylabel="loss on documents (nats)")
axes[1].axhline(begin.documents, color="0.4", ls=":")
axes[0].legend()
for name, found in razor.items():
    print(f"{name:23s} right {begin.task:.2f} → {found[-1].task:.2f}, "
          f"other kinds' gold {begin.others:+.2f} → {found[-1].others:+.2f}")

# %% [markdown]
# Pale: five seeds. What came out, candidly:
#
# - **Right picture: yes.** Whatever the method, the loss on documents follows the KL on the task (rank correlation 0.97 to 1.00 over all checkpoints of a seed on four seeds; 0.42 on the fifth, where RL forgot least). The losses themselves are small. On the other kinds of request RL ends 0.1 to 0.2 points of gold below the policy that hardly moved, on four of the five seeds; for SFT on written answers no loss can be told from noise.
# - **Left picture: no.** At equal reward our RL moves *farther* than SFT on written answers: where both first give 75% right results, its KL was the larger one in all five seeds. Our guess: the written answers, plain sums, are close to what this policy already says, and 48 answers a step make a noisy gradient that moves much of which the reward says nothing.
# - SFT on **own** right answers hardly moves. It also learns less in this time, so it settles nothing at equal reward.
#
# The razor's argument is about the *end point* of RL, the nearest policy that solves the task; a short, noisy run need not get there. Does a KL penalty bring it nearer? Try `kl_coefficient=0.1` in section 12, or more samples a step.

# %% [markdown]
# ## 14. The silent-bug clinic
#
# Three bugs that raise no error. First the curves: right and wrong implementation of one function, all else equal.

# %%
from rlhf_lib.exercises import clinic
from rlhf_lib.plots import plot_runs

case = clinic("penalty_sign")
plot_runs(case.curves(), case.watch, title=case.title)
case

# %%
case.quiz

# %% [markdown]
# Now prove it. Your test gets an implementation, calls it, and asserts something that only right code fulfils.

# %%
def my_test(total):
    ...


case.check(my_test)

# %% [markdown]
# <details><summary>Hint</summary>
#
# An answer that the policy finds likelier than the reference does: is it to gain or to lose by the penalty? Rewards 0 make it visible.
#
# </details>

# %% tags=["solution"]
def solution_test(total):
    zero, logp, ref_logp = torch.zeros(1), torch.tensor([-1.0]), torch.tensor([-3.0])
    assert total(zero, logp, ref_logp, 0.5) < 0, "drift must cost"


case.check_solution(solution_test)

# %%
spikes = clinic("k3_reversed")
plot_runs(spikes.curves(), spikes.watch, title=spikes.title)
spikes

# %%
spikes.quiz

# %%
def my_second_test(estimate):
    ...


spikes.check(my_second_test)

# %% tags=["solution"]
def solution_second_test(estimate):
    found = (pi.exp() * estimate(pi, ref)).sum()  # π and reference of section 2
    assert abs(found - exact_kl(pi, ref)) < 1e-4, "its mean under the policy must be the KL"


spikes.check_solution(solution_second_test)

# %%
direction = clinic("kl_direction")
plot_runs(direction.curves(), direction.watch, title=direction.title)
direction

# %%
direction.quiz

# %%
def my_third_test(kl):
    ...


direction.check(my_third_test)

# %% tags=["solution"]
def solution_third_test(kl):
    policy, reference = torch.tensor([[0.9, 0.1]]).log(), torch.tensor([[0.5, 0.5]]).log()
    by_hand = 0.9 * math.log(1.8) + 0.1 * math.log(0.2)
    assert abs(kl(policy, reference)[0] - by_hand) < 1e-4, "it is weighed by the policy"


direction.check_solution(solution_third_test)

# %% [markdown]
# ## 15. Exercises

# %% [markdown] tags=["exercise"]
# {exercise: my_token_rewards}
#
# PPO wants a reward for each token. `rewards` (B,), `logp`, `ref_logp`, `mask` (B, T), padding at the right. Return (B, T): minus β times the log-ratio at each real token, plus the answer's reward at its last real token.

# %% tags=["solution"]
def solution_token_rewards(rewards, logp, ref_logp, mask, beta):
    out = -beta * (logp - ref_logp) * mask
    last = mask.sum(1).long() - 1
    out[torch.arange(len(mask)), last] += rewards
    return out

# %% [markdown] tags=["exercise"]
# {exercise: my_controller_step}
#
# All arguments are numbers. Return the new coefficient after `n` samples with a mean KL of `kl`.

# %% tags=["solution"]
def solution_controller_step(coefficient, kl, target, n, horizon):
    error = min(0.2, max(-0.2, kl / target - 1))
    return coefficient * (1 + error * n / horizon)

# %% [markdown] tags=["exercise"]
# {exercise: my_two_kls}
#
# `logits`, `ref_logits` (B, V). Return two tensors (B,): the reverse KL(policy ‖ reference), then the forward KL(reference ‖ policy).

# %% tags=["solution"]
def solution_two_kls(logits, ref_logits):
    p, q = logits.log_softmax(-1), ref_logits.log_softmax(-1)
    return (p.exp() * (p - q)).sum(-1), (q.exp() * (q - p)).sum(-1)

# %% [markdown] tags=["exercise"]
# {exercise: my_ptx_loss}
#
# `logp`, `mask` (B, T) and `advantages` (B,) of answers; `document_logp` (D, L) of document tokens. Return the REINFORCE loss of chapter 11 plus `coefficient` times the mean negative log-likelihood of the documents.

# %% tags=["solution"]
def solution_ptx_loss(logp, advantages, mask, document_logp, coefficient):
    reinforce = -(advantages[:, None] * logp * mask).sum(1).mean()
    return reinforce - coefficient * document_logp.mean()

# %% [markdown]
# ## 16. What this chapter claimed

# %% tags=["claims"]
last_kl = {name: np.mean(history.series("kl")[-5:]) for name, (_, history) in runs.items()}
assert last_kl["β = 1"] < last_kl["β = 0.2"] < last_kl["β = 0"], "a larger β, a smaller KL"
near = {k: estimator_moments(*drifted("all a little", 0.2), k) for k in ("k1", "k2", "k3")}
assert abs(near["k1"].bias) < 1e-9 and abs(near["k3"].bias) < 1e-9, "k1 and k3 are unbiased"
assert near["k3"].deviation < 0.5 * near["k1"].deviation, "near the reference k3 scatters less"
distant = {k: estimator_moments(*drifted("all a little", 2.5), k) for k in ("k1", "k3")}
assert distant["k3"].deviation > distant["k1"].deviation, "far away k3 scatters more"
assert answers.mean() > 0 > wrong.mean(), "a negative mean needs samples of another policy"
assert summed.std() < sampled.std(), "summing over the vocabulary takes noise away"
assert ends["k1 in the loss"]["kl"] > 1.5 * ends["k1 in the reward"]["kl"], "k1 in the loss does not hold"
assert ends["k2 in the loss"]["reverse_kl"] < ends["k3 in the loss"]["reverse_kl"], "k2 goes to π*"
assert fit_gaussian(target, "reverse", (3.0, 0.7)).mean > 1.5, "reverse KL sits on one summit"
for name in ("from β 0.07", "from β 10"):
    assert abs(paths[name][-100:, 1].mean() - 0.8) < 0.1, "the controller reaches its target"
assert lost["ptx, γ = 0.3"] < lost["β = 0"] - 0.1, "ptx forgets less"
assert chosen[1.0][-1] > chosen[0.0][-1], "an NLL term holds the chosen answers up"
assert moves["clip 0.2"][:5, 0].mean() < moves["neither"][:5, 0].mean(), "the clip shortens a batch's move"
assert moves["both"][-1, 1] < 0.7 * moves["clip 0.2"][-1, 1], "the penalty bounds the way in all"
print("all claims hold")

# %% [markdown] tags=["recap"]
# ## Recap
#
# - Rewards are proxies. A KL penalty does not mend them; it keeps the policy where they are good. Larger β, nearer.
# - k1 in the reward; k2 or k3 in the loss. k1 in the loss does nothing. k3 is quiet near the reference and spikes far from it.
# - Single negative values are noise; a negative mean says that the samples are not the policy's.
# - Forward KL covers, reverse KL seeks a mode. The usual penalty hardly punishes the loss of diversity.
# - The clip bounds a step, the penalty a journey; ptx keeps what is not in the task; a true reward needs the least of all this.
#
# **Recall** of earlier chapters:

# %% tags=["recall"]
from IPython.display import display

from rlhf_lib.exercises import recall

for quiz in recall("08_regularization"):
    display(quiz)

# %% [markdown]
# **More:** the book's chapter [Regularization](https://rlhfbook.com/c/15-regularization); Ziegler et al. (2019) for KL control; Ouyang et al. (2022) for PPO-ptx; Schulman (2020), *Approximating KL divergence*; Pang et al. (2024), *Iterative reasoning preference optimization*; Touvron et al. (2023) for margins; Shenfeld et al. (2025),
# *RL's razor*; Korbak et al. (2022), *RL with KL penalties is better viewed as Bayesian inference*.
