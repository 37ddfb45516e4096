"""The over-optimization experiment: whose labels it takes, how large its reward models are, what its grid holds."""

import pytest
import torch

from rlhf_lib.experiments import Setting, build_grid, relabel
from rlhf_lib.experiments.over_optimization import first_layers
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


def test_a_smaller_body_has_the_first_layers_only_and_leaves_the_policy_alone(pocket):
    small = first_layers(pocket, 1)
    ids = torch.tensor([[5, 6, 7]])
    after_one = pocket.model.all_states(ids)[1]
    expected = pocket.model.model.norm(after_one)
    assert torch.allclose(small.model.hidden_states(ids), expected, atol=1e-5)
    assert len(pocket.model.model.layers) == 4 and first_layers(pocket, 4) is pocket
    with pytest.raises(ValueError, match="layers must lie between"):
        first_layers(pocket, 5)


@pytest.fixture
def grid_of_one(monkeypatch, tmp_path):
    """One cell without training: the file of `build_grid`, and what was asked for."""
    asked = []
    monkeypatch.setattr(build_grid, "CELLS", (build_grid.BASE,))
    monkeypatch.setattr(build_grid, "FILE", tmp_path / "grid.json")
    monkeypatch.setattr(build_grid, "reward_models", lambda *stage: [asked.append(stage[-1])])
    monkeypatch.setattr(build_grid, "best_of_n_run", lambda models, seed: {"seed": seed})
    run = {"step": [0, 60], "gold": [0.12345, -1.0], "answers": [[("why?", "so.")]] * 2}
    monkeypatch.setattr(build_grid, "run_cell", lambda _, cell: {"seed": cell.seed, **run})
    return asked


def test_a_stored_run_is_not_made_again_and_seeds_add_up(grid_of_one):
    for seeds in (["0"], ["0", "1"]):
        build_grid.main(seeds)
    assert [setting.seed for setting in grid_of_one] == [0, 1]
    (cell,) = build_grid.known_cells().values()
    assert [run["seed"] for run in cell["runs"]] == [0, 1]
    assert cell["runs"][0]["gold"] == [0.123, -1.0]
    assert "answers" in cell["runs"][0] and "answers" not in cell["runs"][1]


def test_scores_keep_requests_apart(monkeypatch):
    monkeypatch.setattr(build_grid, "REQUESTS", 2)
    parts = [torch.tensor([1.0, 2.0, 3.0]), torch.tensor([4.0, 5.0, 6.0])]
    assert build_grid.scores(lambda part: part, parts).tolist() == [
        [1.0, 2.0, 3.0],
        [4.0, 5.0, 6.0],
    ]
