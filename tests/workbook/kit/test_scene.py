"""The 3-D stage: geometry by hand, objects that are updated and not made anew, the camera."""

import numpy as np
import pytest

from rlhf_lib.workbook.kit.scene import (
    BASE,
    HEIGHT,
    LIFT,
    Grid,
    Stage,
    camera,
    densely,
    packed,
    swatch,
    turned,
)

SLOPE = np.add.outer(np.zeros(3), np.array([0.0, 1.0, 2.0]))
"""Heights (3, 3) that rise by 1 from west to east."""


@pytest.fixture
def stage():
    stage = Stage()
    stage.surface("ground", SLOPE)
    return stage


def test_a_surface_is_drawn_from_0_to_its_full_height_whatever_its_unit():
    for unit in (1.0, 50.0):
        grid = Grid(unit * SLOPE, 0.0, 2.0 * unit, (-4, 4, -4, 4))
        assert (grid.z.min(), grid.z.max()) == (0, pytest.approx(HEIGHT))


def test_points_lie_on_the_surface_by_bilinear_interpolation():
    grid = Grid(SLOPE, 0.0, 2.0, (-4, 4, -4, 4))
    found = grid.on(np.array([[-4.0, 0.0], [2.0, -3.0], [4.0, 4.0], [9.0, 0.0]]), lift=0.0)
    assert found[:, 2] == pytest.approx([0, 0.75 * HEIGHT, HEIGHT, HEIGHT])
    assert grid.on(np.array([[-4.0, 0.0]]))[0, 2] == pytest.approx(LIFT)


def test_mesh_and_sides_are_part_of_the_surface():
    grid = Grid(SLOPE, 0.0, 2.0, (-4, 4, -4, 4))
    vertices, segments = grid.mesh()
    assert len(vertices) == 9 and segments.max() <= 8
    side, triangles = grid.sides()
    assert side[:, 2].min() == pytest.approx(BASE) and side[:, 2].max() == pytest.approx(HEIGHT)
    assert len(side) == 24 and triangles.shape == (16, 3) and triangles.max() == 23


def test_a_path_is_drawn_densely_through_its_points():
    path = densely([[0, 0], [1, 0], [1, 1]], per_step=4)
    assert len(path) == 9
    assert path[[0, 4, 8]].tolist() == [[0, 0], [1, 0], [1, 1]]
    assert path[2].tolist() == [0.5, 0]


def test_colours():
    assert packed("#FF0010") == 0xFF0010
    assert "linear-gradient" in swatch("value") and "border-radius" in swatch("o#112233")


def test_objects_are_updated_and_not_made_anew(stage):
    stage.path("walk", [[0, 0], [1, 1]], "ground", "#FF0000")
    walk, ground = stage.objects["walk"], stage.objects["ground"]
    before = walk.vertices.copy()
    stage.surface("ground", 2 * SLOPE)
    stage.path("walk", [[0, 0], [2, 1]], "ground", "#FF0000")
    assert stage.objects["walk"] is walk and stage.objects["ground"] is ground
    assert not np.array_equal(walk.vertices, before)
    assert len(stage.plot.object_ids) == len(stage.objects)


def test_the_number_of_walks_cannot_change_so_that_no_index_points_nowhere(stage):
    stage.walks("walks", np.zeros((3, 5, 2)), "ground", "#FFFFFF")
    first = stage.objects["walks"]
    assert first.indices.max() == 14 and len(first.indices) == 12
    stage.walks("walks", np.ones((3, 5, 2)), "ground", "#FFFFFF")
    assert stage.objects["walks"] is first
    with pytest.raises(ValueError, match="walks: indices must keep its length"):
        stage.walks("walks", np.ones((2, 4, 2)), "ground", "#FFFFFF")


def test_only_changes_ask_for_a_new_picture(stage):
    asked = []
    stage.plot.render = lambda: asked.append(1)
    stage.draw()
    stage.surface("ground", SLOPE)
    stage.draw()
    assert len(asked) == 1, "nothing had changed"
    stage.pin("walker", (0.0, 0.0), "ground", "#00FF00", "here")
    stage.draw()
    stage.show(False, "walker head")
    stage.draw()
    assert len(asked) == 3


def test_arrows_and_dots_may_have_a_colour_each(stage):
    stage.arrows("rose", np.zeros((2, 2)), np.ones((2, 2)), "ground", ["#FF0000", "#00FF00"])
    assert stage.objects["rose"].colors.tolist() == [0xFF0000, 0xFF0000, 0x00FF00, 0x00FF00]
    assert stage.objects["rose"].vectors[0] == pytest.approx([1, 1, HEIGHT / 8])
    stage.dots("seen", np.zeros((3, 2)), "ground", "#FFFFFF")
    stage.dots("seen", np.ones((3, 2)), "ground", "#FFFFFF")
    assert stage.objects["seen"].positions[:, :2].tolist() == [[1, 1]] * 3


def test_a_sheet_is_in_the_unit_of_its_ground(stage):
    stage.sheet("proxy", np.full((3, 3), 1.0), "ground", "#FF8800")
    assert stage.objects["proxy"].heights == pytest.approx(np.full((3, 3), HEIGHT / 2))
    stage.drop("gap", (-4.0, 0.0), "proxy", "ground", "#FFFFFF")
    top, foot = stage.objects["gap"].vertices[:, 2]
    assert top - foot == pytest.approx(HEIGHT / 2)


def test_the_camera_turns_zooms_and_comes_home(stage):
    start = np.array(stage.plot.camera)
    stage.turn(30, 5, 0.9)
    moved = np.array(stage.plot.camera)
    near, far = (np.linalg.norm(view[:3] - view[3:6]) for view in (moved, start))
    assert near == pytest.approx(0.9 * far)
    stage.home()
    assert stage.plot.camera == pytest.approx(camera())
    assert turned(camera(), 0, 0, 1) == pytest.approx(camera())
    below = turned(camera(), 0, -500, 1)
    assert below[2] > below[5], "never below the ground"
