"""Checkpoints are whole or absent, whatever fails in between."""

import errno
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from madrigal.errors import RunStopped
from madrigal.training import checkpoint as module
from madrigal.training.checkpoint import (
    Checkpoint,
    checkpoint_steps,
    load_checkpoint,
    newest_checkpoint,
    optimiser_tensors,
    prune,
    restore,
    save_checkpoint,
    snapshot,
)
from madrigal.training.files import disk_full_stops, write_whole
from madrigal.training.optimiser import build_optimiser
from tiny import LORA, model, stage

FILES = ("weights.safetensors", "optimiser.safetensors", "state.json", "sha256.json")


def made(step):
    value = torch.full((3, 2), float(step))
    return Checkpoint(step, {"w": value}, {"exp_avg/w": value + 0.5}, {"progress": {"step": step}})


def assert_is(found, step):
    assert found is not None
    assert found.step == step
    assert found.state == made(step).state
    assert torch.equal(found.weights["w"], made(step).weights["w"])
    assert torch.equal(found.moments["exp_avg/w"], made(step).moments["exp_avg/w"])


def test_comes_back_as_it_was(tmp_path):
    place = save_checkpoint(tmp_path, made(7))
    assert place == tmp_path / "step-000007"
    assert {path.name for path in place.iterdir()} == set(FILES)
    assert_is(load_checkpoint(tmp_path, 7), 7)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000007"]


class Died(BaseException):
    """The process is gone: nothing that stands in an `except Exception` runs."""


OPERATIONS = (
    (module, "save_file"),
    (module, "flush"),
    (module, "_digest"),
    (Path, "mkdir"),
    (Path, "write_text"),
    (Path, "rename"),
    (shutil, "rmtree"),
)


def count_operations(monkeypatch, die_at, cleanup):
    """Count file operations; at number `die_at` die, before or after doing the work.

    With `cleanup` off even `except` and `finally` do nothing more, as after SIGKILL.
    """
    state = {"done": 0, "dead": False}

    def wrapped(real):
        def operate(*args, **keys):
            if state["dead"] and not cleanup:
                return None
            state["done"] += 1
            if not state["dead"] and state["done"] == die_at:
                state["dead"] = True
                raise Died
            return real(*args, **keys)

        return operate

    for owner, name in OPERATIONS:
        monkeypatch.setattr(owner, name, wrapped(getattr(owner, name)))
    return state


def test_dying_before_any_file_operation_leaves_the_old_or_the_new(tmp_path, monkeypatch):
    """Save step 2 beside step 1, and step 2 over a damaged step 2."""
    monkeypatch.setattr(os, "fsync", lambda _: None)  # the disk's time, a hundred times over
    with pytest.MonkeyPatch.context() as patch:
        total = count_operations(patch, die_at=0, cleanup=True)
        save_checkpoint(tmp_path / "count", made(1))
    operations = total["done"]
    assert operations >= 12
    for cleanup in (True, False):
        for overwrite in (False, True):
            for die_at in range(1, operations + 2):
                folder = tmp_path / f"{cleanup}-{overwrite}-{die_at}"
                save_checkpoint(folder, made(1))
                if overwrite:
                    save_checkpoint(folder, made(2))
                    (folder / "step-000002" / "state.json").write_text("{", encoding="utf-8")
                with pytest.MonkeyPatch.context() as patch:
                    state = count_operations(patch, die_at, cleanup)
                    try:
                        save_checkpoint(folder, made(2))
                        survived = True
                    except Died:
                        survived = False
                assert survived == (not state["dead"])
                found = newest_checkpoint(folder)
                assert_is(found, found.step)
                assert found.step in ((2,) if survived else (1, 2))
                save_checkpoint(folder, made(3))  # and what is left over is in nobody's way
                prune(folder, 2, set())
                assert_is(newest_checkpoint(folder), 3)
                assert not list(folder.glob(".aside-*"))


def test_torn_in_the_middle_of_a_file_is_never_accepted(tmp_path):
    """Every prefix of every file that a killed writer may leave, in the final folder."""
    save_checkpoint(tmp_path, made(1))
    save_checkpoint(tmp_path, made(2))
    place = tmp_path / "step-000002"
    for name in FILES:
        whole = (place / name).read_bytes()
        for size in range(0, len(whole), max(1, len(whole) // 23)):
            (place / name).write_bytes(whole[:size])
            assert load_checkpoint(tmp_path, 2) is None, (name, size)
            assert_is(newest_checkpoint(tmp_path), 1)
        (place / name).unlink()
        assert_is(newest_checkpoint(tmp_path), 1)
        (place / name).write_bytes(whole)
    assert_is(newest_checkpoint(tmp_path), 2)


def test_a_single_flipped_bit_is_seen(tmp_path):
    save_checkpoint(tmp_path, made(1))
    save_checkpoint(tmp_path, made(2))
    place = tmp_path / "step-000002"
    for name in FILES:
        whole = (place / name).read_bytes()
        for at in range(0, len(whole), 7):
            flipped = bytearray(whole)
            flipped[at] ^= 0b100
            (place / name).write_bytes(bytes(flipped))
            found = load_checkpoint(tmp_path, 2)
            if found is not None:  # white space or the name of a hash may not matter
                assert_is(found, 2)
        (place / name).write_bytes(whole)


def test_other_things_in_the_folder_are_passed_over(tmp_path):
    save_checkpoint(tmp_path, made(1))
    (tmp_path / "step-000002").mkdir()
    (tmp_path / "step-000009-copy").mkdir()
    (tmp_path / "step-x").write_text("?", encoding="utf-8")
    assert checkpoint_steps(tmp_path) == [1, 2]
    assert_is(newest_checkpoint(tmp_path), 1)
    assert newest_checkpoint(tmp_path / "nowhere") is None


def test_prune_keeps_the_last_two_and_what_is_named(tmp_path):
    for step in (0, 10, 20, 30, 40):
        save_checkpoint(tmp_path, made(step))
    (tmp_path / ".aside-000050").mkdir()
    prune(tmp_path, 2, {10})
    assert checkpoint_steps(tmp_path) == [10, 30, 40]
    assert not (tmp_path / ".aside-000050").exists()
    prune(tmp_path, 2, {999})
    assert checkpoint_steps(tmp_path) == [30, 40]


@pytest.mark.parametrize("adapter", [None, LORA], ids=["full", "lora"])
@pytest.mark.parametrize("tied", [False, True])
def test_a_trained_model_goes_on_as_if_nothing_had_been(tmp_path, adapter, tied):
    def train(held, optimiser, steps):
        for step in steps:
            for _, p in held.trainable():
                p.grad = torch.randn(p.shape, generator=torch.Generator().manual_seed(step))
            optimiser.step()

    straight = model("llama", adapter, tie_word_embeddings=tied)
    first = build_optimiser(stage().optimiser, straight)
    train(straight, first, range(3))
    save_checkpoint(tmp_path, snapshot(straight, first, 3, {}))
    train(straight, first, range(3, 6))

    resumed = model("llama", adapter, seed=5, tie_word_embeddings=tied)
    if adapter is not None:  # only what is trained is kept; the base is the base
        base = model("llama", adapter, tie_word_embeddings=tied)
        resumed.network.load_state_dict(base.network.state_dict())
    second = build_optimiser(stage().optimiser, resumed)
    restore(resumed, second, load_checkpoint(tmp_path, 3))
    train(resumed, second, range(3, 6))
    for (name, one), (_, two) in zip(straight.trainable(), resumed.trainable(), strict=True):
        assert torch.equal(one, two), name
    ours, theirs = optimiser_tensors(straight, first), optimiser_tensors(resumed, second)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_stops_with_its_reason_and_keeps_the_last(tmp_path, monkeypatch, number):
    save_checkpoint(tmp_path, made(1))

    def full(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module, "flush", full)
    with pytest.raises(RunStopped) as stopped:
        save_checkpoint(tmp_path, made(2))
    assert str(stopped.value) == (
        "disk full while writing checkpoint 2; the last checkpoint is intact: "
        "make room and go on with --resume"
    )
    monkeypatch.undo()
    assert_is(newest_checkpoint(tmp_path), 1)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000001"]


def test_what_safetensors_says_of_a_full_disk_is_understood():
    said = "Error while serializing: I/O error: No space left on device (os error 28)"
    with pytest.raises(RunStopped, match="disk full"), disk_full_stops("weights"):
        raise SafetensorError(said)


def test_any_other_failure_stays_what_it_is():
    with pytest.raises(PermissionError), disk_full_stops("x"):
        raise PermissionError(errno.EACCES, "no")


def test_text_is_written_whole(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_whole(path, "old")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(Died()))
    with pytest.raises(Died):
        write_whole(path, "new")
    monkeypatch.undo()
    assert path.read_text(encoding="utf-8") == "old"
    write_whole(path, "new")
    assert path.read_text(encoding="utf-8") == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
