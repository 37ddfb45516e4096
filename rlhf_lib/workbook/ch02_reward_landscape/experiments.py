"""Experiments of chapter 02. Each seed has labels, a reward model and dice of its own."""

from __future__ import annotations

from dataclasses import asdict

from ...experiments.experiment import Experiment, above
from ...landscape import (
    Learned,
    MirageSettings,
    budget_curve,
    learned_proxy,
    proxy_error,
    run_mirage,
    scene,
)

BUDGETS = (0.01, 0.1, 0.5, 1.0, 3.0, 5.0, 10.0, 20.0, None)
"""Nats a step; None is no tube."""

MIDDLE = {1.0, 3.0}
"""The budgets at which gold is highest."""

COUNTS = (100, 400, 3000)
DISTANCES = (0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 2.5)


def trust(seed: int) -> dict:
    """Error of the proxy by distance from the path, for each number of comparisons."""
    land = scene("mirage")
    proxies = {n: learned_proxy(MirageSettings(comparisons=n, seed=seed), land)[1] for n in COUNTS}
    path = land.walker.trail.points
    return {
        str(n): proxy_error(proxy, land.terrain, path, DISTANCES).tolist()
        for n, proxy in proxies.items()
    }


def mirage(seed: int) -> dict:
    """One proxy, a walker in each of `BUDGETS`; and a proxy that falls back to 0 beyond its data.

    ends: gold and proxy after the last update, by budget. tubed, free: curves of the walker in the
    tube of 1 nat and of the one without. bumps: gold with the other kind of proxy.
    """
    settings, land = MirageSettings(seed=seed), scene("mirage")
    _, proxy = learned_proxy(settings, land)
    runs = dict(zip(BUDGETS, budget_curve(settings, land, proxy.altitude, BUDGETS), strict=True))
    return {
        "ends": {
            name: [run.history.last(name) for run in runs.values()] for name in ("gold", "proxy")
        },
        "tubed": _curves(runs[1.0]),
        "free": _curves(runs[None]),
        "bumps": _with_bumps(seed),
    }


def _curves(run: Learned) -> dict[str, list[float]]:
    return {name: run.history.series(name) for name in ("gold", "proxy")}


def _with_bumps(seed: int) -> dict[str, float]:
    seen = run_mirage(MirageSettings(kind="bumps", seed=seed))
    ends = {
        name: run.history.last("gold") for name, run in (("free", seen.free), ("tubed", seen.tubed))
    }
    return {"baseline": seen.free.history.series("gold")[0], **ends}


def _gold_at(result: dict, budget: float | None) -> float:
    return result["ends"]["gold"][BUDGETS.index(budget)]


def _highest(result: dict, budgets: set) -> float:
    return max(_gold_at(result, budget) for budget in budgets)


def _gain(result: dict, who: str) -> float:
    """Gold of a walker at the end less the baseline's."""
    return result[who]["gold"][-1] - result[who]["gold"][0]


MIRAGE_CLAIMS = {
    "without a tube gold first rises by 0.4 and more": above(
        lambda r: max(r["free"]["gold"]) - r["free"]["gold"][0], 0.4
    ),
    "then it falls below the baseline's": above(lambda r: -_gain(r, "free")),
    "in the tube of 1 nat it ends 0.4 and more above the baseline's": above(
        lambda r: _gain(r, "tubed"), 0.4
    ),
    "the proxy ends higher without a tube": above(
        lambda r: r["free"]["proxy"][-1] - r["tubed"]["proxy"][-1]
    ),
    "gold against the budget is a hump: it is highest at 1 or 3 nats": above(
        lambda r: _highest(r, MIDDLE) - _highest(r, set(BUDGETS) - MIDDLE)
    ),
    "with 10 nats it ends below the baseline's": above(
        lambda r: r["free"]["gold"][0] - _gold_at(r, 10.0)
    ),
    "a proxy of bumps leads nobody below the baseline": above(
        lambda r: min(r["bumps"]["free"], r["bumps"]["tubed"]) - r["bumps"]["baseline"]
    ),
}

TRUST_CLAIMS = {
    f"{n:,} comparisons: the error 2.5 away is over five times that on the path": above(
        lambda r, n=n: r[str(n)][-1] / r[str(n)][0], 5
    )
    for n in COUNTS
} | {
    "3,000 comparisons err less 2.5 away than 100 do": above(lambda r: r["100"][-1] - r["3000"][-1])
}

SEEDS = tuple(range(5))

EXPERIMENTS = {
    e.name: e
    for e in (
        Experiment(
            "mirage",
            mirage,
            SEEDS,
            MIRAGE_CLAIMS,
            asdict(MirageSettings()) | {"seed": "each", "budgets": BUDGETS},
        ),
        Experiment(
            "trust", trust, SEEDS, TRUST_CLAIMS, {"comparisons": COUNTS, "distances": DISTANCES}
        ),
    )
}
