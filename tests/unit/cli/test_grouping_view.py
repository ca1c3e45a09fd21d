"""The matrix of affinities in a terminal, from three tasks to thirty."""

import re

import numpy as np
import pytest
from rich.console import Console

from madrigal.cli.grouping_view import as_json, sentences, view
from madrigal.cli.heat import heat, scale_for
from madrigal.evaluation.affinity import StepAffinity
from madrigal.evaluation.blocks import Blocks
from madrigal.evaluation.grouping import group_tasks


def found(labels, outside=-0.5, noise=0.5, steps=40, **changes):
    labels = np.array(labels)
    truth = np.where(labels[:, None] == labels, 1.0, outside)
    chance = np.random.default_rng(0)
    values = truth + noise * chance.standard_normal((steps, *truth.shape))
    names = tuple(f"task-number-{k}" for k in range(len(labels)))
    given = StepAffinity(names, "first_order", "raw", 3.3e-5 * values)
    return group_tasks(given, blocks=Blocks(draws=60), **changes)


def printed(grouping, width):
    console = Console(width=width, highlight=False, color_system=None)
    names = [f"group-{n}" for n, _ in enumerate(grouping.groups, 1)]
    with console.capture() as seen:
        for part in view(grouping, "together", names, grouping.tasks, width):
            console.print(part)
    return seen.get()


@pytest.mark.parametrize("tasks", [3, 12, 13, 22, 30])
def test_every_line_fits_and_every_number_is_there(tasks):
    grouping = found(np.arange(tasks) % 3)
    lines = printed(grouping, 100).splitlines()
    assert max(map(len, lines)) <= 100
    first = next(n for n, line in enumerate(lines) if line.split()[-1:] == [str(tasks)])
    rows = [line for line in lines[first + 1 :] if line[:2].strip().isdigit()][:tasks]
    assert len(rows) == tasks
    cells = [row[10:].split()[-tasks:] for row in rows]
    assert all(len(row) == tasks for row in cells)
    assert [row[k] for k, row in enumerate(cells)] == ["·"] * tasks
    assert cells[0][1].lstrip("+") > "0", "a mate's"
    assert cells[0][tasks - 1].startswith("−"), "a stranger's"


def test_more_columns_than_fit_come_in_blocks():
    lines = printed(found(np.arange(12) % 3), 40).splitlines()
    assert max(map(len, lines[2:20])) <= 40
    assert sum(line.strip().startswith("1  2") for line in lines) == 1
    assert sum(" 11" in line and " 12" in line for line in lines) == 1


def test_tasks_of_a_group_stand_together():
    text = printed(found([0, 1, 0, 1]), 100)
    order = [line.split()[1] for line in text.splitlines() if "·" in line[3:] and line[1].isdigit()]
    assert order == ["task-number-0", "task-number-2", "task-number-1", "task-number-3"]


def test_good_is_green_and_bad_is_red():
    values = np.array([[np.nan, 1.0], [-1.0, np.nan]])
    bold = np.array([[False, True], [False, False]])
    lines = list(heat(("a", "b"), values, bold, (), scale_for(1.0, 2, 80), 80))
    styles = [str(span.style) for line in lines for span in line.spans]
    assert "bold black on rgb(70,190,110)" in styles
    assert "black on rgb(235,105,95)" in styles


def test_what_is_recommended_in_words():
    group, leave = found([0, 0, 1, 1]), found([0, 0, 0, 0], outside=1.0)
    assert next(iter(sentences(group))).startswith("Group them: expected gain +")
    assert next(iter(sentences(leave))).startswith("Leave them together: ")
    noise = found([0, 1, 2, 3], outside=0.0, noise=5.0)
    assert "not surely above 0" in next(iter(sentences(noise)))
    few = found([0, 0, 1, 1], steps=3)
    assert next(iter(sentences(few))) == (
        "Leave them together: only 3 steps measured, too few to tell whether groups gain; "
        "without --run a short run measures every step."
    )
    _, many, *_ = sentences(found(np.arange(14) % 2))
    assert many == "Above 12 tasks the search is not exhaustive: other groups may score more."
    friends = found([0, 0, 1, 1], outside=0.5, noise=0.1)
    assert [*sentences(friends)][1].startswith("Together, too, a task gains from the others")


def taken(noise=0.5, steps=40):
    """Two pairs of friends, and task 4, which gives to one pair and gets from the other."""
    truth = np.zeros((5, 5))
    truth[:2, :2] = truth[2:4, 2:4] = 1.0
    truth[:2, 2:4] = truth[2:4, :2] = -1.0
    truth[4, 2:4], truth[2:4, 4], truth[:2, 4] = 3.0, -1.0, 1.0
    chance = np.random.default_rng(0)
    values = truth + noise * chance.standard_normal((steps, 5, 5))
    given = StepAffinity(tuple("abcde"), "first_order", "raw", 1e-5 * values)
    return group_tasks(given, blocks=Blocks(draws=200))


def test_a_task_that_loses_by_the_groups_is_named():
    """The mean gains, and one pays: it gets nothing on balance together, and -1 from its group."""
    found = taken()
    assert found.groups == (("a", "b"), ("c", "d", "e"))
    assert found.losers == ("e",)
    loss = found.by_task["e"]
    assert loss.low < -1.0e-5 < loss.high < 0
    first, second, *_ = sentences(found)
    assert first.startswith("Group them: ")
    number = r"−[01]\.\d\d"
    assert re.fullmatch(
        rf"Loses by these groups: e {number} \({number} to {number}\) × 10⁻⁵ of its loss a step\.",
        second,
    )
    body = as_json(found, ("group-1", "group-2"))
    assert body["surely_lose"] == ["e"]
    assert body["gain_by_task"]["e"]["value"] == loss.value
    assert np.mean([one["value"] for one in body["gain_by_task"].values()]) == pytest.approx(
        body["gain"]["value"]
    )


def test_a_loss_that_is_not_sure_is_told_as_such():
    told = [*sentences(taken(noise=6.0))]
    assert not any(line.startswith("Loses by") for line in told)
    (line,) = (line for line in told if line.startswith("May lose by them, not surely: "))
    assert " to +" in line


def test_where_all_stay_together_nobody_loses():
    assert not any("lose" in line.lower() for line in sentences(found([0, 0, 0], outside=1.0)))


def test_one_step_alone_is_told_as_one():
    assert next(iter(sentences(found([0, 0, 1, 1], steps=1)))).startswith(
        "Leave them together: only 1 step measured"
    )


def test_json_has_every_number():
    body = as_json(found([0, 0, 1, 1]), ("group-1", "group-2"))
    assert body["groups"]["group-2"] == ["task-number-2", "task-number-3"]
    assert body["affinity"][0][0] is None
    assert body["low"][0][1] <= body["affinity"][0][1] <= body["high"][0][1]
    assert body["gain"]["low"] <= body["gain"]["value"] <= body["gain"]["high"]
    assert body["together_share"][0][1] > 0.9
