"""Chapter 11's experiments: what a run returns, what it leaves alone, and the value function's numbers by hand."""

from types import SimpleNamespace

import pytest
import torch

from rlhf_lib.workbook.ch11_policy_gradients import experiments
from rlhf_lib.workbook.ch11_policy_gradients.experiments import (
    KEPT,
    Task,
    by_place,
    explained,
    first_steps,
    measured,
    questions,
    short_run,
    start,
    train,
)

TINY = dict(prompts_per_step=2, samples_per_prompt=2, max_new_tokens=6, learning_rate=1e-3)


@pytest.fixture(scope="module")
def task() -> Task:
    """Four requests to train on, six held out."""
    whole = questions()
    return Task(whole.prompts[:4], whole.held_out[:6], whole.reward, every=2)


@pytest.fixture(scope="module")
def result(task) -> dict:
    return train(0, task, steps=3, **TINY)


def test_a_run_has_its_metrics_and_held_out_measurements_from_before_the_first_step(task, result):
    assert result["step"] == [0, 1, 2] and result["held_out"]["step"] == [0, 2]
    assert all(len(result[name]) == 3 for name in KEPT)
    before = measured(start(), task, 6)
    assert {
        name: curve[0] for name, curve in result["held_out"].items() if name != "step"
    } == before


def test_the_same_seed_gives_the_same_run_and_the_start_policy_stays(task, result):
    before = {name: weight.clone() for name, weight in start().model.state_dict().items()}
    assert train(0, task, steps=3, **TINY) == result
    assert train(1, task, steps=3, **TINY)["proxy"] != result["proxy"]
    assert all(torch.equal(before[n], w) for n, w in start().model.state_dict().items())


def test_held_out_requests_are_none_of_those_trained_on():
    whole = questions()
    assert len(whole.held_out) >= 96
    assert not {p.text for p in whole.held_out} & {p.text for p in whole.prompts}


def test_the_beginning_of_a_run(result):
    part = first_steps(result, 1)
    assert part["step"] == [0] and part["kl"] == result["kl"][:1]
    assert part["held_out"]["step"] == [0]
    assert part["held_out"]["reward"] == result["held_out"]["reward"][:1]


def test_runs_that_are_shared_are_made_once(monkeypatch):
    made = []

    def note(seed, task, steps, **settings):
        made.append({"steps": steps} | settings)
        return {"held_out": {"step": []}}

    monkeypatch.setattr(experiments, "train", note)
    short_run.cache_clear()
    for experiment in (experiments.aggregation, experiments.updates, experiments.knobs):
        experiment(7)
    short_run.cache_clear()
    assert [run["learning_rate"] for run in made if run["aggregate"] == "sequence"] == [2e-4]
    plain = [run for run in made if run == made[0]]
    assert len(plain) == 1 and plain[0]["steps"] == 40, "one plain run serves all three"
    assert len(made) == 1 + 1 + 2 + 4


def test_what_a_value_model_explains_by_hand():
    """Two answers of two and of one token, returns 1 and 0: a value that knows, a constant, and one in between."""
    mask = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    rollout, rewards = SimpleNamespace(loss_mask=mask), torch.tensor([1.0, 0.0])

    def says(values) -> float:
        model = SimpleNamespace(token_scores=lambda _: torch.tensor(values))
        return explained(model, rollout, rewards)

    assert says([[1.0, 1.0], [0.0, 9.0]]) == pytest.approx(1)
    assert says([[0.3, 0.3], [0.3, 9.0]]) == pytest.approx(0)
    assert says([[0.5, 1.0], [0.0, 9.0]]) == pytest.approx(1 - (1 / 12) / (1 / 3))


def test_value_by_tenth_of_the_answer():
    """Ten tokens each: token t is tenth t. V of right answers is 1 from the sixth token on, else 0.5."""
    values = torch.full((4, 10), 0.5)
    values[:2, 5:], values[2:, 5:] = 1.0, 0.0
    model = SimpleNamespace(token_scores=lambda _: values)
    rollout = SimpleNamespace(loss_mask=torch.ones(4, 10))
    found = by_place(model, rollout, torch.tensor([1.0, 1.0, 0.0, 0.0]))
    assert found["right"] == [0.5] * 5 + [1.0] * 5 and found["wrong"] == [0.5] * 5 + [0.0] * 5
    assert found["by_place"] == pytest.approx([0.0] * 5 + [1.0] * 5)
