"""A live 3-D scene for the landscape labs: k3d objects by name, made once and then only updated.

All that stands on the ground (paths, pins, arrows, tubes) is lifted onto the surface as it is drawn, so
nothing hovers or sinks. Surfaces of any unit are drawn equally high; the colour bar has the real numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...landscape import EXTENT
from .loading import scene_class, unannounced

HEIGHT = 2.6
"""Map units between the lowest and the highest point of a surface, as drawn."""

LIFT = 0.05
"""How far above the ground lines are drawn, so that the ground does not swallow them."""

MESH = 6
"""Every which grid line of a surface is drawn."""

COLOUR_MAPS = {"altitude": "Viridis", "value": "Cividis"}
LEFT, UP = -62.0, 37.0
"""Azimuth and elevation of the camera at the start, in degrees."""

DISTANCE, FIELD = 20.0, 26.0
CENTRE = (0.0, 0.0, -0.15)
BASE = -0.35
"""Where the ground's sides end below."""

GRADIENTS = {
    "altitude": "#440154, #414487, #2A788E, #22A884, #7AD151, #FDE725",
    "value": "#00224E, #35456C, #666970, #948E77, #C8B866, #FEE838",
}
SLOPE = "#414487"
"""The colour of low ground, on which most of what is translucent lies."""


TOGETHER = {"indices", "colors"}
"""Traits that must fit the number of points of an object."""


def packed(colour: str) -> int:
    """'#RRGGBB' as the number that k3d wants."""
    return int(colour.lstrip("#"), 16)


def camera(azimuth: float = LEFT, elevation: float = UP, distance: float = DISTANCE) -> list[float]:
    """k3d's nine numbers: where the camera is, where it looks, what is up."""
    turn, rise = math.radians(azimuth), math.radians(elevation)
    flat = distance * math.cos(rise)
    gap = (flat * math.cos(turn), flat * math.sin(turn), distance * math.sin(rise))
    return [*(c + g for c, g in zip(CENTRE, gap, strict=True)), *CENTRE, 0.0, 0.0, 1.0]


def turned(view: Sequence[float], azimuth: float, elevation: float, zoom: float) -> list[float]:
    """A camera moved around its target by so many degrees, and nearer by a factor."""
    gap = np.subtract(view[:3], view[3:6])
    distance = float(np.linalg.norm(gap))
    old = math.degrees(math.atan2(gap[1], gap[0])), math.degrees(math.asin(gap[2] / distance))
    rise = min(88.0, max(3.0, old[1] + elevation))
    moved = camera(old[0] + azimuth, rise, min(60.0, max(5.0, distance * zoom)))
    shift = np.subtract(view[3:6], CENTRE)
    return [*(np.array(moved[:3]) + shift), *view[3:6], 0.0, 0.0, 1.0]


class Stage:
    """A k3d plot and its objects. `view` is the widget, with a legend in words; `objects` are by name."""

    def __init__(self, height: int = 400) -> None:
        import ipywidgets as widgets

        self.plot = scene_class()(
            height=height, background_color=-1, grid_visible=False, menu_visibility=False,
            camera_auto_fit=False, grid_auto_fit=False, axes_helper=0.0, camera_mode="orbit",
            camera_fov=FIELD, lighting=1.4, colorbar_object_id=0, antialias=0,
        )  # fmt: skip
        self.plot.render_on_change = False
        self.plot.camera = camera()
        self.objects, self.grids, self.key, self.changed = {}, {}, widgets.HTML(), True
        self.key.add_class("rlhf-lab-key")
        box = {"flex": "1 1 440px", "min_width": "420px"}
        self.view = widgets.VBox([self.plot, self.key], layout=box)

    def draw(self) -> None:
        """One picture of all changes since the last; a picture for each of them would be slow."""
        if self.changed:
            self.plot.render()
        self.changed = False

    def turn(self, azimuth: float, elevation: float = 0.0, zoom: float = 1.0) -> None:
        """Move the camera, as dragging with the mouse does."""
        self.plot.camera = turned(self.plot.camera or camera(), azimuth, elevation, zoom)
        self.plot.render()

    def home(self) -> None:
        """The camera back to where it began."""
        self.plot.camera = camera()
        self.plot.render()

    def legend(self, *entries: tuple[str, str]) -> None:
        """Words below the picture. entries: (mark, words), where mark is as in `swatch`."""
        items = "".join(f"<span>{swatch(mark)} {words}</span>" for mark, words in entries)
        self.key.value = f"<div>{items}</div>"

    def put(self, name: str, make, **traits) -> None:
        """Make an object the first time, afterwards set what has changed.

        Raises:
            ValueError: the number of points of an object with indices or colours has changed: its traits
                reach the page one by one, and in between they would not fit.
        """
        if name not in self.objects:
            with unannounced():
                self.objects[name] = make(name=name, **traits)
            self.plot += self.objects[name]
            self.changed = True
            return
        thing = self.objects[name]
        for key, value in traits.items():
            old = getattr(thing, key)
            if key in TOGETHER and np.size(old) != np.size(value):
                raise ValueError(f"{name}: {key} must keep its length of {np.size(old)}")
            if not np.array_equal(old, value):
                setattr(thing, key, value)
                self.changed = True

    def show(self, visible: bool, *names: str) -> None:
        """Show or hide objects that exist."""
        for name in names:
            if name in self.objects and self.objects[name].visible != visible:
                self.objects[name].visible = visible
                self.changed = True

    def surface(
        self, name: str, heights, limits=None, colours: str = "altitude", label: str = "",
        extent: Sequence[float] = (-EXTENT, EXTENT, -EXTENT, EXTENT),
    ) -> tuple[float, float]:  # fmt: skip
        """A shaded surface over heights (ny, nx) with a light mesh; the ground for what follows.

        Returns (low, high), which are drawn 0 and `HEIGHT` high.
        """
        import k3d

        heights = np.asarray(heights, dtype=np.float32)
        low, high = limits or (float(heights.min()), float(heights.max()))
        shown = heights.clip(low, high)
        grid = self.grids[name] = Grid(
            shown, low, high, tuple(extent), COLOUR_MAPS[colours].lower()
        )
        look = {} if name in self.objects else surface_look(extent)
        scale = np.array(getattr(k3d.matplotlib_color_maps, COLOUR_MAPS[colours]), dtype=np.float32)
        self.put(
            name, k3d.surface, heights=grid.z, attribute=shown, color_range=[low, high],
            color_map=scale, **look,
        )  # fmt: skip
        mesh, segments = grid.mesh()
        self.put(f"{name} mesh", _lines, vertices=mesh, indices=segments, opacity=0.28)
        side, triangles = grid.sides()
        self.put(f"{name} sides", _solid, vertices=side, indices=triangles)
        return low, high

    def sheet(self, name: str, heights, ground: str, colour: str, opacity: float = 0.32) -> None:
        """A translucent second surface in the units of an existing one, with its mesh in the same colour."""
        import k3d

        base = self.grids[ground]
        grid = self.grids[name] = base.like(np.asarray(heights, dtype=np.float32), colour)
        look = {} if name in self.objects else surface_look(base.extent)
        self.put(name, k3d.surface, heights=grid.z, color=packed(colour), opacity=opacity, **look)
        mesh, segments = grid.mesh()
        self.put(
            f"{name} mesh",
            _lines,
            vertices=mesh,
            indices=segments,
            color=packed(colour),
            opacity=0.9,
        )

    def path(self, name: str, points, ground: str, colour: str, width: float = 0.07) -> None:
        """A path (T + 1, 2) that lies on the ground."""
        import k3d

        vertices = self.grids[ground].on(densely(points))
        self.put(
            name, k3d.line, vertices=vertices, color=packed(colour), width=width, shader="mesh",
            radial_segments=6,
        )  # fmt: skip

    def walks(self, name: str, paths, ground: str, colour: str, opacity: float = 0.75) -> None:
        """Many thin paths (B, T + 1, 2) on the ground."""
        paths = np.asarray(paths, dtype=float).reshape(-1, *np.shape(paths)[-2:])
        vertices = self.grids[ground].on(paths.reshape(-1, 2))
        first = np.arange(len(vertices)).reshape(paths.shape[:2])[:, :-1].reshape(-1)
        self.put(
            name, _lines, vertices=vertices, indices=np.stack((first, first + 1), 1).astype(np.uint32),
            color=packed(colour), opacity=opacity, width=0.028, shader="thick",
        )  # fmt: skip

    def arrows(self, name: str, points, steps, ground: str, colours, head: float = 1.3) -> None:
        """Arrows from points (P, 2) along steps (P, 2), laid onto the ground. colours: one, or one each."""
        import k3d

        points, grid = np.asarray(points, dtype=float), self.grids[ground]
        start = grid.on(points, 2 * LIFT)
        end = grid.on(points + np.asarray(steps, dtype=float), 2 * LIFT)
        each = [colours] * len(points) if isinstance(colours, str) else list(colours)
        pairs = np.repeat(np.array([packed(c) for c in each], dtype=np.uint32), 2)
        self.put(
            name, k3d.vectors, origins=start, vectors=end - start, colors=pairs, head_size=head,
            line_width=0.04,
        )  # fmt: skip

    def tube(self, name: str, vertices, triangles, ground: str, colour: str) -> None:
        """A translucent tube: vertices (n, 3) with z in the ground's unit, triangles (m, 3)."""
        import k3d

        vertices = np.array(vertices, dtype=np.float32)
        vertices[:, 2] = self.grids[ground].drawn(vertices[:, 2]) + LIFT / 2
        self.put(
            name, k3d.mesh, vertices=vertices, indices=np.asarray(triangles, dtype=np.uint32),
            color=packed(colour), opacity=0.34, side="double",
        )  # fmt: skip

    def pin(self, name: str, point, ground: str, colour: str, label: str = "") -> None:
        """A pin that stands on the ground at a point (2,), with a label."""
        import k3d

        foot = self.grids[ground].on(np.asarray(point, dtype=float)[None])[0]
        head = foot + np.array([0, 0, 0.6], dtype=np.float32)
        self.put(f"{name} stem", k3d.line, vertices=np.stack((foot, head)), color=packed(colour),
                 width=0.045, shader="mesh", radial_segments=6)  # fmt: skip
        self.put(f"{name} head", k3d.points, positions=head[None], color=packed(colour),
                 point_size=0.32, shader="3d")  # fmt: skip
        if label:
            self.text(f"{name} label", label, head + np.array([0, 0, 0.28]))

    def dots(self, name: str, points, ground: str, colours, size: float = 0.07) -> None:
        """Small dots (P, 2) on the ground. colours: one, or one each."""
        import k3d

        each = [colours] * len(points) if isinstance(colours, str) else list(colours)
        packed_colours = np.array([packed(c) for c in each], dtype=np.uint32)
        positions = self.grids[ground].on(np.asarray(points, dtype=float))
        self.put(name, k3d.points, positions=positions, colors=packed_colours, point_size=size,
                 shader="flat")  # fmt: skip

    def drop(self, name: str, point, upper: str, lower: str, colour: str) -> None:
        """A vertical line between two surfaces at a point (2,)."""
        import k3d

        at = np.asarray(point, dtype=float)[None]
        ends = np.concatenate((self.grids[upper].on(at), self.grids[lower].on(at)))
        self.put(name, k3d.line, vertices=ends, color=packed(colour), width=0.05, shader="mesh",
                 radial_segments=6)  # fmt: skip

    def text(self, name: str, text: str, position, size: float = 0.95) -> None:
        """Words at a place (3,), in the page's own text colour."""
        import k3d

        self.put(
            name, k3d.text, text=f"<span class='rlhf-word'>{text}</span>", size=size, is_html=True,
            position=np.asarray(position, dtype=np.float32), label_box=False, reference_point="cb",
        )  # fmt: skip

    def axes(self, x: str = "x", y: str = "y", extent=(-EXTENT, EXTENT, -EXTENT, EXTENT)) -> None:
        """Names of the two directions of the map, along its near edges."""
        left, right, near, far = extent
        beside = 0.07 * (right - left)
        self.text("x name", x, (0.5 * (left + right), near - beside, BASE), 0.85)
        self.text("y name", y, (right + beside, 0.5 * (near + far), BASE), 0.85)


class Grid:
    """A surface as it is drawn: shown (ny, nx) in its own unit, z (ny, nx) in map units.

    colour: '#RRGGBB', or the name of a colour map.
    """

    def __init__(self, shown, low: float, high: float, extent: tuple, colour: str = "viridis"):
        self.low, self.high, self.extent, self.colour = low, high, extent, colour
        self.z = self.drawn(shown).astype(np.float32)

    def like(self, heights, colour: str) -> Grid:
        """Another surface in the same unit and range."""
        return Grid(heights.clip(self.low, self.high), self.low, self.high, self.extent, colour)

    def drawn(self, heights):
        """Heights in the surface's unit -> in map units."""
        return (np.asarray(heights) - self.low) * (HEIGHT / max(self.high - self.low, 1e-9))

    def on(self, points, lift: float = LIFT) -> np.ndarray:
        """Points (P, 2) put onto the surface as drawn (P, 3), by bilinear interpolation."""
        left, right, near, far = self.extent
        rows, columns = self.z.shape
        x = np.clip((points[:, 0] - left) / (right - left), 0, 1) * (columns - 1)
        y = np.clip((points[:, 1] - near) / (far - near), 0, 1) * (rows - 1)
        i, j = np.minimum(y.astype(int), rows - 2), np.minimum(x.astype(int), columns - 2)
        v, u = y - i, x - j
        z = self.z
        top = z[i + 1, j] * (1 - u) + z[i + 1, j + 1] * u
        height = (z[i, j] * (1 - u) + z[i, j + 1] * u) * (1 - v) + top * v
        return np.column_stack((points, height + lift)).astype(np.float32)

    def mesh(self) -> tuple[np.ndarray, np.ndarray]:
        """(vertices, segments) of every `MESH`-th grid line, a little above the surface."""
        left, right, near, far = self.extent
        rows, columns = self.z.shape
        x, y = np.meshgrid(np.linspace(left, right, columns), np.linspace(near, far, rows))
        vertices = np.stack((x, y, self.z + 0.012), -1).reshape(-1, 3).astype(np.float32)
        number = np.arange(rows * columns).reshape(rows, columns)
        along, across = number[::MESH], number[:, ::MESH].T
        pairs = [
            np.stack((line[:, :-1], line[:, 1:]), -1).reshape(-1, 2) for line in (along, across)
        ]
        return vertices, np.concatenate(pairs).astype(np.uint32)

    def sides(self) -> tuple[np.ndarray, np.ndarray]:
        """(vertices, triangles) of four walls from the surface's edges down to `BASE`."""
        left, right, near, far = self.extent
        rows, columns = self.z.shape
        x, y = np.meshgrid(np.linspace(left, right, columns), np.linspace(near, far, rows))
        top = np.stack((x, y, self.z), -1)
        walls = [top[0], top[:, -1], top[-1, ::-1], top[::-1, 0]]
        vertices, triangles, count = [], [], 0
        for wall in walls:
            foot = wall.copy()
            foot[:, 2] = BASE
            vertices += [foot, wall]
            a = count + np.arange(len(wall) - 1)
            b = a + len(wall)
            triangles += [np.stack((a, a + 1, b + 1), 1), np.stack((a, b + 1, b), 1)]
            count += 2 * len(wall)
        both = np.concatenate(vertices).astype(np.float32), np.concatenate(triangles)
        return both[0], both[1].astype(np.uint32)


def swatch(mark: str) -> str:
    """A sample of a colour: '#RRGGBB' a line, '~#RRGGBB' a translucent area, 'o#RRGGBB' a dot, or the name of a
    colour map."""
    if mark in GRADIENTS:
        return f"<i style='width:56px;height:9px;background:linear-gradient(90deg,{GRADIENTS[mark]})'></i>"
    look = {"~": "height:11px", "o": "width:10px;height:10px;border-radius:50%"}
    colour = f"#{mark.split('#')[1]}"
    if mark[0] == "~":  # as it looks on the map, and so that white is seen on a white page
        colour = f"color-mix(in srgb, {colour} 45%, {SLOPE})"
    return f"<i style='background:{colour};{look.get(mark[0], 'height:4px')}'></i>"


def densely(path, per_step: int = 5) -> np.ndarray:
    """A path (T + 1, 2) with points in between, so that it follows the ground."""
    path = np.asarray(path, dtype=float)
    share = np.linspace(0, 1, per_step, endpoint=False)[:, None]
    between = path[:-1, None] * (1 - share) + path[1:, None] * share
    return np.concatenate((between.reshape(-1, 2), path[-1:]))


def surface_look(extent: Sequence[float]) -> dict:
    """Traits of a surface that stay as they are."""
    return {"bounds": list(extent), "roughness": 0.85, "flat_shading": False}


def _lines(**traits):
    """Thin line segments. indices (S, 2) are pairs of vertices."""
    import k3d

    defaults = {"indices_type": "segment", "shader": "simple", "color": 0xFFFFFF}
    return k3d.lines(**(defaults | traits))


def _solid(**traits):
    """The ground's sides."""
    import k3d

    return k3d.mesh(color=0x7C8494, flat_shading=True, side="double", roughness=1.0, **traits)
