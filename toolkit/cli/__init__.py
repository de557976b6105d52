"""The command line: results on stdout, narration on stderr, exit codes that scripts can use."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback

from typer.exceptions import Abort, TyperException

from toolkit.cli.commands import app
from toolkit.cli.terminal import complain
from toolkit.errors import ConfigError, ToolkitError

_INTERRUPTED = 130


def main() -> None:
    """Run the command line; every ending has its documented exit code."""
    # Matrices of some dozen assets are too small to share: threads would only wait for one another.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        code = app(standalone_mode=False)
        if code == _INTERRUPTED:
            complain("Interrupted; nothing was written.")
    except TyperException as error:
        complain(f"{error.format_message()} `hashpivot --help` shows the commands.")
        code = error.exit_code
    except ToolkitError as error:
        complain(str(error))
        code = error.exit_code
    except (KeyboardInterrupt, Abort):
        complain("Interrupted; nothing was written.")
        code = _INTERRUPTED
    except SystemExit as ending:
        # How typer ends when the reader of our output left early, which is its right.
        code = 0
        if not isinstance(ending.__context__, BrokenPipeError):
            complain(
                f"A strategy or its module ended the program by sys.exit({ending.code!r}). Remove "
                f"that, or raise an error that says what is wrong."
            )
            code = ConfigError.exit_code
    except Exception as error:
        complain(
            f"Unexpected {type(error).__name__}: {error}. Where no strategy of your own raised it, "
            f"it is a bug in hashpivot. The traceback is in {_keep_traceback()}."
        )
        code = 1
    sys.exit(code or 0)


def _keep_traceback() -> str:
    with tempfile.NamedTemporaryFile(
        "w", prefix="hashpivot-", suffix=".log", delete=False, encoding="utf-8"
    ) as file:
        file.write(traceback.format_exc())
        return file.name
