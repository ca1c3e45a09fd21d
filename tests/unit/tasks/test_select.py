"""Raw text nearest to a task: the weights a second way, what is chosen, and what is refused."""

import math
import re
import zlib
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from madrigal.errors import DataError
from madrigal.recipe.schema import Recipe
from madrigal.recipe.task import Select
from madrigal.tasks.load import load_tasks
from madrigal.tasks.near import BUCKETS, nearest
from madrigal.tasks.record import Record, Turn
from madrigal.tasks.select import own_words, with_selection
from madrigal.tasks.task import Task
from tasks_made import write_jsonl

SEA = ("ship", "sailed", "over", "the", "sea", "with", "salt", "and", "wind", "in", "sails", "mast")
LAW = ("court", "held", "that", "the", "contract", "of", "sale", "was", "void", "under", "statute")


def prose(words, count, seed):
    """Paragraphs of such words."""
    random = np.random.default_rng(seed)
    return "\n\n".join(" ".join(random.choice(words, 30)) for _ in range(count))


def text(*texts):
    records = tuple(Record(f"book.txt:{k}", text=one) for k, one in enumerate(texts, 1))
    return Task("book", "text", "perplexity", {"train": records, "validation": (), "test": ()})


def asked(count=20):
    random = np.random.default_rng(1)
    records = tuple(
        Record("q", (Turn("user", f"Tell whether this is wet or dry: {said}\nIt is"),), ("wet",),
               ("wet", "dry"), fields={"text": said, "id": "7"})
        for said in (" ".join(random.choice(SEA, 12)) for _ in range(count))
    )  # fmt: skip
    return Task("ships", "choice", "accuracy", {"train": records, "validation": (), "test": ()})


def naive(pieces, wanted):
    """Log-weights and divergences by counting in dictionaries."""

    def counted(texts):
        found = Counter()
        for one in texts:
            words = re.findall(r"\w+", one.lower())
            for gram in (*words, *(f"{a} {b}" for a, b in pairwise(words))):
                found[zlib.crc32(gram.encode()) % BUCKETS] += 1
        return found

    p, q = counted(wanted), counted(pieces)
    weights = [
        sum(n * math.log(0.9 * p[b] / p.total() / (q[b] / q.total()) + 0.1)
            for b, n in counted([one]).items())
        for one in pieces
    ]  # fmt: skip
    return weights, lambda texts: raised(p, counted(texts))


def raised(one, other):
    """KL in bits, each count raised by one."""
    p, q = (
        [(held[b] + 1) / (held.total() + BUCKETS) for b in range(BUCKETS)] for held in (one, other)
    )
    return sum(a * math.log2(a / b) for a, b in zip(p, q, strict=True))


def test_weights_and_divergences_are_those_of_a_naive_count():
    pieces = [prose(words, 2, k) for k, words in enumerate((SEA, LAW, SEA, LAW))]
    wanted = [prose(SEA, 1, 9)]
    found = nearest(pieces, wanted, max(map(len, pieces)) + 1, 0, noise=0.0)
    weights, bits = naive(pieces, wanted)
    order = sorted(range(4), key=lambda k: -weights[k])
    assert found.places == tuple(sorted(order[:2])) == (0, 2)
    assert found.weights == pytest.approx([weights[k] for k in found.places])
    assert found.before == pytest.approx(bits(pieces))
    assert found.after == pytest.approx(bits([pieces[k] for k in found.places]))


def test_drawn_in_proportion_to_the_weights():
    """Of two pieces each is drawn first as often as its weight among both says."""
    pieces, wanted = ["salt", "court"], ["salt wind salt"]
    weights = naive(pieces, wanted)[0]
    share = 1 / (1 + math.exp(weights[1] - weights[0]))
    assert 0.6 < share < 0.99
    first = [nearest(pieces, wanted, 1, seed).places == (0,) for seed in range(400)]
    assert abs(np.mean(first) - share) < 3 * math.sqrt(share * (1 - share) / 400)


def test_the_text_about_ships_is_chosen_and_named():
    book = text(prose(LAW, 40, 1), prose(SEA, 20, 2), prose(LAW, 20, 3))
    found = with_selection(book, Select(near="ships", share=0.15, passage=300), asked(), 0)
    told = found.selected
    assert {one.where for one in found.splits["train"]} == {"book.txt:2"}
    assert told["bits_after"] < told["bits_random"]
    assert told["bits_after"] < told["bits_before"]
    assert 0.15 * told["of_characters"] <= told["characters"] < 0.2 * told["of_characters"]
    for one in told["chosen"]:
        whole = next(r.text for r in book.splits["train"] if r.where == one["where"])
        assert whole[one["from"] : one["to"]] in {r.text for r in found.splits["train"]}
    assert re.search(r"passages \(1\d% of the text\) are chosen, near to 'ships': \d\.\d\d bits "
                     r"nearer",
                     found.notes[-1])  # fmt: skip
    assert with_selection(book, Select(near="ships", share=0.15, passage=300), asked(), 0) == found


def test_neighbours_are_one_document_again_and_everything_is_everything():
    book = text(prose(SEA, 12, 1), prose(LAW, 12, 2))
    found = with_selection(book, Select(near="ships", share=1.0, passage=300), asked(), 0)
    assert [one.text for one in found.splits["train"]] == [one.text for one in book.splits["train"]]


def test_a_number_of_characters():
    book = text(prose(LAW, 30, 1), prose(SEA, 30, 2))
    rule = Select(near="ships", characters=1000, passage=200)
    held = sum(len(one.text) for one in with_selection(book, rule, asked(), 0).splits["train"])
    assert 1000 <= held < 1400


def test_what_a_template_adds_is_not_what_text_should_be_like():
    record = asked(1).splits["train"][0]
    assert own_words(record) == record.fields["text"]
    free = Record("q", (Turn("user", "Say why: because"),), ("it rains",))
    assert own_words(free) == "Say why: because\nit rains"


def test_only_raw_text_is_selected():
    with pytest.raises(DataError, match=r"tasks.ships.data.select: passages are chosen of raw"):
        with_selection(asked(), Select(near="book"), text("a b c"), 0)


def recipe(select):
    return Recipe.model_validate({
        "name": "t", "model": {"base": "madrigal/base-xs"},
        "tasks": {
            "ships": {"data": {"train": "ships.jsonl"}},
            "book": {"data": {"train": "book.jsonl", "select": select}},
        },
        "stages": [{"name": "s", "learn": ["book", "ships"], "steps": 1}],
    })  # fmt: skip


def test_held_out_text_stays_as_it_is(tmp_path):
    books = [{"text": prose(SEA if k % 2 else LAW, 6, k)} for k in range(60)]
    write_jsonl(tmp_path / "book.jsonl", books)
    rows = [{"text": " ".join(np.random.default_rng(k).choice(SEA, 9)), "label": "ab"[k % 2]}
            for k in range(60)]  # fmt: skip
    write_jsonl(tmp_path / "ships.jsonl", rows)
    plain = load_tasks(recipe(None), tmp_path)["book"]
    chosen = load_tasks(recipe("ships"), tmp_path)["book"]
    for split in ("validation", "test"):
        assert chosen.splits[split] == plain.splits[split]
    assert len(chosen.splits["train"]) < len(plain.splits["train"])
    assert chosen.counts["train"] == len(chosen.splits["train"])
    wheres = {one.where for one in chosen.splits["train"]}
    assert all(int(where.rsplit(":", 1)[1]) % 2 == 0 for where in wheres)


def test_a_task_with_nothing_to_compare_is_a_mistake(tmp_path):
    write_jsonl(tmp_path / "book.jsonl", [{"text": prose(SEA, 3, k)} for k in range(30)])
    write_jsonl(
        tmp_path / "ships.jsonl", [{"text": f"{k}", "label": "ab"[k % 2]} for k in range(9)]
    )
    held = recipe("ships").model_dump()
    held["tasks"]["ships"]["data"]["select"] = {"near": "book"}
    with pytest.raises(DataError) as said:
        load_tasks(Recipe.model_validate(held), tmp_path)
    assert "tasks.ships.data.select: passages are chosen of raw text" in said.value.mistakes[0]


def test_neighbours_of_two_documents_stay_two_and_each_says_where_it_stands():
    """All is chosen but the middle of the second document."""
    book = text(prose(SEA, 2, 1), prose(LAW, 1, 2) + "\n\n" + prose(SEA, 1, 3), prose(SEA, 2, 4))
    found = with_selection(book, Select(near="ships", share=0.8, passage=100), asked(), 0)
    kept = found.splits["train"]
    whole = {one.where: one.text for one in book.splits["train"]}
    assert {one.where for one in kept} == set(whole)
    assert all(one.text in whole[one.where] for one in kept)
    spans = found.selected["chosen"]
    assert sum(one["to"] - one["from"] for one in spans) == found.selected["characters"]
    assert sorted(whole[one["where"]][one["from"] : one["to"]] for one in spans) == sorted(
        one.text for one in kept
    )


def test_the_nearest_by_character_stands_first_and_a_card_names_not_all(monkeypatch):
    """A long text of both kinds has more of what is wanted than a short one, and is less near."""
    both = " ".join([*SEA, *LAW] * 12)
    book = text(f"{both}", " ".join(SEA))
    found = with_selection(book, Select(near="ships", share=1.0, passage=5000), asked(), 0)
    told = found.selected["chosen"]
    assert [one["where"] for one in told] == ["book.txt:2", "book.txt:1"]
    assert told[0]["nats_per_character"] > told[1]["nats_per_character"]
    monkeypatch.setattr("madrigal.tasks.select._TOLD", 1)
    found = with_selection(book, Select(near="ships", share=1.0, passage=5000), asked(), 0)
    assert [one["where"] for one in found.selected["chosen"]] == ["book.txt:2"]


def test_a_system_message_and_a_choice_are_no_words_of_a_row():
    record = Record("q", (Turn("system", "be brief"), Turn("user", "why?")), ("wet",),
                    ("wet", "dry"))  # fmt: skip
    assert own_words(record) == "why?"
