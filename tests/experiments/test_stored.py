"""Experiments: their claims on the stored runs, and how runs are stored, seed by seed."""

import math

import pytest

from rlhf_lib.experiments import stored
from rlhf_lib.experiments.experiment import Experiment, above, outcomes
from rlhf_lib.workbook.experiments import experiments

ALL = experiments()


@pytest.mark.parametrize(("chapter", "experiment"), ALL, ids=lambda x: getattr(x, "name", x))
def test_claims_hold_on_the_stored_runs(chapter, experiment):
    results = stored.results_of(chapter, experiment.name)
    assert sorted(results) == sorted(experiment.seeds), "make experiments stores every seed"
    assert experiment.claims, "an experiment without a claim shows nothing"
    for outcome in outcomes(experiment, [*results.values()]):
        assert outcome.good, str(outcome)


def test_experiments_are_listed_under_their_own_names():
    names = [(chapter, experiment.name) for chapter, experiment in ALL]
    assert len(set(names)) == len(names)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "data_path", lambda *parts: tmp_path.joinpath(*parts))
    return tmp_path


def results(seed: int) -> dict:
    return {"step": [0, 10], "gold": [0.0, float(seed)], "end": {"kl": 2.0 * seed}}


def test_seeds_are_stored_one_by_one_and_joined(folder):
    experiment = Experiment("trial", results, settings={"steps": 10})
    for seed in (2, 0, 1):
        stored.store("07_reward_modeling", experiment, seed, results(seed), "make")
    assert [*stored.results_of("07_reward_modeling", "trial")] == [0, 1, 2]
    band = stored.band("trial")
    assert band["step"] == [0, 10]
    assert band["gold"] == {"low": [0, 0], "median": [0, 1], "high": [0, 2]}
    assert band["end"]["kl"] == {"low": 0, "median": 2, "high": 4}
    assert [path.name for path in (folder / "ch07_reward_modeling").iterdir()] == ["trial.json"]


def test_runs_of_other_settings_are_not_mixed(folder):
    for steps, seed in ((10, 0), (20, 1)):
        experiment = Experiment("trial", results, settings={"steps": steps})
        stored.store("07_reward_modeling", experiment, seed, results(seed), "make")
    assert [*stored.results_of("07_reward_modeling", "trial")] == [1]


def test_a_name_that_two_chapters_use_has_to_be_told_apart(folder):
    for chapter in ("07_reward_modeling", "08_regularization"):
        stored.store(chapter, Experiment("trial", results), 0, results(0), "make")
    with pytest.raises(ValueError, match="07_reward_modeling, 08_regularization"):
        stored.band("trial")
    assert stored.band("08_regularization/trial")["step"] == [0, 10]
    with pytest.raises(FileNotFoundError, match="make experiments"):
        stored.band("nothing")


@pytest.mark.parametrize("bad", [math.nan, object()])
def test_what_json_cannot_hold_is_refused(folder, bad):
    with pytest.raises(ValueError, match="result must hold"):
        stored.store("07_reward_modeling", Experiment("trial", results), 0, {"x": bad}, "make")
    assert not (folder / "ch07_reward_modeling" / "trial.json").exists()


def test_a_claim_counts_seeds_and_measures_its_margin():
    """Values 1, 2, 3 over a bound of 1: two lie above it; (2 - 1) / 1 standard deviation."""
    holds, margin = above(lambda result: result["x"], 1.0)([{"x": x} for x in (1.0, 2.0, 3.0)])
    assert (holds, margin) == (2, pytest.approx(1.0))
    experiment = Experiment("trial", results, claims={"x is large": above(lambda r: r["x"], 1.0)})
    (outcome,) = outcomes(experiment, [{"x": 1.0}, {"x": 2.0}, {"x": 3.0}])
    assert not outcome.good and "2 of 3 seeds, +1.0 sd: x is large" in str(outcome)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="name"):
        Experiment("two words", results)
    with pytest.raises(ValueError, match="seed"):
        Experiment("trial", results, seeds=())
    with pytest.raises(ValueError, match="results"):
        outcomes(Experiment("trial", results), [])
