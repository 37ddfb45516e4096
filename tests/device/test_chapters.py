"""Every chapter, cell by cell, with its labs: on the pretended accelerator, and computing in bfloat16."""

import subprocess
import sys

import pytest

from tests.book import environment
from tests.chapters import ROOT, names

WAYS = {"on an accelerator": (), "in bfloat16": ("--bf16",)}


@pytest.mark.parametrize("options", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("name", names())
def test_every_cell_runs(name, options):
    """In a process of its own, as a kernel is; what failed is printed there."""
    command = [sys.executable, "-m", "tests.device.shrunken", *options, name]
    run = subprocess.run(
        command, cwd=ROOT, env=environment(1), capture_output=True, encoding="utf-8"
    )
    assert run.returncode == 0, (run.stdout + run.stderr)[-6000:]
