"""Groups made equally large: how many rows go or are copied, and which."""

from collections import Counter

import pytest

from madrigal.curation.balance import MOST_COPIES, Balance, Member, planned


def members(counts: dict[str, int], file: str = "a.jsonl") -> list[Member]:
    said = [(group, k) for group, count in counts.items() for k in range(count)]
    return [Member(("t", file, row), group, group, f"{group} {k}".encode())
            for row, (group, k) in enumerate(said)]  # fmt: skip


def sizes(some, plan) -> Counter:
    return Counter({
        group: sum(
            0 if one.row in plan.dropped else 1 + plan.copies.get(one.row, (0, ""))[0]
            for one in some if one.group == group
        )
        for group in {one.group for one in some}
    })  # fmt: skip


@pytest.mark.parametrize("counts", [{"x": 10, "y": 7}, {"x": 9, "y": 3, "z": 4}, {"x": 23, "y": 2}])
def test_groups_grow_to_the_largest_and_no_row_is_copied_two_times_more_than_another(counts):
    some = members(counts)
    plan = planned("t", some, Balance("up"))
    if counts == {"x": 23, "y": 2}:  # eleven times: ten copies of each, and one is told
        assert sizes(some, plan) == {"x": 23, "y": 22}
        (note,) = plan.notes
        assert note == "t: 'y' grows to 22 of 23: a row is copied 10 times at most"
        return
    assert set(sizes(some, plan).values()) == {max(counts.values())}
    assert plan.notes == []
    for group, count in counts.items():
        times = [plan.copies.get(one.row, (0, ""))[0] for one in some if one.group == group]
        assert max(times) - min(times) <= 1
        assert sum(times) == max(counts.values()) - count


def test_ten_copies_of_each_are_the_most():
    some = members({"x": 2 * (MOST_COPIES + 1), "y": 2})
    assert set(sizes(some, planned("t", some, Balance("up"))).values()) == {22}
    some = members({"x": 100, "y": 1})
    plan = planned("t", some, Balance("up"))
    assert sizes(some, plan) == {"x": 100, "y": 11}
    assert len(plan.notes) == 1


def test_groups_shrink_to_the_smallest_and_strata_to_their_rarest_label():
    some = members({"x": 9, "y": 4})
    assert sizes(some, planned("t", some, Balance("down"))) == {"x": 4, "y": 4}
    strata = [
        Member(("t", "a", 10 * g + k), "gh"[g], label, f"{g}{k}".encode())
        for g, labels in enumerate(("xxxyy", "xyyy")) for k, label in enumerate(labels)
    ]  # fmt: skip
    plan = planned("t", strata, Balance("stratified", "group"))
    left = Counter((one.group, one.label) for one in strata if one.row not in plan.dropped)
    assert left == {("g", "x"): 2, ("g", "y"): 2, ("h", "x"): 1, ("h", "y"): 1}


@pytest.mark.parametrize("how", ["down", "up"])
def test_which_rows_follows_from_what_they_say_and_not_from_where_they_stand(how):
    some = members({"x": 12, "y": 5})
    moved = [Member(("t", "b.jsonl", 99 - one.row[2]), one.group, one.label, one.content)
             for one in reversed(some)]  # fmt: skip
    chosen = []
    for each in (some, moved):
        plan = planned("t", each, Balance(how))
        rows = {*plan.dropped, *(row for row, (times, _) in plan.copies.items() if times == 2)}
        chosen.append({one.content for one in each if one.row in rows})
    assert chosen[0] == chosen[1] != set()
    first = {one.content for one in some[: len(chosen[0])]}
    assert chosen[0] != first
