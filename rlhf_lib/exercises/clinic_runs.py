"""The small, real trainings behind the clinic's curves. Each takes an implementation and uses it."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor

from ..evaluation import ExactWorld, TabularPolicy, draw, draw_comparisons, exact_world
from ..lm import Decoder, DecoderConfig, Policy, load_policy
from ..objectives import rloo_advantages
from ..rewards import RewardModel
from ..runtime import data_path
from ..training import History, packed_rows, read_preferences
from ..training.guards import optimizer_step, run_steps
from ..world import PocketWorld

BETA = 0.3
SAMPLES = 8


@functools.cache
def small_world() -> ExactWorld:
    """Six requests with sixty answers each, as pocket-sft finds them likely."""
    world = PocketWorld()
    prompts = world.prompts(6, ("fact", "opinion", "lookalike", "sum"), seed=13)
    return exact_world(world, prompts, load_policy("pocket-sft"), size=60)


def train_table(
    loss_of: Callable, steps: int = 60, learning_rate: float = 0.1, every: int = 3
) -> History:
    """Train a table on `loss_of(table, exact, generator) -> (loss, metrics)`; exact measurements.

    The history has loss, grad_norm, the metrics, and those of `ExactWorld.measure` at beta 0.3.
    """
    exact, generator = small_world(), torch.Generator().manual_seed(0)
    table, history = TabularPolicy(exact.ref_logp), History()
    optimizer = torch.optim.Adam(table.parameters(), learning_rate)

    def do_step(step: int) -> None:
        measured = exact.measure(table.table(), BETA)
        loss, metrics = loss_of(table, exact, generator)
        norm = optimizer_step(loss, optimizer, 1e9, f"step {step}")
        if step % every == 0:
            history.log(step, loss=loss.item(), grad_norm=norm, **metrics, **measured)

    return run_steps(range(steps), do_step, history)


def sampled(table: TabularPolicy, exact: ExactWorld, generator, count: int = SAMPLES):
    """Answers (N, G) drawn from the table, with their log-probabilities, reference and rewards."""
    with torch.no_grad():
        index = draw(table.table(), count, generator)
    return (
        table.pick(index),
        exact.ref_logp.gather(1, index),
        exact.rewards.gather(1, index),
    )


def run_penalized_reward(implementation: Callable) -> History:
    """REINFORCE on implementation(rewards, logp, ref_logp, beta), leave-one-out baseline."""

    def loss_of(table, exact, generator):
        logp, ref_logp, rewards = sampled(table, exact, generator)
        total = implementation(rewards, logp.detach(), ref_logp, BETA)
        return -(rloo_advantages(total) * logp).mean(), {}

    return train_table(loss_of, steps=90)


def run_kl_estimate(implementation: Callable) -> History:
    """REINFORCE with beta * implementation(logp, ref_logp) in the loss; its mean is logged beside the KL."""

    def loss_of(table, exact, generator):
        logp, ref_logp, rewards = sampled(table, exact, generator, 16)
        estimate = implementation(logp, ref_logp).mean()
        loss = -(rloo_advantages(rewards) * logp).mean() + BETA * estimate
        return loss, {"kl_estimate": estimate.item()}

    return train_table(loss_of, steps=90)


def run_exact_kl(implementation: Callable) -> History:
    """Maximise the exact expected reward minus beta * implementation(logits, ref_logits)."""

    def loss_of(table, exact, generator):
        logp = table.table()
        reward = (logp.exp() * exact.rewards).sum(-1)
        return (BETA * implementation(table.logits, exact.ref_logp) - reward).mean(), {}

    return train_table(loss_of, steps=150, every=5)


def run_selection(implementation: Callable) -> History:
    """Rounds of rejection sampling: draw (N, G), keep implementation(rewards, keep), imitate."""

    def loss_of(table, exact, generator):
        logp, _, rewards = sampled(table, exact, generator)
        rows, columns = zip(*implementation(rewards, len(rewards)), strict=True)
        return -logp[list(rows), list(columns)].mean(), {}

    return train_table(loss_of, steps=60, learning_rate=0.05)


def run_advantages(implementation: Callable) -> History:
    """REINFORCE with the advantages implementation(rewards (N * G,), G), answers prompt by prompt.

    Some requests are easy and some are hard: -2 to 2 points are added to all answers of a request.
    """
    easy = torch.linspace(-2, 2, len(small_world().prompts), dtype=torch.float64)[:, None]

    def loss_of(table, exact, generator):
        logp, _, rewards = sampled(table, exact, generator)
        advantages = implementation((rewards + easy).flatten(), rewards.shape[1])
        return -(advantages * logp.flatten()).mean(), {
            "advantage_size": advantages.abs().mean().item()
        }

    return train_table(loss_of, steps=60)


EPOCHS = 6


class OffPolicy:
    """A batch of answers that is used for several updates, as PPO does; then a fresh one."""

    def __init__(self) -> None:
        self.uses = 0

    def __call__(self, table, exact, generator):
        """(logp now, logp when drawn, reference, advantages), each (N, G)."""
        if self.uses % EPOCHS == 0:
            with torch.no_grad():
                self.index = draw(table.table(), SAMPLES, generator)
                self.old = table.pick(self.index)
                self.advantages = rloo_advantages(exact.rewards.gather(1, self.index))
        self.uses += 1
        ref_logp = exact.ref_logp.gather(1, self.index)
        return table.pick(self.index), self.old, ref_logp, self.advantages


def run_clip(implementation: Callable) -> History:
    """PPO: several updates a batch on the objective implementation(ratio, advantages, clip)."""
    batch, seen = OffPolicy(), deque(maxlen=EPOCHS)

    def loss_of(table, exact, generator):
        logp, old, _, advantages = batch(table, exact, generator)
        ratio = (logp - old).exp()
        seen.append(ratio.max().item())
        return -implementation(ratio, advantages, 0.2).mean(), {"ratio_max": max(seen)}

    return train_table(loss_of, steps=180, every=EPOCHS)


def run_ratio(implementation: Callable) -> History:
    """PPO with the ratio implementation(logp, old_logp, ref_logp)."""
    batch, seen = OffPolicy(), deque(maxlen=EPOCHS)

    def loss_of(table, exact, generator):
        logp, old, ref_logp, advantages = batch(table, exact, generator)
        ratio = implementation(logp, old, ref_logp)
        clipped = ratio.clamp(0.8, 1.2)
        gained = torch.minimum(ratio * advantages, clipped * advantages)
        seen.append((ratio * advantages > clipped * advantages).double().mean().item())
        return -gained.mean(), {"clip_fraction": sum(seen) / len(seen)}

    return train_table(loss_of, steps=180, every=EPOCHS)


def compared(table, exact: ExactWorld, generator, reference=None) -> tuple[Tensor, ...]:
    """pc, pr, rc, rr of fresh Bradley-Terry comparisons; `reference` is a table too."""
    chosen, rejected = draw_comparisons(exact, 64, generator=generator)
    ref = (table if reference is None else reference).table().detach()
    both = [table.pick(index).flatten() for index in (chosen, rejected)]
    return *both, *(ref.gather(1, index).flatten() for index in (chosen, rejected))


def run_reference(implementation: Callable) -> History:
    """DPO with the reference implementation(policy), made once at the start."""
    kept = {}

    def loss_of(table, exact, generator):
        reference = kept.setdefault("reference", implementation(table))
        pc, pr, rc, rr = compared(table, exact, generator, reference)
        margin = BETA * ((pc - rc) - (pr - rr))
        return -torch.nn.functional.logsigmoid(margin).mean(), {"margin": margin.mean().item()}

    return train_table(loss_of, steps=90)


def run_direct_loss(implementation: Callable) -> History:
    """DPO by implementation(pc, pr, rc, rr, beta)."""
    reference = TabularPolicy(small_world().ref_logp)

    def loss_of(table, exact, generator):
        return implementation(*compared(table, exact, generator, reference), BETA), {}

    return train_table(loss_of, steps=90)


# --- with language models


def run_next_token(implementation: Callable) -> History:
    """A small decoder from scratch on implementation(logits, token_ids); its true loss beside it."""
    world, tokenizer = PocketWorld(), load_policy("pocket-base").tokenizer
    torch.manual_seed(0)
    config = DecoderConfig(
        len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=4,
    )  # fmt: skip
    policy, history = Policy(Decoder(config), tokenizer, "from scratch"), History()
    rows = packed_rows(policy, world.documents(1), 16, 48)
    optimizer = torch.optim.AdamW(policy.model.parameters(), 1e-2)

    def do_step(step: int) -> None:
        token_ids = next(rows)
        logits = policy.model(token_ids)
        loss = implementation(logits, token_ids)
        optimizer_step(loss, optimizer, 1.0, f"step {step}")
        if step % 3 == 0:
            following = torch.log_softmax(logits[:, :-1].detach(), -1)
            right = following.gather(-1, token_ids[:, 1:, None])
            history.log(step, loss=loss.item(), next_token_loss=-right.mean().item())

    return run_steps(range(48), do_step, history)


def run_completion_mask(implementation: Callable) -> History:
    """pocket-base learns to answer; implementation(ids, end, pad) says which tokens count."""
    world, policy, history = PocketWorld(), load_policy("pocket-base").copy(), History()
    shown = world.demonstrations(600, seed=3)
    asked = world.prompts(16, ("fact", "sum"), seed=8)
    optimizer = torch.optim.AdamW(policy.model.parameters(), 1e-3)
    end = pad = policy.end_token  # a tokenizer without a pad token of its own

    def do_step(step: int) -> None:
        prompts, texts = zip(*shown[step * 24 : step * 24 + 24], strict=True)
        rollout = policy.encode_completions(prompts, texts)
        ids = rollout.completion_ids.masked_fill(rollout.completion_mask == 0, pad)
        mask = implementation(ids, end, pad)
        loss = -(policy.logprobs(rollout) * mask).sum() / mask.sum()
        optimizer_step(loss, optimizer, 1.0, f"step {step}")
        if step % 6 == 5:
            drawn = policy.sample(asked, 1, 40, seed=step)
            finished, length = drawn.finished.float().mean(), drawn.lengths.mean()
            history.log(step, loss=loss.item(), finished=finished.item(), length=length.item())

    return run_steps(range(24), do_step, history)


LIMIT = 4
"""Tokens of an answer that are left by the truncation in the reward model's case."""


@functools.cache
def reward_features(limit: int | None = None) -> tuple[list, list, Tensor, Tensor]:
    """Token ids of chosen and rejected answers, and pocket-sft's last hidden states (n, H) of both."""
    policy = load_policy("pocket-sft")
    encoder = RewardModel.from_policy(policy)
    pairs = read_preferences(data_path("preferences", "pocket-train.jsonl"))[:480]
    prompts = [pair.prompt for pair in pairs]
    tokens, features = [], []
    for texts in ([p.chosen for p in pairs], [p.rejected for p in pairs]):
        ids = policy.tokenizer(texts, add_special_tokens=False).input_ids
        tokens.append(ids)
        cut = [policy.tokenizer.decode(row[:limit]) for row in ids]
        features.append(encoder.features_of_texts(prompts, cut).cpu())
    return *tokens, *features


def train_head(
    chosen: Tensor, rejected: Tensor, loss_of: Callable, unseen: tuple[Tensor, Tensor]
) -> History:
    """A linear reward on frozen features; logs the loss and the accuracy on unseen comparisons."""
    torch.manual_seed(0)
    head, history = torch.nn.Linear(chosen.shape[1], 1), History()
    optimizer = torch.optim.AdamW(head.parameters(), 3e-3, weight_decay=0.01)

    def do_step(step: int) -> None:
        rewards = [head(x).squeeze(-1) for x in (chosen, rejected)]
        loss = loss_of(*rewards)
        optimizer_step(loss, optimizer, 1.0, f"step {step}")
        if step % 4 == 0:
            with torch.no_grad():
                gap = (head(unseen[0]) - head(unseen[1])).squeeze(-1)
            accuracy = (gap > 0).float().mean().item()
            nll = torch.nn.functional.softplus(-gap).mean().item()
            history.log(step, loss=loss.item(), held_out_accuracy=accuracy, held_out_loss=nll)

    return run_steps(range(120), do_step, history)


def run_reward_loss(implementation: Callable) -> History:
    """Bradley-Terry on frozen features by implementation(chosen, rejected)."""
    _, _, chosen, rejected = reward_features()
    unseen = chosen[360:], rejected[360:]
    return train_head(chosen[:360], rejected[:360], implementation, unseen)


def run_truncated_pairs(implementation: Callable) -> History:
    """The same on answers cut to four tokens, of those pairs that implementation(chosen, rejected, limit)
    keeps."""
    chosen_ids, rejected_ids, chosen, rejected = reward_features(LIMIT)
    kept = [i for i in implementation(chosen_ids, rejected_ids, LIMIT) if i < 360]
    unseen, accuracies = (chosen[360:], rejected[360:]), []

    def loss_of(first: Tensor, second: Tensor) -> Tensor:
        accuracies.append((first > second).float().mean().item())
        return torch.nn.functional.softplus(second - first).mean()

    history = train_head(chosen[kept], rejected[kept], loss_of, unseen)
    for row in history.rows:
        row["train_accuracy"] = accuracies[row["step"]]
    return history


def run_sequence_logp(implementation: Callable) -> History:
    """DPO of pocket-sft with implementation(token_logp, mask) as an answer's log-probability."""
    exact, sft = small_world(), load_policy("pocket-sft")
    policy, history = sft.copy(), History()
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(policy.model.parameters(), 3e-4)

    def do_step(step: int) -> None:
        chosen, rejected = draw_comparisons(exact, 4, generator=generator)
        prompts = [p for p in exact.prompts for _ in range(4)]
        texts = [
            exact.texts[r][k] for index in (chosen, rejected) for r in range(6) for k in index[r]
        ]
        rollout = policy.encode_completions(prompts * 2, texts)
        with torch.no_grad():
            ref = sft.logprobs(rollout)
        token_logp, mask = policy.logprobs(rollout), rollout.completion_mask
        now, before = implementation(token_logp, mask), implementation(ref, mask)
        better, worse = (now - before).chunk(2)
        loss = -torch.nn.functional.logsigmoid(0.1 * (better - worse)).mean()
        optimizer_step(loss, optimizer, 1.0, f"step {step}")
        drift = (ref - token_logp.detach()).mul(mask).sum(1).mean()
        history.log(step, loss=loss.item(), drift=drift.item(),
                    logp_chosen=(token_logp.detach() * mask).sum(1).chunk(2)[0].mean().item())  # fmt: skip

    return run_steps(range(24), do_step, history)
