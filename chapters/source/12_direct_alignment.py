# %% [markdown]
# # Direct alignment
#
# RLHF fits a reward model to comparisons, then a policy to the reward model. Direct alignment leaves out the middle: one loss takes comparisons and changes the policy. There is no reward model, no sampling during training, no value function. **DPO** (Rafailov et al., 2023) is the first and best known of these losses. It optimises
# the same objective as RLHF, and this chapter shows when that is true, and what goes wrong when it is not.
#
# **You will be able to**
# - derive DPO in five steps, each of which you have checked;
# - read a DPO run: implicit rewards, β, the gradient's weight, a chosen answer that falls;
# - choose between DPO, IPO, cDPO, KTO, ORPO, SimPO, REBEL and APO by what differs between them;
# - say what offline data cannot teach, and what online variants and RL add.

# %% [markdown]
# ## 1. First the result
#
# Take requests for which every answer is listed (chapter 08's exact world). There the best policy for a reward $r$ and a price β is known, $\pi^* \propto \pi_{ref}\,e^{r/\beta}$. Now hide the reward. Show DPO nothing but comparisons: *this answer was preferred to that one*.
#
# **Predict:** how close to π* can a method come that never sees a reward?

# %% tags=["setup"]
import numpy as np
import pandas as pd
import torch

from rlhf_lib import PocketWorld, load_policy, set_seed
from rlhf_lib.exact import ExactSettings, TabularPolicy, exact_world, train_exact
from rlhf_lib.plots import COLOURS, CYCLE, figure
from rlhf_lib.rewards import GoldReward, RewardModel

set_seed(0)
world, sft = PocketWorld(), load_policy("pocket-sft")
gold, beta = GoldReward(world), 0.3
kinds = ("fact", "opinion", "unsafe", "lookalike", "sum")

# %%
exact = exact_world(world, world.prompts(6, kinds, seed=3), sft, size=40)
table = TabularPolicy(exact.ref_logp)
direct = train_exact(table, exact, ExactSettings("dpo", beta=beta, learning_rate=0.075))
star, found = exact.optimum(beta), table.table().detach()

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
# It finds the same policy. The comparisons were unlimited here and covered every answer. Most of this chapter is about what remains of it when neither is so.

# %% [markdown]
# ## 2. On a language model
#
# The loss, for a chosen answer $y_c$ and a rejected one $y_r$ to the same prompt:
#
# $$-\log\sigma\Big(\beta\log\frac{\pi_\theta(y_c\mid x)}{\pi_{ref}(y_c\mid x)} - \beta\log\frac{\pi_\theta(y_r\mid x)}{\pi_{ref}(y_r\mid x)}\Big) \qquad \text{[DA-2]}$$
#
# Below, $h$ is the difference of the two log-ratios and $\beta h$ the *margin*, so the loss is $-\log\sigma(\beta h)$. 480 comparisons by a noisy annotator, one epoch, 15 steps:

# %% tags=["training"]
from rlhf_lib.runtime import data_path
from rlhf_lib.training import DirectSettings, read_preferences, side_by_side, train_direct

pairs = read_preferences(data_path("preferences", "pocket-train.jsonl"))[:480]
unseen = read_preferences(data_path("preferences", "pocket-test.jsonl"))[:200]
policy = sft.copy()
run = train_direct(policy, pairs, DirectSettings("dpo", beta=0.1))

# %%
from rlhf_lib.experiments.bands import load_band

stored = load_band("online_direct")
fig, axes = figure(1, 3, height=2.6)
titles = {"loss": "loss (nats)", "margin": "margin of implicit rewards", "logp_chosen": "log-probability, chosen"}
for axis, (metric, title) in zip(axes, titles.items(), strict=True):
    band = stored["offline"][metric]
    axis.fill_between(range(len(band["low"])), band["low"], band["high"], color="0.85")
    axis.plot(run.series(metric), color=CYCLE[0], lw=2)
    axis.set(title=title, xlabel="step")
axes[0].axhline(np.log(2), color="0.4", ls=":");

# %%
asked = world.prompts(96, seed=99, split="test")


def judge(policy):
    """(gold, tokens, KL to pocket-sft) of 192 answers to requests that nobody trained on."""
    rollout = policy.sample(asked, 2, 40, seed=1)
    with torch.no_grad():
        kl = (rollout.logp - sft.logprobs(rollout)).sum(1).mean()
    return gold(rollout).mean().item(), rollout.lengths.mean().item(), kl.item()


models = {"pocket-sft": sft, "DPO": policy}
ends = side_by_side(lambda name: judge(models[name]), models)  # both at once, each with half of the cores
for name, (value, tokens, kl) in ends.items():
    print(f"{name:11s} gold {value:+.2f}   tokens {tokens:.1f}   KL {kl:z.2f} nats")

# %% [markdown]
# Grey: five seeds with other comparisons (`make claims`); the lines jump, for each point is a batch of 32 pairs that the policy had not seen before. The loss hardly moves: one epoch, noisy labels, and a step counts by β times a few nats. Still the gold utility of *new* answers has risen, in seconds, from a file of labels and an ordinary training loop.
#
# | you see | likely cause |
# |---|---|
# | the first loss is not $\log 2 = 0.693$ (dotted) | the reference is not the policy's start, or its log-probabilities were cached with other tokens or dropout |
# | the loss *stays* at exactly 0.693 | the reference is the policy itself, or β is 0 (clinic) |
# | the loss falls, the accuracy on unseen pairs does not | few pairs, many epochs: section 8 |
# | the chosen answer's log-probability falls | displacement: section 7. Not always bad, always worth watching |
# | a KL far above what β suggests | means where sums belong (clinic), or a fitted file of pairs: section 5 |
#
# **What it costs.** RLHF with PPO holds four models (policy, reference, reward, value) and samples in each step. DPO holds the policy, and the reference only *before* training: its log-probabilities are constants, so they are computed once and cached.

# %%
import time

from rlhf_lib.training import DirectTrainer

trainer = DirectTrainer(policy, DirectSettings())
start = time.perf_counter()
data = trainer.prepare(unseen)  # asks the reference
asking = time.perf_counter() - start
print(f"cached: {tuple(data.ref.shape)} numbers for {len(unseen)} pairs in {asking:.2f} s, then no reference at all")
print(f"a step of 32 pairs, forward and backward: {run.last('seconds') / len(run.rows):.2f} s")

# %% [markdown]
# ## 3. The derivation, with a check for each step
#
# **Step 1: the RLHF objective is a distance.** For every policy,
#
# $$\mathbb E_\pi[r] - \beta\,\mathrm{KL}(\pi\|\pi_{ref}) = \beta\log Z(x) - \beta\,\mathrm{KL}(\pi\|\pi^*), \qquad Z(x)=\sum_y \pi_{ref}(y\mid x)\,e^{r(x,y)/\beta}.$$
#
# (Divide by $-\beta$; write the reward as $\log e^{r/\beta}$; add and subtract $\log Z$. What is left is a KL to $\pi_{ref}e^{r/\beta}/Z$.) Check it on a policy that has nothing to do with anything:

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
# One cannot use it as it stands: $Z$ is a sum over all possible answers, and to sample from π* one would have to know it. Is anything near π* better?

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
# **Step 4: Z cancels.** Chapter 07's Bradley-Terry model says that $y_c$ is preferred with probability $\sigma(r_c - r_r)$. Both answers belong to one prompt, so the difference has no $\beta\log Z(x)$ in it. The sum that nobody can compute is gone.

# %% tags=["nbval-check-output"]
true = torch.sigmoid(r[:, :1] - r[:, 1:])
h = (star - ref)[:, :1] - (star - ref)[:, 1:]
print(f"P(preferred), by r and by the policy alone: largest difference {(true - torch.sigmoid(beta * h)).abs().max():.6f}")

# %% [markdown]
# **Step 5: maximum likelihood.** So fit the policy to comparisons as one fits a reward model, by the Bradley-Terry loss on implicit rewards. That is [DA-2]: **"your language model is secretly a reward model"**. With unlimited comparisons the minimum is where the implied probabilities are the true ones: at π*.

# %%
from rlhf_lib.exact import comparison_probabilities
from rlhf_lib.objectives import bradley_terry_loss, dpo_loss

pc, pr, rc, rr = some[:, 0], some[:, 1], ref[:, 0], ref[:, 1]
as_rewards = bradley_terry_loss(implicit_reward(pc, rc, beta), implicit_reward(pr, rr, beta))
print(f"one batch: dpo_loss {dpo_loss(pc, pr, rc, rr, beta):.6f}, Bradley-Terry on implicit rewards {as_rewards:.6f}")


def expected_loss(logp):
    """The DPO loss over all comparisons of all answers."""
    gap = beta * ((logp - ref)[:, :, None] - (logp - ref)[:, None, :])
    return -(comparison_probabilities(exact) * torch.nn.functional.logsigmoid(gap)).sum((1, 2)).mean()


for name, logp in {"reference": ref, "some policy": some, "π*": star, "after DPO": found}.items():
    print(f"   expected loss of {name:12s} {expected_loss(logp):.5f}")

# %% [markdown]
# The loss does not go to 0: annotators who follow Bradley-Terry disagree with themselves, and at π* the loss is just the entropy of their labels.
#
# **What was assumed.** (a) Preferences follow Bradley-Terry with *some* reward (for rankings of more than two, Plackett-Luce gives the same cancellation). (b) The policy can represent π*. (c) The comparisons are unlimited and cover every answer. (d) β is the one you mean. RLHF needs (a) as well, for its reward model. It does not need (c): it asks
# its reward model about whatever the policy says *now*.

# %% [markdown]
# ## 4. Implicit rewards
#
# A trained policy is thus a reward model. How good a one? On comparisons that neither has seen:

# %%
from rlhf_lib.lm import encode_answers, score_answers
from rlhf_lib.training import evaluate_pairs


@torch.no_grad()
def log_ratios(policy, pairs):
    """log π/π_ref (n, 2) of the chosen and the rejected answers, and their tokens (n, 2)."""
    texts = [pair.chosen for pair in pairs] + [pair.rejected for pair in pairs]
    answers = encode_answers(policy, [pair.prompt for pair in pairs] * 2, texts)
    ratios = (score_answers(policy, answers) - score_answers(sft, answers)).cpu()
    lengths = torch.tensor([float(answer.length) for answer in answers])
    return ratios.view(2, -1).T, lengths.view(2, -1).T


ratios, lengths = log_ratios(policy, unseen)
implicit = (ratios[:, 0] > ratios[:, 1]).float().mean().item()
own = evaluate_pairs(RewardModel.load("pocket-reward"), unseen)["held_out_accuracy"]
print(f"accuracy on unseen pairs: implicit reward of 480 pairs {implicit:.2f}; reward model of 3,961 pairs {own:.2f}")

# %% [markdown]
# With chapter 07's caveats: labels are noisy, so no judge of these pairs reaches 1. And a constant of the prompt is missing, so an implicit reward can't compare answers to *different* prompts. And like any reward model it was fitted to a file's answers, and is untested far from them.

# %% [markdown]
# ## 5. β
#
# β is the same price as in RLHF: points of reward for a nat of KL. A **larger** β holds the policy **nearer** to the reference. But look where it stands. In RL, KL is measured on fresh answers in every step, and a controller may steer its coefficient (chapter 08). In DPO β is a constant inside a sigmoid: it says how large a log-ratio
# satisfies a pair. Nothing measures the KL. It is *static*.
#
# With unlimited data the two agree. With 64 comparisons a request, used again and again? **Predict.**

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
# On a fixed file the policy goes farther at every β (at 0.1 the 200 steps end before it has arrived): it fits the labels' noise, and where all comparisons of an answer went one way the best log-ratio is infinite. Then epochs and learning rate are the brake, and not β. Usual values are 0.01 to 0.5; sweep it together with the learning rate, and *measure* the KL on samples afterwards, as `judge` does.

# %% [markdown]
# ## 6. The gradient's weight
#
# $$\nabla L = -\beta\;\underbrace{\sigma(\hat r_r - \hat r_c)}_{\text{weight}}\;\big[\nabla\log\pi_\theta(y_c) - \nabla\log\pi_\theta(y_r)\big]$$
#
# The bracket alone would be *unlikelihood training*: up with one, down with the other, for ever. The weight is what DPO adds. It is ½ at the start, goes to 0 for pairs that are right by a wide margin, and to 1 for pairs that the implicit reward has the wrong way round. Check the formula by autograd:

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
# A pair that is the wrong way round may be a hard one. Or its label is wrong. On our pairs (the first 200 of them, for speed) gold knows which. **Predict:** which pairs does DPO work hardest on, after an epoch?

# %%
part = pairs[:200]
seen, lengths_seen = log_ratios(policy, part)
weights = torch.sigmoid(-0.1 * (seen[:, 0] - seen[:, 1]))
better = torch.tensor([world.gold(p.prompt, p.chosen) - world.gold(p.prompt, p.rejected) for p in part])
wrong = better < 0
fig, axis = figure(height=2.8, width=6)
shared = dict(bins=np.linspace(0.1, 0.9, 21), density=True, histtype="step", lw=2)
axis.hist(weights[~wrong], **shared, color=COLOURS["good"], label="label agrees with gold, or gold ties")
axis.hist(weights[wrong], **shared, color=COLOURS["bad"], label="label against gold")
axis.set(xlabel="weight σ(−βh)", ylabel="density", xlim=(0.1, 0.9))
fig.legend(loc="outside upper center", ncols=2)
print(f"{wrong.float().mean():.0%} of labels are against gold. Mean weight of these: {weights[wrong].mean():.3f},")
print(f"of the others: {weights[~wrong].mean():.3f}")
print(f"log-ratios: chosen {seen[:, 0].mean():+.2f} nats on average, rejected {seen[:, 1].mean():+.2f}")

# %% [markdown]
# The wrong labels get the larger weight, here and on each of five seeds. The difference is small after one epoch and grows with the margin of the others: what the policy cannot explain, it is pushed to memorise. cDPO, IPO and KTO are answers to that (section 9).

# %% [markdown]
# ## 7. Preference displacement
#
# The loss contains a *difference*. It is just as content when both answers fall, if only the rejected one falls further. Where does their probability go? To answers that nobody compared.
#
# A picture first: a policy that knows answers by their places on a map, $\pi(y)\propto\pi_{ref}(y)\,e^{w\cdot place(y)}$, as a language model knows them by its hidden states. One comparison moves $w$ along the arrow from rejected to chosen. That wind blows on **all** answers, and those farther downwind gain more than the chosen one.

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
# Two answers that are *alike* have a short arrow between them. To widen the margin by a nat the policy has to go far, and the pair is left behind. Answers far apart are parted by a small step. (Razin et al., 2024, show this for language models; Pal et al., 2024, saw it with pairs that differ in a few characters.)

# %% tags=["lab"]
from rlhf_lib.labs import displacement_lab

displacement_lab()

# %% [markdown]
# **Made, on the language model.** 240 comparisons without any noise: a right answer against the same answer with one thing wrong. With the loss as it is, and with a negative log-likelihood of the chosen answer added, $L_{DPO} - \alpha\log\pi_\theta(y_c)/|y_c|$ (iterative RPO; chapter 15 of the book).

# %%
from rlhf_lib.exact import near_pairs

near = near_pairs(world, 240, seed=10)
for pair in near[:3]:
    print(f"{pair.prompt.text}   {pair.chosen!r} against {pair.rejected!r}")

# %% tags=["training"]
from rlhf_lib.workbook.ch12_direct_alignment.figures import plot_pair_logps

alphas = {"DPO": 0.0, "DPO + NLL": 1.0}
displaced_policies = {name: sft.copy() for name in alphas}


def displace(name):
    settings = DirectSettings("dpo", beta=0.05, epochs=4.0, learning_rate=4e-4, nll_weight=alphas[name])
    return train_direct(displaced_policies[name], near, settings)


displaced_runs = side_by_side(displace, alphas)
series = {n: (h.series("logp_chosen"), h.series("logp_rejected")) for n, h in displaced_runs.items()}
plot_pair_logps(series, load_band("displacement"));

# %%
judged = side_by_side(lambda name: judge(displaced_policies[name]), alphas)
for name, trained in displaced_policies.items():
    after, _ = log_ratios(trained, near[:80])
    fell, wider = after[:, 0] < 0, after[:, 0] > after[:, 1]
    shares = [x.float().mean() for x in (fell, wider, fell & wider)]
    ends[f"{name}, near pairs"] = judged[name]
    print(f"{name}: chosen fell in {shares[0]:.0%} of pairs, margin grew in {shares[1]:.0%}, both in {shares[2]:.0%};")
    print(f"    gold {ends['pocket-sft'][0]:+.2f} -> {ends[f'{name}, near pairs'][0]:+.2f}")
    print("    says:", trained.sample([near[0].prompt], max_new_tokens=40, seed=3).texts[0])

# %% [markdown]
# The margin grows, nearly every pair is now the right way round, and the right answers have not become likelier: over five seeds they lost between nothing and 2.8 nats, and gold fell on all five. DPO's own metrics, loss and accuracy, look perfect. So **log the chosen answer's log-probability**.
#
# With the NLL the chosen answers rise. Which of the remedies that are named in papers help here? And is it the likeness that does it? The same run with six settings, stored; *far pairs* have an off-topic answer as the rejected one.

# %%
stored_runs, medians = load_band("displacement"), {}
for name, found_band in stored_runs.items():
    if name != "gold":
        c, j, m = (found_band[k]["median"] for k in ("logp_chosen", "logp_rejected", "margin"))
        medians[name] = {"chosen, first step": c[0], "last": c[-1], "rejected, first": j[0], "last ": j[-1]}
        medians[name] |= {"margin": m[-1], "gold": stored_runs["gold"][name][2]}
pd.DataFrame(medians).T.round(2)

# %% [markdown]
# - **Far pairs**: an off-topic answer is parted from a right one within a few steps. But with so small a β nothing stops the run there: the margin ends ten times as large, and the chosen answers have lost 13 to 16 nats. Likeness is one way to lose the chosen answer; a small β and many epochs are another.
# - **A larger β** (0.5): the chosen answers stay about where they were, from 0.5 nats lower to 0.9 higher, and gold stays too.
# - **APO-zero** asks for the chosen one to rise, and its gradient in $\log\pi_\theta(y_c)$ alone does. The wind from the rejected answer is as strong as ever: the chosen answers fall farther than under DPO on each of the five seeds.
# - **DPO + NLL** turns the fall into a rise of 2.5 nats, and gold goes up by 0.3 to 0.45. But look at the last control, **NLL alone**: fine-tuning on the right answers, without a glance at the wrong ones, has the same gold. On these pairs the chosen answers teach. The comparison added nothing that we can measure, and without the NLL it did harm: gold fell by 0.01 to 0.19.
#
# Is displacement always bad? No. In section 2's run the chosen answers lost a little too (section 6, last line), and gold rose. There a chosen answer is only the better one of two, and often poor; if it falls in favour of answers better than both, so be it. It is bad where the chosen answer is *right*: then whatever rises instead is not.

# %% [markdown]
# ## 8. What a file cannot teach
#
# Offline data are answers that *somebody else* gave, some time ago. In the exact world: 16 fresh comparisons a request in each step, or the same 64 in all steps; both of the reference's answers. And the policy gradient, which draws 32 answers a step from the policy as it stands. Bands: other requests, five seeds.

# %%
many = exact_world(world, world.prompts(8, kinds, seed=60), sft, size=80)
ways = {"DPO, fixed pairs": dict(algorithm="dpo", comparisons=64)}
ways["DPO, fresh pairs"] = dict(algorithm="dpo", samples=16)
ways["policy gradient"] = dict(samples=32)
bands, paths = load_band("exact_direct"), {}
fig, axis = figure(height=3.0, width=6)
for (name, change), colour in zip(ways.items(), (CYCLE[1], CYCLE[0], CYCLE[2]), strict=True):
    settings = ExactSettings(beta=beta, learning_rate=0.075, **change)
    paths[name] = train_exact(TabularPolicy(many.ref_logp), many, settings)
    steps = [row["step"] for row in paths[name].rows]
    axis.fill_between(steps, bands[name]["low"], bands[name]["high"], color=colour, alpha=0.2, lw=0)
    axis.plot(steps, paths[name].series("reverse_kl"), color=colour, lw=2, label=name)
axis.set(yscale="log", xlabel="step", ylabel="KL(policy ‖ π*) (nats)")
axis.legend();

# %% [markdown]
# The fixed file leads the policy near π*, and then past it: it goes on to fit which of two answers *happened* to win. The five seeds end 1.7 to 2.2 nats from π*, with fresh pairs at 0.09 to 0.20, the policy gradient at 0.02. (It is given more here: the reward's numbers, where DPO gets a coin thrown by them. Section 13 evens this out.)

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
# More epochs can't help with the second limit: **coverage**. A file says something about the answers that are in it. About all others DPO has no opinion; what they gain or lose is the model's own generalisation (section 7's wind). RLHF asks its reward model about whatever the policy says now, wrongly perhaps. That the data should come from
# the policy, or from one near it, is the reason for fresh preference data in each round of many recipes. (There is a case for files as well: *Delta Learning* takes pairs of answers from a small and a smaller model, neither of them good. The difference teaches.)

# %% [markdown]
# ## 9. The family
#
# All of these take the same numbers and differ in a line or two. $\Delta = \log\frac{\pi_\theta}{\pi_{ref}}$ of an answer, $h=\Delta_c-\Delta_r$; a bar is a mean over the answer's tokens.
#
# **cDPO** assumes that a share ε of labels is wrong (Mitchell, 2023):
#
# $$-(1-\varepsilon)\log\sigma(\beta h) - \varepsilon\log\sigma(-\beta h) \qquad \text{[DA-3]}$$
#
# **IPO** asks for a certain gap and not for more (Azar et al., 2023):
#
# $$\Big(\bar h - \frac1{2\beta}\Big)^2 \qquad \text{[DA-4]}$$
#
# **SimPO** has no reference, means over tokens, and a margin (Meng et al., 2024):
#
# $$-\log\sigma\big(\beta\,\overline{\log\pi}(y_c) - \beta\,\overline{\log\pi}(y_r) - \gamma\big) \qquad \text{[DA-5]}$$
#
# **ORPO** is fine-tuning plus an odds ratio, in one stage, without a reference (Hong et al., 2024); odds are $p/(1-p)$, $p$ the geometric mean of an answer's token probabilities:
#
# $$-\overline{\log\pi}(y_c) - \lambda\log\sigma\Big(\log\frac{\mathrm{odds}(y_c)}{\mathrm{odds}(y_r)}\Big) \qquad \text{[DA-6]}$$
#
# **KTO** needs no pairs, only answers that are labelled good or bad (Ethayarajh et al., 2024); $z_0$ is how far the policy has drifted anyhow:
#
# $$w_+\big[1-\sigma(\beta(\Delta - z_0))\big]\ \text{if good}, \qquad w_-\big[1-\sigma(\beta(z_0-\Delta))\big]\ \text{if bad} \qquad \text{[DA-7]}$$
#
# **REBEL** regresses the *size* of the reward difference; $\Delta$ is to the policy that drew the answers (Gao et al., 2024):
#
# $$\Big(\frac{\Delta_1-\Delta_2}{\eta} - (r_1 - r_2)\Big)^2 \qquad \text{[DA-8]}$$
#
# **APO** says where the chosen answer is to go (D'Oosterlinck et al., 2024). *Zero*, for data better than the policy: up. *Down*, for data worse than it: down, and the rejected one further:
#
# $$1-\sigma(\beta\Delta_c)+\sigma(\beta\Delta_r) \qquad \text{[DA-9]}$$
#
# $$\sigma(\beta\Delta_c)+1-\sigma(\beta h) \qquad \text{[DA-10]}$$
#
# Three things that texts get wrong: ORPO's name is *Odds Ratio Preference Optimization*, and what it pushes down is the rejected answer; in Azar et al.'s general form IPO is the *identity* Ψ, and the logit Ψ gives back DPO; label smoothing is not in the DPO paper.

# %%
from rlhf_lib.objectives import ipo_loss

gap = torch.linspace(-8, 16, 240, dtype=torch.float64, requires_grad=True)
zero = torch.zeros(1, dtype=torch.float64)
shapes = {
    "DPO": lambda x: dpo_loss(x, zero, zero, zero, 0.5),
    "cDPO, ε = 0.1": lambda x: dpo_loss(x, zero, zero, zero, 0.5, 0.1),
    "IPO": lambda x: ipo_loss(x, zero, zero, zero, 0.125) / 16,
}
fig, axes = figure(1, 2, height=2.7)
for name, loss in shapes.items():
    values = [loss(x[None]) for x in gap]
    slopes = torch.autograd.grad(sum(values), gap)[0]
    axes[0].plot(gap.detach(), [v.item() for v in values], label=name)
    axes[1].plot(gap.detach(), -slopes, label=name)
axes[0].set(title="loss", xlabel="h (nats)", ylim=(0, 5))
axes[1].set(title="pull on h: minus the slope", xlabel="h (nats)", ylim=(-0.6, 0.6))
axes[1].axhline(0, color="0.4", lw=0.8)
axes[0].legend();

# %% [markdown]
# DPO always pulls on. cDPO stops at $h = \log\frac{1-\varepsilon}{\varepsilon}/\beta$ and IPO at $\frac1{2\beta}$, and both pull *back* beyond it. (IPO is drawn at a sixteenth of its height, so that all fit.)
#
# That matters where preferences are **deterministic**: the same answer wins every time. Bradley-Terry then asks for an infinite difference of rewards, and β is of no use. Two answers, equally likely under the reference, the first always preferred:

# %%
def two_answers(loss, steps=300):
    """Probability of the preferred of two answers after training, by Adam."""
    logits = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer, ref = torch.optim.Adam([logits], 0.2), torch.full((1,), 0.5, dtype=torch.float64).log()
    for _ in range(steps):
        logp = logits.log_softmax(0)
        optimizer.zero_grad()
        loss(logp[:1], logp[1:], ref, ref).backward()
        optimizer.step()
    return logits.log_softmax(0)[0].exp().item()


for b in (0.5, 2.0):
    found_p = {
        "DPO": two_answers(lambda *x, b=b: dpo_loss(*x, b)),
        "cDPO": two_answers(lambda *x, b=b: dpo_loss(*x, b, 0.1)),
        "IPO": two_answers(lambda *x, b=b: ipo_loss(*x, b)),
    }
    print(f"β {b}:", ", ".join(f"{name} {p:.3f}" for name, p in found_p.items()))

# %% [markdown]
# DPO goes to certainty at both values of β: here the regularization does nothing. IPO's probability is set by β, as one would want of a price. cDPO's is too, by way of ε.
#
# **One table of runs.** Nine losses, the same 320 comparisons, the same learning rate and number of steps, five seeds (other comparisons with each). These runs take some minutes, so they are stored; `make claims` repeats them.

# %%
runs_table = load_band("direct_losses")
rows = {}
for loss, values in runs_table.items():
    if loss != "start":
        rows[loss] = {"gold, median": values["gold"][2], "lowest": values["gold"][0], "highest": values["gold"][4]}
        rows[loss] |= {"KL": values["kl"][2], "tokens": values["length"][2]}
        rows[loss] |= {"unseen accuracy": values["accuracy"][2]}
print({name: round(value, 2) for name, value in runs_table["start"].items()}, "before")
pd.DataFrame(rows).T.round(2)

# %% [markdown]
# All nine improve on pocket-sft (gold −0.11), each on all five seeds. The medians of the losses differ by 0.09. Seeds of *one* loss differ by 0.06 to 0.15. So these runs rank nothing, and no search over β or the rate was made; that is what most comparisons of direct losses look like once seeds are shown, and why the book's advice is to change the data before the loss.
#
# One column to read with care: ORPO and SimPO have no reference, so their accuracy compares the answers' own mean log-probabilities, which is another measure.

# %% [markdown]
# ## 10. Conventions, in numbers
#
# The same name does not always mean the same function. Four places where paper, book and TRL differ, on the pairs that we have just trained on:
#
# **Sum or mean.** DPO's paper and TRL *sum* log-probabilities over tokens. Some textbook code takes the mean. Then β means something else, by the answer's length:

# %%
h_sum = seen[:, 0] - seen[:, 1]
h_mean = seen[:, 0] / lengths_seen[:, 0] - seen[:, 1] / lengths_seen[:, 1]
for name, h in (("sums", h_sum), ("means", h_mean)):
    print(f"{name:5s}: mean |h| {h.abs().mean():.3f} nats; weights at β 0.1 scatter by {torch.sigmoid(-0.1 * h).std():.4f}")
print(f"an answer has {lengths_seen.mean():.1f} tokens on average")

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
from rlhf_lib.objectives import simpo_loss

c_mean, r_mean = torch.tensor([-0.5]), torch.tensor([-0.9])
print(f"β h - γ:    {simpo_loss(c_mean, r_mean, beta=2.0, gamma=0.5):.4f}")
print(f"β (h - γ):  {simpo_loss(c_mean, r_mean, beta=2.0, gamma=2.0 * 0.5):.4f}   the same name and numbers, another loss")

# %% [markdown]
# **KTO's reference point** $z_0$ is the policy's drift from the reference, $\mathrm{KL}(\pi_\theta\|\pi_{ref})$. To measure it one would have to sample. The paper (and TRL) take the batch's answers under *other* prompts; the book's code takes the batch's *rejected* answers. At least 0 in each case:

# %%
from rlhf_lib.objectives import kto_loss
from rlhf_lib.world import Preference

strangers = [Preference(pairs[i].prompt, pairs[i + 1].chosen, pairs[i + 1].rejected) for i in range(160)]
drift = {"own answers: the KL itself": ends["DPO"][2]}
drift["mismatched (paper, TRL)"] = log_ratios(policy, strangers)[0][:, 0].mean().item()
drift["rejected (book's code)"] = seen[:, 1].mean().item()
none, yes = torch.zeros(len(part)), torch.ones(len(part), dtype=torch.bool)
for name, z in drift.items():
    good = kto_loss(seen[:, 0], none, yes, max(0.0, z), 0.1)
    bad = kto_loss(seen[:, 1], none, ~yes, max(0.0, z), 0.1)
    print(f"{name:27s} {z:+.2f} nats, used {max(0.0, z):.2f}: loss of the good {good:.3f}, of the bad {bad:.3f}")

# %% [markdown]
# Both stand-ins use answers that the policy did *not* write. Training has made those less likely, so their mean log-ratio is negative, for the reason of chapter 08's stale samples, and the loss takes 0. The KL itself is higher. How much that matters here: it moves the loss of the good and of the bad answers a little, in opposite directions.

# %% [markdown]
# ## 11. Length
#
# A sum over tokens grows with the number of tokens, so long answers have larger implicit rewards, of either sign. That is one reason given for the long answers of DPO models, and for SimPO's means.

# %%
size, counts = seen.abs().flatten(), lengths_seen.flatten()
for low, high in ((1, 9), (9, 17), (17, 60)):
    rows = (counts >= low) & (counts < high)
    token = (size[rows] / counts[rows]).mean()
    print(f"{low:2d} to {high - 1:2d} tokens: mean |log-ratio| {size[rows].mean():.2f} nats, {token:.3f} a token")
long_labels = load_band("direct_length")
print(f"labels that pay for length: answers of {long_labels['start']:.1f} tokens become, over five seeds,")
for name in ("sums", "means"):
    print(f"    {name}: {long_labels[name][0]:.1f} to {long_labels[name][4]:.1f} tokens")

# %% [markdown]
# A token's log-ratio is about as large in short answers as in long ones, so sums favour the long ones in both directions. Does averaging keep answers short, then? In section 2 they became shorter under sums, because ours are long where they ramble. And where the *labels* pay for length, answers grow under both, on each of five seeds. A mean over tokens takes the length out of the loss, not
# out of the labels. To know which of the two you have, look at the lengths of chosen and rejected answers first.

# %% [markdown]
# ## 12. Online
#
# **Online DPO** (Guo et al., 2024): draw two answers from the policy *as it stands*, have them compared, take a step, again. The same loss; only the data are no longer a file. The judge here is PocketWorld's annotator, the same one who labelled the file, and 8 rounds of 60 pairs, with two updates on each 60, are 480 labels again.

# %% tags=["training"]
from rlhf_lib.training import OnlineDirectSettings, annotator_judge, train_online_direct

requests = world.prompts(1000, seed=5)
online_policy = sft.copy()
how = dict(rounds=8, prompts_per_round=60, batch_size=30)
settings = OnlineDirectSettings(beta=0.1, learning_rate=3e-4, warmup_steps=2, **how)
online = train_online_direct(online_policy, requests, annotator_judge(world.annotator(), 0), settings, gold=gold)

# %%
from rlhf_lib.evaluation import smooth

ends["online DPO"] = judge(online_policy)
fig, axis = figure(height=2.6, width=5.5)
band = stored["online"]["gold"]
axis.fill_between(range(len(band["low"])), band["low"], band["high"], color="0.85")
axis.plot(smooth(online.series("gold")), color=COLOURS["gold"], lw=2, label="gold of the answers drawn")
axis.axhline(ends["DPO"][0], color="0.4", ls=":", label="offline DPO, same number of labels")
axis.set(xlabel="round", ylabel="gold (points)")
axis.legend()
for name in ("pocket-sft", "DPO", "online DPO"):
    print(f"{name:11s} gold {ends[name][0]:+.2f}   tokens {ends[name][1]:.1f}   KL {ends[name][2]:z.2f} nats")

# %% [markdown]
# Labels by people for every round are dear and slow. **D2PO** (Singhal et al., 2024) lets a reward model judge the policy's answers, and keeps it up to date with a few labels a round. Its control is the same reward model, frozen. Five seeds:

# %%
for name, values in stored["ends"].items():
    golds = values["gold"]
    spread = f"median {golds[2]:+.2f}, from {golds[0]:+.2f} to {golds[4]:+.2f}"
    print(f"{name:24s} gold: {spread};  KL {values['kl'][2]:.1f};  tokens {values['length'][2]:.1f}")

# %% [markdown]
# Online DPO ended higher than offline DPO on four seeds of five (the fifth: +0.23 against +0.24), and it went farther in KL on all five. Part of that may be speed: offline, the learning rate warms up and decays over its 15 steps, so it is a third as much in sum. Hence the control at three times the rate. It goes
# about as far in KL, and online is the higher one on the same four seeds, by about 0.25 points in the median: fresh answers help, and not only by going farther.
#
# D2PO ended higher than its frozen control on all five seeds, for 240 labels more; but by less than 0.1 points on three of them, which is little. The papers that argue for it (and for iterated DPO in general) train for much longer, so that the policy leaves the region where the reward model was trained.

# %% [markdown]
# ## 13. Against policy gradients, at equal budget
#
# Section 8 had one comparison: 32 answers of each request a step for both. There the policy gradient *saw the reward's numbers*, DPO one bit a pair. The budget that counts in practice is the labels. So: 480 labels. Either DPO on them, or a reward model on them and then RLOO (chapter 11) against it, with as many steps on as many answers.

# %%
versus = load_band("direct_versus_rl")
for name, values in versus.items():
    golds = values["gold"]
    print(f"{name:19s} gold: median {golds[2]:+.2f}, from {golds[0]:+.2f} to {golds[4]:+.2f};  KL {values['kl'][2]:.1f}")

# %% [markdown]
# With 480 labels for both, DPO ended higher than RLOO on four seeds of five, at β = 0.1 and at 0.5, and it scattered less. A reward model of 480 noisy labels is wrong in many places, and RL goes where it pays most. DPO can be misled only by its file. Give the reward model eight times as many labels (last line: another budget!) and RLOO ends higher
# than that DPO on all five. (DPO on 3,961 labels would be a longer run than a chapter has time for. So this line says what more labels do for RL, not that RL wins.)
#
# In the literature, at scale and with equal data, RL comes out a little ahead more often than not (Xu et al., 2024; Ivison et al., 2024; Tajwar et al., 2024, on why on-policy data help), and DPO has stayed popular all the same:
#
# | | DPO | policy gradients |
# |---|---|---|
# | models in memory | policy (reference cached) | policy, reference, reward model, for PPO a value model |
# | in each step | one forward and backward pass | sampling, scoring, then the same |
# | to tune | β, learning rate, epochs | those, and a reward model, sampling, clipping, advantages |
# | data | a file of comparisons, of any origin | prompts, and a reward that answers at once |
# | the KL | fixed by no one during training | measured, and can be steered |
# | typical failure | displacement; a fitted file | over-optimization of the reward model |

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

# %% tags=["claims"]
assert direct.last("reverse_kl") < 0.01, "DPO on unlimited comparisons finds π*"
assert expected_loss(star) < min(expected_loss(ref), expected_loss(some)), "π* has the lowest loss"
assert abs(run.series("loss")[0] - np.log(2)) < 1e-3, "the first loss is log 2"
assert ends["DPO"][0] > ends["pocket-sft"][0] + 0.1, "DPO on 480 comparisons improves the answers"
assert all(a > b for a, b in zip(kl_fixed, kl_star, strict=True)), "fixed pairs go farther than β asks"
assert weights[wrong].mean() > weights[~wrong].mean(), "labels against gold have the larger weight"
assert maps["alike"][1][-1, 0] < maps["alike"][1][0, 0], "answers alike: the chosen one falls"
assert maps["far apart"][1][-1, 0] > maps["far apart"][1][0, 0], "far apart: it rises"
chosen = {name: h.series("logp_chosen") for name, h in displaced_runs.items()}
fell = {name: np.mean(logp[:2]) - np.mean(logp[-4:]) for name, logp in chosen.items()}
assert fell["DPO"] > fell["DPO + NLL"] + 1, "near pairs: an NLL term holds the chosen answers up by a nat and more"
distance = {name: path.last("reverse_kl") for name, path in paths.items()}
assert distance["DPO, fresh pairs"] < 0.5 * distance["DPO, fixed pairs"], "a fixed file is fitted"
assert found_p["DPO"] > found_p["cDPO"] and found_p["DPO"] > found_p["IPO"], "DPO never stops"
print("all claims hold")

# %% [markdown] tags=["recap"]
# ## Recap
#
# - RLHF's objective is a KL to π*. Solve π* for the reward, put that into Bradley-Terry, and Z cancels: DPO.
# - A policy is a reward model: β log π/π_ref, up to a constant of the prompt.
# - β is static: it says what satisfies a pair. On a file of pairs the KL is whatever you let it become; measure it.
# - The loss sees a difference. With answers alike both may fall. An NLL term holds the chosen one.
# - The variants change what is asked of h (IPO, cDPO), what an answer is compared with (SimPO, ORPO, KTO), or what is known of it (REBEL, APO).
# - Offline data is the limit more than the loss is. Online DPO uses the same loss on fresh answers.
#
# **Recall** of earlier chapters:

# %% tags=["recall"]
from IPython.display import display

from rlhf_lib.exercises import recall

for quiz in recall("12_direct_alignment"):
    display(quiz)

# %% [markdown]
# **More:** the book's chapter [Direct Alignment](https://rlhfbook.com/c/08-direct-alignment); Rafailov et al. (2023), DPO; Azar et al. (2023), IPO; Razin et al. (2024) and Pal et al. (2024), displacement; Tajwar et al. (2024) and Xu et al. (2024), on-policy data and DPO against PPO; Ivison et al. (2024), what matters more than the algorithm.
