"""Pictures of policy gradients: PPO's objective, token weights, variance, timelines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ...objectives import masked_aggregate, policy_loss
from ...plots.style import COLOURS, CYCLE, figure


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
    """Objective (above) and push on log π (below) for an advantage of +1 and -1. Returns the figure.

    For 'ppo' the six cases (advantage above or below 0; ratio below, within or above the clip range)
    are numbered, full where the token is still pushed, hollow where the clip has stopped it.
    """
    fig, axes = figure(2, 2, height=2.2, sharex=True, sharey="row")
    for column, advantage in enumerate((1.0, -1.0)):
        top, bottom = axes[:, column]
        ratios, objective, slope = objective_curve(advantage, algorithm, clip_low, clip_high)
        for axis, values, colour in ((top, objective, CYCLE[0]), (bottom, slope, CYCLE[1])):
            axis.axvspan(1 - clip_low, 1 + clip_high, color="0.93", lw=0)
            axis.axhline(0, color=COLOURS["neutral"], lw=0.8)
            axis.plot(ratios, values, color=colour, lw=2.2)
        if algorithm == "ppo":
            _mark_cases(top, advantage, clip_low, clip_high, first=1 + 3 * column)
        top.set_title(f"advantage {advantage:+.0f}")
        bottom.set_xlabel("ratio π / π_old")
    axes[0][0].set_ylabel("objective")
    axes[1][0].set_ylabel("push on log π")
    return fig


def _mark_cases(axis, advantage: float, clip_low: float, clip_high: float, first: int) -> None:
    """Numbered points below, within and above the clip range."""
    places = ((1 - clip_low + 0.3) / 2, 1 + (clip_high - clip_low) / 2, (1 + clip_high + 1.9) / 2)
    ratios, objective, slope = objective_curve(advantage, "ppo", clip_low, clip_high, places)
    for number, (x, y, push) in enumerate(zip(ratios, objective, slope, strict=True), first):
        fill = CYCLE[0] if push else "white"
        axis.plot([x], [y], "o", ms=13, color=CYCLE[0], markerfacecolor=fill)
        axis.text(x, y, str(number), ha="center", va="center_baseline", fontsize=8.5,
                  color="white" if push else CYCLE[0])  # fmt: skip


def token_weights(
    lengths: list[int], aggregate: str, max_length: int | None = None
) -> torch.Tensor:
    """Weight (B, T) of each token in the batch's loss: the gradient of `masked_aggregate`."""
    width = max(lengths)
    mask = (torch.arange(width) < torch.tensor(lengths)[:, None]).double()
    values = torch.zeros_like(mask, requires_grad=True)
    return torch.autograd.grad(masked_aggregate(values, mask, aggregate, max_length), values)[0]


def plot_token_weights(lengths: list[int], max_length: int | None = None):
    """Which token gets which weight under the three aggregations. Returns the figure.

    The number behind a sequence is the weight of all its tokens together.
    """
    fig, axes = figure(1, 3, height=0.3 * len(lengths) + 1.3)
    titles = {"sequence": "mean per sequence", "token": "mean over tokens", "fixed": "fixed length"}
    tables = {name: token_weights(lengths, name, max_length) for name in titles}
    top = max(float(table.max()) for table in tables.values())
    for axis, (name, table) in zip(axes, tables.items(), strict=True):
        shown = np.where(table.numpy() > 0, table.numpy(), np.nan)
        picture = axis.imshow(shown, vmin=0, vmax=top, cmap="viridis", aspect="auto")
        axis.grid(False)
        axis.set(title=titles[name], xlabel="token", yticks=range(len(lengths)))
        for row, weights in enumerate(table):
            text = f"{float(weights.sum()):.2f}"
            axis.text(lengths[row] + 0.1, row, text, va="center", fontsize=8.5)
        axis.set_xlim(-0.5, 1.25 * max(lengths))
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
                axis.text((start + end) / 2, row, str(batch), ha="center", va="center_baseline",
                          fontsize=8, color="black" if batch % 6 in (3, 4, 5) else "white")  # fmt: skip
        busy = line.utilisation
        axis.set_yticks([0, 1], [f"sampler {busy[0]:.0%} busy", f"learner {busy[1]:.0%} busy"])
        axis.set_title(f"{label}: {line.seconds:.0f} s", loc="left")
        axis.invert_yaxis()
        axis.grid(False)
    axes[-1, 0].set_xlabel("seconds")
    return fig
