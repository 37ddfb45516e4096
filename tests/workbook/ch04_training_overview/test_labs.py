"""The labs of chapter 04: their content as plain functions, their wiring by setting controls."""

import numpy as np
import pytest
import torch

from rlhf_lib.exact.episodes import Thermostat, play, switch
from rlhf_lib.labs import pipeline_lab, terms_lab
from rlhf_lib.workbook.ch04_training_overview import lab_pipeline, lab_terms
from rlhf_lib.workbook.ch04_training_overview.experiments import DPO, RLVR, SFT
from rlhf_lib.workbook.ch04_training_overview.profile import CAPABILITIES


def test_terms_are_means_over_episodes_and_points_add_up_to_the_objective():
    played = play(Thermostat(0.2), switch, 50, 10)
    seen = lab_terms.look(played, 0.9, "at each step")
    assert seen.objective == pytest.approx(played.returns(0.9).mean().item(), abs=1e-5)
    assert seen.terms[1] == 0 and sum(seen.terms) == pytest.approx(
        -played.logp().mean().item(), abs=1e-4
    )
    late = lab_terms.look(played, 1.0, "all at the end")
    assert late.objective == pytest.approx(played.returns().mean().item(), abs=1e-5)


def test_what_has_vanished_is_struck_out():
    certain = lab_terms.look(play(Thermostat(), switch, 20, 5), 1.0, "at each step")
    words = lab_terms.describe(certain, "thermostat", 1.0, 5, "at each step")
    assert words.count("<s>") == 3 and "where an episode starts decides all" in words
    draughts = lab_terms.look(play(Thermostat(0.3), switch, 20, 5), 0.9, "at each step")
    words = lab_terms.describe(draughts, "thermostat", 0.9, 5, "at each step")
    assert words.count("<s>") == 1 and "The policy is certain" in words


def test_the_terms_lab_follows_its_controls(pocket):
    lab = terms_lab(pocket)
    assert lab.figure.data[0].y[1] == lab.figure.data[0].y[2] == 0
    lab.controls["chance"].value = 0.3
    assert lab.figure.data[0].y[2] > 1
    lab.controls["horizon"].value = 5
    assert len(lab.figure.data[1].x) == 5
    for world in ("cart", "text, token by token"):
        lab.controls["chance"].value, lab.controls["world"].value = 0.0, world
        assert lab.figure.data[0].y[2] == 0 < lab.figure.data[0].y[1]
    lab.controls["world"].value = lab_terms.WHOLE
    assert all(lab.controls[n].disabled for n in ("gamma", "horizon", "chance", "paid"))
    assert len(lab.figure.data[1].x) == 1


def profiles(gold: float, share: float) -> dict:
    return {"gold": gold, **{name: share + 0.01 * i for i, name in enumerate(CAPABILITIES)}}


@pytest.fixture
def stored() -> dict:
    names = ("base", "SFT", "SFT > DPO", "SFT > DPO > RLVR")
    return {
        seed: {name: profiles(i - 1 + 0.1 * seed, 0.2 * i) for i, name in enumerate(names)}
        for seed in range(3)
    }


def test_a_pipeline_is_shown_as_far_as_it_was_run(stored):
    board = lab_pipeline.Board(stored)
    whole, part = board.show((SFT, DPO, RLVR)), board.show((SFT, RLVR))
    assert whole.whole and not part.whole and len(part.runs) == 2
    assert whole.at(3, "gold").tolist() == pytest.approx([2.0, 2.1, 2.2])


def test_words_say_what_the_last_stage_did_and_what_all_cost(stored):
    words = lab_pipeline.describe(lab_pipeline.Board(stored).show((SFT, DPO)), live=False)
    assert "medians of 3 seeds" in words and "raised" in words and "1,536 demonstrations" in words
    missing = lab_pipeline.describe(lab_pipeline.Board(stored).show((RLVR,)), live=False)
    assert "<b>RLVR</b> was not stored" in missing
    assert "No stage, no bill" in lab_pipeline.describe(
        lab_pipeline.Board(stored).show(()), live=False
    )


def test_the_pipeline_lab_follows_its_controls(stored):
    lab = pipeline_lab(stored, live=False)
    after = np.array(lab.figure.data[2].y)
    lab.controls["3rd stage"].value = "–"
    assert not np.allclose(lab.figure.data[2].y, after) and len(lab.figure.data[6].x) == 3
    lab.controls["1st stage"].value = "RLHF"
    assert "not stored" in lab.sentence.value and len(lab.figure.data[2].x) == 0
    lab.reset()
    assert lab.values() == lab.start


def test_a_run_made_now_goes_stage_by_stage_and_keeps_what_it_has(stored, monkeypatch):
    trained = []

    def run(product, stage, seed):
        trained.append(stage.name)
        return product

    monkeypatch.setattr(lab_pipeline, "run_stage", run)
    monkeypatch.setattr(lab_pipeline, "profile", lambda policy, *each: profiles(0.5, 0.5))
    lab = pipeline_lab(stored)
    lab.controls["2nd stage"].value = "SFT"
    button = next(b for b in lab.buttons if getattr(b, "description", "") == "Run it now")
    button.click()
    assert trained == ["SFT", "SFT", "RLVR"] and "trained now" in lab.sentence.value
    lab.controls["3rd stage"].value = "DPO"
    button.click()
    assert trained[3:] == ["DPO"], "a beginning is not trained again"
    assert torch.tensor(lab.figure.data[2].y)[0] == 0.5
