"""Results of benchmarks are whole, and their table can be made from them."""

import json

import pytest

from benches import BENCHMARKS, bench


@pytest.fixture
def run_all():
    return bench("run_all")


def test_each_benchmark_is_there(run_all):
    assert [name for name in run_all.BENCHMARKS if not (BENCHMARKS / f"{name}.py").exists()] == []


def test_the_table_says_what_was_met_and_what_was_not(run_all):
    rows = [
        {"what": "help", "value": 0.2113, "unit": "s", "target": "< 0.3 s", "met": True},
        {"what": "share", "value": 0.5, "unit": "", "target": ">= 0.7", "met": False},
        {"what": "prompts", "value": 12.0, "unit": "per s", "target": "", "met": None},
    ]
    machine = {"processor": "P", "cores": 2, "torch": "2.13.0"}
    text = run_all.table({"b": {"rows": rows, "machine": machine, "date": "2026-01-31"}})
    assert text.splitlines() == [
        "| benchmark | measured | value | target | met |",
        "|---|---|---|---|---|",
        "| b | help | 0.211 s | < 0.3 s | yes |",
        "| b | share | 0.5 | >= 0.7 | **no** |",
        "| b | prompts | 12 per s |  |  |",
        "",
        "Measured on P, 2 cores, torch 2.13.0, 2026-01-31.",
    ]


def test_committed_results_are_whole(run_all):
    for name, result in run_all.read_results().items():
        assert result["date"], name
        for row in result["rows"]:
            assert {"what", "value", "unit"} <= set(row), name
            assert isinstance(row["value"], int | float), name


def test_results_are_json():
    for path in (BENCHMARKS / "results").glob("*.json"):
        json.loads(path.read_text(encoding="utf-8"))


def test_the_page_of_balancers_is_up_to_date():
    """`python benchmarks/balancer_pages.py` writes it."""
    pages = bench("balancer_pages")
    results = json.loads(pages.RESULTS.read_text(encoding="utf-8"))
    assert pages.PAGE.read_text(encoding="utf-8") == pages.page(results)
    assert set(pages.measured(results)) == set(pages.kinds())
