"""pyproject.toml, the lock and environment.yml say the same; the wheel works away from the repository."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, distribution

import pytest
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
    for text in [*PROJECT["dependencies"], *EXTRAS["notebook"], *EXTRAS["test"]]:
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


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """The wheel, built from a copy of the repository without network, and unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "chapters/LICENSE"):
        (folder / "repository" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / "repository" / name)
    for name in ("rlhf_lib", "data"):
        shutil.copytree(ROOT / name, folder / "repository" / name)
    build = [
        "pip",
        "wheel",
        "--quiet",
        "--no-build-isolation",
        "--no-deps",
        "--wheel-dir",
        "..",
        ".",
    ]
    run = subprocess.run(
        [sys.executable, "-m", *build], cwd=folder / "repository", capture_output=True
    )
    assert run.returncode == 0, run.stderr.decode()[-3000:]
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder / "site")
    shutil.rmtree(folder / "repository")
    return folder / "site"


def test_wheel_carries_data_and_types(unpacked):
    there = {
        str(p.relative_to(unpacked / "rlhf_lib" / "data"))
        for p in (unpacked / "rlhf_lib" / "data").rglob("*")
        if p.is_file()
    }
    assert there == {
        str(p.relative_to(ROOT / "data")) for p in (ROOT / "data").rglob("*") if p.is_file()
    }
    assert (unpacked / "rlhf_lib" / "py.typed").exists()
    assert {p.name for p in unpacked.iterdir() if p.suffix != ".dist-info"} == {"rlhf_lib"}


def test_a_policy_answers_from_the_wheel_alone(unpacked, tmp_path):
    script = (
        "import rlhf_lib; from rlhf_lib.training import read_preferences; "
        "assert len(read_preferences(rlhf_lib.data_path('preferences', 'pocket-test.jsonl'))) > 400; "
        "print(rlhf_lib.__file__); "
        "print(rlhf_lib.load_policy('pocket-sft').sample(['what colour is a fox?'], temperature=0).texts[0])"
    )
    env = {k: v for k, v in os.environ.items() if k not in ("RLHF_DATA", "PYTHONPATH")}
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=env | {"PYTHONPATH": str(unpacked)},
        capture_output=True, encoding="utf-8",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    assert str(unpacked) in run.stdout and "red" in run.stdout
