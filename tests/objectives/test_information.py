"""Entropy, cross-entropy, perplexity."""

import math

import pytest
import torch
from torch.autograd import gradcheck

from rlhf_lib.objectives import cross_entropy, entropy, exact_kl, perplexity

P, Q = torch.tensor([0.75, 0.25]), torch.tensor([0.5, 0.5])


def test_entropy_by_hand():
    """[DF-4]: -(0.75 log 0.75 + 0.25 log 0.25) = 0.5623; a fair coin log 2; a sure token 0."""
    assert entropy(P.log()).item() == pytest.approx(0.5623, abs=1e-4)
    assert entropy(Q.log()).item() == pytest.approx(math.log(2))
    assert entropy(torch.tensor([0.0, -torch.inf])).item() == 0


def test_cross_entropy_by_hand():
    """[DF-5]: a fair coin is surprised by log 2 each time; -(0.5 log 0.75 + 0.5 log 0.25) = 0.8370."""
    assert cross_entropy(P.log(), Q.log()).item() == pytest.approx(math.log(2))
    assert cross_entropy(Q.log(), P.log()).item() == pytest.approx(0.8370, abs=1e-4)


def test_cross_entropy_is_entropy_and_kl():
    """[DF-4] [DF-5]: H(p, q) = H(p) + KL(p || q), and not below H(p)."""
    a, b = torch.randn(2, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(cross_entropy(a, b), entropy(a) + exact_kl(a, b))
    assert (cross_entropy(a, b) > entropy(a)).all()
    torch.testing.assert_close(cross_entropy(a, a), entropy(a))


def test_cross_entropy_is_the_mean_surprise_of_draws():
    """[DF-5]: 40,000 tokens drawn from p, within five standard errors."""
    draws = torch.multinomial(
        P, 40_000, replacement=True, generator=torch.Generator().manual_seed(0)
    )
    logits = torch.tensor([0.3, -0.9])
    surprise = -logits.log_softmax(0)[draws]
    error = surprise.std().item() / 200
    assert surprise.mean().item() == pytest.approx(
        cross_entropy(P.log(), logits).item(), abs=5 * error
    )


def test_tokens_of_no_probability():
    cut = torch.tensor([0.0, 0.0, -torch.inf])
    full = torch.tensor([0.0, 0.0, 0.0])
    assert cross_entropy(cut, full).item() == pytest.approx(math.log(3))
    assert cross_entropy(full, cut).item() == math.inf
    assert cross_entropy(cut, cut).item() == pytest.approx(math.log(2))


def test_perplexity_by_hand():
    """[DF-2]: probabilities 1/2 and 1/8: exp((log 2 + log 8) / 2) = 4; padding does not count."""
    logp = torch.tensor([[0.5, 0.125, 0.9]]).log()
    assert perplexity(logp, torch.tensor([[1.0, 1.0, 0.0]])).item() == pytest.approx(4)
    assert perplexity(torch.zeros(1, 3), torch.ones(1, 3)).item() == 1
    uniform = torch.full((2, 5), -math.log(1024))
    assert perplexity(uniform, torch.ones(2, 5)).item() == pytest.approx(1024, rel=1e-4)


def test_perplexity_is_of_all_tokens_together():
    """[DF-2]: a long text weighs more than a short one, in whatever order they come."""
    logp = torch.tensor([[-1.0, -1.0, -1.0], [-4.0, 0.0, 0.0]])
    mask = torch.tensor([[1.0, 1, 1], [1, 0, 0]])
    assert perplexity(logp, mask).item() == pytest.approx(math.exp(7 / 4))
    assert perplexity(logp.flip(0), mask.flip(0)).item() == pytest.approx(math.exp(7 / 4))
    filled = logp.masked_fill(mask == 0, torch.nan)
    assert perplexity(filled, mask).item() == pytest.approx(math.exp(7 / 4))


@pytest.mark.parametrize("function", [entropy, lambda x: cross_entropy(x, torch.eye(4)[:2].double()), lambda x: cross_entropy(torch.eye(4)[:2].double(), x),
                                      lambda x: perplexity(-x.abs(), torch.ones_like(x))])  # fmt: skip
def test_gradients_by_finite_differences(function):
    x = torch.randn(2, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert gradcheck(function, (x.requires_grad_(),))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_dtypes_and_large_logits(dtype):
    logits = torch.tensor([[1e4, -1e4, 0.0]]).to(dtype)
    for value in (entropy(logits), cross_entropy(logits, logits)):
        assert value.dtype == dtype and value.item() == 0
    logp = torch.full((1, 3000), -1.0).to(dtype)
    assert perplexity(logp, torch.ones_like(logp)).item() == pytest.approx(math.e, rel=1e-2)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="predicted"):
        cross_entropy(torch.zeros(2, 3), torch.zeros(2, 4))
    with pytest.raises(ValueError, match="mask must have the shape of logp"):
        perplexity(torch.zeros(2, 3), torch.ones(2, 2))
    with pytest.raises(ValueError, match="mask is empty"):
        perplexity(torch.zeros(2, 3), torch.zeros(2, 3))
    with pytest.raises(ValueError, match="logp must have shape"):
        perplexity(torch.zeros(3), torch.ones(3))
