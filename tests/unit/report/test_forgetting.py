"""The verdict on tasks in sequence, read word by word, and what it says to try."""

import re

import pytest
import yaml

from fake_run import write_json
from in_sequence import SCORES, change, scores, write_stage
from madrigal.recipe.retain import Replay
from madrigal.report import write_report
from madrigal.report.folder import read_run
from madrigal.report.forgetting import forgetting
from madrigal.report.retention import stage_costs
from madrigal.report.scoreboard import read_scores
from madrigal.report.verdict import judgements

SPACE = "\N{NO-BREAK SPACE}"
REPLAY = {"settings": {"replay": {"share": 0.1}}, "replayed": {"a": 5}}
BOTH = {"settings": {"replay": {"count": 4}, "ewc": {"strength": 2.0}}, "replayed": {"a": 5}}


def told(folder, body=None):
    write_json(folder / "scores.json", scores() if body is None else body)
    run = read_run(folder)
    return forgetting(read_scores(run), stage_costs(run))


@pytest.fixture
def plain(tmp_path):
    for stage, task in (("01-one", "a"), ("02-two", "b"), ("03-three", "c")):
        write_stage(tmp_path, stage, task)
    return tmp_path


def test_what_was_lost_how_sure_and_where(plain):
    found = told(plain)
    assert found.verdict == "Forgot 1 of 2 earlier tasks."
    (lost,) = found.lost
    assert lost.sentence == (
        "a lost 42.0 points (38.0 to 46.0), p = 0.001 after Holm. "
        f"Accuracy 90.0{SPACE}% after stage one, 48.0{SPACE}% at the end. "
        f"A sure loss came with stage two, −40.0{SPACE}points (−44.0 to −36.0)."
    )
    assert found.others == (f"Not sure: b −1.0{SPACE}points (−5.0 to +3.0).",)
    assert found.levels == (
        "On average 80.0 points (75.0 to 85.0) when each task was just learnt, "
        "65.0 points (60.0 to 70.0) at the end."
    )


def test_the_only_stage_that_came_after_is_named(plain):
    body = scores()
    body["summary"]["since_learned"]["b"] |= change(80, 60)
    more = [lost.more for lost in told(plain, body).lost]
    assert more[1].endswith("Only stage three came after it.")


def test_a_loss_over_several_stages_names_none(plain):
    body = scores()
    body["summary"]["stage_to_stage"]["a"] = []
    (lost,) = told(plain, body).lost
    assert lost.more.endswith(
        "It came over several stages: in none of them is the loss sure by itself."
    )


def test_several_sure_losses_are_told_shortly(plain):
    body = scores()
    body["summary"]["stage_to_stage"]["a"][2] |= change(50, 48, half=0.01)
    (lost,) = told(plain, body).lost
    assert lost.more.endswith("Sure losses came with stages two (−40.0) and three (−2.0).")


def test_of_many_forgotten_tasks_the_worst_have_a_sentence(plain):
    body = scores()
    for place in range(6):
        name = f"t{place}"
        body["tasks"][name] = {"metric": "accuracy", "n": 50}
        for row in body["rows"][1:]:
            row["scores"][name] = {"value": 0.5}
        body["rows"][1]["learned"].append(name)
        body["summary"]["since_learned"][name] = change(60 + place, 50)
    found = told(plain, body)
    assert [lost.task for lost in found.lost] == ["a", "t5", "t4", "t3", "t2"]
    assert found.others[0] == "Also forgotten, in points: t1 −11.0, t0 −10.0."
    assert found.verdict == "Forgot 7 of 8 earlier tasks."


def test_general_tasks_are_told_with_their_interval(plain):
    body = scores(summary={"general_change": {"value": -0.02, "low": -0.05, "high": 0.01}})
    assert told(plain, body).levels.endswith(
        "at the end; tasks that were only watched changed by "
        f"−2.0{SPACE}points (−5.0 to +1.0) since the base model."
    )


def test_how_many_examples_would_settle_it(plain):
    body = scores()
    body["summary"]["since_learned"]["b"]["detectable"] = 0.1
    assert told(plain, body).notes[0] == (
        "Test examples with which a loss of 5 points would show four times in five: "
        "b about 800 (it has 200)."
    )


def test_where_nothing_was_on_replay_is_the_first_to_try(plain):
    first, unused, last = told(plain).attempts
    assert first.attempt == "`retain: {kind: replay, share: 0.1}` in stage two"
    assert first.because == (
        f"two took 40.0 points of a; nothing was on there; replay of 10{SPACE}% would cost about "
        f"0.10{SPACE}s a step, a tenth of what a step costs now, 1.0{SPACE}s in all"
    )
    assert unused.attempt == (
        "where old examples may not be kept, `retain: ewc` or `retain: distill` in stage two"
    )
    assert unused.because == (
        "EWC was not on anywhere; it takes one pass over the trained parameters a step; "
        "distillation was not on anywhere; it takes a forward pass more a step"
    )
    assert last.attempt == "a smaller `learning_rate` in the stages that come later"


def test_what_was_measured_elsewhere_in_the_run_is_told(plain):
    both = {"settings": {"replay": {"share": 0.2}, "distill": {}}, "replayed": {"a": 5}}
    write_stage(plain, "03-three", "c", both, replayed=10, spent={"distill": 0.25})
    known = {"settings": {}, "trained_parameters": 1e6, "flops": {"own": 6e9}}
    write_stage(plain, "02-two", "b", known)
    body = scores()
    body["summary"]["stage_to_stage"]["a"][2] |= change(50, 50)
    first, unused, _ = told(plain, body).attempts
    # Half of the seconds that are no distillation are replay's, by tokens.
    assert first.because.endswith(
        f"in stage three it replayed 20{SPACE}% for 100.0{SPACE}% more time, and nothing was lost"
    )
    assert unused.because == (
        f"EWC would take 1.0{SPACE}% more operations and keep 8.00{SPACE}MB a stage; "
        f"distillation cost 66.7{SPACE}% more time in stage three"
    )


def test_intransigence_is_told_where_single_task_models_are_known(plain):
    body = scores(summary={"intransigence": {"value": 0.03, "low": 0.01, "high": 0.05}})
    assert told(plain, body).levels.endswith(
        "at the end; single-task models against tasks just learnt: "
        f"+3.0{SPACE}points (+1.0 to +5.0) (intransigence)."
    )


def test_what_is_suggested_is_a_setting(plain):
    first, *_ = told(plain).attempts
    (text,) = re.findall(r"`retain: ({.*})`", first.attempt)
    assert Replay(**yaml.safe_load(text)).share == 0.1


def test_where_replay_was_on_more_of_it_is(plain):
    write_stage(plain, "02-two", "b", REPLAY, replayed=10)
    first, *_ = told(plain).attempts
    assert first.attempt == "a larger `share` of replay in stage two"
    assert first.because == (
        f"it replayed 10{SPACE}% and a task was forgotten there all the same; as much again would "
        f"cost about 0.50{SPACE}s a step"
    )


def test_every_remedy_that_was_on_is_named(plain):
    write_stage(plain, "02-two", "b", BOTH, replayed=10, spent={"ewc": 0.01})
    replay, ewc, unused, _ = told(plain).attempts
    assert unused.attempt == ("where old examples may not be kept, `retain: distill` in stage two")
    assert "it replayed 4 examples a step" in replay.because
    assert ewc.attempt == "a larger `strength` of EWC in stage two"
    assert ewc.because.startswith("it was 2 and a task was forgotten there all the same")


def test_with_nothing_forgotten_there_is_nothing_to_try(plain):
    body = scores()
    body["summary"]["since_learned"]["a"] |= change(90, 90, half=0.03)
    body["summary"]["bwt"] = {"value": -0.005, "low": -0.03, "high": 0.02}
    found = told(plain, body)
    assert (found.lost, found.attempts) == ((), ())
    assert found.others[0] == (
        f"Kept, with a loss of 5 points or more ruled out: a 0.0{SPACE}points (−3.0 to +3.0)."
    )
    assert found.verdict == "No earlier task was clearly forgotten."


def test_what_is_lost_for_certain_only_on_average_is_said_and_has_a_remedy(plain):
    body = scores()
    for task, ends in (("a", (90, 80)), ("b", (80, 72))):
        body["summary"]["since_learned"][task] |= change(*ends, half=0.11)
        body["summary"]["stage_to_stage"][task] = []
    body["summary"]["bwt"] = {"value": -0.09, "low": -0.17, "high": -0.01}
    found = told(plain, body)
    said = "Earlier tasks were forgotten on average, but none clearly by itself"
    assert (found.verdict, found.lost) == (f"{said}.", ())
    assert found.attempts[0].attempt == (
        "`retain: {kind: replay, share: 0.1}` in stages two and three"
    )
    first = judgements(read_scores(read_run(plain)))[0]
    assert (first.verdict, first.headline) == ("worse", said)


def test_a_perplexity_is_kept_and_lost_in_its_own_unit(plain):
    body = scores()
    lost = change(80, 90, half=0.02)
    for task, since in (("a", lost), ("b", change(80, 80, half=0.02, ratio=[1.0, 0.98, 1.02]))):
        body["tasks"][task] |= {"metric": "perplexity", "direction": "lower"}
        body["summary"]["since_learned"][task] |= since
    found = told(plain, body)
    assert found.lost[0].said == (
        "changed for the worse by +0.10 (+0.08 to +0.12), p = 0.001 after Holm"
    )
    assert found.others == (
        f"Kept, with a loss of 5 points, of a perplexity 5{SPACE}%, or more ruled out: "
        "b 0.00 (−0.02 to +0.02).",
    )


def test_one_stage_has_no_verdict_and_no_section(tmp_path):
    body = scores({row: SCORES[row] for row in ("base", "01-one")}, {"01-one": "abc"})
    assert told(tmp_path, body) is None
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "One task after another" not in page
    assert "Tasks by stage" in page


def test_the_page_says_it_all(plain):
    write_stage(plain, "02-two", "b", REPLAY, replayed=10)
    write_json(plain / "scores.json", scores())
    page = write_report(plain).read_text(encoding="utf-8")
    for text in (
        "Forgot 1 of 2 earlier tasks",
        "One task after another",
        "What keeping the past cost",
        "What became of each task",
        "since taught",
        "Cost against retention",
    ):
        assert text in page
    assert page.count('class="place taught"') == 3
    assert page.index("Forgot 1 of 2 earlier tasks") < page.index('id="summary"')
