"""What a reward is: anything that is called with a `Rollout` and gives one number for each answer.

`score(reward, rollout)` is the one place where rewards are called and looked at. Everything that trains
or measures goes through it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..lm import Rollout, as_messages, evaluating

Reward = Callable[[Rollout], Any]
"""reward(rollout) -> (B,): a tensor, an array or a list, on any device."""


class NonFiniteError(RuntimeError, ValueError):
    """A loss, reward or gradient that is not a number; the message says where and the likely cause."""


def score(reward: Reward, rollout: Rollout, name: str | None = None) -> Tensor:
    """Rewards (B,) of the answers of `rollout`, float32, on its device, without gradient and dropout.

    name: what messages call the reward; its own name by default.

    Raises:
        ValueError: not one number for each answer; a function of texts, which needs a `TextReward`.
        NonFiniteError: a number that is NaN or infinite.
    """
    _refuse_texts(reward)
    with torch.no_grad(), evaluating(reward):
        values = reward(rollout)
    return as_rewards(values, rollout.batch_size, rollout.token_ids.device, name or _name(reward))


def score_by_length(
    reward: Reward, rollout: Rollout, batch_size: int = 64, sort: bool = True
) -> Tensor:
    """`score` in batches; with `sort`, answers of like length share one, so that little is padding.

    The rewards are the same either way; only the time differs, for a reward that is a model.

    Raises:
        ValueError: batch_size < 1; as `score`.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be 1 or more; got {batch_size}")
    total = rollout.attention_mask.sum(1)
    order = total.argsort() if sort else torch.arange(rollout.batch_size)
    found = torch.empty(rollout.batch_size, device=total.device)
    for rows in order.split(batch_size):
        found[rows] = score(reward, rollout.select(rows))
    return found


def as_rewards(values, count: int, device: torch.device | str, name: str = "the reward") -> Tensor:
    """`values`, a tensor, array or list of `count` numbers, as float32 (count,) on `device`.

    Raises:
        ValueError: no numbers, or not of shape (count,): a reward head's (B, 1) is not flattened, since
            one number for all answers or one row too many would then pass as well.
        NonFiniteError: NaN or infinite; the message gives the first answer's number.
    """
    try:
        rewards = torch.as_tensor(values).detach()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name} must give numbers; got {_shown(values)}") from error
    if tuple(rewards.shape) != (count,):
        hint = ": take [:, 0] of it" if tuple(rewards.shape) == (count, 1) else ""
        raise ValueError(
            f"{name} must give one number for each answer, shape ({count},); got shape "
            f"{tuple(rewards.shape)}{hint}"
        )
    if rewards.is_complex():
        raise ValueError(f"{name} must give real numbers; got {rewards.dtype}")
    rewards = rewards.to(device, torch.float32)
    wrong = (~torch.isfinite(rewards)).nonzero().flatten()
    if len(wrong):
        first = int(wrong[0])
        raise NonFiniteError(
            f"{name} gave {rewards[first].item()} for answer {first} of {count} ({len(wrong)} such). "
            "Likely cause: the reward function; look at the texts it was given"
        )
    return rewards


class WeightedReward:
    """`weighted(rollout)` -> (B,): the sum of several rewards, each times its weight (1 by default).

    Raises:
        ValueError: no rewards, or another number of weights.
    """

    def __init__(self, rewards: Sequence[Reward], weights: Sequence[float] | None = None) -> None:
        weights = [1.0] * len(rewards) if weights is None else list(weights)
        if len(rewards) == 0 or len(weights) != len(rewards):
            raise ValueError(
                "rewards must hold one reward or more, and weights as many numbers; got "
                f"{len(rewards)} and {len(weights)}"
            )
        self.rewards, self.weights = list(rewards), weights

    def __call__(self, rollout: Rollout) -> Tensor:
        parts = [w * score(r, rollout) for r, w in zip(self.rewards, self.weights, strict=True)]
        return torch.stack(parts).sum(0)


class TextReward:
    """A function of texts as a reward: `fn(prompts, completions, **columns)` -> B numbers, as in TRL.

    completions are texts. Prompts may be rows of data, such as {"prompt": "2 + 2?", "answer": "4"}: `fn`
    then gets row["prompt"] as the prompt, and each further column that it asks for by name (all of
    them with **columns) as a list. A prompt that is an object gives its attributes in the same way. A
    function with other names for the first two gets them by position.
    """

    def __init__(self, fn: Callable) -> None:
        self.fn, self.__name__ = fn, _name(fn)
        kinds = {name: p.kind for name, p in inspect.signature(fn).parameters.items()}
        self.takes_all = inspect.Parameter.VAR_KEYWORD in kinds.values()
        self.asked = [name for name, kind in kinds.items() if kind in _BY_NAME]
        self.by_name = "completions" in self.asked or (self.takes_all and not self.asked)
        if not self.by_name:
            self.asked = self.asked[2:]

    def __call__(self, rollout: Rollout):
        rows = rollout.prompts
        prompts = [row.get("prompt", row) if isinstance(row, Mapping) else row for row in rows]
        given = {"prompts": prompts, "completions": rollout.texts}
        columns = {name: [column(row, name) for row in rows] for name in self._columns(rows)}
        if not self.by_name:
            return self.fn(*given.values(), **columns)
        wanted = {k: v for k, v in given.items() if self.takes_all or k in self.asked}
        return self.fn(**wanted, **columns)

    def _columns(self, rows: Sequence) -> list[str]:
        owners = [row if isinstance(row, Mapping) else getattr(row, "columns", {}) for row in rows]
        held = [name for columns in owners for name in columns]
        names = dict.fromkeys(self.asked + (held if self.takes_all else []))
        return [name for name in names if name not in ("prompt", "prompts", "completions")]


_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def column(prompt, name: str):
    """What a prompt, as a row of data or an object, holds under `name`.

    Raises:
        ValueError: it holds no such thing; the message lists what there is.
    """
    if isinstance(prompt, Mapping) and name in prompt:
        return prompt[name]
    if not isinstance(prompt, Mapping) and hasattr(prompt, name):
        return getattr(prompt, name)
    there = ", ".join(prompt) if isinstance(prompt, Mapping) else type(prompt).__name__
    raise ValueError(f"the reward reads the column {name!r}, which the prompt has not: {there}")


def last_request(prompt) -> str:
    """The last user message of any kind of prompt, as a text; of a prompt without one, its last message."""
    messages = as_messages(prompt)
    asked = [m for m in messages if m["role"] == "user"] or messages
    content = asked[-1]["content"]
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content)


def _refuse_texts(reward: Reward) -> None:
    try:
        asked = list(inspect.signature(reward).parameters.values())
    except ValueError:  # a builtin may have none
        return
    needed = [p for p in asked if p.default is p.empty and p.kind in _BY_NAME]
    if len(needed) > 1 or any(p.name == "completions" for p in asked):
        names = ", ".join(p.name for p in asked)
        raise ValueError(
            f"{_name(reward)} takes ({names}), and a reward takes one rollout: wrap a function of texts, "
            f"TextReward({_name(reward)})"
        )


def _name(reward) -> str:
    return getattr(reward, "__name__", None) or type(reward).__name__


def _shown(values) -> str:
    return f"{type(values).__name__} {str(values)[:60]!r}"
