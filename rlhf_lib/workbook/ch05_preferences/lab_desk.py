"""Lab: the labelling desk. Two answers, one key; each label is on the disk before the next pair is shown."""

from __future__ import annotations

import html
import json
import os
import time
import uuid
from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

from ..kit.lifetime import close, replace
from .desk_page import desk_page
from .labels import VERSION, LabelError, LabelFile, labels_folder
from .showings import Pair, Showing, plan, still_to_show

KEYS = {"left": 2, "right": 6, "tie": 4, **{str(number): number for number in range(1, 8)}}
"""Key -> place on the scale from 1 (left is much better) over 4 (a tie) to 7 (right is much better)."""


class Desk:
    """Shows one pair at a time and keeps what is pressed. Everything that it knows of old labels is in its file.

    reader: written beside each label. Attributes: `file`; `showings`, the plan; `session`, the ids of this desk's
    labels, newest last; `sentence`, what is said below; `readable`, whether the file could be read.
    """

    def __init__(
        self, showings: Sequence[Showing], file: LabelFile, reader: str = "me", title: str = "Label"
    ) -> None:
        self.showings, self.file, self.reader, self.title = list(showings), file, reader, title
        self.session: list[str] = []
        self.sentence, self.widget, self.number = "", None, 0
        self.waiting: list[Showing] = []
        self.look()
        self.since = time.monotonic()

    @property
    def current(self) -> Showing | None:
        """What is shown now; None when all is done."""
        return self.waiting[0] if self.waiting else None

    def rows(self) -> list[dict]:
        """This reader's labels of these pairs, oldest first."""
        names = {showing.pair.name for showing in self.showings}
        return [
            row for row in self.file.rows()
            if row["pair"] in names and row.get("reader") == self.reader
        ]  # fmt: skip

    def look(self) -> None:
        """Read the file and find what is still to be shown; what is wrong with it is said."""
        name = self.file.path.name
        try:
            self.waiting, broken = still_to_show(self.showings, self.rows()), self.file.broken()
        except LabelError as error:
            self.waiting, self.sentence = [], sentence_of(error)
            self.readable = False
            return
        self.readable = True
        if broken:
            self.sentence = (
                f"{len(broken)} line{'s' * (len(broken) > 1)} of {name} cannot be read (half-written?). With "
                f"your next label they move to {name}.broken; all whole labels count."
            )

    def press(self, key: str, number: int | None = None) -> None:
        """A key of `KEYS`, or 'undo'. number: of the picture that the reader saw; an older one does not count.

        Raises:
            ValueError: an unknown key.
        """
        if key != "undo" and key not in KEYS:
            raise ValueError(f"key must be undo or one of {', '.join(KEYS)}; got {key!r}")
        if number is not None and number != self.number:
            return
        try:
            self._undo() if key == "undo" else self._keep(KEYS[key])
        except LabelError as error:
            self.sentence = sentence_of(error)
        else:
            self.look()
            self.since = time.monotonic()
        self.number += 1
        self.draw()

    def _keep(self, scale: int) -> None:
        if self.current is None:
            return
        row = label_row(self.current, scale, self.reader, time.monotonic() - self.since)
        self.file.add(row)
        self.session.append(row["id"])
        self.sentence = f"Saved: {WORDS[scale]}."

    def _undo(self) -> None:
        if not self.session:
            self.sentence = "There is nothing to undo in this session."
            return
        there = self.file.remove(self.session[-1])
        self.session.pop()
        self.sentence = "The last label is taken back." if there else "That label was gone already."

    def state(self) -> dict:
        """What the page shows."""
        showing = self.current
        left, right = showing.sides if showing else ("", "")
        asked = [dict(m) for m in showing.pair.prompt.messages] if showing else []
        return {
            "number": self.number,
            "done": len(self.showings) - len(self.waiting) if self.readable else 0,
            "total": len(self.showings),
            "asked": [
                f"{'' if m['role'] == 'user' else m['role'] + ': '}{m['content']}" for m in asked
            ],
            "left": left,
            "right": right,
            "sentence": self.sentence
            or "Click here, then press a key. Each label is saved at once.",
            "title": self.title,
            "place": str(self.file.path.name),
            "over": showing is None,
        }

    def draw(self) -> None:
        """Send the page the present state."""
        if self.widget is not None:
            self.widget.state = self.state()

    def close(self) -> None:
        """Forget the widget, in the kernel and in the page."""
        if self.widget is not None:
            close(self.widget)

    def _ipython_display_(self) -> None:
        from IPython.display import HTML, display

        replace(self)
        self.widget = desk_page(
            self.state(), lambda message: self.press(message["key"], message["number"])
        )
        display(self.widget)
        display(HTML(still_desk(self.state())))


WORDS = {
    1: "left is much better", 2: "left is better", 3: "left is slightly better", 4: "a tie",
    5: "right is slightly better", 6: "right is better", 7: "right is much better",
}  # fmt: skip


def sentence_of(error: LabelError) -> str:
    """An error's text as a sentence."""
    text = str(error)
    return text[0].upper() + text[1:] + ("" if text.endswith((".", "'", ")")) else ".")


def label_row(showing: Showing, scale: int, reader: str, seconds: float) -> dict:
    """One label as a row of the file. scale: 1 (left is much better) to 7 (right is much better).

    A tie keeps the left answer under `chosen`, for the columns have no other place for it: leave rows with
    `tie` out before you train. Raises ValueError: scale out of range.
    """
    if scale not in WORDS:
        raise ValueError(f"scale must be a whole number from 1 to 7; got {scale}")
    prompt, (left, right) = showing.pair.prompt, showing.sides
    chosen, rejected = (right, left) if scale > 4 else (left, right)
    known = {f.name: getattr(prompt, f.name) for f in fields(prompt) if f.name != "messages"}
    known = {name: value for name, value in known.items() if value not in (None, ())}
    return {
        "prompt": [dict(message) for message in prompt.messages],
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
        "tie": scale == 4,
        "likert": abs(scale - 4),
        "scale": scale,
        "left": "rejected" if scale > 4 else "chosen",
        "pair": showing.pair.name,
        "reader": reader,
        "seconds": round(seconds, 1),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "id": uuid.uuid4().hex,
        "version": VERSION,
        "world": json.dumps(known, ensure_ascii=False),
    }


def label_desk(
    pairs: Sequence[Pair],
    name: str = "labels",
    reader: str = "me",
    repeats: int = 6,
    seed: int = 0,
    folder: Path | None = None,
    title: str = "Your own preferences",
) -> Desk:
    """The desk for these pairs. Labels go to `<name>.jsonl` in `labels_folder()`, or in `folder`.

    repeats: pairs that come back later in secret, sides swapped. The same pairs and seed give the same plan, so
    that a desk opened tomorrow goes on where today's stopped.

    Raises:
        ValueError: no pairs, repeats out of range, or a name that is a path.
    """
    if not name or os.path.basename(name) != name:
        raise ValueError(f"name must be a plain word such as 'labels'; got {name!r}")
    file = LabelFile((folder or labels_folder()) / f"{name}.jsonl")
    return Desk(plan(pairs, repeats, seed), file, reader, title)


desk_lab = label_desk
"""The name by which labs are listed."""

STILL = """<style>
.jp-OutputArea:has(.rlhf-desk) .rlhf-desk-still,
.jp-OutputArea:has(.rlhf-desk-still):not(:has(.rlhf-desk)) .jp-OutputArea-output.lm-Panel {{ display: none }}
.rlhf-desk-still td {{ border: 1px solid rgba(128, 128, 128, 0.5); padding: 8px; width: 18em; text-align: left;
  vertical-align: top }}
</style><div class="rlhf-desk-still"><p><b>{title}</b>: a still picture. Run this cell to label.</p>
<p><i>{asked}</i></p><table><tr><td>{left}</td><td>{right}</td></tr></table>
<p>Keys: ← left is better, → right is better, ↓ a tie, 1 to 7 by how much, u undo. {done} of {total} labelled.</p></div>"""


def still_desk(state: dict) -> str:
    """The desk without a kernel: the pair that is next, and the keys."""
    texts = {
        name: html.escape(state[name]).replace("\n", "<br>") for name in ("left", "right", "title")
    }
    asked = html.escape(" / ".join(state["asked"])) or "All pairs are labelled."
    return STILL.format(asked=asked, done=state["done"], total=state["total"], **texts)
