"""Lab: which token gets which weight, by the gradient of `objectives.masked_aggregate`."""

from __future__ import annotations

import numpy as np

from ..kit.lab import Lab, menu, plot, slider, usable
from .figures import token_weights


def describe(lengths: list[int], aggregate: str, max_length: int):
    """(weights (B, T) with NaN on padding, sentence)."""
    weights = token_weights(lengths, aggregate, max_length).numpy()
    shares = ", ".join(f"{share:.0%}" for share in weights.sum(1) / weights.sum())
    sentence = f"The sequences have {shares} of the batch's weight. {_tokens(weights, aggregate)}"
    return np.where(weights > 0, weights, np.nan), sentence


def _tokens(weights, aggregate: str) -> str:
    """What the rule means for single tokens."""
    first = weights[:, 0]
    if aggregate == "sequence":
        return (
            f"A token of the shortest one weighs {first.max() / first.min():.1f} times as much as a "
            "token of the longest."
        )
    each = f"Every token weighs the same, {first[0]:.3f}"
    if aggregate == "token":
        return f"{each}: 1 / (all tokens of this batch)."
    return f"{each}, whatever the lengths are; all weights sum to {weights.sum():.2f}, not to 1."


def aggregation_lab() -> Lab:
    """The live lab."""
    figure = plot(height=260)
    figure.add_heatmap(
        colorscale="Viridis",
        colorbar={"title": "weight"},
        zmin=0,
        xgap=1,
        ygap=3,
        hoverongaps=False,
    )
    figure.update_xaxes(title="token", range=[-0.5, 19.5])
    figure.update_yaxes(autorange="reversed", title="sequence")
    controls = {
        "first": slider("length of A", 4, 1, 20, 1, "tokens in the first completion"),
        "second": slider("length of B", 8, 1, 20, 1, "tokens in the second completion"),
        "third": slider("length of C", 20, 1, 20, 1, "tokens in the third completion"),
        "aggregate": menu(
            "average", ["sequence", "token", "fixed"], "sequence", "how losses become one number"
        ),
        "max_length": slider(
            "max length",
            20,
            20,
            60,
            1,
            "the divisor of the fixed average (Dr. GRPO); without effect on the others",
        ),
    }

    def update(first, second, third, aggregate, max_length) -> str:
        usable(controls["max_length"], aggregate == "fixed")
        weights, sentence = describe([first, second, third], aggregate, max_length)
        with figure.batch_update():
            figure.data[0].z = [[None if w != w else w for w in row] for row in weights.tolist()]
            figure.data[0].y = ["A", "B", "C"]
            figure.data[0].zmax = 1 / (3 * min(first, second, third))  # the most of any average
        return sentence

    tasks = (
        "“sequence”: lengthen C. What happens to each of its tokens? And to the whole of C?",
        "a wrong answer of 20 tokens and one of 4: under which average is rambling punished least?",
        "“fixed”: double the max length. Which learning rate would undo it?",
    )
    return Lab("Which token weighs what", controls, figure, update, tasks)
