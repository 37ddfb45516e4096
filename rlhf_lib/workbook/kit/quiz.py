"""Questions with options. Every wrong option has a reason; the order is shuffled by a seed."""

from __future__ import annotations

import html
import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Quiz:
    """A question with its right answer first: options are (text, why it is right or wrong).

    Shows itself in a notebook as a list with a fold under each option, which works without a kernel.
    """

    question: str
    options: tuple[tuple[str, str], ...]

    def order(self) -> list[int]:
        """The order in which the options are shown; option 0 is the right one."""
        places = list(range(len(self.options)))
        random.Random(self.question).shuffle(places)
        return places

    def answer(self, letter: str) -> str:
        """What to say to the choice 'a', 'b', ... of the options as shown."""
        place = "abcdefgh".find(letter.strip().lower())
        if not 0 <= place < len(self.options):
            return f"choose one of {', '.join('abcdefgh'[: len(self.options)])}"
        index = self.order()[place]
        return ("right: " if index == 0 else "not so: ") + self.options[index][1]

    def __repr__(self) -> str:
        lines = [f"  {'abcdefgh'[i]}) {self.options[o][0]}" for i, o in enumerate(self.order())]
        return "\n".join([self.question, *lines])

    def _repr_html_(self) -> str:
        folds = []
        for place, option in enumerate(self.order()):
            text, reason = (html.escape(part) for part in self.options[option])
            verdict = "right" if option == 0 else "not so"
            folds.append(
                f"<details style='margin:.2em 0 .2em 1em'><summary>{'abcdefgh'[place]}) {text}"
                f"</summary><i style='margin-left:1.4em'>{verdict}: {reason}</i></details>"
            )
        return f"<div><b>{html.escape(self.question)}</b>{''.join(folds)}</div>"
