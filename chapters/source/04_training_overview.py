# %% [markdown]
# # Training overview
#
# All reinforcement learning in this book raises one number: the reward that a policy can expect. This chapter follows that number from a thermostat by way of a cart with a pole to a language model, and says which of its terms vanish on the way. Then it follows a language model from its first stage of post-training to its last, by three published recipes.
#
# **You will be able to**
# - write down the probability of an episode and the objective of reinforcement learning (RL), and name each factor;
# - say what RLHF changes in them: a learned reward, no world that answers back, one reward for a whole answer, a KL penalty;
# - build the three-step pipeline from library calls: instruction fine-tuning, reward model, RL;
# - say what InstructGPT, Tülu 3 and DeepSeek R1 do in which order, and with how much data;
# - predict from a stage's data which capability it will move.

# %% [markdown]
# ## 1. First the result
#
# One base model, three recipes, one budget: each recipe may use 2,560 answers, whoever writes them. Afterwards each model is asked the same held-out requests of five kinds. A cell is the share that it did well (the median of five runs):
#
# - *facts*: questions about animals, answered rightly;
# - *sums*: sums and word problems of two steps, with the right result;
# - *honesty*: the truth, where a user claims something false;
# - *safety*: no help with what does harm;
# - *openness*: help with what only sounds like harm.

# %% tags=["setup"]
import copy
import math

import numpy as np
import torch

from rlhf_lib import PocketWorld, load_policy, set_seed
from rlhf_lib.exercises import predict
from rlhf_lib.experiments.stored import band, results_of
from rlhf_lib.plots import COLOURS, figure
from rlhf_lib.workbook.ch04_training_overview.experiments import RECIPES, named

set_seed(0)
world = PocketWorld()

# %%
from rlhf_lib.workbook.ch04_training_overview.figures import plot_profiles
from rlhf_lib.workbook.ch04_training_overview.profile import CAPABILITIES

stored = band("recipes")
ends = {"base model": "base", **{title: named(stages) for title, stages in RECIPES.items()}}
middle = {t: {c: stored[end][c]["median"] for c in CAPABILITIES} for t, end in ends.items()}
plot_profiles(middle);

# %% [markdown]
# Same weights at the start, as many answers on the way, and three different models. The recipe named after DeepSeek R1 spends most of its answers on sums: it is the best at sums and poor at much else. The other two are assistants. Tülu 3 ends with RL on sums and is better at them than InstructGPT, which never trains on a checked result. No recipe makes the model
# more honest about a user's false claims, although such claims are among the demonstrations: data that touch a capability do not always raise it. (The base model's shares flatter it. It never ends an answer, and somewhere in forty tokens of talk the right one may stand.)
#
# **Post-training is capability-specific: a stage moves what its data touch.** The rest of the chapter shows what all three have in common, and then where they part.

# %% [markdown]
# ## 2. A thermostat
#
# RL is a loop. The world is in a *state*, the policy takes an *action*, the world moves to a new state and pays a *reward*; and again. The smallest example hangs on a wall. State: the temperature, here in whole degrees. Action: heater on or off. Policy: on below 20 °C. The world: on makes it a degree warmer, off a degree colder, but with some chance a draught
# makes it the other way round. Reward: a point for each step that ends within a degree of 20.

# %%
dice = torch.Generator().manual_seed(4)
degrees, story = 16, []
for _ in range(16):
    heater = degrees < 20  # the policy
    draught = torch.rand(1, generator=dice).item() < 0.2  # the world's own dice
    warmer = 1 if heater != draught else -1
    reward = float(abs(degrees + warmer - 20) <= 1)
    story.append((degrees, int(heater), 0.2 if draught else 0.8, reward))
    degrees = degrees + warmer

# %%
from rlhf_lib.workbook.ch04_training_overview.figures import plot_trajectory

plot_trajectory([step[0] for step in story] + [degrees], [step[1] for step in story], wanted=20);

# %% [markdown]
# Such a story, state, action, state, action, …, is an *episode*, or a *trajectory* τ. How likely is it? Three kinds of factors multiply: where it starts, what the policy does in each state, and what the world makes of it. With the state $s_t$ and the action $a_t$ at step $t$, and $T$ steps (the *horizon*),
#
# $$p_\pi(\tau) = \rho_0(s_0)\prod_{t=0}^{T-1}\pi(a_t\mid s_t)\;p(s_{t+1}\mid s_t, a_t) \qquad \text{[TO-1]}$$
#
# Here are the first six steps of our story, factor by factor, and then all 16 together:

# %%
print("start: 16 °C, one of 13 temperatures that are equally likely: ρ₀ = 1/13")
for t, (before, heater, chance, reward) in enumerate(story[:6]):
    after = story[t + 1][0]
    print(f"t = {t}  {before} °C, heater {'on ' if heater else 'off'}  π = 1   → {after} °C  p = {chance}   r = {reward:.0f}")
product = math.prod(step[2] for step in story) / 13
print(f"all 16 steps together: p(τ) = {product:.1e}, log p(τ) = {math.log(product):.2f} nats")

# %% [markdown]
# The policy is certain of what it does, so its factors are all 1: here chance is in the start and in the world. `play` runs the same loop for many episodes at once and keeps the three kinds of factors apart, as logarithms. `terms` adds up −log of each kind and takes the mean over episodes, in nats:
# 0 means that nothing is left to chance. **Predict:** what becomes of the three numbers if there is no draught?

# %%
from rlhf_lib.exact.episodes import Thermostat, play, switch


def terms(episodes):
    """Mean of -log of the three kinds of factors, in nats."""
    parts = (episodes.log_start, episodes.log_policy.sum(1), episodes.log_world.sum(1))
    return "start {:4.1f}   policy {:4.1f}   world {:4.1f}".format(*(-part.mean().item() + 0.0 for part in parts))


def unsure(degrees):
    """On, the more likely the colder it is."""
    return switch(degrees, sharpness=1.0)


for name, room, policy in (("draughts", Thermostat(0.2), switch), ("none", Thermostat(0.0), switch),
                           ("none, unsure switch", Thermostat(0.0), unsure)):  # fmt: skip
    print(f"{name:20s} {terms(play(room, policy, episodes=500, horizon=16))}")

# %% [markdown]
# Without draughts a sure policy has one story for each start: ρ₀ alone is left. With an unsure switch the chance is in the policy. Keep the third row in mind: a language model is such a case.

# %% [markdown]
# ## 3. The objective
#
# A policy is good if its episodes bring much reward on average. Points that come later may count less, by a factor γ a step (the *discount*, chapter 02):
#
# $$J(\pi) = \mathbb E_{\tau\sim p_\pi}\Big[\sum_{t=0}^{T-1}\gamma^t\,r(s_t, a_t)\Big] \qquad \text{[TO-2]}$$
#
# A thermostat never stops, so its horizon is infinite: $T \to \infty$. What then becomes of the sum?

# %% tags=["predict"]
guess = predict(
    "We double the horizon of the thermostat again and again: 10, 20, 40, 80, 160 steps. What does J do?",
    {"both grow": "it grows without end, whatever γ is",
     "one settles": "it settles for γ = 0.9 and grows without end for γ = 1",
     "both settle": "it settles for both: the room has reached its temperature"},
)  # fmt: skip
guess

# %% tags=["predicted"]
horizons, J = (10, 20, 40, 80, 160), {}
for gamma in (0.9, 1.0):
    runs = [play(Thermostat(0.2), switch, episodes=500, horizon=T, seed=1) for T in horizons]
    J[gamma] = [run.returns(gamma).mean().item() for run in runs]
    print(f"γ = {gamma}:  " + "  ".join(f"T = {T}: {value:6.2f}" for T, value in zip(horizons, J[gamma], strict=True)))
grows = {gamma: values[-1] > 1.5 * values[-2] for gamma, values in J.items()}
guess.reveal({(False, True): "one settles", (True, True): "both grow"}.get((grows[0.9], grows[1.0]), "both settle"))

# %% [markdown]
# With γ < 1 all weights together are $1 + \gamma + \gamma^2 + \dots = 1/(1-\gamma)$, here 10 steps' worth, so J stays finite however long the episode is. With γ = 1 an episode needs an end. (Exercise 2: how far does γ see?)

# %% [markdown]
# ## 4. A cart learns
#
# The thermostat had its policy from the start. Now one is learned, by the same code that will train language models. A cart carries a pole, hinged at its foot. State: the cart's place and speed, the pole's angle and turning speed. Action: a push to the left or to the right, every 20 milliseconds. The world: Newton's laws; a push has one result, so $p(s'\mid s,a)$ is 1 again. Reward: a point
# for each step. An episode ends when the cart leaves the track (2.4 m to either side) or the pole leans more than 12 degrees.
#
# (This is *CartPole*, the first exercise of most courses in RL. The policy is a network with 32 hidden units; at first it pushes at random.)

# %%
from rlhf_lib.exact.cart import cart_advantages, cart_policy, push_logp, ride
from rlhf_lib.objectives import policy_loss

driver = cart_policy(seed=0)
optimizer, lengths = torch.optim.Adam(driver.parameters(), lr=1e-2), []
for update in range(40):
    rides = ride(driver, rides=16, steps=200, seed=update)  # 16 episodes of at most 200 steps
    rewards = rides.mask  # a point for each step
    advantages = cart_advantages(rewards, rides.mask)  # what came after a push, beyond the mean
    logp = push_logp(driver, rides)
    loss, _ = policy_loss(logp, logp.detach(), advantages, rides.mask, algorithm="reinforce", aggregate="token")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    lengths.append(rides.steps.mean().item())

# %% [markdown]
# `policy_loss` is the function that chapter 11 uses on tokens: make the pushes likelier that did better than average, by $\nabla \log \pi(a_t\mid s_t)$ times what came of them. It needs the policy's factors of [TO-1] only. Start and world do not depend on the policy's weights, so their gradient is 0, and nobody has to know Newton's laws.
#
# Your run on top of five stored ones:

# %%
from rlhf_lib.plots.seeds import draw_band

balance = band("balance")
fig, axis = figure(height=2.6, width=6)
draw_band(axis, balance["step"], balance["length"], "0.5", "five stored runs")
axis.plot(lengths, color=COLOURS["gold"], lw=2, label="your run")
axis.set(xlabel="update", ylabel="steps of balance (at most 200)")
axis.legend();

# %% [markdown]
# It starts with rides of some 25 steps, half a second, and ends with rides several times as long. The curve is ragged: each point is the mean of 16 rides, and one bad update costs many steps. Compare with the band: where your run lies in it is luck; that it climbs is not. (One of the five has your seed, so on a machine that rounds alike your run is that one.)
#
# Our loop and the library's are one:

# %% tags=["nbval-check-output"]
from rlhf_lib.exact.cart import train_cart

same = train_cart(cart_policy(seed=0), updates=5, seed=0)
print("the first five updates agree with train_cart:", np.allclose(lengths[:5], same))

# %% [markdown]
# (The equations are those of the `gymnasium` package; where it is installed, a test compares 200 steps of both.)

# %% [markdown]
# ## 5. A language model: what vanishes
#
# Now the state is a request and what has been written of its answer, the action is the next token, and the policy is `pocket-sft`. The world has little to do: it appends the token.

# %%
from rlhf_lib.workbook.ch04_training_overview.worlds import TextWorld

sft = load_policy("pocket-sft")
asked = world.prompts(16, ("fact", "open"), seed=4, split="test")
text = TextWorld(sft, asked)
written = play(text, text.rule, episodes=12, horizon=24, seed=2)
print(terms(written))
for state in written.states[-1][:3]:
    print(f"  {state[0].text}  →  {text.text(state)}")

# %% [markdown]
# The third term is 0: **the transitions are certain**. Give the world the same actions again, and it writes the same texts:

# %% tags=["nbval-check-output"]
states = written.states[0]
for actions in written.actions.T:
    states, logp, _, _ = text.step(states, actions, torch.Generator().manual_seed(99))  # other dice
again = [text.text(state) for state in states]
print("same actions, same texts:", again == [text.text(state) for state in written.states[-1]])

# %% [markdown]
# What is left of [TO-1] is the set of requests and the policy. And there is a second way to look at it, which RLHF mostly takes: the whole answer is *one* action. Then there is one step, one reward, and nothing to discount. A decision process of one step is called a *bandit* (chapter 03 had both views):

# %%
from rlhf_lib.workbook.ch04_training_overview.worlds import CartWorld, cart_rule, whole_answers

whole = whole_answers(sft, asked, episodes=96)
shown = {
    "thermostat": play(Thermostat(0.2), switch, 200, 16),
    "cart": play(CartWorld(), cart_rule(driver), 50, 200),
    "text, by tokens": written,
    "text, whole": whole,
}
for name, episodes in shown.items():
    print(f"{name:16s} {terms(episodes)}   steps {episodes.mask.sum(1).mean():5.1f}")

# %% [markdown]
# The last two rows measure the same quantities on other draws: 12 answers of at most 24 tokens, and 96 of at most 40. In words:
#
# | | thermostat | cart | language model |
# |---|---|---|---|
# | $\rho_0(s_0)$, initial states | temperatures | near rest | **the prompts of a training set** |
# | $\pi(a\mid s)$, actions | heater on or off | push left or right | a token; or **the completion**, as one action |
# | $p(s'\mid s,a)$, the world | warms, cools, draughts | Newton's laws | appends: 1. No reply, no next prompt |
# | $r(s,a)$, reward | each step, by a rule | each step, by a rule | **once, for the whole answer, by a learned model** |
# | horizon, γ | endless, γ < 1 | until it falls, here at most 200 steps | one step, γ = 1 |
#
# So of the objective there remains
#
# $$J(\pi) = \mathbb E_{x\sim\mathcal D,\;y\sim\pi(\cdot\mid x)}\big[\,r(x, y)\,\big],$$
#
# where $x$ is a prompt from the data set $\mathcal D$ and $y$ the completion. (The world comes back where a model calls tools or talks for several turns: then somebody else writes a part of the text. Chapter 15.)

# %% [markdown] tags=["lab"]
# **Lab: which terms are left?** Three worlds, the text in both views, and the same four controls. Terms that have vanished are struck out in the line below.

# %% tags=["lab"]
from rlhf_lib.labs import terms_lab

terms_lab()

# %% [markdown]
# ## 6. From a reward function to a reward model
#
# For the cart the reward is one line of code, and it is a fixed part of the world. For “a good answer” nobody can write that line. RLHF replaces the function by a *model*, $r_\theta(x, y)$, trained on people's choices between two answers (chapter 07). What you gain: any wish that people can recognise can be trained. What you pay: the reward is an estimate now, and can be wrong.
#
# In PocketWorld we can say how wrong, since the truth is known (the *gold* utility). Take two answers to each of 96 held-out requests. How often does a judge put them in gold's order? (Pairs on which gold hardly differs are left out. The second judge is a rule without any learning.)

# %%
from rlhf_lib.rewards import GoldReward, RewardModel, score_by_length

pairs = sft.sample(world.prompts(96, seed=12, split="test"), 2, 40, seed=3)
gold = GoldReward(world)(pairs).view(-1, 2).cpu()
differ = (gold[:, 0] - gold[:, 1]).abs() > 0.05
judges = {
    "pocket-reward": score_by_length(RewardModel.load("pocket-reward"), pairs),
    "the shorter one": -pairs.lengths.float(),
}
for name, scores in judges.items():
    two = scores.view(-1, 2).cpu()
    agree = ((two[:, 0] > two[:, 1]) == (gold[:, 0] > gold[:, 1]))[differ].float().mean()
    print(f"{name:16s} {agree:.0%} of {int(differ.sum())} pairs in gold's order (a coin: 50%)")

# %% [markdown]
# The reward model is better than a coin and better than the rule, and far from perfect: that gap is the room for over-optimization (chapter 18).

# %% [markdown]
# ## 7. Start strong, stay near
#
# A cart's policy starts at random, and everything it can do it learned from the reward. A language model starts as a strong base model: nearly all it can do was learned before. And the reward model was trained on answers near those of that model. Both are reasons not to go far. So RLHF subtracts a price for distance, the KL divergence from a reference policy (chapters 02 and 03), β points a nat:
#
# $$J(\pi) = \mathbb E_{x\sim\mathcal D}\Big[\,\mathbb E_{y\sim\pi(\cdot\mid x)}\big[r_\theta(x,y)\big] - \beta\,\mathrm{KL}\big(\pi(\cdot\mid x)\,\|\,\pi_{\mathrm{ref}}(\cdot\mid x)\big)\Big]$$
#
# This is *the* objective of RLHF. What the price does can be computed exactly for lists of answers that are short enough. Here are six requests with sixty answers each; for each β the policy that maximises J:

# %%
from rlhf_lib.exact import expected, regularized_value
from rlhf_lib.exact.small_world import small_world

table = small_world()
print("   β   reward      KL         J")
for beta in (3.0, 1.0, 0.3, 0.1, 0.03):
    best = table.optimum(beta)
    reward = expected(best, table.rewards).mean()
    value = regularized_value(best, table.ref_logp, table.rewards, beta).mean()
    kl = (reward - value) / beta
    print(f"{beta:5.2f}   {reward:+.2f}   {kl:4.2f} nats   {value:+.2f}")

# %% [markdown]
# At a high price (β = 3) the policy stays where it is. The lower the price, the more nats it spends for more reward, and each further point costs more of them. Chapter 08 is about finding a good price. The RL of this chapter uses β = 0.05; where all rewards are right-or-wrong no penalty is used, as is common for reasoning models.

# %% [markdown]
# ## 8. The basic pipeline
#
# The method behind ChatGPT has three steps. The numbers are those that are usually given; section 9 checks them:
#
# 1. **Instruction fine-tuning** (IFT, or SFT for *supervised fine-tuning*), on some 10,000 examples: the base model learns to answer.
# 2. A **reward model**, from some 100,000 comparisons. It starts as a copy of the fine-tuned model.
# 3. **RL** of the fine-tuned model on the reward model, on some 100,000 prompts.
#
# In our world, on a small budget: 1,536 demonstrations, 256 comparisons, 512 answers in RL. Step 1:

# %% tags=["training"]
from rlhf_lib.training import SFTSettings, train_sft
from rlhf_lib.workbook.ch04_training_overview.pipeline import STYLES

assistant = load_policy("pocket-base").copy()
shown_answers = world.demonstrations(1536, seed=0, styles=STYLES, conversations=0.0)
train_sft(assistant, shown_answers, SFTSettings(batch_size=16, learning_rate=1e-3, warmup_steps=10));

# %% [markdown]
# Step 2. The model answers each of 256 requests twice, simulated people choose, and the reward model learns from their choices. (A person sees the truth, but is noisy, and likes length and flattery a little too much. Where the two answers are the same there is nothing to choose, and the pair is left out.)

# %%
from rlhf_lib.training import RewardModelSettings, train_reward_model
from rlhf_lib.world import label_pairs
from rlhf_lib.workbook.ch04_training_overview.pipeline import requests, sampled

asked = requests(seed=0)[:256]
texts = sampled(assistant, asked, each=2, seed=0)
comparisons = label_pairs(asked, texts[0::2], texts[1::2], world.annotator(), seed=0)
reward_model = RewardModel.from_policy(assistant, seed=0)
fitted = train_reward_model(reward_model, comparisons, RewardModelSettings(batch_size=16))
print(f"{len(comparisons)} comparisons; agreement in the last ten batches {np.mean(fitted.series('accuracy')[-10:]):.0%}")

# %% [markdown]
# Step 3. In each of 8 steps it answers 16 requests four times, the reward model scores, and each answer is compared with the other three (RLOO; InstructGPT used PPO: chapter 11 has both). Gold looks on. The bar shows the last step's 64 answers, in training; what counts is the profile on held-out requests below it.

# %%
from rlhf_lib.training import preset, train_online

rloo = preset("rloo", steps=8, prompts_per_step=16, samples_per_prompt=4, learning_rate=1.5e-4, kl_coefficient=0.05)
before_rl = assistant.copy()
climbed = train_online(assistant, requests(seed=0), reward_model, rloo, gold=GoldReward(world))

# %%
from rlhf_lib.workbook.ch04_training_overview.profile import profile

yours = {"SFT": profile(before_rl), "SFT > RLHF": profile(assistant)}
for name, mine in yours.items():
    print(name)
    for measure in ("gold", *CAPABILITIES):
        five = stored[name][measure]
        print(f"  {measure:9s} yours {mine[measure]:+.2f}   five stored runs {five['low']:+.2f} to {five['high']:+.2f}")

# %% [markdown]
# How to read it. The SFT model is the same in all five stored runs, so its range is a point; on another machine your run rounds differently and goes its own way. Step 1 did most of the work: compare its gold with the base model's, −1.87 in the stored runs.
# Steps 2 and 3 are the famous ones, and at this size they do little for gold: some of the five runs end above SFT and some below. 256 noisy comparisons make
# a poor reward model, and eight steps are few. (Chapter 07 measures how a reward model grows with its data. Chapters 00 and 18 train on about 4,000 comparisons, and there gold does rise before it falls.)

# %% [markdown]
# ## 9. Three recipes, and how much data they used
#
# | recipe | stages |
# |---|---|
# | **InstructGPT** (2022) | SFT on people's demonstrations → reward model → RL |
# | **Tülu 3** (2024) | SFT on many examples, most with answers written by models → DPO on comparisons, many of its own answers → RLVR |
# | **DeepSeek R1** (2025) | cold start: few worked solutions → RLVR on a large scale → rejection sampling and SFT → RL on mixed rewards |
#
# *DPO* learns from comparisons without a reward model (chapter 12). *RLVR* is RL with verifiable rewards: a program checks the final answer, right or wrong (chapter 14). *Rejection sampling* keeps a model's best answers and fine-tunes on them (chapter 10).
#
# One often reads round numbers: 10K, 100K and 100K for InstructGPT; 1M, 1M and 10K for Tülu 3; “100K+” for R1's cold start. What the papers and the data's own cards say:

# %%
from rlhf_lib.workbook.ch04_training_overview.figures import plot_sizes

plot_sizes();

# %% [markdown]
# - **InstructGPT**: about 13,000 demonstrations, 33,000 prompts for the reward model, 31,000 for RL. For each of the 33,000 people *ranked* 4 to 9 answers, and a ranking of K answers holds K(K − 1)/2 comparisons: 6 to 36. So there are at least 33,000 · 6 = 198,000 comparisons, and “100K” is right for neither unit. (Exercise 5.)
# - **Tülu 3**: 939,344 examples for SFT; 271,409 pairs for the 8B model; and 7,473 + 7,500 + 14,973 = 29,946 prompts for RLVR. So “1M pairs” is nearly four times too many, and “10K prompts” a third of them.
# - **DeepSeek R1**: “thousands” of cold-start examples (drawn at 5,000); then about 800,000 for the SFT in the middle: 600,000 worked solutions and 200,000 others. That SFT starts from the base model again.
#
# So the round numbers are orders of magnitude at best, and for R1's cold start not even that. Always ask for the unit: prompts, answers or comparisons?
#
# What changed in three years: SFT data are mostly written by models, and contain *chains of thought*, the steps before the result, so that the base model sees what reasoning looks like. In reasoning models RL on verifiable rewards has become the largest part. And there are many rounds: R1 has four stages, other models more. RLHF was nearly all of post-training; now it is one of its tools.

# %% [markdown]
# ## 10. Three recipes on one budget
#
# The three recipes with our models, 2,560 answers each. A demonstration is one answer, a comparison two, an answer that is sampled and scored is one. (In the bills below the answers of the comparisons are sampled by the model, so they are in the last number already: 1,536 + 1,024 = 2,560.)

# %% tags=["nbval-check-output"]
from rlhf_lib.workbook.ch04_training_overview.pipeline import bill

for title, stages in RECIPES.items():
    print(f"{title:12s}", " → ".join(f"{stage.name} {stage.answers:,}" for stage in stages))
    print(" " * 12, ", ".join(f"{count:,} {what}" for what, count in bill(stages).items()))

# %% tags=["predict"]
guess = predict(
    "Which recipe ends best at sums?",
    {title: title for title in RECIPES},
)
guess

# %% tags=["predicted"]
from rlhf_lib.workbook.ch04_training_overview.figures import plot_recipes

plot_recipes(RECIPES, stored, named)
sums = {title: stored[named(stages)]["sums"]["median"] for title, stages in RECIPES.items()}
guess.reveal(max(sums, key=sums.get))

# %% [markdown]
# Read a panel from left to right. The line that jumps says what the stage's data were about. The five runs share one base model, one SFT model and one cold-started model; they differ
# in the later stages, so a band shows only there. What chance does to a first stage this figure cannot say.
#
# - **SFT** makes an assistant of the base model: answers end, and facts, safety and openness rise.
# - **The cold start** knows one thing. Its 1,024 worked sums bring sums up by far the most, and the other four shares fall to 0 or next to it. (R1's real cold start was thousands of examples on top of a very strong base model. Ours has to teach the chat template too, and a pocket model forgets what it is not shown.)
# - **RLVR** raises sums in Tülu 3's recipe. In R1's there is little left to gain: after 512 answers of RL two runs are a little better at sums and three worse, down to 0.7.
# - **Rejection sampling** brings safety back, and most of facts: a quarter of its bill are demonstrations of all kinds. (R1's middle SFT starts from the base model again; ours goes on.)
# - **Mixed RL** checks sums, and leaves all other answers to a reward model from 128 comparisons. In four steps it changes little; no line jumps.

# %% [markdown]
# Stage by stage, what each changed, a dot for each of five runs:

# %%
from rlhf_lib.workbook.ch04_training_overview.figures import plot_changes

runs = results_of("04_training_overview", "recipes").values()


def change(before, after):
    """Capability -> the change in each run."""
    return {c: [run[after][c] - run[before][c] for run in runs] for c in CAPABILITIES}


plot_changes({
    "RLHF, after SFT": change("SFT", "SFT > RLHF"),
    "DPO, after SFT": change("SFT", "SFT > DPO"),
    "RLVR, after DPO": change("SFT > DPO", "SFT > DPO > RLVR"),
});  # fmt: skip

# %% [markdown]
# RLHF and DPO learn from equally many comparisons of the same kind. Here DPO makes more of them: it ends higher in gold on every seed (section 13), and with half as many answers.
# That is this budget's result and no law: RLHF has to learn a reward model first, and 256 comparisons are few for that. RLVR raises sums in all five runs. Around it the other capabilities scatter, and some fall: nothing in its reward holds them. A dot moves by
# chance, too: with 48 requests of a kind, one standard error of a share is about 0.07 (sums have 96: 0.05), and a change has two such shares in it.

# %% [markdown]
# ## 11. Your own order
#
# Which data, which order, how many rounds? There is no general answer, only questions that lead to one. What should the model be able to do? For each capability: can it be *shown* (SFT), can people *recognise* it (comparisons, then RLHF or DPO), can a program *check* it (RLVR)? And what does each stage need from the one before? Comparisons need answers worth comparing. RLVR needs a model that is right
# now and then, or there is nothing to reinforce. Then measure after *each* stage, on all capabilities, also on those that the stage was not about: that is how you see what it cost.

# %% [markdown] tags=["lab"]
# **Lab: build your pipeline.** Put stages in an order. What has been stored is shown at once; anything else can be trained here.

# %% tags=["lab"]
from rlhf_lib.labs import pipeline_lab

pipeline_lab()

# %% [markdown]
# ## 12. Exercises

# %% [markdown] tags=["exercise"]
# {exercise: my_trajectory_logp}
#
# `log_start` (B,), `log_policy` and `log_world` (B, T): logarithms of the factors in [TO-1]. `mask` (B, T) is 1 on steps that were played; behind the end stand numbers without a meaning. Return the log-probability of each episode, (B,).

# %% tags=["solution"]
def solution_trajectory_logp(log_start, log_policy, log_world, mask):
    return log_start + ((log_policy + log_world) * mask).sum(1)

# %% [markdown] tags=["exercise"]
# {exercise: my_horizon}
#
# With a discount γ, step $t$ has the weight $\gamma^t$, $t = 0, 1, 2, \dots$ How many steps, counted from the first, hold at least `share` of the weights of *all* steps of an endless episode? Return a whole number. (γ = 0.9 and share 0.5: the first seven steps hold more than half.)

# %% tags=["solution"]
def solution_horizon(gamma, share):
    steps = 0
    while 1 - gamma**steps < share - 1e-12:
        steps += 1
    return steps

# %% [markdown] tags=["exercise"]
# {exercise: my_kl_objective}
#
# Section 7's J, estimated from answers that the policy has sampled: `rewards` (B,), the log-probabilities of their tokens under the policy and under the reference, (B, T) each, `mask` (B, T) on the real tokens, and β. The KL of an answer is estimated by its log-ratio, summed over tokens. Return a number.

# %% tags=["solution"]
def solution_kl_objective(rewards, logp, ref_logp, mask, beta):
    log_ratio = ((logp - ref_logp) * mask).sum(1)
    return (rewards - beta * log_ratio).mean().item()

# %% [markdown] tags=["exercise"]
# {exercise: my_ending}
#
# `states` (B, 4) of the cart after `step` steps: place (m), speed, angle (**radians**), turning speed. Return a whole number for each, (B,). 1: fallen, that is more than 2.4 m from the middle or leaning more than 12 degrees. 2: not fallen, but out of time, since `step` has reached `most`. 0: it rides on. (Why tell 1 and 2 apart? After a fall nothing more can be earned; a ride that was cut off could
# have gone on, and its value is not 0.)

# %% tags=["solution"]
def solution_ending(states, step, most):
    found = torch.full((len(states),), 2 if step >= most else 0)
    found[(states[:, 0].abs() > 2.4) | (states[:, 2].abs() > 12 * math.pi / 180)] = 1
    return found

# %% [markdown] tags=["exercise"]
# {exercise: my_units}
#
# `ranked` is a list: for each prompt, how many answers a person put in order, such as `[4, 9]`. Return three whole numbers: prompts, answers, and the comparisons that follow from the rankings.

# %% tags=["solution"]
def solution_units(ranked):
    return len(ranked), sum(ranked), sum(k * (k - 1) // 2 for k in ranked)

# %% [markdown] tags=["exercise"]
# {exercise: my_pipeline}
#
# Fine-tune, freeze a copy, then do RL. One `torch.optim.SGD` at `learning_rate` serves both halves.
#
# 1. `demonstrations` is `(asked, shown, shown_mask)`: prompts (B,), token ids and mask (B, T). Make `epochs` updates on their negative log-likelihood: the mean over all real tokens.
# 2. Freeze a copy as the reference.
# 3. For `step` = 0, 1, …, `steps` − 1: draw with `policy.sample(prompts, 1, seed=step)`, which returns token ids and mask. An answer's score is its `reward(token_ids, mask)`, (B,), minus `beta` times its log-ratio to the reference. Its advantage is the score minus the mean score. The loss is minus the mean of advantage times the answer's log-probability.
#
# `policy.logprobs(prompts, token_ids)` gives (B, T). An answer's log-probability and log-ratio are sums over its real tokens. Return two lists: the fine-tuning losses, each taken before its update, and each round's mean reward (without the penalty).

# %% tags=["solution"]
def solution_pipeline(policy, demonstrations, reward, prompts, epochs, steps, beta, learning_rate):
    optimizer, losses, means = torch.optim.SGD(policy.parameters(), lr=learning_rate), [], []

    def descend(loss):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    asked, shown, shown_mask = demonstrations
    for _ in range(epochs):
        loss = -(policy.logprobs(asked, shown) * shown_mask).sum() / shown_mask.sum()
        descend(loss)
        losses.append(loss.item())
    reference = copy.deepcopy(policy)
    for step in range(steps):
        token_ids, mask = policy.sample(prompts, 1, seed=step)
        rewards = reward(token_ids, mask)
        logp = (policy.logprobs(prompts, token_ids) * mask).sum(1)
        ref_logp = (reference.logprobs(prompts, token_ids) * mask).sum(1)
        scores = (rewards - beta * (logp - ref_logp)).detach()
        descend(-((scores - scores.mean()) * logp).mean())
        means.append(rewards.mean().item())
    return losses, means

# %% [markdown] tags=["exercise"]
# {exercise: my_payment}
#
# Predict first. Then train the cart with `train_cart(cart_policy(seed=seed), paid, updates=25, seed=seed, steps=100)`, where `paid` is `one_point_a_step` (from `rlhf_lib.exact.cart`) or `all_at_the_end` (from `rlhf_lib.workbook.ch04_training_overview.worlds`), with five seeds each, 0 to 4.
# The number of a run is the mean of the last five lengths. Fill in the lists and choose: `"step"`, `"end"`, or `"undecided"` if the means differ by less than two standard errors of their difference.

# %% tags=["solution"]
from rlhf_lib.exact.cart import one_point_a_step
from rlhf_lib.workbook.ch04_training_overview.worlds import all_at_the_end

solution_payment = {"step": [], "end": []}
for name, paid in (("step", one_point_a_step), ("end", all_at_the_end)):
    for seed in range(5):
        run = train_cart(cart_policy(seed=seed), paid, updates=25, seed=seed, steps=100)
        solution_payment[name].append(sum(run[-5:]) / 5)
solution_payment_choice = "step"

# %% [markdown]
# ## 13. What this chapter claimed
#
# First the stored runs: on how many seeds each sentence holds, and by how many standard deviations over the seeds. Then what must hold on every machine.

# %% tags=["claims"]
from rlhf_lib.experiments.experiment import outcomes
from rlhf_lib.workbook.ch04_training_overview.experiments import EXPERIMENTS

for name, experiment in EXPERIMENTS.items():
    for outcome in outcomes(experiment, list(results_of("04_training_overview", name).values())):
        print(outcome)
        assert outcome.good, str(outcome)
assert written.log_world.abs().max() == 0, "a language model's world is certain"
assert again == [text.text(state) for state in written.states[-1]], "same actions, same text"
assert J[0.9][-1] - J[0.9][-2] < 0.5 < J[1.0][-1] - J[1.0][-2], "γ < 1 keeps an endless sum finite"
assert whole.mask.shape[1] == 1, "a whole answer is one action"
assert lengths[-1] > 1.5 * lengths[0], "the cart learns to balance"
assert np.allclose(lengths[:5], same), "our loop is train_cart"
assert all(sum(stage.answers for stage in stages) == 2560 for stages in RECIPES.values()), "one budget"
print("all claims hold")

# %% [markdown] tags=["recap"]
# ## Recap
#
# - An episode's probability: start × policy × world, step by step. Its return: discounted points. J is the mean return.
# - A language model's world is certain: it appends the token. Seen whole, an answer is one action with one reward: a bandit, γ = 1, horizon 1.
# - RLHF replaces the reward function by a reward model, and subtracts β times the KL from a reference, because it starts from a strong model.
# - The pipeline: instruction fine-tuning, reward model, RL. InstructGPT: about 13K demonstrations, 33K prompts ranked, 31K prompts for RL.
# - Tülu 3: SFT, DPO, RLVR. DeepSeek R1: cold start, RLVR, rejection sampling, mixed RL. Ask for units: prompts, answers or comparisons.
# - A stage moves what its data touch. Measure everything after each stage.
#
# **Recall** of earlier chapters:

# %% tags=["recall"]
from IPython.display import display

from rlhf_lib.exercises import recall

for quiz in recall("04_training_overview"):
    display(quiz)

# %% [markdown]
# **More:** the book's chapter [Training Overview](https://rlhfbook.com/c/03-training-overview); Sutton and Barto, *Reinforcement learning*, chapter 3, for decision processes; Barto, Sutton and Anderson (1983), the pole on a cart; Ouyang et al. (2022), InstructGPT; Lambert et al. (2024), Tülu 3, with its data sets' cards on the Hugging Face Hub; DeepSeek-AI (2025), DeepSeek-R1.
