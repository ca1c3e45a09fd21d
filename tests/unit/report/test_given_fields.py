"""Section 6: what rows say of themselves, and who occurs, as the cards tell."""

from madrigal.report import datacards


def view(curation):
    return datacards._view("t", {"format": "classification", "curation": curation}, 3)


def test_values_of_fields_are_shares_of_training_with_test_beside():
    region = {"train": {"north": 30, "south": 10}, "test": {"north": 1, "isle": 3}}
    many = {"train": {f"v{k}": 2 for k in range(15)}}
    name, rows, more = view({"fields": {"region": region, "source": many}}).given[0]
    assert (name, more) == ("region", 0)
    said = [tuple(" ".join(one.split()) for one in (row.name, row.train, row.test)) for row in rows]
    assert said == [("north", "75.0 %", "25.0 %"), ("south", "25.0 %", "0.0 %")]
    _, rows, more = view({"fields": {"region": region, "source": many}}).given[1]
    assert (len(rows), more) == (12, 3)


def test_who_occurs_is_a_share_of_what_was_looked_at():
    told = view({"groups": {"men": 5, "women": 0}, "looked_at": {"train": 15, "test": 5}}).who
    assert told.startswith("men 25")
    assert "women" not in told


def test_cards_without_them_are_silent():
    old = view({})
    assert (old.given, old.who) == ((), "")
    assert view({"fields": {"only": {"test": {"a": 4}}}}).given == ()
