"""`History`: every number that a training run wrote down, in order, and how it ended."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class History:
    """Rows of metrics, one a step; `samples` are answers kept on the way.

    stopped: None for a run that ended as planned, else a sentence that says why it did not.
    """

    rows: list[dict[str, float]] = field(default_factory=list)
    samples: list[dict] = field(default_factory=list)
    stopped: str | None = None

    def log(self, step: int, **metrics: float) -> None:
        """Add one row."""
        self.rows.append({"step": step, **{name: float(value) for name, value in metrics.items()}})

    def series(self, name: str) -> list[float]:
        """All values of one metric; rows without it are left out.

        Raises:
            KeyError: no row has it; the message lists the metrics there are.
        """
        values = [row[name] for row in self.rows if name in row]
        if not values:
            known = sorted({key for row in self.rows for key in row})
            raise KeyError(f"no metric {name!r}; this history has {', '.join(known)}")
        return values

    def last(self, name: str) -> float:
        """The latest value of one metric."""
        return self.series(name)[-1]

    def frame(self):
        """The rows as a pandas data frame, indexed by step."""
        import pandas

        return pandas.DataFrame(self.rows).set_index("step")

    def to_json(self, path: str | Path) -> None:
        """Write the history to a JSON file."""
        text = json.dumps({"rows": self.rows, "samples": self.samples, "stopped": self.stopped})
        Path(path).write_text(text)

    @classmethod
    def from_json(cls, path: str | Path) -> History:
        """Read what `to_json` wrote."""
        return cls(**json.loads(Path(path).read_text()))

    def __repr__(self) -> str:
        if not self.rows:
            return "History(empty)"
        shown = {k: v for k, v in self.rows[-1].items() if k != "step" and math.isfinite(v)}
        numbers = ", ".join(f"{name} {value:.3g}" for name, value in list(shown.items())[:6])
        ending = f"; stopped: {self.stopped}" if self.stopped else ""
        return f"History({len(self.rows)} rows; last: {numbers}{ending})"
