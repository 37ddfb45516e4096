"""The experiments of chapter 10, at a size of seconds."""

import pytest

from rlhf_lib.workbook.ch10_rejection_sampling import experiments


@pytest.fixture
def small(monkeypatch):
    for name, value in dict(UNSEEN=4, ROUNDS=1, PROMPTS=4, ANSWERS=2, CHOICES=4).items():
        monkeypatch.setattr(experiments, name, value)


def test_answers_stand_row_by_row_with_their_scores(small):
    rollout, proxy, gold = experiments.answers(3, seed=0)
    assert proxy.shape == gold.shape == (4, 3)
    asked = [prompt.text for prompt in rollout.prompts]
    assert asked[:3] == [asked[0]] * 3


def test_each_judges_own_reward_rises_with_n_and_gold_is_best_by_itself(small, monkeypatch):
    monkeypatch.setattr(
        experiments, "poor_reward_model", lambda seed: lambda rollout: -rollout.lengths
    )
    found = experiments.judged(seed=0)
    curves = [found[name] for name in experiments.JUDGES]
    for judge in curves:
        assert judge["step"] == [1, 2, 4] and judge["own"] == sorted(judge["own"])
        assert found["gold"]["gold"][-1] >= judge["gold"][-1] - 1e-9
        assert judge["gold"][0] == pytest.approx(found["gold"]["gold"][0]), (
            "the best of one is any answer"
        )


def test_each_selection_starts_from_the_same_policy(small):
    rows = [
        experiments.fine_tuned(s, 0)[1].rows[0] for s in ("best_per_prompt", "random_per_prompt")
    ]
    assert rows[0]["proxy"] == pytest.approx(rows[1]["proxy"])
    assert rows[0]["proxy_kept"] >= rows[1]["proxy_kept"]
