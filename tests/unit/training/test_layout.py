"""How the examples of a step are laid out."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from madrigal.tasks.encoded import Encoded
from madrigal.training.layout import TOKENS_PER_PASS, collate, group, lay_out, share_out
from madrigal.training.placed import Placed
from tiny import row

CPU = torch.device("cpu")
shapes = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 3)), min_size=1, max_size=9)


def cost(groups, widths, rows):
    return sum(
        max(widths[i] for i in members) * sum(rows[i] for i in members) + TOKENS_PER_PASS
        for members in groups
    )


def allowed(members, widths, rows, limit):
    padded = max(widths[i] for i in members) * sum(rows[i] for i in members)
    return len(members) == 1 or padded <= limit


def largest(groups, widths, rows):
    return max(max(widths[i] for i in one) * sum(rows[i] for i in one) for one in groups)


def partitions(order):
    """Every way to cut a sequence into runs."""
    for cuts in itertools.product([False, True], repeat=len(order) - 1):
        groups = [[order[0]]]
        for cut, item in zip(cuts, order[1:], strict=True):
            groups.append([item]) if cut else groups[-1].append(item)
        yield groups


@settings(max_examples=200, deadline=None)
@given(shapes, st.integers(1, 400))
def test_no_cut_of_the_sorted_examples_costs_less(pairs, limit):
    widths, rows = [list(side) for side in zip(*pairs, strict=True)]
    groups = group(widths, rows, limit)
    order = sorted(range(len(widths)), key=lambda i: (widths[i], i))
    assert [i for members in groups for i in members] == order
    assert all(allowed(members, widths, rows, limit) for members in groups)
    least = min(
        (cost(cut, widths, rows), largest(cut, widths, rows))
        for cut in partitions(order)
        if all(allowed(members, widths, rows, limit) for members in cut)
    )
    assert (cost(groups, widths, rows), largest(groups, widths, rows)) == least


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(1, 200))
def test_no_partition_at_all_costs_less(widths, limit):
    """Runs in order of width are enough: other sets are never cheaper (rows alike)."""
    rows = [1] * len(widths)
    least = min(
        cost(cut, widths, rows)
        for order in itertools.permutations(range(len(widths)))
        for cut in partitions(order)
        if all(allowed(members, widths, rows, limit) for members in cut)
    )
    assert cost(group(widths, rows, limit), widths, rows) == least


def test_a_step_a_little_over_the_limit_is_halved():
    assert [len(one) for one in group([128] * 40, [1] * 40, 4096)] == [20, 20]


def test_an_example_over_the_limit_stands_alone():
    assert group([5, 500, 5], [1, 1, 1], 64) == [[0, 2], [1]]


def test_many_short_rows_share_a_pass_and_far_lengths_do_not():
    widths = [10] * 8 + [200] * 2
    assert group(widths, [1] * 10, 10_000) == [list(range(8)), [8, 9]]


def placed(task, *shapes):
    return [Placed(task, (row(length, answer, i),)) for i, (length, answer) in enumerate(shapes)]


def test_rows_of_a_task_are_adjacent_and_in_the_order_of_the_tasks():
    mixed = [e for trio in zip(placed("b", *[(9, 2)] * 3), placed("a", *[(8, 2)] * 3),
                               placed("c", *[(7, 2)] * 3), strict=True) for e in trio]  # fmt: skip
    groups = lay_out(mixed, {"a": 0, "b": 1, "c": 2}, 4096, shares=1)
    assert [[e.task for e in members] for members in groups] == [["a"] * 3 + ["b"] * 3 + ["c"] * 3]
    batch = collate(groups[0], 0, CPU)
    assert [segment.task for segment in batch.segments] == ["a", "b", "c"]
    spans = [(s.first_position, s.last_position) for s in batch.segments]
    assert spans == [(0, 6), (6, 12), (12, 18)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.lists(st.integers(2, 30), min_size=1, max_size=2)),
        min_size=1,
        max_size=8,
    )
)
def test_states_targets_and_owners_of_every_trained_token(drawn):
    """Read back from the tensors, each row's trained tokens are all there, in order."""
    examples = []
    for number, (task, lengths) in enumerate(drawn):
        chance = np.random.default_rng(number)
        rows = []
        for length in lengths:
            trained = chance.random(length) < 0.5
            trained[0] = False
            rows.append(Encoded(chance.integers(0, 300, length), trained))
        examples.append(Placed(task, tuple(rows)))
    examples.sort(key=lambda e: e.task)
    batch = collate(examples, 299, CPU)
    width = batch.tokens.shape[1]
    assert batch.padded_tokens == batch.tokens.numel()
    assert width == max(e.width for e in examples)
    place = 0
    for segment in batch.segments:
        mine = slice(segment.first_position, segment.last_position)
        owners, targets = batch.row[mine], batch.targets[mine]
        index = batch.state_index[mine]
        for number, encoded in enumerate(segment.rows):
            line = batch.tokens[place]
            assert line[: encoded.length].tolist() == encoded.tokens.tolist()
            assert (line[encoded.length :] == 299).all()
            at = np.flatnonzero(encoded.trained)
            assert targets[owners == number].tolist() == encoded.tokens[at].tolist()
            assert index[owners == number].tolist() == (place * width + at - 1).tolist()
            place += 1
    assert place == batch.tokens.shape[0]
    assert sum(len(e.rows) for e in examples) == place


def test_rows_of_one_example_stay_together():
    pair = Placed("a", (row(30, 2, 0), row(5, 2, 1)))
    groups = lay_out([*placed("a", (5, 1), (6, 1)), pair], {"a": 0}, 64, shares=1)
    assert sum(any(e is pair for e in members) for members in groups) == 1


@pytest.mark.parametrize("shares", [2, 3, 4])
def test_every_process_gets_work(shares):
    examples = placed("a", *[(10, 2)] * 8)
    assert len(lay_out(examples, {"a": 0}, 4096, 1)) == 1
    groups = lay_out(examples, {"a": 0}, 4096, shares)
    taken = share_out(groups, shares)
    assert sorted(i for indices in taken for i in indices) == list(range(len(groups)))
    assert all(taken)
    loads = [sum(len(groups[i]) for i in indices) for indices in taken]
    assert max(loads) - min(loads) <= 2


def test_more_processes_than_examples():
    groups = lay_out(placed("a", (9, 2)), {"a": 0}, 4096, 3)
    assert sorted(share_out(groups, 3), key=len) == [[], [], [0]]
