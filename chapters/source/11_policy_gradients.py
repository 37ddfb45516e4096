# %% [markdown]
# # Policy gradients
#
# A policy gives answers, something scores them, and the policy should give good ones more often. The gradient for that can be written in one line. This chapter is about that line, its noise, and what people
# have done about the noise: baselines, leave-one-out, clipping, value functions, groups.
#
# **You will be able to**
# - derive the policy gradient and check it against the exact one;
# - say which algorithm differs from which by what: advantage, ratio, clip, averaging;
# - read the metrics of a run: ratio, clip fraction, zero-variance groups, KL;
# - repair data that come from an older policy.

# %% [markdown]
# ## 1. First the result
#
# Nine rounds with leave-one-out baselines. The reward is the gold utility itself, so whatever goes wrong below is the algorithm's doing and not a reward model's.

# %% tags=["setup"]
import math

import numpy as np
import torch

from rlhf_lib import PocketWorld, load_policy, set_seed
from rlhf_lib.plots import figure, plot_history
from rlhf_lib.rewards import GoldReward
from rlhf_lib.training import preset, side_by_side, train_online

set_seed(0)
world, sft = PocketWorld(), load_policy("pocket-sft")
gold, requests = GoldReward(world), world.prompts(1000, seed=5)

# %% tags=["training"]
policy = sft.copy()
settings = preset("rloo", steps=9, prompts_per_step=8, learning_rate=6.5e-4)
history = train_online(policy, requests, gold, settings)
plot_history(history, ("proxy", "kl", "length"));

# %% [markdown]
# (The history calls whatever we optimise the *proxy*. Here it happens to be the truth.)

# %% [markdown]
# ## 2. The score function
#
# We want the gradient of $J(\theta) = \mathbb E_{a\sim\pi_\theta}[R(a)]$. The policy stands under the expectation, so we cannot just differentiate the reward of samples. But $\nabla \pi = \pi\,\nabla\log\pi$, hence
#
# $$\nabla J = \sum_a R(a)\,\nabla\pi(a) = \mathbb E_{a\sim\pi}\big[R(a)\,\nabla\log\pi(a)\big].$$
#
# On a policy of one token we can compute both sides. Five tokens, softmax over five numbers:

# %%
logits = torch.tensor([0.2, -0.3, 0.5, 0.0, -0.4], requires_grad=True)
rewards = torch.tensor([1.0, 0.0, 0.3, -0.5, 2.0])
exact = torch.autograd.grad((logits.softmax(0) * rewards).sum(), logits)[0]


def score_function_estimates(n, baseline=0.0, seed=0):
    """One estimate of the gradient from each of n samples, (n, 5)."""
    p = logits.detach().softmax(0)
    a = torch.multinomial(p, n, replacement=True, generator=torch.Generator().manual_seed(seed))
    score = torch.nn.functional.one_hot(a, 5) - p  # gradient of log p(a) in the logits
    return (rewards[a] - baseline)[:, None] * score


estimates = score_function_estimates(20_000)
error = estimates.std(0) / math.sqrt(len(estimates))
print("exact    ", exact.numpy().round(3))
print("estimate ", estimates.mean(0).numpy().round(3), " standard error", error.numpy().round(3))

# %% [markdown]
# For a language model an action is a token, a trajectory is an answer, and $\log\pi$ of the answer is the sum of its tokens' log-probabilities. As a loss, to be minimised by a library that differentiates:
#
# $$\mathcal L = -\frac1B \sum_i A_i \sum_t \log\pi_\theta(a_{i,t}\mid s_{i,t}) \qquad \text{[PG-1]}$$
#
# This is a device. Its *value* means nothing; only its gradient does, and only on samples of the present policy.

# %% [markdown]
# ## 3. REINFORCE in twenty lines

# %%
from rlhf_lib.objectives import policy_loss

policy = sft.copy()
optimizer = torch.optim.AdamW(policy.model.parameters(), lr=4e-4)
curve = []
for step in range(8):
    batch = requests[8 * step : 8 * step + 8]
    rollout = policy.sample(batch, samples_per_prompt=4, max_new_tokens=40, seed=step)
    rewards_now = gold(rollout)
    advantages = rewards_now - rewards_now.mean()  # a baseline: the batch's mean
    logp = policy.logprobs(rollout)
    loss, _ = policy_loss(logp, rollout.logp, advantages, rollout.completion_mask, "reinforce", "fixed")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    curve.append(rewards_now.mean().item())
print("mean gold utility by step:", np.round(curve, 2))

# %% [markdown]
# Everything else in this chapter changes one of these lines.

# %% [markdown]
# ## 4. Baselines
#
# Subtracting a number $b$ from the reward changes nothing on average, since $\mathbb E[\nabla\log\pi] = \nabla\sum_a\pi(a) = 0$. It changes the *variance*. (It does not "remove bias": there was none.)
#
# **Predict:** of the four baselines 0, 1, the mean reward and 3, which gives the least noisy gradient?

# %%
p = logits.detach().softmax(0)
mean_reward = float(p @ rewards)
for name, b in (("none", 0.0), ("one", 1.0), ("mean reward", mean_reward), ("three", 3.0)):
    g = score_function_estimates(50_000, b, seed=1)
    print(f"baseline {name:12s} mean {g.mean(0).numpy().round(2)}  total variance {g.var(0).sum():.3f}")

# %% [markdown]
# The mean reward is near the best. For a language model the mean differs from prompt to prompt, so we draw several answers to each and use their own mean. **RLOO** leaves the answer itself out:
#
# $$A_i = R_i - \frac1{G-1}\sum_{j\ne i} R_j \qquad \text{[ADV-1]}$$
#
# Why leave it out? A baseline that contains $R_i$ depends on the action, and then the argument above fails: the estimate shrinks by $(G-1)/G$. Measured over many groups of four:

# %%
from rlhf_lib.objectives import group_advantages, rloo_advantages

generator = torch.Generator().manual_seed(2)
actions = torch.multinomial(p.expand(20_000, 5), 4, replacement=True, generator=generator)
scores = torch.nn.functional.one_hot(actions, 5) - p
of_all, of_others = group_advantages(rewards[actions], "none"), rloo_advantages(rewards[actions])
for name, advantages in (("mean of all", of_all), ("mean of the others", of_others)):
    g = (advantages[..., None] * scores).mean(1)
    print(f"{name:19s} {g.mean(0).numpy().round(3)}   variance {g.var(0).sum():.3f}")
print(f"{'exact':19s} {exact.numpy().round(3)}")

# %% [markdown]
# With a fixed learning rate the factor $(G-1)/G$ is harmless; Adam does not even see it. But "unbiased" is RLOO's.

# %% [markdown]
# ## 5. PPO: more than one step on the same data
#
# Sampling is dear, so one would like to make several updates per batch. After the first the samples are no longer the policy's own. Importance weights, the ratios $\rho_t = \pi_\theta(a_t)/\pi_{old}(a_t)$, repair
# that as long as they stay near 1. PPO stops caring about a token once it has moved far enough in the wanted direction:
#
# $$\mathcal L = -\min\big(\rho_t A_t,\ \mathrm{clip}(\rho_t, 1-\varepsilon, 1+\varepsilon)\,A_t\big) \qquad \text{[PG-2]}$$

# %%
from rlhf_lib.workbook.ch11_policy_gradients.figures import plot_ppo_objective

plot_ppo_objective(clip_low=0.2, clip_high=0.2);

# %% [markdown]
# Six cases: the sign of $A$ times the ratio below, in or above the grey range. The push (lower row) vanishes in exactly two (hollow circles): $A>0$ and already above; $A<0$ and already below. **Look** at $A<0$ with a ratio of 1.5: a bad
# token that has become *more* likely is pushed down with full force, clip or no clip. That is what the minimum is for.

# %% tags=["lab"]
from rlhf_lib.labs import objective_lab

objective_lab()

# %% [markdown]
# Note the first update after sampling: all ratios are 1 and the advantages of a group sum to zero, so **the loss prints as 0.0000 and the gradient is not zero**:

# %% tags=["nbval-check-output"]
logp = torch.full((2, 1), -1.0, requires_grad=True)
loss, metrics = policy_loss(logp, logp.detach(), torch.tensor([1.0, -1.0]), torch.ones(2, 1), "ppo")
loss.backward()
print(f"loss {abs(loss.item()):.4f}, gradient {logp.grad.flatten().tolist()}")
print(f"clip fraction {metrics['clip_fraction']}")

# %% [markdown]
# ## 6. A value function, and GAE
#
# PPO as it came to language models has a second model that predicts, at each token, the reward still to come: $V(s_t)$. It is trained by regression on what came, with a clip of its own:
#
# $$\tfrac12\max\big((V-\hat R)^2,\ (\mathrm{clip}(V, V_{old}\pm\varepsilon_v)-\hat R)^2\big) \qquad \text{[PG-7]}$$
#
# With it a token's advantage can be estimated in many ways, between "trust $V$ at once" and "wait for the end":
#
# $$\delta_t = r_t + \gamma V_{t+1} - V_t, \qquad A_t = \delta_t + \gamma\lambda A_{t+1} \qquad \text{[ADV-4]}$$
#
# The end of that road, $\lambda=1$, is the reward-to-go $G_t = r_t + \gamma G_{t+1}$ [ADV-3] minus $V_t$. Two tokens by hand:

# %% tags=["nbval-check-output"]
from rlhf_lib.objectives import gae, reward_to_go

r, v, mask = torch.tensor([[0.0, 1.0]]), torch.tensor([[0.4, 0.6]]), torch.ones(1, 2)
last = 1.0 - 0.6
first = (0.0 + 0.9 * 0.6 - 0.4) + 0.9 * 0.5 * last
print(f"by hand  [{first:.3f}, {last:.3f}]")
print("library ", gae(r, v, mask, 0.9, 0.5)[0][0].numpy().round(3))
print("lambda 1", gae(r, v, mask, 0.9, 1.0)[0][0].numpy().round(3))
print("reward-to-go − V", (reward_to_go(r, mask, 0.9) - v)[0].numpy().round(3))

# %% [markdown]
# **Predict:** the value function is wrong by a fixed error at each step, and rewards are noisy. Which λ estimates the first advantage best?

# %%
def gae_errors(lam, value_error, n=4000, T=10):
    """Bias and standard deviation of the first advantage; true value T - t, true advantage 0."""
    generator = torch.Generator().manual_seed(0)
    noisy = 1.0 + torch.randn(n, T, generator=generator)
    wrong = torch.arange(T, 0, -1.0) + value_error * torch.linspace(1, -1, T)
    first = gae(noisy, wrong.expand(n, T), torch.ones(n, T), 1.0, lam)[0][:, 0] + wrong[0] - T
    return abs(first.mean().item()), first.std().item()


lambdas = np.linspace(0, 1, 11)
fig, axes = figure(1, 2, height=2.8)
for axis, value_error in zip(axes, (0.5, 3.0), strict=True):
    bias, deviation = np.array([gae_errors(lam, value_error) for lam in lambdas]).T
    axis.plot(lambdas, bias, label="bias")
    axis.plot(lambdas, deviation, label="standard deviation")
    axis.plot(lambdas, np.hypot(bias, deviation), "k--", label="total error")
    axis.set(xlabel="λ", title=f"value function off by up to {value_error}")
axes[0].legend();

# %% [markdown]
# Small λ: low variance, and all of $V$'s error. Large λ: no bias, and the noise of everything that comes. With a good value function small λ wins; with a bad one a λ in between, for at λ = 1 the noise is worse than $V$'s error. In RLHF one takes γ = 1 (a reward at the end should count fully) and λ of 0.95 or 1.
#
# PPO usually also **whitens** advantages over the batch's tokens: mean 0, variance 1 [ADV-5]. Over *completion* tokens: padding in the mean is a classic bug.

# %% tags=["nbval-check-output"]
from rlhf_lib.objectives import whiten

x, ragged = torch.tensor([[1.0, 3.0, 0.0, 0.0]]), torch.tensor([[1.0, 1.0, 0.0, 0.0]])
print("right:", whiten(x, ragged)[0].numpy().round(2))
print("with padding in the statistics:", whiten(x, torch.ones(1, 4))[0].numpy().round(2))

# %% [markdown]
# ## 7. GRPO: the group is the value function
#
# Drop the value model. The mean of the group's rewards is the baseline, and the difference is divided by the group's standard deviation:
#
# $$A_i = \frac{R_i - \mathrm{mean}(R)}{\mathrm{std}(R)} \qquad \text{[ADV-2]}$$
#
# Dr. GRPO leaves the division out, and is then RLOO times $(G-1)/G$. What does the division do? For right/wrong rewards and 8 answers, the advantage of a right one:

# %%
counts = range(1, 8)
table = torch.stack([torch.tensor([1.0] * k + [0.0] * (8 - k)) for k in counts])
fig, axis = figure(height=2.8, width=6)
for scale, label in (("group", "GRPO: divided by the std"), ("none", "Dr. GRPO: not divided")):
    axis.plot(counts, group_advantages(table, scale)[:, 0], "o-", label=label)
axis.set(xlabel="right answers among 8", ylabel="advantage of a right answer")
axis.legend();

# %% [markdown]
# Without the division, a group teaches in proportion to how mixed it is. With it, groups that are nearly all wrong or nearly all right speak much louder. And a group that is all right or all wrong says nothing in either: its advantages are exactly 0. The metric
# `zero_variance_groups` counts them; DAPO leaves them out and draws others.

# %% tags=["nbval-check-output"]
group = torch.tensor([[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]])
ratio = rloo_advantages(group) / group_advantages(group, "none")
print(f"RLOO / Dr. GRPO = {ratio[0, 0]:.4f} = G / (G − 1) = {8 / 7:.4f}")
print("all right:", group_advantages(torch.ones(1, 4))[0].tolist())

# %% [markdown]
# ## 8. Which token weighs what?
#
# Losses of tokens have to become one number, and answers differ in length [PG-5]:
#
# | name | formula | the same weight for each |
# |---|---|---|
# | `sequence` (GRPO) | mean over a sequence's tokens, then over sequences | sequence |
# | `token` (DAPO) | one mean over all tokens of the batch | token |
# | `fixed` (Dr. GRPO) | sum over tokens / a constant, then mean over sequences | token, whatever the batch |

# %%
from rlhf_lib.workbook.ch11_policy_gradients.figures import plot_token_weights

plot_token_weights([4, 8, 20], max_length=20);

# %% [markdown]
# Under `sequence` a token of the 20-token answer weighs a fifth of one of the 4-token answer. So a long wrong answer is punished less per token than a short one, and answers that are wrong anyway may grow. The book's two toy sequences, of 5 and 10 tokens:

# %% tags=["nbval-check-output"]
from rlhf_lib.objectives import masked_aggregate

values, mask = torch.zeros(2, 10), torch.zeros(2, 10)
values[0, :5], mask[0, :5] = torch.tensor([1.0, 1, 1, 1, 10]), 1
values[1], mask[1] = torch.tensor([1.0] * 9 + [10]), 1
for name in ("sequence", "token", "fixed"):
    print(f"{name:9s} {masked_aggregate(values, mask, name):.3f}")

# %% tags=["lab"]
from rlhf_lib.labs import aggregation_lab

aggregation_lab()

# %% [markdown]
# ## 9. GSPO, CISPO, DAPO
#
# - **GSPO** clips whole sequences: one ratio per answer, the geometric mean of its tokens' ratios, $\rho_i = (\pi(a_i)/\pi_{old}(a_i))^{1/|a_i|}$ [PG-3]. Its clip range is far narrower, for a mean moves less.
# - **CISPO** never silences a token: the clipped ratio is a constant weight on $A\log\pi$ [PG-4]. Rare but important tokens keep their gradient.
# - **DAPO** is PPO's loss with more room upwards (clip-higher), a token mean, no empty groups, and a penalty near the length limit.
#
# In this library they are rows of settings of one loop and one loss:

# %%
import pandas as pd

from rlhf_lib.training import PRESETS

fields = ("advantage", "algorithm", "aggregate", "clip_low", "clip_high", "epochs", "minibatches", "kl_in")
pd.DataFrame({name: {f: getattr(preset(name), f) for f in fields} for name in PRESETS}).T

# %%
ratios = torch.tensor([[1.1, 1.7]])
for name in ("ppo", "gspo", "cispo"):
    logp = ratios.log().requires_grad_()
    loss, found = policy_loss(logp, torch.zeros(1, 2), torch.tensor([1.0]), torch.ones(1, 2), name)
    loss.backward()
    push = -logp.grad[0].numpy().round(2)
    print(f"{name:6s} push on tokens with ratios 1.1 and 1.7: {push}  clipped {found['clip_fraction']:.1f}")

# %% [markdown]
# PPO silences the second token; GSPO silences both, since their mean ratio is beyond the range; CISPO keeps both, at a bounded weight.

# %% [markdown]
# ## 10. Data from an older policy
#
# With long answers, waiting for the slowest one leaves the learner idle. Asynchronous training lets the sampler run ahead, at the price of samples from older weights.

# %%
from rlhf_lib.workbook.ch11_policy_gradients.figures import plot_timeline, timeline

seconds = [3, 5, 3, 8, 3, 4]  # one batch has a very long answer
behind = "asynchronous, one update behind"
lines = {"synchronous": timeline(seconds, 3.0, 0), behind: timeline(seconds, 3.0, 1)}
plot_timeline(lines);

# %% [markdown]
# Older weights, another temperature, or an inference engine that rounds differently: in each case the tokens were drawn by $\pi_{sampler}$ and not by $\pi_{old}$. **Truncated importance sampling** multiplies each token's loss by
#
# $$\min\!\Big(\frac{\pi_{old}(a_t)}{\pi_{sampler}(a_t)},\ C\Big), \qquad C = 2 \qquad \text{[PG-6]}$$
#
# On the one-token policy: samples from a policy with other logits, the estimate without weights, with weights, and with truncated weights.

# %%
from rlhf_lib.objectives import importance_weights

old_sampler = logits.detach() + torch.tensor([0.0, 1.2, 0.0, 0.0, -1.2])
q = old_sampler.softmax(0)
a = torch.multinomial(q, 50_000, replacement=True, generator=torch.Generator().manual_seed(3))
each = (rewards[a] - mean_reward)[:, None] * (torch.nn.functional.one_hot(a, 5) - p)
for name, cap in (("no weights", None), ("full weights", 1e6), ("truncated at 2", 2.0)):
    w = 1.0 if cap is None else importance_weights(p[a].log(), q[a].log(), cap)[:, None]
    g = w * each
    off = (g.mean(0) - exact).norm()
    print(f"{name:15s} error of the mean {off:.3f}   variance {g.var(0).sum():.2f}")

# %% [markdown]
# Full weights are right on average and noisy; truncation gives up part of the first for the second: here half of the correction, for a third of the variance. In a real run: a sampler that is four updates behind, with and without the correction.

# %%
cases = {"4 updates old": {"staleness": 4}, "4 updates old, TIS": {"staleness": 4, "tis_cap": 2.0}}


def train_case(name):
    settings = preset("rloo", steps=7, prompts_per_step=8, learning_rate=6.5e-4, **cases[name])
    return train_online(sft.copy(), requests, gold, settings)


stale = {"fresh (section 1)": history} | side_by_side(train_case, cases)
for name, run in stale.items():
    end, ratio = np.mean(run.series("proxy")[3:7]), max(run.series("ratio_max")[:7])
    print(f"{name:20s} gold {end:+.2f}   largest ratio {ratio:.2f}")

# %% [markdown]
# (`side_by_side` trains two at a time, each with half of the cores. The results are those of a plain loop.)
#
# One seed and the first seven steps decide nothing about which is better; the ratios show what the correction has to do. (With TIS the ratio compares with the learner's own policy, so it is 1: the distance to the sampler stands in the capped weight instead.)

# %% [markdown]
# ## 11. KL: in the reward or in the loss?
#
# The KL to a reference policy is estimated from the policy's own samples, with $\Delta = \log\pi - \log\pi_{ref}$:
#
# $$k_1 = \Delta, \qquad k_2 = \tfrac12\Delta^2, \qquad k_3 = e^{-\Delta} - 1 + \Delta \qquad \text{[KL-1]}$$
#
# whose expectation is to be $\mathrm{KL}(\pi\|\pi_{ref}) = \sum_a \pi(a)\log\frac{\pi(a)}{\pi_{ref}(a)}$ [KL-2]. Exactly, on three tokens:

# %% tags=["nbval-check-output"]
from rlhf_lib.objectives import exact_kl, kl_estimate

pi, ref = torch.tensor([0.7, 0.2, 0.1]).log(), torch.tensor([0.4, 0.4, 0.2]).log()
print(f"exact KL {exact_kl(pi, ref):.4f}")
for kind in ("k1", "k2", "k3"):
    estimate = kl_estimate(pi, ref, kind)
    mean = (pi.exp() * estimate).sum()
    print(f"{kind}: values {[round(v, 3) for v in estimate.tolist()]}  expectation {mean:.4f}")

# %% [markdown]
# k1 is unbiased and **often negative**: a sampled KL below zero in your log is noise, not a bug, as long as its mean is not. k3 is unbiased and never negative.
#
# *In the reward* ($r - \beta k_1$) the estimate is a number like any reward, and the policy gradient does the rest. *In the loss* it is differentiated itself, and that is another thing. What gradient does each give, in expectation?

# %%
theta = pi.clone().requires_grad_()
for name, kl in (("KL(π‖ref)", exact_kl(theta, ref)), ("KL(ref‖π)", exact_kl(ref, theta))):
    print(f"gradient of {name}:     ", torch.autograd.grad(kl, theta)[0].numpy().round(3))
for kind in ("k1", "k2", "k3"):
    theta = pi.clone().requires_grad_()
    estimate = kl_estimate(theta.log_softmax(0), ref, kind)
    expectation = (pi.exp() * estimate).sum()  # pi.exp() is a constant: sampling has no gradient
    gradient = torch.autograd.grad(expectation, theta)[0]
    print(f"expected gradient of {kind}:   ", gradient.numpy().round(3))

# %% [markdown]
# **k1 in the loss pulls nowhere**: its expected gradient is zero, and it adds only noise. k2's is the KL's own gradient. k3's, which GRPO uses, is the gradient of the *other* KL, $\mathrm{KL}(\pi_{ref}\|\pi)$. It pulls to the reference as well, with other
# weights. In the reward, k1 is the right choice.
#
# The coefficient can be steered to a target KL (Ziegler et al., 2019): $\beta \leftarrow \beta\,(1 + e\,n/\text{horizon})$ with $e = \mathrm{clip}(\mathrm{KL}/\text{target} - 1, \pm 0.2)$ [KL-3].

# %%
controller = dict(kl_target=2.0, kl_coefficient=0.02, kl_horizon=200)
settings = preset("rloo", steps=10, prompts_per_step=6, learning_rate=6e-4, **controller)
steered = train_online(sft.copy(), requests, gold, settings)
plot_history(steered, ("kl", "kl_coefficient", "proxy"));

# %% [markdown]
# With 24 answers a step and a horizon of 200, β moves by at most 2.4% a step: it turns the right way here, and is far from holding KL at 2. The controller is made for hundreds of steps.
#
# **Double regularization.** PPO holds the policy back twice: the clip limits each *batch's* move from $\pi_{old}$, the KL penalty the *total* move from $\pi_{ref}$. They are not the same: without a penalty, a thousand clipped batches can walk
# anywhere.

# %% [markdown]
# ## 12. All of them, on one task
#
# Eight algorithms, the same requests, the same number of answers, the same learning rate. Grey: the band of five seeds, stored by `make claims`. The line is what you have just run.

# %%
def train(name):
    settings = preset(name, steps=9, prompts_per_step=8, learning_rate=6.5e-4)
    return train_online(sft.copy(), requests, gold, settings)


runs = {"rloo": history}  # the run of section 1
runs |= side_by_side(train, [name for name in PRESETS if name not in runs])

# %%
from rlhf_lib.evaluation import smooth
from rlhf_lib.experiments.bands import load_band

bands = load_band("algorithms")
fig, axes = figure(2, 4, height=2.1, sharex=True, sharey=True)
for axis, (name, run) in zip(axes.flat, runs.items(), strict=True):
    low, high = bands[name]["low"], bands[name]["high"]
    axis.fill_between(range(len(low)), low, high, color="0.87")
    axis.plot(smooth(run.series("proxy")), lw=2)
    axis.set_title(name)
fig.supxlabel("step", fontsize=9)
fig.supylabel("gold utility (points)", fontsize=9);

# %% [markdown]
# They all learn, and on so short and easy a task their bands overlap. PPO starts late: for the first two rounds only its value model learns. Differences between good implementations of these algorithms are mostly smaller than those between data sets, and
# smaller than the difference between seeds here. What the algorithms buy shows up at scale: many updates per batch (clip), long answers (aggregation, GSPO), stale data (TIS), memory (no value model).
#
# **If your run looks wrong**
#
# | you see | likely cause |
# |---|---|
# | loss 0.0000 at the first step | nothing: ratio 1, advantages sum to 0 |
# | reward flat, `zero_variance_groups` near 1 | the task is too hard or too easy for this policy |
# | ratio 1 in every update | one update per batch: there is nothing to clip; that is fine |
# | `clip_fraction` above 0.3 | too many updates per batch, or too large a learning rate |
# | length at the limit, `finished` falling | the reward likes length, or the end token is masked out |
# | negative KL | single k1 samples may be; if the mean is, the log-probabilities come from different policies or temperatures |

# %% [markdown]
# ## 13. Exercises

# %% [markdown] tags=["exercise"]
# {exercise: my_reinforce_loss}
#
# `logp` and `mask` (B, T), `advantages` (B,). Sum over an answer's tokens, mean over answers.

# %% tags=["solution"]
def solution_reinforce_loss(logp, advantages, mask):
    return -(advantages[:, None] * logp * mask).sum(1).mean()

# %% [markdown] tags=["exercise"]
# {exercise: my_rloo_advantages}
#
# `rewards` (N, G): N prompts, G answers each. Return RLOO's advantages, (N, G).

# %% tags=["solution"]
def solution_rloo_advantages(rewards):
    others = (rewards.sum(1, keepdim=True) - rewards) / (rewards.shape[1] - 1)
    return rewards - others

# %% [markdown] tags=["exercise"]
# {exercise: my_k3}
#
# `logp` and `ref_logp` (B, T) of tokens that the *policy* drew. Return k3 per token. The last case of the check has tiny differences: mind the cancellation. (A published reference implementation has the sign of the log-ratio the wrong way round; the check will tell you
# if you have made the same slip.)

# %% tags=["solution"]
def solution_k3(logp, ref_logp):
    difference = logp - ref_logp
    return torch.expm1(-difference) + difference

# %% [markdown] tags=["exercise"]
# {exercise: my_ppo_loss}
#
# `logp`, `old_logp`, `mask` (B, T), `advantages` (B,), `clip` a number. One mean over all real tokens.

# %% tags=["solution"]
def solution_ppo_loss(logp, old_logp, advantages, mask, clip):
    ratio, a = (logp - old_logp).exp(), advantages[:, None]
    objective = torch.minimum(ratio * a, ratio.clamp(1 - clip, 1 + clip) * a)
    return -(objective * mask).sum() / mask.sum()

# %% [markdown] tags=["exercise"]
# {exercise: my_gae}
#
# `rewards`, `values`, `mask` (B, T), padding at the right. Return the advantages (B, T), 0 on padding. After the last real token the value is 0.

# %% tags=["solution"]
def solution_gae(rewards, values, mask, gamma, lam):
    values = values * mask
    advantage = next_value = torch.zeros_like(rewards[:, 0])
    columns = []
    for t in reversed(range(rewards.shape[1])):
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        advantage = (delta + gamma * lam * advantage) * mask[:, t]
        next_value = values[:, t]
        columns.append(advantage)
    return torch.stack(columns[::-1], dim=1)

# %% [markdown]
# ## 14. The silent-bug clinic
#
# Bugs in this field rarely raise an error. They train. Here a table of answers to six requests learns by leave-one-out advantages, once rightly and once with a bug that published code invites. Look at the curves first.

# %%
from rlhf_lib.exercises import clinic
from rlhf_lib.plots import plot_runs

case = clinic("mixed_groups")
curves = case.curves()
plot_runs(curves, case.watch, title=case.title);

# %%
case

# %% [markdown]
# The buggy run learns, too. It is only slower, and its advantages are far too large. Which bug is it?

# %%
case.quiz

# %% [markdown]
# Now write the test that would have caught it: it gets `advantages(rewards, G)`, calls it on something small, and asserts what must hold. The runner tries it on the buggy code and on two right versions.

# %%
def my_test(advantages):
    ...

# %% tags=["nbval-check-output"]
case.check(my_test)

# %% [markdown]
# <details><summary>Hints</summary>
#
# 1. If all answers to a request have the same reward, what must their advantages be?
# 2. Rewards 5, 5, 5 for an easy request and −5, −5, −5 for a hard one, G = 3.
#
# </details>

# %% tags=["solution"]
def solution_test(advantages):
    rewards = torch.tensor([5.0, 5.0, 5.0, -5.0, -5.0, -5.0])
    assert advantages(rewards, 3).abs().max() == 0, "alike within each request: no advantage"


case.check_solution(solution_test)

# %% [markdown]
# Two more cases of this chapter, for you to take: `clinic("clip_maximum")` and `clinic("ratio_to_reference")`, both about PPO (a second each). `.curves()`, `.quiz`, `.check(my_test)` and `.hint(1)` work as above.

# %% [markdown]
# ## 15. What this chapter claimed

# %% tags=["claims"]
assert ((estimates.mean(0) - exact).abs() < 4 * error).all(), "the score-function estimate is unbiased"
assert np.mean(curve[-3:]) > curve[0], "REINFORCE in twenty lines learns"
variance = {b: score_function_estimates(50_000, b, 1).var(0).sum() for b in (0.0, mean_reward)}
assert variance[mean_reward] < variance[0.0], "a baseline lowers the variance"
gained = {name: np.mean(run.series("proxy")[-4:]) - run.series("proxy")[0] for name, run in runs.items()}
better = [name for name, gain in gained.items() if gain > 0]
assert len(better) >= 6, f"nearly all algorithms improve on one seed; only {better} did"
assert max(stale["4 updates old"].series("ratio_max")) > 1.2, "stale samples move the ratio"
assert steered.series("kl_coefficient")[-1] != 0.02, "the controller steers"
assert lines[behind].seconds < lines["synchronous"].seconds, "asynchronous is quicker"
print("all claims hold")

# %% [markdown] tags=["recap"]
# ## Recap
#
# - $\nabla J = \mathbb E[A\,\nabla\log\pi]$. All algorithms here share it; they differ in $A$, in the ratio and its clip, and in the averaging.
# - Baselines lower variance and add no bias, if they do not depend on the action.
# - PPO, GRPO, Dr. GRPO, RLOO and DAPO are one loss with other settings.
# - k1 belongs in the reward, k2 or k3 in the loss.
#
# **Recall** of earlier chapters:

# %% tags=["recall"]
from IPython.display import display

from rlhf_lib.exercises import recall

for quiz in recall("11_policy_gradients"):
    display(quiz)

# %% [markdown]
# **More:** the book's chapter [Reinforcement Learning](https://rlhfbook.com/c/06-policy-gradients); Williams (1992); Schulman et al. (2016, 2017); Schulman (2020), *Approximating KL divergence*; Ahmadian et al. (2024) for RLOO; Shao et al. (2024) for
# GRPO; Liu et al. (2025) for Dr. GRPO; Yu et al. (2025) for DAPO; Zheng et al. (2025) for GSPO; MiniMax (2025) for CISPO; Yao et al. (2025) for truncated importance sampling.
