"""The shipped weights are what their cards say: the same evaluations, measured again."""

import json

import pytest

from rlhf_lib import PocketWorld, data_path, load_policy
from rlhf_lib.experiments.build_models import (
    BUILDERS,
    JUDGED,
    outcome_accuracy,
    persona_figures,
    step_accuracy,
    tool_figures,
    unseen_loss,
    verdict_figures,
)
from rlhf_lib.experiments.build_rise import summary
from rlhf_lib.experiments.model_cards import card_text, mean_gold, measure_kind, read_card
from rlhf_lib.rewards import OutcomeModel, ProcessModel, RewardModel
from rlhf_lib.training import read_preferences
from rlhf_lib.training.reward_model import evaluate_pairs

WORLD = PocketWorld()
FOLDERS = sorted(data_path("models").iterdir())


def figures(name):
    return read_card(data_path("models", name))["figures"]


@pytest.mark.parametrize("folder", FOLDERS, ids=[folder.name for folder in FOLDERS])
def test_cards_are_in_step_with_their_figures(folder):
    card = read_card(folder)
    assert folder.joinpath("README.md").read_text(encoding="utf-8") == card_text(folder.name, card)
    assert card["figures"] and card["command"] in BUILDERS


def test_the_base_model_reads_unseen_documents_as_its_card_says():
    (said,) = figures("pocket-base").values()
    assert unseen_loss(load_policy("pocket-base")) == pytest.approx(said, abs=0.02)


@pytest.mark.parametrize("name", ["pocket-sft", "pocket-large"])
def test_mean_gold_is_the_cards(name):
    said = figures(name)["mean gold of held-out requests"]
    assert mean_gold(WORLD, load_policy(name)) == pytest.approx(said, abs=0.06)


@pytest.mark.parametrize("kind", ["fact", "steps"])
def test_passes_are_the_cards(kind):
    said = figures("pocket-sft")["by_kind"][kind]
    found = measure_kind(WORLD, load_policy("pocket-sft"), kind, n=32, samples=64)
    assert found["pass@1"] == pytest.approx(said["pass@1"], abs=0.05)
    assert found["pass@64"] == pytest.approx(said["pass@64"], abs=0.1)


def test_the_larger_model_fits_better_and_shows_it_where_an_answer_needs_room():
    loss = "completion loss at the end, nats per token"
    small, large = figures("pocket-sft"), figures("pocket-large")
    assert large[loss] < small[loss] - 0.02
    said = large["by_kind"]["tool"]["pass@1"]
    found = measure_kind(WORLD, load_policy("pocket-large"), "tool", n=32, samples=16)["pass@1"]
    assert found == pytest.approx(said, abs=0.08) and found > small["by_kind"]["tool"]["pass@1"]


def test_word_problems_are_neither_solved_nor_out_of_reach():
    said = figures("pocket-sft")["by_kind"]["steps"]
    assert 0.15 < said["pass@1"] < 0.6
    assert said["pass@64"] < 0.97


def test_the_reward_models_agree_with_people_as_often_as_their_cards_say():
    pairs = read_preferences(data_path("preferences", "pocket-test.jsonl"))
    found = evaluate_pairs(RewardModel.load("pocket-reward"), pairs)["held_out_accuracy"]
    assert found == pytest.approx(
        figures("pocket-reward")["agreement with held-out comparisons"], abs=0.02
    )


def test_the_models_of_sums_judge_as_their_cards_say():
    outcome, process = OutcomeModel.load("pocket-outcome"), ProcessModel.load("pocket-process")
    said = list(figures("pocket-outcome").values())
    found = [outcome_accuracy(outcome, WORLD, split) for split in JUDGED]
    assert found == pytest.approx(said, abs=0.03) and said[0] > 0.65
    said = list(figures("pocket-process").values())
    found = [step_accuracy(process, WORLD, split) for split in JUDGED]
    assert found == pytest.approx(said, abs=0.03) and said[0] > 0.8


@pytest.mark.parametrize(
    ("name", "measure"),
    [("critic", verdict_figures), ("tool", tool_figures), ("personas", persona_figures)],
)
def test_courses_taught_what_the_cards_say(name, measure):
    said = figures(f"pocket-{name}")
    found = measure(WORLD, load_policy(f"pocket-{name}"))
    assert found == pytest.approx({key: said[key] for key in found}, abs=0.06)


def test_gold_rises_then_falls_on_every_stored_seed():
    runs = json.loads(data_path("over_optimization", "rise.json").read_text(encoding="utf-8"))
    assert len(runs) >= 10 and all(run["step"][-1] >= 150 for run in runs)
    found = summary(runs)
    assert found["rise of gold to its peak, smallest"] > 0.15
    assert found["fall of gold from its peak, smallest"] > 0.3
    said = figures("pocket-reward")
    assert {name: said[name] for name in found} == pytest.approx(found)
