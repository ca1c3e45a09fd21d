"""The agreement ceiling, in words, of judged answers that stand in no run."""

from madrigal.feedback import inspect
from madrigal.report.ceiling import bounds_in, ceiling_words
from madrigal.tasks.task import Task


def ceiling_in(task: Task) -> str:
    """`ceiling 95.0 to 97.3 %` of all records of a task, or that it is not known."""
    records = [record for some in task.splits.values() for record in some]
    found = inspect(records, ("ceiling",)).as_json()
    return ceiling_words(bounds_in({"parts": list(found["parts"])}))
