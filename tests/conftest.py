"""What tests of the command line share."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from toolkit import cli


@pytest.fixture
def call(tmp_path, monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
    """Runs a command inside this process, in an empty folder: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HASHPIVOT_RUNS", raising=False)

    def called(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hashpivot", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        text = capsys.readouterr()
        return int(ended.value.code), text.out, text.err

    return called
