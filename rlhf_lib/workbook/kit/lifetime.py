"""A lab lives as long as its cell shows it: what a cell showed before is closed when the cell runs again.

Otherwise the old widgets would stay in the kernel, and each reload of the page would load them all anew.
"""

from __future__ import annotations

SHOWN: dict[str, tuple[str, list]] = {}
"""Cell -> (the request that ran it last, labs that it has shown since)."""


def place() -> tuple[str, str] | None:
    """(cell, request) that is being executed; None outside a notebook.

    A front end that does not name its cells is served by their code.
    """
    from IPython import get_ipython

    shell = get_ipython()
    parent = shell.get_parent() if hasattr(shell, "get_parent") else None
    if not parent or not parent.get("header", {}).get("msg_id"):
        return None
    cell = parent.get("metadata", {}).get("cellId") or parent.get("content", {}).get("code", "")
    return cell, parent["header"]["msg_id"]


def replace(lab) -> None:
    """Note that a lab is shown by the cell that runs now, and close what the cell showed in earlier runs."""
    where = place()
    if where is None:
        return
    cell, request = where
    before, labs = SHOWN.get(cell, ("", []))
    if before != request:
        for old in labs:
            if old is not lab:
                old.close()
        labs = []
    SHOWN[cell] = (request, [*labs, lab])


HOLDS = ("children", "layout", "style", "links")
"""Attributes by which widgets hold other widgets."""


def widgets_of(root) -> list:
    """A widget and all that it holds: children, layouts, styles, links."""
    from ipywidgets import Widget

    found, waiting = {}, [root]
    while waiting:
        widget = waiting.pop()
        if isinstance(widget, (list, tuple)):
            waiting += widget
        elif isinstance(widget, Widget) and id(widget) not in found:
            found[id(widget)] = widget
            waiting += [getattr(widget, name, ()) for name in HOLDS]
    return list(found.values())


def close(widget) -> None:
    """Close a widget's comm; k3d's plots have a `close` of their own that does not."""
    from ipywidgets import Widget

    Widget.close(widget)
