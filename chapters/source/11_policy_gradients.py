# %% [markdown]
# # Policy gradients
#
# A policy writes answers, something scores them, and the good ones should become more likely. That takes one line of mathematics. The rest of the chapter is about what makes the line work: less noise, more use
# of each batch, and knowing what to look at while a run is going.
#
# **You will be able to**
# - derive the policy gradient for one token and for a whole answer, and check it against the exact gradient;
# - choose what to multiply the gradient by, and say what each choice costs;
# - build REINFORCE, then turn it into PPO, line by line;
# - say what RLOO, GRPO, Dr. GRPO, DAPO, GSPO and CISPO change, and what their changes do to a run;
# - read the dashboard of a run, and say what you would do next.

# %% [markdown]
# ## 1. A run, before any formula
#
# Each step: draw 16 requests, let the policy write four answers to each, score the 64 answers, and nudge the policy towards those that scored better than the others. Forty such steps make a run. The score is PocketWorld's own gold utility,
# so whatever goes wrong in this chapter is the algorithm's doing and not a reward model's.
#
# We measure the policy on 96 **held-out** requests: the same ones all along, and none that it trains on. The chapter's long runs are stored, with several seeds each; the shaded **band** spans the seeds, and the dashed line is their median. A seed fixes everything that is drawn at random, so two seeds are two repetitions of one experiment.
# You run the first 12 steps yourself; set `LONG = True` for all forty (about half a minute on an idle laptop).

# %% tags=["setup"]
import math

import numpy as np
import torch

from rlhf_lib import PocketWorld, load_policy, set_seed
from rlhf_lib.exercises import predict
from rlhf_lib.experiments.stored import band
from rlhf_lib.plots import figure
from rlhf_lib.rewards import GoldReward
from rlhf_lib.workbook.ch11_policy_gradients.experiments import STEPS, long_run
from rlhf_lib.workbook.ch11_policy_gradients.figures_runs import ends, plot_contrast, plot_run_on_band

LONG = False
set_seed(0)
world, sft = PocketWorld(), load_policy("pocket-sft")
gold, requests = GoldReward(world), world.prompts(1000, seed=5)

# %% tags=["predict"]
guess_half = predict(
    "The run gains most of what it gains in forty steps. When is half of its best gain there?",
    {"early": "by step 8", "middle": "between steps 8 and 20", "late": "after step 20"},
)
guess_half

# %% tags=["training", "predicted"]
run, expected = long_run(seed=0, steps=STEPS if LONG else 12), band("long_run")
plot_run_on_band(run, expected)
gain = np.array(expected["held_out"]["reward"]["median"]) - expected["held_out"]["reward"]["median"][0]
half = expected["held_out"]["step"][int((gain >= gain.max() / 2).argmax())]
guess_half.reveal("early" if half <= 8 else "middle" if half <= 20 else "late")

# %% [markdown]
# Most of the gain comes in the first steps. Later the policy goes on changing (section 15 shows how far) and has little more to show for it.
#
# Compare the panels. The right one is what a training log shows: the mean reward of each batch. It jumps about, because each batch is 64 answers to 16 *new* requests. Judge a run by held-out requests; use the batches to see that something moves.

# %% [markdown]
# ## 2. Which knob does the learning?
#
# Draw a token from the policy and score it. The score is a fixed number: it does not depend on the policy's parameters θ, so there is nothing in it to differentiate. What does depend on θ is *how often* the token comes. So nudge up the log-probability of tokens that
# scored well, in proportion to their scores, and nudge down those that scored badly.
#
# One line shows that this is exactly the gradient. Write $J(\theta)=\sum_a \pi_\theta(a)R(a)$ for the mean score. Since $\nabla\pi=\pi\,\nabla\log\pi$,
#
# $$\nabla J = \sum_a R(a)\,\nabla\pi(a) = \sum_a \pi(a)\,R(a)\,\nabla\log\pi(a) = \mathbb E_{a\sim\pi}\big[R(a)\,\nabla\log\pi(a)\big].$$
#
# The last form is a mean over the policy's own samples, so we can estimate it by sampling. $\nabla\log\pi(a)$ is called the **score function**. With five tokens we can compute both sides:

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
# ## 3. From a token to an answer
#
# An answer is many tokens. Reinforcement learning has words for that, and all of them fit a language model:
#
# | word | in general | for a language model |
# |---|---|---|
# | state $s_t$ | what the agent sees | the request and the tokens so far |
# | action $a_t$ | what it does | the next token |
# | transition $P(s_{t+1}\mid s_t,a_t)$ | how the world reacts | append the token (a tool or a user may append more) |
# | episode, trajectory $\tau$ | one run from start to end | one answer |
# | reward $r_t$ | what each step pays | usually 0, and the score at the last token |
# | return | the sum of the rewards | the score of the answer |
#
# If the next state depends only on the present state and action, the whole is a **Markov decision process** (MDP). Start states are drawn from a distribution $d_0$: the requests in your data.
#
# A trajectory has the probability $p_\theta(\tau)=d_0(s_0)\prod_t \pi_\theta(a_t\mid s_t)\,P(s_{t+1}\mid s_t,a_t)$. Now use the same trick on whole trajectories: $\nabla J=\mathbb E[R(\tau)\,\nabla\log p_\theta(\tau)]$. The logarithm turns the product into a sum,
#
# $$\nabla\log p_\theta(\tau)=\underbrace{\nabla\log d_0(s_0)}_{0}+\sum_t\nabla\log\pi_\theta(a_t\mid s_t)+\sum_t\underbrace{\nabla\log P(s_{t+1}\mid s_t,a_t)}_{0},$$
#
# and the parameters θ occur in the policy's terms alone. **The transitions drop out.** You can learn in a world that you cannot describe: it is enough to act in it and see the score. (That is also why the tokens which a tool returns are masked out of the loss: they are transitions, not
# actions.)
#
# Try it. Two moves with a throw of dice between them; the estimate below never uses the dice's odds:

# %%
theta = torch.tensor([[0.3, -0.3], [0.0, 0.5], [0.4, 0.0]], requires_grad=True)  # three states
odds = torch.tensor([[0.8, 0.2], [0.3, 0.7]])  # of the two later states, after each first move
paid = torch.tensor([[1.0, 0.0], [-1.0, 2.0]])  # in each later state, for each second move
pi = theta.softmax(1)
value = torch.einsum("a,as,sb,sb->", pi[0], odds, pi[1:], paid)
print("exact   ", torch.autograd.grad(value, theta)[0][:, 0].numpy().round(3))

dice = torch.Generator().manual_seed(0)
first = torch.multinomial(pi[0].detach(), 50_000, True, generator=dice)
state = torch.multinomial(odds[first], 1, generator=dice)[:, 0]  # the world moves
second = torch.multinomial(pi[1:].detach()[state], 1, generator=dice)[:, 0]
logp = theta.log_softmax(1)
surrogate = (paid[state, second] * (logp[0, first] + logp[1 + state, second])).mean()
print("estimate", torch.autograd.grad(surrogate, theta)[0][:, 0].numpy().round(3))

# %% [markdown]
# The last two lines are how it is done in practice: build a number whose *gradient* is the estimate, and let the library differentiate it. With a minus sign, since optimisers minimise, and with an advantage $A_i$ in place of the raw score (section 4):
#
# $$\mathcal L = -\frac1B \sum_i A_i \sum_t \log\pi_\theta(a_{i,t}\mid s_{i,t}) \qquad \text{[PG-1]}$$
#
# The *value* of this loss means nothing. Only its gradient does, and only on samples of the policy as it stands: **on-policy** data.

# %% [markdown]
# ## 4. What to multiply by
#
# The derivation multiplied every token's $\nabla\log\pi$ by the return of the whole trajectory. That is right on average, and noisy. Write the gradient as
#
# $$\nabla J=\mathbb E\Big[\sum_t \Psi_t\,\nabla\log\pi_\theta(a_t\mid s_t)\Big];$$
#
# many choices of $\Psi_t$ have the same mean. The first improvement costs nothing: a token cannot change rewards that came before it. So drop them and keep the **reward-to-go** $G_t=r_t+\gamma G_{t+1}$ [ADV-3], where the discount γ is 1 for language models. The second is to subtract what
# was expected anyway.
#
# | $\Psi_t$ | needs |
# |---|---|
# | total return $\sum_k r_k$ | nothing |
# | reward-to-go $G_t$ | nothing |
# | $G_t-b(s_t)$, a **baseline** | a guess of the mean return from $s_t$, such as a value function $V(s_t)$ |
# | $Q(s_t,a_t)$, the mean return after $a_t$ | a model of $Q$ |
# | $A=Q-V$, the **advantage** | both |
# | $r_t+\gamma V(s_{t+1})-V(s_t)$, the **TD residual** | $V$ ("TD" is for temporal difference) |
#
# Take a game of eight steps, each of which pays noise plus one point for action 1.

# %% tags=["predict"]
guess_noise = predict(
    "All six have the same mean. Which of these three has the smallest variance?",
    {"Q": "Q", "reward-to-go − V": "reward-to-go − V", "TD residual": "the TD residual"},
)
guess_noise

# %% tags=["predicted"]
T, n, p_one = 8, 50_000, 0.3
dice = torch.Generator().manual_seed(1)
action = (torch.rand(n, T, generator=dice) < p_one).float()
r = action + 0.5 * torch.randn(n, T, generator=dice)
to_go = r.flip(1).cumsum(1).flip(1)
V = p_one * torch.arange(T, -1, -1.0)  # the true value before each step, and 0 after the last
choices = {
    "total return": r.sum(1, keepdim=True), "reward-to-go": to_go, "reward-to-go − V": to_go - V[:-1],
    "Q": action + V[1:], "A = Q − V": action + V[1:] - V[:-1], "TD residual": r + V[1:] - V[:-1],
}  # fmt: skip
gradients = {name: (action - p_one) * psi for name, psi in choices.items()}
for name, g in gradients.items():
    print(f"{name:17s} mean gradient {g.mean():.2f}   variance {g.var(0).sum():5.2f}")
guess_noise.reveal(min(guess_noise.options, key=lambda name: gradients[name].var(0).sum()))

# %%
fig, axis = figure(height=2.4, width=6)
axis.barh(list(gradients), [g.var(0).sum() for g in gradients.values()])
axis.invert_yaxis()
axis.set_xlabel("variance of the gradient, summed over the eight steps");

# %% [markdown]
# Six estimators of one gradient, and a factor of seventy between the noisiest and the calmest. A language model's reward comes at the end, so reward-to-go alone saves nothing there: all the help has to come from the baseline. The last two rows need a $V$ that is right. A wrong one leaves
# the baseline row unbiased but not the TD residual (section 9).

# %% [markdown]
# ## 5. REINFORCE in twenty lines
#
# REINFORCE (Williams, 1992) is [PG-1] with a baseline. Here it is on a language model, with the batch's mean as the baseline:

# %% tags=["training"]
policy = sft.copy()
optimizer = torch.optim.AdamW(policy.model.parameters(), lr=2e-4, weight_decay=0.0)
scores, lengths = [], []
for step in range(8):
    batch = requests[16 * step : 16 * step + 16]
    rollout = policy.sample(batch, samples_per_prompt=4, max_new_tokens=40, seed=step)
    rewards_now = gold(rollout)
    advantages = rewards_now - rewards_now.mean()
    logp = policy.logprobs(rollout)  # (B, T): one number for each token that it wrote
    loss = -(advantages[:, None] * logp * rollout.completion_mask).sum(1).mean()  # [PG-1]
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scores.append(rewards_now.mean().item())
print("mean gold utility of each batch:", np.round(scores, 2))

# %% [markdown]
# Is it the loss that the library has? On the last batch:

# %%
from rlhf_lib.objectives import policy_loss

mask = rollout.completion_mask
theirs, _ = policy_loss(logp, rollout.logp, advantages, mask, "reinforce", "fixed", max_length=1)
print(f"ours {loss.item():.5f}, the library's {theirs.item():.5f}")

# %% [markdown]
# Everything else in this chapter changes one or two of these lines. The library's loop, `train_online`, is these lines with a progress bar, a log, checkpoints and a stop button; its settings choose the changes.

# %% [markdown]
# ## 6. Baselines
#
# Why may we subtract a number? Because $\mathbb E[b\,\nabla\log\pi]=b\,\nabla\sum_a\pi(a)=b\,\nabla 1=0$, as long as $b$ does not depend on the action. The mean of the estimate stays; its *variance* changes. (A baseline does not "remove bias": there was none.)
#
# **Predict:** of the four baselines 0, 1, the mean reward and 3, which gives the least noisy gradient on our five tokens?

# %%
p = logits.detach().softmax(0)
mean_reward = float(p @ rewards)
for name, b in (("none", 0.0), ("one", 1.0), ("mean reward", mean_reward), ("three", 3.0)):
    g = score_function_estimates(50_000, b, seed=1)
    print(f"baseline {name:12s} mean {g.mean(0).numpy().round(2)}  variance {g.var(0).sum():.3f}")

# %% [markdown]
# The mean reward is near the best here. For a language model it differs from request to request: an easy request has a high mean, and without its own baseline every answer to it looks good. So draw several answers to each request and compare them with each other. **RLOO** (leave one out) compares each answer with the mean of the *others*:
#
# $$A_i = R_i - \frac1{G-1}\sum_{j\ne i} R_j \qquad \text{[ADV-1]}$$
#
# Why leave it out? A mean that contains $R_i$ depends on answer $i$, and then the argument above fails: the estimate shrinks by the factor $(G-1)/G$. Measured on many groups of four:

# %%
from rlhf_lib.objectives import group_advantages, rloo_advantages

generator = torch.Generator().manual_seed(2)
actions = torch.multinomial(p.expand(20_000, 5), 4, replacement=True, generator=generator)
scores_of = torch.nn.functional.one_hot(actions, 5) - p
of_all, of_others = group_advantages(rewards[actions], "none"), rloo_advantages(rewards[actions])
for name, advantages in (("mean of all", of_all), ("mean of the others", of_others)):
    g = (advantages[..., None] * scores_of).mean(1)
    print(f"{name:19s} {g.mean(0).numpy().round(3)}   variance {g.var(0).sum():.3f}")
print(f"{'exact':19s} {exact.numpy().round(3)}")

# %% [markdown]
# With a fixed learning rate a constant factor is harmless, and Adam does not even see it. But "unbiased" is RLOO's.

# %% [markdown]
# ## 7. GRPO: divide by the group's spread?
#
# GRPO takes the mean of the whole group as the baseline, and divides by the group's standard deviation:
#
# $$A_i = \frac{R_i - \mathrm{mean}(R)}{\mathrm{std}(R)} \qquad \text{[ADV-2]}$$
#
# Dr. GRPO leaves the division out, and is then RLOO times $(G-1)/G$. What does the division do? Take right-or-wrong rewards, eight answers, and look at the advantage of a right one:

# %%
counts = range(1, 8)
table = torch.stack([torch.tensor([1.0] * k + [0.0] * (8 - k)) for k in counts])
fig, axis = figure(height=2.8, width=6)
for scale, label in (("group", "GRPO: divided by the std"), ("none", "Dr. GRPO: not divided")):
    axis.plot(counts, group_advantages(table, scale)[:, 0], "o-", label=label)
axis.set(xlabel="right answers among 8", ylabel="advantage of a right answer")
axis.legend();

# %% [markdown]
# Undivided, a lone right answer counts for 0.875 and one of seven for 0.125. Divided, they count for 2.5 and 0.35: the whole curve is higher, and it rises fastest where right answers are rare. Groups that are nearly all wrong or nearly all right speak louder than they would; groups that are half and half speak less than they would.
#
# With rewards that are *numbers*, the division does something else. Look at it on our own start policy: sixty-four requests, eight answers each. In some groups the answers differ by a point and more (right against wrong), in others by a few tenths (one is a little more polite). The groups are sorted by that spread and cut into quarters.

# %%
groups = gold(sft.sample(requests[:64], 8, 40, seed=3)).view(64, 8).cpu()
spread = groups.std(1)
quarters = spread.argsort().chunk(4)
fig, axis = figure(height=2.8, width=6)
for scale, label in (("none", "not divided"), ("group", "divided")):
    size = group_advantages(groups, scale).abs().mean(1)
    axis.plot(spread, size, "o", ms=4, label=label)
    shares = [float(size[quarter].sum() / size.sum()) for quarter in quarters]
    print(f"{label:12s} share of the push, quarter by quarter of the groups: {np.round(shares, 2)}")
axis.set(xlabel="spread of a group's rewards (standard deviation, points)", ylabel="mean |advantage|")
axis.legend();

# %% [markdown]
# Undivided, a group speaks as loud as its answers differ. Divided, all groups speak equally loud: a few tenths of a point in one group count as much as a point and a half in another. Whether that is wanted depends on whether small differences matter to you.
#
# A group whose answers all score the same says nothing under either rule: its advantages are exactly 0. The metric `zero_variance_groups` counts them. DAPO leaves them out and draws other requests in their place.

# %% tags=["nbval-check-output"]
group = torch.tensor([[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]])
ratio = rloo_advantages(group) / group_advantages(group, "none")
print(f"RLOO / Dr. GRPO = {ratio[0, 0]:.4f} = G / (G − 1) = {8 / 7:.4f}")
print("all right:", group_advantages(torch.ones(1, 4))[0].tolist())

# %% [markdown]
# ## 8. PPO: more than one update a batch
#
# Sampling is the expensive part. Could we make eight updates with each batch instead of one? After the first the samples are no longer the policy's own: they are **off-policy**. Two things repair that.
#
# **The ratio.** Weigh each token by $\rho_t=\pi_\theta(a_t)/\pi_{old}(a_t)$, where $\pi_{old}$ drew the batch. A token that has become twice as likely counts double, as if it had been drawn twice as often. This is importance sampling. (It corrects the choice of each token, not how often the policy comes to the tokens before it; for that the product of all earlier ratios
# would be needed. Near 1 the difference is small.)
#
# **The trust region.** A weight is only as good as the sample behind it. If the policy moves far, a few tokens carry huge weights and the rest carry none. So do not move far. TRPO (trust region policy optimisation, 2015) writes that down: maximise $\mathbb E[\rho_t A_t]$ subject to $\mathbb E[\mathrm{KL}(\pi_{old}\,\|\,\pi_\theta)]\le\delta$, where KL measures how far two
# distributions are apart (section 11). It solves this with second derivatives, which is slow for large networks. PPO (2017) gets most of it with a trick: stop caring about a token once it has moved far enough in the wanted direction.
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
# At the first update after sampling all ratios are 1, and the advantages of a group sum to zero. So **the loss prints as 0.0000 and the gradient is not zero**:

# %% tags=["nbval-check-output"]
logp = torch.full((2, 1), -1.0, requires_grad=True)
loss, metrics = policy_loss(logp, logp.detach(), torch.tensor([1.0, -1.0]), torch.ones(2, 1), "ppo")
loss.backward()
print(f"loss {abs(loss.item()):.4f}, gradient {logp.grad.flatten().tolist()}")
print(f"clip fraction {metrics['clip_fraction']}")

# %% [markdown]
# Now the experiment. The task is smaller, so that right and wrong are clear: facts and sums, 1 point for a right answer and 0 for any other. Three ways to use 16 batches of 64 answers: one update each; eight updates with the clip; eight updates with the ratio but without the clip.

# %% tags=["predict"]
guess_far = predict(
    "Which of the three ends farthest from the start?",
    {"one update": "one update", "eight, clipped": "eight, clipped", "eight, not clipped": "eight, not clipped"},
)  # fmt: skip
guess_far

# %% tags=["predicted"]
updates = band("updates")
plot_contrast(updates, {"held-out accuracy": "reward", "KL to the start (nats)": "kl",
                        "entropy (nats per token)": "entropy", "largest ratio": "ratio_max"},
              log=("ratio_max",))  # fmt: skip
guess_far.reveal(max(updates, key=lambda name: updates[name]["kl"]["median"][-1]))

# %%
ends(updates, {"accuracy": "reward", "KL": "kl", "entropy": "entropy", "clipped": "clip_fraction", "largest ratio": "ratio_max"})

# %% [markdown]
# Without the clip the policy runs away. Some tokens become hundreds of times as likely as when they were drawn, and each of them counts hundreds of times in the next update. After sixteen batches the policy is tens of nats from where it began and less accurate than with the clip. That is what a trust region is for.
#
# With the clip, the same eight updates stay within a few nats. Are they better than one update? Not in these runs: they go farther and are about as accurate. Several updates pay where sampling is far more expensive than updating; here the two cost the same.
#
# Look at the largest ratio once more. Even with the clip it is far above 1.2. The clip does not *hold* a token in its range. It only stops pushing the token; the weights are shared, so the pushes on other tokens still move it.

# %% [markdown]
# ## 9. A value function
#
# PPO came to language models with a second model beside the policy, which predicts at each token the reward still to come: $V(s_t)$. It is trained by regression on the returns, with a clip of its own against large steps:
#
# $$\tfrac12\max\big((V-\hat R)^2,\ (\mathrm{clip}(V, V_{old}\pm\varepsilon_v)-\hat R)^2\big) \qquad \text{[PG-7]}$$
#
# Can such a model know anything halfway through an answer? Let us look. The start policy answers word problems such as "tom has 8 pens, finds 5 more and loses 3"; a right final number pays 1. A value model, which starts as a copy of the policy with a new head, sees 768 answers and how they ended. Then it reads 384 answers to *other* problems, token by token.

# %%
from rlhf_lib.workbook.ch11_policy_gradients.figures_runs import plot_value

fitted = band("value_function")
plot_value(fitted);

# %% [markdown]
# Left: before the first token $V$ says nearly the same for both. Then the two lines part, long before the final number. Right: so the value model explains nothing at the start and more as the answer goes on. How much, differs from seed to seed.
#
# What has it seen? Here are two answers that the start policy gave to one problem (7 coins, 9 more, 6 lost). They differ in four digits, and the second is wrong from its sixth token on:

# %%
from rlhf_lib.workbook.ch11_policy_gradients.experiments import SOLVED, solved
from rlhf_lib.workbook.ch11_policy_gradients.figures_runs import plot_value_along

ids = solved().completion_ids.tolist()
tokens = {
    name: [sft.tokenizer.decode([i]).strip() for i in row]
    for name, row in zip(SOLVED, ids, strict=True)
}
tokens = {name: [*row[:-1], "end"] for name, row in tokens.items()}
plot_value_along(fitted["along"], tokens);

# %% [markdown]
# In the median $V$ rises while the answer shows that it is a serious calculation, and it ends no lower on the wrong answer than on the right one. The false sum does not trouble it. Of the five value models two draw one line for both answers, one puts the right answer a little higher, and two put it lower, one of them far lower (the bottom of the green band). On so little data a value model has learned what a good attempt *looks like*, and not to add. Its advantages will be as blind: token by token, they praise the form.
#
# The number to watch is the **explained variance**: $1-\mathrm{var}(\hat R-V)/\mathrm{var}(\hat R)$. It is 0 for a value model that says the same everywhere, 1 for one that is always right, and below 0 for one that is worse than a constant.

# %% [markdown]
# With a $V$, a token's advantage can be estimated in many ways, between "trust $V$ one token on" and "wait for the end". Generalised advantage estimation (GAE) mixes them with a number λ between 0 and 1:
#
# $$\delta_t = r_t + \gamma V_{t+1} - V_t, \qquad A_t = \delta_t + \gamma\lambda A_{t+1} \qquad \text{[ADV-4]}$$
#
# λ = 0 is the TD residual, λ = 1 is the reward-to-go minus $V_t$. Two tokens by hand:

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
# Which λ is best? It depends on how much $V$ sees. Take ten steps that pay 1 each plus noise. A good first action adds 0.2 to each of them: two points in all. The value model sees only a part of that difference. We estimate how much better the good action is, from 16 answers with each.
#
# **Predict:** where is the best λ if $V$ sees 90% of the difference? And if it sees 30%? (The picture is two cells below.)

# %%
def estimate_error(lam, seen, gain=0.2, T=10, n=4000, batch=16):
    """Bias and standard deviation of the estimated difference between two first actions."""
    dice, found = torch.Generator().manual_seed(0), []
    for extra in (gain, 0.0):
        paid = 1 + extra + torch.randn(n * batch, T, generator=dice)
        V = torch.arange(T, 0, -1.0) * (1 + seen * extra)
        V[0] = T * (1 + seen * gain / 2)  # before the action V cannot know which it will be
        first = gae(paid, V.expand_as(paid), torch.ones_like(paid), 1.0, lam)[0][:, 0]
        found.append(first.view(n, batch).mean(1))
    difference = found[0] - found[1]
    return abs(difference.mean().item() - T * gain), difference.std().item()

# %%
lambdas = np.linspace(0, 1, 11)
fig, axes = figure(1, 2, height=2.8, sharey=True)
for axis, seen in zip(axes, (0.9, 0.3), strict=True):
    bias, deviation = np.array([estimate_error(lam, seen) for lam in lambdas]).T
    axis.plot(lambdas, bias, label="bias")
    axis.plot(lambdas, deviation, label="standard deviation")
    axis.plot(lambdas, np.hypot(bias, deviation), "k--", label="total error")
    axis.set(xlabel="λ", title=f"V sees {seen:.0%} of the difference")
axes[0].set_ylabel("points")
axes[0].legend();

# %% [markdown]
# Small λ: little noise, and all of $V$'s blindness. λ = 1: no bias, and the noise of everything that follows. A value model that sees nearly everything deserves a small λ; a poor one needs a large λ, and here even λ = 1 is not best, for its noise costs more than the last of the bias. For language models γ = 1 is usual (the score at the end should count in full), and λ is 0.95 or 1.
#
# (An error of $V(s_0)$ itself, the same whatever the action, does no harm in a policy gradient: it is a wrong baseline, and baselines cancel. What harms is an error in the *difference* between actions. So that is what we plotted.)
#
# PPO usually also **whitens** advantages over the batch's tokens: mean 0, variance 1 [ADV-5]. Over *completion* tokens. Padding in the mean is a classic bug:

# %% tags=["nbval-check-output"]
from rlhf_lib.objectives import whiten

x, ragged = torch.tensor([[1.0, 3.0, 0.0, 0.0]]), torch.tensor([[1.0, 1.0, 0.0, 0.0]])
print("right:", whiten(x, ragged)[0].numpy().round(2))
print("with padding in the statistics:", whiten(x, torch.ones(1, 4))[0].numpy().round(2))

# %% [markdown]
# The price of all this is a second model as large as the policy, which has to be trained before it helps. GRPO and RLOO do without: with several answers to each request, the group's mean *is* an estimate of $V(s_0)$. They give every token of an answer the same advantage, and that is the trade: no value model, no credit for single tokens.

# %% [markdown]
# ## 10. Which token weighs what?
#
# The losses of many tokens have to become one number, and answers differ in length [PG-5]:
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
# Under `sequence` a token of the 20-token answer weighs a fifth of a token of the 4-token answer. The book's two toy sequences, of 5 and 10 tokens:

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
# Why should that matter? Think of a question that the policy answers wrongly half of the time, and of everything that may follow the wrong word. All these continuations are wrong, so all get the same negative advantage. With equal token weights their pushes cancel on average (that is the baseline argument again: a constant times $\nabla\log\pi$ has mean 0). With `sequence` the push on a
# continuation of $n$ tokens is divided by $n$. Short ones are pushed down hardest, and the long ones gain. For right answers it is the other way round.
#
# In the smallest model that has lengths, a stop button after each token with one setting for right answers and one for wrong ones, the exact gradient does this:

# %%
from rlhf_lib.workbook.ch11_policy_gradients.figures_runs import length_drift

fig, axes = figure(1, 2, height=2.6, sharey=True)
for axis, aggregate in zip(axes, ("fixed", "sequence"), strict=True):
    right, wrong = length_drift(aggregate).T
    axis.plot(right, label="right answers")
    axis.plot(wrong, label="wrong answers")
    axis.set(title=aggregate, xlabel="step")
axes[0].set_ylabel("mean length (tokens)")
axes[0].legend();

# %% [markdown]
# The reward does not mention length at all. The averaging alone makes right answers terse and wrong answers ramble. Now the language model, on facts and sums:

# %%
aggregation = band("aggregation")
plot_contrast(aggregation, {"held-out accuracy": "reward", "length of right answers": "length_right",
                            "length of wrong answers": "length_wrong"});  # fmt: skip

# %%
ends(aggregation, {"accuracy": "reward", "length, right": "length_right", "length, wrong": "length_wrong"})

# %% [markdown]
# The table decides nothing: what separates these runs is the seed, not the average. Why does the effect not show? The exact gradient had three hundred steps in which half of the answers stayed wrong. Here most answers are right after twenty steps, and by then most groups carry no signal at all, so hardly any wrong answer is pushed. The effect belongs to long training on questions that stay hard, with answers that may grow to thousands of tokens; that is where it was found (Liu et al., 2025). Ours stop at 24.
#
# So: choose the average on purpose, know what it rewards, and do not expect a short run to tell you.

# %% [markdown]
# ## 11. Staying near the start: KL
#
# A policy that only chases a reward may leave everything else behind. So most recipes charge it for its distance from the policy that it started from, the **reference**. The distance is the KL divergence, the mean of $\Delta=\log\pi-\log\pi_{ref}$ over the policy's own answers. Its unit is the *nat*: one nat means that the policy finds its own answers $e\approx2.7$ times as likely as the reference
# does, on (geometric) average. Summing over all answers is out of the question, so it is estimated from the tokens that were drawn, in one of three ways:
#
# $$k_1 = \Delta, \qquad k_2 = \tfrac12\Delta^2, \qquad k_3 = e^{-\Delta} - 1 + \Delta \qquad \text{[KL-1]}$$
#
# and the expectation should be $\mathrm{KL}(\pi\|\pi_{ref}) = \sum_a \pi(a)\log\frac{\pi(a)}{\pi_{ref}(a)}$ [KL-2]. Three tokens, exactly:

# %% tags=["nbval-check-output"]
from rlhf_lib.objectives import exact_kl, kl_estimate

pi, ref = torch.tensor([0.7, 0.2, 0.1]).log(), torch.tensor([0.4, 0.4, 0.2]).log()
print(f"exact KL {exact_kl(pi, ref):.4f}")
for kind in ("k1", "k2", "k3"):
    estimate = kl_estimate(pi, ref, kind)
    mean = (pi.exp() * estimate).sum()
    print(f"{kind}: values {[round(v, 3) for v in estimate.tolist()]}  expectation {mean:.4f}")

# %% [markdown]
# k1 is right on average and often negative: a sampled KL below zero in a log is noise, not a bug, as long as its mean is not. k3 is right on average and never negative. k2 is close.
#
# Now the charge can be made in two places, and they are not the same. **In the reward**, each answer scores $R-\beta k_1$. The estimate is then a number like any other reward, and the policy gradient does the rest. PPO and RLOO do that. **In the loss**, $\beta$ times the estimate is added to the loss and is itself differentiated. GRPO does that, with k3. But the derivative of an estimate is not an estimate of the
# derivative: samples move when the policy moves, and differentiating what was estimated *on* the samples misses that. What does each one pull towards, on average?

# %%
theta = pi.clone().requires_grad_()
quantities = {"KL(π‖ref)": exact_kl(theta, ref), "KL(ref‖π)": exact_kl(ref, theta)}
for kind in ("k1", "k2", "k3"):
    estimate = kl_estimate(theta.log_softmax(0), ref, kind)
    quantities[kind] = (pi.exp() * estimate).sum()  # pi.exp() is a constant: what was drawn stays
gradient_of = {}
for name, quantity in quantities.items():
    (gradient_of[name],) = torch.autograd.grad(quantity, theta, retain_graph=True)
    print(f"{name:10s}", gradient_of[name].numpy().round(3) + 0.0)

# %% [markdown]
# **k1 in the loss pulls nowhere**: its expected gradient is zero, and it only adds noise. k2's is the gradient of the KL itself, so k2 in the loss does what k1 in the reward does. k3's is the gradient of the *other* KL, from the reference to the policy. It also pulls towards the reference, but to another balance between reward and distance. (Since 2025 some trainers multiply k3 by the ratio of new to old policy; then its gradient
# is the KL's own.) The short rule: k1 in the reward, or k2 in the loss; k3 in the loss is a different penalty.
#
# PPO with a penalty holds the policy back twice, and the two are not the same: the clip limits each *batch's* move from $\pi_{old}$, the penalty limits the *total* distance from $\pi_{ref}$. Without a penalty, a thousand clipped batches can walk anywhere. The next chapter in reading order is about how much of that penalty to use.

# %% [markdown]
# ## 12. The rest of the family
#
# Most names that you will meet are one loss with other settings:
#
# - **Dr. GRPO** does not divide by the standard deviation, and averages with a fixed length (sections 7 and 10).
# - **DAPO** gives the clip more room upwards ("clip-higher"), averages over tokens, drops groups without a signal, and takes points off near the length limit.
# - **GSPO** clips whole sequences: one ratio per answer, the geometric mean of its tokens' ratios, $\rho_i = (\pi(a_i)/\pi_{old}(a_i))^{1/|a_i|}$ [PG-3]. A mean moves less than its parts, so its clip range is narrower.
# - **CISPO** never silences a token: the clipped ratio is a constant weight on $A\log\pi$ [PG-4]. Rare but important tokens keep their gradient.
#
# In this library they are rows of settings for one loop and one loss:

# %%
import pandas as pd

from rlhf_lib.training import PRESETS, preset

fields = ("advantage", "algorithm", "aggregate", "clip_low", "clip_high", "epochs", "minibatches")
pd.DataFrame({name: {f: getattr(preset(name), f) for f in fields} for name in PRESETS}).T

# %% [markdown]
# Two rows differ from the papers, because our answers have a dozen tokens and theirs have thousands. GSPO's paper has 0.0003 and 0.0004 where we have 0.03 and 0.04: the mean over thousands of log ratios hardly moves, the mean over a dozen does. CISPO runs usually let a weight grow to 5 or more (`clip_high` of 4), for data that is many updates old; ours is at most one update old, and stops at 1.28.
#
# What the three clips do to one answer of two tokens, one of which has moved a little and one a lot:

# %%
old = torch.zeros(1, 2)
moved = torch.tensor([[1.1, 1.7]]).log()
for name in ("ppo", "gspo", "cispo"):
    logp = moved.clone().requires_grad_()
    found_loss, found = policy_loss(logp, old, torch.tensor([1.0]), torch.ones(1, 2), name)
    found_loss.backward()
    push = -logp.grad[0].numpy().round(2)
    print(f"{name:6s} push on tokens with ratios 1.1 and 1.7: {push}  clipped {found['clip_fraction']:.1f}")

# %% [markdown]
# PPO silences the second token. GSPO, here with PPO's range, silences both, since their mean ratio lies beyond it. CISPO keeps both, at a bounded weight.

# %% [markdown]
# ## 13. Data from another policy
#
# With answers of thousands of tokens, everybody waits for the slowest one. **Asynchronous** training lets the sampler run ahead, at the price of samples from older weights.

# %%
from rlhf_lib.workbook.ch11_policy_gradients.figures import plot_timeline, timeline

seconds = [3, 5, 3, 8, 3, 4]  # one batch has a very long answer
behind = "asynchronous, one update behind"
lines = {"synchronous": timeline(seconds, 3.0, 0), behind: timeline(seconds, 3.0, 1)}
plot_timeline(lines);

# %% [markdown]
# Old weights are one reason why tokens come from a policy other than the one that learns. There are others: a sampler with another temperature or a filter (top-p), and, without anybody's choice, an inference engine that rounds differently from the trainer. How much does rounding alone do? Here are the same answers, scored with our weights and with the same weights rounded to 16 bits (bfloat16):

# %%
rounded = sft.copy()
with torch.no_grad():
    for weight in rounded.model.parameters():
        weight.copy_(weight.bfloat16().float())
    drawn = sft.sample(requests[:64], 4, 40, seed=4)
    inside = drawn.completion_mask.bool()
    token_ratio = (sft.logprobs(drawn) - rounded.logprobs(drawn)).exp()[inside]
print(f"ratios of {len(token_ratio)} tokens: mean |ratio − 1| {(token_ratio - 1).abs().mean():.3f}, "
      f"smallest {token_ratio.min():.2f}, largest {token_ratio.max():.2f}")  # fmt: skip

# %% [markdown]
# Small on average, not small for every token; and a thousand tokens multiply. In each case the tokens were drawn by $\pi_{sampler}$ and not by $\pi_{old}$. **Truncated importance sampling** (TIS) multiplies each token's loss by
#
# $$\min\!\Big(\frac{\pi_{old}(a_t)}{\pi_{sampler}(a_t)},\ C\Big), \qquad C = 2 \qquad \text{[PG-6]}$$
#
# On the one-token policy of section 2: samples from a policy with other logits, and the estimate without weights, with weights, and with truncated weights.

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
# Full weights are right on average and noisy. Truncation gives up some of the first for the second: here half of the correction, for a third of the variance.
#
# Does it decide anything in a run? Section 8's task, at twice its learning rate, with a sampler that is eight updates behind:

# %%
stale = band("stale")
plot_contrast(stale, {"held-out accuracy": "reward", "KL to the start (nats)": "kl",
                      "answers that end (share)": "finished"});  # fmt: skip

# %%
ends(stale, {"accuracy": "reward", "KL": "kl", "answers that end": "finished"})

# %% [markdown]
# Old data cost accuracy, with weights and without: for the first eight updates both stale runs learn from the start policy's answers alone, and they do not catch up with the fresh run. But look at the right panel. Without weights hardly an answer ends any more on four of the five seeds, and less than half of them on the fifth. With weights nearly all end on three seeds and half on another; on one they did not help. A token that has already been pushed down keeps coming in the old samples and is pushed down again each time; after eight rounds of that the habits of the start policy, ending its answers among them, are gone. With a weight such a token hardly counts. So the weights keep most of these runs in one piece, and do not give back what staleness costs. The surest cure is to be less stale.
#
# (The library's `ppo` without `tis_cap` takes the sampler as $\pi_{old}$, so its ratio makes the same correction. Truncated weights are for trainers that clip against their own old policy.)

# %% [markdown]
# ## 14. The strongest knobs
#
# Names of algorithms fill the papers. Two numbers move a run more than any of them: the learning rate and the number of answers in a batch. Section 8's task again, one update a batch, everything else equal:

# %%
knobs = band("knobs")
plot_contrast(knobs, {"held-out accuracy": "reward", "KL to the start (nats)": "kl",
                      "answers that end (share)": "finished"});  # fmt: skip

# %%
ends(knobs, {"accuracy": "reward", "KL": "kl", "answers that end": "finished"})

# %% [markdown]
# Read the rates from low to high. The slowest is nearly as accurate at the end as the next two, at a fraction of the distance. The middle two get there sooner and pay in nats. The highest destroys the policy: accuracy falls back to where it began, at a distance at which hardly an answer ends properly. Between "fastest" and "ruined" lies a factor of two. So search the learning rate in factors of two or three, and stop below the cliff.
#
# The small batch draws a quarter of the answers and ends a little behind. Its steps are noisier, and just as long: Adam makes a step about as long as the learning rate says, however many answers stand behind it. So the number of answers in a batch and the learning rate belong together. A larger batch can bear a higher rate; never compare batch sizes at one rate (exercise "Decide how large a batch is").

# %% [markdown]
# ## 15. Reading a run
#
# Back to section 1's run. Nine panels, in the order in which to read them; the line is yours, the band is the stored runs. Each panel answers one question.

# %%
from rlhf_lib.workbook.ch11_policy_gradients.figures_runs import plot_dashboard

plot_dashboard(run, expected);

# %% [markdown]
# 1. **Held-out reward: is it getting better?** Steeply at first, then no more. After step 20 the seeds part, and none gains much.
# 2. **Reward of the batch.** The same with noise. If it rises while panel 1 does not, the policy is learning its training requests by heart, or fooling the reward.
# 3. **KL: how far has it gone for that?** It grows all along; nothing here holds it. Put it beside panel 1: the first nat bought most of the gain, the last ones bought nothing. That is the argument for a penalty, or for stopping early.
# 4. **Entropy: does it still try things?** It falls by nearly half within twenty steps, then settles.
# 5. **Largest ratio: are some tokens far from where they were drawn?** With four updates a batch the farthest token is usually at one and a half, and now and then a rare one shoots far beyond. Single spikes do no harm behind a clip; a line that stays above 10 would be an alarm. (The axis is logarithmic.)
# 6. **Clipped tokens: are the updates too large for the batch?** A few per cent at most, highest in the first steps, when the policy moves fastest. The clip is a fence here that few tokens touch.
# 7. **Groups without a signal: is the task still worth its answers?** Hardly any at first, later a good part: on these requests all four answers score the same. That share of the answers was drawn for nothing.
# 8. **Length: is it padding, or cutting corners?** It falls while the policy drops its small talk, and drifts up later. Read some answers when it moves.
# 9. **Gradient norm: is it stable?** About 1 throughout. It is clipped at 1 in this loop, so a spike would show here and do little harm.

# %% [markdown]
# **Entropy** deserves a closer look. It is the mean surprise of the policy at its own next token, in nats; $e^{\text{entropy}}$ is roughly the number of tokens it chooses between. Every run in this chapter loses entropy, since making good answers more likely means making others less likely. When it is gone, all answers to a request are the same, every group is a group without a signal, and learning stops: **entropy collapse**.
#
# Two remedies are common. An **entropy bonus** pays the policy for surprise, as part of the loss. **Clip-higher** (DAPO) raises the upper end of the clip range: a rare token with a good answer has a small probability, and a 20% rise of something small is small, so the usual range holds back just the tokens that would add variety. Here is the bonus, on section 8's task:

# %%
surprise = band("entropy")
plot_contrast(surprise, {"entropy (nats per token)": "entropy", "held-out accuracy": "reward",
                         "KL to the start (nats)": "kl"});  # fmt: skip

# %%
ends(surprise, {"entropy": "entropy", "accuracy": "reward", "KL": "kl", "answers that end": "finished"})

# %% [markdown]
# The bonus does what it was asked: entropy stays near where it began instead of halving. Accuracy is no higher for it. And look at the KL and at the share of answers that end: the surprise had to be put somewhere, and the verifier does not look at what comes after the answer. So that is where the policy put it. It rambles on. A bonus is a reward like any other, and a policy takes it where it is cheapest. In use it is ten times smaller than here, or steered to a target entropy.
#
# **If your run looks wrong**
#
# | you see | likely cause | do |
# |---|---|---|
# | loss 0.0000 at the first step | nothing: the ratio is 1 and the advantages sum to 0 | look at the gradient norm instead |
# | reward flat, `zero_variance_groups` near 1 | the task is too hard or too easy for this policy | choose requests that it solves sometimes; more answers to each |
# | ratio 1 in every update | one update a batch: there is nothing to clip | nothing |
# | `clip_fraction` above 0.3 | too many updates a batch, or too high a learning rate | fewer updates; half the rate |
# | entropy near 0 | collapse | lower rate, entropy bonus, clip-higher; stop earlier |
# | batch reward up, held-out reward flat | learning the training requests by heart | more requests; stop earlier |
# | length at the limit, `finished` falling | the reward likes length, or the end token is masked out | look at answers; check the mask |
# | mean KL below 0 | log-probabilities of different policies or temperatures | compare the sampler's and the trainer's for one batch |
# | gradient norm jumps by a factor of ten | a few tokens with huge weights | check staleness; cap the weights |

# %% [markdown]
# ## 16. Exercises

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

# %% [markdown] tags=["exercise"]
# {exercise: my_ppo_training}
#
# Write the whole loop: first REINFORCE (`epochs=1`), then PPO. In each of `steps` rounds draw `policy.sample(prompts, samples, seed=step)`: token ids and mask, (N · G, T), the answers to one prompt in neighbouring rows. Score them with `reward(token_ids, mask)`, (N · G,). Advantages: reward minus the mean reward of the *other*
# answers to the same prompt. Then `epochs` updates on the same answers, with PPO's clipped loss, one mean over all real tokens, `torch.optim.SGD` at `learning_rate`. `policy.logprobs(prompts, token_ids)` gives (B, T), a prompt for each answer. Return the list of each round's mean reward.

# %% tags=["solution"]
def solution_ppo_training(policy, reward, prompts, samples, steps, epochs, clip, learning_rate):
    optimizer, means = torch.optim.SGD(policy.parameters(), lr=learning_rate), []
    asked = prompts.repeat_interleave(samples)
    for step in range(steps):
        token_ids, mask = policy.sample(prompts, samples, seed=step)
        rewards = reward(token_ids, mask).reshape(len(prompts), samples)
        others = (rewards.sum(1, keepdim=True) - rewards) / (samples - 1)
        advantages = (rewards - others).reshape(-1, 1)
        old_logp = policy.logprobs(asked, token_ids).detach()
        for _ in range(epochs):
            ratio = (policy.logprobs(asked, token_ids) - old_logp).exp()
            clipped = ratio.clamp(1 - clip, 1 + clip)
            objective = torch.minimum(ratio * advantages, clipped * advantages)
            loss = -(objective * mask).sum() / mask.sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        means.append(rewards.mean().item())
    return means

# %% [markdown] tags=["exercise"]
# {exercise: my_batch_size}
#
# Predict first. `small_world()` holds six requests with sixty answers each, so that what a policy is worth can be computed exactly. `train_exact(TabularPolicy(small.ref_logp), small, settings)` trains a table of these answers by REINFORCE with leave-one-out baselines, in a fraction of a second; the last `reward` of its history is the number. The settings are `ExactSettings(beta=0.1, steps=320 // group, learning_rate=0.1, samples=group, seed=seed)`. Fill in the lists with seeds 0, 1 and 2, then choose: an option, or `"undecided"`.

# %% tags=["solution"]
from rlhf_lib.exact import ExactSettings, TabularPolicy, train_exact
from rlhf_lib.exact.small_world import small_world

small = small_world()
solution_batch_size = {"2": [], "8": [], "32": []}
for group, found_rewards in solution_batch_size.items():
    for seed in range(3):
        settings = ExactSettings(
            beta=0.1, steps=320 // int(group), learning_rate=0.1, samples=int(group), seed=seed
        )
        trained = train_exact(TabularPolicy(small.ref_logp), small, settings)
        found_rewards.append(trained.last("reward"))
solution_batch_size_choice = "2"

# %% [markdown]
# ## 17. The silent-bug clinic
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
# Now write the test that would have caught it. It gets `advantages(rewards, G)`, calls it on something small, and asserts what must hold. The runner tries it on the buggy code and on two right versions.

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
# ## 18. What this chapter claimed
#
# First on what you have just computed; then on the stored runs, with the number of seeds on which each claim holds and its margin in standard deviations over seeds.

# %% tags=["claims"]
assert ((estimates.mean(0) - exact).abs() < 4 * error).all(), "the score-function estimate is unbiased"
variance = {name: g.var(0).sum() for name, g in gradients.items()}
assert variance["total return"] > 1.5 * variance["reward-to-go"], "a token cannot change the past"
assert variance["reward-to-go"] > 1.5 * variance["reward-to-go − V"], "a baseline lowers the variance"
assert variance["A = Q − V"] == min(variance.values()), "the advantage is the calmest"
best = {seen: min(lambdas, key=lambda lam: np.hypot(*estimate_error(lam, seen))) for seen in (0.9, 0.3)}
assert best[0.9] < best[0.3], "the less V sees, the larger the best lambda"
drift = {name: length_drift(name)[-1] - length_drift(name)[0] for name in ("fixed", "sequence")}
assert abs(drift["fixed"]).max() < 1e-3, "equal token weights leave lengths alone"
assert drift["sequence"][0] < -1 and drift["sequence"][1] > 1, "a mean per sequence does not"
assert gradient_of["k1"].abs().max() < 1e-6, "k1 in the loss pulls nowhere"
assert torch.allclose(gradient_of["k2"], gradient_of["KL(π‖ref)"], atol=1e-5), "k2 in the loss is the KL"
assert torch.allclose(gradient_of["k3"], gradient_of["KL(ref‖π)"], atol=1e-5), "k3 is the other KL"
print("all claims hold")

# %% tags=["claims"]
from rlhf_lib.experiments.experiment import outcomes
from rlhf_lib.experiments.stored import results_of
from rlhf_lib.workbook.ch11_policy_gradients.experiments import EXPERIMENTS

for name, experiment in EXPERIMENTS.items():
    for outcome in outcomes(experiment, [*results_of("11_policy_gradients", name).values()]):
        print(f"{name:15s} {outcome}")
        assert outcome.good, f"{name}: {outcome.sentence}"

# %% [markdown] tags=["recap"]
# ## Recap
#
# - $\nabla J = \mathbb E[\sum_t\Psi_t\,\nabla\log\pi_\theta(a_t\mid s_t)]$. The transitions drop out; $\Psi_t$ is yours to choose, and the choice is about variance.
# - A baseline that does not depend on the action lowers the variance and adds no bias.
# - PPO, GRPO, Dr. GRPO, RLOO and DAPO are one loss with other settings: the advantage, the ratio's clip, the averaging.
# - One update a batch needs no clip. Many need the ratio and a trust region.
# - Averaging is a choice about lengths, whatever the reward says.
# - k1 in the reward, or k2 in the loss. k3 in the loss is a different penalty.
# - Learning rate and batch size first, algorithm names later. Judge a run by held-out requests; read KL, entropy and groups without a signal beside them.
#
# **Recall** of earlier chapters:

# %% tags=["recall"]
from IPython.display import display

from rlhf_lib.exercises import recall

for quiz in recall("11_policy_gradients"):
    display(quiz)

# %% [markdown]
# **More:** the book's chapter [Reinforcement Learning](https://rlhfbook.com/c/06-policy-gradients); Williams (1992) for REINFORCE; Schulman et al. (2015) for TRPO, (2016) for GAE, (2017) for PPO; Schulman (2020), *Approximating KL divergence*; Ahmadian et al. (2024) for RLOO; Shao et al. (2024) for
# GRPO; Liu et al. (2025) for Dr. GRPO; Yu et al. (2025) for DAPO; Zheng et al. (2025) for GSPO; MiniMax (2025) for CISPO; Yao et al. (2025) for truncated importance sampling.
