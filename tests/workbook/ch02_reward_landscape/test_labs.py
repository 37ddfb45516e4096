"""The five labs of the landscape: their functions by numbers, their wiring by setting every control."""

import numpy as np
import pytest
import torch

from rlhf_lib import labs
from rlhf_lib.landscape import discounted_return, mean_path, scene
from rlhf_lib.workbook.ch02_reward_landscape import lab_look_ahead as look_ahead
from rlhf_lib.workbook.ch02_reward_landscape import lab_mirage as mirage
from rlhf_lib.workbook.ch02_reward_landscape import lab_plane as plane
from rlhf_lib.workbook.ch02_reward_landscape import lab_tube as tube
from rlhf_lib.workbook.ch02_reward_landscape import lab_walk as walk

LABS = ("walk_lab", "look_ahead_lab", "tube_lab", "mirage_lab", "plane_lab")


@pytest.fixture(scope="module", params=LABS)
def lab(request):
    """A lab whose controls have all been moved once: what must be trained for this test is trained."""
    lab = getattr(labs, request.param)()
    for control in lab.controls.values():
        control.value = another(control)
        lab.reset()
    return lab


def picture(lab) -> dict:
    """All data in the lab's scene and side figure, by name."""
    keys = ("heights", "vertices", "positions", "origins", "vectors", "colors", "text", "visible")
    found = {
        (name, key): np.array(getattr(thing, key)).tobytes()
        for name, thing in lab.stage.objects.items()
        for key in keys
        if hasattr(thing, key)
    }
    for i, trace in enumerate(lab.side.data):
        found["side", i] = str((trace.x, trace.y))
    return found | {("side", "line"): str(lab.side.layout.shapes)}


def another(control):
    """A value of a control that is not the present one."""
    if hasattr(control, "options"):
        return next(option for option in control.options if option != control.value)
    return control.min if control.value == control.max else control.max


def test_every_control_moves_picture_and_sentence_and_reset_goes_back(lab):
    start, words = picture(lab), lab.sentence.value
    for name, control in lab.controls.items():
        control.value = another(control)
        assert picture(lab) != start, f"{name}: nothing in the picture changed"
        assert lab.sentence.value != words, f"{name}: the sentence did not change"
        lab.reset()
        assert lab.values() == lab.start
        assert picture(lab) == start and lab.sentence.value == words, f"{name}: not as before"


def test_what_a_reader_needs(lab):
    for control in lab.controls.values():
        assert control.description and "look" in control.tooltip, control.description
    assert lab.prompts.value.count("<li>") >= 3
    assert lab.stage.key.value.count("<span>") >= 3, "a legend in words"


def test_step_button_goes_on_and_starts_again():
    lab = labs.walk_lab()
    step = lab.controls["step"]
    button = next(b for b in lab.buttons if getattr(b, "description", "") == "Step")
    start = step.value
    button.click()
    assert step.value == start + 1 and f"Step {start + 1} of" in lab.sentence.value
    step.value = step.max
    button.click()
    assert step.value == step.min


def test_a_shorter_horizon_holds_the_walk_back():
    lab = labs.walk_lab()
    lab.controls["step"].value = 24
    lab.controls["horizon"].value = 5
    assert lab.controls["step"].max == 5 and "Step 5 of 5" in lab.sentence.value


# Walk


def test_return_so_far_is_the_discounted_sum():
    found = walk.walked("one hill", 10, 0.9, 0.2, seed=3)
    assert found.path.shape == (11, 2) and found.others.shape == (walk.OTHERS, 11, 2)
    by_hand = sum(0.9**t * float(r) for t, r in enumerate(found.rewards))
    assert float(found.returns[-1]) == pytest.approx(by_hand)
    assert float(found.returns[-1]) == pytest.approx(float(discounted_return(found.rewards, 0.9)))
    altitude = scene("one hill").terrain.altitude(found.path[1:])
    assert found.rewards.tolist() == pytest.approx(altitude.tolist())


def test_the_same_dice_show_the_same_steps_at_any_horizon():
    short, long = (walk.walked("one hill", n, 0.9, 0.2, seed=3).path for n in (5, 20))
    assert torch.equal(short, long[:6])


def test_walk_in_words():
    found = walk.walked("one hill", 10, 0.9, 0.2, seed=3)
    assert "no reward yet" in walk.describe(found, 0, 0.9)
    text = walk.describe(found, 4, 0.9)
    assert f"{float(found.returns[3]):.2f}" in text and "counts 0.73 times" in text  # 0.9^3


def test_noise_costs_on_the_ridge():
    """What the third prompt promises: same arrows, less return."""
    calm, wild = (walk.walked("ridge", 24, 0.95, s, seed=1).mean for s in (0.06, 0.4))
    assert calm > wild + 1


def test_the_plain_pays_late():
    found = walk.walked("plain", 24, 1.0, 0.2, seed=1)
    assert float(found.rewards[:12].max()) < 0.05 < float(found.rewards[18:].max())


# Look ahead


def test_with_gamma_0_the_value_of_a_first_step_is_the_altitude_where_it_ends():
    found = look_ahead.look_ahead("swamp ahead", -1.0, 0.5, 24, 0.0)
    altitude = scene("swamp ahead").terrain.altitude(found.rose.ends)
    assert found.rose.q.tolist() == pytest.approx(altitude.tolist(), abs=1e-9)


def test_high_ground_with_low_value_and_the_hollow_with_high_value():
    """What the first two prompts promise."""
    high = look_ahead.look_ahead("swamp ahead", -2.0, 1.6, 24, 0.95).rose
    hollow = look_ahead.look_ahead("swamp ahead", -2.0, -1.7, 24, 0.95).rose
    assert high.altitude > 1 and high.value < 0
    assert hollow.altitude < 0 and hollow.value > 5


def test_discount_decides_between_two_summits():
    """What the last prompt promises: the best first step turns as gamma grows."""
    x, y = scene("two summits").start.tolist()
    winds = []
    for gamma in (0.5, 1.0):
        petals = look_ahead.look_ahead("two summits", x, y, 24, gamma).rose
        winds.append(look_ahead.wind(petals, petals.best))
    assert "west" in winds[0] and "east" in winds[1]


def test_look_ahead_in_words():
    found = look_ahead.look_ahead("one hill", 0.0, 0.0, 12, 0.9)
    text = look_ahead.describe(found)
    assert f"V = {found.rose.value:+.2f}" in text
    assert f"{float(found.rose.q.max()):+.2f}" in text and "At (0.0, 0.0)" in text
    assert torch.equal(found.path, mean_path(scene("one hill").walker, (0.0, 0.0), 12))


def test_directions_have_names():
    petals = look_ahead.look_ahead("one hill", 0.0, 0.0, 2, 0.9).rose
    names = [look_ahead.wind(petals, d) for d in (0, 4, 8, 12, 15)]
    assert names == ["east", "north", "west", "south", "east"]


# The tube


def test_in_the_tube_nobody_leaves_and_without_it_most_do():
    inside = tube.held("the proxy", 0.3, tube.HELD[0], 0.2, tube.UPDATES)
    free = tube.held("the proxy", 0.3, tube.HELD[1], 0.2, tube.UPDATES)
    assert not inside.leaving.any() and free.leaving.double().mean() > 0.5
    assert free.proxy > inside.proxy and free.gold < inside.gold


def test_ten_times_the_nats_move_the_wall_by_the_root_of_ten():
    walls = [tube.held("the proxy", b, tube.HELD[1], 0.2, 0).tube.radii[-1] for b in (0.03, 0.3)]
    assert float(walls[1] / walls[0]) == pytest.approx(10**0.5)


def test_tube_in_words():
    found = tube.held("the proxy", 0.3, tube.HELD[0], 0.2, 0)
    text = tube.describe(found, 0.3, tube.HELD[0], 0.2)
    assert "0.15" in text and "<b>0 of 40</b>" in text  # 0.2 * sqrt(0.6) = 0.155
    assert "Nothing holds" in tube.describe(found, 0.3, tube.HELD[1], 0.2)


# The mirage


def settings(**changes):
    chosen = {"comparisons": 400, "noise": 0.3, "radius": 0.6, "beta": 0.0, "seed": 0}
    return mirage.mirage_settings(**(chosen | changes))


def test_the_walker_climbs_a_summit_that_is_not_there():
    learned = mirage.climbed(settings())
    gold, proxy = (np.array(learned.history.series(name)) for name in ("gold", "proxy"))
    assert proxy[-1] > proxy[0] + 1 and gold.max() > gold[0] + 0.3 and gold[-1] < gold[0]
    text = mirage.describe_climb(learned, 60)
    assert (
        f"{proxy[60]:+.2f}" in text and f"{gold.max():+.2f}" in text and "lost at the end" in text
    )


def test_a_penalty_costs_proxy_and_saves_gold():
    """What the last prompt promises."""
    free, held = (mirage.climbed(settings(beta=beta)).history for beta in (0.0, 0.3))
    assert held.last("proxy") < free.last("proxy") and held.last("gold") > free.last("gold")


def test_a_proxy_that_has_seen_the_far_side_is_less_wrong_there():
    near, far = (mirage.describe_proxy(settings(radius=r)) for r in (0.6, 2.0))
    errors = [float(text.split("and by ")[1].split(" ")[0]) for text in (near, far)]
    assert errors[1] < errors[0]


# A real model


def test_reading_the_plane_at_measured_points_and_between_them():
    found = plane.stored()
    a, b = (axis.tolist() for axis in (found.a, found.b))
    exact = plane.read(found, a[3], b[2])
    assert exact["gold"] == pytest.approx(float(found.gold[2, 3]))
    between = plane.read(found, (a[3] + a[4]) / 2, b[2])
    assert between["kl"] == pytest.approx(float(found.kl[2, 3:5].mean()))
    corner = plane.read(found, 99.0, 99.0)
    assert corner["proxy"] == pytest.approx(float(found.proxy[-1, -1]))


def test_plane_in_words():
    found = plane.stored()
    text = plane.describe(found, 0, 0.0, 0.0)
    assert "Step 0 of the run" in text and "KL 0.0 nats" in text


def test_a_plane_is_drawn_as_wide_as_the_other_maps():
    extent, move = plane.to_map((0.0, 2.0, 0.0, 1.0))
    assert extent == (-4, 4, -2, 2)
    assert move(np.array([[2.0, 1.0], [1.0, 0.5]])).tolist() == [[4, 2], [0, 0]]
