"""The page as a file: whole, small, harmless, the same for the same run, patient with gaps."""

import json
import re
import shutil
from html.parser import HTMLParser

import pytest

from fake_rows import HOSTILE, METRICS
from fake_run import ONE_STAGE, write_json, write_lines, write_run
from madrigal.errors import RunFolderError
from madrigal.report import write_report
from madrigal.report.page import LIMIT, json_for_script, markdown

VOID = {"meta", "input", "br", "hr", "img", "link"}
# Attributes that make a browser fetch something.
FETCHING = {"src", "srcset", "poster", "data", "background", "action", "formaction", "ping"}


class Page(HTMLParser):
    """Elements, attributes and text of a page, and whether its tags close as they open."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.attributes, self.texts = [], [], []
        self.sections, self._open = {}, []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag == "section":
            self.sections[dict(attrs).get("id", "head")] = len(self.texts)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag):
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data):
        if data.strip() and not (self._open and self._open[-1] in ("script", "style")):
            self.texts.append(" ".join(data.split()))

    @property
    def text(self):
        return " ".join(self.texts)


@pytest.fixture(scope="module")
def written(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written") / "support-desk"
    shutil.copytree(run, folder)
    return write_report(folder)


@pytest.fixture(scope="module")
def page(written):
    return Page(written.read_text(encoding="utf-8"))


def test_all_sections_are_there(page):
    assert list(page.sections) == [
        "head", "summary", "outputs", "matrix", "training", "data", "reproduce", "appendix",
    ]  # fmt: skip
    assert page.elements.count("main") == 1


def test_nothing_is_fetched(page, written):
    assert not [a for a in page.attributes if a[1] in FETCHING]
    assert not {"link", "img", "iframe", "object", "embed", "base"} & set(page.elements)
    links = [value for tag, name, value in page.attributes if name == "href"]
    assert links
    assert not [link for link in links if ":" in link.partition("#")[0]]
    style = re.search(r"<style>(.*?)</style>", written.read_text(encoding="utf-8"), re.S)[1]
    assert "url(" not in style
    assert "@import" not in style


def test_the_only_script_that_may_run_is_the_pages_own(page):
    (policy,) = [v for tag, _, v in page.attributes if tag == "meta" and v and "script-src" in v]
    assert policy.startswith("default-src 'none'")
    assert re.search(r"script-src 'sha256-[A-Za-z0-9+/]{43}='", policy)
    assert "script-src 'unsafe" not in policy


def test_hostile_text_is_text(page):
    assert page.elements.count("script") == 2
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    for text in (HOSTILE[0], HOSTILE[1], HOSTILE[3]):
        assert text in page.text  # in warnings, samples and notes


def test_the_data_of_the_reader_survives_its_script_element(written):
    text = written.read_text(encoding="utf-8")
    data = re.search(r'<script type="application/json" id="outputs-data">(.*?)</script>', text)[1]
    outputs = {o["x"] for row in json.loads(data)["rows"] for o in row["o"].values()}
    assert set(HOSTILE) <= outputs
    value = ["</script>", "<!--", "<\u2028", "\\</"]
    packed = json_for_script(value)
    assert json.loads(packed) == value
    assert "</" not in packed
    assert "<!--" not in packed


def test_verdict_and_sentences_stand_on_the_page(page):
    assert "Better than the base model" in page.text
    assert "Worse than single-task training" in page.text
    assert "Look here first." in page.text
    assert "learnt 5 tasks in 2 stages with LoRA of rank 16: 300 steps" in page.text


def test_a_difference_that_is_not_clear_is_never_bold(written):
    text = written.read_text(encoding="utf-8")
    cells = re.findall(r'<td class="change (\w+)"(.*?)</td>', text, re.S)
    assert {outcome for outcome, _ in cells} >= {"better", "unclear"}
    for outcome, cell in cells:
        assert ("<b>" in cell) == (outcome in ("better", "worse"))
        assert ("no clear difference" in cell) == (outcome == "unclear")


def test_lower_is_better_is_said_and_minded(written, page):
    assert "perplexity, lower is better" in page.text
    text = written.read_text(encoding="utf-8")
    row = re.search(r'<th scope="row">statutes<small>(.*?)</tr>', text, re.S)[1]
    assert re.search(r"<b>−[\d.]+</b>.*?▲ better", row, re.S)
    # Beside three changes there is no room for few-shot scores: they stand in the matrix.
    assert len(re.findall(r"<small>\d\.\d\d bits/byte</small>", row)) == 3


def test_the_same_run_gives_the_same_bytes(written):
    before = written.read_bytes()
    assert write_report(written.parent).read_bytes() == before


def test_it_says_nothing_of_where_it_was_made(written):
    assert str(written.parent) not in written.read_text(encoding="utf-8")


def test_no_part_file_is_left(written):
    assert not list(written.parent.glob(".*"))


def test_definitions_of_this_runs_metrics_only(page):
    start = page.sections["appendix"]
    appendix = " ".join(page.texts[start:])
    for name in ("accuracy", "token F1", "ROUGE-L", "perplexity", "unified score"):
        assert name in appendix
    assert "BLEU" not in appendix


@pytest.fixture
def copy(small_run, tmp_path):
    folder = tmp_path / "support-desk"
    shutil.copytree(small_run, folder)
    return folder


def sections(folder):
    return list(Page(write_report(folder).read_text(encoding="utf-8")).sections)


@pytest.mark.parametrize(
    ("missing", "left_out"),
    [
        (["scores.json"], {"summary", "matrix"}),
        (["manifest.json"], set()),
        (["predictions"], {"outputs"}),
        (["stages", "baselines"], {"training"}),
        (["data"], {"data"}),
        (["recipe.yaml"], set()),
        (["manifest.json", "stages", "baselines", "data", "recipe.yaml"], {"training", "data"}),
    ],
    ids=["scores", "manifest", "predictions", "stages", "data", "recipe", "evaluation-only"],
)
def test_what_is_missing_is_left_out(copy, missing, left_out):
    for name in missing:
        path = copy / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    full = {"head", "summary", "outputs", "matrix", "training", "data", "reproduce", "appendix"}
    assert set(sections(copy)) == full - left_out


def test_a_run_that_only_began(tmp_path):
    write_json(tmp_path / "manifest.json", {"status": "running", "started": "2026-11-21T05:30:12Z"})
    text = Page(write_report(tmp_path).read_text(encoding="utf-8")).text
    assert "This run has no scores yet" in text
    assert "2026-11-21 05:30:12 UTC, not finished" in text
    assert not (tmp_path / "README.md").exists()


def test_scores_of_the_base_model_alone(tmp_path):
    scores = {"t": {"value": 0.5, "low": 0.4, "high": 0.6}}
    facts = {"metric": "accuracy", "n": 9}
    board = {"tasks": {"t": facts}, "rows": [{"stage": "base", "scores": scores}], "summary": {}}
    write_json(tmp_path / "scores.json", board)
    found = Page(write_report(tmp_path).read_text(encoding="utf-8"))
    assert "matrix" not in found.sections
    assert "nothing to compare with" in found.text
    assert "nothing was trained" in found.text


def test_without_baselines_and_few_shot(tmp_path):
    write_run(tmp_path, examples=12, steps=20, stages=ONE_STAGE, few_shot=False, baselines=False)
    found = Page(write_report(tmp_path).read_text(encoding="utf-8"))
    assert "Better than the base model" in found.text
    assert "single-task" not in " ".join(found.texts[: found.sections["reproduce"]])
    assert "a perfect score" in found.text


def test_junk_of_every_type_in_every_file_is_survived(copy):
    junk = [None, 3, "x", [], {}, [None], {"a": None}, {"value": "x"}, True]
    scores = json.loads((copy / "scores.json").read_text())
    manifest = json.loads((copy / "manifest.json").read_text())
    card = json.loads((copy / "data/titles.json").read_text())
    for value in junk:
        for name, whole in (("scores.json", scores), ("manifest.json", manifest),
                            ("data/titles.json", card)):  # fmt: skip
            write_json(copy / name, dict.fromkeys(whole, value))
        lines = [dict.fromkeys(("step", "loss", "tokens", "skipped", "kind", "text"), value)] * 3
        for path in copy.glob("stages/*/*.jsonl"):
            write_lines(path, lines)
        assert write_report(copy).stat().st_size > 10_000


def test_broken_files_are_named_on_the_page(copy):
    (copy / "scores.json").write_text("{")
    text = Page(write_report(copy).read_text(encoding="utf-8")).text
    assert "scores.json: not a JSON object; left out" in text


def test_many_tasks_and_long_outputs_stay_under_the_limit(tmp_path):
    names = [f"task{index:02d}" for index in range(40)]
    told = "A sentence of an output that goes on. " * 60
    for variant in ("base", "single", "01-all"):
        for name in names:
            rows = [
                {"task": name, "id": str(i), "where": "", "kind": "answer", "prompt": told,
                 "targets": [told], "output": f"{i} {told}", "score": i % 2, "parsed": True}
                for i in range(12)
            ]  # fmt: skip
            write_lines(tmp_path / "predictions" / variant / f"{name}.jsonl", rows)
    steps = [
        {"step": s, "loss": dict.fromkeys(names, 1 / s), "weight": dict.fromkeys(names, 1 + s / 9)}
        for s in range(1, 120)
    ]
    write_lines(tmp_path / "stages/01-all/steps.jsonl", steps)
    score = {"value": 0.5, "low": 0.4, "high": 0.6}
    board = {
        "tasks": {name: {"metric": "rouge_l", "n": 12} for name in names},
        "rows": [{"stage": s, "scores": dict.fromkeys(names, score)} for s in ("base", "01-all")],
        "baselines": dict.fromkeys(names, score),
        "summary": {},
    }
    write_json(tmp_path / "scores.json", board)
    path = write_report(tmp_path)
    assert 200_000 < path.stat().st_size <= LIMIT < 1_500_000


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunFolderError, match="not a run folder"):
        write_report(tmp_path)
    assert not list(tmp_path.iterdir())


def test_markdown_fetches_nothing_and_runs_nothing():
    html = markdown(
        "# Card\n\n<img src=x onerror=alert(1)>\n\n![x](http://example.org/x.png)\n\n"
        "[bad](javascript:alert(1))\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    )
    found = Page(html)
    assert "img" not in found.elements
    assert "table" in found.elements
    assert not [value for _, name, value in found.attributes if "javascript" in (value or "")]


def test_a_persons_model_card_is_shown_and_kept(copy):
    (copy / "README.md").write_text("---\nlicense: mit\n---\n# Mine\n\nWritten by hand.\n")
    text = Page(write_report(copy).read_text(encoding="utf-8")).text
    assert "Written by hand." in text
    assert "license" not in text
    assert (copy / "README.md").read_text().endswith("Written by hand.\n")


def test_a_finished_run_gets_its_model_card(written):
    card = (written.parent / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nbase_model:")
    assert set(METRICS) <= set(re.findall(r"\w+", card))


def test_what_was_found_about_judgements_stands_with_the_data(run, tmp_path):
    folder = tmp_path / "judged"
    shutil.copytree(run, folder)
    path = next((folder / "data").glob("*.json"))
    card = json.loads(path.read_text(encoding="utf-8"))
    said = [
        {"text": f"Annotator {HOSTILE[0]} answers as if without looking.", "warns": True},
        {"text": "Two votes on one item are the same.", "warns": False},
    ]
    write_json(path, card | {"quality": {"said": said, "gaps": ["Not measured: cycles; none."]}})
    page = Page(write_report(folder).read_text(encoding="utf-8"))
    assert f"Annotator {HOSTILE[0]} answers" in page.text
    assert "▼ Annotator" in page.text
    assert "▼ Two votes" not in page.text
    assert "Not measured: cycles; none." in page.text


def test_rows_that_were_left_out_are_listed_with_the_data(run, tmp_path):
    folder = tmp_path / "dropped"
    shutil.copytree(run, folder)
    path = next((folder / "data").glob("*.json"))
    card = json.loads(path.read_text(encoding="utf-8"))
    bad = [f"a.jsonl:{line}: {HOSTILE[0]}" for line in range(1, 204)]
    write_json(path, card | {"bad_rows": bad})
    page = Page(write_report(folder).read_text(encoding="utf-8"))
    assert "Rows that were left out" in page.text
    assert f"a.jsonl:200: {HOSTILE[0]}" in page.text
    assert "a.jsonl:201" not in page.text
    assert f"and 3 more in data/{path.name}" in page.text


@pytest.mark.parametrize("quality", [None, [], {"said": 3, "gaps": {}}, {"said": [None, 1]}])
def test_a_broken_quality_is_left_out(run, tmp_path, quality):
    folder = tmp_path / "judged"
    shutil.copytree(run, folder)
    path = next((folder / "data").glob("*.json"))
    write_json(path, json.loads(path.read_text(encoding="utf-8")) | {"quality": quality})
    assert write_report(folder).is_file()
