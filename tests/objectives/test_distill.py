"""Distillation losses: worked by hand, limits, and what they are indifferent to."""

import math

import pytest
import torch
from torch.autograd import gradcheck

from rlhf_lib.objectives import (
    exact_kl,
    jsd_loss,
    reverse_kl_loss,
    sequence_kd_loss,
    word_kd_loss,
)

tensor = torch.tensor
# Two tokens, two words. Teacher q: (0.8, 0.2), (0.5, 0.5); student p: (0.5, 0.5), (0.9, 0.1).
Q, P = ((0.8, 0.2), (0.5, 0.5)), ((0.5, 0.5), (0.9, 0.1))
TEACHER, STUDENT = tensor([Q]).log(), tensor([P]).log()
ONES = torch.ones(1, 2)
LOSSES = {
    "word": word_kd_loss,
    "word, T = 2": lambda s, t, m: word_kd_loss(s, t, m, 2.0),
    "reverse": reverse_kl_loss,
    "jsd": jsd_loss,
    "jsd, beta = 0": lambda s, t, m: jsd_loss(s, t, m, 0.0),
    "jsd, beta = 1": lambda s, t, m: jsd_loss(s, t, m, 1.0),
    "jsd, beta = 0.1, T = 2": lambda s, t, m: jsd_loss(s, t, m, 0.1, 2.0),
    "sequence": lambda s, t, m: sequence_kd_loss(s.log_softmax(-1)[..., 0], m),
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


def kl(first, second):
    return sum(a * math.log(a / b) for a, b in zip(first, second, strict=True))


def ragged(dtype=torch.float64):
    """Logits of student and teacher (3, 4, 5), and a mask of lengths 4, 2, 3."""
    generator = torch.Generator().manual_seed(0)
    student, teacher = 2 * torch.randn(2, 3, 4, 5, dtype=torch.float64, generator=generator)
    mask = (torch.arange(4) < tensor([[4], [2], [3]])).to(dtype)
    return student.to(dtype), teacher.to(dtype), mask


def loss_and_gradient(loss, student, teacher, mask):
    student = student.clone().requires_grad_()
    value = loss(student, teacher, mask)
    return value.detach(), torch.autograd.grad(value, student)[0]


def test_word_kd_by_hand():
    """[KD-1]: cross-entropy of (0.8, 0.2) against (0.5, 0.5), and of (0.5, 0.5) against (0.9, 0.1)."""
    first, second = -math.log(0.5), -0.5 * math.log(0.9) - 0.5 * math.log(0.1)
    by_hand = (first + second) / 2
    assert word_kd_loss(STUDENT, TEACHER, ONES).item() == pytest.approx(by_hand, abs=1e-6)


def test_temperature_of_word_kd_by_hand():
    """[KD-1]: T = 2 takes square roots of odds: q (2/3, 1/3), p (1/2, 1/2); T^2 = 4 in front."""
    loss = word_kd_loss(STUDENT[:, :1], TEACHER[:, :1], ONES[:, :1], temperature=2.0)
    assert loss.item() == pytest.approx(4 * math.log(2), abs=1e-6)
    student = STUDENT[:, :1].clone().requires_grad_()
    word_kd_loss(student, TEACHER[:, :1], ONES[:, :1], 2.0).backward()
    # d/dz = T (p - q): one T is left of T^2, for the logits were divided by T
    assert student.grad.flatten().tolist() == pytest.approx(
        [2 * (1 / 2 - 2 / 3), 2 * (1 / 2 - 1 / 3)]
    )


def test_the_square_of_the_temperature_keeps_the_gradient_alive():
    """[KD-1]: at high T the gradient tends to (difference of centred logits) / V, whatever T."""
    student, teacher, mask = ragged()
    gradients = [
        loss_and_gradient(lambda *x, T=T: word_kd_loss(*x, T), student, teacher, mask)[1]
        for T in (100.0, 200.0)
    ]
    centred = [x - x.mean(-1, keepdim=True) for x in (student, teacher)]
    expected = (centred[0] - centred[1]) / 5 / mask.sum() * mask[..., None]
    assert torch.allclose(*gradients, atol=2e-3) and torch.allclose(
        gradients[1], expected, atol=2e-3
    )


def test_word_kd_is_the_forward_kl_up_to_the_teachers_entropy():
    """[KD-1] = [KD-4] with beta 0, plus a constant: equal gradients."""
    student, teacher, mask = ragged()
    cross, cross_gradient = loss_and_gradient(word_kd_loss, student, teacher, mask)
    forward, gradient = loss_and_gradient(LOSSES["jsd, beta = 0"], student, teacher, mask)
    q = teacher.softmax(-1)
    entropy = (-(q * q.log()).sum(-1) * mask).sum() / mask.sum()
    assert torch.allclose(cross, forward + entropy) and torch.allclose(cross_gradient, gradient)


def test_sequence_kd_by_hand():
    """[KD-2]: the teacher said three tokens in two answers, to which the student gave these."""
    logp, mask = tensor([[0.5, 0.2], [0.9, 0.7]]).log(), tensor([[1.0, 1.0], [1.0, 0.0]])
    by_hand = -(math.log(0.5) + math.log(0.2) + math.log(0.9)) / 3
    assert sequence_kd_loss(logp, mask).item() == pytest.approx(by_hand, abs=1e-6)


def test_sequence_kd_is_word_kd_of_one_word():
    """[KD-2] = [KD-1] where the teacher is certain of each token that it said."""
    student, _, mask = ragged()
    said = tensor([[0, 1, 2, 3], [4, 0, 1, 2], [3, 4, 0, 1]])
    certain = torch.full_like(student, -1e4).scatter(-1, said[..., None], 0.0)
    logp = student.log_softmax(-1).gather(-1, said[..., None]).squeeze(-1)
    assert torch.allclose(sequence_kd_loss(logp, mask), word_kd_loss(student, certain, mask))


def test_reverse_kl_by_hand():
    """[KD-3]: KL of (0.5, 0.5) to (0.8, 0.2), and of (0.9, 0.1) to (0.5, 0.5)."""
    by_hand = (kl(P[0], Q[0]) + kl(P[1], Q[1])) / 2
    assert reverse_kl_loss(STUDENT, TEACHER, ONES).item() == pytest.approx(by_hand, abs=1e-6)


def test_reverse_kl_is_the_exact_kl_and_the_other_end_of_jsd():
    """[KD-3] = the mean of [KL-2] = [KD-4] with beta 1."""
    student, teacher, mask = ragged()
    loss = reverse_kl_loss(student, teacher, mask)
    assert torch.allclose(loss, (exact_kl(student, teacher) * mask).sum() / mask.sum())
    assert torch.allclose(loss, jsd_loss(student, teacher, mask, 1.0))


def test_reverse_kl_forgives_what_is_left_out_and_forward_kl_does_not():
    """[KD-3], [KD-4]: a teacher of two modes, a student of one."""
    teacher, student = tensor([[[0.49, 0.49, 0.02]]]).log(), tensor([[[0.97, 0.01, 0.02]]]).log()
    one = torch.ones(1, 1)
    forward, reverse = jsd_loss(student, teacher, one, 0.0), reverse_kl_loss(student, teacher, one)
    assert forward > 2 * reverse


def test_jsd_by_hand():
    """[KD-4]: beta 0.25, first token: m = 0.25 q + 0.75 p = (0.575, 0.425)."""
    mixtures = [
        [0.25 * a + 0.75 * b for a, b in zip(q, p, strict=True)] for q, p in zip(Q, P, strict=True)
    ]
    assert mixtures[0] == pytest.approx([0.575, 0.425])
    by_hand = sum(0.25 * kl(Q[t], mixtures[t]) + 0.75 * kl(P[t], mixtures[t]) for t in (0, 1)) / 2
    assert jsd_loss(STUDENT, TEACHER, ONES, beta=0.25).item() == pytest.approx(by_hand, abs=1e-6)


def test_jsd_is_bounded_and_symmetric_in_the_middle():
    """[KD-4]: at most log 2, reached where both agree on nothing."""
    far = tensor([[[50.0, -50.0]]])
    one = torch.ones(1, 1)
    assert jsd_loss(far, -far, one).item() == pytest.approx(math.log(2))
    student, teacher, mask = ragged()
    assert torch.allclose(jsd_loss(student, teacher, mask), jsd_loss(teacher, student, mask))


def test_near_its_ends_jsd_over_beta_is_a_kl():
    """[KD-4]: why beta = 0 and beta = 1 stand for the two KLs."""
    student, teacher, mask = ragged()
    near = jsd_loss(student, teacher, mask, 1e-6) / 1e-6
    assert near.item() == pytest.approx(jsd_loss(student, teacher, mask, 0.0).item(), rel=1e-3)
    near = jsd_loss(student, teacher, mask, 1 - 1e-6) / 1e-6
    assert near.item() == pytest.approx(jsd_loss(student, teacher, mask, 1.0).item(), rel=1e-3)


@pytest.mark.parametrize(
    "name", [name for name in LOSSES if "word" not in name and name != "sequence"]
)
def test_a_student_like_its_teacher_has_nothing_to_learn(name):
    _, teacher, mask = ragged()
    loss, gradient = loss_and_gradient(LOSSES[name], teacher + 3.0, teacher, mask)
    assert loss.item() == pytest.approx(0, abs=1e-12) and gradient.abs().max() < 1e-12


@every_loss
def test_gradients_by_finite_differences(loss):
    student, teacher, mask = ragged()
    assert gradcheck(lambda x: loss(x, teacher, mask), (student.requires_grad_(),))


@every_loss
def test_the_teacher_is_a_constant(loss):
    student, teacher, mask = ragged()
    loss(student.requires_grad_(), teacher.requires_grad_(), mask).backward()
    assert student.grad is not None and teacher.grad is None


@pytest.mark.parametrize("rubbish", [77.0, float("inf"), float("nan")])
@every_loss
def test_padding_does_not_matter_whatever_it_holds(loss, rubbish):
    student, teacher, mask = ragged()
    value, gradient = loss_and_gradient(loss, student, teacher, mask)
    wide_mask = torch.cat((mask, torch.zeros(3, 2).double()), 1)
    dirty = [
        torch.cat((x, torch.zeros(3, 2, 5).double()), 1).masked_fill(
            wide_mask[..., None] == 0, rubbish
        )
        for x in (student, teacher)
    ]
    if (
        loss is LOSSES["sequence"]
    ):  # made of log-probabilities by the test itself: put the rubbish there
        logp = student.log_softmax(-1)[..., 0].masked_fill(mask == 0, rubbish)
        assert torch.allclose(sequence_kd_loss(logp, mask), value)
        return
    wide, wide_gradient = loss_and_gradient(loss, *dirty, wide_mask)
    assert torch.allclose(value, wide) and torch.allclose(gradient, wide_gradient[:, :4])
    assert (wide_gradient[wide_mask == 0] == 0).all()


@every_loss
def test_the_order_of_the_batch_does_not_matter(loss):
    order, parts = tensor([2, 0, 1]), ragged()
    assert torch.allclose(loss(*parts), loss(*(x[order] for x in parts)))


@every_loss
def test_micro_batches_weigh_by_their_tokens(loss):
    parts = ragged()
    mask, (value, gradient) = parts[2], loss_and_gradient(loss, *parts)
    whole, pieces = 0.0, []
    for rows in (slice(0, 1), slice(1, 3)):
        share = mask[rows].sum() / mask.sum()
        piece, piece_gradient = loss_and_gradient(loss, *(x[rows] for x in parts))
        whole, pieces = whole + share * piece, [*pieces, share * piece_gradient]
    assert torch.allclose(value, whole) and torch.allclose(gradient, torch.cat(pieces))


@every_loss
def test_a_constant_in_the_logits_cancels(loss):
    student, teacher, mask = ragged()
    assert torch.allclose(loss(student + 5, teacher - 2, mask), loss(student, teacher, mask))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@every_loss
def test_extreme_logits_stay_finite(loss, dtype):
    far = tensor([[[1e4, -1e4, 0.0]]], dtype=dtype)
    for student, teacher in ((far, -far), (far, far), (-far, far)):
        value, gradient = loss_and_gradient(loss, student, teacher, torch.ones(1, 1, dtype=dtype))
        assert torch.isfinite(value) and torch.isfinite(gradient).all()


@every_loss
def test_impossible_tokens_stay_finite(loss):
    """Logits of -inf, as after top-k: of the teacher, of the student, of both."""
    never = -torch.inf
    for student, teacher in (
        ([0.0, 1.0, 2.0], [0.0, never, 1.0]),
        ([0.0, never, 2.0], [0.0, 1.0, 1.0]),
        ([0.0, never, 2.0], [0.0, never, 1.0]),
    ):
        value, gradient = loss_and_gradient(
            loss, tensor([[student]]), tensor([[teacher]]), torch.ones(1, 1)
        )
        assert torch.isfinite(value) and torch.isfinite(gradient).all()
    both, neither = tensor([[[0.0, never, 2.0]]]), tensor([[[0.0, 2.0]]])
    assert torch.allclose(
        loss(both, both, torch.ones(1, 1)), loss(neither, neither, torch.ones(1, 1))
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@every_loss
def test_any_float_dtype(loss, dtype):
    narrow = ragged(dtype)
    value, exact = loss(*narrow), loss(*(x.double() for x in narrow))
    assert value.dtype == dtype
    assert value.item() == pytest.approx(exact.item(), rel=4 * torch.finfo(dtype).eps, abs=1e-5)


@every_loss
def test_a_mask_of_booleans_will_do(loss):
    student, teacher, mask = ragged()
    assert torch.equal(loss(student, teacher, mask.bool()), loss(student, teacher, mask))


@every_loss
def test_inputs_are_left_as_they_were(loss):
    parts = ragged()
    copies = [x.clone() for x in parts]
    loss(*parts)
    assert all(torch.equal(a, b) for a, b in zip(parts, copies, strict=True))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: word_kd_loss(STUDENT, TEACHER[..., :1], ONES),
            "teacher_logits must have the shape",
        ),
        (lambda: word_kd_loss(STUDENT, TEACHER, torch.ones(1, 3)), "mask must have the shape of"),
        (lambda: word_kd_loss(STUDENT, TEACHER, 0 * ONES), "mask has a row"),
        (lambda: word_kd_loss(STUDENT, TEACHER, ONES, 0.0), "temperature must be positive"),
        (
            lambda: word_kd_loss(STUDENT[0], TEACHER[0], ONES),
            r"student_logits must have shape \(B, T, V",
        ),
        (lambda: word_kd_loss(STUDENT.long(), TEACHER, ONES), "student_logits must hold floating"),
        (lambda: sequence_kd_loss(ONES[0], ONES[0]), r"student_logp must have shape \(B, T\)"),
        (
            lambda: sequence_kd_loss(ONES, torch.ones(2, 2)),
            "mask must have the shape of student_logp",
        ),
        (lambda: sequence_kd_loss(ONES, 0 * ONES), "mask has a row"),
        (
            lambda: reverse_kl_loss(STUDENT, TEACHER[:, :1], ONES),
            "teacher_logits must have the shape",
        ),
        (lambda: reverse_kl_loss(STUDENT, TEACHER, 0 * ONES), "mask has a row"),
        (lambda: jsd_loss(STUDENT, TEACHER, ONES, -0.1), "beta must lie between"),
        (lambda: jsd_loss(STUDENT, TEACHER, ONES, 1.1), "beta must lie between"),
        (lambda: jsd_loss(STUDENT, TEACHER, ONES, 0.5, -1.0), "temperature must be positive"),
        (lambda: jsd_loss(STUDENT, TEACHER, 0 * ONES), "mask has a row"),
    ],
)
def test_broken_inputs_get_a_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()
