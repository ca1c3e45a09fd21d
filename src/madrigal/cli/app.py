"""The way into the command line, and what it answers to everything that goes wrong."""

import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from madrigal.errors import RunStopped, UserMistake

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code.

    0 done; 2 the user's recipe, data or command line is wrong, one line a mistake on standard
    error; 3 the run stopped itself; 130 interrupted. Anything else is a bug and shows a traceback.
    """
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        work = _parsed(given)
        if callable(work):
            work()
            return 0
        return int(work or 0)
    except UserMistake as error:
        _tell(error.mistakes)
        return error.exit_code
    except RunStopped as error:
        _tell([f"stopped: {error}"])
        return error.exit_code
    except KeyboardInterrupt as error:
        _tell([str(error) or _how_to_go_on(given)])
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe has seen enough; Python must not complain while it shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parsed(arguments: Sequence[str]) -> Any:
    """The work that the command line asks for, or an exit code where typer did it all."""
    import typer

    from madrigal.cli.commands import app

    command = typer.main.get_command(app)
    try:
        return command.main(arguments, prog_name="madrigal", standalone_mode=False)
    except typer.TyperException as error:
        raise UserMistake(_usage(error)) from None


def _usage(error: Any) -> str:
    """One line for a wrong command line."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "madrigal"
    message = " ".join(str(error.format_message()).split()).rstrip(".")
    return f"{command}: {message[:1].lower()}{message[1:]}; see `{command} --help`"


def _how_to_go_on(arguments: Sequence[str]) -> str:
    goes_on = ("group", "few-shot", "constitution", "augment", "sweep", "curate", "tax")
    if arguments and arguments[0] in goes_on:
        return f"interrupted; go on with: madrigal {shlex.join(arguments)}"
    if arguments[:1] not in (["run"], ["extend"]):
        return "interrupted"
    again = [word for word in arguments if word != "--resume"]
    return f"interrupted; go on with: madrigal {shlex.join(again)} --resume"


def _tell(lines: Iterable[str]) -> None:
    """To standard error, once, whatever the number of processes."""
    if int(os.environ.get("RANK", "0")) == 0:
        for line in lines:
            print(line, file=sys.stderr)
