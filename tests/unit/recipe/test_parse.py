"""YAML to nodes: scalars, lines, and what is refused."""

import math

import pytest

from madrigal.recipe.node import Node
from madrigal.recipe.parse import MOST_NODES, parse


def read(text: str) -> Node:
    node, mistakes = parse(text, "r.yaml")
    assert not mistakes
    return node


def wrong(text: str) -> list[str]:
    return [str(mistake) for mistake in parse(text, "r.yaml")[1]]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"), ("no", "no"), ("on", "on"), ("off", "off"), ("True", True),
        ("false", False),
        ("1e-3", 1e-3), ("1E+2", 100.0), ("5e-4", 5e-4), (".5", 0.5), ("1.", 1.0), ("-3", -3),
        ("0x1F", 31), ("0o17", 15), ("012", 12), ("1_000", "1_000"), ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"), ("~", None), ("null", None), ("", None), ("-.inf", -math.inf),
        ("'400'", "400"), ("!!str 400", "400"), ("1.2.3", "1.2.3"), ("e3", "e3"), ("-", None),
    ],
)  # fmt: skip
def test_scalars_follow_yaml_1_2(text: str, value: object):
    if text == "-":
        assert read("- ").plain() == [None]
        return
    found = read(f"a: {text}").get("a").value
    assert found == value
    assert type(found) is type(value)


def test_nan_is_a_number():
    assert math.isnan(read("a: .nan").get("a").value)  # type: ignore[arg-type]


def test_a_value_stands_on_the_line_of_its_key():
    text = "a: 1\nb:\n  c:\n    - d: |\n        long\n      e: 2\n    - 3\n"
    root = read(text)
    assert root.get("b").where == "r.yaml:2"
    assert root.get("b", "c", 0).where == "r.yaml:4"
    assert root.get("b", "c", 0, "d").where == "r.yaml:4"
    assert root.get("b", "c", 0, "e").where == "r.yaml:6"
    assert root.get("b", "c", 1).where == "r.yaml:7"


def test_keys_are_names_whatever_they_look_like():
    assert read("{0: a, 1.5: b, yes: c, null: d}").plain() == {
        "0": "a", "1.5": "b", "yes": "c", "null": "d",
    }  # fmt: skip


def test_an_absent_node_stands_where_its_parent_stands():
    absent = read("a:\n  b: 1\n").get("a", "x", "y")
    assert not absent.present
    assert absent.where == "r.yaml:1"
    assert absent.path == ("a", "x", "y")


def test_anchors_and_merges_are_read():
    text = "a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}\nc: *x\nd: {<<: [*x, {r: 4}]}\n"
    assert read(text).plain() == {
        "a": {"p": 1, "q": 2},
        "b": {"p": 1, "q": 3},
        "c": {"p": 1, "q": 2},
        "d": {"p": 1, "q": 2, "r": 4},
    }


def test_every_duplicate_key_is_told():
    found = wrong("a: 1\nb: {c: 1, c: 2}\na: 2\na: 3\n")
    assert found == [
        "r.yaml:2: b.c: stands twice (first on line 2); rename or remove one",
        "r.yaml:3: a: stands twice (first on line 1); rename or remove one",
        "r.yaml:4: a: stands twice (first on line 1); rename or remove one",
    ]


def test_a_bomb_is_refused_before_it_grows():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    (found,) = wrong("\n".join(lines))
    assert found.endswith(
        f": more than {MOST_NODES} values once aliases are expanded; write it plainly"
    )


def test_a_value_that_holds_itself_is_refused():
    assert wrong("a: &x\n  b: *x\n") == ["r.yaml:2: an alias stands inside the value that it names"]


@pytest.mark.parametrize("depth", [60, 3000])
def test_deep_nesting_is_refused(depth: int):
    (found,) = wrong("a: " + "[" * depth + "]" * depth)
    assert found == "r.yaml:1: nested too deeply to be a recipe"


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("a: !!python/object/apply:os.system ['true']", "'!!python/object/apply:os.system'"),
        ("a: !!binary aGk=", "'!!binary'"),
        ("a: !mine {b: 1}", "'!mine'"),
        ("a: !!set {b, c}", "'!!set'"),
    ],
)
def test_tags_are_refused(text: str, tag: str):
    assert wrong(text) == [f"r.yaml:1: a: tag {tag} is refused; write a plain value"]


def test_a_number_of_ten_thousand_digits_is_refused():
    (found,) = wrong(f"a: {'9' * 10_000}")
    assert found.startswith("r.yaml:1: a: '9999")
    assert found.endswith("is not a number that can be read")
    assert len(found) < 120
