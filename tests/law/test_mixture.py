"""What holds for every mixture."""

from collections import Counter
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from madrigal.mixture import TaskSize, build_source
from madrigal.recipe.stage import Balanced, Batch, Proportional, Temperature, Uniform, Weights

NAMES = ("a", "b", "c", "d", "e")


# Tokens of each example of one to five tasks.
sizes = st.lists(
    st.lists(st.integers(1, 60), min_size=1, max_size=40), min_size=1, max_size=len(NAMES)
)


def named(sizes):
    return tuple(
        TaskSize(name, np.array(lengths)) for name, lengths in zip(NAMES, sizes, strict=False)
    )


@st.composite
def policies(draw, unit=None):
    unit = unit or draw(st.sampled_from(["examples", "tokens"]))
    kind = draw(st.sampled_from(["proportional", "temperature", "uniform"]))
    if kind == "proportional":
        return Proportional(unit=unit)
    if kind == "temperature":
        return Temperature(unit=unit, temperature=draw(st.floats(1, 50)))
    return Uniform(unit=unit)


batches = st.one_of(
    st.builds(lambda n: Batch(rows=n), st.integers(1, 20)),
    st.builds(lambda n: Batch(tokens=n), st.integers(16, 300)),
)
seeds = st.integers(0, 2**31 - 1)


def everything(source):
    return [source.draws(step) for step in range(source.steps)]


@given(sizes, policies(), batches, seeds, st.randoms())
@settings(deadline=None)
def test_a_step_depends_on_nothing_but_its_number(sizes, policy, batch, seed, random):
    tasks = named(sizes)
    source = build_source(policy, tasks, batch, 12, None, seed)
    expected = everything(source)
    order = list(range(12)) * 2
    random.shuffle(order)
    again = build_source(policy, tasks, batch, 12, None, seed)
    assert all(again.draws(step) == expected[step] for step in order)


@given(sizes, policies(), batches, seeds)
@settings(deadline=None)
def test_a_longer_stage_begins_like_a_shorter_one(sizes, policy, batch, seed):
    tasks = named(sizes)
    short = build_source(policy, tasks, batch, 7, None, seed)
    long = build_source(policy, tasks, batch, 30, None, seed)
    assert everything(short) == everything(long)[:7]


@given(sizes, policies(), batches, seeds)
@settings(deadline=None)
def test_no_example_is_two_passes_ahead_of_another(sizes, policy, batch, seed):
    tasks = named(sizes)
    source = build_source(policy, tasks, batch, 15, None, seed)
    counts = {task.name: np.zeros(len(task.lengths), int) for task in tasks}
    for draws in everything(source):
        for draw in draws:
            counts[draw.task][draw.index] += 1
        assert all(count.max() - count.min() <= 1 for count in counts.values())


@given(sizes, policies(unit="examples"), st.integers(1, 20), seeds)
@settings(deadline=None)
def test_shares_are_kept_to_less_than_one_example_at_every_step(sizes, policy, rows, seed):
    tasks = named(sizes)
    source = build_source(policy, tasks, Batch(rows=rows), 15, None, seed)
    for step in range(1, 16):
        for name, got in source.achieved(step).items():
            assert abs(got.examples - source.asked_shares()[name] * step * rows) < 1 + 1e-6


@given(sizes, seeds)
@settings(deadline=None)
def test_token_shares_converge(sizes, seed):
    tasks = named(sizes)
    source = build_source(Uniform(unit="tokens"), tasks, Batch(rows=32), 50, None, seed)
    longest = max(int(task.lengths.max()) for task in tasks)
    achieved = source.achieved()
    total = sum(got.tokens for got in achieved.values())
    for task in tasks:
        # Off by the unfinished pass of each task and by one example of rounding.
        slack = sum(int(t.lengths.sum()) for t in tasks) + len(tasks) * longest
        assert abs(achieved[task.name].tokens - total / len(tasks)) <= slack


@given(sizes, policies(), seeds)
@settings(deadline=None)
def test_another_name_for_one_task_leaves_the_order_of_the_others(sizes, policy, seed):
    tasks = named(sizes)
    renamed = (TaskSize("z", tasks[0].lengths), *tasks[1:])
    first = build_source(policy, tasks, Batch(rows=8), 20, None, seed)
    second = build_source(policy, renamed, Batch(rows=8), 20, None, seed)
    for task in tasks[1:]:
        one, two = (
            [d.index for draws in everything(source.only(task.name)) for d in draws]
            for source in (first, second)
        )
        # The place of a tie may move by one row over the end of the stage.
        shorter = min(len(one), len(two))
        assert abs(len(one) - len(two)) <= 1
        assert one[:shorter] == two[:shorter]


@given(sizes, policies(), batches, seeds)
@settings(deadline=None)
def test_the_order_of_the_tasks_in_the_recipe_does_not_matter(sizes, policy, batch, seed):
    tasks = named(sizes)
    one = build_source(policy, tasks, batch, 10, None, seed)
    two = build_source(policy, tasks[::-1], batch, 10, None, seed)
    assert everything(one) == everything(two)


@given(seeds, seeds)
@settings(deadline=None)
def test_another_seed_is_another_order(one, two):
    tasks = [TaskSize("a", np.full(40, 5)), TaskSize("b", np.full(40, 5))]
    schedules = [
        everything(build_source(Uniform(), tasks, Batch(rows=8), 10, None, seed))
        for seed in (one, two)
    ]
    assert (schedules[0] == schedules[1]) == (one == two)


def test_each_pass_has_its_own_order():
    source = build_source(Uniform(), [TaskSize("a", np.full(50, 5))], Batch(rows=50), 6, None, 0)
    passes = [tuple(draw.index for draw in draws) for draws in everything(source)]
    assert len(set(passes)) == 6
    assert all(Counter(one) == Counter(two) for one, two in pairwise(passes))


@given(sizes, st.floats(1.0, 4.0), st.integers(1, 16), seeds)
@settings(deadline=None)
def test_a_cap_is_never_passed_and_never_wastes_a_step(sizes, cap, rows, seed):
    tasks = named(sizes)
    room = sum(int(cap * len(task.lengths) + 1e-9) for task in tasks)
    steps = room // rows
    if not steps:
        return
    source = build_source(Balanced(max_epochs=cap), tasks, Batch(rows=rows), steps, None, seed)
    achieved = source.achieved()
    assert sum(got.examples for got in achieved.values()) == steps * rows
    for task in tasks:
        assert achieved[task.name].examples <= cap * len(task.lengths) + 1e-9


@given(sizes, st.lists(st.floats(0.01, 100), min_size=5, max_size=5), seeds)
@settings(deadline=None)
def test_weights_only_matter_by_their_ratio(sizes, weights, seed):
    tasks = named(sizes)
    given_weights = {task.name: w for task, w in zip(tasks, weights, strict=False)}
    doubled = {name: 4 * weight for name, weight in given_weights.items()}
    one, two = (
        build_source(Weights(weights=w), tasks, Batch(rows=8), 10, None, seed)
        for w in (given_weights, doubled)
    )
    assert everything(one) == everything(two)
