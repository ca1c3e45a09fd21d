"""The gradient diagnostics of a stage in plain words: page and terminal say the same."""

import math
import re
from collections.abc import Sequence

from madrigal.evaluation.cosine import LEAST_STEPS, MARGIN, Cosine
from madrigal.evaluation.interference import Interference, Pair
from madrigal.evaluation.task_gradients import TaskGradient
from madrigal.report import numbers
from madrigal.report.numbers import MINUS, counted

_NAMED = 3  # pairs in a sentence; the table has the rest
_HIDDEN = -0.2  # an interval that reaches below this may hide a conflict worth knowing
_THROUGHOUT = " throughout"
NOT_MEASURED = (
    "The tasks' gradients were not measured, so who fights whom, and in which layers, is not known."
)


def sentences(found: Interference) -> tuple[str, ...]:
    """One sentence for each of the worst conflicts, or one that says that there is none."""
    if found.measured < LEAST_STEPS:
        few = too_few(found)
        return (f"O{few[1:]}. A smaller `gradients.measure_every` in the stage measures more.",)
    conflicts = found.conflicts
    if not conflicts:
        return (_peace(found),)
    told = [f"{fight(pair, found)}." for pair in conflicts[:_NAMED]]
    rest = len(conflicts) - _NAMED
    return (*told, *([f"So do {counted(rest, 'pair')} more."] if rest > 0 else []))


def too_few(found: Interference) -> str:
    """Only 4 steps of gradients were measured: too few to tell."""
    were = "was" if found.measured == 1 else "were"
    return (
        f"only {counted(found.measured, 'step')} of gradients {were} measured: too few to tell "
        "whether tasks conflict"
    )


def _peace(found: Interference) -> str:
    steps = f"over {counted(found.measured, 'measured step')}"
    worst = min(found.pairs, key=lambda pair: pair.cosine.value)
    cosine = bracketed(worst.cosine)
    if len(found.pairs) == 1:
        text = f"No conflict of {worst.first} and {worst.second} was found: cosine {cosine} {steps}"
    else:
        text = (
            f"No pair of tasks conflicts {steps}: the lowest cosine is that of {worst.first} and "
            f"{worst.second}, {cosine}"
        )
    hidden = [pair for pair in found.pairs if pair.cosine.low == -1 and pair.cosine.high == 1]
    if hidden:
        text += f"; of {counted(len(hidden), 'pair')} nothing is known: too much noise"
    wide = [p for p in found.pairs if p not in hidden and (p.cosine.low or 0) < _HIDDEN]
    if wide:
        text += "; the intervals are wide, and a conflict may hide in them"
    return f"{text}."


def fight(pair: Pair, found: Interference) -> str:
    """A and B pull against each other since step 40: cosine −0.31 (−0.40 to −0.22) in those steps,
    in block 4."""
    when = since(pair, found)
    told = f"{pair.first} and {pair.second} pull against each other{when}"
    cosine = f"cosine {bracketed(pair.during or pair.told)}"
    if pair.during is not None and when not in ("", _THROUGHOUT):
        cosine += " in those steps"  # the table has that of the whole stage
    elif pair.during is None and pair.told is not pair.cosine:
        cosine += f" over steps {pair.told.first:,} to {pair.told.last:,}"
    where = places(pair.fighting_layers, found.groups)
    return f"{told}: {cosine}{f', {where}' if where else ''}"


def since(pair: Pair, found: Interference) -> str:
    """Since step 40; from step 40 to step 120; throughout."""
    spell = pair.spell
    if spell is None:
        return ""
    if spell.until is not None:
        return f" from step {spell.since:,} to step {spell.until:,}"
    return _THROUGHOUT if spell.since == found.first else f" since step {spell.since:,}"


def places(groups: Sequence[str], every: Sequence[str]) -> str:
    """In blocks 4 and 5; in every layer group; nothing where none was found."""
    if not groups:
        return ""
    if len(groups) == len(every) > 1:
        return "in every layer group"
    numbered = [re.fullmatch(r"(.*\D)(\d+)", name) for name in groups]
    stems = {match[1].strip() for match in numbered if match}
    if len(stems) != 1 or not all(numbered):
        return f"in {listed(list(groups))}"
    (stem,) = stems
    runs = _runs([int(match[2]) for match in numbered if match])
    return f"in {stem}{'s' if len(groups) > 1 else ''} {listed(runs)}"


def _runs(values: Sequence[int]) -> list[str]:
    """1, 3 to 6 for 1, 3, 4, 5, 6."""
    runs: list[list[int]] = []
    for value in sorted(values):
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    parts: list[str] = []
    for run in runs:
        parts += [f"{run[0]} to {run[-1]}"] if len(run) > 2 else [str(value) for value in run]
    return parts


def listed(names: Sequence[str]) -> str:
    """A; a and b; a, b and c; a, b, c and 2 more."""
    if len(names) > 4:
        return f"{', '.join(names[:3])} and {len(names) - 3} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def signed(value: float, digits: int = 2) -> str:
    """−0.31, +0.05, 0.00: a cosine is read by its sign first."""
    text = f"{abs(value):.{digits}f}"
    if not any(digit in "123456789" for digit in text):
        return text
    return f"{MINUS if value < 0 else '+'}{text}"


def interval(cosine: Cosine) -> str:
    """−0.40 to −0.22, or nothing."""
    if cosine.low is None or cosine.high is None:
        return ""
    return f"{signed(cosine.low)} to {signed(cosine.high)}"


def bracketed(cosine: Cosine) -> str:
    """−0.31 (−0.40 to −0.22)."""
    ends = interval(cosine)
    return f"{signed(cosine.value)} ({ends})" if ends else signed(cosine.value)


def examples(value: float | None) -> str:
    """A noise scale or a number of examples, to two digits: what its accuracy deserves."""
    if value is None:
        return numbers.DASH
    if math.isinf(value):
        return "∞"
    if value < 10:
        return f"{value:.2g}"
    size = 10 ** (math.floor(math.log10(value)) - 1)
    return numbers.count(round(value / size) * size)


def noise(task: TaskGradient) -> str:
    """What the noise scale means for this task's share of a step."""
    scale, seen = task.noise_scale, task.examples
    if scale is None or seen is None:
        return "not known"
    if math.isinf(scale.value):
        return "no signal rises above the noise: more examples a step, if there is one"
    if scale.high is not None and scale.high < seen / 2:
        return "the direction is clear: fewer examples a step would do"
    if scale.low is not None and scale.low > 4 * seen:
        return "mostly noise: twice the examples a step give nearly twice the progress of a step"
    if scale.value > seen:
        return "more noise than direction: more examples a step still pay"
    return "more direction than noise: enough examples a step"


def meaning() -> str:
    """What counts as a conflict, for the foot of the table."""
    return (
        f"A pair conflicts where its cosine is surely below {MINUS}{MARGIN}, over the stage or one "
        "of its halves, at a level of 5 % for all pairs together."
    )
