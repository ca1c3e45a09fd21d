"""What holds for every replay and every choice of examples to keep."""

from collections import Counter
from fractions import Fraction
from math import floor

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from madrigal.mixture import TaskSize, build_source
from madrigal.recipe.stage import Batch, Uniform
from madrigal.retention import Replayed
from madrigal.retention.select import at_random, balanced, hardest, herding

seeds = st.integers(0, 2**31 - 1)
shares = st.one_of(
    st.sampled_from(["0.01", "0.05", "0.1", "0.3", "1", "2.5"]),
    st.integers(1, 3000).map(lambda n: str(n / 1000)),
).map(Fraction)
kept = st.lists(st.integers(1, 12), min_size=1, max_size=4).map(
    lambda sizes: {f"old{n}": size for n, size in enumerate(sizes)}
)
batches = st.one_of(
    st.builds(lambda n: Batch(rows=n), st.integers(1, 12)),
    st.builds(lambda n: Batch(tokens=n), st.integers(16, 200)),
)
lengths = st.lists(st.integers(1, 30), min_size=1, max_size=20)
STEPS = 12


def replayed(lengths, batch, sizes, seed, share=Fraction(1, 10), count=None):
    own = build_source(Uniform(), [TaskSize("new", np.array(lengths))], batch, STEPS, None, seed)
    return Replayed(own, sizes, share, count, seed)


def old(source, steps=STEPS):
    """What is replayed, step after step, in one list."""
    return [draw for step in range(steps) for draw in source.draws(step) if draw.task != "new"]


@given(lengths, batches, kept, shares, seeds)
@settings(deadline=None)
def test_the_share_is_exact_at_every_step(lengths, batch, sizes, share, seed):
    source = replayed(lengths, batch, sizes, seed, share)
    own = more = 0
    for step in range(STEPS):
        draws, mine = source.draws(step), source.own.draws(step)
        assert draws[: len(mine)] == mine
        own, more = own + len(mine), more + len(draws) - len(mine)
        assert more == floor(share * own)
    assert source.steps == source.own.steps
    assert source.asked_shares() == source.own.asked_shares()


@given(lengths, batches, kept, st.integers(1, 9), seeds)
@settings(deadline=None)
def test_a_count_is_exact_in_every_step(lengths, batch, sizes, count, seed):
    source = replayed(lengths, batch, sizes, seed, count=count)
    for step in range(STEPS):
        assert len(source.draws(step)) - len(source.own.draws(step)) == count


@given(lengths, batches, kept, shares, seeds)
@settings(deadline=None)
def test_tasks_and_their_examples_take_turns(lengths, batch, sizes, share, seed):
    source = replayed(lengths, batch, sizes, seed, share)
    tasks, examples = Counter(dict.fromkeys(sizes, 0)), Counter()
    for draw in old(source):
        tasks[draw.task] += 1
        examples[draw.task, draw.index] += 1
        assert max(tasks.values()) - min(tasks.values()) <= 1
        assert 0 <= draw.index < sizes[draw.task]
        often = [examples[draw.task, n] for n in range(sizes[draw.task])]
        assert max(often) - min(often) <= 1


@given(lengths, batches, kept, shares, seeds, st.randoms())
@settings(deadline=None, max_examples=30)
def test_a_step_depends_on_nothing_but_its_number(lengths, batch, sizes, share, seed, random):
    expected = [replayed(lengths, batch, sizes, seed, share).draws(n) for n in range(STEPS)]
    order = list(range(STEPS)) * 2
    random.shuffle(order)
    again = replayed(lengths, batch, sizes, seed, share)
    assert all(again.draws(step) == expected[step] for step in order)


@given(seeds, seeds)
@settings(deadline=None)
def test_another_seed_is_another_order(one, two):
    own = replayed([5], Batch(rows=8), {"old": 40}, 0).own
    found = [old(Replayed(own, {"old": 40}, Fraction(1), None, seed)) for seed in (one, two)]
    assert len(found[0]) == 8 * STEPS
    assert (found[0] == found[1]) == (one == two)


@given(st.integers(1, 60), st.integers(1, 80), seeds)
@settings(deadline=None)
def test_at_random(size, keep, seed):
    found = at_random(size, keep, seed, "a")
    assert len(set(found.tolist())) == len(found) == min(size, keep)
    assert found.tolist() == sorted(found) == at_random(size, keep, seed, "a").tolist()
    assert 0 <= found.min() <= found.max() < size
    assert set(found) <= set(at_random(size, keep + 1, seed, "a"))


def test_at_random_is_another_choice_for_another_seed_and_task():
    found = {tuple(at_random(100, 10, seed, task)) for seed in range(5) for task in "ab"}
    assert len(found) == 10


@given(st.lists(st.sampled_from("aabbbbbbcd"), min_size=1, max_size=60), st.integers(1, 70), seeds)
@settings(deadline=None)
def test_balanced_is_as_even_as_there_are_examples(answers, keep, seed):
    found = balanced(answers, keep, seed, "t")
    assert len(set(found.tolist())) == len(found) == min(keep, len(answers))
    there, got = Counter(answers), Counter(answers[i] for i in found)
    # Nothing is left of an answer that has less than another by more than one.
    for answer in there:
        assert got[answer] == there[answer] or got[answer] >= max(got.values()) - 1


def test_balanced_is_at_random_among_equals():
    """Which of the answers has one more, and which examples of an answer, follows the seed."""
    answers = [*"ab"] * 20
    found = [balanced(answers, 5, seed, "t") for seed in range(40)]
    more = Counter(Counter(answers[i] for i in one).most_common(1)[0][0] for one in found)
    assert min(more["a"], more["b"]) > 5
    assert len({i for one in found for i in one}) == 40


@given(st.lists(st.integers(0, 9).map(float), min_size=1, max_size=40), st.integers(1, 50))
@settings(deadline=None)
def test_hardest_has_the_largest_losses(losses, keep):
    found = hardest(np.array(losses), keep)
    assert len(set(found.tolist())) == len(found) == min(keep, len(losses))
    left = [loss for i, loss in enumerate(losses) if i not in found]
    border = min(losses[i] for i in found)
    assert all(loss <= border for loss in left)
    first = [i for i, loss in enumerate(losses) if loss == border]
    got = [i for i in found if losses[i] == border]
    assert got == first[: len(got)]


def test_what_has_no_loss_is_not_the_hardest():
    assert hardest(np.array([1.0, np.nan, 3.0]), 2).tolist() == [0, 2]


@st.composite
def features(draw):
    size, width = draw(st.integers(1, 20)), draw(st.integers(1, 5))
    chance = np.random.default_rng(draw(seeds))
    return chance.normal(size=(size, width)).astype(np.float32)


@given(features(), st.integers(1, 25))
@settings(deadline=None)
def test_herding_begins_like_a_smaller_one(found, keep):
    whole = herding(found, len(found))
    assert sorted(whole) == list(range(len(found)))
    assert herding(found, keep).tolist() == whole[:keep].tolist()


@given(features())
@settings(deadline=None)
def test_herding_takes_the_nearest_mean_each_time(found):
    """Each choice against all others that were open, from the definition."""
    unit = (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float64)
    mean, chosen = unit.mean(0), []
    for index in herding(found, len(found)):
        open_ = [i for i in range(len(unit)) if i not in chosen]
        away = {i: np.linalg.norm(mean - unit[[*chosen, i]].mean(0)) for i in open_}
        assert away[index] <= min(away.values()) + 1e-5
        chosen.append(int(index))


def test_herding_does_not_look_at_lengths():
    chance = np.random.default_rng(0)
    some = chance.normal(size=(12, 4)).astype(np.float32)
    scaled = some * chance.uniform(0.5, 9, size=(12, 1)).astype(np.float32)
    assert herding(some, 6).tolist() == herding(scaled, 6).tolist()
    zero = np.concatenate([some, np.zeros((1, 4), np.float32)])
    assert sorted(herding(zero, 13)) == list(range(13))
