"""A second right answer to each exercise of chapter 12, written another way."""

import copy

import torch
import torch.nn.functional as F


def their_ipo(chosen, rejected, chosen_mask, rejected_mask, beta):
    """One pair at a time."""
    errors = []
    for c, r, m, n in zip(chosen, rejected, chosen_mask, rejected_mask, strict=True):
        errors.append(c[m.bool()].mean() - r[n.bool()].mean() - 0.5 / beta)
    return sum(e * e for e in errors) / len(errors)


def their_gradient(pc, pr, rc, rr, beta):
    """By autograd."""
    pc, pr = pc.clone().requires_grad_(), pr.clone().requires_grad_()
    F.softplus(beta * ((pr - rr) - (pc - rc))).mean().backward()
    return pc.grad, pr.grad


def their_displaced_share(b, r, c, s):
    quads = list(zip(*(x.tolist() for x in (b, r, c, s)), strict=True))
    return sum(c < b and c - s > b - r for b, r, c, s in quads) / len(quads)


def their_dpo_training(policy, batches, beta, learning_rate):
    reference = copy.deepcopy(policy)
    optimizer, losses = torch.optim.SGD(policy.parameters(), lr=learning_rate), []

    def gap(model, prompts, chosen, chosen_mask, rejected, rejected_mask):
        better = (model.logprobs(prompts, chosen) * chosen_mask).sum(1)
        return better - (model.logprobs(prompts, rejected) * rejected_mask).sum(1)

    for batch in batches:
        with torch.no_grad():
            before = gap(reference, *batch)
        loss = -torch.nn.functional.logsigmoid(beta * (gap(policy, *batch) - before)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


OTHERS = {
    "my_dpo_training": their_dpo_training,
    "my_dpo_loss": lambda pc, pr, rc, rr, b: F.softplus(b * (rc - rr - pc + pr)).mean(),
    "my_dpo_gradient": their_gradient,
    "my_ipo_loss": their_ipo,
    "my_displaced_share": their_displaced_share,
}
