"""A second right answer to each exercise of chapter 00, written another way."""

import torch


def their_mask(ids, end):
    out = torch.zeros_like(ids).double()
    for row in range(len(ids)):
        for column in range(ids.shape[1]):
            out[row, column] = 1.0
            if ids[row, column] == end:
                break
    return out


OTHERS = {
    "win_rate": lambda a, b: (torch.sign(a - b).double() + 1).mean() / 2,
    "completion_mask": their_mask,
    "sequence_kl": lambda p, q, m: torch.einsum("bt,bt->b", p - q, m),
}
