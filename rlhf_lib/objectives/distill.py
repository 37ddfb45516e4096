"""Distillation: a student learns from a teacher's distributions, or from what the teacher says.

Book: `c/12-synthetic-data`. Shapes: logits (B, T, V) from which the completion tokens are predicted, as
`Policy.completion_logits` gives them; mask (B, T), 1.0 on completion tokens. Each loss is one mean over all
tokens under the mask, as in TRL's GKD: a long answer weighs more than a short one, by its number of tokens
(the papers sum over tokens, which differs by that number). The teacher is a constant: no gradient flows
into it. Entries where the mask is 0 may hold anything.

Who draws the tokens is not seen in a loss and is what names the method: the teacher or a data set
(knowledge distillation), or the student itself (on-policy distillation, which trains where the student
really goes).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ._checks import has_dimensions, has_shape, mask_covers_rows, positive, same_shape, within
from ._masked import blank, masked_mean, widened

LOWEST = -1e30
"""The log-probability of an impossible token (logit -inf, as after top-k): low, and still a number."""


def word_kd_loss(
    student_logits: Tensor, teacher_logits: Tensor, mask: Tensor, temperature: float = 1.0
) -> Tensor:
    """-T^2 sum over v of q_v log p_v: the student's cross-entropy against the teacher's distribution.

    q = softmax(teacher_logits / T), p = softmax(student_logits / T), mean over tokens.
    temperature: T > 1 shows the student also what the teacher finds second and third best. Logits are
        divided by T on **both** sides. The gradient shrinks about as 1 / T^2, and the factor T^2 makes up
        for it (Hinton et al.), so that T can be changed without a new learning rate; the book and Kim
        and Rush have T = 1.
    It is KL(q || p) plus the teacher's entropy, a constant: the same gradient as the forward KL, but at
    best that entropy and not 0. `jsd_loss` with beta = 0 is the KL itself.
    Source: Kim and Rush (2016), section 3.1; Hinton et al. (2015), section 2. Equation: [KD-1].

    Raises:
        ValueError: shapes, an empty row of the mask, temperature not positive.
    """
    _check_logits(student_logits, teacher_logits, mask)
    positive("temperature", temperature)
    logq, logp = _log_softmax(student_logits, teacher_logits, mask, temperature)
    loss = masked_mean(-(logq.exp() * logp).sum(-1), mask)
    return (temperature**2 * loss).to(student_logits.dtype)


def sequence_kd_loss(student_logp: Tensor, mask: Tensor) -> Tensor:
    """-log p of what the teacher said, mean over its tokens: fine-tuning on the teacher's answers.

    student_logp (B, T): the student's log-probabilities of the tokens of answers that the teacher wrote
    (`Policy.logprobs`). The sum over all answers that the teacher might give, weighed by its
    probabilities, is estimated by the one that it gave; Kim and Rush take its likeliest one.
    Source: Kim and Rush (2016), section 3.2. Equation: [KD-2].

    Raises:
        ValueError: shapes, an empty row of the mask.
    """
    has_dimensions("student_logp", student_logp, "(B, T)")
    same_shape(student_logp=student_logp, mask=mask)
    mask_covers_rows(mask)
    return -masked_mean(student_logp, mask)


def reverse_kl_loss(student_logits: Tensor, teacher_logits: Tensor, mask: Tensor) -> Tensor:
    """KL(student || teacher) at each token of answers that the **student** drew, mean over tokens.

    Exact over the vocabulary at each token. It seeks modes: the student is punished for what the teacher
    would not say, and not for leaving out some of what it would. The gradient goes through the logits
    alone, as in GKD: that the student's drawing depends on its weights too is left out. A student without
    logits of the teacher takes log q - log p of the drawn token as its advantage in `policy_loss`.
    Source: Agarwal et al. (2024), section 3; Gu et al. (2024). Equation: [KD-3].

    Raises:
        ValueError: shapes, an empty row of the mask.
    """
    _check_logits(student_logits, teacher_logits, mask)
    logq, logp = _log_softmax(student_logits, teacher_logits, mask)
    return masked_mean(_kl(logp, logq), mask).to(student_logits.dtype)


def jsd_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    mask: Tensor,
    beta: float = 0.5,
    temperature: float = 1.0,
) -> Tensor:
    """beta KL(q || m) + (1 - beta) KL(p || m), with m = beta q + (1 - beta) p: between both KLs.

    q is the teacher's distribution, p the student's, both of logits / temperature. beta = 0 is the
    forward KL(q || p) and beta = 1 the reverse KL(p || q), as in TRL's GKD: by the formula both ends would
    be 0, but near them the loss over beta, or over 1 - beta, tends to these. So the loss jumps there; and
    it is at most log 2 between. No factor T^2: none in GKD.
    Source: Agarwal et al. (2024), equation 1 and appendix. Equation: [KD-4].

    Raises:
        ValueError: shapes, an empty row of the mask, beta outside [0, 1], temperature not positive.
    """
    _check_logits(student_logits, teacher_logits, mask)
    within("beta", beta, 0, 1)
    positive("temperature", temperature)
    logq, logp = _log_softmax(student_logits, teacher_logits, mask, temperature)
    if beta == 0:
        divergence = _kl(logq, logp)
    elif beta == 1:
        divergence = _kl(logp, logq)
    else:
        mixture = torch.logaddexp(logq + math.log(beta), logp + math.log(1 - beta))
        divergence = beta * _kl(logq, mixture) + (1 - beta) * _kl(logp, mixture)
    return masked_mean(divergence, mask).to(student_logits.dtype)


def _log_softmax(
    student_logits: Tensor, teacher_logits: Tensor, mask: Tensor, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """log q of the teacher and log p of the student (B, T, V), at least float32; the teacher's is constant."""
    inside = mask[..., None]
    scaled = (
        blank(widened(x), inside) / temperature for x in (teacher_logits.detach(), student_logits)
    )
    logq, logp = (x.log_softmax(-1).clamp(min=LOWEST) for x in scaled)
    return logq, logp


def _kl(log_first: Tensor, log_second: Tensor) -> Tensor:
    """KL(first || second) of log-probabilities (..., V) -> (...)."""
    return (log_first.exp() * (log_first - log_second)).sum(-1)


def _check_logits(student_logits: Tensor, teacher_logits: Tensor, mask: Tensor) -> None:
    has_dimensions("student_logits", student_logits, "(B, T, V)")
    same_shape(student_logits=student_logits, teacher_logits=teacher_logits)
    has_shape("mask", mask, student_logits.shape[:2], "student_logits' (B, T)")
    mask_covers_rows(mask)
