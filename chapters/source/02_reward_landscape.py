# %% [markdown]
# # The reward landscape
#
# Reinforcement learning can be seen as a walk over hills. This chapter builds that picture one piece at a time, with nothing drawn that is not computed: the map, the altitude, the walker, what lies ahead of it, and the rope that keeps it near a path that
# is known to be safe. At the end the same picture is drawn from a real language model.
#
# **You will be able to**
# - say what state, action, reward, return, value, Q and advantage are, and point at each of them;
# - compute a value in two ways that agree;
# - turn a KL budget into the wall of a tube, by a formula;
# - show why a reward model can be trusted near its data only, and what a KL constraint has to do with that;
# - say where the picture lies.

# %% tags=["setup"]
import math

import torch

from rlhf_lib import set_seed

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
# **The plane.** Every point $(x, y)$ of a flat map is a *state* $s$: a situation one can be in. **The pin** is where you are now, the current state $s_t$.
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
# **The line** is what the walker did. What made it do that, comes next.

# %% [markdown]
# ## 2. Compass and path: policy and trajectory
#
# The walker holds a compass that shows, at each place, the way it tends to go. That is its *policy*. It does not follow the needle exactly: a step, the *action* $a_t$, is drawn from a Gaussian around it,
#
# $$a_t \sim \pi(\cdot\mid s_t) = \mathcal N\big(m(s_t),\ \sigma^2 I\big), \qquad s_{t+1} = s_t + a_t \qquad \text{[LS-2]}$$
#
# Six walks from the same place, with the compass behind them:

# %%
from rlhf_lib.workbook.ch02_reward_landscape.figures import plot_compass

six = walk(land.walker, land.start, land.horizon, n=6, seed=1)
plot_compass(land, six.states);

# %% [markdown]
# A walk is a *trajectory*: state, action, state, action, … The goal is to spend it as high up as possible. Its *return* adds up the altitudes on the way; what comes later counts less by a factor $\gamma$ per step:
#
# $$G = \sum_{t=0}^{T-1} \gamma^t\, r_t \qquad \text{[LS-3]}$$

# %%
from rlhf_lib.landscape import discounted_return, rewards

collected = rewards(land.terrain, six)  # (walks, steps)
print("first walk:", collected[0, :6].numpy().round(2), "…", collected[0, -3:].numpy().round(2))
for gamma in (0.5, 0.95, 1.0):
    print(f"gamma {gamma}: returns", discounted_return(collected, gamma).numpy().round(1))

# %% [markdown]
# **Predict** which of the three rows changes most if the walk is twice as long. Then try it, or turn the knobs of the lab.

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
# This is *dynamic programming*; [LS-4] is the *Bellman equation*. The mean over a Gaussian step is a weighted sum over the points of a grid. The other way to know a value is to walk: start many walks from the place and average their returns (*Monte Carlo*). Two ways, one number:

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
# Three places could be luck. Sixty places, all over the map:

# %%
generator = torch.Generator().manual_seed(0)
places = 3.5 * (2 * torch.rand(60, 2, generator=generator) - 1)
z = torch.tensor([apart for _, _, _, apart in compare(land, value, places, n=1000)])
for errors, expected in ((1, "68%"), (2, "95%"), (3, "99.7%")):
    print(f"within {errors} standard errors: {(z.abs() <= errors).float().mean():.0%} (expected {expected})")

# %% [markdown]
# What the Bellman equation says, can be checked without walking: take $V$ from the grid, average $h + \gamma V$ over the step by another quadrature, and see what is left over. And if the horizon has no end, one sweeps over the grid again and again; each sweep changes less, by $\gamma$.

# %%
from rlhf_lib.landscape import bellman_residual, sweep_residuals
from rlhf_lib.workbook.ch02_reward_landscape.figures import plot_sweeps

inside = 2.5 * (2 * torch.rand(300, 2, generator=generator) - 1)
print(f"largest residual at 300 places: {bellman_residual(value, inside).abs().max():.1e}")
sweeps = {f"γ = {g}": sweep_residuals(solve(land.terrain, land.walker, 60, g)) for g in (0.7, 0.9, 0.97)}
plot_sweeps(sweeps);

# %% [markdown]
# ## 4. The first step: Q and advantage
#
# $Q$ asks about one step: *if I take this step now, and follow my compass after it, how much will I collect?*
#
# $$Q_t(s, a) = h(s+a) + \gamma\, V_{t+1}(s+a) \qquad \text{[LS-5]}$$
#
# Compared with what the compass does on average, that is the *advantage* of the step,
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
# The blue steps are those to learn: make them likelier, and the orange ones less so. Every policy-gradient method does that and nothing else.
#
# **Predict:** where do the blue steps point for a walker that thinks little of the future, $\gamma = 0.6$?

# %%
short_sighted = solve(land.terrain, land.walker, land.horizon, gamma=0.6)
plot_rose(rose(short_sighted, land.start), short_sighted);

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
# Now there is an old policy, the *baseline*, that is known to work. Its path is drawn on the map. The new one shall be better and shall not get lost. What does "stay near the baseline" mean?
#
# Policies are compared by the KL divergence of their steps. For two Gaussians with the same $\sigma$ and means that are $d$ apart it is
#
# $$\mathrm{KL} = \frac{\lVert d\rVert^2}{2\sigma^2} \qquad\text{hence}\qquad \mathrm{KL} \le \varepsilon \iff \lVert d\rVert \le \sigma\sqrt{2\varepsilon} \qquad \text{[LS-7]}$$
#
# A budget of $\varepsilon$ nats on a step is a *length* on the map. The noisier the walker, the longer. The formula against an estimate from samples, the mean log-ratio of the steps that were really taken:

# %%
from rlhf_lib.landscape import dice, kl_of_walks, sampled_kl

land = scene("trail")
strayed = land.walker.with_weights(0.1 * dice(1, 81, seed=1)[0])  # some other policy
walks = walk(strayed, land.start, land.horizon, n=4000, seed=2)
exact_kl, drawn_kl = kl_of_walks(strayed, walks).sum(1), sampled_kl(strayed, walks).sum(1)
kl_error = (drawn_kl - exact_kl).std().item() / math.sqrt(len(walks.states))
print(f"KL of a walk: formula {exact_kl.mean():.3f}, sampled {drawn_kl.mean():.3f} ± {kl_error:.3f} nats")

# %% [markdown]
# ### From a budget to a wall
#
# Let the baseline's path be $\mu_0, \mu_1, \dots$, and let its policy bring the walker back towards the path: a share $k$ of the distance with each step. The new policy adds its own deviation $d_t$, $\lVert d_t\rVert \le \sigma\sqrt{2\varepsilon}$. Let both walk **with the same
# dice**. Then the noise cancels in the difference $\delta_t$ of where they are,
#
# $$\delta_{t+1} = (1-k)\,\delta_t + d_t ,$$
#
# and $\lVert\delta_t\rVert$ is largest if all $d_t$ point the same way with their full length:
#
# $$\lVert\delta_t\rVert \;\le\; r_t = \sigma\sqrt{2\varepsilon}\;\frac{1-(1-k)^t}{k} \qquad\big(k = 0:\ r_t = t\,\sigma\sqrt{2\varepsilon}\big) \qquad \text{[LS-8]}$$
#
# So the tube is not a drawing. It is the exact set of places to which the budget can bring the walker: nobody in budget is ever outside, and somebody is at the wall.

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
north = torch.tensor([0.0, step_radius(budget, 0.2)], dtype=torch.float64)
spender = land.walker.with_weights(north.expand(81, 2))
gap = (mean_path(spender, land.start, land.horizon) - walls.path).norm(dim=-1)
reached = gap[1:] / walls.radii[1:]
print(f"200 random policies got to at most {worst:.2f} of the radius")
print(f"the spender is at {reached.min():.6f} to {reached.max():.6f} of it all along")

# %% [markdown]
# ### How it is spent
#
# A budget may also be given for the whole walk, $E$ nats. Then it matters when they are spent. Without a pull, no way of spending brings you further by step $t$ than $\sigma\sqrt{2Et}$ (Cauchy-Schwarz), and an even spending gets there at the end:

# %%
from rlhf_lib.landscape import tube_radii, widest_radii
from rlhf_lib.workbook.ch02_reward_landscape.figures import plot_radii

total, T = 3.0, land.horizon
radii = {f"{how} spending": tube_radii(T, total, 0.2, schedule=how) for how in ("even", "early", "late")}
radii["even, with a pull of 1/4"] = tube_radii(T, total, 0.2, pull=0.25, schedule="even")
plot_radii(radii, bound=widest_radii(T, total, 0.2));

# %% [markdown]
# A tube can grow without end or level off. A language model's KL is of the first kind if nothing pulls it back: small differences per token add up over a long answer.

# %% [markdown]
# ## 6. Learning to climb
#
# Now the walker learns, by the losses of `rlhf_lib.objectives` that train the language models of the other chapters; a step stands where a token does. After each update the weights are brought back into the budget, so that the mean step differs by at most $\sigma\sqrt{2\varepsilon}$
# *anywhere on the map*. The baseline goes round the mountain.

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
# Pale lines are early paths, dark ones late. The tight tube stays, the wide one climbs as far as its wall allows, and without a tube the walker goes to the top. *Here* the tube only costs: what is optimised is the truth. Keep that in mind for the next section.
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
# Other algorithms, the same landscape. `kl_penalty` takes $\beta\cdot$KL off the reward. `kl_constraint` is TRPO's step: the one that gains most among those that cost $\delta$ nats,
#
# $$\Delta\theta = \sqrt{\frac{2\delta}{g^\top F^{-1} g}}\;F^{-1} g \qquad \text{[LS-9]}$$
#
# with the gradient $g$ and the Fisher matrix $F$. KL is exactly quadratic in our walker's weights, so the step costs exactly $\delta$.

# %%
variants = {
    "REINFORCE": {"algorithm": "reinforce"},
    "PPO": {"algorithm": "ppo"},
    "KL penalty, β = 0.5": {"algorithm": "kl_penalty", "beta": 0.5},
    "KL constraint, δ = 0.02": {"algorithm": "kl_constraint", "trust_region": 0.02},
}
for label, how in variants.items():
    run = learn(land.walker, altitude, land.start, WalkSettings(updates=24, **how), gold=altitude)
    gold, kl = run.history.series("gold"), run.history.last("kl")
    print(f"{label:24s} altitude {gold[0]:.2f} → {gold[-1]:.2f}   KL of a walk {kl:6.1f} nats")

# %% [markdown] tags=["lab"]
# **Lab: the tube.** Move the budget and see where the wall goes, who leaves, and what it brings.

# %% tags=["lab"]
from rlhf_lib.labs import tube_lab

tube_lab()

# %% [markdown]
# ## 7. The mirage
#
# In RLHF nobody has the terrain. People compare things, and a reward model is fitted to what they say. And the things they compare come from the baseline: they lie *near its path*.
#
# So: 400 noisy comparisons of pairs of points within 0.6 of the path, a Bradley-Terry model on a layer of random soft ReLUs. How wrong is it, and where?

# %%
from rlhf_lib.landscape import MirageSettings, learned_proxy, proxy_error
from rlhf_lib.workbook.ch02_reward_landscape.figures import plot_trust

land = scene("mirage")
path = land.walker.trail.points
distances = [0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 2.5]
errors = {}
for count in (100, 400, 3000):
    compared, proxy = learned_proxy(MirageSettings(comparisons=count), land)
    errors[f"{count} comparisons"] = proxy_error(proxy, land.terrain, path, distances)
plot_trust(distances, errors, radius=0.6);

# %% [markdown]
# Right where it was asked, wrong beyond. More comparisons push the errors out but never away: no label says anything about a place where nobody looked.
#
# Near the path the ground rises to the north. Further north there is a crest, and behind it a swamp. **Predict** what a walker does that climbs the *proxy*, first without a tube, then with one of 1 nat a step.

# %%
from rlhf_lib.experiments.bands import load_band
from rlhf_lib.landscape import run_mirage
from rlhf_lib.workbook.ch02_reward_landscape.figures import plot_mirage

seen = run_mirage(MirageSettings(seed=0))
plot_mirage(seen, load_band("landscape"));

# %% [markdown]
# White dots: compared points. Grey: the baseline. Orange: no tube. Green: in the tube. The reward model has seen only the slope and believes that it goes on. The orange walker climbs a summit that is not there, and lands in the swamp: the proxy rises to the end, gold rises and falls. The shaded
# bands are five seeds, each with its own labels, reward model and dice.
#
# **This is what the KL constraint is for.** It does not make the reward model better, and it knows nothing about the terrain. It keeps the walker where the proxy was compared with the truth. Gold against the width of the tube:

# %%
from rlhf_lib.landscape import budget_curve
from rlhf_lib.workbook.ch02_reward_landscape.figures import plot_budgets

others = (0.01, 0.1, 0.5, 3.0)
runs = dict(zip(others, budget_curve(seen.settings, land, seen.proxy.altitude, others), strict=True))
nats = (0.01, 0.1, 0.5, 1.0, 3.0, None)
runs |= {1.0: seen.tubed, None: seen.free}  # the two from above
plot_budgets(nats, [runs[budget] for budget in nats]);

# %% [markdown]
# Too tight and nothing is gained; with no tube at all the mirage wins. The proxy cannot tell you where the best place between is: its curve only rises.
#
# One seed proves little. The bands above have five; here is a second one in numbers:

# %%
mirages = [seen, run_mirage(MirageSettings(seed=1))]


def ends(m):
    """Gold of the baseline; gold and proxy at the end, without a tube and with it."""
    free, tubed = m.free.history, m.tubed.history
    both = (run.last(name) for name in ("gold", "proxy") for run in (free, tubed))
    return free.series("gold")[0], *both


print("        gold: baseline  no tube  tube     proxy: no tube  tube")
for number, m in enumerate(mirages):
    print("seed {}      {:8.2f} {:8.2f} {:5.2f}     {:14.2f} {:5.2f}".format(number, *ends(m)))

# %% [markdown]
# ### Is it always so?
#
# No. Our proxy goes on rising beyond its data, as networks tend to. Another kind, built from local bumps, falls back to zero where it knows nothing:

# %%
for seed in range(2):
    bumps = run_mirage(MirageSettings(kind="bumps", seed=seed))
    print("seed {}: gold {:.2f} → {:.2f} without a tube, {:.2f} with it".format(seed, *ends(bumps)[:3]))

# %% [markdown]
# Such a proxy lures nobody far away, and then the tube may cost more than it saves. Regularization is an insurance against errors that you cannot see; what it is worth depends on how your reward model is wrong where it was never asked.

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
# 1,500 comparisons of walks of eight steps, from all over the map, and not a single altitude told:

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
# Rewards come late here, and so they do in the scene "plain", which is flat but for one peak at the end of the road. What one can follow on the way is the *forecast*: the return so far, plus the value of what is to come. Left three walks over the plain; right two answers of the tree, the
# likeliest one and the one with that token.

# %%
land = scene("plain")
value = solve(land.terrain, land.walker, land.horizon, land.gamma)
many = walk(land.walker, land.start, land.horizon, n=60, seed=2)
paid = rewards(land.terrain, many)
forecasts = [paid[:, :t].sum(1) + value.at(many.states[:, t], t) for t in range(land.horizon + 1)]
forecasts = torch.stack(forecasts, 1)  # (walks, steps + 1)
order = paid.sum(1).argsort()


def road_to(number):
    """Numbers of the prefixes from the prompt to one of the tree's."""
    return [] if number < 0 else [*road_to(tree.nodes[number].parent), number]


def likeliest(number=0):
    """The end of the road of likeliest tokens."""
    return likeliest(tree.children(number)[0]) if tree.children(number) else number


# %%
from rlhf_lib.plots import figure

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
# with $u$ from the SFT model to the RL policy at its best, and $v$ at right angles, towards the policy of the last step. They come from the run of chapter 18 (seed 0), carried on to step 48, which climbs the shipped reward model without a KL penalty. At each of 99 points a model with those weights has answered 192
# requests. `python -m rlhf_lib.experiments.build_plane` repeats it.

# %%
from rlhf_lib.experiments import load_plane
from rlhf_lib.plots import plot_plane

plane = load_plane()
plot_plane(plane);

# %% [markdown]
# The red line is the real run, projected onto the plane. It climbs to the summit of gold, walks on, and goes down the other side. (The flat dark ground is where the picture is cut off; it lies deeper.) The proxy (lower left) has no summit there: it rises all the way. What also rises is the KL (lower right), and KL can be measured by anyone. Had it been bounded
# near its value at the peak, the run would have ended at the top.

# %%
for name, at in plane.checkpoints.items():
    rewards_of = f"gold {at['gold']:+.2f}   proxy {at['proxy']:+.2f}"
    print(f"{name:15s} step {at['step']:2.0f}   {rewards_of}   KL {at['kl']:z5.1f} nats")
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
# A picture that is remembered must be remembered with its limits.
#
# - **The state space is a tree, not a plane.** Prefixes are discrete, there are more of them than atoms, and none is ever visited twice by another road. There is no "a little to the north" of a sentence. Distance there is made by the policy: it is KL.
# - **The step itself is not noisy.** After a token is chosen the next state is certain. All the dice are in the policy.
# - **There are no altitudes on the way.** The score comes once, at the end. The hills that the picture shows along the path are the hills of $V$.
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

# %% [markdown]
# ## 11. What this chapter claimed

# %% tags=["claims"]
assert (z.abs() <= 3).sum() >= 59, "exact values and walking agree within 3 standard errors (one in sixty may not)"
assert bellman_residual(value, inside).abs().max() < 1e-3, "the Bellman residual vanishes"
assert spread > 0.5 and mean.abs() < 1e-3, "advantages average to 0 under the policy"
assert abs(drawn_kl.mean() - exact_kl.mean()) <= 3 * kl_error, "the closed-form KL is what samples estimate"
assert worst <= 1 + 1e-9, "every in-budget policy's mean path stays in the tube"
assert (reached - 1).abs().max() < 1e-9, "and the wall is reached: the formula is tight"
assert not walls.leaving(inside_walks).any() and walls.leaving(free_walks).float().mean() > 0.9, "leavers are counted"
gains = {label: run.history.last("gold") - run.history.series("gold")[0] for label, run in climbs.items()}
assert gains["tight: 0.01 nats"] < 0.2 < gains["wide: 0.5 nats"] < gains["no tube"], "a tight tube stays, a wide one climbs"
assert all(e[0] < 0.5 and e[-1] > 2 * e[3] for e in errors.values()), "the proxy is right near the path and wrong beyond"
assert sum(m.tubed.history.last("gold") > m.free.history.last("gold") for m in mirages) == 2, "with the tube gold ends higher"
assert sum(m.tubed.history.last("proxy") < m.free.history.last("proxy") for m in mirages) == 2, "and the proxy lower"
assert r > 0.95, "comparisons of walks give the terrain back"
sft_at, peak_at, over_at = plane.checkpoints.values()
assert sft_at["gold"] < peak_at["gold"] > over_at["gold"], "the language model's gold rises and falls along the run"
assert sft_at["proxy"] < peak_at["proxy"] < over_at["proxy"], "while its proxy rises"
print("all claims hold")

# %% [markdown] tags=["recap"]
# ## Recap
#
# - **The world** is a terrain. **Where you are** is the state, **how high it is there** the immediate reward.
# - **The walker** is the policy, **the walk** the trajectory, and the altitudes it collects make the return.
# - **Value** looks ahead: high ground with a swamp before it is worth little. **Q** does so for one first step, and **advantage** compares that step with the policy's own.
# - **KL** is a rope to a path that is known to be safe. A budget of ε nats is a length, $\sigma\sqrt{2\varepsilon}$, and over time a tube with a formula.
# - **A reward model** is a map drawn near that path. Beyond it there are mirages; the tube keeps the walker where the map is good.
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
