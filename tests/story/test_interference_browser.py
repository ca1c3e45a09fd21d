"""The section on interference in a real browser: every screen, light and dark, printed."""

import pytest

from chromium import Chromium, find_chromium
from fake_run import ONE_STAGE, write_run
from madrigal.report import write_report
from planted import Fight, Gradients

BINARY = find_chromium()
pytestmark = pytest.mark.skipif(
    BINARY is None,
    reason="NO CHROMIUM: the report was not opened in a browser (apt-get install chromium)",
)

RATIO = """(selector) => {
  const light = (c) => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const luminance = (css) => {
    canvas.fillStyle = css; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((c) => light(c / 255));
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const node = document.querySelector(selector), style = getComputedStyle(node);
  const a = luminance(style.color), b = luminance(style.backgroundColor);
  return (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
}"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    gradients = Gradients(
        every=2,
        fight=Fight(("inference", "titles"), -0.95, blocks=(0, 1, 2, 3)),
        friends={("sentiment", "passages"): 0.95},
    )
    folder = tmp_path_factory.mktemp("browser")
    return write_report(
        write_run(folder, examples=12, steps=100, stages=ONE_STAGE, gradients=gradients)
    )


@pytest.fixture(scope="module")
def chromium():
    with Chromium(BINARY) as browser:
        yield browser


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_and_its_numbers_can_be_read(chromium, report, width, dark):
    chromium.screen(width, 900, dark=dark, mobile=width < 500)
    chromium.open(report.as_uri())
    assert chromium.errors == []
    assert chromium.run("document.documentElement.scrollWidth") <= width
    # The strongest shades are where text is in danger: WCAG asks for 4.5.
    for shade in ("f5", "a5"):
        assert chromium.run(f"({RATIO})('.heatmap .{shade}')") >= 4.5
    wide = chromium.run(
        "[...document.querySelectorAll('#interference .charts svg, #interference .strip')]"
        ".every(svg => svg.getBoundingClientRect().width > 100)"
    )
    assert wide


def test_the_verdict_stacks_on_a_phone(chromium, report):
    chromium.screen(390, 900, mobile=True)
    chromium.open(report.as_uri())
    cell = "document.querySelector('.pairs .verdict-cell.conflict')"
    assert chromium.run(f"{cell}.getBoundingClientRect().right") <= 390
    assert "conflict throughout" in chromium.run(f"{cell}.textContent")


def test_it_prints(chromium, report, tmp_path):
    chromium.open(report.as_uri())
    chromium.print(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").stat().st_size > 20_000
