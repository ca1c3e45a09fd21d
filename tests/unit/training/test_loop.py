"""A stage: what is learnt, what goes wrong, and that a resumed one goes the same way."""

import dataclasses
import json
import os
import signal
from pathlib import Path

import pytest
import torch

from madrigal.errors import RunStopped
from madrigal.objectives import Likelihood
from madrigal.pipeline.journal import Journal, forget_after
from madrigal.recipe.stage import EarlyStop, Optimiser
from madrigal.training import checkpoint as checkpoint_module
from madrigal.training.checkpoint import checkpoint_steps, load_checkpoint, newest_checkpoint
from madrigal.training.loop import train
from madrigal.training.record import Event, StepRecord, Validation
from tiny import LORA, Schedule, examples, model, stage, stage_run, weights

QUICK = {"optimiser": Optimiser(learning_rate=0.01, warmup=0.2), "checkpoint_every": 3}


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)


class Died(BaseException):
    """As SIGKILL: nothing catches it."""


@dataclasses.dataclass
class Watch:
    """Everything observed; dies after `die_after` step records."""

    die_after: int = -1
    seen: list = dataclasses.field(default_factory=list)
    step: int = 0

    def __call__(self, what):
        self.seen.append(what)
        self.step = what.step
        if isinstance(what, StepRecord) and what.step == self.die_after:
            raise Died

    def of(self, kind):
        return [what for what in self.seen if isinstance(what, kind)]


def lines(folder):
    """Journal lines by file, without times."""
    found = {}
    for path in sorted(folder.glob("*.jsonl")):
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        found[path.name] = [{k: v for k, v in row.items() if k != "seconds"} for row in rows]
    return found


def go(folder, watch=None, held=None, script=None, **keys):
    """Train a stage as the pipeline does, resuming from what the folder holds."""
    watch = watch or Watch()
    held = held or model("gpt2", resid_pdrop=0.1)
    folder.mkdir(exist_ok=True)
    found = newest_checkpoint(folder / "checkpoints")
    forget_after(folder, found.step if found else 0)
    validate = None if script is None else (lambda: script[watch.step])
    settings = keys.pop("settings", stage(**QUICK))
    every = keys.pop("validate_every", 2 if script else 0)
    run = stage_run(folder, held, settings, validate, every, **keys)
    journal = Journal(folder)

    def observe(what):
        journal(what)
        watch(what)

    progress = train(run, observe)
    return progress, weights(held), watch


def assert_equal(one, two):
    assert one.keys() == two.keys()
    for name in one:
        assert torch.equal(one[name], two[name]), name


def test_learns(tmp_path):
    progress, after, watch = go(
        tmp_path, settings=stage(steps=30, optimiser=Optimiser(learning_rate=0.01))
    )
    records = watch.of(StepRecord)
    assert [record.step for record in records] == list(range(1, 31))
    first, last = (sum(r.loss.values()) for r in (records[0], records[-1]))
    assert last < 0.7 * first
    assert progress.step == 30
    assert not model("gpt2").network.training
    assert any(not torch.equal(after[name], p) for name, p in weights(model("gpt2")).items())


def test_learning_rate_and_norm_of_each_step_are_told(tmp_path):
    _, _, watch = go(
        tmp_path,
        settings=stage(
            steps=4, optimiser=Optimiser(learning_rate=0.4, warmup=0.5, schedule="constant")
        ),
    )
    assert [r.learning_rate for r in watch.of(StepRecord)] == [0.2, 0.4, 0.4, 0.4]
    assert all(r.grad_norm > 0 for r in watch.of(StepRecord))


@pytest.mark.parametrize(("clip", "clipped"), [(0.0, False), (1e9, False), (0.05, True)])
def test_clipping(tmp_path, monkeypatch, clip, clipped):
    """The optimiser sees the gradient scaled to the largest norm, and the record the true norm."""
    norms = []
    step = torch.optim.AdamW.step

    def spy(self, *args, **keys):
        held = [p.grad.norm() for group in self.param_groups for p in group["params"]]
        norms.append(float(torch.stack(held).norm()))
        return step(self, *args, **keys)

    monkeypatch.setattr(torch.optim.AdamW, "step", spy)
    _, _, watch = go(tmp_path, settings=stage(steps=2, optimiser=Optimiser(clip=clip)))
    told = [record.grad_norm for record in watch.of(StepRecord)]
    assert all(norm > 0.05 for norm in told)
    assert norms == pytest.approx([clip] * 2 if clipped else told, rel=1e-4)


def test_frozen_weights_stay(tmp_path):
    held = model("llama", LORA)
    frozen = {n: p.clone() for n, p in held.network.named_parameters() if not p.requires_grad}
    go(tmp_path, held=held)
    assert frozen
    assert all(torch.equal(p, dict(held.network.named_parameters())[n]) for n, p in frozen.items())


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """Weights and journal of a stage that nothing interrupts."""
    folder = tmp_path_factory.mktemp("straight")
    _, after, _ = go(folder)
    return after, lines(folder)


def test_the_journal_is_on_the_disk_before_the_checkpoint_is(tmp_path, monkeypatch):
    """Or a power cut could keep a checkpoint and lose the lines of its steps."""
    if not Path("/proc/self/fd").exists():
        pytest.skip("only Linux tells the name of an open file")
    done = []
    rename = Path.rename
    monkeypatch.setattr(
        os, "fsync", lambda handle: done.append(Path(os.readlink(f"/proc/self/fd/{handle}")).name)
    )
    monkeypatch.setattr(
        Path, "rename", lambda path, to: (done.append(to.name), rename(path, to))[1]
    )
    go(tmp_path, settings=stage(steps=3, checkpoint_every=3))
    assert done.index("steps.jsonl") < done.index("step-000003")
    assert done.index("weights.safetensors") < done.index("step-000003")


class TestResumed:
    """Wherever a stage dies, what it then becomes is what it would have become."""

    @pytest.mark.parametrize("die_after", range(1, 9))
    def test_after_any_step(self, tmp_path, straight, die_after):
        with pytest.raises(Died):
            go(tmp_path, Watch(die_after))
        _, after, _ = go(tmp_path)
        assert_equal(after, straight[0])
        assert lines(tmp_path) == straight[1]

    def test_twice_and_again(self, tmp_path, straight):
        for die_after in (2, 5, 4, 8, 7):
            with pytest.raises(Died):
                go(tmp_path, Watch(die_after))
        _, after, _ = go(tmp_path)
        assert_equal(after, straight[0])
        assert lines(tmp_path) == straight[1]

    @pytest.mark.parametrize("save", [1, 2, 3, 4])
    def test_inside_a_checkpoint_at_any_file_operation(self, tmp_path, straight, save):
        for operation in range(1, 14):
            folder = tmp_path / str(operation)
            with pytest.MonkeyPatch.context() as patch:
                dead = die_inside(patch, save, operation)
                try:
                    go(folder)
                except Died:
                    assert dead
                else:
                    assert not dead
            _, after, _ = go(folder)
            assert_equal(after, straight[0])
            assert lines(folder) == straight[1]

    def test_with_a_damaged_newest_checkpoint(self, tmp_path, straight):
        with pytest.raises(Died):
            go(tmp_path, Watch(8))
        assert checkpoint_steps(tmp_path / "checkpoints") == [3, 6]
        (tmp_path / "checkpoints" / "step-000006" / "optimiser.safetensors").write_bytes(b"no")
        _, after, watch = go(tmp_path)
        assert watch.of(StepRecord)[0].step == 4
        assert_equal(after, straight[0])
        assert lines(tmp_path) == straight[1]

    def test_a_torn_line_of_the_journal(self, tmp_path, straight):
        with pytest.raises(Died):
            go(tmp_path, Watch(5))
        with (tmp_path / "steps.jsonl").open("a", encoding="utf-8") as handle:
            handle.write('{"step": 6, "lo')
        _, after, _ = go(tmp_path)
        assert_equal(after, straight[0])
        assert lines(tmp_path) == straight[1]

    @pytest.mark.parametrize("at", [2, 3, 5, 8])
    def test_after_control_c(self, tmp_path, straight, at):
        """Finish the step, write a checkpoint, say so by KeyboardInterrupt; also at the last."""

        class Press(Watch):
            def __call__(self, what):
                super().__call__(what)
                if isinstance(what, StepRecord) and what.step == at:
                    os.kill(os.getpid(), signal.SIGINT)

        before = signal.getsignal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            go(tmp_path, Press())
        assert signal.getsignal(signal.SIGINT) is before
        assert newest_checkpoint(tmp_path / "checkpoints").step == at
        _, after, watch = go(tmp_path)
        assert [r.step for r in watch.of(StepRecord)] == list(range(at + 1, 9))
        assert_equal(after, straight[0])
        assert lines(tmp_path) == straight[1]


def die_inside(patch, save, operation):
    """Die at the given file operation of the given checkpoint, and do nothing more to files."""
    state = {"saves": 0, "operations": 0}
    dead = []

    def counted(real):
        def operate(*args, **keys):
            if dead:
                return None
            if state["saves"] == save:
                state["operations"] += 1
                if state["operations"] == operation:
                    dead.append(True)
                    raise Died
            return real(*args, **keys)

        return operate

    real_save = checkpoint_module.save_checkpoint

    def counting_save(*args):
        state["saves"] += 1
        try:
            return real_save(*args)
        finally:
            if not dead:
                state["operations"] = -1000

    from madrigal.training import loop

    patch.setattr(loop, "save_checkpoint", counting_save)
    for owner, name in (
        (checkpoint_module, "save_file"),
        (checkpoint_module, "flush"),
        (checkpoint_module, "_digest"),
        (Path, "write_text"),
        (Path, "rename"),
        (checkpoint_module.shutil, "rmtree"),
    ):
        patch.setattr(owner, name, counted(getattr(owner, name)))
    return dead


@dataclasses.dataclass(frozen=True)
class Planted:
    """A likelihood that is not finite for the given rows; a pure function, as any objective."""

    bad: frozenset
    where: str = "loss"
    inner: Likelihood = dataclasses.field(default_factory=Likelihood)
    needs = frozenset({"logps"})

    def encode_rows(self, example):
        return example

    def count(self, rows):
        return self.inner.count(rows)

    def loss(self, rows, outputs):
        loss = self.inner.loss(rows, outputs)
        if not any(row.tokens.tobytes() in self.bad for row in rows):
            return loss
        if self.where == "loss":
            return loss * float("nan")
        # The value is finite; the slope of the root at 0 is not.
        return loss + (outputs.logps - outputs.logps.detach()).abs().sqrt().sum()


def go_bad(folder, bad_steps, where="loss", watch=None, steps=16, every=4):
    """A stage whose task b is not finite at the given steps (from 1)."""
    pool = examples(2 * steps, 2)
    bad = frozenset(
        row.tokens.tobytes()
        for step in bad_steps
        for example in pool[2 * (step - 1) : 2 * step]
        for row in example
    )
    watch = watch or Watch()
    held = model("llama")
    found = newest_checkpoint(folder / "checkpoints")
    folder.mkdir(exist_ok=True)
    forget_after(folder, found.step if found else 0)
    objectives = {"a": Likelihood(), "b": Planted(bad, where)}
    settings = stage(steps=steps, checkpoint_every=every)
    run = dataclasses.replace(
        stage_run(folder, held, settings, objectives=objectives),
        source=Schedule(steps, size=2 * steps),
        examples={"a": examples(2 * steps, 1), "b": pool},
    )
    journal = Journal(folder)

    def observe(what):
        journal(what)
        watch(what)

    progress = train(run, observe)
    return progress, weights(held), watch


class TestNotFinite:
    def test_the_clean_twin_skips_nothing(self, tmp_path):
        progress, _, watch = go_bad(tmp_path, ())
        assert not watch.of(Event)
        assert not any(record.skipped for record in watch.of(StepRecord))
        assert (progress.bad_steps, progress.rollbacks) == (0, 0)

    @pytest.mark.parametrize("where", ["loss", "gradient"])
    def test_a_bad_step_changes_no_weight_and_no_moment(self, tmp_path, where):
        progress, after, watch = go_bad(tmp_path, (6,), where, steps=6, every=5)
        five = load_checkpoint(tmp_path / "checkpoints", 5)
        six = load_checkpoint(tmp_path / "checkpoints", 6)
        assert_equal(after, five.weights)
        assert_equal(six.moments, five.moments)
        assert [r.skipped for r in watch.of(StepRecord)] == [""] * 5 + [
            "non-finite loss or gradient"
        ]
        (event,) = watch.of(Event)
        bad = "b" if where == "loss" else "gradient"
        assert (event.step, event.kind) == (6, "skipped")
        assert event.text == f"Step 6 skipped: non-finite {bad}."
        assert progress.bad_steps == 1

    def test_the_journal_holds_null_and_the_reason(self, tmp_path):
        go_bad(tmp_path, (2,), steps=3)
        row = lines(tmp_path)["steps.jsonl"][1]
        assert row["loss"]["b"] is None
        assert row["loss"]["a"] > 0
        assert row["grad_norm"] is None
        assert row["skipped"] == "non-finite loss or gradient"

    def test_three_in_a_row_go_back_to_the_last_regular_checkpoint(self, tmp_path):
        watch = Watch()
        progress, _, watch = go_bad(tmp_path, (6, 7, 8), watch=watch, steps=8, every=4)
        four = load_checkpoint(tmp_path / "checkpoints", 4)
        eight = load_checkpoint(tmp_path / "checkpoints", 8)
        assert_equal(eight.weights, four.weights)
        assert_equal(eight.moments, four.moments)
        assert progress.rollbacks == 1
        assert [event.kind for event in watch.of(Event)] == ["skipped"] * 3 + ["rolled_back"]
        assert watch.of(Event)[-1].text == (
            "Weights and optimiser taken back to step 4 after non-finite steps."
        )

    def test_two_in_a_row_do_not(self, tmp_path):
        progress, _, _ = go_bad(tmp_path, (2, 3, 5, 6), steps=8)
        assert progress.rollbacks == 0

    def test_before_the_first_checkpoint_it_goes_back_to_the_start(self, tmp_path):
        _, after, watch = go_bad(tmp_path, (1, 2, 3), steps=3, every=100)
        assert watch.of(Event)[-1].kind == "rolled_back"
        assert_equal(after, weights(model("llama")))

    def test_gives_up_with_a_sentence_and_the_last_good_checkpoint(self, tmp_path):
        with pytest.raises(RunStopped) as stopped:
            go_bad(tmp_path, range(6, 17))
        assert stopped.value.exit_code == 3
        assert str(stopped.value) == (
            "stage together: 3 non-finite steps in a row at step 14 (b); the last good checkpoint "
            "is kept: lower optimiser.learning_rate, or look at these tasks' data"
        )
        kept = newest_checkpoint(tmp_path / "checkpoints")
        assert all(torch.isfinite(value).all() for value in kept.weights.values())

    def test_resumed_goes_the_same_way(self, tmp_path):
        bad = (2, 6, 7, 8, 11)
        _, straight, _ = go_bad(tmp_path / "straight", bad, steps=12)
        for die_after in (5, 6, 7, 8, 9, 11):
            folder = tmp_path / str(die_after)
            with pytest.raises(Died):
                go_bad(folder, bad, watch=Watch(die_after), steps=12)
            _, resumed, _ = go_bad(folder, bad, steps=12)
            assert_equal(straight, resumed)
            assert lines(tmp_path / "straight") == lines(folder)

    def test_an_interruption_does_not_change_where_weights_are_taken_back_to(self, tmp_path):
        """Ctrl+C leaves a checkpoint at step 5; the roll-back still goes to step 4."""

        class Press(Watch):
            def __call__(self, what):
                super().__call__(what)
                if isinstance(what, StepRecord) and what.step == 5:
                    os.kill(os.getpid(), signal.SIGINT)

        bad = (6, 7, 8)
        _, straight, _ = go_bad(tmp_path / "straight", bad, steps=10)
        with pytest.raises(KeyboardInterrupt):
            go_bad(tmp_path / "resumed", bad, watch=Press(), steps=10)
        assert newest_checkpoint(tmp_path / "resumed" / "checkpoints").step == 5
        _, resumed, _ = go_bad(tmp_path / "resumed", bad, steps=10)
        assert_equal(straight, resumed)
        assert lines(tmp_path / "straight") == lines(tmp_path / "resumed")


# Mean validation scores after steps 2, 4, ...: the best is at step 4.
SCRIPT = {
    step: {"a": a, "b": b}
    for step, a, b in [
        (2, 0.3, 0.4), (4, 0.6, 0.5), (6, 0.6, 0.4), (8, 0.5, 0.5), (10, 0.4, 0.55), (12, 0.3, 0.6),
    ]
}  # fmt: skip


class TestEarlyStop:
    def settings(self, **rule):
        return stage(steps=12, checkpoint_every=5, early_stop=EarlyStop(**rule))

    def test_stops_and_ends_with_the_best(self, tmp_path):
        settings = self.settings(patience=2)
        progress, after, watch = go(tmp_path, script=SCRIPT, settings=settings)
        assert progress.step == 8
        assert progress.best_step == 4
        assert progress.ends_with_best
        assert [v.best for v in watch.of(Validation)] == [True, True, False, False]
        assert [(e.step, e.kind) for e in watch.of(Event)] == [(8, "early_stop")]
        assert_equal(after, load_checkpoint(tmp_path / "checkpoints", 4).weights)
        assert checkpoint_steps(tmp_path / "checkpoints") == [4, 5, 8]
        row = lines(tmp_path)["validation.jsonl"][1]
        assert row == {"step": 4, "scores": {"a": 0.6, "b": 0.5}, "mean": 0.55, "best": True}

    def test_without_the_rule_the_last_weights_stay(self, tmp_path):
        progress, after, _ = go(tmp_path, script=SCRIPT, settings=stage(steps=12))
        assert progress.step == 12
        assert not progress.ends_with_best
        assert_equal(after, load_checkpoint(tmp_path / "checkpoints", 12).weights)

    def test_a_stage_that_runs_to_its_end_still_ends_with_its_best(self, tmp_path):
        progress, after, _ = go(tmp_path, script=SCRIPT, settings=self.settings(patience=99))
        assert progress.step == 12
        assert progress.ends_with_best
        assert_equal(after, load_checkpoint(tmp_path / "checkpoints", 4).weights)

    def test_a_task_that_is_done_is_drawn_no_more(self, tmp_path):
        settings = self.settings(patience=2, per_task=True)
        script = {s: {"a": 0.5, "b": s / 20} for s in range(2, 14, 2)}
        progress, _, watch = go(tmp_path, script=script, settings=settings)
        assert progress.done == ["a"]
        rows = {r.step: set(r.rows) for r in watch.of(StepRecord)}
        assert all(rows[step] == {"a", "b"} for step in range(1, 7))
        assert all(rows[step] == {"b"} for step in range(7, 13))
        assert [(e.step, e.kind) for e in watch.of(Event)] == [(6, "task_done")]

    def test_a_task_that_is_done_keeps_its_maintenance_share(self, tmp_path):
        rule = EarlyStop(patience=2, per_task=True, maintenance=0.25)
        settings = stage(steps=100, early_stop=rule)
        script = {s: {"a": 0.5, "b": s / 1000} for s in range(10, 110, 10)}
        progress, _, watch = go(tmp_path, script=script, settings=settings, validate_every=10)
        assert progress.done == ["a"]
        kept = sum(r.rows.get("a", 0) for r in watch.of(StepRecord) if r.step > 30)
        expected, spread = 70 * 2 * 0.25, (70 * 2 * 0.25 * 0.75) ** 0.5
        assert abs(kept - expected) < 4 * spread
        (event,) = watch.of(Event)
        assert event.text == (
            "Task a stopped gaining and leaves the mixture but for 25% of its examples."
        )

    @pytest.mark.parametrize(
        "keys", [{}, {"per_task": True}, {"per_task": True, "maintenance": 0.3}]
    )
    def test_resumed_goes_the_same_way(self, tmp_path, keys):
        settings = self.settings(patience=2, **keys)
        _, straight, _ = go(tmp_path / "straight", script=SCRIPT, settings=settings)
        for die_after in (3, 4, 5, 6, 7, 8):
            folder = tmp_path / str(die_after)
            with pytest.raises(Died):
                go(folder, Watch(die_after), script=SCRIPT, settings=settings)
            progress, resumed, _ = go(folder, script=SCRIPT, settings=settings)
            assert_equal(straight, resumed)
            assert progress.ends_with_best
            assert lines(tmp_path / "straight") == lines(folder)

    def test_training_goes_on_in_training_mode_after_validation(self, tmp_path):
        """Dropout is on at every step, whatever the evaluation leaves behind."""
        held = model("gpt2", resid_pdrop=0.1)
        modes = []
        held.network.register_forward_pre_hook(lambda m, _: modes.append(m.training))
        held.causal.get_decoder().register_forward_pre_hook(lambda m, _: modes.append(m.training))

        class Eval(dict):
            def __getitem__(self, step):
                held.network.eval()
                return super().__getitem__(step)

        go(tmp_path, held=held, script=Eval(SCRIPT), settings=stage(steps=6))
        assert modes
        assert all(modes)
        assert not held.network.training
