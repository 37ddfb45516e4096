"""pyproject.toml, the lock and environment.yml say the same."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution

import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.chapters import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
PINS = [
    line
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    if line[0] != "#"
]
LOCKED = dict(line.split("==") for line in PINS)


def test_every_dependency_has_a_lower_and_an_upper_bound():
    for text in [*PROJECT["dependencies"], *(r for extra in EXTRAS.values() for r in extra)]:
        operators = {specifier.operator for specifier in Requirement(text).specifier}
        assert operators == {">=", "<"}, text


def test_lock_holds_what_pyproject_asks_for():
    for text in [*PROJECT["dependencies"], *EXTRAS["test"]]:
        requirement = Requirement(text)
        version = LOCKED.get(canonicalize_name(requirement.name))
        assert version and requirement.specifier.contains(version), f"{text}, locked: {version}"


def test_lock_is_complete_for_what_is_installed():
    """Whatever a locked package needs here is locked too (CUDA parts excepted)."""
    from tests.lock import closure, roots

    assert set(closure(roots())) <= set(LOCKED)


def test_lock_is_exact_sorted_and_of_no_particular_machine():
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][a-z0-9.]*", line) for line in PINS)
    assert list(LOCKED) == sorted(LOCKED)
    assert not [name for name in LOCKED if name.startswith(("nvidia", "cuda", "triton"))]


def test_locked_packages_run_on_the_oldest_python_that_we_promise():
    oldest = min(s.version for s in SpecifierSet(PROJECT["requires-python"])) + ".0"
    for name, version in LOCKED.items():
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue
        needs = SpecifierSet(package.metadata.get("Requires-Python") or "")
        assert package.version.split("+")[0] != version or needs.contains(oldest), (
            name,
            str(needs),
        )


def test_environment_yml_installs_the_lock():
    entries = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    python = next(entry.split("=")[1] for entry in entries if str(entry).startswith("python="))
    assert SpecifierSet(PROJECT["requires-python"]).contains(Version(python))
    pip = next(entry["pip"] for entry in entries if isinstance(entry, dict))
    assert pip == ["--requirement requirements.lock", "--editable ."]
    assert {e for e in entries if isinstance(e, str)} == {f"python={python}", "pip"}
