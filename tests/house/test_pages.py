"""Pages can be found from the first one, and what they point at is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FIRST = ROOT / "README.md"
PAGES = sorted((ROOT / "docs").rglob("*.md"))
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def links(page):
    """Files that a page points at."""
    found = [link for link in LINK.findall(page.read_text("utf-8")) if "://" not in link]
    return {(page.parent / link).resolve() for link in found}


def test_the_first_page_leads_to_all():
    assert set(PAGES) - links(FIRST) == set()


@pytest.mark.parametrize("page", [FIRST, *PAGES], ids=lambda page: page.stem)
def test_what_a_page_points_at_is_there(page):
    assert {link for link in links(page) if not link.exists()} == set()
