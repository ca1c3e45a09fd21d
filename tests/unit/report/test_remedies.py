"""Each rule speaks where its evidence is, and is quiet where it is not."""

import re
from dataclasses import replace

import pytest
import yaml

from madrigal.evaluation.cosine import Cosine
from madrigal.evaluation.interference import Interference, Pair
from madrigal.evaluation.spell import Spell
from madrigal.evaluation.task_gradients import Affinity, Bounded, TaskGradient
from madrigal.recipe.model import LoraAdapter
from madrigal.recipe.shape import shapes
from madrigal.recipe.stage import StageSettings
from madrigal.report.evidence import Evidence
from madrigal.report.numbers import Interval
from madrigal.report.remedies import (
    RULES,
    conflict,
    forgetting,
    imbalance,
    noisy,
    overfitted,
    overpowered,
    remedies,
    unfinished,
)
from madrigal.report.scoreboard import Difference


def plain(text):
    """Numbers and units stand together by spaces that do not break."""
    return text.replace("\N{NO-BREAK SPACE}", " ")


def gradient(task, pull=0.5, examples=8.0, noise=10.0):
    return TaskGradient(task, 1.0, pull, examples, Bounded(noise, 0.8 * noise, 1.2 * noise))


def stage(*pairs, gradients=None, affinities=()):
    return Interference(
        tasks=("titles", "mood"),
        metric="raw",
        measured=60,
        first=1,
        last=240,
        groups=("block 0", "block 1", "block 2"),
        pairs=pairs,
        gradients=gradients or (gradient("titles"), gradient("mood")),
        affinities=affinities,
    )


COSINE = Cosine(-0.31, -0.4, -0.22, True, 60, 1, 240, p_conflict=0.0001)
FIGHT = Pair(
    "titles", "mood", COSINE, COSINE, "conflict", 0.0001, -0.1, 0.7, 0.9,
    spell=Spell(40, None), fighting_layers=("block 1", "block 2"),
)  # fmt: skip
PEACE = replace(FIGHT, state="unclear", p_holm=1.0, spell=None, fighting_layers=())
QUIET = Evidence(
    task="titles",
    metric="rouge_l",
    difference=Difference(Interval(-0.1, -0.15, -0.05), "worse", 0.05, 0.001, 0.002),
    lower_is_better=False,
    stage="01-together",
    own="01-together",
    later=None,
    own_score=Interval(0.5, 0.45, 0.55),
    final=Interval(0.5, 0.45, 0.55),
    single=Interval(0.6, 0.55, 0.65),
    found=stage(PEACE),
    others=("mood",),
    share=0.5,
    examples=2000,
    largest=("mood", 2400),
    # Level, with a little noise.
    validation=tuple((25 * n, 0.5 + (0.01, -0.01, 0.0)[n % 3]) for n in range(1, 10)),
)


def test_without_evidence_every_rule_is_quiet_and_that_is_said():
    assert [rule(QUIET) for rule in RULES] == [None] * len(RULES)
    (only,) = remedies(QUIET)
    assert only.name == "unexplained"
    assert only.because == "no conflict, imbalance, noise or trend was found that would explain it"
    (blind,) = remedies(replace(QUIET, found=None))
    assert blind.because.endswith("; its gradients were not measured")
    (hasty,) = remedies(replace(QUIET, found=replace(stage(PEACE), measured=4)))
    assert hasty.because.endswith(
        "; only 4 steps of gradients were measured: too few to tell whether tasks conflict"
    )


def test_conflict():
    taken = Affinity("mood", "titles", Bounded(-0.5, -0.7, -0.3), -0.31)
    known = replace(QUIET, found=stage(FIGHT, affinities=(taken,)))
    found = conflict(known)
    assert plain(found.because) == (
        "titles and mood pull against each other since step 40: cosine −0.31 (−0.40 to −0.22), "
        "in blocks 1 and 2; a step on mood takes back 31 % of what an equal step on titles gives it"
    )
    assert "keep titles and mood apart" in found.attempt
    # Of an effect whose sign is not sure nothing is said.
    unsure = replace(taken, effect=Bounded(-0.5, -0.7, 0.1))
    assert (
        "takes back"
        not in conflict(replace(QUIET, found=stage(FIGHT, affinities=(unsure,)))).because
    )
    assert conflict(replace(known, task="other")) is None


def test_imbalance_by_share_by_number_and_not_beside_a_conflict():
    assert "10.0 % of the stage's examples" in plain(imbalance(replace(QUIET, share=0.1)).because)
    few = imbalance(replace(QUIET, examples=120))
    assert few.because == "it has 120 examples to train on, mood has 2,400"
    assert imbalance(replace(QUIET, share=0.1, found=stage(FIGHT))) is None
    assert imbalance(replace(QUIET, share=0.3, examples=400)) is None


def test_overpowered():
    weak = (gradient("titles", pull=0.1), gradient("mood", pull=0.9))
    found = overpowered(replace(QUIET, found=stage(PEACE, gradients=weak)))
    assert plain(found.because) == (
        "its weighted gradient is 10 % of what pulls in a step, that of mood 90 %"
    )
    less = (gradient("titles", pull=0.3), gradient("mood", pull=0.7))
    assert overpowered(replace(QUIET, found=stage(PEACE, gradients=less))) is None


def test_noise():
    loud = (gradient("titles", noise=123.0), gradient("mood"))
    found = noisy(replace(QUIET, found=stage(PEACE, gradients=loud)))
    assert found.because == "noise and direction are equal at 120 examples a step; it gets 8"
    # An interval that reaches down to four times the step does not do.
    wide = (replace(loud[0], noise_scale=Bounded(123.0, 30.0, 900.0)), gradient("mood"))
    assert noisy(replace(QUIET, found=stage(PEACE, gradients=wide))) is None
    endless = (replace(loud[0], noise_scale=Bounded(float("inf"), None, None)), gradient("mood"))
    assert "∞" in noisy(replace(QUIET, found=stage(PEACE, gradients=endless))).because


def test_trends_of_the_validation_score():
    rising = tuple((25 * n, 0.3 + 0.02 * n) for n in range(1, 10))
    assert unfinished(replace(QUIET, validation=rising)).because == (
        "its validation score still rises at the end: 40.0 to 46.0 from step 100 to 225"
    )
    assert overfitted(replace(QUIET, validation=rising)) is None
    peaked = tuple((25 * n, 0.5 - 0.03 * abs(n - 3)) for n in range(1, 10))
    assert overfitted(replace(QUIET, validation=peaked)).because == (
        "its validation score peaked near step 75 at 48.0 and ended at 35.0"
    )
    assert unfinished(replace(QUIET, validation=peaked)) is None
    assert unfinished(replace(QUIET, validation=rising[:4])) is None


def test_forgetting_silences_the_rest_where_the_task_had_been_well():
    fell = replace(QUIET, later="02-law", own_score=Interval(0.62, 0.57, 0.67), share=0.05)
    assert [remedy.name for remedy in remedies(fell)] == ["forgetting"]
    assert forgetting(fell).because == (
        "62.0 after stage together, which trained it, and 50.0 after law"
    )
    assert "(`retain: {kind: replay, share: 0.1}`)" in forgetting(fell).attempt
    # It had been below its single-task model before: the other causes count too.
    low = replace(fell, single=Interval(0.7, 0.65, 0.75))
    assert [remedy.name for remedy in remedies(low)] == ["forgetting", "imbalance"]
    # Intervals that touch show nothing.
    assert forgetting(replace(fell, own_score=Interval(0.58, 0.54, 0.62))) is None
    worse = replace(fell, metric="perplexity", lower_is_better=True)
    assert forgetting(worse) is None


LOUD = (
    replace(QUIET, found=stage(FIGHT)),
    replace(QUIET, share=0.1),
    replace(QUIET, found=stage(PEACE, gradients=(gradient("titles", 0.1), gradient("mood", 0.9)))),
    replace(QUIET, found=stage(PEACE, gradients=(gradient("titles", noise=900.0),))),
    replace(QUIET, validation=tuple((n, 0.1 * n) for n in range(9))),
    replace(QUIET, validation=tuple((n, 1 - 0.1 * n) for n in range(9))),
)


@pytest.mark.parametrize("known", LOUD)
def test_what_is_suggested_exists(known):
    """Balancers, keys and commands in a suggestion are those of this version."""
    from madrigal.cli.commands import app

    (found,) = remedies(known)
    stage_keys, balancers = shapes(StageSettings), shapes(StageSettings)["balance"].kinds
    commands = {c.name or c.callback.__name__ for c in app.registered_commands}  # type: ignore[union-attr]
    coded = re.findall(r"`([^`]+)`", found.attempt)
    assert coded
    for text in coded:
        key, _, value = text.partition(": ")
        if key.startswith("madrigal "):
            assert key.split()[1] in commands
        elif key == "adapter":
            written = yaml.safe_load(value)
            assert written["kind"] == "lora", "a recipe's adapter needs its kind"
            LoraAdapter.model_validate(written)
        elif key == "balance":
            assert value in balancers
        else:
            assert key in stage_keys or key in ("weight", "max_epochs")
