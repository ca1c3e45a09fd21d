"""Bundled tasks go the way of a user's files, with settings of their own."""

import pytest

from tasks_made import loaded


@pytest.mark.parametrize("name", ["sentiment", "clock"])
def test_loads(name, tmp_path):
    task = loaded({"bundled": name, "max_validation": None}, tmp_path)
    assert [task.counts[side] for side in ("train", "validation", "test")] == [2400, 240, 300]
    assert (task.counts["duplicates"], task.counts["dropped"]) == (0, 0)
    assert task.splits["test"][0].where == f"bundled {name} test 1"


def test_its_settings_hold_where_the_user_wrote_none(tmp_path):
    task = loaded({"bundled": "sentiment"}, tmp_path)
    assert task.labels == ("negative", "positive")
    assert task.splits["train"][0].prompt.startswith("Review: ")
    task = loaded({"bundled": "sentiment"}, tmp_path, prompt="Is this good? {text}")
    assert task.labels == ("negative", "positive")
    assert task.splits["train"][0].prompt.startswith("Is this good? ")
