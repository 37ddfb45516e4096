"""`History`: every number that a training run wrote down, in order, and how it ended."""

from __future__ import annotations

import csv
import json
import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class History:
    """Rows of metrics, one a step; `samples` are answers kept on the way.

    stopped: None for a run that ended as planned, else a sentence that says why it did not.
    warnings: sentences about what looked wrong on the way, each once.
    """

    rows: list[dict[str, float]] = field(default_factory=list)
    samples: list[dict] = field(default_factory=list)
    stopped: str | None = None
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._begun = time.perf_counter() - (self.rows[-1].get("seconds", 0.0) if self.rows else 0)

    def log(self, step: int, **metrics: float) -> None:
        """Add one row."""
        self.rows.append({"step": step, **{name: float(value) for name, value in metrics.items()}})

    def warn(self, sentence: str) -> None:
        """Keep a sentence about what looks wrong; it is shown with the line of progress."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    def seconds(self) -> float:
        """Seconds of training so far; a resumed run goes on from those of its last row."""
        return time.perf_counter() - self._begun

    def series(self, name: str) -> list[float]:
        """All values of one metric; rows without it are left out.

        Raises:
            KeyError: no row has it; the message lists the metrics there are.
        """
        values = [row[name] for row in self.rows if name in row]
        if not values:
            raise KeyError(
                f"no metric {name!r}; this history has {', '.join(sorted(self.names()))}"
            )
        return values

    def names(self) -> list[str]:
        """The metrics of all rows, in the order in which they first occur."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def last(self, name: str) -> float:
        """The latest value of one metric."""
        return self.series(name)[-1]

    def frame(self):
        """The rows as a pandas data frame, indexed by step."""
        import pandas

        return pandas.DataFrame(self.rows).set_index("step")

    def state(self) -> dict[str, Any]:
        """Everything, as JSON takes it."""
        return asdict(self)

    def restore(self, state: dict[str, Any]) -> None:
        """Become the history that `state` was taken of."""
        self.__init__(**state)  # type: ignore[misc]

    def to_json(self, path: str | Path) -> None:
        """Write the history to a JSON file."""
        Path(path).write_text(json.dumps(self.state()), encoding="utf-8")

    @classmethod
    def from_json(cls, path: str | Path) -> History:
        """Read what `to_json` wrote, or the `history.jsonl` of a run: one row a line."""
        text = Path(path).read_text(encoding="utf-8")
        if Path(path).suffix == ".jsonl":
            return cls([json.loads(line) for line in text.split("\n") if line])
        return cls(**json.loads(text))

    def to_csv(self, path: str | Path) -> None:
        """Write the rows as a table; a metric that a row does not have stays empty."""
        with Path(path).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, self.names())
            writer.writeheader()
            writer.writerows(self.rows)

    def to_tensorboard(self, writer, prefix: str = "") -> None:
        """Send all rows to a `torch.utils.tensorboard.SummaryWriter` (or anything with `add_scalar`)."""
        for row in self.rows:
            for name in row.keys() - {"step"}:
                writer.add_scalar(prefix + name, row[name], int(row["step"]))

    def to_wandb(self, run, prefix: str = "") -> None:
        """Send all rows to a run of Weights & Biases, `wandb.init(...)` (`mode="offline"` needs no account)."""
        for row in self.rows:
            numbers = {prefix + name: row[name] for name in row if name != "step"}
            run.log(numbers, step=int(row["step"]))

    def __repr__(self) -> str:
        if not self.rows:
            return f"History(empty{self._ending()})"
        shown = {k: v for k, v in self.rows[-1].items() if k != "step" and math.isfinite(v)}
        numbers = ", ".join(f"{name} {value:.3g}" for name, value in list(shown.items())[:6])
        return f"History({len(self.rows)} rows; last: {numbers}{self._ending()})"

    def _ending(self) -> str:
        warned = "".join(f"; warning: {sentence}" for sentence in self.warnings)
        return warned + (f"; stopped: {self.stopped}" if self.stopped else "")
