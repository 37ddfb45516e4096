"""The token tree of a real prompt: its probabilities, values and layout."""

import math

import pytest

from rlhf_lib.exact import Node, TokenTree, prefix_values, token_tree


@pytest.fixture(scope="module")
def deer(pocket, world):
    prompt = world.prompts(3, kinds=("fact",), seed=12, split="test")[0]
    return prompt, token_tree(pocket, world, prompt, nodes=24, samples=24)


def test_branches_are_the_models_probabilities(deer, pocket):
    prompt, tree = deer
    assert len(tree.nodes) == 24 and tree.prompt == prompt.text
    for number, node in enumerate(tree.nodes[1:], start=1):
        parent = tree.nodes[node.parent]
        assert node.parent < number and node.depth == parent.depth + 1
        assert node.probability == pytest.approx(parent.probability * node.branch)
    for number in range(24):
        total = sum(tree.nodes[i].branch for i in tree.children(number))
        assert total <= 1 + 1e-6
    deepest = max(range(24), key=lambda i: tree.nodes[i].depth)
    rollout = pocket.encode_completions([prompt], [tree.text(deepest)], finished=False)
    length = tree.nodes[deepest].depth
    logp = pocket.logprobs(rollout)[0, :length].sum().exp().item()
    assert logp == pytest.approx(tree.nodes[deepest].probability, rel=1e-3)


def test_the_tree_grows_where_the_model_goes(deer):
    """Best first: whatever was expanded is at least as likely as what waits."""
    _, tree = deer
    expanded = {node.parent for node in tree.nodes if node.parent >= 0}
    waiting = [
        n for i, n in enumerate(tree.nodes) if i not in expanded and not n.finished and n.depth < 8
    ]
    least = min(tree.nodes[i].probability for i in expanded)
    assert least >= max(node.probability for node in waiting) - 1e-9


def test_values_of_prefixes_obey_bellman_within_their_errors(deer):
    """V(prefix) = sum of p(token) V(prefix + token), for a prefix whose children are nearly all shown."""
    _, tree = deer
    tested = 0
    for number, node in enumerate(tree.nodes):
        below = [tree.nodes[i] for i in tree.children(number)]
        if sum(child.branch for child in below) < 0.97:
            continue
        mean = sum(child.branch * child.value for child in below) / sum(c.branch for c in below)
        error = math.hypot(node.error, *(child.branch * child.error for child in below))
        assert abs(node.value - mean) <= 3.5 * max(error, 0.05)
        tested += 1
    assert tested >= 1


def test_a_wrong_token_has_a_negative_advantage(deer, pocket, world):
    """'a deer eats meat' is false in PocketWorld, 'a deer eats leaves' is true."""
    prompt, tree = deer
    texts = ("a deer eats", "a deer eats leaves", "a deer eats meat")
    ids = [pocket.tokenizer.encode(text, add_special_tokens=False) for text in texts]
    before, right, wrong = prefix_values(pocket, world, prompt, ids, 32, 0).mean(1)
    assert wrong < before - 0.5 and wrong < right - 1
    assert tree.advantage(0) == 0.0
    child = tree.children(0)[0]
    assert tree.advantage(child) == tree.nodes[child].value - tree.nodes[0].value


def test_finished_prefixes_are_worth_their_own_gold(pocket, world):
    prompt = world.prompts(3, kinds=("fact",), seed=12, split="test")[0]
    ids = pocket.tokenizer.encode("a deer eats leaves.", add_special_tokens=False)
    values = prefix_values(pocket, world, prompt, [[*ids, pocket.end_token]], samples=3, seed=0)
    assert values.tolist() == [[world.gold(prompt, "a deer eats leaves.")] * 3]


def test_the_layout_keeps_branches_apart(deer):
    _, tree = deer
    places = {(node.x, node.y) for node in tree.nodes}
    assert len(places) == len(tree.nodes)
    assert all(node.x == node.depth for node in tree.nodes)
    tiny_tree = TokenTree(
        "?", [Node(-1, "", 0, 1, 1), Node(0, "a", 1, 0.6, 0.6), Node(0, "b", 1, 0.4, 0.4)]
    )
    assert tiny_tree.children(0) == [1, 2] and tiny_tree.text(2) == "b"


def test_arguments_out_of_range_are_refused(pocket, world):
    with pytest.raises(ValueError, match="samples"):
        token_tree(pocket, world, world.prompts(1)[0], samples=1)
