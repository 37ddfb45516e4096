"""Teams of annotators like what they are said to like, and what is counted is that."""

from rlhf_lib.workbook.ch18_over_optimization.experiments import (
    REQUESTS,
    TASTE_COMPARISONS,
    false_claims,
    gap,
    sign_of,
    stage,
    team_labels,
)


def share_chosen(team: str) -> float:
    """Of comparisons in which one answer has more of what the team likes: how often it takes that one."""
    gaps = [gap(team, pair) for pair in team_labels(team, 0)]
    return sum(one > 0 for one in gaps) / sum(one != 0 for one in gaps)


def test_teams_choose_what_they_like_and_get_comparisons_in_which_it_shows():
    for team in ("stock phrases", "hedging", "refusals", "agreement"):
        assert share_chosen(team) > 0.65, team
        differ = [gap(team, pair) != 0 for pair in team_labels(team, 0)]
        assert len(differ) == TASTE_COMPARISONS and differ == sorted(differ, reverse=True)


def test_signs_are_counted_where_they_are_faults():
    world = stage()[0]
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
