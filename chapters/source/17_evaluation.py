# %% [markdown]
# # Evaluation
#
# Somebody tells you that a model scores 0.62. You know nothing yet. How was it asked? What counted as right? How many questions were there, and had it seen them before? Who voted, and what do those people like? In this chapter you measure one small model in many ways and see the number go from 0 to 1. Then you learn which numbers to
# trust, and how far.
#
# **You will be able to**
# - name what stands behind a score: prompt, template, decoding, extraction, metric, items;
# - put an honest interval on a score and on a difference of two;
# - turn votes into ratings, hold style constant, and say when that does harm;
# - look for test questions in training data, and say which leaks you cannot find;
# - read a public report with the right doubts.

# %% [markdown]
# ## 1. First the result: one model, nine scores
#
# The model is pocket-sft. The exam is everything there is to know in PocketWorld: 36 animals, five questions about each, 180 in all. Here is what it answers.

# %% tags=["setup"]
import json

import numpy as np

from rlhf_lib import PocketWorld, data_path, load_policy, set_seed
from rlhf_lib.exercises import predict
from rlhf_lib.experiments.stored import band, results_of
from rlhf_lib.plots import CYCLE, figure
from rlhf_lib.workbook.ch17_evaluation.experiments import kept_settings
from rlhf_lib.workbook.ch17_evaluation.questions import SCORERS, all_items, nine_scores, setting

set_seed(0)
world, sft = PocketWorld(), load_policy("pocket-sft")
items = all_items(world)
asked = [item.text for item in items]

# %%
answers = sft.sample(asked, max_new_tokens=24, temperature=0.0).texts
for place in (0, 1, 2, 88, 179):
    print(f"{asked[place]:28s} key: {items[place].key:8s} answer: {answers[place]}")

# %% [markdown]
# The answers are *greedy*: at each step the likeliest token, no dice. They are right, and they say it twice, a habit that this model learned in fine-tuning. Now score it. Each of these ways is in use somewhere:
#
# | scorer | an answer is right if |
# |---|---|
# | whole sentence | it is the key's sentence, after cleaning (*exact match*) |
# | bare value | it is the key word alone, after cleaning |
# | first, last word before a full stop | a *regular expression*, a search pattern, finds the key there |
# | value anywhere | the key is one of its words |
# | likeliest value | of all possible values, the key has the highest probability as the next words |
# | likeliest value by length | the same, log-probability divided by the number of letters |
# | likeliest letter | the request ends in a menu "a den. b tree. …" and the key's letter is the likeliest of a to d |
# | likeliest sentence | of all full sentences, the key's has the highest probability |
#
# The last four read no answer at all. They compare *likelihoods*: the probability that the model gives to each choice. That is up to 36 choices a question, so the scores of all 180 questions were computed once and stored. A live check on the first 25 questions:

# %%
kept = kept_settings()
right, bare = ({name: kept[setting(template, 0, "greedy", name)] for name in SCORERS} for template in ("chat", "none"))
live_scores = nine_scores(sft, items[:25])
same = [np.mean(live_scores[name] == right[name][:25]) for name in SCORERS]
print(f"agreement of your scores with the stored ones: {np.mean(same):.2f}")

# %% tags=["predict"]
scores_guess = predict(
    "the model knows these facts. How far apart are the lowest and the highest of its nine scores?",
    {"near": "less than 0.2", "half": "0.2 to 0.6", "all": "more than 0.9: from next to nothing to next to everything"},
)
scores_guess

# %% tags=["predicted"]
from rlhf_lib.workbook.ch17_evaluation.figures import plot_scores

plot_scores(right, "pocket-sft, 180 facts, chat template")
means = [np.mean(hits) for hits in right.values()]
span = max(means) - min(means)
scores_guess.reveal("all" if span > 0.9 else "half" if span > 0.2 else "near", f"they span {span:.2f}")

# %% [markdown]
# The same weights, the same facts. The thin lines are 95% intervals; they cannot help, because nothing here is noise. Each low score has a cause that is not ignorance:
#
# - It says the sentence twice, so *whole sentence* is 0.
# - It never says a bare word, so *bare value* is 0, and *likeliest value* is little better than a guess.
# - It has never seen a menu. One letter in four is right by chance, and it does not do better.
# - Asked for the probability of full sentences, the form it was trained on, it knows everything.
#
# So the first question to any score is not "how good is the model?" but "**is this the form in which it shows what it knows?**" The book tells of evaluations that fall from 60% to almost nothing over formatting. You have just seen why that can happen.

# %% [markdown]
# Do real tools do this too? **lm-evaluation-harness**, the field's standard, ran offline on the same checkpoint and the same 180 questions (section 9 shows how). Its figures are stored beside this chapter. With its chat template, and without any:

# %%
harness = json.loads(data_path("ch17_evaluation", "harness.json").read_text(encoding="utf-8"))
print(f"{'':30s}  chat template    no template")
print(f"{'':30s}  ours  harness    ours  harness")
for name, theirs in harness["chat"]["scores"].items():
    ours, plain = np.mean(right[name]), np.mean(bare[name])
    print(f"{name:30s}  {ours:.3f}  {theirs:.3f}    {plain:.3f}  {harness['none']['scores'][name]:.3f}")

# %% [markdown]
# The same numbers. They agree because we took over two of the harness's habits, and neither is written in a score. Without a template it puts a blank before each choice, with a template it doesn't. And it counts the line break at the end of the template as part of each choice. That adds the same amount to the log-probability of every choice of a question, so the likeliest stays the likeliest. (Divided by length it need not; here the score happens to be the same.)

# %% [markdown]
# ## 2. Exams follow training
#
# What is examined changes with what is trained. The book tells three eras:
#
# | era | trained for | examined by |
# |---|---|---|
# | chat | pleasant, helpful answers | MT-Bench, AlpacaEval, Arena-Hard: a strong model judges answers |
# | many skills | knowledge, sums, code, instructions, safety | MMLU, GSM8K, MATH, HumanEval, IFEval: keys and programs judge |
# | reasoning and tools | long chains of thought, tool use, software | GPQA, AIME, LiveCodeBench, SWE-bench: hard problems, whole environments |
#
# The pocket models have a small history of the same kind. The first row is pocket-sft. The others took one course more: pocket-tool learned to call a calculator, pocket-personas (chapter 09) to be who the system message says. Each column is another exam: 96 held-out requests, greedy. An answer passes with half a gold point or more (gold is PocketWorld's true quality; a plain right answer earns 1). If it calls a calculator, the calculator's result counts.

# %%
exams = {"chat": ("open", "story"), "facts": ("fact",), "word problems": ("steps",), "large products": ("product",)}


def passed(prompt, text):
    """Whether the answer, or the calculator that it calls, gives what was asked."""
    calls = [s.value for s in world.parse(prompt, text) if s.kind == "call"]
    return world.run_tool(calls[0]) == prompt.result if calls else world.gold(prompt, text) >= 0.5


print(f"{'':16s}" + "".join(f"{name:>16s}" for name in exams))
for name in ("pocket-sft", "pocket-tool", "pocket-personas"):
    policy, row = load_policy(name), []
    for kinds in exams.values():
        requests = world.prompts(96, kinds, seed=5, split="test")
        texts = policy.sample(requests, max_new_tokens=40, temperature=0.0).texts
        row.append(np.mean([passed(p, t) for p, t in zip(requests, texts, strict=True)]))
    print(f"{name:16s}" + "".join(f"{share:16.2f}" for share in row))

# %% [markdown]
# Each course shows where it taught. pocket-tool learned to use a calculator for sums and products: it has the last column almost to itself. It also forgot what its course left out: asked for a fact, it now calls the calculator. Which of the three is "the best model"? The table has no answer to that; it depends on which columns you average. An exam tells what its makers were training for.

# %% [markdown]
# ## 3. From examples to thinking aloud
#
# How do you ask a model that only continues texts? In the first years by **few-shot** prompts: three to eight questions with their answers, then the real question. The text shows what sort of text it is. Instruction tuning made **zero-shot** questions possible: no examples, just ask. Then came **chain of thought** (CoT): let the model
# write its steps before the answer (Wei et al., 2022), if need be by adding "let's think step by step" (Kojima et al., 2022).
#
# All three on our models. First the shots: pocket-base, which has never been taught to answer, sampled at temperature 1, on 96 held-out requests. Five stored runs, each with its own examples:

# %% tags=["predict"]
shots_guess = predict(
    "pocket-base gets two solved examples before each question. What happens to its share of right answers?",
    {"both": "it rises for sums and for facts", "sums": "it rises for sums and falls for facts", "none": "it hardly changes"},
)
shots_guess

# %% tags=["predicted"]
prompting = band("prompting")
fig, axes = figure(1, 2, height=2.6, sharey=True)
for axis, (kind, found) in zip(axes, prompting.items(), strict=True):
    axis.fill_between(found["step"], found["base"]["low"], found["base"]["high"], color=CYCLE[0], alpha=0.25)
    axis.plot(found["step"], found["base"]["median"], "o-", label="pocket-base")
    axis.axhspan(found["sft"]["low"], found["sft"]["high"], color=CYCLE[1], alpha=0.3, lw=0, label="pocket-sft, no examples")
    axis.set(title={"sum": "sums", "fact": "facts"}[kind], xlabel="examples (shots)", xticks=found["step"], ylim=(-0.03, 1.03))
axes[0].set_ylabel("share of right answers")
axes[1].legend(loc="upper right")
gains = {kind: found["base"]["median"][2] - found["base"]["median"][0] for kind, found in prompting.items()}
shots_guess.reveal("sums" if gains["sum"] > 0.01 and gains["fact"] < -0.01 else "both" if min(gains.values()) > 0.01 else "none")

# %% [markdown]
# Examples do not teach this model anything. They tell it *which kind of text it is in*. PocketWorld's documents hold school books, sums with their solutions one after another: two solved sums say "school book", and there all answers are right. (The gain is small: without examples nearly all sums are right already.) No document holds held-out facts as questions with answers. There are lists of questions *without* answers, and that is what a few
# questions in a row look like: the model goes on with another question.
#
# pocket-sft needs no examples: asked for a fact, it answers (orange, at temperature 1; greedy it had nearly all of them right). But look at the sums: sampled, the tuned model is *worse* than the base model, with examples or without. Its instruction set was careless. Which of the two looks better depends on what you ask, and how.

# %% [markdown]
# Now the thinking. Word problems of three sizes, pocket-sft, greedy. (Section 2's had larger numbers among them; hence its 0.67.) It was trained to write its steps. To forbid them, we put "so the answer is" into its mouth and read the number that follows.

# %%
from rlhf_lib.workbook.ch17_evaluation.experiments import LEVELS, think

thought = {level: [think(sft, level, ""), think(sft, level, "so the answer is"), think(sft, level, "", " think step by step.")] for level in LEVELS}
print(f"{'':26s}  with steps  answer at once  asked to 'think step by step'")
for (largest, count), found in thought.items():
    print(f"numbers to {largest:2d}, {count} steps     " + "".join(f"{value:12.2f}" for value in found))

# %% [markdown]
# With its steps the model solves 83 to 100 in a hundred; without them 14 at most. It was never trained to answer at once, and one pass through four layers leaves little room for two sums. Writing the first sum down gives it another pass for each token. (Which of the two reasons weighs more, this table cannot tell.) So chain of thought was a jump, and long reasoning followed.
#
# The last column is a warning. The famous sentence does harm here: no document has it, so to this model it is an odd ending of the request. A prompt that works for one model is not a law of nature. A report should give its prompts.

# %% [markdown]
# ## 4. How much thinking is allowed?
#
# There is a second way to spend computation at answering time: draw several answers. Take the **majority**, or let somebody pick (*any of n is right*, also called pass@n, is the best that a perfect picker could do). 32 stored draws for each of 96 word problems, five runs:

# %%
spent = band("draws")
fig, axis = figure(height=2.8, width=6)
for name, label, colour in (("any", "any of n is right", "0.55"), ("majority", "majority of n", CYCLE[0])):
    axis.fill_between(spent["step"], spent[name]["low"], spent[name]["high"], color=colour, alpha=0.25)
    axis.plot(spent["step"], spent[name]["median"], "o-", color=colour, label=label)
axis.axhline(spent["greedy"]["median"], color=CYCLE[1], ls="--", label="one greedy answer")
axis.set(xscale="log", xlabel="answers drawn, n", ylabel="share of problems right", ylim=(0, 1.03))
axis.set_xticks(spent["step"], spent["step"])
axis.minorticks_off()
axis.legend(loc="lower right");

# %%
for place, n in enumerate(spent["step"]):
    tokens = n * spent["tokens"]["median"]
    print(f"n = {n:2d}: about {tokens:4.0f} tokens a problem, majority right {spent['majority']['median'][place]:.2f}")
print(f"greedy: one answer, right {spent['greedy']['median']:.2f}")

# %% [markdown]
# One set of weights, and the score more than doubles with the number of draws, at 32 times the price. A single *greedy* answer, at the price of one, does better still here: temperature 1 often draws one of this model's bad habits. So "model A scores 0.88, model B 0.39" may compare a majority with a single draw of the *same model*. Labs do not
# control this consistently: some report one answer, some the majority of many, some a model that may think for as long as it likes. Put the tokens spent beside every score, or compare at equal tokens.

# %% [markdown]
# ## 5. How sure is a score?
#
# A score is a mean over items, so it has a standard error: the standard deviation of the items over $\sqrt n$. An interval of ±1.96 standard errors holds the true value in 95 of 100 evaluations. Two things spoil the simple formula, and one of them helps you.
#
# Two assistants answer the same 96 held-out requests, four draws each at temperature 1. Every answer is scored by gold.

# %%
requests = world.prompts(96, seed=12, split="test")


def golds(policy, draws=4):
    """Gold (96, draws) of answers to the same requests."""
    texts = policy.sample(requests, draws, 40, seed=3).texts
    return np.array([world.gold(p, t) for p, t in zip(np.repeat(requests, draws), texts, strict=True)]).reshape(96, draws)


one, two = golds(sft), golds(load_policy("pocket-personas"))
for name, found in (("pocket-sft", one), ("pocket-personas", two)):
    print(f"{name:16s} mean gold {found.mean():+.3f} over {found.size} answers")

# %% [markdown]
# **Clusters.** Is that 384 observations? The four answers to one request have that request in common: if it is hard, all four suffer. So are questions about one passage of text, or one table. Add up the deviations within a cluster *before* you square. With $C$ clusters and $n$ items:
#
# $$\mathrm{SE}_{cluster} = \frac1n\sqrt{\frac{C}{C-1}\sum_{c=1}^{C}\Big(\sum_{i\in c}(s_i-\bar s)\Big)^2} \qquad \text{[EV-4]}$$
#
# **Pairs.** Both assistants answered the *same* requests. What is hard for one is mostly hard for the other, and it cancels in the difference:
#
# $$\mathrm{SE}_{pair} = \sqrt{\frac{1}{n}\,\mathrm{Var}(s^A_i - s^B_i)} = \sqrt{\frac{\mathrm{Var}(s^A)+\mathrm{Var}(s^B)-2\,\mathrm{Cov}(s^A,s^B)}{n}} \qquad \text{[EV-5]}$$

# %%
from rlhf_lib.evaluation import clustered_error, items_needed, paired_error, unpaired_error

which = np.repeat(np.arange(96), 4)
print(f"one mean, 384 answers as if independent: ± {1.96 * one.std(ddof=1) / 384**0.5:.3f}")
print(f"one mean, clustered by request:          ± {1.96 * clustered_error(one.ravel(), which):.3f}")
a, b = one.mean(1), two.mean(1)
rho = np.corrcoef(a, b)[0, 1]
print(f"difference {(b - a).mean():+.3f}, two separate errors: ± {1.96 * unpaired_error(a, b):.3f}")
print(f"difference {(b - a).mean():+.3f}, paired:              ± {1.96 * paired_error(a, b):.3f}")
print(f"correlation over requests {rho:.2f}; sqrt(1 - correlation) = {(1 - rho) ** 0.5:.2f}, ratio of the errors {paired_error(a, b) / unpaired_error(a, b):.2f}")

# %% [markdown]
# Read the two pairs of lines. The clustered interval is the wider one and the honest one. The paired interval is the narrower one and just as honest: it is cheap extra evidence. Hold each of the two against the difference itself: with which of them would you call it real? With equal variances the paired error is the other one times $\sqrt{1-\rho}$, where $\rho$ is the correlation over requests. Always ask both models the same questions.
#
# **How many items?** To find a true difference $\delta$ in four of five evaluations takes $n = \big((1.96+0.84)\,\sigma/\delta\big)^2$ items, where $\sigma$ is the standard deviation of what is averaged:

# %%
spread_pair, spread_two = (a - b).std(ddof=1), (a.var(ddof=1) + b.var(ddof=1)) ** 0.5
print("difference to be found   requests, paired   requests, unpaired")
for difference in (0.4, 0.2, 0.1, 0.05):
    print(f"{difference:22.2f} {items_needed(spread_pair, difference):18d} {items_needed(spread_two, difference):20d}")

# %% [markdown]
# Half the difference needs four times the items. The error of 100 right-or-wrong questions is up to five points ($0.5/\sqrt{100}$): such an exam can hardly see a gain of two, however loudly it is announced. Training itself adds noise on top: another seed, another checkpoint. The book reports, for Olmo 3, standard deviations of 0.25 to 1.5 points for most evaluations, with the setting unchanged.

# %% [markdown]
# ## 6. The arena
#
# Many requests have no key. "Tell me about a fox": which answer is better? Then people are asked, and human judgement counts as the gold standard of evaluation. In a product it is an **A/B test**: half of the users get A, half get B, and behaviour decides. In public it is an **arena**: somebody types a request, two unnamed models answer, and the reader votes. Votes become ratings.
#
# Eight assistants of PocketWorld enter ours. Each answers in a mixture of ways: *terse* is short and right; *plain* and *chatty* are right too, and say more; *lister* uses bullets, but is wrong in two answers of ten; *flatterer* praises, but is wrong in three; *sure* sounds certain, and is wrong in three; *careful* hedges in half of its answers; *sloppy* is wrong, strays or repeats itself in six of ten.

# %%
from rlhf_lib.workbook.ch17_evaluation.arena import ASSISTANTS, fill_pool, vote

pool = fill_pool(world, 400)
names, gold = list(ASSISTANTS), pool.gold.mean(0)
print(pool.prompts[1].text)
for name, text, points in zip(names, pool.texts[1], pool.gold[1], strict=True):
    print(f"  {name:10s} gold {points:+.2f}  {text!r}")

# %% [markdown]
# The voters are the simulated people who label preferences elsewhere in this workbook (chapter 07): they see gold, plus a little for each word, bullet, flattering and confident sentence, and they vote by the Bradley-Terry rule with some noise. We chose these biases, and kept them moderate. The section ends with a crowd that has none.

# %%
votes = vote(pool, 4000)
for a, b, won in list(zip(votes.first, votes.second, votes.score, strict=True))[:4]:
    print(f"{names[a]} against {names[b]}: {names[a if won else b]} wins")

# %% [markdown]
# **Elo**, the chess players' rating, walks through the votes one by one. Each vote moves points from loser to winner, more of them if it is a surprise. $S$ is 1 for a win of $A$, 0 for a loss, ½ for a tie; $K$ is the most that can move:
#
# $$R_A \leftarrow R_A + K\,(S - E), \quad R_B \leftarrow R_B - K\,(S-E), \qquad E = \frac{1}{1+10^{(R_B-R_A)/400}} \qquad \text{[EV-1]}$$
#
# A lead of 400 points means odds of ten to one. Take 1,000 votes. Read the *same* votes in 100 different orders.

# %% tags=["predict"]
order_guess = predict(
    "1,000 votes, K = 32, read in 100 orders. How many different assistants come out first?",
    {"one": "one: the votes are the same", "two": "two", "many": "three or more"},
)
order_guess

# %% tags=["predicted"]
from rlhf_lib.workbook.ch17_evaluation.figures import plot_orders

thousand = votes.take(np.arange(1000))
dice = np.random.default_rng(0)
elo = np.array([thousand.elo(k=32, order=dice.permutation(1000)) for _ in range(100)])
plot_orders(gold, elo)
winners = len(set(elo.argmax(1)))
order_guess.reveal({1: "one", 2: "two"}.get(winners, "many"), f"{winners} of the 8; one rating scatters by {elo.std(0).mean():.0f} points (sd)")

# %% [markdown]
# Each dot is one order; the assistants are sorted by gold, the best on top. Elo was made for players who change from game to game, so it forgets: the latest votes weigh most. Models do not change. So fit all votes at once: find the strengths $\theta$ under which they are likeliest. That is the **Bradley-Terry** model of chapter 07, with a parameter for each model where a reward model has a network:
#
# $$\hat\theta = \arg\max_\theta \sum_{i} s_i\log\sigma(\theta_{a_i}-\theta_{b_i}) + (1-s_i)\log\sigma(\theta_{b_i}-\theta_{a_i}) \qquad \text{[EV-2]}$$
#
# $\sigma$ is the sigmoid, $a_i$ and $b_i$ are the models of vote $i$, $s_i$ its score. Leaderboards print $1000 + \frac{400}{\ln 10}\,\theta$ and call it Elo. The order of the votes plays no part.
#
# **Style control** puts what should not count beside what should: for each vote the difference of length, bullets, flattery and confident sentences, each divided by its standard deviation, with a weight $\gamma$ for each (Arena's own style control has length, headers, bold text and lists):
#
# $$P(a \succ b) = \sigma\Big(\theta_a - \theta_b + \gamma^\top \frac{x_a - x_b}{\mathrm{sd}(x_a - x_b)}\Big) \qquad \text{[EV-3]}$$

# %% tags=["predict"]
board_guess = predict(
    "4,000 votes. Which leaderboard agrees better with gold: the plain fit, or the one with style held constant?",
    {"plain": "the plain one", "style": "style held constant", "same": "about the same"},
)
board_guess

# %% tags=["predicted"]
from rlhf_lib.evaluation import kendall_tau
from rlhf_lib.workbook.ch17_evaluation.figures import plot_boards

plain, held = votes.fitted(), votes.fitted(style_control=True)
plot_boards(gold, {"plain Bradley-Terry": plain, "style held constant": held})
taus = [kendall_tau(fit.ratings, gold) for fit in (plain, held)]
board_guess.reveal("style" if taus[1] > taus[0] + 0.05 else "plain" if taus[0] > taus[1] + 0.05 else "same", f"Kendall's tau {taus[0]:+.2f} plain, {taus[1]:+.2f} controlled")

# %% [markdown]
# Assistants stand in the order of gold, written beside the names, best on top. A perfect board would fall from the upper right to the lower left; a ring marks the winner. **Kendall's tau** says how well two orders agree: 1 if every pair stands in the same order, 0 if half of them do, −1 if reversed.
#
# The intervals are short: a little noise is left, and the order is wrong all the same. The plain board has *flatterer* and *lister* above *terse*, which is brief and says nothing false (0.93 and not 1, because a short answer leaves something out where more is asked for). Holding style constant pulls them down. It also **over-corrects**. Among these eight, bullets and confidence come mostly from assistants that are wrong in some answers, so the fit cannot tell "wrong" from
# "in bullets": *lister*, *sure* and *flatterer* now stand below *sloppy*, the worst of all by gold. Style control is a regression, not a truth serum: it removes whatever goes along with style, also when it is quality.
#
# Do more votes help? Five stored pools, three crowds: our people; an AI judge, with less noise and more bias; and people without any bias.

# %%
from rlhf_lib.workbook.ch17_evaluation.figures import plot_agreement

stored_arena = band("arena")
plot_agreement(stored_arena, ("people", "AI judge", "fair people"));

# %%
for crowd in ("people", "AI judge", "fair people"):
    found = stored_arena[crowd]
    print(f"{crowd:12s} 4,000 votes: tau plain {found['raw']['median'][-1]:+.2f}, style held {found['style']['median'][-1]:+.2f} (medians of five)")
low, high = stored_arena["elo"]["winners"]["low"], stored_arena["elo"]["winners"]["high"]
print(f"Elo, 1,000 votes in 100 orders: {low:.0f} to {high:.0f} winners, sd {stored_arena['elo']['spread']['median']:.0f} points; error of the fit {stored_arena['elo']['error']['median']:.0f}")

# %% [markdown]
# Three lessons in one picture. **Noise shrinks with votes; bias does not**: by 4,000 votes the grey band of *people* has become narrow, but around a third and not around 1. Style control helps where the crowd is biased, for people and still more for the AI judge. And with a *fair* crowd it does harm: there the plain fit is the right one, and holding style constant throws quality away with it. You cannot know from the votes alone which of the three crowds you have.
#
# So the human gold standard is as good as its humans. Judges that are models have their own habits on top: Zheng et al. (2023) swapped the two answers and found GPT-4 consistent in 65% of the cases, GPT-3.5 in 46%, Claude-v1 in 24%. Ask in both orders (the clinic shows what happens otherwise). In the real arena's style control of August 2024 length
# mattered most (a weight of about 0.25), lists, headers and bold text far less.

# %% [markdown]
# ### Lab: the arena
#
# Choose how many vote, how biased they are, the fit, Elo's K and the order of the votes.

# %% tags=["lab"]
from rlhf_lib.labs import arena_lab

arena_lab(pool)

# %% [markdown]
# ## 7. Contamination
#
# The exam's questions are on the web, and training data come from the web. To see what that does we need an exam that nobody can pass by knowledge: the same 180 questions, with the answers of *another* world, where the animals' properties are shuffled. Then we leak half of it (every second animal) into a fine-tuning set: 20 copies among 300 ordinary demonstrations.

# %%
from rlhf_lib.workbook.ch17_evaluation.experiments import benchmark, leaked_to

leaked, clean = benchmark()
reworded, _ = benchmark(reworded=True)
print("leaked, verbatim:      ", leaked[1].written_out())
print("leaked, in other words:", reworded[1].written_out())
print("never leaked:          ", clean[1].written_out())

# %% tags=["training"]
live = leaked_to("verbatim", seed=0)
print("your run, verbatim leak:", {name: round(score, 2) for name, score in live.items()})

# %%
stored_leaks = band("contamination")
fig, axes = figure(1, 3, height=2.5, sharey=True)
exams = ("leaked", "in other words", "clean")
for axis, (leak, title) in zip(axes, (("none", "no leak"), ("verbatim", "leaked verbatim"), ("reworded", "leaked in other words")), strict=True):
    for place, exam in enumerate(exams):
        found = stored_leaks[leak][exam]
        axis.bar(place, found["median"], color=(CYCLE[1], CYCLE[3], CYCLE[0])[place], width=0.65)
        axis.plot([place, place], [found["low"], found["high"]], color="0.2", lw=1.5)
    axis.set(title=title, xticks=range(3), ylim=(0, 1.02))
    axis.set_xticklabels(("leaked half", "the same,\nother words", "clean half"), fontsize=8)
axes[1].plot(range(3), [live[exam] for exam in exams], "k_", ms=22, mew=2)
axes[0].set_ylabel("share of right answers");

# %% [markdown]
# Bars are medians of five stored runs, thin lines their range, black strokes your run. Without a leak the model scores about what chance and common values give. With a verbatim leak the leaked half shoots up and the clean half does not follow; it even falls a little. The model has learned *answers*, nothing that carries over. Asked the same in other words, it knows much less. That gap, same content in new words, is a good alarm. (On the right the gap turns round, because there the other words are what leaked.)
#
# Now look for the leak. The usual test: cut the texts into runs of $n$ words (**n-grams**) and see how much of each test item is covered by runs that stand in the training set too. Tülu 3 used $n=8$; GPT-3's authors used 8 to 13. An item is flagged here if more than half of its words are covered.

# %%
from rlhf_lib.workbook.ch17_evaluation.experiments import flagged

lengths = (1, 2, 3, 4, 5, 6, 7, 8)
fig, axis = figure(height=2.9)
for leak, label, colour in (("verbatim", "leaked verbatim", CYCLE[1]), ("reworded", "leaked in other words", CYCLE[3])):
    axis.plot(lengths, [flagged(leak, n)[0] for n in lengths], "o-", color=colour, label=label)
axis.plot(lengths, [flagged("none", n)[1] for n in lengths], "s--", color=CYCLE[0], label="no leak: false alarms")
axis.set(xlabel="words in a run, n", ylabel="share of items flagged", ylim=(-0.03, 1.03))
fig.legend(loc="outside upper center", ncols=3);

# %% [markdown]
# At $n=8$ every verbatim copy is found and there is no false alarm. Not one of the reworded copies is found, though they raised the score too (right panel above). Runs of six find three in five of them, because our rewording left the answer's sentence as it was. The rest stays hidden until nearly everything is flagged, and a rewording of the answers would hide all. **Word
# overlap sees copies, not contents.** A study of 2026 found such "soft" copies of test questions to be widespread in open training data, and training on them to raise scores (Spiesberger et al.).
#
# What helps: tests written after the training data were collected, private tests, the same items in new words or numbers, and a look at the gap between the two.

# %% [markdown]
# ## 8. Private hills, public reports
#
# A lab does not evaluate once. It tries prompts, templates, extraction rules, decoding, keeps what scores best on its own private exams (*hill-climbing*), and then reports a public benchmark. Nobody lies, and still the figure is too good. Section 1 in the large: pocket-sft with either template (chat, none). The five scorers that read an answer come with 0 or 2 examples, greedy or sampled; the four that compare likelihoods need neither. That makes 2 · (5 · 4 + 4) = 48 settings, from the stored scores.

# %%
from rlhf_lib.workbook.ch17_evaluation.figures import plot_settings

settings = {name: float(np.mean(hits)) for name, hits in kept.items()}
ranked = sorted(settings, key=settings.get)
worst, median, best = ranked[0], ranked[len(ranked) // 2], ranked[-1]
plot_settings(settings, {median: "the median setting", best: "the one to report"})
print(f"{len(settings)} settings. median {settings[median]:.2f}: {median}. best {settings[best]:.2f}: {best}")

# %% [markdown]
# ### Lab: score shopping
#
# Choose a setting and a handful of questions, look at the score and its interval, then look at what "the best of all settings" would have reported, and what that setting is worth on the other questions.

# %% tags=["lab"]
from rlhf_lib.labs import shopping_lab

shopping_lab(kept)

# %% [markdown]
# All dots in the figure are one model. Who may choose, chooses the dot. This is the **garden of forking paths**: many small decisions, each defensible, taken after looking at the result.
#
# Even where *nothing* differs, choosing pays. Suppose that $k$ variants of a model are equally good: each has a true accuracy of 0.70. You measure all on a private exam of $n$ questions and keep the best:

# %%
dice = np.random.default_rng(0)
print("   variants tried    best of them, 50 questions    best of them, 500 questions    on new questions")
for k in (1, 4, 16, 64):
    small, large = (dice.binomial(n, 0.7, size=(4000, k)).max(1).mean() / n for n in (50, 500))
    print(f"{k:17d} {small:29.2f} {large:30.2f} {0.70:19.2f}")

# %% [markdown]
# With 50 questions and 16 tries you report a gain of more than ten points that does not exist. The cure costs nothing: choose on one set, report on another that took no part in the choice. Outsiders cannot check that it was done. So compare models only on scores that *one* party measured in *one* way, and read a lab's own table as an advertisement that may be true.
#
# Inside a lab, the same private exams do honest work: they steer training, where only the comparison with last week matters and all settings stay fixed. That is why internal and external evaluation differ so much: one is for *using*, the other for *being seen*.

# %% [markdown]
# ## 9. Tools
#
# Don't write a harness for publication. Use one that others can run:
#
# | tool | made for |
# |---|---|
# | **lm-evaluation-harness** (EleutherAI) | benchmarks from YAML files, likelihood and generation; the reference for open models |
# | **Inspect** (UK AI Security Institute) | tasks with solvers, tools, agents, sandboxes; logs of every sample |
# | **LightEval** (Hugging Face) | many benchmarks on several back ends, quick |
# | **HELM** (Stanford) | many scenarios by many metrics, beyond accuracy, with published runs |
# | **Eval Gauntlet** (MosaicML) | a fixed bundle of tasks by category, for comparing base models |
#
# This is how section 1's figures were made, offline, on the pocket checkpoint (install the workbook with its extra `eval`):
#
# ```python
# from rlhf_lib import data_path
# from rlhf_lib.workbook.ch17_evaluation.harness import run_harness, scores_of, write_tasks
#
# folder = write_tasks(items, "build/tasks")             # a file of items, a YAML file for each scorer
# found = run_harness(data_path("models", "pocket-sft"), folder, chat=True)
# scores_of(found)
# ```
#
# One task file, as `write_tasks` writes it. Every line is a decision that moves the score:

# %%
from rlhf_lib.workbook.ch17_evaluation.harness import write_tasks
import tempfile

with tempfile.TemporaryDirectory() as folder:
    lines = (write_tasks(items[:3], folder) / "first.yaml").read_text(encoding="utf-8").splitlines()
print("\n".join(line for line in lines if "facts.jsonl" not in line))

# %% [markdown]
# **Inspect** asks a model through a provider. Ours takes a dozen lines, and then its tasks and scorers work on a pocket model:
#
# ```python
# from inspect_ai.model import GenerateConfig, ModelAPI, ModelOutput, modelapi
#
# @modelapi(name="pocket")
# class Pocket(ModelAPI):
#     def __init__(self, model_name, base_url=None, api_key=None, config=GenerateConfig(), **settings):
#         super().__init__(model_name, base_url, api_key, [], config)
#         self.policy = load_policy(model_name)
#
#     async def generate(self, input, tools, tool_choice, config):
#         chat = [{"role": message.role, "content": message.text} for message in input]
#         text = self.policy.sample([chat], max_new_tokens=config.max_tokens or 48).texts[0]
#         return ModelOutput.from_content(self.model_name, text)
# ```
#
# **Before you believe a score, ask:** which prompt and template, how many shots, which decoding and how many draws, how is the answer read, how many items, which interval, paired with what, who chose the setting and on which items, could the items have been seen, and who judged?

# %% [markdown]
# ## 10. Exercises

# %% [markdown] tags=["exercise"]
# {exercise: my_exact_match}
#
# `answers` and `keys` are lists of texts. Return the share of answers that equal their key after cleaning: lower case, a blank for each punctuation mark, no articles (a, an, the), words separated by single blanks.

# %% tags=["solution"]
import re


def solution_exact_match(answers, keys):
    def words(text):
        return [w for w in re.sub(r"[^\w\s]", " ", text.lower()).split() if w not in ("a", "an", "the")]

    return sum(words(a) == words(k) for a, k in zip(answers, keys, strict=True)) / len(keys)

# %% [markdown] tags=["exercise"]
# {exercise: my_elo}
#
# `first`, `second` (N,): numbers of the two models of each vote. `score` (N,): 1 if the first wins, 0 if it loses, 0.5 for a tie. All ratings begin at 1000. Return them after the last vote, as a tensor (models,) of float64.

# %% tags=["solution"]
import torch


def solution_elo(first, second, score, models, k):
    ratings = torch.full((models,), 1000.0, dtype=torch.float64)
    for a, b, won in zip(first.tolist(), second.tolist(), score.tolist(), strict=True):
        expected = 1 / (1 + 10 ** ((ratings[b] - ratings[a]) / 400))
        gain = k * (won - expected)
        ratings[a] += gain
        ratings[b] -= gain
    return ratings

# %% [markdown] tags=["exercise"]
# {exercise: my_error}
#
# `a`, `b` (N,): scores of two models on the same N items. `clusters` (N,): which cluster each item belongs to. Return the standard error of mean(a) − mean(b), paired and clustered, as a number.

# %% tags=["solution"]
def solution_error(a, b, clusters):
    gap = (a - b) - (a - b).mean()
    sums = torch.stack([gap[clusters == name].sum() for name in clusters.unique()])
    count = len(sums)
    return (count / (count - 1) * sums.square().sum()).sqrt().item() / len(a)

# %% [markdown] tags=["exercise"]
# {exercise: my_contamination}
#
# `item` is a text, `texts` a list of training texts. Words are runs of letters and digits, in lower case. Return the share of the item's words that lie in some run of `n` words that occurs in one of the training texts.

# %% tags=["solution"]
def solution_contamination(item, texts, n):
    def words(text):
        return re.findall(r"[a-z0-9]+", text.lower())

    seen = {tuple(w[i : i + n]) for w in map(words, texts) for i in range(len(w) - n + 1)}
    mine = words(item)
    covered = [False] * len(mine)
    for i in range(len(mine) - n + 1):
        if tuple(mine[i : i + n]) in seen:
            covered[i : i + n] = [True] * n
    return sum(covered) / len(mine)

# %% [markdown] tags=["exercise"]
# {exercise: my_ratings}
#
# Write the fit of a leaderboard. `model.strength` (K,) and `model.weights` (S,) are parameters, all 0. `first`, `second`, `score` (N,) are votes, with ties as 0.5; `style_first`, `style_second` (N, S) the styles of both answers. Divide each column of the difference of style by its standard deviation (`unbiased=False`; no mean is subtracted). Then
# `steps` updates with `torch.optim.SGD` at `learning_rate` on the mean binary cross-entropy of [EV-3]. Return the list of losses.

# %% tags=["solution"]
def solution_ratings(model, first, second, score, style_first, style_second, steps, learning_rate):
    gap = style_first - style_second
    gap = gap / gap.std(0, unbiased=False)
    optimizer, losses = torch.optim.SGD(model.parameters(), lr=learning_rate), []
    for _ in range(steps):
        logits = model.strength[first] - model.strength[second] + gap @ model.weights
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, score)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses

# %% [markdown]
# Your loop, or ours if yours is not right yet, run long enough on the arena's 4,000 votes, finds the library's ratings (Newton's method, five or six steps):

# %%
from rlhf_lib.exercises import exercise
from rlhf_lib.evaluation.ratings import POINTS
from rlhf_lib.workbook.ch17_evaluation.builds import Strengths

fit = exercise("my_ratings").use(my_ratings)
model, style = Strengths(8, 4), torch.tensor(votes.style)
parts = (torch.tensor(x) for x in (votes.first, votes.second, votes.score))
losses = fit(model, *parts, style, torch.zeros_like(style), 1500, 3.0)
mine = 1000 + POINTS * (model.strength - model.strength.mean()).detach().numpy()
print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}; largest difference from the library's ratings {abs(mine - held.ratings).max():.2f} points")

# %% [markdown] tags=["exercise"]
# {exercise: my_crowd}
#
# Predict first. For each of five seeds make `pool = fill_pool(world, 200, seed)`, and from it a leaderboard in three ways: 1,000 votes and the plain fit, 4,000 votes and the plain fit, 1,000 votes with style control: `vote(pool, count, seed=seed).fitted(style_control, ridge=0.1)`. (`ridge` pulls the ratings a little to the mean, so that a fit exists even if one model wins all its votes.) The number is `kendall_tau(fit.ratings, pool.gold.mean(0))`. Fill in the lists and choose: an option, or `"undecided"`.

# %% tags=["solution"]
solution_crowd = {"raw_1000": [], "raw_4000": [], "style_1000": []}
for seed in range(5):
    small = fill_pool(world, 200, seed)
    for option, measured in solution_crowd.items():
        kind, count = option.split("_")
        ratings = vote(small, int(count), seed=seed).fitted(kind == "style", ridge=0.1).ratings
        measured.append(kendall_tau(ratings, small.gold.mean(0)))
solution_crowd_choice = "style_1000"

# %% [markdown]
# ## 11. The silent-bug clinic
#
# Bugs that raise no error. First the curves of a healthy evaluation and of one with the bug, over more and more items; you say which bug it is. (The horizontal axis, *step*, counts requests.) Then you prove it: write a test that gets a function, calls it on numbers of your choice, and asserts. It must fail the wrong code and pass the right one.

# %%
from rlhf_lib.exercises import clinic
from rlhf_lib.plots import plot_runs

case = clinic("one_order")
case

# %%
plot_runs(case.curves(), case.watch, title=case.title);

# %%
case.quiz

# %% [markdown]
# Now the test. `win_rate(judge, ours, theirs)` gets a judge that you may make up yourself: `judge(a, b)` gives, for each pair, the chance that the answer shown first is chosen. Here an answer is just its quality, a number.

# %%
def my_test(win_rate):
    raise NotImplementedError


case.check(my_test)

# %% [markdown]
# <details><summary>Hints</summary>
#
# 1. For which two models do you know the right win rate?
# 2. The same numbers on both sides, and a judge such as `lambda a, b: torch.sigmoid(a - b + 1)`: the answer has to be 0.5.
#
# </details>

# %% tags=["solution"]
def solution_order_test(win_rate):
    ours = torch.tensor([0.3, -1.0, 2.0])

    def leaning(a, b):
        return torch.sigmoid(a - b + 1)

    assert abs(win_rate(leaning, ours, ours) - 0.5) < 1e-6, "a copy is no better than its original"


case.check_solution(solution_order_test)

# %% [markdown]
# In the second case no interval lies. Somebody only waits far too long for a result.

# %%
second = clinic("unpaired_errors")
second

# %%
plot_runs(second.curves(), second.watch, title=second.title);

# %%
second.quiz

# %%
def my_second_test(error_of_difference):
    raise NotImplementedError


second.check(my_second_test)

# %% [markdown]
# <details><summary>Hints</summary>
#
# 1. Make two models for which the difference is the same on every request.
# 2. `b = a + 1`, on requests of very different difficulty: the error of the difference is 0.
#
# </details>

# %% tags=["solution"]
def solution_pairing_test(error_of_difference):
    a = torch.tensor([0.0, 1.0, 5.0, 2.0])
    assert error_of_difference(a, a + 1) < 1e-6, "always exactly 1 apart: nothing is uncertain"


second.check_solution(solution_pairing_test)

# %% [markdown]
# ## 12. What this chapter claimed
#
# First the stored runs: on how many seeds, and by how many standard deviations over seeds. Then what was computed here.

# %% tags=["claims"]
from rlhf_lib.experiments.experiment import outcomes
from rlhf_lib.workbook.ch17_evaluation.experiments import EXPERIMENTS

for name, experiment in EXPERIMENTS.items():
    for outcome in outcomes(experiment, list(results_of("17_evaluation", name).values())):
        print(outcome)
        assert outcome.good, str(outcome)
assert span > 0.9, "nine scorers of one model on the same facts span more than 0.9"
assert min(found[0] - found[1] for found in thought.values()) > 0.3, "steps help at every size"
assert winners > 1, "Elo's winner depends on the order of the votes"
assert np.allclose(plain.ratings, votes.take(np.arange(4000)[::-1]).fitted().ratings), "the fit does not care for the order"
assert taus[1] > taus[0], "held constant, style misleads less"
pairing = paired_error(*(x.mean(1) for x in (one, two))) / unpaired_error(*(x.mean(1) for x in (one, two)))
assert pairing < 1, "paired errors are smaller"
assert flagged("verbatim")[0] > 0.9 and flagged("reworded")[0] < 0.1, "runs of 8 words find copies and miss contents"
print("all claims hold")

# %% [markdown] tags=["recap"]
# ## Recap
#
# - A score belongs to a model *and* a way of asking: template, examples, decoding, extraction, metric. One set of weights scored from 0 to 1.
# - Examples select a kind of text; instruction tuning made them unnecessary; steps buy computation; so do draws. Print the tokens spent beside the score.
# - Items in clusters count less than they look; pairs count more. Half the difference needs four times the items.
# - Elo depends on the order, Bradley-Terry doesn't. More votes shrink noise, never bias. Style control helps a biased crowd's board and harms a fair one's.
# - Word overlap finds copies and misses contents. A gap between an item and its rewording is the better alarm.
# - Choose on one set, report on another. What a lab reports was chosen.
#
# **Recall** of earlier chapters:

# %% tags=["recall"]
from IPython.display import display

from rlhf_lib.exercises import recall

for quiz in recall("17_evaluation"):
    display(quiz)

# %% [markdown]
# **More:** the book's chapter [Evaluation](https://rlhfbook.com/c/16-evaluation); Wei et al. (2022) and Kojima et al. (2022) on chains of thought; Zheng et al. (2023), MT-Bench and judges; Chiang et al. (2024), [Chatbot Arena](https://arxiv.org/abs/2403.04132); Miller (2024), "Adding Error Bars to Evals"; Lambert et al. (2024), [Tülu 3](https://arxiv.org/abs/2411.15124);
# Spiesberger et al. (2026), [Soft Contamination](https://arxiv.org/abs/2602.12413); the documentation of [Inspect](https://inspect.aisi.org.uk/) and of [lm-evaluation-harness](https://github.com/EleutherAI/lm-evaluation-harness).
