"""The command as a process: what a shell and a script see of its end."""

import subprocess
import sys

import pytest

from tests.helpers.processes import ROOT

pytestmark = pytest.mark.slow


def test_a_reader_that_goes_away_is_no_bug() -> None:
    """As from `mappemonde ... | head`: no traceback, and not the exit code of a bug."""
    command = [sys.executable, "-m", "cli.main", "completion", "bash"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 141
