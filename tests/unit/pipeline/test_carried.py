"""What an earlier run kept serves a later one exactly where it stands for the same thing."""

import pytest

from madrigal.pipeline.carried import Carried
from madrigal.pipeline.former import KeptStage
from madrigal.pipeline.past import buffer_file, ewc_file
from madrigal.recipe.retain import Ewc, Replay
from madrigal.recipe.schema import Recipe

PER_STAGE, ONLINE, REPLAY = Ewc(), Ewc(form="online"), Replay()


def carried(tmp_path, *stages, tasks=("a", "b", "c")):
    """Stages by the tasks that they taught, what they kept, and what began an adapter since."""
    places = []
    for number, (taught, files, begun) in enumerate(stages):
        place = tmp_path / str(number)
        place.mkdir()
        for file in files:
            (place / file).touch()
        places.append(KeptStage(place, tuple(taught), begun))
    return Carried(tasks, tuple(places), merges=False)


def test_stages_that_kept_no_pull_are_left(tmp_path):
    files = [ewc_file(PER_STAGE)]
    found = carried(tmp_path, ("a", files, None), ("b", [], None), ("c", files, None))
    paths, left = found.pulls((PER_STAGE, None))
    assert [path.parent.name for path in paths] == ["0", "2"]
    assert left == ("b",)


def test_a_running_pull_stands_for_all_before_it(tmp_path):
    files = [ewc_file(ONLINE)]
    found = carried(tmp_path, ("a", files, None), ("b", files, None), ("c", [], None))
    paths, left = found.pulls((ONLINE, None))
    assert [path.parent.name for path in paths] == ["1"]
    assert left == ("c",)


def test_a_pull_on_an_adapter_that_was_frozen_since_is_not_taken(tmp_path):
    """Only one on the adapter that the run ended with."""
    old, on = ewc_file(PER_STAGE), ewc_file(PER_STAGE, "two")
    found = carried(tmp_path, ("a", [old], "two"), ("b", [old], None), ("c", [], None))
    assert found.pulls((PER_STAGE, None))[1] == ("a", "c")
    (tmp_path / "0" / on).touch()
    paths, left = found.pulls((PER_STAGE, None))
    assert [path.name for path in paths] == [on, old]
    assert left == ("c",)


def test_no_pull_is_on_an_adapter_that_is_still_to_come(tmp_path):
    found = carried(tmp_path, ("abc", [ewc_file(PER_STAGE, "later")], None))
    assert found.pulls((PER_STAGE, "later")) == ([], ("a", "b", "c"))


def test_examples_are_those_of_the_stage_that_taught_last(tmp_path):
    files = [buffer_file(REPLAY)]
    found = carried(tmp_path, ("ab", files, None), ("bc", [], None), ("x", files, None))
    assert set(found.buffers(REPLAY)) == {"a"}
    assert set(found.buffers(Replay(keep=3))) == set()


@pytest.mark.parametrize(
    ("retain", "expected"),
    [
        (["replay"], {"b": "replay", "c": "replay"}),
        (["ewc"], {"b": "ewc", "c": "ewc"}),
        (["distill", "interpolate"], {}),
        ([{"kind": "replay", "select": "generated"}], {}),
        (["o_lora", "ewc"], {"a": "ewc", "b": "ewc", "c": "ewc"}),
    ],
)
def test_whose_training_examples_are_needed(tmp_path, retain, expected):
    files = [ewc_file(PER_STAGE), buffer_file(REPLAY)]
    found = carried(tmp_path, ("a", files, None), ("bc", [], None))
    stage = {"name": "new", "learn": ["d"], "steps": 1, "retain": retain}
    recipe = Recipe.model_validate(
        {"name": "x", "tasks": {"d": {"data": "d.jsonl"}}, "stages": [stage]}
    )
    assert found.wanting(recipe) == expected
