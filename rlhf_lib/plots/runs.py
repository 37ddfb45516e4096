"""Several runs side by side: one panel a metric, one line a run."""

from __future__ import annotations

from collections.abc import Sequence

from ..training import History
from .curves import LABELS
from .style import CYCLE, figure

RUN_LABELS = {
    "reverse_kl": "KL(policy ‖ π*) (nats)",
    "forward_kl": "KL(π* ‖ policy) (nats)",
    "gap": "value below the optimum (points)",
    "value": "reward − β KL (points)",
    "reward": "expected reward (points)",
    "logp_chosen": "log-probability, chosen (nats)",
    "logp_rejected": "log-probability, rejected (nats)",
    "reward_chosen": "implicit reward, chosen",
    "reward_rejected": "implicit reward, rejected",
    "margin": "margin of implicit rewards",
    "held_out_accuracy": "accuracy, unseen pairs",
    "held_out_loss": "loss, unseen pairs (nats)",
    "next_token_loss": "true next-token loss (nats)",
    "kl_estimate": "estimated KL (nats)",
    "advantage_size": "mean |advantage| (points)",
    "train_accuracy": "accuracy, training pairs",
    "drift": "drift from the reference (nats)",
    "win_rate": "win rate",
    "found": "differences found (share)",
    "width": "width of the interval (points)",
}


def plot_runs(
    runs: dict[str, History],
    names: Sequence[str],
    levels: dict[str, float] | None = None,
    log: Sequence[str] = (),
    title: str = "",
):
    """Metrics (panels) of several runs (lines) over their steps, such as a clinic case's `curves()`.

    A run without a metric is left out of its panel. levels: metric -> a value to draw as a dotted line,
    such as the optimum's. log: metrics with a logarithmic axis. At most three panels a row. Returns the
    matplotlib figure.

    Raises:
        ValueError: no runs, or a metric that none of them has.
    """
    if not runs:
        raise ValueError("runs must hold at least one history")
    columns = min(len(names), 3) if len(names) != 4 else 2
    rows = -(-len(names) // columns)
    fig, axes = figure(rows, columns, height=2.5, width=min(7.5, 3.5 * columns), squeeze=False)
    for axis, name in zip(axes.flat, names, strict=False):
        _draw_metric(axis, runs, name)
        if levels and name in levels:
            axis.axhline(levels[name], color="0.4", ls=":", lw=1.2)
        if name in log:
            axis.set_yscale("log")
        label = RUN_LABELS.get(name) or LABELS.get(name) or name.replace("_", " ")
        axis.set(title=label, xlabel="step")
    for axis in axes.flat[len(names) :]:
        axis.set_visible(False)
    fig.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    fig.suptitle(title)
    return fig


def _draw_metric(axis, runs: dict[str, History], name: str) -> None:
    drawn = 0
    for (label, history), colour in zip(
        runs.items(), (CYCLE * len(runs))[: len(runs)], strict=True
    ):
        rows = [row for row in history.rows if name in row]
        drawn += len(rows)
        axis.plot(
            [row["step"] for row in rows], [row[name] for row in rows], color=colour, lw=1.8,
            label=label,
        )  # fmt: skip
    if not drawn:
        known = sorted({key for history in runs.values() for row in history.rows for key in row})
        raise ValueError(f"no run has a metric {name!r}; there are {', '.join(known)}")
