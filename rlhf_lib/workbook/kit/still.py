"""A lab without a kernel: its sentence and a still picture of what it shows, in the page beside the live lab.

Where the lab lives, the page hides the picture; where nothing answers (a notebook of yesterday, a code-hosting
site), the picture stands. It is drawn by matplotlib from the very data of the live figures.
"""

from __future__ import annotations

import base64
import html
import io
import re

import numpy as np

WIDTH, HEIGHT = 7.5, 3.3
"""Inches."""

SIDE = 0.36
"""Share of the width for a small figure beside a 3-D picture."""

STILL = """<style>
.jp-OutputArea:has(.rlhf-lab) .rlhf-still, body:not(:has(.jp-OutputArea)):has(.rlhf-lab.{name}) .rlhf-still.{name},
.jp-OutputArea:has(.rlhf-still):not(:has(.rlhf-lab)) .jp-OutputArea-output.lm-Panel {{ display: none }}
.rlhf-still img {{ max-width: 100%; background: white }}
</style><div class="rlhf-still {name}"><p><b>{title}</b>: a still picture. Run this cell to use the lab.</p>
<img alt="{words}" src="data:image/png;base64,{picture}"><p>{sentence}</p></div>"""
"""A live lab hides the picture. Where the picture is seen, JupyterLab's "Loading widget" and "model not found" are
hidden."""

DASHES = {"dash": "--", "dot": ":", None: "-", "solid": "-"}


def still(lab) -> str:
    """HTML: the lab's name, its picture with the sentence as alternative text, and the sentence."""
    sentence = lab.sentence.value
    words = html.escape(re.sub(r"<[^>]+>", "", html.unescape(sentence)), quote=True)
    picture = base64.b64encode(png(lab)).decode()
    return STILL.format(
        name=class_name(lab.title), title=html.escape(lab.title), words=words, picture=picture,
        sentence=sentence,
    )  # fmt: skip


def class_name(title: str) -> str:
    """A lab's title as a class in the page."""
    return "lab-" + re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def png(lab) -> bytes:
    """The lab's figures as a picture."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from ...plots.style import STYLE

    with rc_context(STYLE):
        whole = Figure(figsize=(WIDTH, HEIGHT), dpi=96)
        area, beside = whole, None
        if lab.side is not None:
            area, beside = whole.subfigures(1, 2, width_ratios=(1 - SIDE, SIDE))
        (draw_stage if lab.stage else draw_figure)(area, lab.figure)
        if beside is not None:
            draw_figure(beside, lab.side)
        written = io.BytesIO()
        whole.savefig(written, format="png")
    return written.getvalue()


# plotly


def draw_figure(area, figure) -> None:
    """A plotly figure of lines, bars, marks and heat maps."""
    axes = {}
    for trace in figure.data:
        names = trace.xaxis or "x", trace.yaxis or "y"
        if names not in axes:
            axes[names] = placed(area, figure.layout, *names)
        TRACES[trace.type](axes[names], trace)
    for axis in axes.values():
        if names := axis.get_legend_handles_labels()[1]:
            axis.legend(fontsize=7, **beside(figure.layout.legend, len(names)))
    for shape in figure.layout.shapes:
        found = next(axis for (x, _), axis in axes.items() if x == (shape.xref or "x").split()[0])
        if shape.visible is False:
            continue
        if shape.type == "rect":
            found.axvspan(shape.x0, shape.x1, color="#808080", alpha=0.15, lw=0)
        else:
            found.axvline(shape.x0, color="#707070", ls="--", lw=1)


def beside(legend, entries: int) -> dict:
    """Where a legend goes: above the axes, in two lines, if plotly has it there; else where it covers least."""
    if legend.yanchor != "bottom":
        return {}
    above = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.2}
    return above | {"ncols": -(-entries // 2), "columnspacing": 1.0}


def placed(area, layout, x: str, y: str):
    """The matplotlib axes in place of one of plotly's, with its names, ranges and ticks."""
    across, up = layout[f"xaxis{x[1:]}"], layout[f"yaxis{y[1:]}"]
    (left, right), (low, high) = across.domain or (0, 1), up.domain or (0, 1)
    axis = area.add_axes(
        (0.1 + 0.88 * left, 0.17 + 0.7 * low, 0.88 * (right - left), 0.7 * (high - low))
    )
    centre = (left + right) / 2
    titles = [note.text for note in layout.annotations if abs((note.x or 0) - centre) < 0.02]
    axis.set(title="".join(titles[:1]), xlabel=across.title.text or "", ylabel=up.title.text or "")
    for direction, given in (("x", across), ("y", up)):
        settle(axis, direction, given)
    return axis


def settle(axis, direction: str, given) -> None:
    """Give one direction of the axes plotly's scale, range and ticks."""
    if given.type == "log":
        getattr(axis, f"set_{direction}scale")("log")
    if given.range is not None and given.type != "log":
        getattr(axis, f"set_{direction}lim")(*given.range)
    if given.autorange == "reversed":
        getattr(axis, f"invert_{direction}axis")()
    if given.categoryarray is not None:
        names = [lines(name) for name in given.categoryarray]
        axis.barh(names, [0] * len(names))  # fixes their order
        axis.tick_params(axis="y", labelsize=7)
    if given.tickvals is not None:
        words = [lines(word) for word in given.ticktext or map("{:g}".format, given.tickvals)]
        getattr(axis, f"set_{direction}ticks")(list(given.tickvals), list(words), minor=False)


def lines(text: str) -> str:
    """The page's line breaks as those of a text."""
    return text.replace("<br>", "\n")


def plain(colour):
    """plotly's colour as matplotlib's; None for one that is not seen."""
    numbers = re.findall(r"[\d.]+", colour) if isinstance(colour, str) and colour[0] == "r" else ()
    return (
        colour
        if not numbers
        else (*(float(n) / 255 for n in numbers[:3]), *map(float, numbers[3:]))
    )


def draw_scatter(axis, trace) -> None:
    """Lines, marks, or both."""
    if trace.x is None or trace.y is None or len(trace.x) == 0:
        return
    x, y = np.asarray(trace.x), np.asarray(trace.y, dtype=float)
    mode, named = (
        trace.mode or "lines",
        {"label": trace.name if trace.showlegend is not False else None},
    )
    if "lines" in mode:
        style = {
            "color": plain(trace.line.color),
            "ls": DASHES.get(trace.line.dash, "--"),
            "lw": trace.line.width or 2,
        }
        steps = {"drawstyle": "steps-post"} if trace.line.shape == "hv" else {}
        axis.plot(x, y, **style, **steps, **named)
        if trace.fill == "tozeroy":
            step = {"step": "post"} if steps else {}
            axis.fill_between(x, y, color=style["color"], alpha=0.25, lw=0, **step)
    if "markers" in mode:
        draw_marks(axis, trace, x, y, {} if "lines" in mode else named)


def draw_marks(axis, trace, x, y, named: dict) -> None:
    """Marks; by their area in proportion to plotly's."""
    marker = trace.marker
    size = np.asarray(marker.size if marker.size is not None else 6, dtype=float)
    area = (
        0.5 * size / marker.sizeref if marker.sizemode == "area" and marker.sizeref else size**2 / 2
    )
    colour = marker.color if isinstance(marker.color, str) else list(marker.color or "k")
    hollow = marker.line.color and marker.line.width
    faces = (
        {"facecolors": "none", "edgecolors": plain(marker.line.color)} if hollow else {"c": colour}
    )
    axis.scatter(x, y, s=np.maximum(area, marker.sizemin or 0), zorder=4, **faces, **named)


def draw_bars(axis, trace) -> None:
    """Bars, upright or lying."""
    if trace.x is None or trace.y is None:
        return
    colour = trace.marker.color
    style = {
        "color": colour if isinstance(colour, str) else list(colour),
        "alpha": trace.opacity or 1.0,
    }
    label = {"label": trace.name} if trace.name and trace.showlegend is not False else {}
    if trace.orientation == "h":
        axis.barh([lines(name) for name in trace.y], list(trace.x), **style, **label)
    else:
        axis.bar(list(trace.x), list(trace.y), width=trace.width or 0.8, **style, **label)
    if any(isinstance(x, str) for x in trace.x):
        axis.tick_params(axis="x", rotation=40)


def draw_heat(axis, trace) -> None:
    """A heat map with its colour bar."""
    values = np.array([[np.nan if v is None else v for v in row] for row in trace.z], dtype=float)
    gaps = {"edgecolors": "white", "lw": 0.5} if trace.xgap else {}
    drawn = axis.pcolormesh(values, cmap="viridis", vmin=0, vmax=trace.zmax, **gaps)
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.set(
        xlim=(0, values.shape[1]), yticks=np.arange(len(values)) + 0.5, yticklabels=list(trace.y)
    )
    axis.grid(False)
    axis.figure.colorbar(drawn, ax=axis, label=trace.colorbar.title.text)


TRACES = {"scatter": draw_scatter, "bar": draw_bars, "heatmap": draw_heat}


# k3d


def draw_stage(area, stage) -> None:
    """A 3-D stage from where its camera began: surfaces, and what stands on them."""
    from ...plots.surface import draw_grid
    from .scene import HEIGHT as HIGH
    from .scene import LEFT, UP

    axis = area.add_axes((0, 0, 1, 1), projection="3d", computed_zorder=False)
    for name, grid in stage.grids.items():
        if not stage.objects[name].visible:
            continue
        left, right, near, far = grid.extent
        rows, columns = grid.z.shape
        xs, ys = np.linspace(left, right, columns), np.linspace(near, far, rows)
        if grid.colour.startswith("#"):
            axis.plot_surface(
                *np.meshgrid(xs, ys), grid.z, color=grid.colour, alpha=0.35, lw=0, zorder=3
            )
        else:
            draw_grid(axis, xs, ys, grid.z, grid.colour, (0.0, HIGH))
        axis.set_box_aspect((right - left, far - near, HIGH), zoom=1.25)
    for name, thing in stage.objects.items():
        if thing.visible and not name.endswith((" mesh", " sides")):
            OBJECTS.get(thing.type, lambda *_: None)(axis, thing)
    axis.view_init(UP, LEFT)
    axis.set_axis_off()


def shade(number: int) -> str:
    """k3d's colour as '#RRGGBB'."""
    return f"#{number:06X}"


def draw_line(axis, thing) -> None:
    axis.plot(*np.asarray(thing.vertices).T, color=shade(thing.color), lw=2, zorder=6)


def draw_lines(axis, thing) -> None:
    from mpl_toolkits.mplot3d.art3d import Line3DCollection

    pairs = np.asarray(thing.vertices)[np.asarray(thing.indices, dtype=int).reshape(-1, 2)]
    axis.add_collection3d(
        Line3DCollection(pairs, colors=shade(thing.color), lw=0.6, alpha=0.6, zorder=5)
    )


def draw_vectors(axis, thing) -> None:
    start, step = np.asarray(thing.origins).T, np.asarray(thing.vectors).T
    colours = [shade(int(colour)) for colour in np.asarray(thing.colors)[::2]]
    axis.quiver(*start, *step, colors=colours, lw=1, arrow_length_ratio=0.35, zorder=5)


def draw_points(axis, thing) -> None:
    each = [shade(int(colour)) for colour in np.asarray(thing.colors)]
    places = np.asarray(thing.positions).T
    size = 40 if places.shape[1] == 1 else 3
    axis.scatter(*places, s=size, c=each or shade(thing.color), depthshade=False, zorder=7)


def draw_mesh(axis, thing) -> None:
    from mpl_toolkits.mplot3d.art3d import Poly3DCollection

    corners = np.asarray(thing.vertices)[np.asarray(thing.indices, dtype=int).reshape(-1, 3)]
    axis.add_collection3d(
        Poly3DCollection(corners, color=shade(thing.color), alpha=0.12, lw=0, zorder=4)
    )


def draw_words(axis, thing) -> None:
    words = re.sub(r"<[^>]+>", "", thing.text)
    ground = {"facecolor": "white", "alpha": 0.72, "edgecolor": "none", "pad": 1}
    axis.text(*np.asarray(thing.position), words, fontsize=7.5, ha="center", zorder=9, bbox=ground)


OBJECTS = {
    "Line": draw_line, "Lines": draw_lines, "Vectors": draw_vectors, "Points": draw_points,
    "Mesh": draw_mesh, "Text": draw_words,
}  # fmt: skip
