"""A question that is asked before its answer is in sight, and the comparison afterwards."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass

UNASKED = "you made no guess"


@dataclass(frozen=True)
class Outcome:
    """What was guessed beside what came out."""

    guessed: str | None
    truth: str
    because: str = ""

    def __repr__(self) -> str:
        start = f"your guess: {self.guessed}" if self.guessed else UNASKED
        mark = {None: "", self.truth: " ✓"}.get(self.guessed, " ✗")
        return f"{start}{mark} · it came out: {self.truth}" + (
            f". {self.because}" if self.because else ""
        )

    def _repr_html_(self) -> str:
        return (
            '<div style="border-left:4px solid #0072B2;padding:.3em .8em">'
            f"{html.escape(repr(self))}</div>"
        )


class Prediction:
    """A question with options to choose from, which keeps the choice in `guess` (a key of options).

    In a notebook it is a row of buttons; without a kernel, and in a terminal, the question as text.
    """

    def __init__(self, question: str, options: Mapping[str, str]) -> None:
        self.question, self.options = question, dict(options)
        self.guess: str | None = None

    def choose(self, key: str) -> None:
        """Keep a guess.

        Raises:
            ValueError: a key that is not among the options.
        """
        self._check(key)
        self.guess = key

    def reveal(self, truth: str, because: str = "") -> Outcome:
        """The guess beside what really came out: a key of options, found by the cell that measured it.

        Raises:
            ValueError: a key that is not among the options.
        """
        self._check(truth)
        guessed = None if self.guess is None else self.options[self.guess]
        return Outcome(guessed, self.options[truth], because)

    def _check(self, key: str) -> None:
        if key not in self.options:
            raise ValueError(f"no option {key!r}; there are {', '.join(self.options)}")

    def __repr__(self) -> str:
        lines = [f"Predict, before you run on: {self.question}"]
        return "\n".join(lines + [f"  - {text}" for text in self.options.values()])

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{html.escape(text)}</li>" for text in self.options.values())
        return (
            '<div style="border-left:4px solid #0072B2;padding:.3em .8em"><b>Predict, before you run '
            f"on:</b> {html.escape(self.question)}<ul style='margin:.2em 0'>{items}</ul></div>"
        )

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        """The buttons, with the text beside them for readers that have no kernel."""
        shown = self.widget()._repr_mimebundle_()
        shown = shown[0] if isinstance(shown, tuple) else shown
        return {**shown, "text/html": self._repr_html_(), "text/plain": repr(self)}

    def widget(self):
        """The question over a button for each option."""
        from ipywidgets import HTML, RadioButtons, VBox

        choices = RadioButtons(
            options=[(text, key) for key, text in self.options.items()],
            value=self.guess,
            layout={"width": "auto"},
        )
        choices.observe(lambda change: self.choose(change["new"]), "value")
        question = f"<b>Predict, before you run on:</b> {html.escape(self.question)}"
        return VBox([HTML(question), choices])


def predict(question: str, options: Mapping[str, str]) -> Prediction:
    """Ask for a prediction. options: {key: what the reader sees}.

    Raises:
        ValueError: fewer than two options.
    """
    if len(options) < 2:
        raise ValueError("options must hold at least two possibilities")
    return Prediction(question, options)
