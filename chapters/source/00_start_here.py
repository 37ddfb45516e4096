# %% [markdown]
# # Start here
#
# In this chapter you check your set-up and then run the whole of RLHF once: preferences, reward model, policy. It takes about a
# minute on a laptop, without a network.
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
# A line that begins with `✗` says what to do. The chapters need nothing but what is in this folder: models and data are in `data/`.

# %% [markdown]
# ## 2. The world, and who lives in it
#
# The book's examples need large models and human annotators. We use a world small enough to know completely. In **PocketWorld**
# users ask about animals, want stories and sums, float wrong opinions, and sometimes ask for something harmful. Because
# every fact is known, every answer has a **gold utility**: a number that says how good it truly is.

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
# The terms add up to the total: being right is worth 1, being wrong −1; repetition, flattery and other faults cost less.
#
# In real RLHF nobody has this number. We will use it only to *look on* while the algorithms work with what they would have in practice:
# comparisons made by annotators.

# %% [markdown]
# ## 3. Two models to begin with
#
# `pocket-base` has read documents. `pocket-sft` has also seen 16,000 requests with answers, about half of which have some fault.
# Both have a million parameters and the architecture of Llama.
#
# **Predict:** a base model is asked a question. What will it write?

# %%
from rlhf_lib.plots import answers_table

base, sft = load_policy("pocket-base"), load_policy("pocket-sft")
kinds = ("fact", "open", "sum", "opinion", "unsafe", "story")
asked = world.prompts(6, kinds=kinds, seed=16, split="test")
answers = {p.name: p.sample(asked, max_new_tokens=40, seed=2).texts for p in (base, sft)}
answers_table(asked, answers, gold=world.gold)

# %% [markdown]
# The base model goes on with a document in which such a sentence might stand. The fine-tuned model answers, but not always well:
# it repeats itself, wanders off, and helps where it should not. The chips show the gold utility.

# %% [markdown]
# ## 4. RLHF in one minute
#
# ### Step 1: preferences
#
# For each of 300 requests the model gives two answers, and a simulated annotator says which is better. Annotators are noisy, and they have a
# weakness for long, flattering and confident answers.

# %%
from rlhf_lib.world import label_pairs

requests = world.prompts(300, seed=1)
texts = sft.sample(requests, samples_per_prompt=2, max_new_tokens=40, seed=1).texts
annotator = world.annotator()
pairs = label_pairs(requests, texts[0::2], texts[1::2], annotator)
print(len(pairs), "comparisons, about $", round(sum(pair.cost for pair in pairs)))
print("chosen:  ", pairs[4].chosen, "\nrejected:", pairs[4].rejected)

# %% [markdown]
# ### Step 2: a reward model
#
# A copy of the language model with one number as its output, trained so that the chosen answer gets the higher number.

# %%
from rlhf_lib.rewards import GoldReward, RewardModel
from rlhf_lib.training import RewardModelSettings, train_reward_model

reward_model = RewardModel.from_policy(sft)
train_reward_model(reward_model, pairs, RewardModelSettings(epochs=2))

# %% [markdown]
# ### Step 3: a policy that is trained on it
#
# The policy answers, the reward model scores, and answers that score above their siblings become more likely. `GoldReward` only watches.

# %% tags=["training"]
from rlhf_lib.training import preset, train_online

policy = sft.copy()
settings = preset("rloo", steps=60, prompts_per_step=12, learning_rate=3e-4)
asked_in_training, gold = world.prompts(1000, seed=5), GoldReward(world)
history = train_online(policy, asked_in_training, reward_model, settings, gold)

# %% [markdown]
# **Predict, before you run the next cell:** the proxy is what we optimise. What will it do? And the gold utility?

# %%
from rlhf_lib.plots import plot_rise_and_fall

plot_rise_and_fall(history.series("proxy"), history.series("gold"));

# %% [markdown]
# The proxy goes up, as it must: it is what we train on. The gold utility does not follow for long. The reward model has seen not even 300
# comparisons by biased people; soon the policy finds answers that please *it* and nobody else. This is **over-optimization**, and
# chapter 18 takes it apart.

# %%
policy.name = "after RLHF"
answers[policy.name] = policy.sample(asked, max_new_tokens=40, seed=2).texts
answers_table(asked, answers, gold=world.gold)

# %% [markdown]
# With a KL penalty the policy has to stay near the model it came from. One setting is different:

# %%
careful = sft.copy()
settings = preset("rloo", steps=60, prompts_per_step=12, learning_rate=3e-4, kl_coefficient=0.1)
with_kl = train_online(careful, asked_in_training, reward_model, settings, gold)

# %%
from rlhf_lib.plots import plot_proxy_and_gold

plot_proxy_and_gold({"no KL penalty": history, "KL penalty 0.1": with_kl});

# %% [markdown]
# The distance on the horizontal axis is the square root of the KL divergence: how far the answers have drifted. The penalty stops the run before the
# reward model's blind spots take over.

# %% [markdown]
# ## 5. The map
#
# | chapter | what happens there |
# |---|---|
# | [The reward landscape](02_reward_landscape.ipynb) | reinforcement learning as a walk over hills, in three dimensions, and what a KL constraint is there |
# | [Definitions](03_definitions.ipynb) | how a language model computes, and what the words of reinforcement learning mean, exactly |
# | [Reward modeling](07_reward_modeling.ipynb) | step 2 in depth: losses, calibration, what the model really looks at |
# | [Rejection sampling](10_rejection_sampling.ipynb) | draw many answers, keep the best, fine-tune on them |
# | [Policy gradients](11_policy_gradients.ipynb) | step 3 in depth: from REINFORCE to PPO, GRPO and their relatives |
# | [Regularization](08_regularization.ipynb) | KL divergence: what it is, how it is estimated, what it holds |
# | [Direct alignment](12_direct_alignment.ipynb) | DPO and its family: a policy from comparisons, with no reward model |
# | [Over-optimization](18_over_optimization.ipynb) | why the two curves part, and what helps |
#
# Each chapter trains for real, has at least one lab with sliders, exercises with checks, and a last cell that asserts what the chapter claimed.
#
# **Formulas have tags** such as [RM-1]. The function that computes it carries the same tag in its docstring, and so does the test that proves it. [One page](equations.ipynb) lists
# them all, with links to chapter, function and test.
#
# **A real model** takes one line: `load_policy("smollm2")` after `make smollm2` (a 135M chat model, 98 MB), a local folder, or a Hub
# id. Everything after that line stays as it is, only slower.

# %% [markdown]
# ## 6. Exercises
#
# Write the function, run the cell, run the check. The check names the mistake if it knows it. Hints open one at a time, from a nudge to nearly all. The solution
# is folded away under them, under a name of its own: it never touches your function.

# %% [markdown] tags=["exercise"]
# {exercise: win_rate}
#
# `scores_a` and `scores_b` (n,) are scores of two models on the same requests. Return how often a beats b, as a number; a tie counts half.

# %% tags=["solution"]
def solution_win_rate(scores_a, scores_b):
    wins, ties = scores_a > scores_b, scores_a == scores_b
    return (wins.float() + 0.5 * ties.float()).mean().item()

# %% [markdown] tags=["exercise"]
# {exercise: completion_mask}
#
# `completion_ids` (B, T) are sampled tokens; after a row's first `end_token` comes padding. Return a float mask (B, T): 1 on the
# completion's tokens, **its end token included**, 0 on what follows.

# %% tags=["solution"]
def solution_completion_mask(completion_ids, end_token):
    is_end = (completion_ids == end_token).long()
    ended_before = is_end.cumsum(1) - is_end
    return (ended_before == 0).double()

# %% [markdown] tags=["exercise"]
# {exercise: sequence_kl}
#
# `logp` and `ref_logp` (B, T) are log-probabilities of the sampled tokens under the policy and under the reference, `mask` (B, T) as above.
# Return an estimate of the KL divergence of each whole completion, shape (B,).

# %% tags=["solution"]
def solution_sequence_kl(logp, ref_logp, mask):
    return ((logp - ref_logp) * mask).sum(1)

# %% [markdown]
# Your function on real answers: how far from `pocket-sft` are the two policies that we trained?

# %%
import torch

kl_of = exercise("sequence_kl").use(sequence_kl)
for name, trained in (("no KL penalty", policy), ("KL penalty 0.1", careful)):
    rollout = trained.sample(world.prompts(64, seed=9), max_new_tokens=40, seed=0)
    with torch.no_grad():
        drift = kl_of(rollout.logp, sft.logprobs(rollout), rollout.completion_mask)
    print(f"{name:15s} {drift.mean():6.1f} nats per answer")

# %% [markdown]
# ## 7. What this chapter claimed

# %% tags=["claims"]
from rlhf_lib.evaluation import smooth

proxy, truth = smooth(history.series("proxy")), smooth(history.series("gold"))
assert proxy[-1] > proxy[0] + 0.5, "the proxy rises"
assert truth.max() - truth[-1] > 0.2, "the gold utility falls from its peak"
kl_free, kl_held = smooth(history.series("kl")), smooth(with_kl.series("kl"))
assert kl_held[-1] < kl_free[-1], "the penalty keeps the policy near"
assert smooth(with_kl.series("gold"))[-1] > truth[-1], "and the gold utility higher"
print("all claims hold")

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
