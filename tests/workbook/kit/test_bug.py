"""The silent-bug clinic: its runner cannot be talked into a verdict; its curves show what the story says."""

import pytest
import torch

from rlhf_lib.exercises import NOT_YET, RIGHT, WRONG, all_bugs, clinic, clinic_of
from rlhf_lib.workbook.kit import bug as kit_bug
from rlhf_lib.workbook.kit.attempt import limited
from rlhf_lib.workbook.kit.bug import SOLVED_CASE
from rlhf_lib.workbook.kit.exercise import same
from tests.workbook.kit.test_mutants import OUTCOMES

BUGS = all_bugs()
every_bug = pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)


def values(result):
    """Something that `same` can compare: a policy by its table, places as plain tuples."""
    if hasattr(result, "table"):
        return result.table().detach()
    return [tuple(x) if isinstance(x, list | tuple) else x for x in result] if isinstance(
        result, list
    ) else result  # fmt: skip


@every_bug
def test_right_implementations_agree_and_the_wrong_one_runs_without_an_error(bug):
    right, other, wrong = (
        values(f(*bug.example())) for f in (bug.right, bug.also_right, bug.wrong)
    )
    assert same(other, right, 1e-5)
    assert type(wrong) is type(right) and getattr(wrong, "shape", None) == getattr(
        right, "shape", None
    )
    if isinstance(right, torch.Tensor):
        assert bool(torch.isfinite(wrong).all())


@every_bug
def test_the_proof_catches_the_bug_and_passes_right_code(bug):
    verdict = bug.check(bug.proof)
    assert verdict.status == RIGHT and bug.lesson in verdict.message


def stub(implementation): ...


def not_implemented(implementation):
    raise NotImplementedError


def weak_tests(bug):
    """Tests that prove nothing: each has to be turned down."""
    arguments = bug.example

    def only_calls(implementation):
        implementation(*arguments())

    def only_looks_at_the_kind(implementation):
        assert type(implementation(*arguments())) is type(bug.right(*arguments()))

    def always_fails(implementation):
        implementation(*arguments())
        raise AssertionError("no")

    def wants_the_bug(implementation):
        if hasattr(bug.wrong(*arguments()), "table"):
            policy = arguments()[0]
            assert implementation(policy) is policy
        found, wrong = values(implementation(*arguments())), values(bug.wrong(*arguments()))
        assert same(found, wrong, 1e-6)

    def breaks(implementation):
        implementation(*arguments())
        raise ValueError("typo")

    def forgives_everything(implementation):
        try:
            bug.proof(implementation)
        except AssertionError:
            return

    def forgets_to_assert(implementation):
        return same(values(implementation(*arguments())), values(bug.right(*arguments())), 1e-6)

    def swaps_them_by_turns(implementation, turn=[0]):  # noqa: B006
        implementation(*arguments())
        turn[0] += 1
        assert turn[0] % 2

    yield from (
        ("only calls", only_calls), ("only looks at the kind", only_looks_at_the_kind),
        ("always fails", always_fails), ("wants the bug", wants_the_bug), ("breaks", breaks),
        ("forgives everything", forgives_everything), ("forgets to assert", forgets_to_assert),
        ("fails by turns", swaps_them_by_turns),
    )  # fmt: skip


@every_bug
def test_tests_that_prove_nothing_are_turned_down(bug):
    outcomes = [("stub", bug.check(stub).status == NOT_YET)]
    outcomes.append(("not implemented", bug.check(not_implemented).status == NOT_YET))
    outcomes += [(name, bug.check(test).status == WRONG) for name, test in weak_tests(bug)]
    OUTCOMES[f"clinic {bug.name}"] = outcomes
    assert not [name for name, killed in outcomes if not killed]


def test_the_verdicts_say_what_is_wrong_with_a_test():
    bug = clinic("penalty_sign")
    arguments = bug.example()

    def says_no(implementation):
        implementation(*arguments)
        raise AssertionError("too much")

    assert bug.check(says_no).message == "your test fails right code: too much"
    assert "KeyError" in bug.check(lambda f: {}["x"]).message
    assert "does not catch the bug" in bug.check(lambda f: f(*arguments)).message

    def asserts_by_breaking(implementation):
        if not torch.allclose(implementation(*arguments), bug.right(*arguments)):
            raise RuntimeError("differs")

    assert "say with assert" in bug.check(asserts_by_breaking).message


def test_a_test_without_an_end_is_stopped_and_the_readers_line_is_shown(monkeypatch):
    monkeypatch.setattr(kit_bug, "LIMIT", 0.1)
    monkeypatch.setattr(kit_bug, "limited", lambda test, given: limited(test, given, 0.1))
    bug = clinic("penalty_sign")

    def endless(implementation):
        while True:
            bug.example()

    assert "stopped after 0.1 s" in bug.check(endless).message

    def broken(implementation):
        return torch.zeros(2).reshape(3)

    assert "your line" in bug.check(broken).message and "reshape(3)" in bug.check(broken).message
    assert bug.check_solution(bug.proof) is SOLVED_CASE


@every_bug
def test_the_quiz_has_one_right_option_and_a_reason_for_each(bug):
    answers = [bug.quiz.answer(letter) for letter in "abc"]
    assert sum(answer.startswith("right") for answer in answers) == 1
    assert all(len(reason) > 20 for _, reason in bug.options)
    assert bug.title in bug.quiz.question and len(bug.hints) >= 2 and bug.hint(9) == bug.hints[-1]


def test_right_options_are_spread_over_the_places():
    places = [bug.quiz.order().index(0) for bug in BUGS]
    assert {0, 1, 2} == set(places) and max(map(places.count, places)) <= len(places) / 2 + 1


def test_the_story_does_not_give_the_bug_away():
    for bug in BUGS:
        assert bug.options[0][0] not in bug.story and bug.story in bug._repr_html_()
        assert "&lt;" in bug._repr_html_() or "<" not in bug.function
        assert bug.title in repr(bug) and bug.source not in repr(bug)


def test_there_are_a_dozen_and_more_and_they_are_found_by_name_and_chapter():
    assert len(BUGS) >= 12 and len({bug.name for bug in BUGS}) == len(BUGS)
    assert {bug.chapter for bug in BUGS} >= {"03", "05", "07", "08", "09", "10", "11", "12", "17"}
    assert [b.name for b in clinic_of("10_rejection_sampling")] == ["worst_kept", "mixed_rows"]
    with pytest.raises(ValueError, match="there are shifted_labels"):
        clinic("nothing")
    with pytest.raises(ValueError, match="there are for 03, "):
        clinic_of("99")


def tail(history, metric, share=3):
    """Mean over the last third of a run."""
    series = history.series(metric)
    part = series[-max(1, len(series) // share) :]
    return sum(part) / len(part)


SYMPTOMS = {
    "shifted_labels": lambda r, w: tail(w, "loss") < 0.2 < tail(r, "loss")
    and tail(w, "next_token_loss") > 2 * tail(r, "next_token_loss"),
    "unlearned_end": lambda r, w: w.last("finished") == 0 and r.last("finished") > 0.3
    and w.last("loss") < w.series("loss")[0],
    "upside_down_loss": lambda r, w: tail(w, "held_out_accuracy") < 0.45
    and tail(r, "held_out_accuracy") > 0.55 and abs(tail(w, "loss") - tail(r, "loss")) < 0.05,
    "log_of_the_mean": lambda r, w: tail(w, "loss") < tail(r, "loss") - 0.05
    and tail(w, "held_out_loss") > tail(r, "held_out_loss") + 0.1,
    "identical_pairs": lambda r, w: tail(w, "train_accuracy") < tail(r, "train_accuracy") - 0.04
    and tail(w, "loss") > tail(r, "loss")
    and abs(tail(w, "held_out_accuracy") - tail(r, "held_out_accuracy")) < 0.03,
    "penalty_sign": lambda r, w: tail(w, "kl") > 2 * tail(r, "kl"),
    "k3_reversed": lambda r, w: tail(w, "kl_estimate") > 2 * tail(w, "kl")
    and tail(r, "kl_estimate") < 1.5 * tail(r, "kl")
    and max(w.series("grad_norm")) > 5 * max(r.series("grad_norm")),
    "kl_direction": lambda r, w: r.last("gap") < 0.01 and w.last("gap") > 0.1
    and min(w.series("gap")) < 0.1,
    "worst_kept": lambda r, w: w.last("reward") < w.series("reward")[0] - 0.1
    and r.last("reward") > r.series("reward")[0] + 0.1,
    "mixed_rows": lambda r, w: abs(w.last("reward") - w.series("reward")[0])
    < 0.5 * (r.last("reward") - r.series("reward")[0]),
    "mixed_groups": lambda r, w: w.last("reward") < r.last("reward") - 0.03
    and tail(w, "advantage_size") > 5 * tail(r, "advantage_size"),
    "clip_maximum": lambda r, w: tail(w, "entropy") < 0.5 * tail(r, "entropy")
    and abs(w.last("reward") - r.last("reward")) < 0.1,
    "ratio_to_reference": lambda r, w: w.last("reward") < r.last("reward") - 0.04
    and tail(w, "clip_fraction") > 0.4 > tail(r, "clip_fraction"),
    "averaged_logp": lambda r, w: tail(w, "drift") > 1.5 * tail(r, "drift"),
    "reference_is_policy": lambda r, w: all(abs(x - 0.6931) < 1e-3 for x in w.series("loss"))
    and set(w.series("margin")) == {0.0} and w.last("kl") > 1.5 * r.last("kl"),
    "beta_upside_down": lambda r, w: w.last("kl") < 0.1 * r.last("kl")
    and w.last("reward") < r.last("reward") - 0.2,
    "doubled_prompt": lambda r, w: w.series("loss")[0] > r.series("loss")[0] + 0.2
    and w.last("loss") < w.series("loss")[0] - 0.15
    and w.last("gold") < min(w.series("gold")[0], r.last("gold")) - 0.3,
    "mean_of_means": lambda r, w: tail(w, "loss", 1) > 1.1 * tail(r, "loss", 1)
    and tail(w, "long_answers", 1) > tail(r, "long_answers", 1) + 0.02,
    "one_order": lambda r, w: abs(r.last("win_rate") - 0.5) < 0.04
    and w.last("win_rate") > r.last("win_rate") + 0.08,
    "unpaired_errors": lambda r, w: r.last("found") > w.last("found") + 0.4
    and w.last("width") > 1.5 * r.last("width"),
}  # fmt: skip


@every_bug
def test_the_curves_show_the_symptom(bug):
    curves = bug.curves()
    assert set(curves) == {"right", "wrong"}
    for history in curves.values():
        assert history.stopped is None and len(history.rows) >= 4
        assert all(history.series(metric) for metric in bug.watch)
    assert SYMPTOMS[bug.name](curves["right"], curves["wrong"])
