"""One key, one line, or a row in the user's editor."""

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from madrigal.errors import DataError


@contextmanager
def keys_alone() -> Iterator[None]:
    """Keys count as they are pressed, and none is lost that comes before it is asked for."""
    import termios
    import tty

    handle = sys.stdin.fileno()
    before = termios.tcgetattr(handle)
    try:
        tty.setcbreak(handle, termios.TCSADRAIN)
        yield
    finally:
        termios.tcsetattr(handle, termios.TCSADRAIN, before)


def key_pressed() -> str:
    """The next key; `q` where the input ends or is interrupted."""
    try:
        return os.read(sys.stdin.fileno(), 1).decode("utf-8", "replace") or "q"
    except KeyboardInterrupt:
        return "q"


def line_asked(question: str) -> str:
    """A line that is typed; '' where there is none."""
    try:
        return input(question).strip()
    except (EOFError, KeyboardInterrupt):
        return ""


def edited_row(values: Mapping[str, Any], console: Console) -> dict[str, Any]:
    """The row as it is after it was edited: as JSON in $VISUAL or $EDITOR, else a field by line.

    Raises:
        DataError: what came back is no row.
    """
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        return _by_line(values, console)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "row.json"
        text = json.dumps(dict(values), ensure_ascii=False, indent=1, default=str)
        path.write_text(text + "\n", "utf-8")
        try:
            done = subprocess.run([*shlex.split(editor), str(path)], check=False)
            after = json.loads(path.read_text("utf-8"))
        except OSError as error:
            raise DataError(f"$EDITOR {editor}: {error.strerror or error}") from error
        except ValueError as error:
            raise DataError(f"no JSON after editing ({error}); nothing decided") from error
    if done.returncode != 0:
        raise DataError(f"$EDITOR {editor}: ended with {done.returncode}; nothing decided")
    if not isinstance(after, dict) or not after:
        raise DataError("a row is an object with fields; nothing decided")
    return after


def _by_line(values: Mapping[str, Any], console: Console) -> dict[str, Any]:
    texts = [name for name, value in values.items() if isinstance(value, str)]
    console.print(f"no $EDITOR is set; fields: {', '.join(texts)}", markup=False, soft_wrap=True)
    name = line_asked("field to change: ")
    if name not in texts:
        raise DataError(
            f"{name!r}: no field with text; nothing decided" if name else "nothing decided"
        )
    text = line_asked(f"new {name}: ")
    return {**values, name: text} if text else dict(values)
