# %% [markdown]
# # Preferences and data
#
# RLHF begins with somebody who reads two answers and says "this one". Whatever the policy becomes, it becomes because of these choices. In this chapter the somebody is you.
#
# **You will be able to**
# - label pairs of a model's answers, and measure how far you agree with yourself;
# - read your own taste off your labels, with intervals; turn it into a reward, a policy, and a blind test of that policy;
# - say what a thumb, a mark, a choice and a ranking each cost and carry, and when people are worth their price;
# - say whose preference comes out when many people's labels are thrown together;
# - prepare comparisons of conversations, and make comparisons by rule.

# %% [markdown]
# ## 1. Choosing is easier than writing
#
# The instruction set of PocketWorld was written by hurried people: right in the main, with slips, repetitions and wanderings. Now let people *choose* between two or four such answers. Each of them feels how good an answer is, with a person's likings in it (for praise, a little for length) and some noise.

# %% tags=["setup"]
import torch

from rlhf_lib import PocketWorld, load_policy, set_seed
from rlhf_lib.exercises import predict
from rlhf_lib.experiments.stored import band, results_of
from rlhf_lib.plots import figure
from rlhf_lib.plots.html import Table
from rlhf_lib.workbook.ch05_preferences.crowds import written_answers
from rlhf_lib.workbook.ch05_preferences.figures import plot_writing_and_choosing

set_seed(0)
CHAPTER = "05_preferences"
world, sft = PocketWorld(), load_policy("pocket-sft")
written = written_answers(400)  # four answers to each of 400 requests
human, noise = world.annotator(), 0.3
dice = torch.Generator().manual_seed(0)
gumbel = -torch.log(-torch.log(torch.rand(written.gold.shape, generator=dice)))
felt = written.seen_by(human) + noise * gumbel  # what is perceived, with the noise of a choice
golds = {"written": written.gold[:, 0]}
for name, count in (("the better of two", 2), ("the best of four", 4)):
    picked = felt[:, :count].argmax(1, keepdim=True)
    golds[name] = written.gold.gather(1, picked)[:, 0]
plot_writing_and_choosing({name: values.tolist() for name, values in golds.items()});

# %% [markdown]
# *Gold* is PocketWorld's exact measure of how good an answer is: a plain right answer is worth 1 point. The thin lines are 95% intervals. Nobody became a better writer; they only chose. That is the idea behind preference data: people **recognise** a good answer more easily than they produce one, so ask them to compare what a model writes. (That they recognise it is built into PocketWorld's people. What the picture adds is how much a choice of two or four then gains.)
#
# The model behind a choice is named after Bradley and Terry (1952): with worths $u_1$ and $u_2$, the first answer is chosen with probability $\sigma\big((u_1-u_2)/T\big)$, where $\sigma(x) = 1/(1+e^{-x})$ and the *temperature* $T$ says how noisy the chooser is. (The cell above adds Gumbel noise of size $T$ to each worth and takes the largest: the same model, also for four.) Chapter 07 turns this around and finds the worths from the choices.

# %% [markdown] tags=["lab"]
# ## 2. Lab: your own preferences
#
# Forty pairs of answers by `pocket-sft`, a model of a million weights that writes as hurriedly as its teachers. Half of the pairs are as they came; the other half was picked because the two answers differ in length, praise or lists, which is what we want to ask you about. Which answer would you rather get? There is no right answer but yours.
#
# Click into the desk and use the keys: **←** left is better, **→** right is better, **↓** a tie, or **1** to **7**: 1 left is much better, 4 a tie, 7 right is much better (such a graded scale is called a *Likert scale*). **u** takes the last label back. Sides are random. A few pairs come back later in secret, with sides swapped.
#
# Each label is written to the disk before the next pair is shown, in `chapters/my_labels/labels.jsonl`, a folder that git ignores (the environment variable `RLHF_LABELS` moves it). Kill the kernel, come back tomorrow: the desk goes on where you stopped.

# %% tags=["lab"]
from rlhf_lib.labs import label_desk
from rlhf_lib.workbook.ch05_preferences.showings import pairs_to_label

pairs = pairs_to_label(sft, world, count=40)
desk = label_desk(pairs, repeats=8)
desk

# %% [markdown]
# With twenty labels or more, everything below is about *you*. Until then a simulated reader sits at an equal desk and presses the same keys: one who likes short and plain answers. Run the cells from here on again whenever you have labelled more. Forty pairs and eight that come back make 48 labels.

# %%
from rlhf_lib.workbook.ch05_preferences.readers import labels_or_simulated, simulated_reader

stand_in = simulated_reader(world, "brief")
rows, who = labels_or_simulated(desk, stand_in)
print(f"{len(rows)} labels by {who}")
print("columns:", ", ".join(rows[0]))
print("chosen: ", rows[0]["chosen"])

# %% [markdown]
# `prompt`, `chosen` and `rejected` are lists of messages, as in other preference data: `datasets.load_dataset("json", data_files="my_labels/labels.jsonl")` reads the file as it is, and TRL's `DPOTrainer` (DPO: chapter 12) takes what it read. One trap: those columns have no place for a tie. A tie stands there with the left answer as `chosen`. Filter by the column `tie` before you hand the file to somebody who does not know.

# %% [markdown]
# ## 3. Do you agree with yourself?
#
# Some pairs came twice, sides swapped. How often did you say the same? And did you press "left" more often than "right", although sides were random?

# %%
from rlhf_lib.workbook.ch05_preferences.taste import left_share, self_agreement

same, agreement = self_agreement(rows)
print(f"{sum(same)} of {len(same)} repeated pairs got the same verdict: {agreement}")
print(f"left won {left_share(rows)} of the labels that are no ties")
print(f"ties: {sum(row['tie'] for row in rows)} of {len(rows)}; seconds a label: {sum(row['seconds'] for row in rows) / len(rows):.1f}")

# %% [markdown]
# The brackets are 95% intervals. They are wide: a handful of repeats says little, and no number of *other* labels makes up for that.
#
# **Two** people agree less. Labellers of InstructGPT (OpenAI, 2022) agreed with each other in 73% of comparisons (72.6 ± 1.5%; 77.3 ± 1.3% among those who had labelled no training data), and the researchers of an earlier project on summaries in 73 ± 4%.
#
# Agreement also limits what a model can reach. Say that a label names the better answer with chance $p$, on all pairs alike. Two labels then agree with chance $p^2 + (1-p)^2$, and a model that is always right agrees with a label with chance $p$. So an agreement of 0.73 leaves a perfect model at $p = 0.84$: above the labels' agreement with each other, and still far from 1. (If some pairs are clear and others a toss-up, the limit lies lower, between 0.73 and 0.84.)
#
# A session also wears people down. Here somebody judges 240 pairs, each twice with sides swapped. Their noise grows six times and a liking for the left side creeps in (we put both in; watch what of it can be *measured* without knowing):

# %%
from rlhf_lib.workbook.ch05_preferences.crowd_of_readers import tiring_session
from rlhf_lib.workbook.ch05_preferences.figures import plot_session

ends, shares = tiring_session()
plot_session(ends, shares);

# %% [markdown]
# Both curves need nothing but the repeats. That is why a vendor's batch should hold some: agreement in blocks shows fatigue, and the share of "left" over swapped pairs shows a position bias. Random sides do not *remove* that bias. They turn it into noise, which costs labels, but keep it from favouring one answer.

# %% [markdown]
# ## 4. Your taste, in numbers
#
# Count what can be counted in both answers of a pair: words, flattering sentences, whether it is a list, true facts, sentences said twice, ... Then ask which weights make your choices most likely:
#
# $$P(\text{left wins}) = \sigma\Big(\sum_k w_k \,(x_k^{\text{left}} - x_k^{\text{right}})\Big)$$
#
# A tie counts as half a win for either. *Broken* counts what is no sentence or does not end; a *needless refusal* turns down a harmless request. Weights start from a *prior*: before any label each is thought to lie around 0 with standard deviation 1, so that what you never saw stays at 0. The unit is log-odds: a weight of 1 multiplies the odds of winning by $e \approx 2.7$ for one more flattering sentence, or ten more words.

# %%
from rlhf_lib.workbook.ch05_preferences.figures import plot_coefficients
from rlhf_lib.workbook.ch05_preferences.taste import taste_of

taste = taste_of(rows, world)
coefficients = {name: e for name, e in taste.coefficients().items() if "due" not in name and name != "harm"}
plot_coefficients(coefficients, f"the taste of {who}, from {len(rows)} labels");

# %% [markdown]
# Blue intervals do not touch 0: of these likings you can be fairly sure. Grey ones could be 0. Look at **ten words**, **praise** and **list**: length, flattery and format are the three best-known biases of human preference data. With forty pairs even a strong taste can stay grey: the simulated reader does like it short, and the interval for ten words still crosses 0. Double the labels and the intervals shrink, by a factor of 1.4 at most ($\sqrt 2$), and by less where the prior still says more than the labels.
#
# These weights *are* a reward model: a small one that you can read. Does it know you? Fit it to four fifths of the pairs, predict the rest, five times over:

# %%
from rlhf_lib.workbook.ch05_preferences.taste import predicted_by_others

print(f"labels predicted by the others:   {predicted_by_others(rows, world)}")
print(f"your agreement with yourself:     {agreement}")

# %% [markdown]
# The second number limits the first, as in section 3: at an agreement of 1 nothing stands in the way, at 0.73 the limit would be 0.84. (Chapter 07 trains reward models that read the text themselves, and need thousands of labels for it. Forty labels are enough only because we told this one what to look at.)

# %% [markdown]
# ## 5. Your policy
#
# Now let the model be trained by your taste. 24 steps of a policy gradient (chapter 11): the policy answers 12 requests four times each, your reward scores the answers, and those above the mean of the other three become likelier. A penalty of 0.3 for each nat of KL holds it near the SFT model.

# %% tags=["training"]
from rlhf_lib.workbook.ch05_preferences.taste import policy_by_rl

policy, history = policy_by_rl(sft, taste, world)
fig, axis = figure(height=2.6, width=6.0)
axis.plot(history.series("proxy"), "o-", ms=3)
axis.set(xlabel="step", ylabel="your reward (log-odds)");

# %% [markdown]
# The points jump, because each step asks other requests. The trend is what counts. If it does not rise, your labels may say too little: look for a taste whose intervals all cross 0.
#
# What does it write now? The same held-out requests, before and after:

# %%
from rlhf_lib.workbook.ch05_preferences.taste import blind_pairs

both_answer = blind_pairs(sft, policy, world, count=26)
shown, contest = both_answer[:6], both_answer[6:]  # what you see here is not asked in the blind test
Table(("request", "pocket-sft", f"trained on the taste of {who}"), tuple((p.prompt.text, p.first, p.second) for p in shown))

# %% [markdown]
# ## 6. A blind test
#
# You know what you hoped for, so the table above proves nothing. Judge up to twenty other pairs (requests with two equal answers are left out) without knowing which answer is whose. Same keys, random sides, no repeats; labels go to `my_labels/blind.jsonl`.

# %%
blind = label_desk(contest, name="blind", repeats=0, title="Blind test: SFT or yours?")
blind

# %%
from rlhf_lib.workbook.ch05_preferences.taste import blind_result

verdicts, judge = labels_or_simulated(blind, stand_in, least=10)
print(f"judged by {judge}: the new policy wins {blind_result(verdicts, contest)} of {len(verdicts)} pairs; ties count half")

# %% [markdown]
# A win rate of 0.5 would be "no better". Is the whole interval above it? Twenty pairs can show a clear win and no subtle one. In the run that is stored here the new policy is ahead, but the interval reaches below 0.5: no clear win, although the reward had risen. The table shows what goes wrong: three of the six new answers are **refusals** of harmless requests. A refusal is short, says nothing twice and does not wander off, so this taste has nothing against it; and the weight of a needless refusal is the one with the widest interval, for few of the forty pairs differ in it. Where labels are
# silent, training finds a way. What would you do? Label pairs with refusals in them, and train again. That is how real projects go on, batch after batch (section 11).
#
# **Does this work for any taste?** Three simulated readers label forty pairs each: *brief* likes it short, *warm* likes praise and length, *lists* likes lists. Each gets a reward model and a policy; then all three judge all policies on 96 held-out requests. *Random* is the control: the same pairs, labels by coin.

# %% tags=["predict"]
guess = predict(
    "The policy of the reader who likes praise: how will the reader who likes it short judge it?",
    {"better": "better than pocket-sft: less wandering off", "same": "about the same", "worse": "worse than pocket-sft"},
)
guess

# %% tags=["predicted"]
from rlhf_lib.workbook.ch05_preferences.figures import plot_wins

runs = list(results_of(CHAPTER, "mine").values())
policies = ("brief", "warm", "lists", "random")
panels = {
    f"judged by {judge}": {f"policy of {name}": [run[name]["rl"][judge] for run in runs] for name in policies}
    for judge in ("brief", "warm", "lists")
}
plot_wins(panels)
seen = sum(run["warm"]["rl"]["brief"] for run in runs) / len(runs)
guess.reveal("worse" if seen < 0.45 else "better" if seen > 0.55 else "same", f"Mean over five seeds: {seen:.2f}")

# %%
def mean(values):
    return sum(values) / len(runs)


for name in ("brief", "warm", "lists"):
    own = [run[name] for run in runs]
    itself, by_rl, by_dpo = mean(r["itself"] for r in own), mean(r["rl"][name] for r in own), mean(r["dpo"] for r in own)
    print(f"{name:6s} agrees with themselves {itself:.2f}   wins by RL {by_rl:.2f}, by DPO {by_dpo:.2f}")

# %% [markdown]
# Each dot is a seed: other pairs, other labels, another training. Find each judge's own policy: it stands clearly to the right of the dashed line, in all runs of *brief* and *lists*, and in four of five of *warm*. Labels by coin mostly end *left* of it, for a random taste pulls the policy somewhere, and most places are worse. In no run do they do as well as the reader's own labels.
#
# Look at the policy of *lists*: the other two like it as well, because with the lists it learned what all readers share (no wandering off, nothing said twice). The policy of *warm* is the opposite. It found out that praise pays, more praise pays more, and nothing in a weighted sum says when it is enough. Its own reader likes it on nine requests of ten in most runs (this simulated reader never tires of praise; you would). To the reader who likes it short it is worse than what we started from. One measure is pressed and others pay for it: chapter 18 is about that.
#
# The lines below the picture compare two ways. **DPO** (chapter 12) trains the policy on the forty pairs themselves, without a reward model in between. With so few it gains little. RL asks the reward model about a thousand *new* answers (24 × 12 × 4), and the reward model can say something about each, because a handful of counts carries over. That is what a reward model is for; it is also how its mistakes get multiplied.

# %% [markdown]
# ## 7. What can be asked
#
# Two answers and "which?" is one interface of many. Here are five, with what each returns for one request:
#
# | asked | known from | a reply is | as training data |
# |---|---|---|---|
# | thumb up or down | the buttons under a chat answer | 1 of 2, about one answer | `prompt`, `completion`, `label` (KTO, chapter 12) |
# | a mark, 1 to 5 | reviews | 1 of 5, about one answer | regression, or pairs of answers with different marks |
# | better of two | Chatbot Arena, and your desk | 1 of 2, or a Likert scale of 4 to 8 steps | `prompt`, `chosen`, `rejected`, a margin |
# | best of four | Midjourney: which of four pictures a user enlarges | 1 of 4 | three pairs |
# | rank four | InstructGPT (4 to 9 answers) | 1 of 24 | six pairs, or a ranking loss |
#
# *Rating* looks at one answer, *ranking* compares. Llama 2's labellers chose between two answers on a scale of four degrees, from "significantly better" to "negligibly better / unsure", and the degree became a margin in the loss. A scale with an even number of steps has no middle, so it forces a decision.
#
# What does a reply *carry*? Information is measured in bits: one bit halves the possibilities. A reply has as many as it has surprises, less those that come from its author's own dice and mood. Suppose an answer costs one dollar to read, whatever is asked about it. Eight annotators reply, each with a taste and a *strictness* of their own: a strict one's 3 is a mild one's 4.

# %%
found = band(f"{CHAPTER}/questions")
cost = {"thumb": 1, "mark 1 to 5": 1, "better of two": 2, "best of four": 4, "rank four": 4}
print("bits a dollar, when strictness differs:   not at all   as usual   three times as much")
for name, dollars in cost.items():
    bits = [found[name].get(strict, found[name]["1"])["bits"]["median"] / dollars for strict in ("0", "1", "3")]
    print(f"   {name:36s}", "".join(f"{value:11.2f}" for value in bits))

# %%
from rlhf_lib.workbook.ch05_preferences.figures import plot_questions

plot_questions(found);

# %% [markdown]
# Read the table by rows. As long as people are about as strict as usual, a **mark** carries more per dollar than a choice of two: it has five values, and only one answer needs to be read. But it leans on everybody meaning the same by a 3. The more strictness differs, the less it says, and a thumb suffers alike. The three comparisons below do not care: strictness lowers both answers and cancels. Among them **ranking four** carries twice as much a dollar as the other two: four answers are read once, and six pairs come out.
#
# The curves tell the same story with a reward at the end: how many unseen pairs does it put into the order that the team has on average? (Shaded: five seeds, from the lowest to the highest; dashed: the median. Seeds overlap a good deal, so compare lines that are clearly apart.) On the left marks do nearly as well as rankings. On the right they fall behind all comparisons, and more money does not make up for it. So the field's habit of comparing is not a law: it is insurance against annotators who are strangers to each other.

# %% [markdown]
# ## 8. People or machines?
#
# A comparison by a person costs $1 to $10 or more, depending on how much they have to know; one by a language model less than a cent. AI judges are *precise and biased*: asked again they say the same, and they like length, lists and confidence. People are *noisy and less biased*. In PocketWorld a person's label costs $2, an AI judge's half a cent.

# %% tags=["predict"]
guess = predict(
    "The same number of labels by people and by the AI judge: whose reward orders unseen pairs more as gold does?",
    {"AI": "the AI judge's, always: it has no noise", "people": "people's, always", "crossing": "the AI judge's with few labels, people's with many"},
)
guess

# %% tags=["predicted"]
from rlhf_lib.workbook.ch05_preferences.figures import plot_budget

spent = band(f"{CHAPTER}/budget")
plot_budget(spent)
ahead = [a > b for a, b in zip(spent["people"]["median"], spent["AI judge"]["median"], strict=True)]
guess.reveal("people" if all(ahead) else "AI" if not any(ahead) else "crossing")

# %% [markdown]
# On the left, label for label: with 25 labels the two kinds are about level (the medians put people ahead by a hair, the bands overlap). Then people pull away. The AI judge has no noise to average out, so its curve bends early; after 400 labels it gains nothing more. On the right, dollar for dollar: the judge is on its plateau for two dollars. People need about a hundred to get as far, and only beyond that do they buy what the judge cannot give at any price. One question decides: *is the plateau good enough?*
#
# Green is both: 1,600 labels of the judge for $8 give a first reward, and its score becomes one more column in the fit to people's labels, which then decide how far to trust it. With 25 labels of people that is clearly better than people alone; with a hundred the head start is gone, and from 200 on green even lies a little below blue: by then people know better.

# %%
plateau = {factor: spent["bias"][factor]["median"] for factor in ("0", "0.5", "1", "2")}
print("1,600 labels of the AI judge, with its biases times a factor:")
for factor, order in plateau.items():
    print(f"   biases × {factor:4s} {order:.3f}")
print(f"   labels by gold itself: {spent['ceiling']['median']:.3f}")

# %% [markdown]
# The plateau is the judge's bias and nothing else: without biases, cheap labels would be all one needs. Noise averages out with more labels; a bias does not.

# %% [markdown] tags=["lab"]
# ## 9. Lab: spend the budget
#
# The same functions, under your hands: how many dollars go to people, how many labels the AI judge gives first, how biased it is, how careless the people are. On the right: what the reward that you bought pays for, beside what labels by gold itself would buy.

# %% tags=["lab"]
from rlhf_lib.labs import budget_lab

budget_lab()

# %% [markdown]
# ## 10. The average taste is nobody's
#
# Three answers: A is short, C is a long list, B lies between. Six readers in ten think A is best and C worst; four in ten the other way round. Everybody finds B nearly as good as their favourite:

# %% tags=["nbval-check-output"]
worth = torch.tensor([[3.0, 2.5, 0.0], [0.0, 2.5, 3.0]])  # rows: two kinds of reader; columns: A, B, C
share = torch.tensor([0.6, 0.4])
wins = (share[:, None, None] * (worth[:, :, None] > worth[:, None, :])).sum(0)  # wins[i, j]: P(i beats j)
r = torch.zeros(3, requires_grad=True)
optimizer = torch.optim.LBFGS([r], max_iter=100)


def closure():
    optimizer.zero_grad()
    gaps = r[:, None] - r[None]
    loss = -(wins * torch.nn.functional.logsigmoid(gaps)).sum()
    loss.backward()
    return loss


optimizer.step(closure)
borda = wins.sum(1) / 2
print("mean worth to the readers   ", {k: round(v, 2) for k, v in zip("ABC", (share @ worth).tolist(), strict=True)})
print("Bradley-Terry reward        ", {k: round(v, 2) for k, v in zip("ABC", (r - r.mean()).tolist(), strict=True)})
print("share of comparisons won    ", {k: round(v, 2) for k, v in zip("ABC", borda.tolist(), strict=True)})

# %% [markdown]
# B would please most: it has by far the highest mean worth. The reward puts A on top, for a label says *who* wins and not by how much (these readers choose without noise). What a reward model learns from a mixed crowd is the share of comparisons that an answer wins against the others, its **Borda count** (Siththaranjan et al., 2024, prove it in general). Four readers in ten get what they like least. Margins and Likert scales would have helped; so would knowing who labelled.
#
# It gets worse. Three readers, three answers, a circle:

# %% tags=["nbval-check-output"]
orders = ("ABC", "BCA", "CAB")  # each reader's ranking, best first
for first, second in ("AB", "BC", "CA"):
    votes = sum(order.index(first) < order.index(second) for order in orders)
    print(f"{first} beats {second}: {votes} of 3 readers")
best_possible = -(2 / 3 * torch.tensor(2 / 3).log() + 1 / 3 * torch.tensor(1 / 3).log())
print(f"loss of any reward at best: {torch.tensor(2.0).log():.3f} nats; with the votes themselves as forecast: {best_possible:.3f}")

# %% [markdown]
# A beats B, B beats C, and C beats A, each by two votes to one. No three numbers can say that. The best that a reward can do is to call all three equal, at a loss of log 2, although each pair's vote is lopsided. Other rules have other troubles. **Arrow's theorem**: with three answers or more no rule that makes one ranking out of many can always follow a crowd that is unanimous, judge any two answers by the votes on these two alone, and obey no single reader.
#
# ### A class of thirty
#
# Your file can go into a pool. `pool` takes several readers' files, each row once. (Let each reader pass a name: `label_desk(pairs, name="class-ada", reader="ada")`.) Without a class at hand, thirty simulated readers: eighteen like it short, twelve like it long and with lists.

# %%
from rlhf_lib.workbook.ch05_preferences.crowd_of_readers import class_labels, simulated_class, tastes_by_reader
from rlhf_lib.workbook.ch05_preferences.labels import labels_folder, pool

files = sorted(labels_folder().glob("class*.jsonl"))  # put your class's files there: class-ada.jsonl, ...
readers = simulated_class(world)
class_rows = pool(files) if files else class_labels(readers, pairs)
tastes, pooled = tastes_by_reader(class_rows, world), taste_of(class_rows, world)
print(f"{len(class_rows)} labels by {len(tastes)} readers")

# %%
from rlhf_lib.workbook.ch05_preferences.figures import plot_taste_of_a_class

lengths = {name: one.coefficients()["ten words"] for name, one in tastes.items()}
values = {name: (e.value, (e.high - e.low) / 2) for name, e in lengths.items()}
plot_taste_of_a_class(values, pooled.coefficients()["ten words"].value, "coefficient of ten more words (log-odds)");

# %%
from rlhf_lib.workbook.ch05_preferences.crowd_of_readers import served

unseen = pairs_to_label(sft, world, count=40, seed=1)
for kind in ("short", "long"):
    mine = [name for name in readers if name.startswith(kind)]
    by_pool = sum(served(pooled, readers[name], world, unseen) for name in mine) / len(mine)
    by_own = sum(served(tastes[name], readers[name], world, unseen) for name in mine if name in tastes) / len(mine)
    print(f"readers who like it {kind:5s} ({len(mine)}): unseen pairs in their order by the pool {by_pool:.2f}, by their own labels {by_own:.2f}")

# %% [markdown]
# Each dot is a reader with their interval, the line is the reward model of the pool. It lies between the two camps, and nearer to the larger one; few dots lie on it. (Why do readers who like it long sit at 0 and not above? Longer answers hold more true facts, and in their fits these get the credit. Forty labels cannot quite tell the two apart.) The last lines say who pays: readers of the majority are served about as well by the pool as by their own forty labels. For the minority the pool does less than their own few labels would. Whose taste wins? That of whoever labels more.

# %% [markdown]
# ## 11. Vendors, contracts, weekly batches
#
# Large sets are bought. A laboratory writes guidelines, a vendor hires and trains people, a contract fixes prices and quantities, and labels arrive in batches, often weekly. What it costs, at $1 to $10 for a person's label and a tenth of a cent to a cent for a judge's:

# %% tags=["nbval-check-output"]
for name, low, high in (("people", 1.0, 10.0), ("AI judge", 0.001, 0.01)):
    for count in (10_000, 100_000, 1_000_000):
        print(f"{count:>9,} comparisons by {name:8s} ${low * count:>12,.0f} to ${high * count:>12,.0f}")

# %% [markdown]
# Batches have a reason beside logistics: **the model moves on**. Llama 2 collected its preferences week by week, on answers of the newest model. Look at your own policy of section 5. How likely are the answers that were labelled still for it, compared with `pocket-sft`? And how far do two of its own answers lie apart in your taste?

# %%
from rlhf_lib.workbook.ch05_preferences.taste import drift, felt_gaps, two_answers

asked_anew = list({p.text: p for p in world.prompts(80, ("fact", "open", "opinion", "story"), seed=77)}.values())
batches = {"by pocket-sft": two_answers(sft, asked_anew), "by your policy": two_answers(policy, asked_anew)}
for name, batch in batches.items():
    print(f"two answers {name:15s} log π/π_sft {drift(policy, sft, batch)} nats   apart in your taste: {felt_gaps(taste, world, batch)} log-odds")

# %% [markdown]
# The first row is what last week's batch would show, the second is this week's. A log ratio below 0 says that the policy has left those answers: labels on them teach it about texts that it hardly writes any more. Its own answers lie nearer together than they did, for the easy differences are gone, and the next batch asks about finer ones. Section 16 of chapter 07 shows why labels on fresh answers are worth more, and chapter 12 measures by how much.

# %% [markdown]
# Weekly batches also let you read before you pay for more. Agreement with hidden repeats, share of ties, share of "left", seconds a label, length of the chosen against the rejected: all of these can be had from the columns of one batch, on Monday morning. Guidelines that are unclear show up as low agreement *between* people who agree with *themselves*. **Cohen's κ** is agreement with chance taken out (exercise 2):

# %%
from rlhf_lib.workbook.ch05_preferences.experiments import judges_of, labels_by
from rlhf_lib.workbook.ch05_preferences.taste import kappa, sides_of

batch = {name: sides_of(labels_by(judge, name, pairs, 0), pairs) for name, judge in judges_of(world).items()}
again = {name: sides_of(labels_by(judge, name, pairs, 5), pairs) for name, judge in judges_of(world).items()}
print("agreement beyond chance (κ: 0 is chance, 1 is full agreement)")
for name in batch:
    print(f"   {name:6s}", "   ".join(f"with {other} {kappa(batch[name], batch[other] if other != name else again[name]):+.2f}" for other in batch))

# %% [markdown]
# On the diagonal each reader meets themselves on another day. Away from it the same pairs, another taste. Such a table is a question for whoever wrote the guidelines, not a reason to dismiss anybody.

# %% [markdown]
# ## 12. Pairs by rule
#
# Some preferences need no person. Take a task whose result a program can check, sample answers, and pair a right one with a wrong one: *structured* preference data.

# %%
sums = list({p.text: p for p in world.prompts(120, kinds=("sum", "steps"), seed=9)}.values())[:60]
drawn = sft.sample(sums, 4, max_new_tokens=40, seed=9).texts
right = [world.gold_score(p, t).terms["task"] >= 1 for p, t in zip([p for p in sums for _ in range(4)], drawn, strict=True)]
by_rule = []
for i, prompt in enumerate(sums):
    four = list(zip(right[4 * i : 4 * i + 4], drawn[4 * i : 4 * i + 4], strict=True))
    good, bad = [t for ok, t in four if ok], [t for ok, t in four if not ok]
    by_rule += [(prompt.text, good[0], bad[0])] if good and bad else []
print(f"{len(sums)} sums, {len(by_rule)} with both a right and a wrong answer")
Table(("request", "chosen by the rule", "rejected by the rule"), tuple(by_rule[:3]))

# %% [markdown]
# The other requests are lost: always right or always wrong, there is no pair in them. And look at what *else* differs. A rule compares one thing, a model learns everything that goes with it:

# %%
gaps = [len(good.split()) - len(bad.split()) for _, good, bad in by_rule]
alike = [gap for gap in gaps if abs(gap) <= 2]
print(f"chosen minus rejected, in words: mean {sum(gaps) / max(1, len(gaps)):+.1f}, shorter in {sum(g < 0 for g in gaps)} of {len(gaps)}")
print(f"pairs whose lengths differ by at most two words: {len(alike)}, mean {sum(alike) / max(1, len(alike)):+.1f}")

# %% [markdown]
# The cure is the exercise `structured_pair` below: keep pairs that differ in the one thing. It costs: here 12 of 43 would be left. The same trick teaches following instructions: ask for "at most eight words" or "as a list", let a program check it, and pair an answer that obeys with one that does not and is otherwise alike.

# %% [markdown]
# ## 13. Conversations
#
# Most conversations have more than one turn. The usual way: show two answers to the *last* message, let the labeller choose, and **continue with the chosen one**. So one conversation gives a comparison at each turn, and the earlier turns are what was chosen before.

# %%
talk = [{"role": "user", "content": "tell me about a fox."}]
said = ("a fox is red. it eats mice.", "what a great question! a fox is red.")
asked_next, then = "what does it say?", ("it says yip.", "a fox is a fox.")
turn_1 = (talk, *said)
turn_2 = ([*talk, {"role": "assistant", "content": said[0]}, {"role": "user", "content": asked_next}], *then)
for number, (messages, chosen, rejected) in enumerate((turn_1, turn_2), start=1):
    rollout = sft.encode_completions([messages] * 2, [chosen, rejected])
    counted = rollout.completion_mask.sum(1).int().tolist()
    print(f"turn {number}: {rollout.prompt_length} prompt tokens, none in the loss; counted: {counted[0]} of the chosen and {counted[1]} of the rejected answer")

# %% [markdown]
# All earlier turns stand in the prompt, the assistant's own among them, and are masked from the loss: they are the same in both branches and were not compared. What if they were not masked? In DPO they would cancel, being equal in both; in a loss with a likelihood term (SFT; ORPO, chapter 12) the policy would imitate them again and again, the first turn most often.

# %% [markdown]
# ## 14. What users leave behind
#
# Products collect preferences without asking for them: thumbs under an answer, which of four pictures is enlarged, whether somebody copies an answer, asks again, or goes away. It all feeds back into fine-tuning. One pick of four becomes three pairs; thumbs become single answers with a label:

# %%
from rlhf_lib.world import Preference, Unpaired

request, four = written.prompts[0], written.texts[0]
pick = int(written.seen_by(human)[0].argmax())
picked_pairs = [Preference(request, four[pick], other) for other in four if other != four[pick]]
thumbs = [Unpaired(request, text, bool(up)) for text, up in zip(four, written.gold[0] > 0.5, strict=True)]
print(f"{request.text}\n   picked: {four[pick]}")
print(f"   {len(picked_pairs)} pairs with `chosen` and `rejected`; {len(thumbs)} rows with `completion` and `label`: {[t.desirable for t in thumbs]}")

# %% [markdown]
# The answer that was picked would itself get a thumb down: a pick says *best of these four*, not *good*.
#
# Two things go wrong here that do not go wrong at a desk. Only what was *shown* can be picked, so the model's old habits decide what is compared. And only some people press. **Suppose** that of contented users 2 in 100 press a thumb, and of annoyed ones 8 in 100:

# %% tags=["nbval-check-output"]
for annoyed in (0.1, 0.3, 0.5):
    down, up = 0.08 * annoyed, 0.02 * (1 - annoyed)
    print(f"{annoyed:.0%} of users are annoyed: {down / (down + up):.0%} of the thumbs point down, from {down + up:.1%} of the users")

# %% [markdown]
# The thumbs do not say how good the model is. They can still say which of two *versions* is better, if the same people press for the same reasons.

# %% [markdown]
# ## 15. Which data for what?
#
# A reward, and the policy behind it, knows what its labels were about. Train on 200 comparisons of one kind of request each, and try every reward on every kind:

# %%
from rlhf_lib.workbook.ch05_preferences.figures import plot_capabilities

kinds = band(f"{CHAPTER}/capabilities")
plot_capabilities(kinds);

# %% [markdown]
# Rows: what was labelled. Columns: what is asked. On facts, stories, sums and opinions most of a label is about manners, and manners carry over: any row does for any of these columns, more or less. The last column is another matter. Only labels on **safety** (unsafe requests, and harmless ones that sound like them) teach when to refuse; all other rows get a quarter to a third of the pairs wrong there. A refusal is right in one place and wrong in the other, and nothing else in the data says so.
#
# So data are collected behaviour by behaviour. The behaviours that a model is to show decide which requests are collected, how many, and how often.

# %% [markdown]
# ## 16. Exercises

# %% [markdown] tags=["exercise"]
# {exercise: likert_to_pair}
#
# `scale` (n,) holds keys from 1 (left is much better) over 4 (a tie) to 7 (right is much better). Return two tensors (n,): the winner, -1 for left, 0 for a tie, 1 for right; and the margin, 0 to 3.

# %% tags=["solution"]
def solution_likert_to_pair(scale):
    signed = (scale - 4).double()
    return torch.sign(signed), signed.abs()

# %% [markdown] tags=["exercise"]
# {exercise: my_agreement}
#
# `first` and `second` (n,) are two people's verdicts on the same pairs: -1, 0 (a tie) or 1. Return Cohen's κ as a number: (same − chance) / (1 − chance), with *same* the share of pairs with equal verdicts, and *chance* the share to expect if each pressed at random, but as often left, tie and right as they did.

# %% tags=["solution"]
def solution_agreement(first, second):
    same = (first == second).double().mean()
    shares = [[(one == k).double().mean() for k in (-1, 0, 1)] for one in (first, second)]
    chance = sum(a * b for a, b in zip(*shares, strict=True))
    return ((same - chance) / (1 - chance)).item()

# %% [markdown] tags=["exercise"]
# {exercise: position_bias}
#
# Each pair was judged twice, the second time with sides swapped. `first_left` and `second_left` (n,) are 1.0 where the answer on the *left* was chosen. Return a tensor of two numbers: the share of pairs on which the same answer was chosen both times, and how far the share of "left" over all labels lies above a half.

# %% tags=["solution"]
def solution_position_bias(first_left, second_left):
    same = (first_left != second_left).double().mean()
    return torch.stack((same, (first_left + second_left).mean() / 2 - 0.5))

# %% [markdown] tags=["exercise"]
# {exercise: multi_turn_mask}
#
# `turns` (B, T) holds the number of the turn to which each token belongs: 0 for the user's first message, 1 for the answer, 2 for the next message, ...; -1 is padding. The last turn of each row is the answer that was compared. Return the mask (B, T): 1.0 where a token counts in the loss.

# %% tags=["solution"]
def solution_multi_turn_mask(turns):
    return (turns == turns.max(1, keepdim=True).values).double()

# %% [markdown] tags=["exercise"]
# {exercise: structured_pair}
#
# `right_first`, `right_second` (n,) are 1.0 where a program found an answer right; `words_first`, `words_second` (n,) are lengths. Return (n,): 1.0 where the first answer is to be chosen, -1.0 where the second, 0.0 where the pair is left out: both right, both wrong, or lengths more than `slack` words apart.

# %% tags=["solution"]
def solution_structured_pair(right_first, right_second, words_first, words_second, slack):
    near = (words_first - words_second).abs() <= slack
    return (right_first - right_second) * near

# %% [markdown] tags=["exercise"]
# {exercise: borda_scores}
#
# `utilities` (A, K): what each of A kinds of reader thinks of K answers. `share` (A,): how large a part of the crowd each kind is. Return the Borda score (K,): an answer's probability to win against another one, drawn at random, in the eyes of a random reader. Equal worths count half.

# %% tags=["solution"]
def solution_borda_scores(utilities, share):
    gap = utilities[:, :, None] - utilities[:, None, :]
    chance = (share[:, None, None] * (0.5 + 0.5 * torch.sign(gap))).sum(0)
    return (chance.sum(1) - chance.diagonal()) / (utilities.shape[1] - 1)

# %% [markdown] tags=["exercise"]
# {exercise: my_taste_training}
#
# Write the loop behind section 4. `model(looks)` gives rewards (B,) for counts (B, H). `batches` is a list of `(left, right, scale)`: counts of either answer (B, H), and keys (B,) from 1 to 7. One update for each batch with `torch.optim.SGD` at `learning_rate`, on the mean cross-entropy between $\sigma(r_\text{right} - r_\text{left})$ and who won; a tie is half a win.
# Afterwards measure: of the labels in all batches that are no ties, which share does the model order as the keys do? Return the list of losses and that share.

# %% tags=["solution"]
def solution_taste_training(model, batches, learning_rate):
    optimizer, losses = torch.optim.SGD(model.parameters(), lr=learning_rate), []
    for left, right, scale in batches:
        target = 0.5 + 0.5 * torch.sign((scale - 4).double())
        gap = model(right) - model(left)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(gap, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    hits = []
    with torch.no_grad():
        for left, right, scale in batches:
            ordered = (model(right) > model(left)) == (scale > 4)
            hits += ordered[scale != 4].tolist()
    return losses, sum(hits) / len(hits)

# %% [markdown] tags=["exercise"]
# {exercise: my_sixty_dollars}
#
# `order_bought(seed, people=..., ai=...)` buys so many labels of either kind, fits the linear reward, and returns the share of unseen pairs in the order of gold. It stands in `rlhf_lib.workbook.ch05_preferences.budget`; at most 1,600 labels of a kind. Measure the three ways with seeds 0 to 7, fill in the lists, and choose: an option by its name (`"people"`, `"AI judge"`, `"both"`), or `"undecided"`.

# %% tags=["solution"]
from rlhf_lib.workbook.ch05_preferences.budget import order_bought

ways = {"people": (30, 0), "AI judge": (0, 1600), "both": (26, 1600)}
solution_sixty_dollars = {name: [order_bought(seed, people=n, ai=m) for seed in range(8)] for name, (n, m) in ways.items()}
solution_sixty_dollars_choice = "undecided"

# %% [markdown]
# ## 17. The silent-bug clinic
#
# A real one: somebody looked at a row of tokens and wondered. Look at the curves first.

# %%
from rlhf_lib.exercises import clinic
from rlhf_lib.plots import plot_runs

case = clinic("doubled_prompt")
plot_runs(case.curves(), case.watch, title=case.title);

# %%
case

# %% [markdown]
# Its loss says that the buggy run makes progress. Which bug is it?

# %%
case.quiz

# %% [markdown]
# Write the test that would have caught it. It gets `completion(prompt, chosen)`, calls it, and asserts what must hold.

# %%
def my_test(completion):
    ...

# %% tags=["nbval-check-output"]
case.check(my_test)

# %% [markdown]
# <details><summary>Hints</summary>
#
# 1. In some files `chosen` is the answer, in others the whole conversation. What should come out in either case?
# 2. `completion("how big is a fox?", "how big is a fox? small.")` must be `"small."`, and `completion("how big is a fox?", "small.")` too.
#
# </details>

# %% tags=["solution"]
def solution_test(completion):
    assert completion("how big is a fox?", "how big is a fox? small.") == "small.", "the prompt stands twice"
    assert completion("how big is a fox?", "small.") == "small.", "nothing to take off"


case.check_solution(solution_test)

# %% [markdown]
# ## 18. What this chapter claimed
#
# Of your own labels nothing is asserted: they are yours. Claims about the stored runs are asserted with their seeds by `make claims`.

# %% tags=["claims"]
assert golds["the best of four"].mean() > golds["the better of two"].mean() > golds["written"].mean(), "choosing beats writing"
assert shares["agrees with themselves"][-1] < shares["agrees with themselves"][0], "a tired reader agrees with themselves less"
for name in ("brief", "warm", "lists"):
    own, coin = ([run[of]["rl"][name] for run in runs] for of in (name, "random"))
    assert sum(value > 0.55 for value in own) >= 4, "stored: in four of five runs and more, a reader prefers their own policy to pocket-sft"
    assert all(a > b for a, b in zip(own, coin, strict=True)), "and in every run to a policy from labels by coin"
assert spent["people"]["low"][4] > spent["AI judge"]["high"][-1], "400 labels of people: above the AI judge's plateau"
assert spent["bias"]["0"]["low"] > spent["bias"]["1"]["high"] > spent["bias"]["2"]["high"], "the plateau is the judge's bias"
assert found["mark 1 to 5"]["0"]["bits"]["low"] > found["mark 1 to 5"]["3"]["bits"]["high"], "strictness eats what a mark says"
assert borda.argmax() == 0 and (share @ worth).argmax() == 1, "the reward's favourite is not the one with the highest mean worth"
assert kinds["safety"]["safety"]["low"] > max(kinds[name]["safety"]["high"] for name in kinds if name != "safety"), "only labels on safety teach safety"
print("all claims hold")

# %% [markdown] tags=["recap"]
# ## Recap
#
# - People choose better than they write. A choice of two is the smallest question; of the comparisons, a ranking of four says most per answer read.
# - Measure labels with labels: hidden repeats, swapped sides, ties kept. How far labels agree with themselves limits how well anything can predict them.
# - Forty labels make a readable reward, and that reward a policy. It gives you what you asked for, also where you would rather not have.
# - Noise averages out, bias does not: cheap biased labels reach a plateau, and people's labels pass it.
# - A pool of labels learns the majority's comparisons (Borda), not the mean of what people feel.
# - Labels age with the policy; every behaviour needs data about that behaviour.
#
# **Recall** of earlier chapters:

# %% tags=["recall"]
from IPython.display import display

from rlhf_lib.exercises import recall

for quiz in recall("05_preferences"):
    display(quiz)

# %% [markdown]
# **More:** the book's chapters [The Nature of Preferences](https://rlhfbook.com/c/10-preferences) and [Preference Data](https://rlhfbook.com/c/11-preference-data); Stiennon et al. (2020) and Ouyang et al. (2022) for how labellers were chosen and how far they agreed; Touvron et al. (2023) for weekly batches and margins; Bai et al. (2022) for an eight-step scale and comparisons in conversations; Siththaranjan et al. (2024), *Distributional Preference Learning*, for crowds; Cohen (1960) for κ.
