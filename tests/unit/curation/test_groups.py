"""Who occurs: records counted by word lists, a second way."""

import re

from curated import curated
from madrigal.cli.curate_view import cards_markdown
from madrigal.curation.groups import line, lists

TEXTS = [
    "She told her brother about it", "the mother of a Muslim girl", "HE SAID NO",
    "nothing and nobody here", "he, he and he again", "the theory of heredity",
]  # fmt: skip


def test_records_are_counted_once_each_and_whole_words_only(tmp_path):
    rows = [{"text": text, "label": "ab"[k % 2]} for k, text in enumerate(TEXTS)]
    found = curated(tmp_path, rows)
    counted = found.cards["t"]["groups"]
    wanted = {
        name: sum(bool(re.search(rf"\b({'|'.join(words)})\b", text, re.I)) for text in TEXTS)
        for name, words in lists().items()
    }
    assert counted == {name: count for name, count in wanted.items() if count}
    assert (counted["men"], counted["women"], counted["Muslims"]) == (3, 2, 1)
    assert list(counted.values()) == sorted(counted.values(), reverse=True)
    assert line(counted, 6) in cards_markdown(found)
    assert line(counted, 6).endswith("records: men 50.0%, women 33.3%, Muslims 16.7%")


def test_where_nobody_occurs_nothing_is_said(tmp_path):
    found = curated(tmp_path, [{"text": f"stone {k}", "label": "ab"[k % 2]} for k in range(9)])
    assert found.cards["t"]["groups"] == {}
    assert "who occurs" not in cards_markdown(found)


def test_no_word_stands_in_two_groups():
    words = [word for some in lists().values() for word in some]
    assert len(words) == len(set(words))
    assert all(re.fullmatch(r"[a-z]+", word) for word in words)
