"""The over-optimization experiment: whose labels it takes."""

import pytest

from rlhf_lib.experiments import Setting, relabel
from rlhf_lib.world import Preference


def test_comparisons_are_labelled_anew_by_seed(world):
    prompt = world.prompts(1, kinds=("fact",), seed=3)[0]
    pair = Preference(prompt, "a tiger is huge.", "what a great question!")
    labels = [relabel([pair] * 40, world, Setting(noise=5.0, seed=seed)) for seed in (0, 0, 1)]
    assert labels[0] == labels[1] != labels[2]
    assert {label.chosen for label in labels[0]} == {pair.chosen, pair.rejected}


def test_annotators_know_pocket_world_only(world):
    with pytest.raises(ValueError, match="pairs must be about PocketWorld"):
        relabel([Preference("why?", "so.", "no.")], world, Setting())
