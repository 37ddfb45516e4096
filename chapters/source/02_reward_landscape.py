# %% [markdown]
# # The reward landscape
#
# Reinforcement learning is a walk over hills. This chapter builds that picture piece by piece, and computes everything it draws: the map, the altitude, the walker, what lies ahead of it, and the rope that keeps it near a path known to be safe. At the end you see the same picture drawn
# from a real language model.
#
# **You will be able to**
# - say what state, action, reward, return, value, Q and advantage are, and point at each of them;
# - compute a value in two ways that agree;
# - turn a KL budget into the wall of a tube, by a formula, and say what the tube holds and what it does not;
# - show why a reward model can be trusted only near its data, and what a KL constraint has to do with that;
# - name the places where the picture misleads.

# %% tags=["setup"]
import math

import torch

from rlhf_lib import set_seed
from rlhf_lib.exercises import predict

set_seed(0)

# %% [markdown]
# ## 1. The stage: a map with altitudes
#
# First the picture, then its parts. Somebody stands at the pin and takes 24 steps:

# %%
from rlhf_lib.landscape import scene, walk
from rlhf_lib.workbook.ch02_reward_landscape.figures import plot_terrain

land = scene("one hill")
one = walk(land.walker, land.start, land.horizon, n=1, seed=3)
plot_terrain(land.terrain, {"a walk": one.states[0]}, {"you are here": land.start});

# %% [markdown]
# **The plane.** Every point $(x, y)$ of a flat map is a *state* $s$: a situation you can be in. **The pin** is where you are now, the current state $s_t$.
#
# **The altitude.** The map is not flat. The altitude $h(x, y)$ is the *reward* for stepping onto that very spot:
#
# $$r_t = h(s_{t+1}) \qquad \text{[LS-1]}$$
#
# A terrain is a sum of features, so we know its altitude and slope everywhere.

# %%
for feature in land.terrain.features:
    place = f"{feature.kind:6s} at {str(feature.start):12s}"
    print(f"{place} height {feature.height:+.1f}, width {feature.width}")
for name, place in (("at the pin", land.start), ("on the hill", [1.4, 1.0])):
    print(f"altitude {name}: {land.terrain.altitude(place).item():.2f}")

# %% [markdown]
# **The line** is what the walker did. Next: what made it do that.

# %% [markdown]
# ## 2. Compass and path: policy and trajectory
#
# The walker holds a compass. At each place it shows the way the walker tends to go: that is its *policy*. The walker does not follow the needle exactly. A step, the *action* $a_t$, is drawn from a Gaussian around it,
#
# $$a_t \sim \pi(\cdot\mid s_t) = \mathcal N\big(m(s_t),\ \sigma^2 I\big), \qquad s_{t+1} = s_t + a_t \qquad \text{[LS-2]}$$
#
# where $m(s)$ is the needle, the mean step, and $\sigma$ the spread in $x$ and in $y$. Six walks from the same place, with the compass behind them:

# %%
from rlhf_lib.workbook.ch02_reward_landscape.figures import plot_compass

six = walk(land.walker, land.start, land.horizon, n=6, seed=1)
plot_compass(land, six.states);

# %% [markdown]
# A walk is a *trajectory*: state, action, state, action, … The goal is to spend it as high up as possible. Its *return* adds up the altitudes on the way; what comes later counts less, by a factor $\gamma$ per step (the *discount*):
#
# $$G = \sum_{t=0}^{T-1} \gamma^t\, r_t \qquad \text{[LS-3]}$$

# %%
from rlhf_lib.landscape import discounted_return, rewards

collected = rewards(land.terrain, six)  # (walks, steps)
print("first walk:", collected[0, :6].numpy().round(2), "…", collected[0, -3:].numpy().round(2))
for gamma in (0.5, 0.95, 1.0):
    print(f"gamma {gamma}: returns", discounted_return(collected, gamma).numpy().round(1))

# %% [markdown]
# **Predict:** which of the three rows changes most if the walk is twice as long?

# %%
longer = rewards(land.terrain, walk(land.walker, land.start, 2 * land.horizon, n=6, seed=1))
for gamma in (0.5, 0.95, 1.0):
    once, twice = (discounted_return(r, gamma).mean().item() for r in (collected, longer))
    print(f"gamma {gamma}: mean return {once:5.1f} after 24 steps, {twice:5.1f} after 48")

# %% [markdown]
# The row of γ = 1 grows most: it counts the last step like the first, and the second half is spent on the hill. At γ = 0.5 step 24 counts $0.5^{23}$, about a ten-millionth. Such a walker cannot see the hill from the pin.

# %% [markdown] tags=["lab"]
# **Lab: walk.** Choose a landscape, the noise, the discount; press play.

# %% tags=["lab"]
from rlhf_lib.labs import walk_lab

walk_lab()

# %% [markdown]
# ## 3. Summit potential: value
#
# Stand at a place. The altitude under your feet is what the last step brought. The *value* is something else: how much you will collect from here on if you go on following your compass. Look ahead: does your road lead up a mountain or into a swamp?
#
# Place A is a hilltop, B a hollow. Both lie on roads to the east.
#
# **Predict:** which of the two is worth more?

# %%
from rlhf_lib.landscape import solve
from rlhf_lib.workbook.ch02_reward_landscape.figures import plot_reward_and_value

land = scene("swamp ahead")
value = solve(land.terrain, land.walker, land.horizon, land.gamma)
hilltop, hollow = torch.tensor([-2.0, 1.6]), torch.tensor([-2.0, -1.7])
plot_reward_and_value(value, {"A": hilltop, "B": hollow});

# %% [markdown]
# Left the altitude, right the value, and on both the mean roads from A and from B. The hollow is worth more, because its road goes over the mountain. High ground with a swamp ahead is a bad place to be.
#
# How was the right surface computed? Backwards. After the last step nothing is left, $V_T = 0$. One step earlier you collect one altitude, on average over your own dice; and so on:
#
# $$V_t(s) = \mathbb E_{a\sim\pi}\big[\,h(s+a) + \gamma\, V_{t+1}(s+a)\,\big] \qquad \text{[LS-4]}$$
#
# This is *dynamic programming*; [LS-4] is the *Bellman equation*. The other way to know a value is to walk: start many walks from the place and average their returns (*Monte Carlo*). Two ways, one number:

# %%
from rlhf_lib.landscape import monte_carlo


def compare(land, value, places, n=4000):
    """Value by dynamic programming, by walking, and how many standard errors they are apart."""
    for seed, place in enumerate(places):
        mean, error = monte_carlo(land.terrain, land.walker, place, land.horizon, land.gamma, n, seed)
        exact = value.at(place).item()
        yield exact, mean, error, (exact - mean) / error


names, spots = ("A", "B", "map's middle"), (hilltop, hollow, torch.zeros(2))
for name, (exact, mean, error, apart) in zip(names, compare(land, value, spots), strict=True):
    print(f"{name:13s} exact {exact:7.3f}   walking {mean:7.3f} ± {error:.3f}   {apart:+.1f} errors apart")

# %% [markdown]
# The number after ± is the *standard error*: how far the mean of so many walks typically lies from the truth. Three places could be luck. Sixty places, all over the map:

# %%
generator = torch.Generator().manual_seed(0)
places = 3.5 * (2 * torch.rand(60, 2, generator=generator) - 1)
z = torch.tensor([apart for _, _, _, apart in compare(land, value, places, n=1000)])
for errors, expected in ((1, "68%"), (2, "95%"), (3, "99.7%")):
    print(f"within {errors} standard errors: {(z.abs() <= errors).float().mean():.0%} (expected {expected})")

# %% [markdown]
# You can test the Bellman equation without simulating anything. Pick a point, average "altitude plus γ times value" over the possible steps with a *different* set of sample steps, and compare with the stored $V$. The difference, the *residual*, should be zero.
#
# And if the walk never ends? Sweep over the grid again and again with [LS-4]: each sweep changes $V$ at most γ times as much as the one before.

# %%
from rlhf_lib.landscape import bellman_residual, sweep_residuals
from rlhf_lib.workbook.ch02_reward_landscape.figures import plot_sweeps

inside = 2.5 * (2 * torch.rand(300, 2, generator=generator) - 1)
residual = bellman_residual(value, inside).abs().max()
print(f"largest residual at 300 places: {residual:.1e}")
sweeps = {f"γ = {g}": sweep_residuals(solve(land.terrain, land.walker, 60, g)) for g in (0.7, 0.9, 0.97)}
plot_sweeps(sweeps);

# %% [markdown]
# ## 4. The first step: Q and advantage
#
# $Q$ asks about one step: *if I take this step now, and follow my compass after it, how much will I collect?*
#
# $$Q_t(s, a) = h(s+a) + \gamma\, V_{t+1}(s+a) \qquad \text{[LS-5]}$$
#
# Compare it with what the compass does on average, and you have the *advantage* of the step,
#
# $$A_t(s, a) = Q_t(s, a) - V_t(s), \qquad \mathbb E_{a\sim\pi}\,A_t(s, a) = 0 \qquad \text{[LS-6]}$$
#
# Here the walker stands between a low summit close by and a high one far off.

# %%
from rlhf_lib.landscape import rose
from rlhf_lib.workbook.ch02_reward_landscape.figures import plot_rose

land = scene("two summits")
far_sighted = solve(land.terrain, land.walker, land.horizon, gamma=0.95)
plot_rose(rose(far_sighted, land.start), far_sighted);

# %% [markdown]
# The blue steps are those to learn: make them likelier, and the orange ones less likely. Every policy-gradient method does that and nothing else.
#
# **Predict:** where do the blue steps point for a walker that thinks little of the future, $\gamma = 0.6$?

# %%
short_sighted = solve(land.terrain, land.walker, land.horizon, gamma=0.6)
plot_rose(rose(short_sighted, land.start), short_sighted);

# %% [markdown]
# To the low summit close by, in the west. The far one is out of its sight: the advantage of a step depends on how far you look ahead.
#
# Advantages average to zero under the policy's own steps [LS-6]. Check it with a weighted set of steps that stands for the Gaussian (a *quadrature*):

# %%
from rlhf_lib.landscape import quadrature

steps, weights = quadrature(20)  # steps and weights that stand for the policy's Gaussian
actions = land.walker.mean(land.start) + land.walker.sigma * steps
advantages = far_sighted.advantage(land.start.expand_as(actions), actions)
mean, spread = advantages @ weights, (advantages**2 @ weights).sqrt()
print(f"advantages under the policy: mean {mean.abs():.0e}, standard deviation {spread:.2f}")

# %% [markdown] tags=["lab"]
# **Lab: look ahead.** Switch the surface from reward to value, and carry the walker around.

# %% tags=["lab"]
from rlhf_lib.labs import look_ahead_lab

look_ahead_lab()

# %% [markdown]
# ## 5. The safety corridor: KL
#
# Now there is an old policy, the *baseline*, that is known to work. Its path is drawn on the map. We want a better policy, but not one that strays so far that nobody knows what it will find. What does "stay near the baseline" mean?
#
# The *KL divergence* (Kullback and Leibler) says how far one policy is from another: draw steps from the first, and ask how much likelier they are under the first than under the second. The mean of the logarithm of that ratio is the KL. With natural logarithms its unit is the *nat*: 0 nats means the same policy, and
# 1 nat means that a step is, on (geometric) average, $e \approx 2.7$ times likelier under the first. For two Gaussians with the same $\sigma$ and means that are $d$ apart it is
#
# $$\mathrm{KL} = \frac{\lVert d\rVert^2}{2\sigma^2} \qquad\text{hence}\qquad \mathrm{KL} \le \varepsilon \iff \lVert d\rVert \le \sigma\sqrt{2\varepsilon} \qquad \text{[LS-7]}$$
#
# So a budget of $\varepsilon$ nats on a step is a *length* on the map. The noisier the walker, the longer. The formula against an estimate from samples, the mean log-ratio of the steps that were really taken:

# %%
from rlhf_lib.landscape import dice, kl_of_walks, sampled_kl

land = scene("trail")
strayed = land.walker.with_weights(0.1 * dice(1, 81, seed=1)[0])  # some other policy
walks = walk(strayed, land.start, land.horizon, n=4000, seed=2)
exact_kl, drawn_kl = kl_of_walks(strayed, walks).sum(1), sampled_kl(strayed, walks).sum(1)
kl_error = (drawn_kl - exact_kl).std().item() / math.sqrt(len(drawn_kl))
print(f"KL of a walk: formula {exact_kl.mean():.3f}, sampled {drawn_kl.mean():.3f} ± {kl_error:.3f} nats")

# %% [markdown]
# ### From a budget to a wall
#
# Let the baseline's path be $\mu_0, \mu_1, \dots$, and let its policy bring the walker back towards the path: a share $k$ of the distance with each step, the *pull*. The new policy adds its own deviation $d_t$, $\lVert d_t\rVert \le \sigma\sqrt{2\varepsilon}$. Let both walk **with the same
# dice**. Then the noise cancels in the difference $\delta_t$ of where they are,
#
# $$\delta_{t+1} = (1-k)\,\delta_t + d_t ,$$
#
# and $\lVert\delta_t\rVert$ is largest if all $d_t$ point the same way with their full length:
#
# $$\lVert\delta_t\rVert \;\le\; r_t = \sigma\sqrt{2\varepsilon}\;\frac{1-(1-k)^t}{k} \qquad\big(k = 0:\ r_t = t\,\sigma\sqrt{2\varepsilon}\big) \qquad \text{[LS-8]}$$
#
# The tube is computed: it holds every *average* path that a policy within the budget can choose.

# %%
from rlhf_lib.landscape import kl_tube

budget = 0.3
walls = kl_tube(land.walker, land.start, land.horizon, budget)
print("radius after 0, 1, 2, 4, 8, 24 steps:", walls.radii[[0, 1, 2, 4, 8, 24]].numpy().round(3))
print("formula, 24 steps:", round(0.2 * math.sqrt(2 * budget) * (1 - 0.75**24) / 0.25, 3))

# %% [markdown]
# Now attack it: two hundred random policies, brought into budget, and one that spends all it has in one direction.

# %%
from rlhf_lib.landscape import into_budget, mean_path, step_radius

worst = 0.0
for seed in range(200):
    held = land.walker.with_weights(into_budget(2 * dice(1, 81, seed)[0], budget, 0.2))
    gap = (mean_path(held, land.start, land.horizon) - walls.path).norm(dim=-1)
    worst = max(worst, (gap / walls.radii.clamp(min=1e-9)).max().item())
north = torch.tensor([0.0, step_radius(budget, 0.2)], dtype=torch.float64).expand(81, 2)
spender = land.walker.with_weights(north)
gap = (mean_path(spender, land.start, land.horizon) - walls.path).norm(dim=-1)
reached = gap[1:] / walls.radii[1:]
print(f"200 random policies got to at most {worst:.2f} of the radius")
print(f"the spender is at {reached.min():.6f} to {reached.max():.6f} of it all along")

# %% [markdown]
# No mean path in budget gets through the wall, and one runs along it: the formula is exact.
#
# ### The tube of choice and the fog of the dice
#
# Single walks are another matter. The dice throw each step about 0.2 to either side, whatever the policy chooses.

# %% tags=["predict"]
guess = predict(
    "Which share of the baseline's own walks ever leaves the tube of 0.3 nats?",
    {"few": "less than one in ten", "half": "about half", "most": "more than nine in ten"},
)
guess

# %% tags=["predicted"]
from rlhf_lib.landscape import Tube, noise_spread
from rlhf_lib.workbook.ch02_reward_landscape.figures import plot_fog

own = walk(land.walker, land.start, land.horizon, n=2000, seed=5).states  # nobody has learned anything
outside = {}
for nats in (0.01, 0.1, 0.3, 0.5, 1.0, 2.0, 3.0):
    tube = kl_tube(land.walker, land.start, land.horizon, nats)
    outside[nats] = tube.leaving(own).double().mean().item()
fog = Tube(walls.path, 2.45 * noise_spread(land.horizon, 0.2, pull=0.25))  # holds 95 in 100 walks
plot_fog(land.terrain, walls, fog, own[:40], outside);
guess.reveal("most" if outside[0.3] > 0.9 else "half" if outside[0.3] > 0.1 else "few")

# %% [markdown]
# The pale fog is where 95 of 100 baseline walks are at any one moment, and it is wider than the tube. So keep two widths apart:
#
# - the **tube** bounds what a policy can *choose*: where its average path goes, compared with the baseline's on the same dice;
# - the **fog** is what chance adds to any policy, the old one too. A budget cannot remove it.
#
# From here on "a walk leaves the tube" means: it leaves with the dice taken out.
#
# ### How it is spent
#
# You can also give a budget for the whole walk, $E$ nats. Then it matters when it is spent. Without a pull, no way of spending brings you further by step $t$ than $\sigma\sqrt{2Et}$ (by the Cauchy-Schwarz inequality), and even spending gets there at the end:

# %%
from rlhf_lib.landscape import tube_radii, widest_radii
from rlhf_lib.workbook.ch02_reward_landscape.figures import plot_radii

total, T = 3.0, land.horizon
radii = {f"{how} spending": tube_radii(T, total, 0.2, schedule=how) for how in ("even", "early", "late")}
radii["even, with a pull of 1/4"] = tube_radii(T, total, 0.2, pull=0.25, schedule="even")
plot_radii(radii, bound=widest_radii(T, total, 0.2));

# %% [markdown]
# With a pull the *distance* levels off (the flat curve). **Predict:** does the KL of the walk level off too? The spender from above, on three baselines that differ in their pull:

# %%
from rlhf_lib.landscape import Trail, resting_walker

spent = {}
for pull in (0.0, 0.25, 1.0):
    plain = resting_walker(0.2, Trail(land.walker.trail.points, pull))
    spending = plain.with_weights(north)
    paths = [mean_path(walker, land.start, T) for walker in (plain, spending)]
    spent[pull] = kl_of_walks(spending, walk(spending, land.start, T, n=100)).sum(1).mean().item()
    apart = (paths[1] - paths[0])[-1].norm()
    print(f"pull {pull:4.2f}: {apart:.2f} away after 24 steps, KL of the walk {spent[pull]:.2f} nats")

# %% [markdown]
# No. Each step costs its 0.3 nats, and 24 steps cost 7.2, however hard the pull brings the walker back. **KL adds up.** It does so in a language model: the KL of an answer is the sum of the KLs of its tokens, so that a small difference per token is a large one over a long answer. So ask of every number of nats: per step, or per answer?

# %% [markdown]
# ## 6. Learning to climb
#
# Now the walker learns. One update goes like this: take 64 walks; see what each step was followed by; make the steps with a better future than usual likelier, and those with a worse one less likely. That is REINFORCE, and chapter 11 derives it; the loss is the library's own, the one that trains language
# models, with a step in the place of a token. After each update the weights are brought back into the budget, so that the mean step differs by at most $\sigma\sqrt{2\varepsilon}$ *anywhere on the map*. The baseline goes round the mountain.

# %%
from rlhf_lib.landscape import WalkSettings, learn
from rlhf_lib.workbook.ch02_reward_landscape.figures import plot_climbs

budgets = {"tight: 0.01 nats": 0.01, "wide: 0.5 nats": 0.5, "no tube": None}
climbs, tubes = {}, {}
for label, nats in budgets.items():
    settings = WalkSettings(algorithm="reinforce", updates=40, budget=nats)
    altitude = land.terrain.altitude  # what is optimised, and what is measured
    climbs[label] = learn(land.walker, altitude, land.start, settings, gold=altitude)
    if nats:
        tubes[label] = kl_tube(land.walker, land.start, land.horizon, nats)
plot_climbs(land.terrain, climbs, tubes);

# %% [markdown]
# Pale lines are early mean paths, dark ones late. The tight tube stays, the wide one climbs as far as its wall allows, and without a tube the walker goes to the top. *Here* the tube only costs: what is optimised is the truth. Keep that in mind for the next section.
#
# In three dimensions, with a dozen walks each of the middle one and of the last one, the dice taken out:

# %%
from rlhf_lib.landscape import same_dice
from rlhf_lib.workbook.ch02_reward_landscape.figures import plot_tube

wide, free = climbs["wide: 0.5 nats"], climbs["no tube"]
walls = tubes["wide: 0.5 nats"]
inside_walks = same_dice(wide.walker, land.start, T, 100).shifted
free_walks = same_dice(free.walker, land.start, T, 100).shifted
plot_tube(walls, land.terrain, {"in budget": (inside_walks[:12], "tubed"), "no tube": (free_walks[:12], "free")})
print("walks that leave the tube:", int(walls.leaving(inside_walks).sum()), "of 100 in budget,",
      int(walls.leaving(free_walks).sum()), "of 100 without a tube")

# %% [markdown]
# ### Two ropes: to the policy before, or to the first one
#
# A rope needs a place where it is tied. There are two in use, and they do different things.
#
# - **To the policy before this update**, $\pi_{\mathrm{old}}$. TRPO (trust region policy optimization, Schulman et al. 2015) takes the step in weights $\Delta\theta$ that gains most among those that cost $\delta$ nats:
#
# $$\Delta\theta = \sqrt{\frac{2\delta}{g^\top F^{-1} g}}\;F^{-1} g \qquad \text{[LS-9]}$$
#
# Here $g$ is the gradient, and $F$, the *Fisher matrix*, is the price list: a small change $\Delta\theta$ costs $\tfrac12\Delta\theta^\top F\,\Delta\theta$ nats. PPO (chapter 11) wants the same and has a simpler way.
# - **To the baseline**, $\pi_{\mathrm{ref}}$, once and for all: a tube, or a penalty $\beta\cdot\mathrm{KL}$ taken off the reward.
#
# **Predict:** after 24 updates of at most 0.02 nats a step, how far from the baseline can the first kind be?

# %%
from rlhf_lib.landscape import kl_between

ropes = {
    "to π_old: δ = 0.02": {"algorithm": "kl_constraint", "trust_region": 0.02},
    "to π_ref: β = 0.5": {"algorithm": "kl_penalty", "beta": 0.5},
}
tied = {label: learn(land.walker, altitude, land.start, WalkSettings(updates=24, **how), gold=altitude)
        for label, how in ropes.items()}  # fmt: skip


def nats_between(run, after, before):
    """Mean KL of a step between a run's policies after two numbers of updates."""
    now, then = (land.walker.with_weights(run.weights[i]) for i in (after, before))
    return kl_between(now, then, walk(now, land.start, T, n=64, seed=after)).mean().item()

# %%
from rlhf_lib.plots import figure

updates, far = range(1, 25), {}
fig, (left, right) = figure(1, 2, height=2.9)
for label, run in tied.items():
    left.plot(updates, [nats_between(run, i, i - 1) for i in updates], lw=2, label=label)
    far[label] = [nats_between(run, i, 0) for i in updates]
    right.plot(updates, far[label], lw=2)
left.set(xlabel="update", ylabel="nats a step", ylim=(0, None), title="from the policy before")
right.set(xlabel="update", ylabel="nats a step", ylim=(0, None), title="from the baseline")
left.legend(fontsize=8);

# %%
for label, run in tied.items():
    gold = run.history.series("gold")
    ends = f"altitude {gold[0]:.2f} → {gold[-1]:.2f}"
    print(f"{label:20s} {ends}   from the baseline {far[label][-1]:.1f} nats a step, {T * far[label][-1]:.0f} a walk")

# %% [markdown]
# Each update of the first kind is small, and together they lead far away. KL is a *squared* length: 24 equal updates in one direction are $24^2$ times as far in nats as one, so up to $576 \times 0.02 = 11.5$ nats a step. A rope to $\pi_{\mathrm{old}}$ keeps the *training* steady: no update is so large that the data
# of the last policy say nothing about the next. It does not hold the policy near the baseline. For that you need the second rope, and RLHF uses both.

# %% [markdown] tags=["lab"]
# **Lab: the tube.** Move the budget and see where the wall goes, who leaves, and what it brings.

# %% tags=["lab"]
from rlhf_lib.labs import tube_lab

tube_lab()

# %% [markdown]
# ## 7. The mirage
#
# In RLHF nobody has the terrain. People compare things, and a reward model is fitted to what they say: the *proxy*. The terrain itself, which we have here because we made it, is called *gold*. And the things people compare come from the baseline: they lie *near its path*.
#
# So: 400 noisy comparisons of pairs of points within 0.6 of the path, and a Bradley-Terry model (chapter 07) on a layer of random smooth ramps (soft ReLUs). How wrong is it, and where?

# %%
from rlhf_lib.experiments.stored import band
from rlhf_lib.landscape import MirageSettings, learned_proxy, proxy_error
from rlhf_lib.workbook.ch02_reward_landscape.experiments import BUDGETS, COUNTS, DISTANCES
from rlhf_lib.workbook.ch02_reward_landscape.figures import plot_trust

land = scene("mirage")
errors = {}
for count in COUNTS:
    compared, proxy = learned_proxy(MirageSettings(comparisons=count), land)
    errors[count] = proxy_error(proxy, land.terrain, land.walker.trail.points, DISTANCES)
plot_trust(DISTANCES, errors, radius=0.6, bands=band("02_reward_landscape/trust"));

# %% [markdown]
# (The shaded bands are the range over the stored seeds, each with its own labels.) Right where it was asked, wrong beyond. More comparisons lower the error even far out, because the model is smooth: a slope known well near the path says something about the ground behind it. But nothing *guarantees* it there, and
# with 3,000 comparisons the error at a distance of 2.5 is still many times that on the path.
#
# Near the path the ground rises to the north. Further north there is a crest, and behind it a swamp. **Predict** what a walker does that climbs the *proxy*, first without a tube, then with one of 1 nat a step.

# %%
from rlhf_lib.landscape import run_mirage
from rlhf_lib.workbook.ch02_reward_landscape.figures import plot_mirage

seen = run_mirage(MirageSettings(seed=0))
stored = band("02_reward_landscape/mirage")
plot_mirage(seen, stored);

# %% [markdown]
# White dots: compared points. Grey: the baseline. Orange: no tube. Green: in the tube. The reward model has seen only the slope and believes that it goes on. The orange walker climbs a summit that is not there, and lands in the swamp: the proxy rises to the end, gold rises and falls. The shaded
# bands are gold on the stored seeds, each with its own labels, reward model and dice.
#
# **This is what the KL constraint is for.** It does not make the reward model better, and it knows nothing about the terrain. It keeps the walker where the proxy was compared with the truth.

# %% tags=["predict"]
guess = predict(
    "With which tube does the gold of the walker that climbs the proxy end highest?",
    {"tight": "the tightest, 0.01 nats a step", "middle": "one in between", "none": "no tube"},
)
guess

# %% tags=["predicted"]
from rlhf_lib.landscape import budget_curve
from rlhf_lib.workbook.ch02_reward_landscape.figures import plot_budgets

known = {1.0: seen.tubed, None: seen.free}  # the two from above
others = [budget for budget in BUDGETS if budget not in known]
runs = dict(zip(others, budget_curve(seen.settings, land, seen.proxy.altitude, others), strict=True))
plot_budgets(BUDGETS, [(known | runs)[budget] for budget in BUDGETS], stored["ends"]);
golds = {budget: run.history.last("gold") for budget, run in (known | runs).items()}
best = max(golds, key=golds.get)
guess.reveal({BUDGETS[0]: "tight", None: "none"}.get(best, "middle"))

# %% [markdown]
# A hump. Too tight, and nothing is gained. Between 1 and 3 nats gold is highest. With 10 nats and more the walls lie beyond the crest, and the walker ends below the baseline, as it does without a tube. The proxy cannot tell you where the top of the hump is: its own curve only rises. To find it, somebody has to look at gold
# again.
#
# ### Is it always so?
#
# No. Our proxy goes on rising beyond its data, as networks tend to. Another kind, built from local bumps, falls back to zero where it knows nothing. Gold at the end, on each stored seed:

# %%
from rlhf_lib.experiments.stored import results_of

bumps = {seed: result["bumps"] for seed, result in results_of("02_reward_landscape", "mirage").items()}
for seed, ends in bumps.items():
    print("seed {}: baseline {baseline:.2f}   no tube {free:.2f}   tube of 1 nat {tubed:.2f}".format(seed, **ends))

# %% [markdown]
# Such a proxy lures nobody far away. Even without a tube every walker ends above its baseline: on three of the five seeds above the walker in the tube, on two below it. Regularization is an insurance against errors that you cannot see; what it is worth depends on how your reward model is wrong where it was never asked.

# %% [markdown] tags=["lab"]
# **Lab: the mirage.** Comparisons, noise, radius, β and budget; the proxy is refitted and both walkers are trained again as you go.

# %% tags=["lab"]
from rlhf_lib.labs import mirage_lab

mirage_lab()

# %% [markdown]
# ### Comparing whole walks
#
# Nobody has to judge single points. Christiano et al. (2017) showed people two clips of behaviour and asked which is better; the reward of a clip is the sum over its steps:
#
# $$P(\tau_1 \succ \tau_2) = \sigma\Big(\sum_t \hat r(s^1_t) - \sum_t \hat r(s^2_t)\Big) \qquad \text{[LS-10]}$$
#
# ($\sigma(x) = 1/(1+e^{-x})$ turns a difference into a probability; $\hat r$ is the reward to be found.) 1,500 comparisons of walks of eight steps, from all over the map, and not a single altitude told:

# %%
from rlhf_lib.landscape import terrain_from_walks
from rlhf_lib.workbook.ch02_reward_landscape.figures import plot_recovered

terrain = scene("trail").terrain
recovered, r = terrain_from_walks(terrain, n=1500)
plot_recovered(terrain, recovered, r);

# %% [markdown]
# The terrain is there, up to a constant and a scale that comparisons do not fix. With data from everywhere there is no mirage. RLHF's data do not come from everywhere.

# %% [markdown]
# ## 8. From the metaphor to a language model
#
# | on the map | in reinforcement learning | in RLHF |
# |---|---|---|
# | a point | state $s_t$ | the prompt and what is written so far |
# | a step | action $a_t$ | the next token (or, seen whole, the answer) |
# | the compass | policy $\pi$ | the language model |
# | a walk | trajectory $\tau$ | an answer |
# | altitude | reward $r_t$ | the reward model's score, given at the end |
# | summit potential | value $V$ | expected score of answers that begin like this |
# | the drawn path | baseline policy | the SFT model |
# | the rope, the tube | KL constraint | the KL penalty |
#
# (SFT, supervised fine-tuning: the model that has learned to answer from demonstrations, before any reinforcement.)
#
# ### Tokens as steps
#
# The real thing: a prompt, the pocket model's likeliest continuations as a tree, and at each prefix the mean gold of 24 answers that begin like this. It is the same Monte Carlo as in section 3.

# %%
from rlhf_lib import PocketWorld, load_policy
from rlhf_lib.exact import token_tree
from rlhf_lib.plots import plot_token_tree

world, sft = PocketWorld(), load_policy("pocket-sft")
prompt = world.prompts(3, kinds=("fact",), seed=12, split="test")[0]
tree = token_tree(sft, world, prompt, nodes=26, samples=24)
plot_token_tree(tree, title=f"“{prompt.text}”");

# %% [markdown]
# Thick branches are likely tokens; blue prefixes are worth more than the prompt itself, orange ones less. One wrong token, and the road leads into the swamp. The advantage of a token is the value after it less the value before it:

# %%
worst_token = min(range(len(tree.nodes)), key=tree.advantage)
print(f"largest loss: the last token of “{tree.text(worst_token)}”, advantage {tree.advantage(worst_token):+.2f}")

# %% [markdown]
# Rewards come late here, and so they do in the scene "plain", which is flat but for one peak at the end of the road. What you can follow on the way is the *forecast*: the return so far, plus the value of what is to come. Left three walks over the plain; right two answers of the tree, the
# likeliest one and the one with that token.

# %%
land = scene("plain")
ahead = solve(land.terrain, land.walker, land.horizon, land.gamma)
many = walk(land.walker, land.start, land.horizon, n=60, seed=2)
paid = rewards(land.terrain, many)
forecasts = [paid[:, :t].sum(1) + ahead.at(many.states[:, t], t) for t in range(land.horizon + 1)]
forecasts = torch.stack(forecasts, 1)  # (walks, steps + 1)
order = paid.sum(1).argsort()


def road_to(number):
    """Numbers of the prefixes from the prompt to one of the tree's."""
    return [] if number < 0 else [*road_to(tree.nodes[number].parent), number]


def likeliest(number=0):
    """The end of the road of likeliest tokens."""
    return likeliest(tree.children(number)[0]) if tree.children(number) else number


# %%
fig, (left, right) = figure(1, 2, height=3.0)
for row, name in ((order[-1], "a good walk"), (order[30], "a middling one"), (order[0], "a bad one")):
    left.plot(forecasts[row], lw=2, label=name)
left.set(xlabel="step", ylabel="forecast of the return", title="the plain")
left.legend()
for end, name in ((likeliest(), "the likeliest road"), (worst_token, tree.text(worst_token))):
    nodes = [tree.nodes[i] for i in road_to(end)]
    values, errors_of = [n.value for n in nodes], [n.error for n in nodes]
    right.errorbar(range(len(nodes)), values, errors_of, fmt="o-", capsize=2, label=name)
right.set(xlabel="tokens written", ylabel="value", title="a real prompt")
right.legend(fontsize=8);

# %% [markdown]
# Each walk ends at its own return, and its forecast moves that way before the reward comes. That is what a critic is for (chapter 11).
#
# ### Policies as points
#
# There is a second landscape: let each point be a whole **policy**, a set of weights. Its altitude is the mean gold of the policy's answers. A model has a million weights, but three checkpoints span a plane:
#
# $$\theta(a, b) = \theta_{\mathrm{SFT}} + a\,u + b\,v \qquad \text{[LS-11]}$$
#
# with $u$ from the SFT model to the RL policy at its best, and $v$ at right angles, towards the policy of the last step. They come from one run of 60 updates that climbs the shipped reward model at a constant rate, with no rope at all (chapter 18 looks at such runs). At each of 99 points of the plane a model with those weights has answered
# the same 192 held-out requests, and so have the run's own weights at every second update. `python -m rlhf_lib.experiments.build_plane` repeats it.

# %%
from rlhf_lib.experiments import load_plane
from rlhf_lib.plots import plot_plane

plane = load_plane()
plot_plane(plane);

# %% [markdown]
# The pink line is the real run, projected onto the plane and drawn at the gold of its own weights. It climbs, crosses a broad top, then turns aside and goes down. The proxy (lower left) rises with the run from start to end, and flattens out on a height where gold is already far down: it has
# no summit where gold has one.
#
# What also rises is the KL (lower right), and anybody can measure it without knowing gold. But a number of nats is not a place. Follow the plane to the right instead of up ($a$ above 1, $b$ below 0): the KL grows there too, and gold stays high. The rope says how far you are from home, not whether the ground is good there.

# %%
for name, at in plane.checkpoints.items():
    rewards_of = f"gold {at['gold']:+.2f}   proxy {at['proxy']:+.2f}"
    print(f"{name:15s} update {at['step']:2.0f}   {rewards_of}   KL {at['kl']:z5.1f} nats an answer")
unit, norm = plane.meta["unit"], plane.meta["sft_norm"]
print(f"from SFT to the peak the weights move by {unit:.2f}; their own length is {norm:.1f}")

# %% [markdown] tags=["lab"]
# **Lab: a real model.** The same plane to turn around, with gold, proxy and KL, and the run step by step.

# %% tags=["lab"]
from rlhf_lib.labs import plane_lab

plane_lab()

# %% [markdown]
# ## 9. Where the picture lies
#
# Good pictures mislead in known ways. Here are this one's.
#
# - **The state space is a tree, not a plane.** Prefixes are discrete, there are more of them than atoms, and no two roads lead to the same one. There is no "a little to the north" of a sentence. Distance there is made by the policy: it is KL.
# - **The step itself is not noisy.** After a token is chosen the next state is certain. All the dice are in the policy.
# - **There are no altitudes on the way.** The score comes once, at the end. The hills that the picture shows along the path are the hills of $V$.
# - **The tube is no wall around single walks.** It bounds averages. The fog of section 5 is large in a language model too: two answers that one policy draws to one prompt are hardly ever the same.
# - **The tube is not round.** Our step policies have one spread everywhere, so a nat is a length. A language model can change a rare token a lot for few nats, and a penalty on the *mean* KL lets it spend everything in one place.
# - **Two landscapes, one word.** On the map of sections 1 to 7 a point is a state; on the plane of checkpoints a point is a policy. The gradient climbs the second.
# - **Two dimensions mislead.** On a plane there are few ways to leave the data. In a million dimensions nearly every way does.

# %%
vocabulary = len(sft.tokenizer)
print(f"{vocabulary} tokens; answers of 40 tokens: about 10^{40 * math.log10(vocabulary):.0f}")

# %% [markdown]
# ## 10. Exercises

# %% [markdown] tags=["exercise"]
# {exercise: walk_return}
#
# `rewards` (walks, steps) and `gamma`. Return the discounted return of each walk, (walks,). The first reward counts in full.

# %% tags=["solution"]
def solution_walk_return(rewards, gamma):
    return (rewards * gamma ** torch.arange(rewards.shape[1])).sum(1)

# %% [markdown] tags=["exercise"]
# {exercise: bellman_backup}
#
# A map of n places. `probabilities[s, s2]` is the chance that the policy's step from s leads to s2; `rewards` (n,) is paid for stepping *onto* a place; `values` (n,) is what can be collected after that. Return the values (n,) one step earlier.

# %% tags=["solution"]
def solution_bellman_backup(probabilities, rewards, values, gamma):
    return probabilities @ (rewards + gamma * values)

# %% [markdown] tags=["exercise"]
# {exercise: advantage_sign}
#
# `q` (K,): Q of K possible steps. `probabilities` (K,): how often the policy takes each. Return the sign of each step's advantage: 1, 0 or −1.

# %% tags=["solution"]
def solution_advantage_sign(q, probabilities):
    return torch.sign(q - (probabilities * q).sum())

# %% [markdown] tags=["exercise"]
# {exercise: gaussian_kl}
#
# `first` and `second` (n, 2): mean steps of two policies in n states; both have the spread `sigma`. Return the KL in each state, (n,), in nats.

# %% tags=["solution"]
def solution_gaussian_kl(first, second, sigma):
    return (first - second).square().sum(1) / (2 * sigma**2)

# %% [markdown] tags=["exercise"]
# {exercise: tube_radius}
#
# How far from the baseline's path can a walker be after `t` steps, if it may spend `budget` nats on each, its steps have the spread `sigma`, and a share `pull` of the distance is made good with each step? Return a number; `pull` may be 0.

# %% tags=["solution"]
def solution_tube_radius(t, budget, sigma, pull):
    radius = 0.0
    for _ in range(t):
        radius = (1 - pull) * radius + sigma * math.sqrt(2 * budget)
    return radius

# %% [markdown] tags=["exercise"]
# {exercise: penalised_rewards}
#
# A colleague's walker is meant to be held near the baseline by a penalty in the reward: each step pays β times an estimate of its KL. With this function the KL *grows* with β:
#
# ```python
# def penalised_rewards(rewards, logp, base_logp, beta):
#     return rewards - beta * (base_logp - logp)
# ```
#
# All three are (walks, steps): rewards, log-probabilities of the steps taken under the policy, and under the baseline. Write it as it should be. (Making the penalty positive is not yet making it right: its mean must be the KL.)

# %% tags=["solution"]
def solution_penalised_rewards(rewards, logp, base_logp, beta):
    return rewards - beta * (logp - base_logp)

# %% [markdown] tags=["exercise"]
# {exercise: my_plan}
#
# Sections 3 and 4 judge a given compass. Now find the best one. A map of n places, K steps from each: `leads_to` (n, K) holds the number of the place where a step ends (these steps are certain), `rewards` (n,) is paid for stepping *onto* a place. Return two tensors: the values of the best walker, (horizon + 1, n), row $t$ after
# $t$ steps; and the steps it takes, (horizon, n), as numbers 0 to K − 1.

# %% tags=["solution"]
def solution_plan(leads_to, rewards, horizon, gamma):
    values = torch.zeros(horizon + 1, len(rewards), dtype=rewards.dtype)
    actions = torch.zeros(horizon, len(rewards), dtype=torch.long)
    for t in reversed(range(horizon)):
        landing = rewards + gamma * values[t + 1]  # what each place is worth to whoever lands there
        q = landing[leads_to]  # (n, K)
        values[t], actions[t] = q.max(1)
    return values, actions

# %% [markdown] tags=["exercise"]
# {exercise: my_budget}
#
# Section 7 again, with a quarter of the labels. On the scene "mirage", for each of three seeds: fit a proxy to 100 comparisons, let one walker climb it in each tube, and note the *gold* after the last update. A run takes about half a second.

# %% tags=["solution"]
solution_budget = {"0.1": [], "1": [], "10": []}
for seed in range(3):
    settings, land = MirageSettings(comparisons=100, seed=seed), scene("mirage")
    _, proxy = learned_proxy(settings, land)
    for key, run in zip(solution_budget, budget_curve(settings, land, proxy.altitude, (0.1, 1.0, 10.0)), strict=True):
        solution_budget[key].append(run.history.last("gold"))
solution_budget_choice = "1"

# %% [markdown]
# ## 11. What this chapter claimed

# %% tags=["claims"]
assert (z.abs() <= 3).sum() >= 59, "exact values and walking agree within 3 standard errors (one in sixty may not)"
assert residual < 1e-3, "the Bellman residual of the chapter's own value surface vanishes"
assert spread > 0.5 and mean.abs() < 1e-3, "advantages average to 0 under the policy"
assert abs(drawn_kl.mean() - exact_kl.mean()) <= 3 * kl_error, "the closed-form KL is what samples estimate"
assert worst <= 1 + 1e-9, "every in-budget policy's mean path stays in the tube"
assert (reached - 1).abs().max() < 1e-9, "and the wall is reached: the formula is tight"
assert outside[0.3] > 0.9 and outside[3.0] < 0.2, "while most single walks of the baseline leave a narrow tube"
assert all(abs(total - T * budget) < 1e-9 for total in spent.values()), "KL adds up, whatever the pull"
assert not walls.leaving(inside_walks).any() and walls.leaving(free_walks).float().mean() > 0.9, "leavers are counted"
gains = {label: run.history.last("gold") - run.history.series("gold")[0] for label, run in climbs.items()}
assert gains["tight: 0.01 nats"] < 0.2 < gains["wide: 0.5 nats"] < gains["no tube"], "a tight tube stays, a wide one climbs"
assert far["to π_old: δ = 0.02"][-1] > 50 * 0.02, "small updates add up: 24 of them lead far from the baseline"
assert far["to π_ref: β = 0.5"][-1] < 0.5 * far["to π_old: δ = 0.02"][-1], "the rope to the baseline holds"
assert all(e[0] < 0.5 and e[-1] > 2 * e[3] for e in errors.values()), "the proxy is right near the path and wrong beyond"
assert seen.free.history.last("gold") < seen.free.history.series("gold")[0] < seen.tubed.history.last("gold"), "the mirage"
assert seen.tubed.history.last("proxy") < seen.free.history.last("proxy"), "and the proxy praises the wrong walker"
assert r > 0.95, "comparisons of walks give the terrain back"
sft_at, peak_at, over_at = plane.checkpoints.values()
assert sft_at["gold"] < peak_at["gold"] > over_at["gold"], "the language model's gold rises and falls along the run"
assert sft_at["proxy"] < peak_at["proxy"] < over_at["proxy"], "while its proxy is higher each time"
print("all claims hold")

# %% [markdown]
# And on the stored runs: each sentence with the number of seeds on which it holds, and its margin in standard deviations (sd) over the seeds.

# %%
from rlhf_lib.workbook.ch02_reward_landscape.experiments import EXPERIMENTS
from rlhf_lib.experiments.experiment import outcomes

for experiment in EXPERIMENTS.values():
    for outcome in outcomes(experiment, list(results_of("02_reward_landscape", experiment.name).values())):
        print(outcome)

# %% [markdown] tags=["recap"]
# ## Recap
#
# - **The world** is a terrain. **Where you are** is the state, **how high it is there** the immediate reward.
# - **The walker** is the policy, **the walk** the trajectory, and the altitudes it collects make the return.
# - **Value** looks ahead: high ground with a swamp before it is worth little. **Q** does so for one first step, and **advantage** compares that step with the policy's own.
# - **KL** is a rope to a path that is known to be safe. A budget of ε nats is a length, $\sigma\sqrt{2\varepsilon}$, and over time a tube with a formula. The tube holds average paths; the dice add a fog of their own. Nats add up over the steps.
# - **A rope to the last policy** (TRPO, PPO) keeps updates small; **a rope to the first policy** keeps the walker near home.
# - **A reward model** is a map drawn near that path. Beyond it there are mirages; the tube keeps the walker where the map is good. Gold against the tube's width is a hump.
# - In a language model the points are prefixes and the steps tokens; and over its weights the hill and the fall are real.
#
# **Recall** of earlier chapters:

# %% tags=["recall"]
from IPython.display import display

from rlhf_lib.exercises import recall

for quiz in recall("02_reward_landscape"):
    display(quiz)

# %% [markdown]
# **More:** the book's chapter [Training Overview](https://rlhfbook.com/c/03-training-overview); Sutton and Barto, *Reinforcement Learning*, chapters 3 and 4; Schulman et al. (2015) for trust regions; Christiano et al. (2017) for preferences over trajectories; Gao et al. (2022) for
# over-optimization; Li et al. (2018) and Garipov et al. (2018) for landscapes over planes of weights.
