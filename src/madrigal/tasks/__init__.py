"""Tasks: files, record formats, templates, splits, tokens; the bundled tasks."""

from madrigal.tasks.encode import Coder
from madrigal.tasks.encoded import Encoded, Example
from madrigal.tasks.load import load_task, load_tasks
from madrigal.tasks.metric import chance
from madrigal.tasks.record import Record, Turn
from madrigal.tasks.task import Task

__all__ = [
    "Coder",
    "Encoded",
    "Example",
    "Record",
    "Task",
    "Turn",
    "chance",
    "load_task",
    "load_tasks",
]
