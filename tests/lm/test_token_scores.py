"""Log-probabilities and entropies in parts: the same numbers and gradients, in bounded memory."""

import pytest
import torch
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from rlhf_lib.lm import token_scores as module
from rlhf_lib.lm.ragged import TOKENS_AT_ONCE, length_groups
from rlhf_lib.lm.token_scores import token_scores


class Head(nn.Module):
    """All of a language model that token scores need."""

    class config:
        vocab_size = 500

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.lm_head = nn.Linear(8, self.config.vocab_size, bias=False)

    def logits(self, states):
        return self.lm_head(states)


def inputs(n: int = 300):
    generator = torch.Generator().manual_seed(1)
    states = torch.randn(n, 8, generator=generator).requires_grad_()
    return states, torch.randint(500, (n,), generator=generator)


def by_definition(model, states, ids, temperature):
    logp = (model.logits(states) / temperature).log_softmax(-1)
    return logp.gather(-1, ids[:, None]).squeeze(-1), -(logp.exp() * logp).sum(-1)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("at_once", [2**22, 500 * 7])
@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.0, 1.0), (1.0, 0.3)])
def test_scores_and_gradients_are_those_of_the_definition(
    monkeypatch, at_once, temperature, weights
):
    monkeypatch.setattr(module, "AT_ONCE", at_once)
    model, (states, ids) = Head(), inputs()
    found = token_scores(model, states, ids, temperature, with_entropy=True)
    wanted = by_definition(model, states, ids, temperature)
    gradients = []
    for logp, entropy in (found, wanted):
        terms = [
            w * (x * torch.arange(300.0)).sum()
            for w, x in zip(weights, (logp, entropy), strict=True)
            if w
        ]
        gradients.append(torch.autograd.grad(sum(terms), [states, model.lm_head.weight]))
    for x, y in [*zip(found, wanted, strict=True), *zip(*gradients, strict=True)]:
        torch.testing.assert_close(x, y, atol=2e-5 * float(y.detach().abs().max()), rtol=1e-4)


def test_the_entropy_of_a_policy_carries_a_gradient(tiny):
    """It did not, and an entropy bonus changed the logged loss alone."""
    rollout = tiny.sample(["hi"], max_new_tokens=4, seed=0)
    _, entropy = tiny.logprobs(rollout, with_entropy=True)
    (gradient,) = torch.autograd.grad(entropy.sum(), [tiny.model.lm_head.weight])
    assert gradient.abs().max() > 0
    with torch.no_grad():
        assert not tiny.logprobs(rollout, with_entropy=True)[1].requires_grad


def test_impossible_tokens_have_no_entropy():
    model = Head()
    model.logits = lambda states: torch.tensor([[0.0, 0.0, -torch.inf, -torch.inf]])
    logp, entropy = token_scores(model, torch.zeros(1, 8), torch.tensor([1]), with_entropy=True)
    assert entropy.item() == pytest.approx(0.693147, abs=1e-5) == -logp.item()
    with pytest.raises(ValueError, match="temperature must be positive"):
        token_scores(model, torch.zeros(1, 8), torch.tensor([1]), temperature=0)


class Tables(TorchDispatchMode):
    """Counts the numbers in tables of V columns that are alive at one time."""

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.columns, self.alive, self.peak = columns, {}, 0

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        result = function(*arguments, **(keywords or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor) and tensor.shape == (70, self.columns):
                reference = StorageWeakRef(tensor.untyped_storage())
                self.alive[reference.cdata] = (reference, tensor.untyped_storage().nbytes() // 4)
        self.alive = {k: v for k, v in self.alive.items() if not v[0].expired()}
        self.peak = max(self.peak, sum(size for _, size in self.alive.values()))
        return result


@pytest.mark.parametrize("with_gradient", [True, False])
def test_tables_are_bounded_whatever_the_number_of_tokens(monkeypatch, with_gradient):
    """Softmax, entropy and their gradients of 3,500 tokens: five tables of 70 at a time, not of 3,500."""
    monkeypatch.setattr(module, "AT_ONCE", 500 * 70)
    model, (states, ids) = Head(), inputs(70 * 50)
    with torch.set_grad_enabled(with_gradient), Tables(500) as tables:
        logp, entropy = token_scores(model, states, ids, with_entropy=True)
        if with_gradient:
            (logp.sum() + entropy.sum()).backward()
    assert 500 * 70 <= tables.peak <= 5 * 500 * 70


def test_groups_are_bounded_by_tokens():
    lengths = [10_000] * 5 + [30_000] + [100] * 600
    groups = length_groups(lengths)
    assert sorted(i for group in groups for i in group) == list(range(len(lengths)))
    for group in groups:
        assert len(group) == 1 or len(group) * max(lengths[i] for i in group) <= TOKENS_AT_ONCE
