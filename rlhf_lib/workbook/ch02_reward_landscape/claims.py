"""Claims of chapter 02, each an experiment over several seeds: `make claims ONLY=02`."""

from __future__ import annotations

from ...experiments.bands import band_of, save_band
from ...experiments.claims import SEEDS, claim
from ...landscape import MirageSettings, run_mirage


def landscape() -> None:
    """Chapter 02: a proxy terrain from other comparisons for each seed; a walker with a tube, one without."""
    seen = [run_mirage(MirageSettings(seed=seed)) for seed in SEEDS]
    pairs = [(m.free.history, m.tubed.history) for m in seen]
    for seed, (free, tubed) in enumerate(pairs):
        print(
            f"  seed {seed}: gold {free.series('gold')[0]:.2f}; without a tube up to "
            f"{max(free.series('gold')):.2f}, then {free.last('gold'):.2f} (proxy "
            f"{free.last('proxy'):.2f}); with it {tubed.last('gold'):.2f} (proxy {tubed.last('proxy'):.2f})",
            flush=True,
        )
    save_band(
        "landscape",
        {
            name: {m: band_of([h[place].series(m) for h in pairs]) for m in ("proxy", "gold")}
            for place, name in enumerate(("free", "tubed"))
        },
    )
    start = [free.series("gold")[0] for free, _ in pairs]
    golds = [free.series("gold") for free, _ in pairs]
    claim(sum(max(g) > g[0] + 0.4 for g in golds), 5, "gold first rises without a tube")
    claim(sum(g[-1] < g[0] for g in golds), 4, "then it falls below the baseline's")
    claim(sum(t.last("gold") > f.last("gold") for f, t in pairs), 4, "the tube's gold ends higher")
    claim(sum(t.last("proxy") < f.last("proxy") for f, t in pairs), 5, "and its proxy lower")
    claim(
        sum(t.last("gold") > s + 0.4 for (_, t), s in zip(pairs, start, strict=True)),
        5,
        "and its gold above the baseline's",
    )


CLAIMS = {"landscape": landscape}
