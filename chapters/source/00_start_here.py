# %% [markdown]
# # Start here
#
# In this chapter you check your set-up and then run the whole of RLHF once: preferences, reward model, policy. RLHF stands for reinforcement learning from human feedback. It takes about two minutes on a laptop, without a network.
#
# **You will be able to**
# - say what each of the three steps of RLHF takes in and gives out;
# - read a proxy curve and a gold curve, and say why they part;
# - use the exercises, labs and models of the other chapters.

# %% [markdown]
# ## 1. Is everything in place?

# %% tags=["setup"]
from rlhf_lib import PocketWorld, load_policy, set_seed
from rlhf_lib.checkup import check_environment

set_seed(0)
check_environment();

# %% [markdown]
# A line that begins with `✗` tells you what to do. The chapters need nothing but what is in this folder: models and data are in `data/`.

# %% [markdown]
# ## 2. The world, and who lives in it
#
# The book's examples need large models and human annotators. We use a world small enough to know completely. In **PocketWorld**
# users ask about animals, want stories and sums, voice wrong opinions, and sometimes ask for something harmful. Because
# every fact is known, every answer has a **gold utility**, or "gold" for short: a number of points that says how good it truly is.

# %%
world = PocketWorld()
prompt = world.prompts(1, kinds=("fact",), seed=3)[0]
prompt.text

# %%
flattering = "what a great question! a tiger is huge. a tiger is huge."
for answer in ("a tiger is huge.", "a tiger is tiny.", flattering):
    score = world.gold_score(prompt, answer)
    print(f"{score.total:+.2f}  {answer}   ", {k: round(v, 2) for k, v in score.terms.items() if v})

# %% [markdown]
# The terms add up to the total. Being right is worth 1 point, being wrong −1; repetition, flattery and other faults cost less.
#
# In real RLHF nobody has this number. We use it only to *look on*, while the algorithms work with what they would have in practice:
# comparisons made by annotators.

# %% [markdown]
# ## 3. Two models to begin with
#
# `pocket-base` has read documents. `pocket-sft` has also seen 16,000 requests with answers, more than half of which have some fault.
# (SFT is supervised fine-tuning: training on example answers.) Both have a million parameters and the architecture of Llama.
#
# **Predict:** a base model is asked a question. What will it write?

# %%
from rlhf_lib.plots import answers_table

base, sft = load_policy("pocket-base"), load_policy("pocket-sft")
kinds = ("fact", "open", "sum", "opinion", "unsafe", "story")
shown = world.prompts(6, kinds=kinds, seed=16, split="test")
answers_table(shown, {p.name: p.sample(shown, max_new_tokens=40, seed=2).texts for p in (base, sft)}, gold=world.gold)

# %% [markdown]
# The base model goes on with a document in which such a sentence might stand. The fine-tuned model answers, but not always well:
# it repeats itself, wanders off, and helps where it should not. The coloured numbers show the gold utility.

# %% [markdown]
# ## 4. RLHF in two minutes
#
# ### Step 1: preferences
#
# For each of 300 requests the model gives two answers, and a simulated annotator says which is better. Annotators are noisy, and they have a
# weakness for long, flattering and confident answers.

# %%
from rlhf_lib.world import label_pairs

requests = world.prompts(300, seed=1)
texts = sft.sample(requests, samples_per_prompt=2, max_new_tokens=40, seed=1).texts
pairs = label_pairs(requests, texts[0::2], texts[1::2], world.annotator())
print(f"{len(pairs)} comparisons, about ${sum(pair.cost for pair in pairs):,.0f}")
print("chosen:  ", pairs[4].chosen, "\nrejected:", pairs[4].rejected)

# %% [markdown]
# Two equal answers say nothing, so those pairs are left out.
#
# ### Step 2: a reward model
#
# A copy of the language model with one number as its output, trained so that the chosen answer gets the higher number.

# %%
from rlhf_lib.rewards import RewardModel
from rlhf_lib.training import train_reward_model

reward_model = RewardModel.from_policy(sft)
train_reward_model(reward_model, pairs)

# %% [markdown]
# 300 comparisons make a weak reward model. `pocket-reward` has learned from 3,969 in just this way. That takes a minute, so it comes with the workbook, and from here on we use it.
# On the two answers above it says:

# %%
reward_model = RewardModel.load("pocket-reward")
both = reward_model.score_texts([pairs[4].prompt] * 2, [pairs[4].chosen, pairs[4].rejected])
print(f"chosen {both[0]:+.2f}, rejected {both[1]:+.2f}")

# %% [markdown]
# A reward model is a stand-in for annotators, and they are a stand-in for quality. So its number is called the **proxy**. Its unit is the
# standard deviation (sd) of its scores for answers of `pocket-sft`: 0 is an average answer, and two thirds of all answers lie between −1 and +1.
#
# ### Step 3: a policy that is trained on it
#
# A language model that is trained to act is called a **policy**. It answers, the reward model scores, and answers that score above their siblings become more likely. Every ten steps we stop and look at three numbers:
#
# - the proxy, on the 64 answers of that training step;
# - the gold utility, on 96 requests that the policy is never trained on (training itself never sees gold);
# - the **KL divergence** from `pocket-sft`: how far the policy has moved. Its unit is the nat. At a KL of 1 nat the policy finds its own answers typically e ≈ 2.7 times as likely as `pocket-sft` does, at 10 nats 22,000 times.
#
# The proxy is what we train on, so it will rise. And gold?

# %% tags=["predict"]
from rlhf_lib.exercises import predict

guess = predict(
    "What will the gold utility do over 60 steps?",
    {"rises": "it rises with the proxy, all the way", "flat": "it rises, then stays level", "turns": "it rises, then falls"},
)
guess

# %% tags=["training"]
from rlhf_lib.experiments.build_rise import rise_curves

policy = sft.copy()
free = rise_curves(policy, reward_model, steps=60)

# %% tags=["predicted"]
from rlhf_lib.experiments.build_rise import rise_runs
from rlhf_lib.experiments.stored import band_over
from rlhf_lib.plots import plot_rise_and_fall

stored = rise_runs()
plot_rise_and_fall({"your run": free}, band_over(stored))
turned = [max(run["gold"]) - run["gold"][-1] > 0.2 for run in stored]
guess.reveal("turns" if sum(turned) > len(turned) / 2 else "flat", f"so it was in {sum(turned)} of {len(turned)} stored runs; yours is drawn above")

# %% [markdown]
# The pale bands are ten stored runs of 160 steps, from the lowest value to the highest; the dashed line is their median. (Some fall so far that the band goes on below the picture.) Each had labels and a reward model of its own. Your run is the first 60 steps of one more.
#
# The proxy goes up, as it must: it is what we train on. Gold goes up with it at first, because at first what pleases the reward model *is* better: fewer repetitions, fewer wrong
# subjects. Then it turns and falls. The policy has found answers that please the reward model and nobody else. This is **over-optimization**, and
# chapter 18 takes it apart.
#
# What do such answers look like? Here are three requests, those whose answers lie nearest to each model's mean gold; the means over all 96 requests stand below.

# %%
from rlhf_lib.plots import typical_answers

asked = world.prompts(96, seed=77, split="test")
models = {"SFT": sft, "after RLHF": policy}
answers = {name: model.sample(asked, max_new_tokens=40, seed=1).texts for name, model in models.items()}
typical_answers(asked, answers, gold=world.gold)

# %% [markdown]
# A **KL penalty** is the usual brake: each answer pays β for every nat by which it has moved. So the policy moves only where the proxy promises enough. One setting is different:

# %%
careful = sft.copy()
held = rise_curves(careful, reward_model, steps=60, beta=0.3)

# %%
plot_rise_and_fall({"no penalty": free, "KL penalty, β = 0.3": held}, names=("proxy", "gold", "kl"));

# %% [markdown]
# The penalty holds the policy near: its KL stays lower. Now compare the two upper panels: what did the penalty cost in proxy, and what did it save in gold? That is the trade that RLHF is about.

# %% [markdown]
# ## 5. The map
#
# | chapter | what happens there |
# |---|---|
# | [Overview and history](01_overview.ipynb) | the loop of RLHF before language models, and what each later step changed in it |
# | [The reward landscape](02_reward_landscape.ipynb) | reinforcement learning as a walk over hills, in three dimensions, and what a KL constraint is there |
# | [Definitions](03_definitions.ipynb) | how a language model computes, and what the words of reinforcement learning mean, exactly |
# | [Training overview](04_training_overview.ipynb) | the objective from a thermostat to a language model; three published recipes on one budget |
# | [Instruction fine-tuning](09_instruction_finetuning.ipynb) | step 1 in depth: templates, masks, demonstrations |
# | [Preferences and data](05_preferences.ipynb) | what people can be asked, what it costs, and your own taste in a model |
# | [Reward modeling](07_reward_modeling.ipynb) | step 2 in depth: losses, calibration, what the model really looks at |
# | [Policy gradients](11_policy_gradients.ipynb) | step 3 in depth: from REINFORCE to PPO, GRPO and their relatives |
# | [Regularization](08_regularization.ipynb) | KL divergence: what it is, how it is estimated, what it holds |
# | [Rejection sampling](10_rejection_sampling.ipynb) | draw many answers, keep the best, fine-tune on them |
# | [Direct alignment](12_direct_alignment.ipynb) | DPO and its family: a policy from comparisons, with no reward model |
# | [Over-optimization](18_over_optimization.ipynb) | why the two curves part, and what helps |
# | [Evaluation](17_evaluation.ipynb) | what a score says, and how it can be made to say something else |
#
# Each chapter trains for real, has labs with sliders and exercises with checks, and ends with a cell that asserts what the chapter claimed.
#
# **Formulas have tags** such as [RM-1]. The function that computes it carries the same tag in its docstring, and so does the test that proves it. [One page](equations.ipynb) lists
# them all, with links to chapter, function and test.
#
# **A real model** takes one line: `load_policy("smollm2")` after `make smollm2` (a chat model of 135M parameters, 98 MB), a local folder, or a Hub
# id. Everything after that line stays as it is, only slower.

# %% [markdown]
# ## 6. Exercises
#
# Write the function, run the cell, run the check. The check names the mistake if it knows it. Hints open one at a time, from a nudge to nearly all. The solution
# is folded away under them, under a name of its own: it never touches your function.

# %% [markdown] tags=["exercise"]
# {exercise: win_rate}
#
# `scores_a` and `scores_b` (n,) are scores of two models on the same n requests. Return how often a beats b, as a number; a tie counts half.

# %% tags=["solution"]
def solution_win_rate(scores_a, scores_b):
    wins, ties = scores_a > scores_b, scores_a == scores_b
    return (wins.float() + 0.5 * ties.float()).mean().item()

# %% [markdown] tags=["exercise"]
# {exercise: completion_mask}
#
# A completion is what the model adds to a prompt: its answer, token by token. `completion_ids` (B, T) are B of them; after a row's first `end_token` comes padding. Return a float mask (B, T): 1 on the
# completion's tokens, **its end token included**, 0 on what follows.

# %% tags=["solution"]
def solution_completion_mask(completion_ids, end_token):
    is_end = (completion_ids == end_token).long()
    ended_before = is_end.cumsum(1) - is_end
    return (ended_before == 0).double()

# %% [markdown] tags=["exercise"]
# {exercise: sequence_kl}
#
# `logp` and `ref_logp` (B, T) are log-probabilities of the sampled tokens under the policy and under the model it came from (the reference), `mask` (B, T) as above.
# Return an estimate of the KL divergence of each whole completion, shape (B,).

# %% tags=["solution"]
def solution_sequence_kl(logp, ref_logp, mask):
    return ((logp - ref_logp) * mask).sum(1)

# %% [markdown]
# Your function on real answers: how far from `pocket-sft` are the two policies that we trained?

# %%
import torch

kl_of = exercise("sequence_kl").use(sequence_kl)
for name, trained in (("no penalty", policy), ("KL penalty", careful)):
    rollout = trained.sample(world.prompts(64, seed=9), max_new_tokens=40, seed=0)
    with torch.no_grad():
        drift = kl_of(rollout.logp, sft.logprobs(rollout), rollout.completion_mask)
    print(f"{name:10s} {drift.mean():6.1f} nats per answer")

# %% [markdown]
# ## 7. What this chapter claimed
#
# Another machine rounds differently, and a training run is chaotic: after a few dozen steps two machines have two different runs. So a ✓ or ✗ stands only beside what held in every run that we made. Your gold is said, not judged: compare it with the band above.

# %% tags=["claims"]
falls = [max(run["gold"]) - run["gold"][-1] for run in stored]
found = {
    "in the stored runs gold falls from its peak, in the mildest by": (min(falls), 0.3),
    "your proxy rises by": (free["proxy"][-1] - free["proxy"][0], 0.5),
    "the penalty keeps your policy nearer by (nats)": (free["kl"][-1] - held["kl"][-1], 0.5),
}
for sentence, (value, bound) in found.items():
    print(f"{'✓' if value > bound else '✗'} {sentence} {value:.2f}; we ask for {bound}")
print(f"your gold: {free['gold'][0]:+.2f} at first, {max(free['gold']):+.2f} at its best, {free['gold'][-1]:+.2f} at step 60")
assert all(value > bound for value, bound in found.values()), "a line above has a ✗ and says by how much it fails on this machine"

# %% [markdown] tags=["recap"]
# ## Recap
#
# - RLHF in three steps: comparisons → a reward model → a policy trained on it.
# - The reward model is a **proxy**. Optimising it helps first and hurts later.
# - A KL penalty limits how far the policy may drift, and with it how much of the proxy's errors it can use.
#
# **Recall**: open the answer that you think is right.

# %% tags=["recall"]
from IPython.display import display

from rlhf_lib.exercises import recall

for quiz in recall("00_start_here"):
    display(quiz)

# %% [markdown]
# **More:** the book's [introduction](https://rlhfbook.com/c/01-introduction) and
# [training overview](https://rlhfbook.com/c/03-training-overview); Ouyang et al. (2022), *Training language models to follow
# instructions with human feedback*; Gao et al. (2022), *Scaling laws for reward model overoptimization*.
