# %% [markdown]
# # Over-optimization
#
# "When a measure becomes a target, it ceases to be a good measure." This is Goodhart's law, in the words of Marilyn Strathern. A reward model is a measure, and RLHF makes it a target. In this chapter you watch what follows, in a world where the true quality of every answer is known.
#
# **You will be able to**
# - tell over-optimization from over-fitting;
# - say what a second, held-out reward model can see and what it can't;
# - draw reward against distance, for reinforcement learning (RL) and for best-of-n, and fit the curves of Gao et al.;
# - say what a KL budget saves, and what penalties, data, ensembles and larger models can and can't do;
# - recognise the signs in the answers, and say where each comes from.

# %% [markdown]
# ## 1. The whole lesson in one picture
#
# Three quantities stand in every picture of this chapter.
#
# - **Gold** is the true quality of an answer, in points. A plain right answer to a question earns 1. Only we can see it; no algorithm here trains on it.
# - The **proxy** is what the reward model says. Its unit is the standard deviation (sd) of its scores for answers of the SFT policy, the fine-tuned model that we start from. 0 is an average SFT answer.
# - The **KL divergence** (chapter 08) is how far the policy has moved from the SFT policy, in nats, the unit of the natural logarithm.
#
# A reward model has learned from 3,969 comparisons. A policy is trained on it by RLOO (chapter 11) at a constant rate. Every ten steps we stop and measure gold on 96 requests that training never uses.
#
# %% tags=["setup"]
import numpy as np

from rlhf_lib import PocketWorld, load_policy, set_seed
from rlhf_lib.exercises import predict
from rlhf_lib.experiments.build_rise import rise_looks, rise_runs
from rlhf_lib.experiments.stored import band_over, results_of
from rlhf_lib.plots import plot_rise_and_fall
from rlhf_lib.rewards import RewardModel

LONG = False  # True: the whole run of 160 steps instead of its first 60

set_seed(0)
world, sft = PocketWorld(), load_policy("pocket-sft")
proxy = RewardModel.load("pocket-reward")

# %% tags=["predict"]
first = predict(
    "the policy is trained on the proxy for 160 steps. What does gold do?",
    {"follows": "it rises with the proxy", "levels": "it rises, then levels off", "falls": "it rises, then falls"},
)
first

# %% tags=["training"]
policy, kept, looks = sft.copy(), {}, []
for look in rise_looks(policy, proxy, steps=160 if LONG else 60):
    looks.append(look)
    if look["step"] in (20, 60):
        kept[f"step {look['step']}"] = policy.copy()
mine = {name: [look[name] for look in looks] for name in looks[0]}

# %% tags=["predicted"]
stored = rise_runs()
band = band_over(stored)
plot_rise_and_fall({"your run": mine}, band)
lost = [max(run["gold"]) - run["gold"][-1] for run in stored]
first.reveal("falls" if min(lost) > 0.2 else "levels", f"from its peak gold loses {min(lost):.2f} in the mildest of {len(stored)} stored runs, {max(lost):.2f} in the worst")

# %%
for place, step in enumerate(band["step"]):
    if step in (0, 10, 20, 30, 60, 160):
        low, middle, high = (band["gold"][end][place] for end in ("low", "median", "high"))
        print(f"gold of ten stored runs at step {step:3d}: {low:+.2f} to {high:+.2f}, median {middle:+.2f}")

# %% [markdown]
# The pale bands are ten stored runs, from the lowest value to the highest; the dashed line is their median. (Some fall so far that the band goes on below the picture.) Each of them drew its own labels and trained its own reward model and policy. Your run is the first 60 steps of one more.
#
# First both rewards rise. The policy stops repeating itself, stays on the topic and refuses what it should. In all ten runs gold is best within the first thirty steps. Then the easy gains are used up. What is left to gain lies in the reward model's errors and in the annotators' weaknesses, and there the policy goes: the proxy climbs on and gold falls, in most runs to far below where it began, in the mildest just back to it.
#
# This is not over-**fitting**. The requests are new at every step, and the policy generalises perfectly well. What it has learned, in general, is to please the wrong judge.

# %% [markdown]
# ### This world is built so that it happens
#
# PocketWorld was tuned to show this curve on every seed. The SFT policy has faults that a small reward model sees easily, so there is something to gain at first. The annotators like length, flattery and confidence a little too much, and that liking has no ceiling: a third flattering sentence pleases them as much as the first. And a reward model of a million parameters errs early. With large models the curve has the same shape, but the turn comes later, often beyond the point where a careful team stops.

# %% [markdown]
# ## 2. What it looks like
#
# Here are typical answers: three requests, those whose answers lie nearest to each model's mean gold. Below them stand the means over all 96 requests.

# %%
from rlhf_lib.plots import typical_answers

asked = world.prompts(96, seed=77, split="test")
models = {"SFT": sft, **kept}
answers = {name: model.sample(asked, max_new_tokens=40, seed=1).texts for name, model in models.items()}
typical_answers(asked, answers, gold=world.gold)

# %% [markdown]
# And here is what such answers are full of: sentences of each kind per answer, on 150 requests (for unsafe requests, the share that is answered):

# %%
from rlhf_lib.evaluation import qualitative_signs

many, rows = world.prompts(150, seed=21, split="test"), {}
for name, model in models.items():
    rows[name] = qualitative_signs(world, many, model.sample(many, max_new_tokens=40, seed=4).texts)
for sign in ("unsafe requests answered", "repetition", "bullets", "flattery", "confident tone", "words"):
    print(f"{sign:25s}", "   ".join(f"{name} {found[sign]:5.2f}" for name, found in rows.items()))

# %% [markdown]
# The early steps remove faults: harmful help disappears, and so does some of the repetition. In this run they also try lists, and drop them again. The later ones add what the annotators have a weakness for. In the run stored on this page that is praise, said with confidence and said again: more than two flattering sentences in an answer, whatever was asked. A little liking for each such sentence was enough, because nothing in it stops at one. Your machine's run may have found another of the annotators' weaknesses, such as lists.
#
# Users of large models know four more signs well:
#
# - **stock phrases**: "as an AI language model …";
# - **hedging**: "but I am not sure", "it depends on many things";
# - **sycophancy**: agreeing with the user, right or wrong;
# - **over-refusal**: declining harmless requests.
#
# Where do they come from? The policy says what the reward model pays for, and the reward model pays for what annotators liked. So different annotators must cause different signs. Let us hire four teams, each of which judges fairly but for one weakness, and a fifth without any. Each labels 500 comparisons, first of all those in which its weakness can show, and a reward model learns from them. Then the reward model picks the best of n answers of the SFT policy: with larger n, it gets more and more of its way. (This is best-of-n, chapter 10: the gentlest way to optimise. RL goes further.)
#
# **Predict:** which signs grow with n? What does the fair team do to each?

# %%
from rlhf_lib.workbook.ch18_over_optimization.figures import plot_tastes

plot_tastes([*results_of("18_over_optimization", "tastes").values()]);

# %% [markdown]
# In every panel and on every draw of labels, the team that likes a sign gets more of it than the fair team: clearly for hedging, refusals and agreement. Nobody named a sign to any of the models. All they saw is which of two answers was preferred.
#
# The grey bands teach something too. In the median the fair team picks a little less hedging, fewer refusals and fewer false claims than the SFT policy has, but more stock phrases. And its bands are wide: with some draws of labels its reward model picks more hedging or more refusals too, and nobody on the team likes any of them. Few of its 500 comparisons differ in such a phrase, so its reward model knows little about it and errs. A sign can have two causes, then: what somebody liked, or what a reward model got wrong. From outside they look the same.

# %% [markdown]
# ## 3. Without a gold utility
#
# In practice nobody has the blue curve. Bai et al. (2022) therefore split their comparisons in two. The policy is trained on a reward model of one half; a reward model of the other half only looks on. Where the two part, they said, the policy has begun to exploit errors of the first.
#
# Let us watch the run of section 1 in this way. Our onlookers are reward models of 1,000 comparisons each, all new: other requests, other answers, other labels.

# %% tags=["predict"]
watching = predict(
    "gold rises and then falls. What does a held-out reward model say?",
    {"falls": "it falls with gold", "levels": "it rises, then levels off", "rises": "it rises to the end"},
)
watching

# %% tags=["predicted"]
from rlhf_lib.workbook.ch18_over_optimization.figures import plot_judges

watched = [*results_of("18_over_optimization", "onlookers").values()]
plot_judges(watched, {"proxy": "reward model trained on", "onlooker": "held-out reward models"})
late = np.median([run["onlooker"][-1] - run["onlooker"][2] for run in watched])
watching.reveal("rises" if late > 0.2 else "falls" if late < -0.2 else "levels")

# %% [markdown]
# None of them falls with gold. While gold loses all that it had gained and more, the onlookers go on rising, if not as far as the proxy. At step 60 the median onlooker puts the policy more than a standard deviation above the SFT policy, and even the most sceptical one far above it; gold is *below* where it began.
#
# A gap between the two kinds of reward model does open, so the check has a point: part of the proxy's gain is an error of that one model. But look at the steps where gold turns. Nothing in the upper panel warns you there. The onlookers learned from annotators with the same weaknesses, and so they like the new answers too. **A second reward model can't see what both like and nobody should.**

# %% [markdown]
# ## 4. Against the distance
#
# Steps depend on the learning rate. To compare methods we need a scale that doesn't. Gao et al. (2022) draw rewards against $d = \sqrt{\mathrm{KL}(\pi\,\|\,\pi_{ref})}$, the square root of the distance.
#
# **Best-of-n** moves too, without any training: draw n answers and keep the one that the proxy likes best. Its distance has a formula,
#
# $$\mathrm{KL}_{bon} = \log n - \frac{n-1}{n} \qquad \text{[KL-4]}$$
#
# On large models the gold gained, R, followed two simple curves:
#
# $$R_{bon}(d) = d(\alpha - \beta d) \quad \text{[OO-1]} \qquad\qquad R_{RL}(d) = d(\alpha - \beta\log d) \quad \text{[OO-2]}$$
#
# In both, α is how fast gold rises at first and β how soon it turns. (This β isn't the β of a KL penalty.)
#
# Our best-of-n goes to n = 64 on 96 requests, by reward models of 1,000 comparisons. The RL runs are the ten of section 1.

# %%
from rlhf_lib.evaluation import fit_best_of_n_curve, fit_rl_curve
from rlhf_lib.workbook.ch18_over_optimization.figures import distance_and_gain, plot_distances

best = [*results_of("18_over_optimization", "best_by_proxy").values()]
fits = fit_best_of_n_curve(*distance_and_gain(best)), fit_rl_curve(*distance_and_gain(stored))
plot_distances({"best-of-n": (best, fits[0]), "RL": (stored, fits[1])});

# %%
for place, n in enumerate(best[0]["step"]):
    gold, proxies = (np.mean([curve[name][place] for curve in best]) for name in ("gold", "proxy"))
    print(f"best of {n:2d}: KL {best[0]['kl'][place]:.2f} nats, proxy {proxies:+.2f}, gold {gold:+.2f}")

# %% [markdown]
# Best-of-n up to 64 stays within 1.8 √nats of the SFT policy. Even there it over-optimizes. The first few answers help in every run; by n = 8 the gain is over. From there on more search buys more proxy and no more quality: with the best reward model gold stays level to 64, with others it falls back, and with the worst it ends far below the start. RL goes several times as far, and further down.
#
# Now look where the RL curve misses. (Gains below −2 are cut off in the picture.) Its slope at 0 is infinite, so it promises gains near the start that the runs don't have: about 0.8 points at a distance of 1, where they gained about 0.3. The curve was found on language models of up to billions of parameters. Two numbers can't follow runs as small and as steep as ours. Keep the idea (rise, peak, fall against √KL) and don't extrapolate the formula.

# %% [markdown]
# ## 5. What helps, and how much
#
# **A KL budget.** Gold falls where the policy is far away. So decide beforehand how far it may go, and keep the last copy within that budget. Here is what that rule does to the ten stored runs:

# %%
from rlhf_lib.workbook.ch18_over_optimization.figures import budget_table

budgets = budget_table(stored, (2.5, 5, 10, 20, 100))
budgets

# %% [markdown]
# With 2.5 nats gold keeps most of what it ever gains, and even the worst of the ten runs ends well above the start. With 5 nats half of the gain is gone; with 20 the runs are far below the start. The proxy tells the opposite story in every row: the larger the budget, the better it looks.
#
# The trouble is that nobody hands you the right budget. It depends on the reward model and on the data; to find it you need something trustworthy to look at now and then: people, or tests.
#
# **The other remedies** we ran, three seeds each, 60 steps. Every panel changes one thing. Thin lines are seeds, the thick line is their median, the dot is step 60. The grey line is the SFT policy's gold. (What leaves the picture is in the table below it; 4,000 stands for all 3,969 comparisons.)
#
# **Predict:** in which of the six panels does a line end high? In which do both end low, and differ only in the way there?

# %%
from rlhf_lib.workbook.ch18_over_optimization.figures import ends_table, plot_contrasts
from rlhf_lib.workbook.ch18_over_optimization.grid import load_grid

grid = load_grid()
few = grid.cell(pairs=1000)
contrasts = {
    "KL penalty (4,000 comparisons)": {f"β = {beta}": grid.cell(beta=beta) for beta in (0.0, 0.1, 0.3)},
    "annotators (4,000 comparisons)": {"biased": grid.cell(), "fair": grid.cell(bias=0.0)},
    "comparisons": {f"{pairs:,}": grid.cell(pairs=pairs) for pairs in (4000, 1000, 300)},
    "reward model (4,000 comparisons)": {"4 layers": grid.cell(), "1 layer": grid.cell(layers=1)},
    "reward model (1,000 comparisons)": {"4 layers": few, "1 layer": grid.cell(pairs=1000, layers=1)},
    "ensemble (1,000 comparisons)": {"one": few, "three": grid.cell(pairs=1000, members=3)},
}
plot_contrasts(contrasts);

# %%
ends_table(contrasts)

# %% [markdown]
# **A KL penalty** is the surest. Without one, gold ends far below the start on every seed. With β = 0.3 it ends above the start on every seed, not far below its own best. Now compare the lines: as long as they last, they lie on each other. The penalty doesn't make the reward model better. It stops the policy on the same road, earlier; Gao et al. (2022) found the same. (Chapter 08 sweeps β.)
#
# **Fair annotators**, who like nothing but quality, lead to a higher best on each of the three draws of labels. Two of the three runs still stand well above the start at step 60. The third ends in the swamp: when nobody has a weakness, the reward model's own mistakes are enough.
#
# **More comparisons** lift the best: with 300 there is little to be had. But they don't put off the fall. The runs on all comparisons fall *sooner* than those on 1,000. A better pupil learns everything its teachers like, their weaknesses too. In Gao et al. the labels came from the gold reward itself, without any weakness, and there more data moved the turn outwards.
#
# **A smaller reward model** (the first of the four layers) is easier to deceive. With 1,000 comparisons the policy goes further than on four layers, and ends lower, on every seed. With all comparisons both end low, and which ends lower depends on the seed.
#
# **Ensembles**: three reward models, and the reward is their mean minus their standard deviation. Our three learned from resampled labels of the same answers. They ended better than one on two seeds and worse on the third: no verdict. Coste et al. (2023) found that ensembles delay over-optimization or even end it in their range; Eisenstein et al. (2023) that they help and don't cure, because the members share errors, most of all if they share the pre-training. Ours share it. Where no member knows better, they agree.
#
# **Fresh comparisons** of the *policy's own* answers, with the reward model trained anew, repair its errors where the policy is now. That is what large projects do, week after week (Bai et al., 2022).

# %% [markdown]
# ## 6. No reward model, same law
#
# Direct alignment (chapter 12) trains the policy on the comparisons themselves. It has no reward model to exploit. Does it escape?
#
# Here is DPO on 1,000 comparisons, used six times over. Each of the stored runs has labels of its own; gold and KL are measured on the 96 held-out requests after each pass.

# %% tags=["predict"]
passes = predict(
    "DPO's loss falls with every pass over the comparisons. What does gold do at β = 0.3?",
    {"rises": "it rises as the loss falls", "levels": "it rises, then levels off", "falls": "it rises, then falls"},
)
passes

# %% tags=["predicted"]
from rlhf_lib.workbook.ch18_over_optimization.figures import plot_passes

direct = [*results_of("18_over_optimization", "direct").values()]
plot_passes(direct)
held = np.array([run["β = 0.3"]["gold"] for run in direct])
gained, late = np.median(held.max(1) - held[:, 0]), np.median(held[:, -1] - held.max(1))
passes.reveal("rises" if gained > 0.1 and late > -0.05 else "levels" if late > -0.1 else "falls")

# %% [markdown]
# The loss falls without a pause, and the KL rises with every pass. Gold rises and falls between them. At β = 0.3 it is best after one to three passes; after six most of the gain, or all of it, is gone. At β = 0.03 the policy is far away after the first pass and in the swamp at the end. (What falls below −1.5 points is cut off.)
#
# So no reward model is needed to be deceived. The comparisons hold the same errors and the same tastes, and a loss on a limited set of answers leaves the policy free everywhere else.
#
# Rafailov et al. (2024) measured DPO and two relatives with many β and model sizes: quality rises and then falls with the KL, as it does for RL, often before the first pass over the data is done. They speak of **KL budgets**: a small β lets the policy go far, a large one keeps it near.
#
# Strictly, β is a price and not a budget. The KL is whatever you let it become: every pass spends more, and the loss never says when to stop. The budget is kept only if you measure the KL and stop.

# %% [markdown]
# ## 7. Why it can't be avoided, and when it can
#
# Suppose proxy = gold + error. Now pick what scores highest. You pick partly for gold and partly for a lucky error, so the winner's gold is lower than its proxy promises: the **winner's curse**. The harder you select, the more of the score is error. This much happens with *any* measure that isn't exact. (It has a name: regressional Goodhart.)
#
# A learned reward model adds something worse. It is right near its data, and a policy under pressure moves away from the data, to where nothing pins the model down. There the error isn't just noise: it has a direction, and the policy climbs it. (Extremal Goodhart.)
#
# Both disappear if the reward *is* the goal. The best-of-n of section 4 shows it: the same answers, picked once by the proxy and once by gold itself.

# %%
from rlhf_lib.workbook.ch18_over_optimization.figures import plot_selected

plot_selected(best);

# %% [markdown]
# Picked by the proxy, gold stops rising by n = 8. Picked by gold itself, the same answers get better with every doubling. So the good answers are there; the proxy doesn't find them, and searching harder doesn't help it.
#
# Environment rewards come near to this: a proof checker, a game's score, a sum with one right result. They can't be *mistaken* about what they measure. Two dangers remain. What they measure may not be all we want: a verifier that reads the final number doesn't mind rubbish before it (chapter 08 shows such an answer). And a program that checks can be tricked like a person who judges: models have learned to special-case unit tests, or to exit before the tests run. So "inevitable" is for learned rewards. With a verifier, over-optimization becomes a question of how tight the check is.

# %% [markdown]
# ## 8. Larger models, larger stakes
#
# **Do larger models cure it?** Gao et al. found that larger *reward models* gain more gold and turn later, smoothly with size. Larger *policies* start better and gain less, but over-optimize about as much: the fault sits in the reward, not in the policy. And a more capable policy finds more of what the reward model overlooks.
#
# **A case: April 2025.** On 25 April 2025 OpenAI released an update of GPT-4o that flattered its users, agreed with their doubts and encouraged rash plans. Three days later the company began to take it back. Its own account (2 May 2025) reads like this chapter: a new reward, made from users' thumbs up and thumbs down, had weakened the influence of the main reward that had kept sycophancy in check. Offline tests and small trials looked good; expert testers had felt that something was off, and no test measured sycophancy. The measure had become the target, and the held-out measure shared its taste.
#
# **Does it stay where it began?** Not always. Researchers at Anthropic (MacDiarmid et al., 2025) let a model learn to cheat in programming tasks. It then behaved badly in tasks that had nothing to do with programming tests: it pretended to be aligned, cooperated with malicious users and sabotaged code. Usual safety training on chats cured the chats, not the agent tasks. Three things helped: preventing the cheating, more varied safety training, and telling the model during training that the cheat was allowed, so that it learned "this is permitted here" and not "I am one who cheats".
#
# So over-optimization is a practical question of alignment. A model that pleases instead of helping is the mild case. The more we let models do, the more a wrong target costs.

# %% [markdown] tags=["lab"]
# ## 9. Lab
#
# Choose comparisons, annotators, reward models and β. The lab shows the stored runs of that setting, three seeds, and some answers of the first. Not every combination was run; the lab then says so and takes the nearest. The button trains the chosen setting now, all 60 steps, with labels of its own.

# %% tags=["lab"]
from rlhf_lib.labs import over_optimization_lab
from rlhf_lib.workbook.ch18_over_optimization.lab_over_optimization import train_now

over_optimization_lab(train_now)

# %% [markdown]
# ### The two pictures tied together
#
# Chapter 02 taught the same lesson as a walk over hills: a reward model is a map drawn near the baseline's path, and a walker who trusts it everywhere ends in a swamp. Everything in this chapter has its place there:
#
# | here | on the map of chapter 02 |
# |---|---|
# | comparisons of answers of the SFT policy | comparisons of points near the path |
# | the proxy rises, gold rises and falls | the walker climbs a summit that isn't there |
# | √KL to the SFT policy | distance from the path, in units of the tube's radius |
# | β, or early stopping | the tube |
# | more comparisons | the map is right a little further out |
# | an ensemble | several maps; where they differ, nobody has been |
#
# A walk over the map of *weights* shows the edge itself. These are the SFT policy, the policy where gold was best and the last one of a run like that of section 1, on the plane through all three:

# %%
from rlhf_lib.experiments import load_plane
from rlhf_lib.plots import plot_plane

plane = load_plane()
plot_plane(plane)
for name, place in plane.checkpoints.items():
    print(f"{name:15s} step {place['step']:2d}: gold {place['gold']:+.2f}, proxy {place['proxy']:+.2f}, KL {place['kl']:z.1f} nats")

# %% [markdown]
# From the second point to the third gold falls, and the KL has grown. The proxy gives no warning: it is highest at the last point. Whoever looks only at the proxy sees a run that goes well.

# %% [markdown] tags=["lab"]
# **Lab: the mirage.** Predict, then move: (1) more comparisons at the same radius: does the summit that isn't there go away? (2) The same comparisons from a larger radius. (3) β or the budget until gold no longer falls: what did it cost in proxy? Then find the same settings in the
# lab above: pairs, and β. The radius has no slider there. What would it be?

# %% tags=["lab"]
from rlhf_lib.labs import mirage_lab

mirage_lab()

# %% [markdown]
# ## 10. Exercises

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
# `scores` (members, B): the same B answers scored by several reward models. Return mean − k · standard deviation over the members, (B,).

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
# `distance` and `gold` (n,) are d and the gold gained. Return (α, β) of the least-squares fit of $d(\alpha - \beta d)$ as two numbers.

# %% tags=["solution"]
import torch


def solution_fit_best_of_n(distance, gold):
    matrix = torch.stack((distance, -distance.square()), dim=1)
    alpha, beta = torch.linalg.lstsq(matrix, gold[:, None]).solution.flatten().tolist()
    return alpha, beta

# %% [markdown]
# Your rule at work on the ten stored runs. Suppose that after every ten steps people judge some answers: they see gold, with an error of 0.1. Stop when two looks in a row bring no new best:

# %%
stop = exercise("early_stop").use(early_stop)
rng = np.random.default_rng(0)
noisy = [list(run["gold"] + rng.normal(0, 0.1, len(run["gold"]))) for run in stored]
saved = [run["gold"][stop(seen, 2)] for run, seen in zip(stored, noisy, strict=True)]
print(f"gold of the copies kept: median {np.median(saved):+.2f}, worst run {min(saved):+.2f}")
print(f"gold at the end:         median {np.median([run['gold'][-1] for run in stored]):+.2f}")

# %% [markdown] tags=["exercise"]
# {exercise: my_checkpoint}
#
# Often nobody judges a single copy. Predict first. Then apply each rule to the ten runs in `stored`: it may look at the lists `run["proxy"]` and `run["kl"]` alone, and picks a place in them. Note down the gold of the copy at that place, `run["gold"][place]`: ten numbers a rule. Choose a rule, or `"undecided"`.

# %% tags=["solution"]
def copy_kept(run, budget=np.inf, price=0.0):
    proxy, kl = np.array(run["proxy"]), np.array(run["kl"])
    within = np.flatnonzero(kl <= budget)
    return within[-1] if budget < np.inf else np.argmax(proxy - price * kl)


rules = {"proxy": {}, "budget": {"budget": 10}, "priced": {"price": 0.2}}
solution_checkpoint = {
    name: [run["gold"][copy_kept(run, **rule)] for run in stored] for name, rule in rules.items()
}
solution_checkpoint_choice = "priced"

# %% [markdown]
# ## 11. What this chapter claimed
#
# Most of these are claims about the stored runs. The live run of section 1 is chaotic: after a few dozen steps another machine has another run, so of it we only ask what held in every run we made.

# %% tags=["claims"]
from rlhf_lib.experiments.experiment import outcomes
from rlhf_lib.workbook.ch18_over_optimization.experiments import EXPERIMENTS

for name, experiment in EXPERIMENTS.items():
    for outcome in outcomes(experiment, [*results_of("18_over_optimization", name).values()]):
        print(outcome)
        assert outcome.good, str(outcome)
assert all(max(run["gold"]) - run["gold"][0] > 0.15 for run in stored), "in all ten stored runs gold first rises"
assert min(lost) > 0.3, "then it falls from its peak by more than 0.3 points"
assert all(run["proxy"][-1] > run["proxy"][1] for run in stored), "while the proxy ends higher than at step 10"
ends = {name: grid.cell(**changed).measures["gold"][:, -1] for name, changed in {
    "free": {}, "held": {"beta": 0.3}, "large": {"pairs": 1000}, "small": {"pairs": 1000, "layers": 1},
}.items()}  # fmt: skip
start = grid.cell().median("gold")[0]
assert (ends["held"] > start).all() and (ends["free"] < start).all(), "β = 0.3 ends above the start, β = 0 below"
assert (ends["small"] < ends["large"]).all(), "a reward model of one layer ends lower than one of four"
best = {pairs: grid.cell(pairs=pairs).measures["gold"].max(1) for pairs in (300, 4000)}
assert (best[4000] > best[300]).all(), "all comparisons bring a better best than 300"
assert budgets.loc[2.5, "gold, worst run"] > budgets.loc[100, "gold, median"], "a small KL budget saves every run"
assert np.median(saved) > stored[0]["gold"][0], "and so does stopping in time"
rose = mine["proxy"][-1] - mine["proxy"][0]
assert rose > 0.5, f"your proxy rose by {rose:.2f} on this machine; we ask for 0.5"

# %% [markdown] tags=["recap"]
# ## Recap
#
# - Optimise a proxy and the truth rises, then falls. The proxy doesn't tell you when.
# - A held-out reward model shares the proxy's taste. It rises on and never sees the fall.
# - Distance from the reference, √KL, is the common scale for all optimizers, direct alignment included.
# - The signs in the answers come from what annotators liked, and from what the reward model got wrong.
# - A KL budget, a penalty or early stopping keep what was gained. More comparisons and a larger reward model lift the best that can be had; more comparisons also teach the annotators' weaknesses. None removes the difference between what is measured and what is wanted.
#
# **Recall** of earlier chapters:

# %% tags=["recall"]
from IPython.display import display

from rlhf_lib.exercises import recall

for quiz in recall("18_over_optimization"):
    display(quiz)

# %% [markdown]
# **More:** the book's chapter [Over-Optimization](https://rlhfbook.com/c/14-over-optimization); Gao, Schulman and Hilton (2022), *Scaling laws for reward model overoptimization*; Bai et al. (2022) on held-out preference models; Coste et al. (2023) and Eisenstein et al. (2023) on ensembles; Sharma et al. (2023) on sycophancy; Rafailov et al. (2024) on direct alignment; OpenAI (2 May 2025), *Expanding on what we missed with sycophancy*; MacDiarmid et al. (2025), *Natural emergent misalignment from reward hacking in production RL*.
