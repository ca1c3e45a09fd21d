"""Ctrl+C lets the step in progress finish."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Interrupt:
    """Whether Ctrl+C was pressed; the step in progress is finished first."""

    pressed = False


@contextmanager
def finish_step_on_interrupt() -> Iterator[Interrupt]:
    """Inside, Ctrl+C is noted and the work goes on; who works looks at `pressed`."""
    seen = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield seen
        return

    def note(*_: Any) -> None:
        seen.pressed = True

    before = signal.signal(signal.SIGINT, note)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)
