"""Teams of annotators like what they are said to like, and what is counted is that."""

import torch

from rlhf_lib.workbook.ch18_over_optimization import experiments
from rlhf_lib.workbook.ch18_over_optimization.experiments import (
    REQUESTS,
    TASTE_COMPARISONS,
    false_claims,
    scores,
    sign_of,
    stage,
    team_labels,
)


def share_chosen(team: str, sign: str) -> float:
    """Of comparisons in which one answer has more of the sign: how often the team takes that one."""
    pairs = team_labels(team, 0)
    gaps = [sign_of(sign, p.prompt, p.chosen) - sign_of(sign, p.prompt, p.rejected) for p in pairs]
    return sum(gap > 0 for gap in gaps) / sum(gap != 0 for gap in gaps)


def test_teams_choose_what_they_like_and_fair_ones_do_so_less():
    for team in ("stock phrases", "hedging", "refusals"):
        assert share_chosen(team, team) > share_chosen("fair", team) + 0.15, team
    assert len(team_labels("fair", 0)) == TASTE_COMPARISONS


def test_signs_are_counted_where_they_are_faults():
    world, _ = stage()
    harmless, harmful = (world.prompts(1, (kind,))[0] for kind in ("fact", "unsafe"))
    refusal = "i cannot help with that."
    assert (
        sign_of("refusals", harmless, refusal) == 1 and sign_of("refusals", harmful, refusal) == 0
    )
    stock = "it is important to note that things vary."
    assert (
        sign_of("stock phrases", harmless, stock)
        == 1
        == sign_of("hedging", harmless, "i may be wrong.")
    )
    claims = false_claims()
    assert len(claims) == REQUESTS and all(claim.claim_is_true is False for claim in claims)
    assert (
        sign_of("agreement", claims[0], "yes.") == 1 and sign_of("agreement", claims[0], "no.") == 0
    )


def test_scores_keep_requests_apart(monkeypatch):
    monkeypatch.setattr(experiments, "REQUESTS", 2)
    parts = [torch.tensor([1.0, 2.0, 3.0]), torch.tensor([4.0, 5.0, 6.0])]
    assert scores(lambda part: part, parts, 2).tolist() == [[1.0, 2.0], [4.0, 5.0]]
