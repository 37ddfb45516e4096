"""Lab: the mask painter. A conversation in tiles; which of them are learned, and what that does to the loss."""

from __future__ import annotations

from collections.abc import Sequence

from ...lm import Policy
from ..kit.lab import Lab, choice, menu, plot, side_plot
from ..kit.words import counted
from .figures import LEARNED, READ, tiles_html
from .masks import (
    ALL,
    ASSISTANT,
    COMPLETION,
    RULES,
    Piece,
    learn,
    library_mask,
    pieces,
    surprises,
    weights,
)

ALONE, WALL, NO_WALL = "alone", "packed, with a wall", "packed, without a wall"
YES_NO = ("yes", "no")
PARTS = ("users", "headers", "answers", "ends")


def kind_of(piece: Piece) -> str:
    """One of `PARTS`: what a token is, for the bars of shares."""
    if piece.part == "end":
        return "ends"
    if piece.part == "header":
        return "headers"
    return "answers" if piece.role == "assistant" else "users"


def paint(
    policy: Policy, conversation: Sequence[dict], other: Sequence[dict], rule: str, header: bool,
    end: bool, row: str,
) -> dict:  # fmt: skip
    """Everything that the lab shows at one setting.

    other: the conversation that stands in front in a packed row. Gives 'pieces', 'weights', 'surprise' (lists, a
    place a token), 'shares' of the loss by `PARTS`, 'loss', 'norm', 'own' (loss of the second conversation
    alone) and 'differ' (tokens in which the weights differ from transformers' assistant mask).
    """
    shown = [conversation] if row == ALONE else [other, conversation]
    rows = [pieces(policy.tokenizer, messages) for messages in shown]
    painted = [weights(one, rule, header, end) for one in rows]
    surprise = surprises(policy, rows, wall=row != NO_WALL)
    flat = [weight for part in painted for weight in part]
    loss, norm = learn(policy, surprise, flat)
    own, _ = learn(policy, surprise[-len(rows[-1]) :], painted[-1])
    marks = [mark for messages in shown for mark in library_mask(policy.tokenizer, messages)]
    numbers, total = surprise.tolist(), dict.fromkeys(PARTS, 0.0)
    together = [piece for one in rows for piece in one]
    for piece, weight, number in zip(together, flat, numbers, strict=True):
        total[kind_of(piece)] += weight * number
    whole = sum(total.values()) or 1.0
    return {
        "pieces": together, "weights": flat, "surprise": numbers, "loss": loss, "norm": norm, "own": own,
        "shares": {name: part / whole for name, part in total.items()},
        "differ": sum(a != b for a, b in zip(flat, marks, strict=True)),
    }  # fmt: skip


def describe(found: dict, rule: str, row: str) -> str:
    """The sentence below the picture."""
    learned = int(sum(found["weights"]))
    words = (
        f"{learned} of {len(found['weights'])} tokens are learned. Loss {found['loss']:.2f} nats a token, "
        f"gradient norm {found['norm']:.1f}. "
    )
    if row != ALONE:
        words += f"The second conversation by itself: {found['own']:.2f}. "
    if found["shares"]["users"]:
        words += f"{found['shares']['users']:.0%} of the loss is what users said. "
    if found["differ"]:
        words += f"{counted(found['differ'], 'token')} other than in transformers' assistant mask."
    else:
        words += "The same tokens as in transformers' assistant mask."
    return words if rule != ALL else f"Pre-training on a chat. {words}"


def mask_painter_lab(policy: Policy, conversation: Sequence[dict], other: Sequence[dict]) -> Lab:
    """The live lab. other: what stands in front of the conversation in a packed row."""
    import ipywidgets as widgets

    figure, side, tiles = plot(height=300), side_plot("share of the loss", ""), widgets.HTML()
    figure.add_bar(name="learned", marker={"color": LEARNED})
    figure.add_bar(name="only read", marker={"color": READ})
    figure.update_layout(barmode="overlay", bargap=0.1)
    figure.update_xaxes(title="token")
    figure.update_yaxes(title="surprise (nats)", rangemode="tozero")
    side.add_bar(orientation="h", marker={"color": LEARNED}, showlegend=False)
    side.update_xaxes(range=[0, 1])
    controls = {
        "rule": choice("learn", RULES, ASSISTANT, "whose tokens have weight in the loss"),
        "header": menu("headers", YES_NO, "no", "whether the answers' headers are learned too"),
        "end": menu("end tokens", YES_NO, "yes", "whether the answers' end tokens are learned too"),
        "row": menu(
            "row", (ALONE, WALL, NO_WALL), ALONE, "what else stands in the row, and who sees it"
        ),
    }

    def update(rule, header, end, row) -> str:
        for name in ("header", "end"):
            controls[name].disabled = rule in (ALL, COMPLETION)
        found = paint(policy, conversation, other, rule, header == "yes", end == "yes", row)
        bars = {1.0: ([], []), 0.0: ([], [])}
        for place, (weight, number) in enumerate(
            zip(found["weights"], found["surprise"], strict=True)
        ):
            bars[weight][0].append(place)
            bars[weight][1].append(number)
        with figure.batch_update(), side.batch_update():
            for trace, (x, y) in zip(figure.data, bars.values(), strict=True):
                trace.x, trace.y = x, y
            side.data[0].y, side.data[0].x = PARTS, [found["shares"][name] for name in PARTS]
        texts = [policy.tokenizer.decode([piece.token]) for piece in found["pieces"]]
        tiles.value = tiles_html(texts, found["weights"], found["surprise"])
        return describe(found, rule, row)

    tasks = (
        "all tokens: whose part of the loss is the largest? Would the model ever have to write that?",
        "all answers, without end tokens: what happens to the loss? What would such a model never do?",
        "last answer: how many answers of this conversation are thrown away?",
        "packed, with and without a wall: which of the two gives the loss of the conversation alone?",
    )
    return Lab("The mask painter", controls, figure, update, tasks, side=side, below=tiles)
