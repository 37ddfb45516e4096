# %% [markdown]
# # Regularization
#
# A reward model is right near the answers that it has seen compared. Optimisation does not stay there. Regularization is whatever holds a policy back: a price on its distance from where it began, a second loss, a small step. This chapter measures what each of these brakes does. It comes after policy gradients, whose words it uses.
#
# **You will be able to**
# - put a KL penalty into the reward, and say what its price β buys and costs;
# - choose between k1, k2 and k3, and explain a negative KL and a spike;
# - tell forward from reverse KL by what becomes of a second mode;
# - choose a brake for what you want to keep: the answers, one step, or old skills.

# %% [markdown]
# ## 1. First the result
#
# RLOO, the policy gradient that compares each answer with the others to the same prompt, trains pocket-sft against the shipped reward model. Two runs differ in one number, β: the price, in points of reward, of each nat of KL divergence from pocket-sft (a nat is the unit of natural logarithms). The gold utility, PocketWorld's true measure, only looks on.
#
# **Predict:** which run ends with the higher reward? Which with the higher gold utility?

# %% tags=["setup"]
import functools
import random

import numpy as np
import torch

from rlhf_lib import PocketWorld, load_policy, set_seed
from rlhf_lib.exercises import predict
from rlhf_lib.experiments.stored import band, results_of
from rlhf_lib.plots import CYCLE, figure
from rlhf_lib.rewards import GoldReward, RewardModel
from rlhf_lib.training import side_by_side
from rlhf_lib.workbook.ch08_regularization.experiments import BETAS, EVERY, STEPS, penalised

LONG = False  # True runs section 1 to its last step
set_seed(0)
world, sft = PocketWorld(), load_policy("pocket-sft")
proxy, gold = RewardModel.load("pocket-reward"), GoldReward(world)

# %% tags=["training"]
runs = side_by_side(lambda beta: penalised(beta, seed=0, steps=STEPS if LONG else EVERY), (0.0, 0.2))

# %%
stored = band("beta_sweep")
fig, axes = figure(1, 3, height=2.8)
titles = {"proxy": "reward model", "gold": "gold utility", "kl": "KL to pocket-sft (nats)"}
for axis, (metric, title) in zip(axes, titles.items(), strict=True):
    for (beta, (_, curves)), colour in zip(runs.items(), CYCLE, strict=False):
        known = stored[f"{beta:g}"]
        axis.fill_between(known["step"], known[metric]["low"], known[metric]["high"], color=colour, alpha=0.15)
        axis.plot(known["step"], known[metric]["median"], color=colour, lw=1)
        axis.plot(curves["step"], curves[metric], "o", color=colour, label=f"β = {beta:g}")
    axis.set(title=title, xlabel="step")
axes[0].legend();

# %% [markdown]
# Bands and thin lines: range and median of five stored runs, measured on two answers to each of 96 requests that no run is trained on. Dots: the first part of a run of your own, measured on the same requests.
#
# The reward model likes the free run a little better. Gold disagrees: without a penalty it rises at first, on most seeds, and then falls to about where it began or below, while the reward goes on climbing. With β = 0.2 it stays up. And the free policy has travelled about twice as far. (Chapter 18 goes on for longer; there it falls off a cliff. PocketWorld is made so that this takes minutes: its simulated annotators like length, flattery and confidence a little too much, and the reward model has learned that from them.)
#
# That is why people regularize: *the reward is a proxy, and it is least reliable where nobody has looked*. A penalty does not repair the reward. It keeps the policy where the reward is still good.
#
# **If your dots look wrong.** KL above 0 at step 0: the reference is not the policy's start. KL below 0 for many steps: section 5. Both runs alike: β is not used (is `kl_in` "loss" and the kind "k1"? section 6).

# %% [markdown]
# ## 2. KL in the reward
#
# The general form is $r = r_\theta - \lambda\, r_{reg}$: a reward minus a cost. In RLHF the cost is nearly always
#
# $$r(x, y) - \beta\,\log\frac{\pi(y\mid x)}{\pi_{ref}(y\mid x)}$$
#
# Averaged over the policy's own answers this is $\mathbb E[r] - \beta\,\mathrm{KL}(\pi\,\|\,\pi_{ref})$. The log-ratio of an answer is the sum over its tokens, so the reference has to score exactly the tokens that the policy drew. Here is one batch by hand: draw, score twice, subtract, and give the result to RLOO.

# %%
from rlhf_lib.objectives import rloo_advantages

policy, asked = runs[0.0][0], world.prompts(3, ("fact", "opinion", "lookalike"), seed=4, split="test")
rollout = policy.sample(asked, samples_per_prompt=4, max_new_tokens=40, seed=1)
with torch.no_grad():
    rewards, ref_logp = proxy(rollout), sft.logprobs(rollout)  # (12,) and (12, T)
log_ratio = ((rollout.logp - ref_logp) * rollout.loss_mask).sum(1)
penalised_rewards = rewards - 0.2 * log_ratio
advantages = rloo_advantages(penalised_rewards.view(3, 4))
for i in (0, 4, 8):
    print(f"reward {rewards[i]:+.2f}  log-ratio {log_ratio[i]:+5.1f}  "
          f"with β 0.2: {penalised_rewards[i]:+.2f}   {rollout.texts[i][:52]!r}")

# %% [markdown]
# The trainer does nothing else. Give it the same batch, and it finds the same advantages:

# %%
from rlhf_lib.training import OnlineTrainer, preset

trainer = OnlineTrainer(policy, asked, proxy, preset("rloo", kl_coefficient=0.2), reference=sft)
theirs = trainer.prepare(rollout, rewards).advantages
print(f"largest difference: {(theirs.view(3, 4) - advantages).abs().max():.6f}")

# %% [markdown]
# **β** is a price: points of reward for each nat. *Larger β, nearer to the reference.* Three traps that real code has fallen into:
#
# - **The prompt.** The same prompt tokens stand before both models; the policy did not draw them. Their log-ratio is no part of the KL. Mask them out.
# - **The sign.** $+\beta$ log-ratio *pays* for drift. If every test has β = 0, nobody notices (the clinic below).
# - **`F.kl_div`.** Its first argument must already be log-probabilities. Its second must be probabilities, unless you set `log_target=True`. And it weighs by the second: `F.kl_div(input, target)` is KL(target ‖ input), the opposite order of the notation.

# %% tags=["nbval-check-output"]
import torch.nn.functional as F

from rlhf_lib.objectives import exact_kl

pi, ref = torch.tensor([0.7, 0.2, 0.1]).log(), torch.tensor([0.4, 0.4, 0.2]).log()
print(f"KL(π‖ref), exact:                        {exact_kl(pi, ref):.4f}")
print(f"F.kl_div(ref, π, log_target=True):       {F.kl_div(ref, pi, reduction='sum', log_target=True):.4f}")
print(f"F.kl_div(π, ref, log_target=True):       {F.kl_div(pi, ref, reduction='sum', log_target=True):.4f}")
print(f"F.kl_div(ref, π), log_target forgotten:  {F.kl_div(ref, pi, reduction='sum'):.4f}")

# %% [markdown]
# The second line is right, and the third is the other direction of the KL: close enough here to pass for it. The last one is not a number, because a logarithm was given where a probability belongs.

# %% [markdown]
# ## 3. What β does, exactly
#
# Suppose that all answers to a request could be listed. Then the best policy would need no training:
#
# $$\pi^*(y\mid x) = \frac1{Z(x)}\,\pi_{ref}(y\mid x)\,e^{r(x,y)/\beta} \quad \text{[OPT-1]} \qquad Z(x) = \sum_y \pi_{ref}(y\mid x)\,e^{r(x,y)/\beta} \quad \text{[OPT-2]}$$
#
# and any other policy would fall short by exactly its distance from it (chapter 12 derives this):
#
# $$\mathbb E_\pi[r] - \beta\,\mathrm{KL}(\pi\|\pi_{ref}) = \beta\log Z - \beta\,\mathrm{KL}(\pi\|\pi^*) \qquad \text{[OPT-3]}$$
#
# We list 100 answers to each of eight requests, and call that an **exact world**:

# %%
from rlhf_lib.exact import coverage, exact_world

kinds = ("fact", "opinion", "unsafe", "lookalike", "sum")
exact = exact_world(world, world.prompts(8, kinds, seed=3), sft, proxy, size=100)
share = coverage(sft, exact)
print(f"the lists hold {share.mean():.0%} of pocket-sft's probability ({share.min():.0%} to {share.max():.0%})")
for beta in (5.0, 1.0, 0.2):
    best = exact.optimum(beta)
    numbers = exact.measure(best, beta)
    print(f"β {beta}: reward {numbers['reward']:+.2f}, KL {numbers['kl']:.2f}. Likeliest:")
    for probability, reward, text in exact.likeliest(best, row=1, count=2):
        print(f"     {probability:.2f}  reward {reward:+.2f}  {text!r}")

# %% [markdown]
# The lists do not hold everything: misspelt, unfinished and rambling answers are missing, and a real policy can go there. The reference of the exact world is pocket-sft *given that it answers from the list*, rescaled to sum to 1. Inside the list the formulas hold to the last digit; as a measurement of pocket-sft the numbers would be wrong.
#
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
# The left curve is the **frontier**: no policy over these lists lies above it. It bends down, so the first nat buys most. Best-of-n (its exact distribution [OPT-4], its exact KL [OPT-5]) stays close below it, at a KL of at most $\log n - \frac{n-1}n$ [KL-4]; chapter 10 has more.
#
# The right picture is over-optimization without a training run: the same best policies, judged by gold. Where it stops rising, more optimisation serves only the reward model.

# %% [markdown]
# ## 4. A sweep of real runs
#
# Now the language model itself: the stored runs of all β at their last step (32 steps of 32 answers, at a constant learning rate). Think of the two ends, β → 0 and β → ∞, before you look.

# %% tags=["predict"]
guess = predict(
    "From the smallest β to the largest, what does the gold utility at the end of the run do?",
    {"falls": "it falls: a penalty only costs", "level": "it rises, then stays level",
     "hump": "it rises, then clearly falls again"},
)  # fmt: skip
guess

# %% tags=["predicted"]
ends = {beta: [run[f"{beta:g}"] for run in results_of("08_regularization", "beta_sweep").values()] for beta in BETAS}
titles |= {"objective": "reward − β · KL"}
fig, axes = figure(2, 2, height=2.3)
for axis, (metric, title) in zip(axes.flat, titles.items(), strict=True):
    values = np.array([[run[metric][-1] for run in ends[beta]] for beta in BETAS])
    axis.plot(range(len(BETAS)), values, "o", color="0.6", ms=4)
    axis.plot(np.median(values, 1), lw=2, color=CYCLE[4])
    axis.axhline(np.median([run[metric][0] for run in ends[0.0]]), color="0.4", ls=":")
    axis.set(title=title, xticks=range(len(BETAS)), xticklabels=[f"β {beta:g}" for beta in BETAS])
free, _, held, tight = (np.array([run["gold"][-1] for run in ends[beta]]) for beta in BETAS)
lost = held - tight  # on each seed, from β = 0.2 to 1
clear = lost.mean() > 2 * lost.std(ddof=1) / len(lost) ** 0.5
guess.reveal("falls" if free.mean() > held.mean() else "hump" if clear else "level")

# %% [markdown]
# Dots are runs, the line joins the medians, and the dotted line is pocket-sft, the policy that does nothing.
#
# *Distance* falls with every step of β: that is what a price does. *Reward* falls too, slowly up to β = 0.2 (these runs cannot tell 0.05 from 0.2) and then steeply. *Gold* does not follow the reward. With β = 0 the policy has run past the point where the reward model is right. β = 0.05 holds it too loosely: on every seed gold ends below that of β = 0.2. Between β = 0.2 and
# β = 1 the reward differs by nearly a point, and gold by so little that five runs cannot tell: what the cheaper penalty collects, gold does not see. (Far to the right the curve must come down to the dotted line: at an infinite price nothing moves.)
#
# Now the last panel, the *objective*, which is what each run was told to maximise. At β = 1 it ends far **below** pocket-sft, which has no KL to pay for. How can a policy that is optimised end up worse off than one that does nothing? By noise. A gradient from 32 answers points partly in random directions, and at this learning rate the
# policy wanders more than a nat away; at β = 1 each nat costs a whole point. The best policy for β = 1 has less than half a nat to pay for (section 3). So a large β wants a smaller learning rate, or more answers a step, before you may call it a leash (section 13 lets you try).
#
# No β is right in general. It depends on the scale of the rewards (here a standard deviation of about 1 over pocket-sft's answers), on the length of answers (KL adds up over tokens), and on how far the reward model can be trusted. So sweep it, and compare runs at equal **KL**, not at equal steps.

# %% [markdown]
# ## 5. Three estimators, more closely
#
# With $\Delta = \log\pi - \log\pi_{ref}$ of a sampled token, chapter 11 met three estimates of the KL: $k_1=\Delta$, $k_2=\frac12\Delta^2$ and $k_3=e^{-\Delta}-1+\Delta$ [KL-1], beside the exact sum over the vocabulary [KL-2]. This section asks where k3 comes from, when it is *worse*, and what a negative value means.
#
# Suppose you know a quantity whose average is exactly zero, and which is high whenever k1 is low. Add it to k1: the average stays, and the noise cancels. That trick is called a **control variate**. Here such a quantity is $e^{-\Delta}-1$. How much of it should you add? Try every multiple $c$, from 0 (plain k1) over 1 (k3) on, for policies at three distances from the reference:

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
# Near the reference, $c=1$ cancels nearly all the noise. Farther away (β 0.7) the best $c$ has moved back below 1, and k3 saves much less. (Farther still k3 scatters *more* than k1: the right panel below.) Along each curve the mean never changes: it is the KL in the legend.
#
# Why is the average zero? $\mathbb E_\pi[e^{-\Delta}] = \sum_y \pi(y)\,\frac{\pi_{ref}(y)}{\pi(y)} = \sum_y \pi_{ref}(y) = 1$. And why does it cancel k1's noise? For small Δ, $e^{-\Delta}-1\approx-\Delta$.

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
# A log-ratio is negative whenever the policy drew something that the reference likes better. That must happen, since the probabilities of both sum to 1. On real answers:

# %%
far_policy = runs[0.2][0]
far = far_policy.sample(world.prompts(128, seed=33), 2, 40, seed=2)
with torch.no_grad():
    token_k1 = (far.logp - sft.logprobs(far)) * far.loss_mask
tokens, answers = token_k1[far.loss_mask.bool()], token_k1.sum(1)
batches = answers[torch.randperm(256, generator=torch.Generator().manual_seed(0))].view(-1, 8).mean(1)
print(f"negative: {(tokens < 0).float().mean():.0%} of tokens, {(answers < 0).float().mean():.0%} of answers,")
print(f"          {(batches < 0).float().mean():.0%} of means over 8 answers")
print(f"mean of all answers: {answers.mean():.2f} nats")

# %% [markdown]
# Single values below 0 are noise. (Near the reference, as at the start of every run, means over a batch can be negative too: try distance 0.1 in the lab below.) A *mean* that stays below 0 is a bug: the samples are not the policy's. If they are the reference's, k1 has the mean $-\mathrm{KL}(\pi_{ref}\|\pi)$:

# %%
old = sft.sample(world.prompts(128, seed=33), 2, 40, seed=2)  # stale samples: from before the training
with torch.no_grad():
    wrong = (far_policy.logprobs(old) - old.logp).sum(1)
print(f"mean k1 on stale samples: {wrong.mean():.2f} nats, standard error {wrong.std() / 16:.2f}")

# %% [markdown]
# In the wild: samples of an older policy, another temperature or top-p than the one that is scored, an end token masked out, a reference in another precision.
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
# "Unbiased" is of little use when most of the mean sits in an event that your batch does not contain: the estimate is nearly always too low, and then far too high. In the loss the gradient spikes too, and gradient clipping hides it. (A second cause is worse. With Δ the wrong way round, k3 explodes where the policy *does* sample. The clinic has that one.)

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
    per_token = exact_kl(far_policy.completion_logits(part), sft.completion_logits(part))
summed, sampled = (per_token * part.loss_mask).sum(1), answers[:96]
for name, x in (("k1, sampled tokens", sampled), ("summed over the vocabulary", summed)):
    print(f"{name:27s} {x.mean():.2f} nats, standard deviation {x.std():.2f}, smallest {x.min():+.2f}")

# %% [markdown]
# ## 6. In the loss it is another matter
#
# As a *number in the reward*, k1 does what it should. In the *loss*, an estimate is differentiated, and that changes everything. Train a table of probabilities in the exact world with each, by REINFORCE on 32 sampled answers a step, and measure the distance to π*, which is known. **Predict:** which of these end at π*?

# %%
from rlhf_lib.exact import descend, draw
from rlhf_lib.objectives import kl_estimate, weighted_kl

BETA = 0.5
kinds = {"k1 in the reward": None, "k1 in the loss": "k1", "k2 in the loss": "k2", "k3 in the loss": "k3"}
kinds["k3 weighted, in the loss"] = "weighted"


def penalised_loss(table, kind, generator, beta=BETA, samples=32):
    """REINFORCE on sampled answers, with the penalty in the reward (kind None) or in the loss."""
    index = draw(table.table().detach(), samples, generator)
    logp, ref_logp = table.pick(index), exact.ref_logp.gather(1, index)
    rewards, penalty = exact.rewards.gather(1, index), 0.0
    if kind is None:
        rewards = rewards - beta * (logp.detach() - ref_logp)
    elif kind == "weighted":
        penalty = beta * weighted_kl(logp, logp.detach(), ref_logp).mean()
    else:
        penalty = beta * kl_estimate(logp, ref_logp, kind).mean()
    return penalty - (rloo_advantages(rewards) * logp).mean()

# %%
curves, (fig, axes) = {}, figure(1, 2, height=2.9)
for name, kind in kinds.items():
    generator = torch.Generator().manual_seed(0)
    loss = functools.partial(penalised_loss, kind=kind, generator=generator)
    curves[name] = descend(exact, loss, beta=BETA)
    for axis, key in zip(axes, ("reverse_kl", "kl"), strict=True):
        axis.plot([row["step"] for row in curves[name]], [row[key] for row in curves[name]], label=name)
axes[0].set(title="KL(policy ‖ π*) (nats)", xlabel="step", yscale="log")
axes[1].set(title="KL(policy ‖ reference) (nats)", xlabel="step")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3);

# %% [markdown]
# - **k1 in the loss** is no penalty at all. Its gradient, $\nabla\log\pi$ of a sample, is zero on average, so that policy walks away.
# - **k1 in the reward** and **k2 in the loss** head for the same π*: their expected gradients are equal, and are those of the KL. k2's is noisier.
# - **k3 in the loss** holds, but at *another optimum*. Its gradient is that of $\mathrm{KL}(\pi_{ref}\|\pi)$, the other direction. The best policy for that penalty is $\pi = \beta\,\pi_{ref}/(c - r)$, with the $c$ that makes it sum to 1; it can be computed:

# %%
from rlhf_lib.exact import forward_kl_optimum

other = exact.measure(forward_kl_optimum(exact.ref_logp, exact.rewards, BETA), BETA)
print(f"optimum under KL(ref‖π): {other['reverse_kl']:.2f} nats from π*, {other['kl']:.2f} from the reference")
for name in ("k3 in the loss", "k3 weighted, in the loss"):
    row = curves[name][-1]
    print(f"{name:24s} {row['reverse_kl']:.2f} nats from π*, {row['kl']:.2f} from the reference")

# %% [markdown]
# The k3 run is on its way to that optimum: its KL was still rising when we stopped. GRPO's published loss has k3 there. It is not wrong, but it is another penalty under the same name, here a longer leash, and values of β do not carry over.
#
# **The repair of 2025.** k3 estimates the right *number*; its gradient ignores that the samples come from the policy itself. Multiply k3 by the ratio of the policy to the one that drew the sample. The ratio is 1, its gradient is not, and the product has the gradient of KL(π‖π_ref). DeepSeek-V3.2 does so, TRL's GRPO trainer does so by default since version 1.16, and here it is
# `kl_in="loss", kl_kind="k3_weighted"`. In the figure its line lies exactly on k2's: on fresh samples the two have the same gradient, $\Delta\,\nabla\log\pi$. They part when a batch is used for a second update.
#
# So: **k1 in the reward, or k2 or weighted k3 in the loss, are the KL penalty. Plain k3 in the loss is another one.**

# %% [markdown]
# ## 7. Forward and reverse
#
# $\mathrm{KL}(p\|q)$ is weighed by $p$. Fit $q$ to a target $p$:
#
# - **forward**, $\mathrm{KL}(p\|q)$: wherever the target has mass, $q$ must have some. It *covers*;
# - **reverse**, $\mathrm{KL}(q\|p)$: wherever $q$ has mass, the target must have some. It *seeks a mode*.
#
# **Predict:** fit a single Gaussian to a target with two summits. Where does each direction put it?

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
# Forward gives the same fit from both starts, with its summit near the valley, where the target has next to nothing. Reverse takes the summit that it starts near and never learns of the other. The numbers say that the fit on the right is the worse one, 0.91 against 0.51; descent has no reason to leave it.

# %% tags=["lab"]
from rlhf_lib.labs import divergence_lab

divergence_lab()

# %% [markdown]
# ### What has that to do with SFT and RL?
#
# - **SFT** (supervised fine-tuning) minimises $-\mathbb E_{y\sim p}[\log\pi(y)] = \mathrm{KL}(p\|\pi) + H(p)$: the forward KL to the writers of the data, plus their entropy $H(p)$, a constant.
# - **RL** with a KL penalty minimises $\beta\,\mathrm{KL}(\pi\|\pi^*)$ up to a constant: that is [OPT-3]. Reverse KL, to the policy that the reward asks for.
#
# With room for every answer (a table, a large model) both could reach their target. The difference shows when they cannot, or are stopped early: SFT spreads out over all that it was shown, RL sharpens what it already does.
#
# The *penalty* is a reverse KL too. It forbids saying what the reference never says. It hardly forbids you to **stop** saying something:

# %% tags=["nbval-check-output"]
both_modes, one_mode = torch.tensor([0.5, 0.5]), torch.tensor([0.999, 0.001])
new_mode, two_old = torch.tensor([0.8, 0.1, 0.1]), torch.tensor([0.002, 0.499, 0.499])
print(f"drop one of two modes:  KL(π‖ref) {exact_kl(one_mode.log(), both_modes.log()):.2f}   "
      f"KL(ref‖π) {exact_kl(both_modes.log(), one_mode.log()):.2f}")
print(f"invent a third:         KL(π‖ref) {exact_kl(new_mode.log(), two_old.log()):.2f}   "
      f"KL(ref‖π) {exact_kl(two_old.log(), new_mode.log()):.2f}")

# %% [markdown]
# Giving up half of all it can say costs a policy $\log 2 = 0.69$ nats. That is one reason why RLHF-trained models are less diverse than their reference at an innocent-looking KL.

# %% [markdown]
# ## 8. Steering: a target instead of a price
#
# ### A coefficient that steers itself
#
# Instead of β, choose a distance (Ziegler et al., 2019): $\beta \leftarrow \beta\,(1 + e\,n/\text{horizon})$ after $n$ samples, with $e = \mathrm{clip}(\mathrm{KL}/\text{target} - 1, \pm0.2)$ [KL-3]. In the exact world the right answer is known: the β whose π* has just that KL. **Predict:** started nine times too low, and sixteen times too high, do both arrive?

# %%
from rlhf_lib.objectives import AdaptiveKL

TARGET = 0.8


def steered(beta, horizon):
    """(β, KL) of each of 400 steps of policy gradient under the controller."""
    control, path, generator = AdaptiveKL(TARGET, horizon, beta), [], torch.Generator().manual_seed(1)

    def loss(table):
        kl = exact_kl(table.table().detach(), exact.ref_logp).mean().item()
        path.append((control.update(kl, 16 * 8), kl))
        return penalised_loss(table, None, generator, control.coefficient, samples=16)

    descend(exact, loss, steps=400)
    return np.array(path)

# %%
dense = np.geomspace(0.1, 10, 200)
known = dense[np.argmin([abs(exact.measure(exact.optimum(b), b)["kl"] - TARGET) for b in dense])]
tries = {"from β 0.07": (0.07, 1500), "from β 10": (10.0, 1500), "from β 10, short horizon": (10.0, 250)}
paths = {name: steered(*settings) for name, settings in tries.items()}
fig, axes = figure(1, 2, height=2.9)
for name, path in paths.items():
    axes[0].semilogy(path[:, 0], label=name)
    axes[1].plot(path[:, 1])
axes[0].axhline(known, color="0.4", ls=":")
axes[1].axhline(TARGET, color="0.4", ls=":")
axes[0].set(title="β (dotted: the exact answer)", xlabel="step")
axes[1].set(title="KL in nats (dotted: the target)", xlabel="step")
print(f"the exact answer: β = {known:.2f}")
fig.legend(loc="outside lower center", ncols=3);

# %% [markdown]
# From either side β finds its way; from below only after a long swing, because β is small while it is learning to be large. With a short horizon β outruns the policy, which needs time to follow, and both swing. A controller that is quicker than what it controls always does that. Direct losses such as DPO have no such knob: their β is fixed from the first step to the last.
#
# ### A reference that moves
#
# Long runs (ProRL is one) *reset*: every few hundred steps the current policy becomes the new reference. What does β mean then? Each reset tilts an already tilted policy again. In the exact world, with a perfect optimum before each reset:

# %% tags=["nbval-check-output"]
from rlhf_lib.exact import optimal_policy

reference = exact.ref_logp
for resets in range(4):
    star = optimal_policy(reference, exact.rewards, 2.0)
    local, total = (exact_kl(star, q).mean().item() for q in (reference, exact.ref_logp))
    same = abs(exact_kl(star, exact.optimum(2.0 / (resets + 1))).mean().item())
    print(f"after {resets} resets: KL to the present reference {local:.2f}, to the first {total:.2f}; "
          f"KL to π* of β = 2/{resets + 1}: {same:.4f}")
    reference = star

# %% [markdown]
# $m$ resets at price β are one run at the price $\beta/(m+1)$. The KL in your log, to the *present* reference, stays small; the distance from where you began adds up unseen. With a true reward that is a convenient way to go far in safe steps. With a learned one it removes the bound: log the KL to the first policy as well.

# %% [markdown]
# ## 9. The step and the journey
#
# PPO holds back twice. Its clip compares with $\pi_{old}$, the policy that drew *this batch*; the penalty compares with $\pi_{ref}$, where all began. Thirty batches, six updates on each, in the exact world:

# %%
from rlhf_lib.exact import TabularPolicy
from rlhf_lib.objectives import policy_loss


def one_batch(table, optimizer, clip, beta, generator):
    """Six updates on 32 answers to each request; returns KL(new ‖ old), and KL to the reference."""
    old = table.table().detach()
    index = draw(old, 32, generator)
    logp, ones = old.gather(1, index), torch.ones(256, 1)
    total = exact.rewards.gather(1, index) - beta * (logp - exact.ref_logp.gather(1, index))
    advantages = rloo_advantages(total).view(-1)
    for _ in range(6):
        optimizer.zero_grad()
        now = table.pick(index).view(-1, 1)
        policy_loss(now, logp.view(-1, 1), advantages, ones, clip_low=clip, clip_high=clip)[0].backward()
        optimizer.step()
    return [exact_kl(table.table().detach(), q).mean().item() for q in (old, exact.ref_logp)]

# %%
brakes = {"neither": (0.99, 0.0), "clip 0.2": (0.2, 0.0), "β 0.5": (0.99, 0.5), "both": (0.2, 0.5)}
moves, (fig, axes) = {}, figure(1, 2, height=2.9)
for name, (clip, beta) in brakes.items():
    table, generator = TabularPolicy(exact.ref_logp), torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(table.parameters(), 0.15)
    moves[name] = np.array([one_batch(table, optimizer, clip, beta, generator) for _ in range(30)])
    for axis, path in zip(axes, moves[name].T, strict=True):
        axis.plot(path, label=name)
axes[0].set(title="KL(new ‖ old) of one batch (nats)", xlabel="batch", xlim=(0, 10))
axes[1].set(title="KL(policy ‖ reference) (nats)", xlabel="batch")
axes[1].legend();

# %% [markdown]
# Left: in the first batches the clip makes each move smaller. (Later the other policies have nearly arrived, and move less.) Right: it only delays. Without a penalty the clipped policy walks on, as far as the unclipped one. The penalty bounds the total, and lets the first batches leap.
#
# Many recent runs set β = 0 and rely on such trust regions alone: a clip, a small learning rate, truncated ratios. They make each step reliable. They put no bound on where the steps lead. *One brake for the step, one for the journey.*

# %% [markdown]
# ## 10. Other terms in the loss
#
# ### Pretraining gradients
#
# KL holds the *answers*. What about everything else that the model could do? InstructGPT mixed the pre-training loss into each update of PPO, and called that PPO-ptx:
#
# $$\mathcal L = \mathcal L_{RL} - \gamma\ \mathbb E_{x\sim D_{pretrain}}[\log\pi_\theta(x)] \qquad \text{[REG-1]}$$
#
# "Forgetting" can be measured: it is the loss on documents that the base model had learned. The stored runs after 16 steps, and the same with pretraining gradients in place of a penalty:

# %%
from rlhf_lib.training import document_loss

base = document_loss(load_policy("pocket-base"), world.documents(99), batches=2)
lost = {f"β = {beta:g}": [run["documents"][1] for run in ends[beta]] for beta in BETAS}
with_ptx = list(results_of("08_regularization", "pretraining").values())
lost["ptx, γ = 0.3"] = [run["documents"][-1] for run in with_ptx]
fig, axis = figure(height=2.6, width=6.4)
for row, values in enumerate(lost.values()):
    axis.barh(row, np.median(values), color="0.85")
    axis.plot(values, [row] * len(values), "o", ms=4, color=CYCLE[0])
axis.axvline(base, color="0.3", ls="--", label="pocket-base")
axis.axvline(ends[0.0][0]["documents"][0], color="0.3", ls=":", label="pocket-sft")
axis.set(xlabel="loss on documents (nats a token)", yticks=range(len(lost)), yticklabels=list(lost), xlim=(0, None))
axis.invert_yaxis()
fig.legend(loc="outside right upper");

# %% [markdown]
# Most of the forgetting happened in supervised fine-tuning, before any RL: compare the two vertical lines. RL adds some more. β = 1 saves a part of that, smaller ones hardly any. Pretraining gradients do not only hold: they *re-learn*, to far below where RL began. They cost an extra forward and backward pass in each step, and put no bound on the answers.
#
# ### Forgetting follows the distance
#
# What decides how much is forgotten? Put all stored runs of section 4 into one picture, each at its three measurements:

# %%
fig, axis = figure(height=2.9, width=5.6)
for beta, colour in zip(BETAS, CYCLE, strict=False):
    for run in ends[beta]:
        label = f"β = {beta:g}" if run is ends[beta][0] else None
        axis.plot(run["kl"], run["documents"], "o-", ms=4, lw=0.7, color=colour, label=label)
axis.set(xlabel="KL to pocket-sft, on answers (nats)", ylabel="loss on documents (nats a token)")
axis.legend();

# %% [markdown]
# On the whole, the farther a policy has moved on its answers, the more it has forgotten of the documents, whichever β it was trained with. (It is a trend and no law: three runs of β = 0.05 forgot more than any of β = 0, some of which had moved farther.) Shenfeld et al. (2025) report the same of large models: how much is forgotten is told by the KL *on the new task*. They call the second half of their finding *RL's razor*: at equal reward RL forgets less than SFT,
# since among all policies that solve the task it ends near one with a small KL. That comparison needs longer and calmer runs than ours, so we do not draw it.
#
# ### A likelihood term, and a margin
#
# Two more terms are often listed under this heading.
#
# **DPO + NLL** (iterative RPO). DPO, chapter 12's loss on pairs, only wants the *difference* of chosen and rejected to grow, and often lets both fall. A likelihood term (NLL, negative log-likelihood) holds the chosen answer up:
#
# $$\mathcal L = \mathcal L_{DPO} - \alpha\,\frac{\log\pi_\theta(y_c\mid x)}{|y_c|} \qquad \text{[REG-2]}$$
#
# Here are two answers' log-probabilities, and what the two losses would do to each. A positive number means that a step of descent raises it:

# %% tags=["nbval-check-output"]
from rlhf_lib.objectives import dpo_loss

chosen, rejected = (torch.tensor([x], requires_grad=True) for x in (-12.0, -14.0))
dpo = dpo_loss(chosen, rejected, torch.tensor([-10.0]), torch.tensor([-10.0]), beta=0.1)
with_nll = dpo - 1.0 * chosen.mean() / 6  # α = 1, six tokens
for name, loss in (("DPO", dpo), ("DPO + NLL", with_nll)):
    push = [-x.item() for x in torch.autograd.grad(loss, (chosen, rejected), retain_graph=True)]
    print(f"{name:10s} push on the chosen {push[0]:+.3f}, on the rejected {push[1]:+.3f}")

# %% [markdown]
# DPO's pushes are equal and opposite, so nothing in the loss minds if shared weights carry both downwards. The likelihood term adds a push on the chosen answer alone. Chapter 12 shows the fall, its cause and its cures on a model.
#
# **Margins** in the reward model's loss [RM-2] (chapter 07) hold no policy. They change the reward: pairs that annotators found clear get a larger gap.

# %% [markdown]
# ## 11. No KL at all
#
# Many reasoning models are now trained with β = 0, so that they may explore. What holds them then? First, the reward is *checked* and not learned: a verifier compares the result with the right one. Second, it is bounded: a right answer cannot become righter. In the exact world, with a reward of 1 for answers of positive gold and β → 0, π* is the
# reference restricted to the right answers, at a KL of only $\log(1/p)$, where $p$ is the share that was right before.

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
# Third, the policy learns from its own samples only, and an answer that it never draws gets no gradient. Fourth: clip, small learning rate, and stopping. None of these bounds the distance.
#
# And a verifier can be fooled, too. Unit tests get special-cased, the code that extracts an answer gets tricked, and models learn to guess several times. PocketWorld's verifier looks for the right result and at nothing else:

# %% tags=["nbval-check-output"]
from rlhf_lib.rewards import VerifiedAnswer

right = VerifiedAnswer(world)
(question,) = world.prompts(1, ("sum",), seed=9, split="test")
answer = world.answer(question, "short", random.Random(0))
tricks = [answer, answer + " a cow is white. i like music.", "i do not know."]
asked_thrice = sft.encode_completions([question] * 3, tricks)
for text, verdict, utility in zip(tricks, right(asked_thrice), gold(asked_thrice), strict=True):
    print(f"verifier {verdict:.0f}  gold {utility:+.2f}  {text!r}")

# %% [markdown]
# ## 12. The silent-bug clinic
#
# Bugs that raise no error. First the curves: right and wrong implementation of one function, all else equal.

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
# Take an answer that the policy finds likelier than the reference does. Should the penalty raise or lower its reward? Rewards of 0 make it visible.
#
# </details>

# %% tags=["solution"]
def solution_test(total):
    zero, logp, ref_logp = torch.zeros(1), torch.tensor([-1.0]), torch.tensor([-3.0])
    assert total(zero, logp, ref_logp, 0.5) < 0, "drift must cost"


case.check_solution(solution_test)

# %% [markdown]
# The second case starts well, and then its estimate leaves the true KL behind.

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

# %% [markdown]
# <details><summary>Hint</summary>
#
# π and its reference of section 2 have three answers: you can compute the mean of the estimate under π, and you know what it must be.
#
# </details>

# %% tags=["solution"]
def solution_second_test(estimate):
    found = (pi.exp() * estimate(pi, ref)).sum()  # π and its reference of section 2
    assert abs(found - exact_kl(pi, ref)) < 1e-4, "its mean under the policy must be the KL"


spikes.check_solution(solution_second_test)

# %% [markdown]
# One more case is yours alone: `clinic("kl_direction")`, a run that comes near the best policy and leaves it again. `.curves()`, `.quiz`, `.check(my_test)` and `.hint(1)` work as above.

# %% [markdown]
# ## 13. Exercises

# %% [markdown] tags=["exercise"]
# {exercise: my_token_rewards}
#
# PPO wants a reward for each token. You get `rewards` (B,), and `logp`, `ref_logp`, `mask` (B, T) with padding at the right. Return (B, T): minus β times the log-ratio at each real token, plus the answer's reward at its last real token.

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

# %% [markdown] tags=["exercise"]
# {exercise: my_rate}
#
# Section 4 says that a large β wants a small learning rate. Predict first. Then train a table over listed answers with each rate and four seeds, and note down the last `value` of each history: reward − β · KL. A run is `train_exact(TabularPolicy(small.ref_logp), small, settings)`, with `small = small_world()` from `rlhf_lib.exact.small_world` and `settings = ExactSettings(beta=1.0, steps=100, learning_rate=..., samples=4, seed=seed)`. The untrained table has `small.measure(small.ref_logp, 1.0)["value"]`. Choose a rate, or `"undecided"`.

# %% tags=["solution"]
from rlhf_lib.exact import ExactSettings, train_exact
from rlhf_lib.exact.small_world import small_world

small, solution_rate = small_world(), {"0.02": [], "0.1": [], "1": []}
print(f"untrained: {small.measure(small.ref_logp, 1.0)['value']:.2f}")
for rate, objectives in solution_rate.items():
    for seed in range(4):
        settings = ExactSettings(beta=1.0, steps=100, learning_rate=float(rate), samples=4, seed=seed)
        objectives.append(train_exact(TabularPolicy(small.ref_logp), small, settings).last("value"))
solution_rate_choice = "0.1"

# %% [markdown]
# ## 14. What this chapter claimed
#
# First what the stored runs have to show: on how many seeds, and by how many standard deviations over seeds. Then what your own run of the exact cells has to show.

# %% tags=["claims"]
from rlhf_lib.experiments.experiment import outcomes
from rlhf_lib.workbook.ch08_regularization.experiments import EXPERIMENTS

for name, experiment in EXPERIMENTS.items():
    for outcome in outcomes(experiment, list(results_of("08_regularization", name).values())):
        print(outcome)
        assert outcome.good, str(outcome)
near = {k: estimator_moments(*drifted("all a little", 0.2), k) for k in ("k1", "k2", "k3")}
assert abs(near["k1"].bias) < 1e-9 and abs(near["k3"].bias) < 1e-9, "k1 and k3 are unbiased"
assert near["k3"].deviation < 0.5 * near["k1"].deviation, "near the reference k3 scatters less"
distant = {k: estimator_moments(*drifted("all a little", 2.5), k) for k in ("k1", "k3")}
assert distant["k3"].deviation > distant["k1"].deviation, "far away k3 scatters more"
end = {name: rows[-1] for name, rows in curves.items()}
assert end["k1 in the loss"]["kl"] > 1.5 * end["k1 in the reward"]["kl"], "k1 in the loss does not hold"
for name in ("k1 in the reward", "k2 in the loss", "k3 weighted, in the loss"):
    assert end[name]["reverse_kl"] < 0.5 * end["k3 in the loss"]["reverse_kl"], f"{name} goes to π*"
assert fit_gaussian(target, "reverse", (3.0, 0.7)).mean > 1.5, "reverse KL sits on one summit"
for name in ("from β 0.07", "from β 10"):
    assert abs(paths[name][-100:, 1].mean() - TARGET) < 0.1, "the controller reaches its target"
assert same < 1e-9, "resets add up to a lower price"
assert moves["clip 0.2"][:5, 0].mean() < moves["neither"][:5, 0].mean(), "the clip shortens a batch's move"
assert moves["both"][-1, 1] < 0.7 * moves["clip 0.2"][-1, 1], "the penalty bounds the way in all"
print("all claims hold")

# %% [markdown] tags=["recap"]
# ## Recap
#
# - Rewards are proxies. A KL penalty does not repair them; it keeps the policy where they are good. Larger β, nearer.
# - The KL penalty is k1 in the reward, or k2 or weighted k3 in the loss. Plain k3 in the loss is another penalty, with another optimum. k1 in the loss does nothing.
# - k3 is quiet near the reference and spikes far from it. Single negative values are noise; a negative mean says that the samples are not the policy's.
# - Forward KL covers, reverse KL seeks a mode. The usual penalty hardly punishes a loss of diversity.
# - A clip bounds a step, a penalty the journey; a reference that moves bounds neither. Pretraining gradients keep what is not in the task.
# - A verifier needs no penalty to keep it honest *on what it checks*, and can be fooled on the rest.
#
# **Recall** of earlier chapters:

# %% tags=["recall"]
from IPython.display import display

from rlhf_lib.exercises import recall

for quiz in recall("08_regularization"):
    display(quiz)

# %% [markdown]
# **More:** the book's chapter [Regularization](https://rlhfbook.com/c/15-regularization); Ziegler et al. (2019) for KL control; Ouyang et al. (2022) for PPO-ptx; Schulman (2020), *Approximating KL divergence*; Tang and Munos (2025) on the gradients of the estimators; DeepSeek-AI (2025), DeepSeek-V3.2, for the weighted k3; Liu et al. (2025), *ProRL*, for references
# that move; Pang et al. (2024), *Iterative reasoning preference optimization*; Shenfeld et al. (2025), *RL's razor*; Korbak et al. (2022), *RL with KL penalties is better viewed as Bayesian inference*.
