"""Train in the exact world, by every algorithm, and measure the distance to the best policy exactly.

The policy is a table with one logit for each answer, or a real language model whose answers are listed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ..lm import Policy, answer_logp, encode_answers
from ..objectives import exact_kl, policy_loss, rloo_advantages
from ..training import LOSSES, DirectSettings, History, PairLogps, direct_loss
from ..training.guards import optimizer_step
from ..training.loop import run_training
from ..training.schedule import linear, set_learning_rate
from ..world import Preference
from .world import ExactWorld, best_of_n_policy, regularized_value

ALGORITHMS = ("policy_gradient", *LOSSES, "best_of_n")


@dataclass
class ExactSettings:
    """Settings of `train_exact`.

    Raises:
        ValueError: a number out of range, or an unknown name.
    """

    algorithm: str = "policy_gradient"
    """policy_gradient: on reward - beta KL. best_of_n: imitate the best of n draws from the reference
    (rejection sampling). Or a loss of `DirectSettings`, on Bradley-Terry comparisons by the reward."""
    beta: float = 0.3
    """Of the objective, of the direct losses, and of the optimum that distances are measured to."""
    steps: int = 200
    learning_rate: float = 0.05
    """Of Adam, falling linearly. 0.05 suits tables; a language model wants 1e-4 to 1e-3."""

    samples: int | None = None
    """Answers (for a direct loss: comparisons) of each request in a step. None: no sampling but the exact
    expectation over all K answers (all K x K comparisons). ORPO has no exact one: it draws 64."""
    n: int = 4
    """best_of_n only."""
    comparisons: int | None = None
    """Direct losses: comparisons of each request that are drawn and labelled once, and then used in all
    steps (offline data). None: unlimited data."""
    drawn_from: str = "reference"
    """Who wrote the compared answers: 'reference', or 'uniform' for all answers alike."""
    direct: DirectSettings | None = None
    """Other settings of a direct loss than its defaults; its loss and beta are those above."""

    measure_every: int = 10
    """Steps between exact measurements."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.algorithm not in ALGORITHMS:
            raise ValueError(
                f"algorithm must be one of {', '.join(ALGORITHMS)}; got {self.algorithm!r}"
            )
        if self.drawn_from not in ("reference", "uniform"):
            raise ValueError(
                f"drawn_from must be 'reference' or 'uniform'; got {self.drawn_from!r}"
            )
        for name in (
            "beta",
            "steps",
            "learning_rate",
            "samples",
            "n",
            "comparisons",
            "measure_every",
        ):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive; got {getattr(self, name)}")
        if self.algorithm == "policy_gradient" and self.samples == 1:
            raise ValueError(
                "samples must be 2 or more: each answer's baseline is the mean of the others; got 1"
            )
        if self.algorithm == "orpo" and self.samples is None:
            self.samples = 64
        if self.algorithm in LOSSES:
            chosen = self.direct or DirectSettings()
            self.direct = replace(chosen, loss=self.algorithm, beta=self.beta)


class TabularPolicy(nn.Module):
    """A policy with one free logit for each of K answers to each of N requests."""

    start_mass = 0.0

    def __init__(self, logp: Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logp.detach().clone().double())

    def table(self) -> Tensor:
        """Log-probabilities (N, K)."""
        return self.logits.log_softmax(-1)

    def pick(self, index: Tensor) -> Tensor:
        """Log-probabilities (N, M) of the answers `index` (N, M)."""
        return self.table().gather(1, index)

    def lengths(self, index: Tensor) -> Tensor:
        """An answer is a single action here: ones (N, M)."""
        return torch.ones_like(index, dtype=torch.float64)


class ModelTable:
    """A language model seen as a table over the listed answers; the same three methods.

    start_mass (N, 1): log of the probability that it gave to the whole list at the start.
    """

    def __init__(self, policy: Policy, exact: ExactWorld) -> None:
        self.policy, self.shape = policy, exact.rewards.shape
        asked = [prompt for prompt in exact.prompts for _ in range(self.shape[1])]
        texts = [text for row in exact.texts for text in row]
        self.answers = encode_answers(policy, asked, texts)
        counts = [answer.length for answer in self.answers]
        self.counts = torch.tensor(counts, dtype=torch.float64).view(self.shape)
        with torch.no_grad():
            self.start_mass = (
                self._scores(self.answers).view(self.shape).logsumexp(-1, keepdim=True)
            )

    def parameters(self):
        """The model's weights."""
        return self.policy.model.parameters()

    def table(self) -> Tensor:
        """Log-probabilities (N, K), renormalised over the list."""
        return self._scores(self.answers).view(self.shape).log_softmax(-1)

    def pick(self, index: Tensor) -> Tensor:
        """log pi(y|x) (N, M) as the model has them: renormalising would need all K answers.

        The difference is a constant of each request. It cancels between two of its answers, and under
        advantages that add up to 0; beside it, `start_mass` makes up for it in the reference.
        """
        first = torch.arange(len(index))[:, None] * self.shape[1]
        rows = (first + index).flatten().tolist()
        return self._scores([self.answers[i] for i in rows]).view(index.shape)

    def _scores(self, answers: list) -> Tensor:
        return answer_logp(self.policy, answers).cpu().double()

    def lengths(self, index: Tensor) -> Tensor:
        """Tokens (N, M) of the answers."""
        return self.counts.gather(1, index)


def train_exact(
    policy: TabularPolicy | Policy, exact: ExactWorld, settings: ExactSettings | None = None
) -> History:
    """Train a table or a language model in place by any algorithm; measure the exact distance to pi*.

    The history has a row at every `measure_every` steps and at the end: loss, seconds, and the numbers
    of `ExactWorld.measure`: reward, gold, kl, value, gap, reverse_kl, forward_kl, entropy.

    Raises:
        ValueError: a table of another shape than the world's.
    """
    settings = settings or ExactSettings()
    table = ModelTable(policy, exact) if isinstance(policy, Policy) else policy
    if isinstance(table, TabularPolicy) and table.logits.shape != exact.rewards.shape:
        raise ValueError(
            f"policy must have the world's shape {tuple(exact.rewards.shape)}; got "
            f"{tuple(table.logits.shape)}"
        )
    generator = torch.Generator().manual_seed(settings.seed)
    loss_of = _loss_of(table, exact, settings, generator)
    optimizer = torch.optim.Adam(table.parameters(), settings.learning_rate, eps=1e-12)
    history, started = History(), time.perf_counter()

    def do_step(step: int) -> dict[str, float]:
        factor = linear(step, settings.steps, warmup=1)
        set_learning_rate(optimizer, factor * settings.learning_rate)
        last = step + 1 == settings.steps
        if step % settings.measure_every == 0:
            _log(history, step, table, exact, settings.beta, started)
        loss = loss_of()
        optimizer_step(loss, optimizer, 1e9, f"step {step}")
        if last:
            _log(history, step + 1, table, exact, settings.beta, started)
        return {"loss": loss.item()}

    return run_training(settings.algorithm, settings.steps, do_step, history)


@torch.no_grad()
def _log(history: History, step: int, table, exact: ExactWorld, beta: float, started) -> None:
    numbers = exact.measure(table.table(), beta)
    history.log(step, **numbers, seconds=time.perf_counter() - started)


def _loss_of(table, exact: ExactWorld, settings: ExactSettings, generator):
    """A function without arguments that gives the loss of the next step."""
    if settings.algorithm == "policy_gradient":
        return lambda: _policy_gradient(table, exact, settings, generator)
    if settings.algorithm == "best_of_n":
        return lambda: _imitate_best(table, exact, settings, generator)
    if settings.comparisons is None and settings.samples is None:
        return lambda: _compare_all(table, exact, settings)
    fixed = None
    if settings.comparisons is not None:
        fixed = draw_comparisons(exact, settings.comparisons, settings.drawn_from, generator)
    return lambda: _compare(table, exact, settings, fixed, generator)


def _policy_gradient(table, exact: ExactWorld, settings: ExactSettings, generator) -> Tensor:
    """Minus the regularized value: exact, or REINFORCE with a leave-one-out baseline."""
    beta, ref_logp, rewards = settings.beta, exact.ref_logp, exact.rewards
    if settings.samples is None:
        return -regularized_value(table.table(), ref_logp, rewards, beta).mean()
    with torch.no_grad():
        now = table.table()
        index = draw(now, settings.samples, generator)
        kl = now.gather(1, index) - ref_logp.gather(1, index)
        advantages = rloo_advantages(rewards.gather(1, index) - beta * kl).view(-1)
    logp = table.pick(index).view(-1, 1)  # one action an answer
    ones = torch.ones_like(logp)
    return policy_loss(logp, logp.detach(), advantages, ones, "reinforce")[0]


def _imitate_best(table, exact: ExactWorld, settings: ExactSettings, generator) -> Tensor:
    """Negative log-likelihood of the best of n draws from the reference."""
    if settings.samples is None:
        target = best_of_n_policy(exact.ref_logp, exact.rewards, settings.n).exp()
        return -(target * table.table()).sum(-1).mean()
    index = draw(exact.ref_logp, settings.samples * settings.n, generator)
    rewards = exact.rewards.gather(1, index).unflatten(1, (settings.samples, settings.n))
    best = rewards.argmax(-1)[..., None]
    kept = index.unflatten(1, (settings.samples, settings.n)).gather(-1, best).squeeze(-1)
    return -table.pick(kept).mean()


def _compare(table, exact: ExactWorld, settings: ExactSettings, fixed, generator) -> Tensor:
    """A direct loss on a batch of comparisons, fresh or out of the fixed ones."""
    if fixed is None:
        chosen, rejected = draw_comparisons(exact, settings.samples, settings.drawn_from, generator)
    else:
        order = torch.randperm(fixed[0].shape[1], generator=generator)[: settings.samples]
        chosen, rejected = fixed[0][:, order], fixed[1][:, order]
    both = torch.cat((chosen, rejected), 1)
    ref = (exact.ref_logp + table.start_mass).gather(1, both)
    columns = (table.pick(both), ref, table.lengths(both), exact.rewards.gather(1, both))
    pairs = [x.chunk(2, 1) for x in columns]
    return direct_loss(_as_batch(pairs, _drift(table, exact, settings)), settings.direct)


def _compare_all(table, exact: ExactWorld, settings: ExactSettings) -> Tensor:
    """The expectation of a direct loss: all K x K comparisons, each weighed by its probability."""
    rewards, everyone = exact.rewards, torch.arange(exact.rewards.shape[1]).expand_as(exact.rewards)
    columns = (table.table(), exact.ref_logp, table.lengths(everyone), rewards)
    pairs = [(x[:, :, None].expand(-1, -1, x.shape[1]), x[:, None].expand(-1, x.shape[1], -1))
             for x in columns]  # fmt: skip
    drift = _drift(table, exact, settings)

    def loss_of_one(*numbers: Tensor) -> Tensor:
        one = [number[None] for number in numbers]
        return direct_loss(
            _as_batch(list(zip(one[::2], one[1::2], strict=True)), drift), settings.direct
        )

    losses = torch.func.vmap(loss_of_one)(*(half.flatten() for pair in pairs for half in pair))
    weights = comparison_probabilities(exact, settings.drawn_from)
    return (weights * losses.view(weights.shape)).sum((1, 2)).mean()


def comparison_probabilities(exact: ExactWorld, drawn_from: str = "reference") -> Tensor:
    """P (N, K, K) that a comparison has answer i chosen over answer j; sums to 1 for each request."""
    logp = _writers(exact, drawn_from).log_softmax(-1)
    drawn = (logp[:, :, None] + logp[:, None, :]).exp()
    return 2 * drawn * torch.sigmoid(exact.rewards[:, :, None] - exact.rewards[:, None, :])


def _writers(exact: ExactWorld, drawn_from: str) -> Tensor:
    """Whose answers are compared: log-probabilities (N, K) up to a constant."""
    if drawn_from not in ("reference", "uniform"):
        raise ValueError(f"drawn_from must be 'reference' or 'uniform'; got {drawn_from!r}")
    return exact.ref_logp if drawn_from == "reference" else torch.zeros_like(exact.ref_logp)


def _as_batch(pairs: list, kl) -> PairLogps:
    """(chosen, rejected) of log-probabilities, reference, lengths and rewards as one flat batch."""
    (pc, pr), (rc, rr), (lc, lr), (better, worse) = [
        (chosen.flatten(), rejected.flatten()) for chosen, rejected in pairs
    ]
    return PairLogps(pc, pr, rc, rr, lc, lr, better - worse, kl)


@torch.no_grad()
def _drift(table, exact: ExactWorld, settings: ExactSettings) -> Tensor | None:
    """KTO's reference point without estimating: the mean KL to the reference."""
    if settings.algorithm != "kto":
        return None
    return exact_kl(table.table(), exact.ref_logp).mean()


def draw(logp: Tensor, count: int, generator: torch.Generator | None = None) -> Tensor:
    """Indices (N, count) of answers drawn independently from logp (N, K)."""
    return torch.multinomial(logp.exp(), count, replacement=True, generator=generator)


def draw_comparisons(
    exact: ExactWorld,
    count: int,
    drawn_from: str = "reference",
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Chosen and rejected answers (N, count) of Bradley-Terry comparisons by the world's rewards.

    Both answers are drawn from the reference (or from all answers alike, 'uniform'); the first is
    chosen with probability sigmoid(its reward - the other's).
    """
    first, second = draw(_writers(exact, drawn_from), 2 * count, generator).chunk(2, 1)
    gaps = exact.rewards.gather(1, first) - exact.rewards.gather(1, second)
    coins = torch.rand(gaps.shape, generator=generator, dtype=gaps.dtype)
    wins = coins < torch.sigmoid(gaps)
    return torch.where(wins, first, second), torch.where(wins, second, first)


def as_preferences(exact: ExactWorld, chosen: Tensor, rejected: Tensor) -> list[Preference]:
    """Comparisons (N, M) as the `Preference`s that `train_direct` takes; an answer against itself is
    left out."""
    return [
        Preference(exact.prompts[row], exact.texts[row][better], exact.texts[row][worse])
        for row in range(len(chosen))
        for better, worse in zip(chosen[row].tolist(), rejected[row].tolist(), strict=True)
        if better != worse
    ]
