"""The section on interference: words, tables and figures from planted gradients."""

import re
from dataclasses import replace
from html import unescape

import pytest

from fake_run import ONE_STAGE, write_run
from madrigal.evaluation.interference import interference
from madrigal.report import write_report
from madrigal.report.curves import Palette
from madrigal.report.fights import examples, places, sentences, signed
from madrigal.report.folder import read_run
from madrigal.report.gradient_figures import shade
from madrigal.report.interference import interference_views, measured
from planted import Fight, Gradients

FIGHT = Gradients(every=2, fight=Fight(("inference", "titles"), -0.7, since=61))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("fight")
    return write_run(path, examples=12, steps=120, stages=ONE_STAGE, gradients=FIGHT)


@pytest.fixture(scope="module")
def page(folder):
    return write_report(folder).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def section(page):
    return re.search(r'<section id="interference">.*?</section>', page, re.S)[0]


def test_the_sentence_stands_on_top(folder, section):
    (found,) = measured(read_run(folder)).values()
    (sentence,) = sentences(found)
    assert re.fullmatch(
        r"inference and titles pull against each other since step \d+: cosine −0\.\d\d "
        r"\(−0\.\d\d to −0\.\d\d\) in those steps, in blocks 2 and 3\.",
        sentence,
    )
    assert f"<p>{sentence}</p>" in section


def test_every_pair_stands_in_the_heat_map_twice_and_once_in_the_table(section):
    heat = re.search(r'<table class="heatmap".*?</table>', section, re.S)[0]
    assert len(re.findall(r'<td class="cell', heat)) == 20
    assert len(re.findall(r'<td class="cell f\d fights"', heat)) == 2
    assert len(re.findall(r'<tr><th scope="row">[a-z]+, [a-z]+</th>', section)) == 10
    assert len(re.findall('class="verdict-cell conflict"', section)) == 1


def test_numbers_on_the_page_are_those_of_the_statistics(folder, section):
    (found,) = measured(read_run(folder)).values()
    for pair in found.pairs:
        cosine = signed(pair.cosine.value)
        assert f"{cosine}<small>{signed(pair.cosine.low)} to {signed(pair.cosine.high)}" in section


def test_layers_are_drawn_and_the_fighting_ones_ringed(section):
    assert section.count("block 3: −0.") >= 1
    assert len(re.findall(r'<rect class="cell f\d fights"', section)) == 2


def test_the_summary_says_it_too(page):
    summary = re.search(r'<section id="summary">.*?</section>', page, re.S)[0]
    assert "Who fights whom" in summary


def test_the_same_run_gives_the_same_bytes(folder, page):
    assert write_report(folder).read_text(encoding="utf-8") == page


def test_without_diagnostics_there_is_a_sentence_and_no_section(run):
    text = write_report(run).read_text(encoding="utf-8")
    assert 'id="interference"' not in text
    assert text.count("gradients were not measured, so who fights whom") == 1


def test_not_by_layer_says_how(tmp_path):
    plain = Gradients(every=2, blocks=0)
    write_run(tmp_path, examples=8, steps=60, stages=ONE_STAGE, gradients=plain)
    text = write_report(tmp_path).read_text(encoding="utf-8")
    assert "gradients: {by_layer: true}" in text


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("raw", ("the gradients; Adam's steps may differ",)),
        ("adam", (", in Adam's metric.", "the gradients, as Adam weighs them.")),
        ("update", (", between the updates of the weights.", "the updates of the weights, which")),
    ],
)
def test_the_metric_is_told(tmp_path, metric, words):
    write_run(tmp_path, examples=8, steps=60, stages=ONE_STAGE, gradients=Gradients(every=2))
    steps = tmp_path / "stages/01-together/steps.jsonl"
    steps.write_text(steps.read_text().replace('"metric": "raw"', f'"metric": "{metric}"'))
    text = unescape(write_report(tmp_path).read_text(encoding="utf-8"))
    assert all(word in text for word in words)
    other = "between the updates of the weights"
    assert (other in text) == (metric == "update")


def test_keys_in_the_verdict_are_set_as_code(tmp_path):
    bare = {"stages": ONE_STAGE, "gradients": Gradients(every=2, blocks=0), "baselines": False}
    write_run(tmp_path, examples=8, steps=60, **bare)
    text = write_report(tmp_path).read_text(encoding="utf-8")
    assert "<code>evaluate: {baselines: true}</code> trains them." in text


def test_few_steps_and_many_tasks_and_broken_lines_do_no_harm(tmp_path):
    write_run(tmp_path, examples=8, steps=30, stages=ONE_STAGE, gradients=Gradients(every=8))
    steps = tmp_path / "stages/01-together/steps.jsonl"
    steps.write_text(steps.read_text() + '{"step": 31, "conflict": {"cosine": "x", "norm": 3}}\n')
    text = write_report(tmp_path).read_text(encoding="utf-8")
    assert "Only 5 steps of gradients were measured: too few to tell" in text
    assert "A smaller <code>gradients.measure_every</code> in the stage measures more." in text


@pytest.mark.parametrize("junk", [None, 0, 0.0, 1e200, -1e90, "x", [1], {"inference": 0.0}])
@pytest.mark.parametrize("key", ["loss", "weight", "rows", "lr", "cosine", "norm", "signal"])
def test_whatever_stands_in_a_field_no_number_of_it_breaks_the_page(folder, key, junk):
    log = read_run(folder).stages[0]
    broken = []
    for line in log.steps:
        conflict = dict(line.get("conflict") or {})
        values = dict.fromkeys(line["loss"], junk) if not isinstance(junk, dict) else junk
        if key in ("cosine", "norm", "signal"):
            names = conflict.get(key, {})
            conflict[key] = values if isinstance(junk, dict) else dict.fromkeys(names, junk)
        extra = {key: junk if key == "lr" else values} if key not in conflict else {}
        broken.append({**line, "conflict": conflict, **extra})
    found = interference(broken)
    if found is not None:
        assert all(sentence.endswith(".") for sentence in sentences(found))
        views = interference_views(
            replace(read_run(folder), stages=(replace(log, steps=tuple(broken)),)),
            {log.name: found},
            Palette(found.tasks),
        )
        assert views[0].found is found


def test_sixteen_tasks_fit(tmp_path):
    import numpy as np

    names = [f"task{k:02d}" for k in range(16)]
    gradients, random = Gradients(every=1, blocks=0, wide=24), np.random.default_rng(0)
    rows = dict.fromkeys(names, 4)
    lines = [
        {"step": n, "lr": 1e-3, "rows": rows, "loss": dict.fromkeys(names, 1.0),
         "weight": dict.fromkeys(names, 1 / 16), "conflict": gradients.line(n, names, rows, random)}
        for n in range(1, 31)
    ]  # fmt: skip
    found = interference(lines)
    assert len(found.pairs) == 120
    assert not found.conflicts


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ((), ""),
        (("block 4",), "in block 4"),
        (("block 5", "block 4"), "in blocks 4 and 5"),
        (("block 0", "block 4", "block 5", "block 6"), "in blocks 0 and 4 to 6"),
        (("block 4", "other"), "in block 4 and other"),
    ],
)
def test_layers_in_words(groups, words):
    assert places(groups, [f"block {n}" for n in range(8)]) == words


def test_every_group_is_said_in_a_word():
    both = ("block 0", "block 1")
    assert places(both, both) == "in every layer group"


def test_numbers_in_words():
    assert [signed(x) for x in (-0.314, 0.05, -0.001)] == ["−0.31", "+0.05", "0.00"]
    told = [examples(x) for x in (0.734, 7.0, 12.4, 1234.0, float("inf"), None)]
    assert told == ["0.73", "7", "12", "1,200", "∞", "–"]
    assert [shade(x) for x in (0.0, -0.06, 0.2, -0.9)] == ["", "f1", "a2", "f5"]
