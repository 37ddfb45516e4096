"""The exact world: requests whose every answer is listed, so that the best policy is known in closed form.

A policy is a table of log-probabilities (N, K) over K answers to each of N requests. All quantities are
sums over the K answers; nothing is sampled. Book: `c/08-direct-alignment`, `c/15-regularization`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..lm import Policy, encode_answers, load_policy, score_answers
from ..objectives import exact_kl
from ..rewards import Reward, score_by_length
from ..world import PocketWorld


def optimal_policy(ref_logp: Tensor, rewards: Tensor, beta: float) -> Tensor:
    """log pi* (..., K), with pi*(y|x) = pi_ref(y|x) exp(r(x, y) / beta) / Z(x).

    The one policy that maximises E[r] - beta KL(pi || pi_ref). ref_logp (..., K): log-probabilities over
    the last dimension (any constant cancels); rewards (..., K). Equation: [OPT-1].

    Raises:
        ValueError: shapes differ, or beta not positive.
    """
    _check(ref_logp, rewards, beta)
    return (ref_logp + rewards / beta).log_softmax(-1)


def log_partition(ref_logp: Tensor, rewards: Tensor, beta: float) -> Tensor:
    """log Z(x) (...): the log of sum over y of pi_ref(y|x) exp(r(x, y) / beta).

    beta log Z is the value of the optimal policy: no policy has a higher E[r] - beta KL.
    Equation: [OPT-2].

    Raises:
        ValueError: shapes differ, or beta not positive.
    """
    _check(ref_logp, rewards, beta)
    return (ref_logp.log_softmax(-1) + rewards / beta).logsumexp(-1)


def regularized_value(logp: Tensor, ref_logp: Tensor, rewards: Tensor, beta: float) -> Tensor:
    """E[r] - beta KL(pi || pi_ref) (...) of a policy logp (..., K): what RLHF maximises.

    It equals beta log Z - beta KL(pi || pi*), so the distance to the optimum is the whole loss.
    Equation: [OPT-3].

    Raises:
        ValueError: shapes differ, or beta negative.
    """
    _same_table(logp, ref_logp=ref_logp, rewards=rewards)
    if not beta >= 0:
        raise ValueError(f"beta must be 0 or more; got {beta}")
    value = expected(logp, rewards)
    return value - beta * exact_kl(logp, ref_logp) if beta else value


def expected(logp: Tensor, values: Tensor) -> Tensor:
    """Mean (...) of values (..., K) under a policy logp (..., K)."""
    return (logp.softmax(-1) * values).sum(-1)


def best_of_n_policy(ref_logp: Tensor, rewards: Tensor, n: float) -> Tensor:
    """log-probabilities (..., K) of the best of n independent draws from the reference.

    With a = P(reward <= r) and m = P(reward = r) under the reference, the best has reward r with
    probability a^n - (a - m)^n; answers that tie share it in proportion to their own probability.
    Equation: [OPT-4].

    Raises:
        ValueError: shapes differ, or n < 1.
    """
    _same_table(ref_logp, rewards=rewards)
    if not n >= 1:
        raise ValueError(f"n must be 1 or more; got {n}")
    logp = ref_logp.log_softmax(-1)
    probability, mine = logp.exp()[..., None, :], rewards[..., :, None]
    other = rewards[..., None, :]
    tied = (probability * (other == mine)).sum(-1)  # m
    below = (probability * (other < mine)).sum(-1)  # a - m
    most = (tied + below).clamp(max=1)
    won = -torch.expm1(n * torch.log1p(-(tied / most).clamp(max=1)))  # 1 - ((a - m) / a)^n
    return torch.where(logp > -torch.inf, logp + n * most.log() + won.log() - tied.log(), logp)


def best_of_n_exact_kl(ref_logp: Tensor, rewards: Tensor, n: float) -> Tensor:
    """KL (...) of best-of-n to its reference. At most `best_of_n_kl(n)`; equal to it where no answers tie
    and each of them is rare. Equation: [OPT-5].

    Raises:
        ValueError: as `best_of_n_policy`.
    """
    return exact_kl(best_of_n_policy(ref_logp, rewards, n), ref_logp)


@dataclass(frozen=True)
class ExactWorld:
    """N requests with all K answers to each. Tensors are (N, K), in double precision.

    ref_logp: log-probabilities of the reference policy over the K answers. rewards: what is trained on.
    gold: the gold utility of each answer.
    """

    prompts: list
    texts: list[list[str]]
    ref_logp: Tensor
    rewards: Tensor
    gold: Tensor

    def optimum(self, beta: float) -> Tensor:
        """log pi* (N, K) at this beta."""
        return optimal_policy(self.ref_logp, self.rewards, beta)

    def best_of_n(self, n: float) -> Tensor:
        """Log-probabilities (N, K) of the best of n draws from the reference."""
        return best_of_n_policy(self.ref_logp, self.rewards, n)

    def measure(self, logp: Tensor, beta: float) -> dict[str, float]:
        """Exact numbers of a policy (N, K), means over the requests.

        reward, gold; kl to the reference; value = reward - beta kl; gap to the optimum's value;
        reverse_kl = KL(policy || pi*), which is gap / beta; forward_kl = KL(pi* || policy); entropy.
        """
        best = self.optimum(beta)
        logp = logp.detach().double().log_softmax(-1)
        value = regularized_value(logp, self.ref_logp, self.rewards, beta)
        top = beta * log_partition(self.ref_logp, self.rewards, beta)
        numbers = {
            "reward": expected(logp, self.rewards),
            "gold": expected(logp, self.gold),
            "kl": exact_kl(logp, self.ref_logp),
            "value": value,
            "gap": top - value,
            "reverse_kl": exact_kl(logp, best),
            "forward_kl": exact_kl(best, logp),
            "entropy": torch.special.entr(logp.exp()).sum(-1),
        }
        return {name: number.mean().item() for name, number in numbers.items()}

    def with_rewards(self, rewards: Tensor) -> ExactWorld:
        """The same answers under other rewards (N, K), such as gold plus noise."""
        _same_table(self.ref_logp, rewards=rewards)
        return replace(self, rewards=rewards.double())

    def likeliest(self, logp: Tensor, row: int = 0, count: int = 5) -> list[tuple]:
        """(probability, reward, text) of the likeliest answers to one request."""
        order = logp[row].argsort(descending=True)[:count].tolist()
        probability, rewards = logp[row].softmax(-1), self.rewards[row]
        return [(probability[k].item(), rewards[k].item(), self.texts[row][k]) for k in order]


def exact_world(
    world: PocketWorld,
    prompts: Sequence,
    policy: Policy | None = None,
    reward: Reward | None = None,
    size: int = 200,
) -> ExactWorld:
    """List `size` answers to each request and score all of them.

    policy: the reference, its log-probabilities renormalised over the list; None takes all answers for
    equally likely. reward: any `rewards.Reward`, such as a `RewardModel`; it is given the answers as
    `policy` writes them in tokens, or without one the reward model itself or pocket-sft. None is gold.

    Raises:
        ValueError: no prompts, a size out of range, or as `rewards.score`.
    """
    if len(prompts) == 0:
        raise ValueError("prompts must hold at least one request")
    texts = [world.list_answers(prompt, size) for prompt in prompts]
    asked, said = _flat(prompts, texts)
    # rounded: 1 - 0.1 and 0.9 are a tie
    gold = torch.tensor([round(world.gold(p, t), 6) for p, t in zip(asked, said, strict=True)])
    shape = (len(prompts), size)
    rewards = gold if reward is None else _score(reward, policy, asked, said)
    exact = ExactWorld(
        prompts=list(prompts),
        texts=texts,
        ref_logp=torch.zeros(shape, dtype=torch.float64).log_softmax(-1),
        rewards=rewards.double().view(shape),
        gold=gold.double().view(shape),
    )
    return exact if policy is None else replace(exact, ref_logp=table_of(policy, exact))


def _score(reward: Reward, policy: Policy | None, asked: list, said: list[str]) -> Tensor:
    writer = policy or getattr(reward, "backbone", None) or load_policy("pocket-sft")
    return score_by_length(reward, writer.encode_completions(asked, said), 256).cpu()


def table_of(policy: Policy, exact: ExactWorld) -> Tensor:
    """A language model as a table: its log-probabilities (N, K) over the listed answers, renormalised."""
    return _raw_table(policy, exact).log_softmax(-1)


def coverage(policy: Policy, exact: ExactWorld) -> Tensor:
    """(N,) share of the model's probability that falls on the listed answers."""
    return _raw_table(policy, exact).logsumexp(-1).exp()


def _raw_table(policy: Policy, exact: ExactWorld) -> Tensor:
    answers = encode_answers(policy, *_flat(exact.prompts, exact.texts))
    return score_answers(policy, answers).cpu().double().view(exact.rewards.shape)


def _flat(prompts: Sequence, texts: Sequence[Sequence[str]]) -> tuple[list, list[str]]:
    asked = [prompt for prompt, row in zip(prompts, texts, strict=True) for _ in row]
    return asked, [text for row in texts for text in row]


def _same_table(first: Tensor, **others: Tensor) -> None:
    for name, table in others.items():
        if table.shape != first.shape:
            raise ValueError(
                f"{name} must have the policy's shape (..., K), {tuple(first.shape)}; got "
                f"{tuple(table.shape)}"
            )


def _check(ref_logp: Tensor, rewards: Tensor, beta: float) -> None:
    _same_table(ref_logp, rewards=rewards)
    if not beta > 0:
        raise ValueError(
            f"beta must be positive (at 0 nothing holds the policy to its reference); got {beta}"
        )
