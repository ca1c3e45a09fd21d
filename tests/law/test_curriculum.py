"""What holds for every schedule with a curriculum."""

import math
from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from madrigal.mixture import TaskSize, build_source
from madrigal.mixture.competence import competence
from madrigal.recipe.curriculum import Curriculum, Difficulty
from madrigal.recipe.stage import Batch, Proportional, Temperature, Uniform

NAMES = ("a", "b", "c", "d")
STEPS = 15

policies = st.sampled_from(
    [Proportional(), Temperature(temperature=3.0), Uniform(), Uniform(unit="tokens")]
)
batches = st.one_of(
    st.builds(lambda n: Batch(rows=n), st.integers(1, 12)),
    st.builds(lambda n: Batch(tokens=n), st.integers(16, 300)),
)
seeds = st.integers(0, 2**31 - 1)
difficulties = st.builds(
    Difficulty,
    by=st.sampled_from(["length", "base_loss"]),
    start=st.floats(0.01, 1),
    full_at=st.floats(0.05, 1),
    power=st.floats(1, 5),
    easy_first=st.booleans(),
)


examples = st.lists(st.tuples(st.integers(1, 60), st.sampled_from("xyz")), min_size=1, max_size=40)
worlds = st.tuples(
    st.lists(examples, min_size=1, max_size=len(NAMES)), st.sampled_from([None, "letter"])
)


def made(world):
    """Tasks with strata, lengths and losses in another order; the field to draw evenly over."""
    tasks = []
    for name, some in zip(NAMES, world[0], strict=False):
        lengths, values = zip(*some, strict=True)
        loss = np.arange(len(some)) * 37 % 41 / 7
        tasks.append(TaskSize(name, np.array(lengths), values, difficulty=loss))
    return tuple(tasks), world[1]


def built(world, policy, batch, seed, curriculum, steps=STEPS):
    tasks, within = made(world)
    policy = policy.model_copy(update={"within": within})
    return build_source(policy, tasks, batch, steps, None, seed, curriculum)


def everything(source):
    return [source.draws(step) for step in range(source.steps)]


def entries(tasks):
    """The tasks but the first come in one after another."""
    return {task.name: (k + 1) / (len(tasks) + 1) for k, task in enumerate(tasks[1:])}


def key(task, index, chosen):
    values = task.lengths if chosen.by == "length" else task.difficulty
    return values[index] if chosen.easy_first else -values[index]


@given(worlds, policies, batches, seeds, difficulties, st.booleans())
@settings(deadline=None)
def test_every_drawn_example_is_within_the_competence_of_its_step(
    world, policy, batch, seed, chosen, one_by_one
):
    enter = entries(made(world)[0]) if one_by_one else {}
    curriculum = Curriculum(enter=enter, difficulty=chosen)
    source = built(world, policy, batch, seed, curriculum)
    tasks = {task.name: task for task in made(world)[0]}
    for step, draws in enumerate(everything(source)):
        for draw in draws:
            start = enter.get(draw.task, 0.0)
            assert step / STEPS >= start
            t = (step / STEPS - start) / (1 - start) / chosen.full_at
            c0, p = chosen.start, chosen.power
            able = min(1.0, (t * (1 - c0**p) + c0**p) ** (1 / p))
            task = tasks[draw.task]
            groups = task.groups() if world[1] else {"": np.arange(len(task.lengths))}
            (group,) = (g for g in groups.values() if draw.index in g)
            mine = key(task, draw.index, chosen)
            easier = sum(key(task, other, chosen) < mine for other in group)
            # Ties are ordered at random: the lowest rank that it may have.
            assert easier + 1 <= max(1, math.floor(able * len(group) + 1e-6))


@given(worlds, policies, batches, seeds, difficulties, st.sampled_from([None, 1.0, 2.5]))
@settings(deadline=None)
def test_full_competence_from_the_start_is_no_curriculum_bit_for_bit(
    world, policy, batch, seed, chosen, epochs
):
    full = Curriculum(difficulty=chosen.model_copy(update={"start": 1.0}))
    tasks, within = made(world)
    policy = policy.model_copy(update={"within": within})
    steps = None if epochs else STEPS
    plain = build_source(policy, tasks, batch, steps, epochs, seed)
    paced = build_source(policy, tasks, batch, steps, epochs, seed, full)
    for part in ("task", "index", "length", "ends"):
        assert np.array_equal(getattr(plain, part), getattr(paced, part)), part
    assert (plain.names, plain.sizes) == (paced.names, paced.sizes)
    for name, share in plain.asked_shares().items():
        assert abs(paced.asked_shares()[name] - share) < 1e-12


@given(worlds, policies, batches, seeds, difficulties, st.randoms())
@settings(deadline=None)
def test_a_step_depends_on_nothing_but_its_number(world, policy, batch, seed, chosen, random):
    curriculum = Curriculum(enter=entries(made(world)[0]), difficulty=chosen)
    source, again = (built(world, policy, batch, seed, curriculum) for _ in range(2))
    expected = everything(source)
    order = list(range(STEPS)) * 2
    random.shuffle(order)
    assert all(again.draws(step) == expected[step] for step in order)


@given(worlds, policies, batches, seeds, difficulties)
@settings(deadline=None)
def test_a_task_alone_sees_the_same_examples_at_the_same_steps(world, policy, batch, seed, chosen):
    curriculum = Curriculum(enter=entries(made(world)[0]), difficulty=chosen)
    source = built(world, policy, batch, seed, curriculum)
    for name in source.names:
        alone = source.only(name)
        assert alone.steps == source.steps
        for step in range(STEPS):
            mine = tuple(draw for draw in source.draws(step) if draw.task == name)
            assert alone.draws(step) == mine


@given(worlds, st.integers(1, 12), seeds, difficulties)
@settings(deadline=None)
def test_two_examples_that_are_always_allowed_are_never_two_passes_apart(world, rows, seed, chosen):
    tasks = tuple(TaskSize(t.name, t.lengths, difficulty=t.difficulty) for t in made(world)[0])
    curriculum = Curriculum(difficulty=chosen)
    source = build_source(Uniform(), tasks, Batch(rows=rows), STEPS, None, seed, curriculum)
    counts = Counter(draw for draws in everything(source) for draw in draws)
    for task in tasks:
        first = max(1, math.floor(chosen.start * len(task.lengths) + 1e-9))
        order = sorted(range(len(task.lengths)), key=lambda i: key(task, i, chosen))
        edge = key(task, order[first - 1], chosen)
        always = [i for i in order if key(task, i, chosen) < edge]
        seen = [counts[type(source.draws(0)[0])(task.name, i)] for i in always]
        assert not seen or max(seen) - min(seen) <= 1


@given(worlds, st.sampled_from([Proportional(), Uniform()]), st.integers(1, 12), seeds)
@settings(deadline=None)
def test_the_tasks_that_are_in_keep_their_ratios(world, policy, rows, seed):
    """In each phase to less than one example, as without a curriculum."""
    tasks, _ = made(world)
    enter = entries(tasks)
    source = build_source(
        policy, tasks, Batch(rows=rows), STEPS, None, seed, Curriculum(enter=enter)
    )
    shares = build_source(policy, tasks, Batch(rows=rows), STEPS, None, seed).asked_shares()
    starts = {task.name: math.ceil(enter.get(task.name, 0.0) * STEPS - 1e-9) for task in tasks}
    total = dict.fromkeys(starts, 0.0)
    for step in range(STEPS):
        present = {name: shares[name] for name, start in starts.items() if start <= step}
        since = max(start for name, start in starts.items() if name in present)
        drawn = Counter(d.task for s in range(since, step + 1) for d in source.draws(s))
        for name, share in shares.items():
            mine = share / sum(present.values()) if name in present else 0.0
            assert abs(drawn[name] - mine * (step + 1 - since) * rows) < 1 + 1e-6
            total[name] += mine / STEPS
    for name, share in source.asked_shares().items():
        assert abs(share - total[name]) < 1e-9


@given(difficulties)
def test_competence_rises_from_its_start_to_one(chosen):
    path = [competence(step / 50, chosen) for step in range(51)]
    assert abs(path[0] - chosen.start) < 1e-9
    assert path == sorted(path)
    assert path[-1] == 1.0
    assert all(able == 1.0 for step, able in enumerate(path) if step / 50 >= chosen.full_at)
