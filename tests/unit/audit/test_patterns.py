"""Patterns, and what people should not be told about people."""

from pathlib import Path

import pytest

from madrigal.audit.filter_settings import Patterns
from madrigal.audit.known import iban, luhn
from madrigal.audit.read import text_rule


def finds(text, **settings):
    rule = text_rule(Patterns(name="r", kind="pattern", **settings), Path())
    (found,) = rule.look([text], [""])
    return [one.text for one in found]


@pytest.mark.parametrize(
    ("kind", "text", "found"),
    [
        ("email", "write to jo.doe+x@mail.example.org.", ["jo.doe+x@mail.example.org"]),
        ("email", "meet me @ home, a@b", []),
        ("phone", "call +49 30 1234567 now", ["+49 30 1234567"]),
        ("phone", "call (030) 123-4567", ["(030) 123-4567"]),
        ("phone", "call 555-123-4567.", ["555-123-4567"]),
        ("phone", "in 1999, 2001 and 2003; 3.141592653; 10,000,000", []),
        ("card", "pay with 4111 1111 1111 1111", ["4111 1111 1111 1111"]),
        ("card", "pay with 4111 1111 1111 1112", []),
        ("card", "0000000000000000", []),
        ("iban", "to DE89 3704 0044 0532 0130 00 please", ["DE89 3704 0044 0532 0130 00"]),
        ("iban", "to DE88 3704 0044 0532 0130 00 please", []),
        ("address", "ping 8.8.8.8 and 127.0.0.1 and 999.1.1.1", ["8.8.8.8"]),
        ("address", "version 1.2.3.4.5", []),
    ],
)
def test_known_patterns(kind, text, found):
    assert finds(text, known=(kind,)) == found


def test_check_digits():
    assert luhn("5500-0000-0000-0004")
    assert not luhn("5500-0000-0000-0005")
    assert iban("GB82WEST12345698765432")
    assert not iban("GB82WEST12345698765433")


def test_own_patterns_and_what_is_fine():
    assert finds("Ticket AB-12 and ab-13", patterns=(r"ab-\d+",)) == ["AB-12", "ab-13"]
    assert finds("AB-12 and AB-13", patterns=(r"ab-\d+",), unless=("12$",)) == ["AB-13"]
    assert finds("key AB-12", patterns=(r"ab-\d+",), unless_near=("key",)) == []
    assert finds("anything", patterns=(r"x*",)) == []  # nothing found is no find
