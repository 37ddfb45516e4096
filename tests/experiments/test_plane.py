"""The landscape of the pocket model: the stored plane, and the token tree of a real prompt."""

import json
import math

import pytest
import torch

from rlhf_lib.experiments import Axes, Plane, load_plane, measure_policy, weights_of, with_weights
from rlhf_lib.experiments.build_plane import PROMPTS, span
from rlhf_lib.experiments.plane import FILE
from rlhf_lib.lm import load_policy
from rlhf_lib.rewards import GoldReward, RewardModel


def numbers(*values):
    return torch.tensor(values, dtype=torch.float64)


def test_the_plane_by_hand():
    """[LS-11]: origin (0, 0, 0), first (2, 0, 0), second (2, 3, 0): v is (0, 2, 0)."""
    axes = Axes.through(numbers(0, 0, 0), numbers(2, 0, 0), numbers(2, 3, 0))
    assert axes.v.tolist() == [0, 2, 0]
    assert axes.weights(0.5, -1.0).tolist() == [1, -2, 0]
    assert axes.place(numbers(2, 0, 0)) == pytest.approx((1, 0, 1))
    assert axes.place(numbers(2, 3, 0)) == pytest.approx((1, 1.5, 1))
    a, b, share = axes.place(numbers(1, 1, 1))
    assert (a, b) == pytest.approx((0.5, 0.5)) and share == pytest.approx(math.sqrt(2 / 3))
    with pytest.raises(ValueError, match="line"):
        Axes.through(numbers(0, 0), numbers(1, 1), numbers(2, 2))
    assert span([(0.0, 0), (2.0, 0)], 5, 0).tolist() == pytest.approx([-0.44, 0.28, 1, 1.72, 2.44])


def test_weights_make_the_policy_they_came_from(tiny, world):
    other = with_weights(tiny, weights_of(tiny))
    prompts = world.prompts(3)
    rollouts = [p.sample(prompts, max_new_tokens=5, seed=1) for p in (tiny, other)]
    assert rollouts[0].texts == rollouts[1].texts
    zero = with_weights(tiny, torch.zeros_like(weights_of(tiny)))
    assert weights_of(tiny).abs().sum() > 0 == weights_of(zero).abs().sum()


def test_planes_survive_being_stored(tmp_path):
    table = torch.rand(2, 3, dtype=torch.float64).round(decimals=4)
    plane = Plane(
        numbers(0, 1, 2), numbers(0, 1), table, table, table, {"SFT": {"a": 0.0}}, [], {"seed": 0}
    )
    plane.to_json(tmp_path / "deep" / "plane.json")
    again = load_plane(tmp_path / "deep" / "plane.json")
    assert torch.equal(again.gold, table) and again.checkpoints == plane.checkpoints
    with pytest.raises(FileNotFoundError, match="build_plane"):
        load_plane(tmp_path / "none.json")


@pytest.fixture(scope="module")
def plane():
    return load_plane()


def test_the_stored_plane_is_small_and_whole(plane):
    assert FILE.stat().st_size < 300_000
    shape = (len(plane.b), len(plane.a))
    for table in (plane.gold, plane.proxy, plane.kl):
        assert table.shape == shape and torch.isfinite(table).all()
    json.loads(FILE.read_text(encoding="utf-8"))


def test_the_real_run_climbs_and_then_falls_off(plane):
    """The point of the picture: gold up and down along the run, proxy and KL up all the way."""
    sft, peak, over = (plane.checkpoints[n] for n in ("SFT", "gold peak", "over-optimized"))
    assert sft["gold"] < peak["gold"] > over["gold"]
    assert sft["proxy"] < peak["proxy"] < over["proxy"]
    assert 0 == round(sft["kl"], 6) < peak["kl"] < over["kl"]
    assert (sft["a"], sft["b"], peak["a"], peak["b"]) == pytest.approx((0, 0, 1, 0), abs=1e-3)
    steps = [row["step"] for row in plane.path]
    assert steps == sorted(steps) and steps[-1] == plane.meta["steps"]
    assert all(
        row["share"] > 0.8 for row in plane.path if row["step"] >= plane.meta["peak_step"] / 2
    )


def test_interpolated_weights_agree_with_the_checkpoints_they_are_near(plane):
    """The grid point nearest to the peak is about as good as the peak itself."""
    near = plane.gold[plane.b.abs().argmin(), (plane.a - 1).abs().argmin()].item()
    assert abs(near - plane.checkpoints["gold peak"]["gold"]) < 0.25


def test_the_stored_sft_values_are_those_of_the_shipped_models(plane, pocket, world):
    """What the command measured at (0, 0) can be measured again: the data fit the weights."""
    prompts = world.prompts(PROMPTS, seed=77, split="test")
    proxy, gold = RewardModel.load("pocket-reward"), GoldReward(world)
    again = measure_policy(pocket, load_policy("pocket-sft"), proxy, gold, prompts)
    stored = plane.checkpoints["SFT"]
    assert again["gold"] == pytest.approx(stored["gold"], abs=0.15)
    assert again["proxy"] == pytest.approx(stored["proxy"], abs=0.1)
    assert again["kl"] == pytest.approx(0, abs=1e-3)
