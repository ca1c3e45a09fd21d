"""Pauses as one reckons them by hand."""

import pytest

from madrigal.experience.waits import pause, retry_after


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Sun, 06 Nov 1994 08:49:37 GMT"}, 37.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "inf"}, None),
    ],
)
def test_what_a_server_asks_for(headers, seconds):
    assert retry_after(headers, now=784111740.0) == seconds  # 08:49:00 of that day


def test_a_date_that_has_passed_is_no_wait():
    assert retry_after({"retry-after": "Sun, 06 Nov 1994 08:49:37 GMT"}, now=1e9) == 0.0


def test_pauses_double_up_to_the_longest_and_chance_shares_them_out():
    whole = [pause(tries, 1.0, 1.0, 60.0, None) for tries in (1, 2, 3, 7, 20)]
    assert whole == [1.0, 2.0, 4.0, 60.0, 60.0]
    assert pause(3, 0.25, 1.0, 60.0, None) == 1.0
    assert pause(3, 0.0, 1.0, 60.0, 5.0) == 5.0
    assert 5.0 <= pause(9, 0.9, 1.0, 60.0, 5.0) <= 6.0
