"""The token-level landscape: states are prefixes, actions are tokens, of one real prompt.

A policy's continuations of a prompt are a tree. Its value at a prefix is the mean gold of the answers
that go on from there: the same V as on the map, estimated by the same Monte Carlo.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..lm import Policy
from ..lm.sampling import sample
from ..world import PocketWorld
from .world import ExactWorld


@dataclass(frozen=True)
class Node:
    """A prefix. parent: its number, -1 for the prompt. text: of its last token. branch: probability of
    that token after its parent; probability: of the whole prefix. value: mean gold of its
    continuations, with its standard error. finished: the answer ends here. x, y: place in the plane:
    x is the number of tokens, y spreads the branches out."""

    parent: int
    text: str
    depth: int
    branch: float
    probability: float
    finished: bool = False
    value: float = 0.0
    error: float = 0.0
    x: float = 0.0
    y: float = 0.0


@dataclass(frozen=True)
class TokenTree:
    """A prompt and the likeliest prefixes of answers to it, parents before children; 0 is the prompt."""

    prompt: str
    nodes: list[Node]

    def children(self, number: int) -> list[int]:
        """Numbers of the children of a node, likeliest first."""
        found = [i for i, node in enumerate(self.nodes) if node.parent == number]
        return sorted(found, key=lambda i: -self.nodes[i].branch)

    def text(self, number: int) -> str:
        """The prefix as text."""
        parts = []
        while number > 0:
            parts.append(self.nodes[number].text)
            number = self.nodes[number].parent
        return "".join(reversed(parts))

    def road(self, number: int) -> list[int]:
        """Numbers of the prefixes from the prompt to this one."""
        parent = self.nodes[number].parent
        return [number] if parent < 0 else [*self.road(parent), number]

    def advantage(self, number: int) -> float:
        """Value of a prefix less that of its parent: the advantage of its last token."""
        node = self.nodes[number]
        return 0.0 if node.parent < 0 else node.value - self.nodes[node.parent].value


def token_tree(
    policy: Policy, world: PocketWorld, prompt, nodes: int = 40, branches: int = 3,
    depth: int = 8, samples: int = 16, seed: int = 0,
) -> TokenTree:  # fmt: skip
    """The `nodes` likeliest prefixes (best first, at most `branches` tokens after each, `depth` deep).

    Each prefix is worth the mean gold of `samples` sampled continuations.

    Raises:
        ValueError: nodes, branches, depth or samples below 1 (samples below 2).
    """
    if min(nodes, branches, depth) < 1 or samples < 2:
        raise ValueError("nodes, branches and depth must be 1 or more, samples 2 or more")
    found, ids = _grow(policy, prompt, nodes, branches, depth)
    values = prefix_values(policy, world, prompt, ids, samples, seed)
    valued = [
        replace(node, value=float(v.mean()), error=float(v.std() / samples**0.5))
        for node, v in zip(found, values, strict=True)
    ]
    return TokenTree(prompt.text, lay_out(valued))


@torch.no_grad()
def _grow(policy: Policy, prompt, nodes: int, branches: int, depth: int):
    """Nodes and their completion ids, expanding the likeliest unexpanded prefix again and again."""
    found, ids = [Node(-1, "", 0, 1.0, 1.0)], [[]]
    waiting = [(-1.0, 0)]
    while waiting and len(found) < nodes:
        _, number = heapq.heappop(waiting)
        probabilities = _next_token(policy, prompt, ids[number])
        top = probabilities.topk(branches)
        for p, token in zip(top.values.tolist(), top.indices.tolist(), strict=True):
            if len(found) == nodes or p < 0.01:
                break
            node = _child(policy, found[number], number, token, p)
            found.append(node)
            ids.append([*ids[number], token])
            if not node.finished and node.depth < depth:
                heapq.heappush(waiting, (-node.probability, len(found) - 1))
    return found, ids


def _child(policy: Policy, parent: Node, number: int, token: int, p: float) -> Node:
    ends = token == policy.end_token
    text = "∎" if ends else policy.tokenizer.decode([token])
    return Node(number, text, parent.depth + 1, p, parent.probability * p, ends)


def _next_token(policy: Policy, prompt, completion: list[int]) -> Tensor:
    """Probabilities (V,) of the token after a prefix."""
    ids = torch.tensor([policy.prompt_ids(prompt) + completion], device=policy.device)
    hidden = policy.model.hidden_states(ids, torch.ones_like(ids, dtype=torch.float32))
    return policy.model.logits(hidden[:, -1])[0].float().softmax(-1)


@torch.no_grad()
def prefix_values(
    policy: Policy,
    world: PocketWorld,
    prompt,
    completions: list[list[int]],
    samples: int,
    seed: int,
) -> Tensor:
    """Gold (P, samples) of sampled answers that begin with each of P completions' token ids."""
    rows = [policy.prompt_ids(prompt) + ids for ids in completions]
    width = max(map(len, rows))
    padded = [[policy.pad_token] * (width - len(row)) + row for row in rows]
    mask = [[0.0] * (width - len(row)) + [1.0] * len(row) for row in rows]
    drawn = sample(
        policy.model, torch.tensor(padded, device=policy.device),
        torch.tensor(mask, device=policy.device), samples_per_prompt=samples, max_new_tokens=32,
        end_token=policy.end_token, pad_token=policy.pad_token, seed=seed,
    )  # fmt: skip
    golds = []
    for row, more in enumerate(drawn.completion_ids.tolist()):
        start = completions[row // samples]
        ended = start[-1:] == [policy.end_token]
        text = policy.tokenizer.decode(start if ended else start + more, skip_special_tokens=True)
        golds.append(world.gold(prompt, text))
    return torch.tensor(golds, dtype=torch.float64).view(len(completions), samples)


def answer_tree(
    exact: ExactWorld, policy: Policy, row: int = 0, nodes: int | None = None
) -> TokenTree:
    """All listed answers to one request as a tree of tokens, with exact values: nothing is sampled.

    The policy is the exact world's reference. A prefix is worth the mean reward of the answers that begin
    with it; its probability is theirs together. nodes: keep only that many of the likeliest prefixes (their
    values stay those of the whole tree).

    Raises:
        ValueError: nodes below 1.
    """
    if nodes is not None and nodes < 1:
        raise ValueError(f"nodes must be 1 or more, or None for all; got {nodes}")
    mass: dict[tuple, float] = {}
    worth: dict[tuple, float] = {}
    probabilities = exact.ref_logp[row].exp().tolist()
    answers = policy.tokenizer(exact.texts[row], add_special_tokens=False).input_ids
    for ids, p, reward in zip(answers, probabilities, exact.rewards[row].tolist(), strict=True):
        whole = (*ids, policy.end_token)
        for length in range(len(whole) + 1):
            prefix = whole[:length]
            mass[prefix] = mass.get(prefix, 0.0) + p
            worth[prefix] = worth.get(prefix, 0.0) + p * reward
    kept = sorted(mass, key=lambda prefix: (-mass[prefix], len(prefix)))[:nodes]
    return TokenTree(exact.prompts[row].text, lay_out(_nodes_of(kept, mass, worth, policy)))


def _nodes_of(prefixes: list[tuple], mass: dict, worth: dict, policy: Policy) -> list[Node]:
    """Prefixes, parents before children, as nodes."""
    number = {prefix: i for i, prefix in enumerate(prefixes)}
    found = [Node(-1, "", 0, 1.0, 1.0, value=worth[()] / mass[()])]
    for prefix in prefixes[1:]:
        parent = prefix[:-1]
        node = _child(
            policy, found[number[parent]], number[parent], prefix[-1], mass[prefix] / mass[parent]
        )
        found.append(replace(node, probability=mass[prefix], value=worth[prefix] / mass[prefix]))
    return found


def lay_out(nodes: list[Node]) -> list[Node]:
    """Places: x is depth; leaves stand one below the other, parents in the middle of their children."""
    tree, y = TokenTree("", nodes), {}
    rows = iter(range(len(nodes)))

    def place(number: int) -> float:
        below = [place(child) for child in tree.children(number)]
        y[number] = sum(below) / len(below) if below else float(next(rows))
        return y[number]

    place(0)
    return [replace(node, x=float(node.depth), y=-y[i]) for i, node in enumerate(nodes)]
