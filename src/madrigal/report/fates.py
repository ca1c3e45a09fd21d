"""The verdict on all earlier tasks in one line: no more than the intervals carry."""

from collections.abc import Sequence

from madrigal.report.numbers import Interval, counted
from madrigal.report.remembered import FATES, Fate, Remembered

_NAMED = 3


def of(tasks: Sequence[Remembered], fate: Fate) -> list[Remembered]:
    """The tasks with this fate."""
    return [one for one in tasks if one.fate == fate]


def lost_on_average(tasks: Sequence[Remembered], bwt: Interval | None) -> bool:
    """Whether earlier tasks surely lost on average, though none of several surely by itself."""
    fates = {one.fate for one in tasks}
    clear = "forgotten" in fates or fates <= {"kept", "helped"}
    return (
        len(tasks) > 1 and not clear and bwt is not None and bwt.high is not None and bwt.high < 0
    )


def verdict(tasks: Sequence[Remembered], bwt: Interval | None = None) -> str:
    """`Forgot 3 of 4 earlier tasks`; `bwt` is the mean change of all of them."""
    if lost_on_average(tasks, bwt):
        return "Earlier tasks were forgotten on average, but none clearly by itself"
    lost, kept, better = (of(tasks, fate) for fate in ("forgotten", "kept", "helped"))
    whole = counted(len(tasks), "earlier task")
    if len(tasks) == 1:
        name = tasks[0].task.name
        sure = {
            "forgotten": f"Forgot {name}",
            "kept": f"Kept {name}",
            "helped": f"Better at {name}",
        }
        told = sure.get(tasks[0].fate, f"Not clear whether {name} was forgotten")
        return f"{told} since it was learnt" if tasks[0].fate == "helped" else told
    if lost:
        every = "both" if len(tasks) == 2 else f"all {len(tasks)}"
        return f"Forgot {every if len(lost) == len(tasks) else len(lost)} " + (
            "earlier tasks" if len(lost) == len(tasks) else f"of {whole}"
        )
    if len(kept) + len(better) == len(tasks):
        return f"Forgot none of {whole}"
    return "No earlier task was clearly forgotten"


def tally(tasks: Sequence[Remembered]) -> str:
    """`forgotten 3 of 4 tasks (snips, sib200, clinc), not sure 1 (dbpedia)`."""
    words = {"unclear": "not sure", "unknown": "no interval"}
    parts = []
    for fate in FATES:
        found = of(tasks, fate)
        if found:
            total = "" if parts else f" of {counted(len(tasks), 'task')}"
            names = ", ".join(one.task.name for one in found)
            named = f" ({names})" if len(found) <= _NAMED else ""
            parts.append(f"{words.get(fate, fate)} {len(found)}{total}{named}")
    return ", ".join(parts)
