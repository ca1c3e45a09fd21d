"""A reader opens the report in a real browser, from a file, and uses it."""

import re

import pytest

from chromium import Chromium, find_chromium
from fake_rows import HOSTILE
from fake_run import write_run
from madrigal.report import write_report

EXAMPLES = 36
BINARY = find_chromium()
pytestmark = pytest.mark.skipif(
    BINARY is None,
    reason="NO CHROMIUM: the report was not opened in a browser (apt-get install chromium)",
)

CARDS = "[...document.querySelectorAll('.card')]"
TASKS = f"{CARDS}.map(card => card.querySelector('header b').textContent)"
BADGES = f"{CARDS}.map(card => card.querySelector('.badge')?.textContent)"


CONTRAST = """(selector) => {
  const light = (c) => c / 255 <= .04045 ? c / 255 / 12.92 : ((c / 255 + .055) / 1.055) ** 2.4;
  const parse = (css) => css.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => .2126 * light(r) + .7152 * light(g) + .0722 * light(b);
  const ground = (node) => getComputedStyle(node).backgroundColor;
  const node = document.querySelector(selector);
  let behind = node;
  while (parse(ground(behind))[3] === 0) behind = behind.parentElement;
  const a = luminance(parse(getComputedStyle(node).color)), b = luminance(parse(ground(behind)));
  return (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
}"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return write_report(write_run(tmp_path_factory.mktemp("browser"), examples=EXAMPLES, steps=80))


@pytest.fixture(scope="module")
def chromium():
    with Chromium(BINARY) as browser:
        yield browser


@pytest.fixture
def page(chromium, report):
    """The report, freshly opened at desktop size in light colours."""
    chromium.screen(1280, 900)
    chromium.open("about:blank")
    for kept in (chromium.dialogs, chromium.errors, chromium.requests):
        kept.clear()
    chromium.open(report.as_uri())
    chromium.run("localStorage.clear()")
    return chromium


def choose(page, field, value):
    """Picks an option of a list, as a hand would."""
    page.run(
        f"(() => {{ const field = document.querySelector('#o-{field}'); field.value = '{value}';"
        " field.dispatchEvent(new Event('change')); })()"
    )


def press(page, selector):
    page.run(f"document.querySelector('{selector}').click()")


def count(page):
    return page.run("document.querySelector('#o-count').textContent")


def test_it_opens_from_a_file_without_network_or_errors(page, report):
    assert page.run("document.title") == "support-desk: Madrigal report"
    assert page.requests == [report.as_uri()]
    assert page.errors == []
    assert page.run("document.querySelector('.reader').hidden") is False
    assert page.run(f"{CARDS}.length") == 12


def test_the_worst_regressions_come_first(page):
    assert set(page.run(BADGES)) == {"lost against single-task"}


@pytest.mark.parametrize("show", ["lost", "won", "tied"])
def test_filters_show_what_they_say(page, show):
    press(page, f".filters [data-show={show}]")
    words = "tied with" if show == "tied" else f"{show} against"
    assert set(page.run(BADGES)) == {f"{words} single-task"}
    assert page.run("location.hash") == f"#outputs?show={show}"


def test_unparsed_outputs_can_be_read(page):
    press(page, ".filters [data-show=unparsed]")
    assert set(page.run(TASKS)) == {"passages"}
    assert page.run(f"{CARDS}.every(card => card.textContent.includes('unparsed'))")


def test_the_numbers_on_the_filters_are_those_of_all_examples(page):
    shown = page.run("document.querySelector('.filters').textContent")
    counts = dict(re.findall(r"(\w+) (\d+)", shown))
    assert int(counts["all"]) == 5 * EXAMPLES
    assert sum(int(counts[key]) for key in ("lost", "won", "tied")) == 5 * EXAMPLES


def test_one_task_and_another_reference(page):
    choose(page, "task", "titles")
    choose(page, "ref", "base")
    assert set(page.run(TASKS)) == {"titles"}
    assert all(badge.endswith(" base") for badge in page.run(BADGES))
    assert f"out of {EXAMPLES} evaluated" in count(page)
    assert "predictions/02-law/titles.jsonl" in count(page)
    choose(page, "ref", "few-shot")
    heads = page.run(f"[...{CARDS}[0].querySelectorAll('h5')].map(h => h.firstChild.textContent)")
    assert heads == ["target", "base", "few-shot", "single-task", "multi-task"]


def test_search_finds_text_of_prompts_targets_and_outputs(page):
    page.run(
        "(() => { const field = document.querySelector('#o-search'); field.value = 'TRIESTE';"
        " field.dispatchEvent(new Event('input')); })()"
    )
    found = page.run(f"{CARDS}.map(card => card.textContent.toLowerCase())")
    assert found
    assert all("trieste" in text for text in found)
    assert "that match" in count(page)


def test_the_random_sample_is_named_with_its_seed(page):
    assert "random sample (seed 0)" in page.run("document.querySelector('#o-order').textContent")
    choose(page, "order", "sample")
    assert "Drawn uniformly by seed." in count(page)
    assert len(set(page.run(BADGES))) > 1


def test_more_examples_on_demand(page):
    press(page, "#o-more")
    assert page.run(f"{CARDS}.length") == 24


def test_words_that_differ_are_marked(page):
    choose(page, "task", "titles")
    marks = "document.querySelectorAll('.cards mark').length"
    against_target = page.run(marks)
    assert against_target > 0
    choose(page, "marks", "off")
    assert page.run(marks) == 0
    choose(page, "marks", "ref")
    assert page.run(marks) > 0


def test_a_view_and_an_example_can_be_passed_on(page, report):
    choose(page, "task", "inference")
    press(page, ".filters [data-show=won]")
    address = page.run("location.href")
    link = page.run("document.querySelector('.card header a').href")
    key = page.run("document.querySelector('.card').dataset.key")
    page.open("about:blank")
    page.open(address)
    assert set(page.run(BADGES)) == {"won against single-task"}
    page.open("about:blank")
    page.open(link)
    assert page.run(f"{CARDS}.map(card => card.dataset.key)") == [key]
    press(page, "#o-count button")
    assert page.run(f"{CARDS}.length") == 12


def test_the_summary_leads_to_the_outputs_of_the_worst_task(page):
    press(page, ".callout a")
    page.wait("location.hash.startsWith('#outputs?')")
    page.wait(f"new Set({TASKS}).size === 1")
    assert page.run("document.querySelector('.callout').textContent").split()[3] in page.run(TASKS)


def test_hostile_outputs_are_inert(page):
    choose(page, "task", "titles")
    choose(page, "order", "file")
    said = page.run("[...document.querySelectorAll('.said')].map(said => said.textContent)")
    assert set(HOSTILE) <= set(said)
    assert page.dialogs == []
    assert page.run("document.querySelectorAll('main script, main img, main [onload]').length") == 0
    # What gets past the escaping is stopped by the page's own policy.
    page.run("document.querySelector('.note').innerHTML = '<img src=x onerror=alert(6)>'")
    page.run("new Promise(done => setTimeout(done, 200))")
    assert page.dialogs == []


def test_tables_sort(page):
    names = "[...document.querySelectorAll('.tasks tbody th')].map(th => th.firstChild.data.trim())"
    before = page.run(names)
    press(page, ".tasks th[data-sort=text]")
    assert page.run(names) == sorted(before, reverse=True)
    press(page, ".tasks th[data-sort=text]")
    assert page.run(names) == sorted(before)


def test_tabs_show_one_panel(page):
    visible = "[...document.querySelectorAll('#training .panel')].map(panel => !panel.hidden)"
    assert page.run(visible) == [True, False]
    press(page, "#training [role=tab]:nth-child(2)")
    assert page.run(visible) == [False, True]


def test_light_and_dark(page):
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.run(paper)
    page.screen(1280, 900, dark=True)
    dark = page.run(paper)
    assert light != dark
    press(page, "#theme")
    assert page.run(paper) == light
    press(page, "#theme")
    assert page.run(paper) == dark
    page.run("localStorage.clear()")


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_is_wider_than_the_screen(page, width):
    page.screen(width, 844, mobile=width < 500)
    assert page.run("document.documentElement.scrollWidth") <= width
    small = (
        "[...document.querySelectorAll('button, select, input')].filter(field => field.offsetParent"
        " && field.id !== 'theme' && field.getBoundingClientRect().height < 34"
        " && !field.classList.contains('tally-row')).map(field => field.outerHTML)"
    )
    assert page.run(small) == []


def test_stages_and_tasks_are_a_map_to_be_read_both_ways(page):
    line = "[...document.querySelectorAll('.order tbody tr:not(.gap)')]"
    assert page.run(f"{line}.map(row => row.querySelectorAll('.square').length)") == [5] * 5
    states = page.run(
        "[...document.querySelectorAll('.order tr.stage')].map(row => [...row.querySelectorAll("
        "'.square')].map(cell => cell.classList.contains('ahead')))"
    )
    # Statutes come in with the second stage; the columns are in the order of teaching.
    assert states == [[False] * 4 + [True], [False] * 5]
    painted = "getComputedStyle(document.querySelector('.order .ahead')).backgroundImage"
    assert "gradient" in page.run(painted)
    wide = "document.querySelector('.order').getBoundingClientRect().right"
    assert page.run(wide) <= 1280


def test_curves_lie_in_their_pictures(page):
    outside = page.run(
        "[...document.querySelectorAll('.curves svg, .costs svg')].filter(svg => "
        "[...svg.querySelectorAll('circle, path')].some(part => { const b = part.getBBox(), "
        "v = svg.viewBox.baseVal; return b.x < 0 || b.y < 0 || b.x + b.width > v.width || "
        "b.y + b.height > v.height; })).length"
    )
    assert outside == 0
    assert page.run("document.querySelectorAll('.curves figure').length") == 5


def test_text_stands_out_from_its_ground(page):
    """WCAG AA for text: a contrast of 4.5, in light and in dark."""
    places = ("p.meta", ".note", ".change.better b", ".change.worse b", ".badge.lost", ".tile-name",
              ".prompt", ".links a", ".filters [aria-pressed=true]", ".range",
              ".order .since.worse", ".forgetting .hurt small")  # fmt: skip
    for dark in (False, True):
        page.screen(1280, 900, dark=dark)
        found = {place: page.run(f"({CONTRAST})('{place}')") for place in places}
        assert {place: round(c, 2) for place, c in found.items() if c < 4.5} == {}


def test_it_prints(page, tmp_path):
    page.print(tmp_path / "report.pdf")
    data = (tmp_path / "report.pdf").read_bytes()
    assert data.startswith(b"%PDF")
    assert 5 < data.count(b"/Type /Page\n") < 60
    assert page.run("document.querySelectorAll('details[open]').length") == 0


def test_without_scripts_the_page_still_tells(chromium, report):
    chromium.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        chromium.open("about:blank")
        chromium.open(report.as_uri())
        root = chromium.call("DOM.getDocument", depth=0)["root"]["nodeId"]
        page = chromium.call("DOM.getOuterHTML", nodeId=root)["outerHTML"]
    finally:
        chromium.call("Emulation.setScriptExecutionDisabled", value=False)
    assert "The reader needs JavaScript" in page
    assert 'class="reader" hidden' in page
    assert 'id="stage-2" hidden' not in page
