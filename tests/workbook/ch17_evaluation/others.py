"""A second right answer to each exercise of chapter 17, written another way."""

import math
import string

import torch


def their_match(answers, keys):
    def clean(text):
        for mark in string.punctuation:
            text = text.replace(mark, " ")
        return [word for word in text.lower().split() if word not in {"a", "an", "the"}]

    hits = 0
    for answer, key in zip(answers, keys, strict=True):
        hits += clean(answer) == clean(key)
    return hits / len(answers)


def their_elo(first, second, score, models, k):
    table = [1000.0] * models
    for vote in range(len(first)):
        a, b = int(first[vote]), int(second[vote])
        odds = 10 ** ((table[a] - table[b]) / 400)
        change = k * (float(score[vote]) - odds / (1 + odds))
        table[a], table[b] = table[a] + change, table[b] - change
    return torch.tensor(table, dtype=torch.float64)


def their_error(a, b, clusters):
    gaps = (a - b).tolist()
    mean = sum(gaps) / len(gaps)
    sums = {}
    for gap, name in zip(gaps, clusters.tolist(), strict=True):
        sums[name] = sums.get(name, 0.0) + gap - mean
    variance = sum(value**2 for value in sums.values()) * len(sums) / (len(sums) - 1)
    return math.sqrt(variance) / len(gaps)


def their_contamination(item, texts, n):
    def words(text):
        return "".join(c if c.isalnum() else " " for c in text.lower()).split()

    mine, seen = words(item), set()
    for text in texts:
        theirs = words(text)
        seen |= {" ".join(theirs[i : i + n]) for i in range(len(theirs) - n + 1)}
    covered = set()
    for i in range(len(mine) - n + 1):
        if " ".join(mine[i : i + n]) in seen:
            covered |= set(range(i, i + n))
    return len(covered) / len(mine)


def their_ratings(model, first, second, score, style_first, style_second, steps, learning_rate):
    gap = style_first - style_second
    gap = gap / ((gap - gap.mean(0)) ** 2).mean(0).sqrt()
    losses = []
    optimizer = torch.optim.SGD([model.strength, model.weights], lr=learning_rate)
    for _ in range(steps):
        optimizer.zero_grad()
        chance = torch.sigmoid(model.strength[first] - model.strength[second] + gap @ model.weights)
        loss = -(score * chance.log() + (1 - score) * (1 - chance).log()).mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    return losses


OTHERS = {
    "my_exact_match": their_match,
    "my_elo": their_elo,
    "my_error": their_error,
    "my_contamination": their_contamination,
    "my_ratings": their_ratings,
}
