"""What pyproject.toml cannot say: the wheel carries data/ as rlhf_lib/data (models, runs, comparisons)."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

DATA = Path("data")


class BuildWithData(build_py):
    """The package with its data; an editable install finds the data where it lies."""

    def run(self):
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib, "rlhf_lib", "data")
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(DATA, target)

    def get_source_files(self):
        """For the source distribution, from which the same wheel can be built."""
        return [*super().get_source_files(), *(str(p) for p in DATA.rglob("*") if p.is_file())]


setup(cmdclass={"build_py": BuildWithData})
