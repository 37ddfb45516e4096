"""A second right answer to each exercise of chapter 05, written another way."""

import torch
import torch.nn.functional as F


def their_agreement(first, second):
    table = torch.zeros(3, 3, dtype=torch.float64)
    for a, b in zip(first.tolist(), second.tolist(), strict=True):
        table[a + 1, b + 1] += 1
    table /= len(first)
    chance = (table.sum(0) * table.sum(1)).sum()
    return float((table.trace() - chance) / (1 - chance))


def their_borda(utilities, share):
    readers, count = utilities.shape
    scores = torch.zeros(count, dtype=torch.float64)
    for a in range(readers):
        for k in range(count):
            for j in range(count):
                if j != k:
                    won = float(utilities[a, k] > utilities[a, j])
                    won += 0.5 * float(utilities[a, k] == utilities[a, j])
                    scores[k] += share[a] * won / (count - 1)
    return scores


def their_taste_training(model, batches, learning_rate):
    optimizer, losses, hits = torch.optim.SGD(model.parameters(), lr=learning_rate), [], []
    for left, right, scale in batches:
        gap = model(right) - model(left)
        side = torch.sign((scale - 4).double())
        wins, losses_of = (1 + side) / 2, (1 - side) / 2
        loss = (wins * F.softplus(-gap) + losses_of * F.softplus(gap)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    for left, right, scale in batches:
        gap = (model(right) - model(left)).detach()
        hits += [bool(g > 0) == bool(s > 4) for g, s in zip(gap, scale, strict=True) if s != 4]
    return losses, sum(hits) / len(hits)


OTHERS = {
    "likert_to_pair": lambda scale: (
        (scale > 4).double() - (scale < 4).double(),
        torch.maximum(scale - 4, 4 - scale).double(),
    ),
    "my_agreement": their_agreement,
    "position_bias": lambda a, b: torch.stack(
        (1 - (a == b).double().mean(), torch.cat((a, b)).mean() - 0.5)
    ),
    "multi_turn_mask": lambda turns: torch.stack([(row == row.max()).double() for row in turns]),
    "structured_pair": lambda a, b, m, n, slack: (a - b) * ((m - n).abs() <= slack),
    "borda_scores": their_borda,
    "my_taste_training": their_taste_training,
}
