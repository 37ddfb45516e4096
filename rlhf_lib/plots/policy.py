"""Pictures of policy gradients: PPO's objective, token weights, variance, timelines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..objectives import masked_aggregate, policy_loss
from .style import COLOURS, CYCLE, figure


def objective_curve(
    advantage: float,
    algorithm: str = "ppo",
    clip_low: float = 0.2,
    clip_high: float = 0.2,
    ratios=None,
):
    """(ratios, objective, slope) of one token as `objectives.policy_loss` computes them.

    slope is the gradient of the objective in logp: how hard the token is pushed.
    """
    ratios = np.linspace(0.3, 1.9, 161) if ratios is None else np.asarray(ratios, dtype=float)
    logp = torch.tensor(ratios, dtype=torch.float64).log()[:, None].requires_grad_()
    ones, zeros = torch.ones_like(logp), torch.zeros_like(logp)
    advantages = torch.full((len(ratios),), float(advantage), dtype=torch.float64)
    objective = [
        -policy_loss(
            logp[i : i + 1], zeros[i : i + 1], advantages[i : i + 1], ones[i : i + 1], algorithm,
            clip_low=clip_low, clip_high=clip_high,
        )[0]
        for i in range(len(ratios))
    ]  # fmt: skip
    slopes = torch.autograd.grad(torch.stack(objective).sum(), logp)[0]
    return ratios, torch.stack(objective).detach().numpy(), slopes[:, 0].numpy()


def plot_ppo_objective(clip_low: float = 0.2, clip_high: float = 0.2, algorithm: str = "ppo"):
    """Objective and push for an advantage of +1 and -1; the six cases of PPO. Returns the figure."""
    fig, axes = figure(1, 2, height=3.2)
    for axis, advantage in zip(axes, (1.0, -1.0), strict=True):
        ratios, objective, slope = objective_curve(advantage, algorithm, clip_low, clip_high)
        axis.axvspan(1 - clip_low, 1 + clip_high, color="0.93", lw=0)
        axis.plot(ratios, objective, color=CYCLE[0], lw=2.2, label="objective")
        axis.plot(ratios, slope, color=CYCLE[1], lw=1.6, ls="--", label="push on log π")
        axis.axhline(0, color=COLOURS["neutral"], lw=0.8)
        axis.set(xlabel="ratio π / π_old", title=f"advantage {advantage:+.0f}")
    axes[0].legend(loc="upper left")
    return fig


def token_weights(
    lengths: list[int], aggregate: str, max_length: int | None = None
) -> torch.Tensor:
    """Weight (B, T) of each token in the batch's loss: the gradient of `masked_aggregate`."""
    width = max(lengths)
    mask = (torch.arange(width) < torch.tensor(lengths)[:, None]).double()
    values = torch.zeros_like(mask, requires_grad=True)
    return torch.autograd.grad(masked_aggregate(values, mask, aggregate, max_length), values)[0]


def plot_token_weights(lengths: list[int], max_length: int | None = None):
    """Which token gets which weight under the three aggregations. Returns the figure."""
    fig, axes = figure(1, 3, height=0.32 * len(lengths) + 1.5)
    titles = {"sequence": "mean per sequence", "token": "mean over tokens", "fixed": "fixed length"}
    tables = {name: token_weights(lengths, name, max_length) for name in titles}
    top = max(float(table.max()) for table in tables.values())
    for axis, (name, table) in zip(axes, tables.items(), strict=True):
        shown = np.where(table.numpy() > 0, table.numpy(), np.nan)
        picture = axis.imshow(shown, vmin=0, vmax=top, cmap="viridis", aspect="auto")
        axis.grid(False)
        axis.set(title=titles[name], xlabel="token", yticks=range(len(lengths)))
        axis.set_yticklabels([f"{n} tokens" for n in lengths] if axis is axes[0] else [])
    fig.colorbar(picture, ax=axes, label="weight in the loss", shrink=0.8)
    return fig


@dataclass(frozen=True)
class Timeline:
    """Bars (start, end, batch) of the sampler and the learner, and the share of time each works."""

    sampler: list[tuple[float, float, int]]
    learner: list[tuple[float, float, int]]
    seconds: float

    @property
    def utilisation(self) -> tuple[float, float]:
        """Share of the time in which sampler and learner are busy."""
        return tuple(
            sum(b - a for a, b, _ in bars) / self.seconds for bars in (self.sampler, self.learner)
        )


def timeline(sample_seconds: list[float], learn_seconds: float, max_staleness: int = 0) -> Timeline:
    """When sampler and learner work, if the sampler may run `max_staleness` updates ahead.

    0 is synchronous training: sample, wait for the update, sample again. With more, batch i may be
    drawn as soon as update i - 1 - max_staleness is done, by weights that are that much older.

    Raises:
        ValueError: no batches, or a negative staleness.
    """
    if not sample_seconds or max_staleness < 0:
        raise ValueError("sample_seconds must not be empty and max_staleness not negative")
    sampler, learner = [], []
    sampler_free = learner_free = 0.0
    for batch, seconds in enumerate(sample_seconds):
        needed = batch - 1 - max_staleness
        ready = learner[needed][1] if needed >= 0 else 0.0
        start = max(sampler_free, ready)
        sampler_free = start + seconds
        sampler.append((start, sampler_free, batch))
        begin = max(learner_free, sampler_free)
        learner_free = begin + learn_seconds
        learner.append((begin, learner_free, batch))
    return Timeline(sampler, learner, learner_free)


def plot_timeline(lines: dict[str, Timeline]):
    """Timelines above one another, batches in colours. Returns the figure."""
    fig, axes = figure(len(lines), 1, height=1.35, sharex=True, squeeze=False)
    for axis, (label, line) in zip(axes[:, 0], lines.items(), strict=True):
        for row, bars in enumerate((line.sampler, line.learner)):
            for start, end, batch in bars:
                axis.barh(row, end - start, left=start, color=CYCLE[batch % 6], edgecolor="white")
                axis.text(
                    (start + end) / 2,
                    row,
                    str(batch),
                    ha="center",
                    va="center",
                    fontsize=7,
                    color="white",
                )
        busy = line.utilisation
        axis.set_yticks([0, 1], [f"sampler {busy[0]:.0%} busy", f"learner {busy[1]:.0%} busy"])
        axis.set_title(f"{label}: {line.seconds:.0f} s", loc="left", fontsize=9.5)
        axis.invert_yaxis()
        axis.grid(False)
    axes[-1, 0].set_xlabel("seconds")
    return fig
