"""A second right answer to each exercise of chapter 08, written another way."""

import torch
import torch.nn.functional as F


def their_token_rewards(rewards, logp, ref_logp, mask, beta):
    """One token at a time."""
    out = torch.zeros_like(mask)
    for row, length in enumerate(mask.sum(1).int().tolist()):
        for t in range(length):
            out[row, t] = -beta * (logp[row, t] - ref_logp[row, t])
        out[row, length - 1] += rewards[row]
    return out


OTHERS = {
    "my_token_rewards": their_token_rewards,
    "my_controller_step": lambda c, k, t, n, h: c + c * n / h * sorted((-0.2, k / t - 1, 0.2))[1],
    "my_two_kls": lambda a, b: tuple(
        F.kl_div(y.log_softmax(-1), x.log_softmax(-1), reduction="none", log_target=True).sum(-1)
        for x, y in ((a, b), (b, a))
    ),
    "my_ptx_loss": lambda p, a, m, d, c: -((p * m).sum(1) @ a) / len(a) - c * d.sum() / d.numel(),
}
