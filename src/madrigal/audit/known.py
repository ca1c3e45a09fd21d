"""Patterns by name: what people should not be told about people."""

import ipaddress
import re
from collections.abc import Callable

Holds = Callable[[str], bool]


def _always(found: str) -> bool:
    del found
    return True


def luhn(found: str) -> bool:
    """Whether the check digit of a payment card is right (ISO/IEC 7812)."""
    digits = [int(one) for one in found if one.isdigit()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    doubled = [d if i % 2 == 0 else sum(divmod(2 * d, 10)) for i, d in enumerate(digits[::-1])]
    return sum(doubled) % 10 == 0


def iban(found: str) -> bool:
    """Whether the check digits of a bank account are right (ISO 13616)."""
    text = re.sub(r"\s", "", found).upper()
    moved = text[4:] + text[:4]
    if not 15 <= len(text) <= 34 or not moved.isalnum() or not moved.isascii():
        return False
    return int("".join(str(int(one, 36)) for one in moved)) % 97 == 1


def internet(found: str) -> bool:
    """Whether it is an address of the Internet protocol that belongs to somebody."""
    try:
        return ipaddress.ip_address(found).is_global
    except ValueError:
        return False


def phone(found: str) -> bool:
    """Whether it has as many digits as phone numbers have, and is no year or decimal number."""
    return 8 <= sum(one.isdigit() for one in found) <= 15


KNOWN: dict[str, tuple[re.Pattern[str], Holds]] = {
    "email": (
        re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[a-z0-9-]{1,63}\.)+[a-z]{2,24}(?![\w-])", re.I),
        _always,
    ),
    # International with a plus, or three groups and more with brackets, dashes, dots or spaces.
    "phone": (
        re.compile(
            r"(?<![\w.,-])(?:\+\d{1,3}[ .-]?(?:\(?\d{1,4}\)?[ .-]?){2,5}\d"
            r"|\(\d{2,5}\)[ .-]?\d{2,4}[ .-]?\d{2,5}|\d{3}[ .-]\d{3}[ .-]\d{4})(?![\w-]|[.,]\d)"
        ),
        phone,
    ),
    "card": (re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-]|\.\d)"), luhn),
    "iban": (
        re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{2,4}){3,8}(?!\w)"),
        iban,
    ),
    "address": (re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\d)"), internet),
}
