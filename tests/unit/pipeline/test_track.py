"""Trackers mirror the journal, and nothing that they raise stops training."""

import warnings

import accelerate
import pytest

from madrigal.errors import DataError
from madrigal.pipeline.build import build
from madrigal.pipeline.mistakes import missing_trackers
from madrigal.pipeline.track import tracking
from madrigal.recipe.schema import Recipe
from madrigal.training.processes import Processes
from madrigal.training.record import Event, StepRecord, Validation
from tiny_run import keys, tiny


def recipe(*trackers):
    return Recipe.model_validate(keys() | {"track": trackers})


def record(step):
    return StepRecord(
        step, {"a": 1.0 / step, "b": 2.0}, {"a": 0.5, "b": 0.5}, {"a": 10, "b": 3},
        {"a": 1, "b": 1}, 0.5, 0.001, 0.1, 16, {"pull_to_start": 0.25},
    )  # fmt: skip


def told(folder, *seen, processes=None, **keys):
    with tracking(recipe("tensorboard"), folder, "train x", processes or Processes()) as observe:
        for one in seen:
            observe(one)


def test_tensorboard_holds_the_same_numbers(tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    told(
        tmp_path,
        record(1),
        Event(1, "skipped", "no number"),
        record(2),
        Validation(2, {"a": 0.75}, 0.75, True),
    )
    found = events.EventAccumulator(str(tmp_path / "tracking" / "tiny")).Reload()
    values = {
        tag: [(e.step, e.value) for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]
    }
    assert values["loss/a"] == [(1, 1.0), (2, 0.5)]
    assert values["loss/b"] == [(1, 2.0), (2, 2.0)]
    assert values["tokens/a"] == [(1, 10.0), (2, 10.0)]
    assert values["validation/a"] == [(2, 0.75)]
    assert {"weight/a", "grad_norm", "lr", "term/pull_to_start"} <= values.keys()


def test_only_the_first_process_tracks(tmp_path):
    told(tmp_path, record(1), processes=Processes(1, 2))
    assert list(tmp_path.iterdir()) == []


class Broken:
    """An accelerator whose trackers fail at one of three moments."""

    trackers = property(lambda self: [self])

    def __init__(self, at):
        self.at, self.logged = at, 0

    def __call__(self, **_):
        return self

    def init_trackers(self, *_):
        self._maybe("start")

    def log(self, *_, **__):
        self.logged += 1
        self._maybe("log")

    def finish(self):
        self._maybe("finish")

    def _maybe(self, moment):
        if self.at == moment:
            raise ConnectionError("the server is gone\nand more")


@pytest.mark.parametrize(("moment", "logged"), [("start", 0), ("log", 1), ("finish", 2)])
def test_a_tracker_that_raises_is_left_behind(tmp_path, monkeypatch, moment, logged):
    broken = Broken(moment)
    monkeypatch.setattr(accelerate, "Accelerator", broken)
    said = "^tracking stopped: the server is gone; steps.jsonl goes on$"
    with pytest.warns(UserWarning, match=said) as warned:
        told(tmp_path, record(1), record(2))
    assert len(warned) == 1
    assert broken.logged == logged


def test_trackers_are_closed_when_training_raises(tmp_path, monkeypatch):
    closed = []
    broken = Broken("never")
    broken.finish = lambda: closed.append(True)
    monkeypatch.setattr(accelerate, "Accelerator", broken)
    with (
        pytest.raises(KeyboardInterrupt),
        tracking(recipe("tensorboard"), tmp_path, "x", Processes()),
    ):
        raise KeyboardInterrupt
    assert closed == [True]


def test_without_trackers_nothing_is_imported_or_written(tmp_path, monkeypatch):
    monkeypatch.setattr(accelerate, "Accelerator", None)
    with warnings.catch_warnings(), tracking(recipe(), tmp_path, "x", Processes()) as observe:
        observe(record(1))
    assert list(tmp_path.iterdir()) == []


def test_a_tracker_that_is_not_installed_is_told_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr("madrigal.pipeline.mistakes.find_spec", lambda name: None)
    assert missing_trackers(recipe("wandb")) == [
        "track: 'wandb' is not installed; pip install 'madrigal[wandb]' or leave it out"
    ]
    monkeypatch.undo()
    monkeypatch.setattr("madrigal.pipeline.build.missing_trackers", lambda _: ["track: no"])
    with pytest.raises(DataError, match="track: no"):
        build(tiny(tmp_path))
