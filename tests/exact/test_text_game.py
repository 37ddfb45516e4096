"""The text game by hand; its values against all of its trajectories; trees of listed answers."""

import pytest
import torch

from rlhf_lib.exact import (
    TextGame,
    all_plays,
    answer_tree,
    exact_world,
    game_tree,
    improved,
    solve_game,
    uniform,
)


def points(text):
    """a is worth 1 the first time, every word but the stop costs 0.25, b after a brings 2."""
    word, before = text[-1], text[:-1]
    if word == "stop":
        return 0.0
    return -0.25 + (word == "a" and "a" not in before) + 2 * (before[-1:] == ("a",) and word == "b")


@pytest.fixture
def game():
    return TextGame("go", ("a", "b", "stop"), 2, points)


def mostly_a(text):
    return torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64)


def test_states_and_texts(game):
    assert game.states() == [(), ("a",), ("b",)]
    assert game.over(("stop",)) and game.over(("a", "a")) and not game.over(())
    texts = [play.text for play in all_plays(game, mostly_a)]
    assert len(texts) == len(set(texts)) == 7


def test_values_by_hand(game):
    """[DF-7] [DF-8] [DF-9]: gamma 0.5, probabilities 1/2, 1/4, 1/4.

    After a: Q = (-0.25, 1.75, 0), V = 0.3125. After b: Q = (0.75, -0.25, 0), V = 0.3125.
    At the start: Q = (0.75 + 0.5 V, -0.25 + 0.5 V, 0) = (0.90625, -0.09375, 0), V = 0.4296875.
    """
    values = solve_game(game, mostly_a, gamma=0.5)
    assert values.q[("a",)].tolist() == [-0.25, 1.75, 0] and values.v[("a",)] == 0.3125
    assert values.q[("b",)].tolist() == [0.75, -0.25, 0] and values.v[("b",)] == 0.3125
    assert values.q[()].tolist() == [0.90625, -0.09375, 0] and values.v[()] == 0.4296875
    assert values.advantage(()).tolist() == [0.4765625, -0.5234375, -0.4296875]


def test_a_trajectory_by_hand(game):
    """[DF-6]: p(a, b) = 1/2 * 1/4; its return at gamma 0.5 is 0.75 + 0.5 * 1.75."""
    play = next(p for p in all_plays(game, mostly_a) if p.text == ("a", "b"))
    assert play.probability == 0.125 and play.rewards == (0.75, 1.75)
    assert play.discounted(0.5) == 1.625 and play.discounted() == 2.5


@pytest.mark.parametrize("gamma", [0.0, 0.7, 1.0])
def test_value_is_the_mean_return_of_all_trajectories(game, gamma):
    """[DF-6] [DF-7] [DF-8]: V(prompt) = sum over trajectories of p(tau) G(tau), and p sums to 1."""
    plays = all_plays(game, mostly_a)
    assert sum(p.probability for p in plays) == pytest.approx(1)
    mean = sum(p.probability * p.discounted(gamma) for p in plays)
    assert mean == pytest.approx(solve_game(game, mostly_a, gamma).v[()])


def test_advantages_have_mean_zero(game):
    """[DF-9]: under the policy, in every state."""
    values = solve_game(game, mostly_a)
    for text in game.states():
        assert float(mostly_a(text) @ values.advantage(text)) == pytest.approx(0, abs=1e-12)


def test_improvement_ends_at_the_best_text(game):
    policy, seen = uniform(game), []
    for _ in range(3):
        values = solve_game(game, policy)
        seen.append(values.v[()])
        policy = improved(game, values)
    best = max(play.discounted() for play in all_plays(game, uniform(game)))
    assert seen == sorted(seen) and seen[-1] == pytest.approx(best) == 2.5


def test_the_tree_of_a_game_has_its_values_and_advantages(game):
    tree = game_tree(game, mostly_a)
    values = solve_game(game, mostly_a)
    assert len(tree.nodes) == 1 + 3 + 6 and tree.nodes[0].value == values.v[()]
    first = tree.children(0)
    assert [tree.text(i) for i in first] == ["a", "b", "stop"]
    assert [tree.advantage(i) for i in first] == pytest.approx(values.advantage(()).tolist())
    end = next(i for i, _ in enumerate(tree.nodes) if tree.text(i) == "ab")
    assert tree.nodes[end].value == 2.5 and tree.nodes[end].probability == 0.125
    assert tree.road(end) == [0, first[0], end]


def test_wrong_games_are_refused(game):
    with pytest.raises(ValueError, match="two different words"):
        TextGame("go", ("a",), 2, points)
    with pytest.raises(ValueError, match="horizon"):
        TextGame("go", ("a", "b"), 0, points)
    with pytest.raises(ValueError, match="gamma"):
        solve_game(game, mostly_a, gamma=1.5)


@pytest.fixture(scope="module")
def listed(world, pocket):
    return exact_world(world, world.prompts(1, kinds=("fact",), seed=3), pocket, size=40)


def test_the_tree_of_all_answers_is_exact(listed, pocket):
    tree = answer_tree(listed, pocket)
    p = listed.ref_logp[0].exp()
    assert tree.nodes[0].value == pytest.approx(float(p @ listed.rewards[0]))
    ends = {tree.text(i): node for i, node in enumerate(tree.nodes) if node.finished}
    assert len(ends) == 40
    for text, probability, reward in zip(
        listed.texts[0], p.tolist(), listed.rewards[0].tolist(), strict=True
    ):
        node = ends[text + "∎"]
        assert (node.probability, node.value) == pytest.approx((probability, reward))
    for i, node in enumerate(tree.nodes):
        below = [tree.nodes[c] for c in tree.children(i)]
        if below:
            assert sum(n.branch for n in below) == pytest.approx(1)
            assert sum(n.branch * n.value for n in below) == pytest.approx(node.value)


def test_advantages_along_an_answer_add_up_to_its_own(listed, pocket):
    tree = answer_tree(listed, pocket)
    for i, node in enumerate(tree.nodes):
        if node.finished:
            total = sum(tree.advantage(n) for n in tree.road(i))
            assert total == pytest.approx(node.value - tree.nodes[0].value)


def test_a_pruned_tree_keeps_the_likeliest_prefixes_and_their_values(listed, pocket):
    whole, part = answer_tree(listed, pocket), answer_tree(listed, pocket, nodes=12)
    values = {whole.text(i): node.value for i, node in enumerate(whole.nodes)}
    assert len(part.nodes) == 12 and part.nodes[0].parent == -1
    for i, node in enumerate(part.nodes):
        assert node.value == pytest.approx(values[part.text(i)])
    dropped = sorted((n.probability for n in whole.nodes), reverse=True)[12]
    assert min(n.probability for n in part.nodes) >= dropped
    with pytest.raises(ValueError, match="nodes"):
        answer_tree(listed, pocket, nodes=0)
