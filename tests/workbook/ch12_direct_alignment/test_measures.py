"""What chapter 12 measures with: log-probabilities of pairs, and the pull of a loss."""

import pytest
import torch

from rlhf_lib import PocketWorld, load_policy
from rlhf_lib.exact import near_pairs
from rlhf_lib.lm import encode_answers, score_answers
from rlhf_lib.objectives import dpo_loss
from rlhf_lib.workbook.ch12_direct_alignment import figures, measures


@pytest.fixture(scope="module")
def sft():
    return load_policy("pocket-sft")


def test_log_probabilities_of_pairs_keep_their_order(sft):
    pairs = near_pairs(PocketWorld(), 5, seed=3)
    logps, lengths = measures.pair_logps(sft, pairs)
    for row, pair in enumerate(pairs):
        for column, text in enumerate((pair.chosen, pair.rejected)):
            answer = encode_answers(sft, [pair.prompt], [text])
            with torch.no_grad():
                alone = score_answers(sft, answer)[0].item()
            assert logps[row, column].item() == pytest.approx(alone, abs=1e-3)
            assert lengths[row, column] == answer[0].length


def test_log_ratios_of_the_start_are_zero(sft):
    ratios, _ = measures.log_ratios(sft.copy(), near_pairs(PocketWorld(), 3, seed=3))
    assert torch.allclose(ratios, torch.zeros_like(ratios), atol=1e-4)


def test_pull_is_minus_the_slope():
    zero, at = torch.zeros(1).double(), torch.tensor([-2.0, 0.0, 3.0]).double()
    found = figures.pull(lambda x: dpo_loss(x, zero, zero, zero, 0.5), at)
    assert found == pytest.approx((0.5 * torch.sigmoid(-0.5 * at)).numpy(), abs=1e-6)
