"""Rewrite requirements.lock: exact versions of all that pyproject.toml needs, from this environment."""

from __future__ import annotations

import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent


def roots() -> list[str]:
    """The requirements of the package, its notebooks and its tests."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    return project["dependencies"] + extras["notebook"] + extras["test"]


def closure(requirements: list[str]) -> dict[str, str]:
    """Name -> installed version of everything that the requirements lead to, on this platform.

    CUDA parts of torch are left out, so that the same lock serves machines with and without a GPU.
    """
    found: dict[str, str] = {}
    queue, seen = [Requirement(text) for text in requirements], set()
    while queue:
        requirement = queue.pop()
        name = canonicalize_name(requirement.name)
        visit = (
            name,
            frozenset(requirement.extras),
        )  # one package may be asked for twice, with other extras
        if visit in seen or name.startswith(("nvidia-", "cuda-", "triton")):
            continue
        seen.add(visit)
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue
        found[name] = package.version.split("+")[0]
        queue += children(package, requirement.extras)
    return found


def children(package: Distribution, extras: set[str]) -> list[Requirement]:
    """What a package needs here, with these of its extras."""
    needed = [Requirement(text) for text in package.requires or ()]
    return [
        child
        for child in needed
        if not child.marker or any(child.marker.evaluate({"extra": e}) for e in extras or {""})
    ]


def main() -> None:
    """Write the file."""
    lines = [f"{name}=={version}" for name, version in sorted(closure(roots()).items())]
    header = "# Made by `make lock` (see CONTRIBUTING.md). No CUDA packages: pip adds those of the torch build that it takes.\n"
    (ROOT / "requirements.lock").write_text(header + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"requirements.lock: {len(lines)} packages")


if __name__ == "__main__":
    main()
