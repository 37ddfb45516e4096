"""Each test that asks for `chapter` or `notebook` runs once for every chapter of chapters.toml."""

import pytest

from tests import chapters


def pytest_generate_tests(metafunc):
    if "chapter" in metafunc.fixturenames:
        metafunc.parametrize("chapter", chapters.names())


@pytest.fixture
def notebook(chapter):
    """The stored notebook of one chapter."""
    path = chapters.CHAPTERS / f"{chapter}.ipynb"
    if not path.exists():  # which another test reports as a failure
        pytest.skip(f"{path.name} is missing: make chapters ONLY={chapter[:2]}")
    return chapters.stored(chapter)
