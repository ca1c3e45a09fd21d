"""Halves of a step hold the same mixture."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from madrigal.training.halves import halves, unevenly_cut


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz")), max_size=40),
    st.integers(0, 9),
)
def test_every_task_and_every_stratum_is_cut_evenly(drawn, step):
    tasks, strata = [t for t, _ in drawn], [s for _, s in drawn]
    found = halves(tasks, strata, 0, "stage", step)
    by_task, by_stratum = (
        Counter(zip(tasks, found, strict=True)),
        Counter(zip(drawn, found, strict=True)),
    )
    assert all(abs(by_task[t, 0] - by_task[t, 1]) <= 1 for t in tasks)
    assert all(abs(by_stratum[d, 0] - by_stratum[d, 1]) <= 1 for d in drawn)


def test_labels_that_take_turns_are_not_one_a_half():
    found = halves(["a"] * 8, ["good", "bad"] * 4, 0, "stage", 0)
    assert {("good", half) for half in found[::2]} == {("good", 0), ("good", 1)}


def test_a_task_that_is_drawn_evenly_over_nothing_is_cut_in_turns():
    assert halves(["a"] * 4, None, 0, "stage", 0) in ([0, 1, 0, 1], [1, 0, 1, 0])


def test_which_half_comes_first_is_chance_and_the_same_each_time():
    firsts = [halves(["a"], None, 0, "stage", step)[0] for step in range(64)]
    assert firsts == [halves(["a"], None, 0, "stage", step)[0] for step in range(64)]
    assert 16 < sum(firsts) < 48


def test_halves_of_different_strata_are_no_estimate():
    tasks, strata = list("aaaabbbb"), list("xxyyxxxy")
    assert unevenly_cut(tasks, strata) == {"b"}
    assert unevenly_cut(list("aaa"), list("xxx")) == frozenset(), "one stratum is no stratum"
    assert unevenly_cut(tasks, None) == frozenset()
