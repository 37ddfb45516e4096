# %% [markdown]
# # Definitions
#
# Two vocabularies meet in RLHF. One comes from language models: tokens, logits, likelihood, sampling. The other comes from reinforcement learning: state, action, policy, return, value, advantage. This chapter goes through both, on a model small enough to look at every tensor and on a
# game small enough to list every outcome. Then it lays one over the other.
#
# **You will be able to**
# - follow a text through a decoder to the probabilities of the next token, and name each tensor and its shape;
# - compute log-likelihood, perplexity, entropy, cross-entropy and KL, and say how they are related;
# - say what temperature, top-k and top-p do to a distribution;
# - use the words of reinforcement learning for texts, exactly.

# %% [markdown]
# ## 1. One picture first
#
# A language model does one thing: it reads the beginning of a text and bets on the next token. Here it reads a request and the beginning of an answer, one token longer in each panel.

# %% tags=["setup"]
import math

import numpy as np
import torch

from rlhf_lib import PocketWorld, load_policy, set_seed
from rlhf_lib.exercises import predict
from rlhf_lib.plots import figure
from rlhf_lib.workbook.ch03_definitions.figures import plot_next_token

set_seed(0)
torch.set_grad_enabled(False)  # we only look; training switches gradients on again
world, base, sft = PocketWorld(), load_policy("pocket-base"), load_policy("pocket-sft")


def decode(token):
    """The text of one token."""
    return sft.tokenizer.decode([token])

# %%
from rlhf_lib.workbook.ch03_definitions.lab_next_token import next_token_logits

request = "what does a tiger eat?"
beginnings = ("", "a", "a tiger", "a tiger eats")
bets = {f"“{text}…”": next_token_logits(sft, request, text).softmax(-1) for text in beginnings}
plot_next_token(decode, bets, count=6, height=2.2);

# %% [markdown]
# (␣ is a space: it belongs to the token that follows it.) In some places there are many ways to go on, in others one. Everything else about language models in this chapter is about such bars: where they come from, how to draw from them, and how to say in a number how good they are.

# %% [markdown]
# ## 2. From text to tokens
#
# A model knows no letters. A **tokenizer** cuts the text into pieces from a fixed vocabulary and gives their numbers. Frequent words are one piece, rare ones several; any text can be written.

# %% tags=["nbval-check-output"]
for text in ("a tiger eats meat.", "12 + 30 = 42", "bioluminescence"):
    ids = sft.tokenizer.encode(text, add_special_tokens=False)
    print(f"{len(ids):2d} tokens:", [decode(i) for i in ids])
print("vocabulary:", len(sft.tokenizer), "tokens")

# %% [markdown]
# A conversation is a text too. The **chat template** writes it down, with special tokens where a turn starts and ends. It stops where the assistant has to begin:

# %%
ids = torch.tensor([sft.prompt_ids(request)], device=sft.device)  # (B, T) = (1, T)
print(sft.tokenizer.decode(ids[0].tolist()))
print("\ntoken ids", tuple(ids.shape), ids[0].tolist())

# %% [markdown]
# ## 3. From tokens to hidden states
#
# Each id picks a row of a table, its **embedding**: $H$ numbers. Then each layer adds something to that row, looking at the tokens before it (*attention*) and at the row itself (a small network of its own, an *MLP*). What comes out at the end is the **hidden state** of each token. Its shape is (B, T, H): B texts in a batch, T tokens, H numbers for each. V will be the size of the vocabulary.

# %%
from rlhf_lib.workbook.ch03_definitions.figures import plot_states

states = sft.model.all_states(ids)  # embedding, after each of 4 layers, after the last norm
tokens = [decode(i) for i in ids[0].tolist()]
shown = {"embeddings": states[0][0], "after layer 2": states[2][0], "hidden states": states[-1][0]}
plot_states(tokens, shown);

# %% [markdown]
# Orange is negative, blue positive. The three line ends ↵ have the same embedding, because an embedding knows nothing of its surroundings. In the last panel they differ: each has read other tokens.
#
# "Decoder-only" and "autoregressive" mean that information flows one way. **Predict:** we replace "tiger" in the request by "lion". At which tokens will the hidden state change?

# %%
other = torch.tensor([sft.prompt_ids(request.replace("tiger", "lion"))], device=sft.device)
changed = (sft.model.all_states(other)[-1] - states[-1])[0].norm(dim=-1).cpu()  # (T,)
fig, axis = figure(height=2.2)
axis.bar(range(len(tokens)), changed)
axis.set_xticks(range(len(tokens)), [repr(t)[1:-1] for t in tokens], rotation=60, ha="right")
axis.set(ylabel="change of the hidden state", title="“tiger” → “lion”");

# %% [markdown]
# Nowhere before it, everywhere from it on. That is why one pass over a text gives the predictions at *all* its positions, and why a model can be trained on all of them at once.

# %% [markdown]
# ## 4. The LM head: from a hidden state to probabilities
#
# The **LM head** is a matrix $W$ with a row for each token of the vocabulary. A **logit** is the dot product of that row with the hidden state. Softmax turns logits into probabilities:
#
# $$z = W h, \qquad p(v) = \frac{e^{z_v}}{\sum_u e^{z_u}}$$

# %% tags=["nbval-check-output"]
W = sft.model.lm_head.weight
hidden = states[-1]
logits = hidden @ W.T
probabilities = logits.softmax(-1)
for name, tensor in (("token ids", ids), ("embeddings", states[0]), ("hidden states", hidden),
                     ("LM head", W), ("logits", logits), ("probabilities", probabilities)):  # fmt: skip
    print(f"{name:14s} {tuple(tensor.shape)}")
print("each row of probabilities sums to", round(probabilities[0, -1].sum().item(), 4))
print("the same as the model's own:", torch.allclose(logits, sft.model(ids), atol=1e-4))

# %% [markdown]
# A second picture of the same (known as the *logit lens*): hold the head to the states *between* the layers. What would the model say if it stopped there? **Predict:** does the bet grow layer by layer?

# %%
early = {}
for depth, state in enumerate(states[:-1]):
    name = "embedding" if depth == 0 else f"after layer {depth}"
    early[name] = sft.model.logits(sft.model.model.norm(state[0, -1])).softmax(-1)
plot_next_token(decode, {name: early[name] for name in list(early)[1:]}, count=5, height=2.0);

# %% [markdown]
# Not here. After layers 1 and 2 the head reads digits and dashes, after layer 3 the later favourite leads by little, and only layer 4 makes the bet. The head was trained on the last layer's states alone, so what it reads earlier need not mean anything. In models with dozens of layers the bet often does take shape
# gradually; four layers leave no room for that.
#
# `pocket-base` and `pocket-sft` have the same architecture and different weights. **Predict:** what does the base model, which has only read documents, expect after “assistant”?

# %%
bets = {p.name: next_token_logits(p, request).softmax(-1) for p in (base, sft)}
plot_next_token(decode, bets, count=6, height=2.2);

# %% [markdown]
# Sure of itself, and wrong: nothing in its documents told it that somebody is waiting for an answer here. Section 7 changes that.

# %% [markdown]
# ## 5. How likely is a text?
#
# The probability of an answer is the product of the probabilities of its tokens, each given all before it. As a log-probability it is a sum:
#
# $$\log p(y \mid x) = \sum_{t=1}^{|y|} \log p(y_t \mid x, y_{<t}) \qquad \text{[DF-1]}$$
#
# Mind the shift: the logits at position $t-1$ are about token $t$. The **surprise** $-\log p$ of a token is measured in *nats*, the unit that natural logarithms give. 0 nats: it was sure. 0.7 nats: a coin. 4.6 nats: one in a hundred.

# %%
from rlhf_lib.workbook.ch03_definitions.figures import plot_token_strip


def surprise(policy, prompt, text):
    """The answer's tokens (its end token too) and -log p of each."""
    rollout = policy.encode_completions([prompt], [text])
    words = [decode(i) for i in rollout.completion_ids[0].tolist()]
    return ["(end)" if w == "<|im_end|>" else w for w in words], (-policy.logprobs(rollout)[0]).tolist()


answers = {"right": "a tiger eats meat.", "wrong": "a tiger eats grass.", "garbled": "meat eats a tiger."}
strips = {name: surprise(sft, request, text) for name, text in answers.items()}
plot_token_strip(strips, "surprise of each token (nats)", highest=8);

# %%
from rlhf_lib.lm import encode_answers, score_answers

scores = score_answers(sft, encode_answers(sft, [request] * 3, list(answers.values())))
for (name, (_, surprises)), logp in zip(strips.items(), scores.tolist(), strict=True):
    print(f"{name:8s} log p = {logp:7.2f} = −{sum(surprises):.2f}    p = {math.exp(logp):.1e}")

# %% [markdown]
# A sum of log-probabilities is below 0, and each token more makes it lower. To compare texts of different lengths take the mean per token, with the sign turned: the **negative log-likelihood** (NLL), over the tokens that count ($m_{i,t} = 1$ on them, 0 on prompts and padding):
#
# $$\mathcal L = -\frac{1}{\sum m_{i,t}} \sum_{i,t} m_{i,t}\,\log p(y_{i,t} \mid x_i, y_{i,<t}) \qquad \text{[SFT-1]}$$
#
# and its exponential, the **perplexity**: among how many equally likely tokens would you be as unsure?
#
# $$\mathrm{PPL} = e^{\mathcal L} \qquad \text{[DF-2]}$$
#
# **Predict:** the perplexity of a model that knows nothing? Of a good model on good answers? Of the base model on answers in a chat?

# %%
from rlhf_lib.objectives import perplexity

shown = world.demonstrations(200, seed=77)  # (prompt, answer) pairs that neither model has seen
rollout = base.encode_completions(*zip(*shown, strict=True))
print(f"knows nothing  {len(base.tokenizer):6.1f}")
for policy in (base, sft):
    print(f"{policy.name:14s} {perplexity(policy.logprobs(rollout), rollout.completion_mask):6.1f}")

# %% [markdown]
# The fine-tuned model hesitates among fewer than two tokens on average: small talk in PocketWorld is predictable. The base model does badly on *answers in a chat*. On its own kind of text it is very good, and there fine-tuning has made it worse:

# %%
from rlhf_lib.training import document_loss

for policy in (base, sft):
    nll = document_loss(policy, world.documents(99), batches=3)
    print(f"{policy.name:12s} on documents: NLL {nll:.2f} nats a token, perplexity {math.exp(nll):.2f}")

# %% [markdown]
# A perplexity belongs to a model *and* a kind of text. It also belongs to a tokenizer: you cannot compare models with different vocabularies by it.

# %% [markdown]
# ## 6. Drawing from it
#
# To write, draw a token, append it, and ask again, until the end token comes:

# %%
def write(policy, prompt, most=30, seed=0):
    """Sample an answer token by token."""
    generator = torch.Generator(policy.device).manual_seed(seed)
    sequence = policy.prompt_ids(prompt)[:]
    start = len(sequence)
    while len(sequence) < start + most and sequence[-1] != policy.end_token:
        p = policy.model(torch.tensor([sequence], device=policy.device))[0, -1].softmax(-1)
        sequence.append(torch.multinomial(p, 1, generator=generator).item())
    return policy.tokenizer.decode(sequence[start:])


for seed in range(4):
    print(write(sft, request, seed=seed))

# %% [markdown]
# (`policy.sample` does the same for many prompts at once and keeps the states that it has computed, so that each step costs one token and not the whole text.)
#
# You can bend the distribution first. A **temperature** $\tau$ divides the logits: below 1 the likely tokens gain, above 1 the unlikely ones do. **Top-k** keeps the $k$ likeliest tokens, **top-p** the smallest set $S$ of likeliest tokens that together have probability $p$ or more. What is left is renormalised:
#
# $$q(v) = \frac{p(v)^{1/\tau}}{\sum_{u \in S} p(u)^{1/\tau}} \quad\text{for } v \in S, \text{ else } 0 \qquad \text{[DF-3]}$$

# %%
from rlhf_lib.lm import truncate

z = next_token_logits(sft, request)[None]  # (1, V)
ways = {"as it is": truncate(z), "temperature 0.5": truncate(z / 0.5), "temperature 2": truncate(z / 2),
        "top-p 0.9": truncate(z, top_p=0.9)}  # fmt: skip
plot_next_token(decode, {name: logp[0].exp() for name, logp in ways.items()}, count=7, height=2.4);
tails = {name: 1 - logp.exp().topk(10).values.sum().item() for name, logp in ways.items()}
print("outside of the ten likeliest:", {name: f"{tail:.0%}" for name, tail in tails.items()})

# %% [markdown]
# Temperature reaches every token. At 2 the long tail of hundreds of rare tokens has much of the probability together, though each has little. The cuts take that tail away and leave the rest in proportion.
#
# What does that do to whole answers? Four of them to each of 96 held-out requests, scored by the *gold* utility: PocketWorld knows what a good answer is, and gives 1 point to a short and true one. Beside the mean stand the best of a request's four answers and how many of the four are different. Is the way that gives the best answers on average the one to train with?

# %% tags=["predict"]
guess = predict(
    "Which way of drawing gives the best answers on average?",
    {"cold": "cold: temperature 0 or 0.5", "as it is": "temperature 1", "hot": "temperature 1.5",
     "cut": "temperature 1 without the tail (top-p 0.8)"},
)  # fmt: skip
guess

# %% tags=["predicted"]
from rlhf_lib.experiments.stored import band
from rlhf_lib.workbook.ch03_definitions.experiments import temperatures

drawn_ways, stored = temperatures(seed=0), band("03_definitions/temperatures")
for name, now in drawn_ways.items():
    numbers = "gold {gold:+.2f}   best of 4 {best:+.2f}   different {different:.1f}".format(**now)
    spans = ("{low:+.2f} to {high:+.2f}".format(**stored[name][what]) for what in ("gold", "best"))
    print(f"{name:17s} {numbers}   (five draws: gold {', best '.join(spans)})")
best = max(drawn_ways, key=lambda name: drawn_ways[name]["gold"])
guess.reveal({"τ = 1": "as it is", "τ = 1.5": "hot", "τ = 1, top-p 0.8": "cut"}.get(best, "cold"))

# %% [markdown]
# On average the coldest answers are the best. But at temperature 0 the four are one answer said four times. At 0.5 and 1 the mean is no better, at 1 much worse; yet the best of the four is far better. As soon as somebody may *choose*, variety pays. At 1.5 answers fall apart, and even the best of four is poor. Cutting the tail off at
# temperature 1 repairs much of what the tail does to the mean, not all.
#
# To *use* a model, draw cold. To *train* it by reinforcement you need variety, because such training is a choice among draws: what is never drawn cannot be reinforced. And you draw at temperature 1 without cuts, because the log-probabilities in the loss are those of the model as it is. A rollout keeps both: `logp` of the model and `sampler_logp` of what
# was drawn from.

# %% [markdown] tags=["lab"]
# **Lab: the next token.** Grey is the model, blue is what you draw from. The line below says how unsure each is, and how far apart they are (section 10 explains the KL).

# %% tags=["lab"]
from rlhf_lib.labs import next_token_lab

starts = [(request, ""), (request, "a tiger eats"), ("tell me about a lion.", "a lion"),
          ("what is 3 + 4?", "3 + 4 =")]  # fmt: skip
next_token_lab(sft, starts)

# %% [markdown]
# The same without sliders: how many tokens the model is choosing among as the temperature rises. (That is the exponential of its *entropy*, the mean surprise at its own draws: section 10. The dotted line is the whole vocabulary.)

# %%
from rlhf_lib.objectives import entropy

taus = np.linspace(0.1, 3, 30)
fig, axis = figure(height=2.7, width=6.4)
for prompt, text in starts:
    z = next_token_logits(sft, prompt, text)
    axis.plot(taus, [entropy(z / float(tau)).exp().item() for tau in taus], label=f"{prompt} {text} …")
axis.axhline(len(sft.tokenizer), color="0.5", ls=":", lw=1)
axis.set(xlabel="temperature", ylabel="tokens to choose among", yscale="log")
axis.legend(fontsize=7.5);

# %% [markdown]
# At temperature 1 all four places leave a choice among a handful of tokens at most. Heat opens them all, but not at the same temperature: one number for a whole answer is a blunt tool.
#
# ## 7. Training: make what was said less surprising
#
# Fine-tuning (*supervised* fine-tuning, SFT) lowers the NLL [SFT-1] of demonstrations: requests with an answer to imitate. The base model, 1,280 demonstrations, one pass. The grey band is what five stored seeds gave (other demonstrations, other batches).

# %% tags=["training"]
from rlhf_lib.plots import plot_history
from rlhf_lib.training import train_sft
from rlhf_lib.workbook.ch03_definitions.experiments import first_settings

torch.set_grad_enabled(True)
student, held_out = base.copy(), world.demonstrations(200, seed=78)
history = train_sft(student, world.demonstrations(1280, seed=3), first_settings(seed=0), held_out)
loss = band("03_definitions/first_fine_tuning")["loss"]
plot_history(history, ["loss"], {"loss": (loss["low"], loss["high"])});

# %%
from rlhf_lib.training import held_out_loss

torch.set_grad_enabled(False)
student.name = "after 40 steps"
models, asked = (base, student, sft), world.prompts(64, seed=9, split="test")
finished, ppl = {}, {}
for policy in models:
    drawn = policy.sample(asked, max_new_tokens=40, seed=1)
    finished[policy.name] = drawn.finished.float().mean().item()
    ppl[policy.name] = math.exp(held_out_loss(policy, held_out))
    numbers = f"perplexity {ppl[policy.name]:5.1f}   answers that end {finished[policy.name]:4.0%}"
    print(f"{policy.name:15s} {numbers}   {drawn.texts[4][:40]!r}")

# %% [markdown]
# Forty steps teach it to answer and to stop. Good answers take longer: `pocket-sft` has seen 16,000 demonstrations.
#
# **If your curve looks wrong**
#
# | you see | likely cause |
# |---|---|
# | loss near 0 after a few steps | labels are not shifted: it is copying the token it reads (the clinic below) |
# | loss starts near $\log 1150 = 7.0$ | the weights were not loaded: the model knows nothing |
# | loss jumps up and stays | learning rate too high |
# | loss falls, answers never end | the end token is masked out of the loss |

# %% [markdown]
# ## 8. Reinforcement learning, on a game with fifteen endings
#
# Now the other vocabulary. A game: describe a fox in at most three words. The words are "red", "very" and the full stop.
#
# - A word costs 0.1, the full stop nothing.
# - At the end: +1 if "red" was said, +0.5 more for "very red", −1 if "very" is left hanging.

# %%
from rlhf_lib.exact import TextGame


def points(text):
    """What the last word of a text (a tuple of words) earns."""
    cost = 0.0 if text[-1] == "." else -0.1
    if text[-1] != "." and len(text) < 3:
        return cost
    said = [word for word in text if word != "."]
    return cost + ("red" in said) + 0.5 * ("very red" in " ".join(said)) - (said[-1:] == ["very"])


game = TextGame("describe a fox.", ("red", "very", "."), horizon=3, reward=points)

# %% [markdown]
# | word | symbol | here |
# |---|---|---|
# | **state** | $s_t$ | what is written so far |
# | **initial-state distribution** | $\rho(s_0)$ | where a game starts: always with this prompt |
# | **action** | $a_t$ | the next word |
# | **policy** | $\pi(a \mid s)$ | the probability of each next word |
# | **transition** | $p(s' \mid s, a)$ | certain: the word is appended |
# | **reward** | $r_t$ | `points` |
# | **episode** | | one game, from the start to the end |
# | **trajectory** | $\tau$ | the record of an episode: states, actions, rewards |
# | **horizon** | $T$ | three words: the game always ends |
# | **return** | $G$ | the sum of a trajectory's rewards |
#
# States, actions, transitions, rewards and the initial-state distribution together make a **Markov decision process** (MDP). *Markov* means: what comes next depends on the present state and action alone, not on how you got there. Texts keep that rule for free, because the state *is* the whole text so far.
#
# Rewards that come later may count less, by a **discount** $\gamma$ a step. With no chance in the world, a trajectory's probability is the product of the policy's:
#
# $$p_\pi(\tau) = \prod_{t=0}^{T-1} \pi(a_t \mid s_t), \qquad G(\tau) = \sum_{t=0}^{T-1} \gamma^t r_t \qquad \text{[DF-6]}$$
#
# What reinforcement learning maximises is the mean return, $J(\pi) = \mathbb E_{s_0\sim\rho,\ \tau\sim\pi}\,G(\tau)$. Textbooks often let the sum run to infinity; then $\gamma < 1$ keeps it finite. Here the horizon is finite, as it is for answers.
#
# Our first policy picks each word with probability 1/3. All its trajectories:

# %%
import pandas as pd

from rlhf_lib.exact import all_plays, uniform

policy = uniform(game)
plays = all_plays(game, policy)
rows = [(" ".join(p.text), p.probability, " ".join(f"{r:+.1f}" for r in p.rewards), p.discounted()) for p in plays]
table = pd.DataFrame(rows, columns=["text", "probability", "rewards", "return"])
table = table.sort_values("return", ascending=False).head(8)
table.style.hide(axis="index").format({"probability": "{:.3f}", "return": "{:.1f}"})

# %% [markdown]
# The **value** of a state is the expected return from there on, if the policy goes on as it does. The **Q-value** of a state and an action: take this action first, then go on with the policy. The **advantage** is the difference: how much better is this action than what the policy does on average?
#
# $$V(s) = \sum_a \pi(a \mid s)\, Q(s, a) \qquad \text{[DF-7]}$$
#
# $$Q(s, a) = r(s, a) + \gamma V(s') \qquad \text{[DF-8]}$$
#
# $$A(s, a) = Q(s, a) - V(s) \qquad \text{[DF-9]}$$
#
# The game is a tree, so one walk from the end to the beginning computes them all. **Predict** before you run it: is "very" a good first word, for this policy?

# %% tags=["nbval-check-output"]
from rlhf_lib.exact import solve_game

values = solve_game(game, policy)
print(f"V(prompt) = {values.v[()]:.3f}")
mean_return = sum(play.probability * play.discounted() for play in plays)
print(f"mean return of all {len(plays)} trajectories = {mean_return:.3f}")
for word, q, a in zip(game.words, values.q[()].tolist(), values.advantage(()).tolist(), strict=True):
    print(f"first word {word:5s} Q = {q:+.3f}   A = {a:+.3f}")

# %%
from rlhf_lib.exact import game_tree
from rlhf_lib.plots import plot_token_tree

plot_token_tree(game_tree(game, policy), "every text of the game", "points expected in all");

# %% [markdown]
# The colour is the points so far plus $V$: blue is better than the prompt's 0.1, orange worse. The step from one colour to the next is the advantage. Advantages have mean 0 in every state: they redistribute, they do not add.
#
# "very" is a bad first word *for a policy that picks at random*: too often it is left hanging. The best text of the game begins with it. **A value belongs to a policy.** So improve the policy: in each state take the action with the highest Q. Compute the values of the new policy. Repeat.

# %% tags=["nbval-check-output"]
from rlhf_lib.exact import improved

story, current = [], uniform(game)
for step in range(3):
    now = solve_game(game, current)
    story.append((now.v[()], now.advantage(())[1].item()))
    likeliest = max(all_plays(game, current), key=lambda play: play.probability)
    says = "anything" if step == 0 else " ".join(likeliest.text)
    print(f"policy {step}: says {says:12s} V(prompt) = {story[-1][0]:.2f}   A(very) = {story[-1][1]:+.2f}")
    current = improved(game, now)

# %% [markdown]
# The first improvement finds "red." and would call it good. For *that* policy "very" has a positive advantage, because it now knows what to do after it. All of RLHF's policy gradients do this in small steps, with advantages that are estimated and not computed (chapter 11).
#
# **The discount.** "very red." earns more but later. How much later rewards count decides which is better:

# %%
gammas = np.linspace(0.3, 1, 50)
fig, axis = figure(height=2.7, width=6.2)
for text in (("red", "."), ("very", "red", "."), ("red", "very", "red")):
    play = next(p for p in plays if p.text == text)
    axis.plot(gammas, [play.discounted(g) for g in gammas], lw=2, label=" ".join(text))
axis.set(xlabel="discount γ", ylabel="return", title="patience")
axis.legend();

# %% [markdown]
# With little patience "red." wins, with much of it the longer texts do. In RLHF the reward stands at the end of the answer. A $\gamma$ below 1 would make short answers better than equally good long ones, so RLHF uses $\gamma = 1$.
#
# **By sampling.** Nobody can list the trajectories of a language model. The mean return of *some* trajectories estimates $V$, with an error that falls as $1/\sqrt n$. The exact value is 0.1:

# %%
p = torch.tensor([play.probability for play in plays], dtype=torch.float64)
returns = torch.tensor([play.discounted() for play in plays], dtype=torch.float64)
generator = torch.Generator().manual_seed(0)
sampled_values = {}
for n in (10, 100, 1000, 10000):
    drawn = returns[torch.multinomial(p, n, replacement=True, generator=generator)]
    sampled_values[n] = drawn.mean().item(), (drawn.std() / math.sqrt(n)).item()
    print(f"{n:6d} games: {sampled_values[n][0]:+.3f} ± {sampled_values[n][1]:.3f}")

# %% [markdown]
# These games were played by the policy that they judge: they are **on-policy**. Games of another policy are **off-policy** data. Can they be used? Take a second policy, which follows the improved one half of the time. **Predict:** what does the mean return of the *first* policy's games say about it?

# %%
def second(text):
    """Half the first policy, half the improved one."""
    return 0.5 * policy(text) + 0.5 * improved(game, values)(text)


wanted = solve_game(game, second).v[()]
chance = {play.text: play.probability for play in all_plays(game, second)}
weights = torch.tensor([chance[play.text] / play.probability for play in plays], dtype=torch.float64)
index = torch.multinomial(p, 10000, replacement=True, generator=generator)  # games of the first policy
plain, weighted = returns[index].mean().item(), (weights * returns)[index].mean().item()
print(f"second policy: exact {wanted:.3f}   plain mean of the first one's games {plain:.3f}   weighted {weighted:.3f}")

# %% [markdown]
# Nothing: the plain mean is the first policy's own value. Weight each game by how much likelier the second policy would have played it, $p_{\pi_2}(\tau) / p_{\pi_1}(\tau)$, and the mean is right again (*importance weights*). The ratios in PPO and GRPO (chapter 11) are such weights. Most of RLHF is nearly on-policy: a few updates on the policy's latest
# answers. Training on a stored file of other models' answers, as DPO often does (chapter 12), is off-policy.
#
# ## 9. The same words for completions
#
# A language model plays this game with 1,150 words and a horizon of dozens. There are two ways to cut it into steps, and RLHF uses both. Seen whole, an answer is one choice with one payment, which is called a *bandit*:
#
# | | whole answers (a *bandit*) | token by token |
# |---|---|---|
# | state | the prompt $x$ | the prompt and the answer so far |
# | action | the whole answer $y$ | the next token |
# | policy | $\pi(y \mid x)$ [DF-1] | softmax of the logits |
# | trajectory | one step | the tokens up to the end token |
# | reward | the score of the answer | 0 until the end, then the score |
# | $V(x)$ | mean score of answers to $x$ | the same |
# | advantage | score − mean score | value after the token − value before it |
#
# In RLHF the initial-state distribution is the set of prompts: draw one, and the episode is its answer.
#
# To compute values exactly we need a list of answers. Nobody can list *every* answer that a model may give, but `exact_world` lists 120 to one request, scores each by its gold utility, and asks `pocket-sft` for their probabilities. These are then renormalised: we look at a policy that says nothing but what is on the list. How much of the real
# model is that?

# %%
from rlhf_lib.exact import coverage, exact_world
from rlhf_lib.rewards import GoldReward

prompt = world.prompts(1, kinds=("fact",), seed=12, split="test")[0]
exact = exact_world(world, [prompt], sft, size=120)
pi, scores = exact.ref_logp[0].exp(), exact.rewards[0]
value, share = (pi * scores).sum(), coverage(sft, exact).item()
real = GoldReward(world)(sft.sample([prompt], 256, 40, seed=1))
print(f"{prompt.text}   the list holds {share:.0%} of the model's probability")
print(f"V over the list {value:.3f}   V of the model, from 256 samples: {real.mean():.2f} ± {real.std() / 16:.2f}")

# %% [markdown]
# A list that holds a fifth of the probability is not the model. The rest are longer and rambling answers, and they are worse: the model's own value lies well below that of the list. So what follows is exact for the *listed* policy, and a picture of the real one. (Chapter 02's tree had the same prompt, but sampled answers: its value is the model's.)

# %%
print(f"V(prompt) = {value:.3f}\n")
for chance, score, text in exact.likeliest(exact.ref_logp, count=6):
    print(f"π = {chance:.3f}   r = {score:+.2f}   A = {score - value:+.2f}   {text}")

# %% [markdown]
# That is the bandit: one action, one reward, one advantage. Token by token the same answers are a tree, and the value of a prefix is the mean score of the listed answers that begin with it. Blue is better than the prompt, orange worse:

# %%
from rlhf_lib.exact import answer_tree

plot_token_tree(answer_tree(exact, sft, nodes=28), f"“{prompt.text}”", "mean score from here on");

# %% [markdown]
# Where do the points of an answer come from? The advantages of its tokens say so, and they add up to the advantage of the whole answer:
#
# $$\sum_t A(s_t, a_t) = \sum_t \big(V(s_{t+1}) - V(s_t)\big) = r(x, y) - V(x).$$

# %%
whole = answer_tree(exact, sft)
ends = [i for i, node in enumerate(whole.nodes) if node.finished]
by_chance = sorted(ends, key=lambda i: -whole.nodes[i].probability)
bad = next(i for i in by_chance if whole.nodes[i].value < 0)
for end in (by_chance[0], bad):
    steps = [(whole.nodes[n].text, whole.advantage(n)) for n in whole.road(end)[1:]]
    print("   ".join(f"{token.strip()} {a:+.2f}" for token, a in steps))
    print(f"   sum {sum(a for _, a in steps):+.3f} = r − V = {whole.nodes[end].value - value:+.3f}\n")

# %% [markdown]
# Most tokens get nothing: nearly every listed answer that got this far goes on this way. In the first answer it is the *end* token that earns most, because it does not go on to say the same thing again. The second, a refusal, is lost with its first two tokens. In the bandit view all tokens of an answer share the same advantage, deserved or not: this is the *credit
# assignment* problem, and a value function is one remedy (chapter 11).

# %% [markdown]
# ## 10. Entropy, cross-entropy, KL
#
# Three numbers about distributions. **Entropy** is the mean surprise of a distribution at its own draws:
#
# $$H(p) = -\sum_v p(v) \log p(v) \qquad \text{[DF-4]}$$
#
# **Cross-entropy** is the mean surprise of $q$ at draws of $p$:
#
# $$H(p, q) = -\sum_v p(v) \log q(v) \qquad \text{[DF-5]}$$
#
# And the **KL divergence** (Kullback-Leibler) is what is left: how much *more* $q$ is surprised than $p$ itself, $\mathrm{KL}(p \| q) = \sum_v p(v)\log\frac{p(v)}{q(v)}$ [KL-2]:
#
# $$H(p, q) = H(p) + \mathrm{KL}(p \| q).$$

# %%
from rlhf_lib.objectives import cross_entropy, exact_kl

z_sft, z_student = next_token_logits(sft, request), next_token_logits(student, request)
h, crossed, kl = entropy(z_sft), cross_entropy(z_sft, z_student), exact_kl(z_sft, z_student)
print(f"H(sft) {h:.3f} + KL(sft ‖ student) {kl:.3f} = {h + kl:.3f}   H(sft, student) = {crossed:.3f}")
draws = torch.multinomial(z_sft.softmax(-1), 4000, replacement=True, generator=generator)
surprises = -z_student.log_softmax(-1)[draws]
error = surprises.std() / 4000**0.5
print(f"mean surprise of the student at 4,000 tokens of sft: {surprises.mean():.3f} ± {error:.3f}")

# %% [markdown]
# So the NLL of demonstrations *is* a cross-entropy, measured on samples: $p$ is whoever wrote them, $q$ the model. Its floor is the writers' entropy, and training can only lower the KL part. That is the forward KL, $\mathrm{KL}(\text{data}\|\pi)$.
#
# RLHF's penalty is the other one, $\mathrm{KL}(\pi\|\pi_{\mathrm{ref}})$: draws come from the policy. The order matters. The two are different numbers and dislike different things; chapter 08 shows which.
#
# On text: how far has fine-tuning moved the model at each token of an answer?

# %%
rollout = sft.encode_completions([request], [answers["right"]])
z_now, z_before = sft.completion_logits(rollout)[0], base.completion_logits(rollout)[0]
words = strips["right"][0]
rows = {"KL(sft ‖ base)": (words, exact_kl(z_now, z_before).tolist()),
        "entropy of sft": (words, entropy(z_now).tolist())}  # fmt: skip
plot_token_strip(rows, "nats", highest=6);

# %% [markdown]
# The models differ most where an answer begins and where it ends. In between, the base model had learned the facts already. Add these numbers up over the tokens, average over answers of the fine-tuned model, and you have the KL of an answer: nats add up (chapter 02, section 5).

# %% [markdown]
# ## 11. Exercises

# %% [markdown] tags=["exercise"]
# {exercise: my_answer_logp}
#
# `logits` (B, T, V) of a model that has read `token_ids` (B, T); `mask` (B, T) is 1 on the tokens of the answer, 0 on the prompt before it and the padding behind. Return $\log p(\text{answer} \mid \text{prompt})$ of each row, (B,).

# %% tags=["solution"]
def solution_answer_logp(logits, token_ids, mask):
    logp = logits.log_softmax(-1)[:, :-1]
    taken = logp.gather(-1, token_ids[:, 1:, None]).squeeze(-1)
    return (taken * mask[:, 1:]).sum(1)

# %% [markdown] tags=["exercise"]
# {exercise: my_perplexity}
#
# `logp` (B, T) of the tokens that came, `mask` (B, T) on those that count. Return the perplexity of the whole batch, a number.

# %% tags=["solution"]
def solution_perplexity(logp, mask):
    return torch.exp(-(logp * mask).sum() / mask.sum())

# %% [markdown] tags=["exercise"]
# {exercise: my_nucleus}
#
# `probabilities` (B, V) and a number `top_p`. Keep in each row the smallest set of likeliest tokens whose probabilities sum to `top_p` or more; renormalise; return (B, V).

# %% tags=["solution"]
def solution_nucleus(probabilities, top_p):
    ordered, order = probabilities.sort(descending=True, dim=-1)
    before = ordered.cumsum(-1) - ordered
    kept = torch.where(before < top_p, ordered, 0.0)
    out = torch.zeros_like(probabilities).scatter(-1, order, kept)
    return out / out.sum(-1, keepdim=True)

# %% [markdown] tags=["exercise"]
# {exercise: my_cross_entropy}
#
# `p` and `q` (B, V) are probabilities (not logits), all positive. Return the cross-entropy $H(p, q)$ of each row in nats, (B,).

# %% tags=["solution"]
def solution_cross_entropy(p, q):
    return -(p * q.log()).sum(-1)

# %% [markdown] tags=["exercise"]
# {exercise: my_backup}
#
# S states with A actions each: `rewards` (S, A) of the actions, `next_values` (S, A) of the states they lead to, `policy` (S, A), and a discount. Return two tensors: V (S,) and the advantages (S, A).

# %% tags=["solution"]
def solution_backup(rewards, next_values, policy, gamma):
    q = rewards + gamma * next_values
    v = (policy * q).sum(1)
    return v, q - v[:, None]

# %% [markdown]
# ## 12. The silent-bug clinic
#
# Bugs in this field rarely raise an error. They train. This is a real one. Look at the curves first.

# %%
from rlhf_lib.exercises import clinic
from rlhf_lib.plots import plot_runs

torch.set_grad_enabled(True)
case = clinic("shifted_labels")
curves = case.curves()
plot_runs(curves, case.watch, title=case.title);

# %%
case

# %% [markdown]
# Left is what the programmer saw, right what the model can really do. Which bug is it?

# %%
case.quiz

# %% [markdown]
# Now write the test that would have caught it. It gets a function `loss(logits, token_ids)`, calls it on something small, and asserts what must hold. The runner tries your test on the buggy code and on two right versions.

# %%
def my_test(loss):
    ...

# %% tags=["nbval-check-output"]
case.check(my_test)

# %% [markdown]
# <details><summary>Hints</summary>
#
# 1. Make logits by hand that are sure of the next token, whatever comes before. What must such a model pay?
# 2. Three tokens 0, 1, 2: a large logit for token 1 at position 0 and for token 2 at position 1. The loss has to be almost 0.
#
# </details>

# %% tags=["solution"]
def solution_test(loss):
    logits, ids = torch.zeros(1, 3, 4), torch.tensor([[0, 1, 2]])
    logits[0, 0, 1] = logits[0, 1, 2] = 50.0
    assert loss(logits, ids) < 1e-4, "a sure and right prediction costs nothing"


case.check_solution(solution_test)

# %% [markdown]
# One more case of this chapter, for you to take: `clinic("unlearned_end")`, *Answers that never end* (its curves take ten seconds). `.curves()`, `.quiz`, `.check(my_test)`, `.hint(1)` work as above.

# %% [markdown]
# ## 13. What this chapter claimed

# %% tags=["claims"]
before = tokens.index(" tiger")
assert changed[:before].max() < 1e-4 < changed[before:].min(), "information flows one way"
assert torch.allclose(logits, sft.model(ids), atol=1e-4), "a logit is a dot product with the hidden state"
assert ppl["pocket-sft"] < ppl["after 40 steps"] < ppl["pocket-base"] / 4, "fine-tuning lowers perplexity"
assert finished["pocket-base"] < 0.1 and finished["after 40 steps"] > 0.5, "and teaches to stop"
different, quality = ({n: way[k] for n, way in drawn_ways.items()} for k in ("different", "gold"))
assert different["τ = 0"] < different["τ = 0.5"] < different["τ = 1"], "temperature brings variety"
assert quality["τ = 0.5"] > quality["τ = 1"] > quality["τ = 1.5"], "and costs quality"
assert drawn_ways["τ = 1"]["best"] > quality["τ = 0"] + 0.1, "but with a choice of four, variety pays"
assert abs(mean_return - values.v[()]) < 1e-12, "V is the mean return of all trajectories"
assert story[0][1] < 0 < story[1][1], "“very” is bad for one policy and good for the next"
estimates = sampled_values.values()
assert all(abs(mean - values.v[()]) < 4 * spread for mean, spread in estimates), "sampling estimates V"
assert quality["τ = 1, top-p 0.8"] > quality["τ = 1"], "cutting off the tail helps"
assert abs(weighted - wanted) < 0.1 < wanted - plain, "off-policy games need weights"
assert 0.1 < share < 0.3 and real.mean() < value, "the list is a part of the model, and the better part"
assert tails["temperature 2"] > 2 * tails["as it is"] > tails["top-p 0.9"], "heat feeds the tail"
sums = [sum(whole.advantage(n) for n in whole.road(e)) - (whole.nodes[e].value - value) for e in ends]
assert max(map(abs, sums)) < 1e-9, "token advantages add up to the answer's"
assert abs(h + kl - crossed) < 1e-4, "cross-entropy = entropy + KL"
assert curves["wrong"].last("loss") < 0.2 < curves["right"].last("loss"), "the bug looks like a triumph"
print("all claims hold")

# %% [markdown]
# And on the stored runs: each sentence with the number of seeds on which it holds, and its margin in standard deviations (sd) over the seeds.

# %%
from rlhf_lib.experiments.experiment import outcomes
from rlhf_lib.experiments.stored import results_of
from rlhf_lib.workbook.ch03_definitions.experiments import EXPERIMENTS

for experiment in EXPERIMENTS.values():
    for outcome in outcomes(experiment, list(results_of("03_definitions", experiment.name).values())):
        print(outcome)

# %% [markdown] tags=["recap"]
# ## Recap
#
# - Text → token ids (B, T) → embeddings and hidden states (B, T, H) → LM head → logits (B, T, V) → probabilities of the *next* token.
# - An answer's log-probability is the sum over its tokens. NLL is the mean per token; perplexity is its exponential.
# - Temperature and cuts change what is drawn, not the model. Train at temperature 1.
# - States, actions, transitions, rewards and where episodes start: a Markov decision process. A policy's own episodes are on-policy data; others need weights.
# - V is what a policy can expect, Q what it can expect after an action, A = Q − V. All three belong to a policy.
# - Prompt = state, answer = action, score at the end = reward; or token by token, with the same V at the prompt.
# - Cross-entropy = entropy + KL. Demonstrations pull by $\mathrm{KL}(\text{data}\|\pi)$; RLHF's penalty is $\mathrm{KL}(\pi\|\pi_{\mathrm{ref}})$.
#
# **Recall** of earlier chapters:

# %% tags=["recall"]
from IPython.display import display

from rlhf_lib.exercises import recall

for quiz in recall("03_definitions"):
    display(quiz)

# %% [markdown]
# **More:** the book's appendix [Definitions](https://rlhfbook.com/c/appendix-a-definitions); Vaswani et al. (2017), *Attention is all you need*; Touvron et al. (2023) for the architecture used here; Holtzman et al. (2020), *The curious case of neural text degeneration* (top-p); Cover and Thomas, *Elements of
# information theory*, chapter 2; Sutton and Barto, *Reinforcement learning*, chapter 3.
