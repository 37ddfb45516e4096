"""Rewrite requirements.lock: exact versions of all that pyproject.toml needs, from this environment."""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent


def roots() -> list[str]:
    """The requirements of the package and of its tests."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return project["dependencies"] + project["optional-dependencies"]["test"]


def closure(requirements: list[str]) -> dict[str, str]:
    """Name -> installed version of everything that the requirements lead to, on this platform.

    CUDA parts of torch are left out, so that the same lock serves machines with and without a GPU.
    """
    found: dict[str, str] = {}
    queue = [Requirement(text) for text in requirements]
    while queue:
        requirement = queue.pop()
        name = canonicalize_name(requirement.name)
        if name in found or name.startswith(("nvidia-", "cuda-", "triton")):
            continue
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue
        found[name] = package.version.split("+")[0]
        extras = requirement.extras or {""}
        for text in package.requires or ():
            child = Requirement(text)
            if not child.marker or any(child.marker.evaluate({"extra": e}) for e in extras):
                queue.append(child)
    return found


def main() -> None:
    """Write the file."""
    lines = [f"{name}=={version}" for name, version in sorted(closure(roots()).items())]
    header = "# Made by `make lock`. torch: on Linux pip takes the CUDA build; see README for CPU only.\n"
    (ROOT / "requirements.lock").write_text(header + "\n".join(lines) + "\n")
    print(f"requirements.lock: {len(lines)} packages")


if __name__ == "__main__":
    main()
