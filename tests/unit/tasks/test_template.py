"""Templates: fields in braces and nothing else."""

import pytest

from madrigal.tasks.template import UnknownFieldError, field_names, fill


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("Review: {text}\nSentiment:", "Review: fine\nSentiment:"),
        ("{text}{text}", "finefine"),
        ("{{text}} {{{text}}}", "{text} {fine}"),
        ("100 % of $x \\n", "100 % of $x \\n"),
        ("a } b { c", "a } b { c"),
        ("{my field}", "{text}"),
    ],
)
def test_fills(template, expected):
    # A value that looks like a template is not filled again.
    assert fill(template, {"text": "fine", "my field": "{text}"}) == expected


@pytest.mark.parametrize("name", ["txt", "", "text.__class__", "text!r", "text:>9999", "0"])
def test_anything_else_is_an_unknown_field(name):
    with pytest.raises(UnknownFieldError) as error:
        fill("{" + name + "}", {"text": "fine", "label": "good"})
    assert error.value.args[0].startswith(f"no field '{name}'; found 'text', 'label'")


def test_names():
    assert field_names("{a} {{b}} {c} {a}") == ("a", "c")
