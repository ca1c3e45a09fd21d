"""What several stories share."""

import pytest

from forker import Forker


@pytest.fixture(scope="session")
def forker():
    """Command lines without the seconds that importing everything takes."""
    with Forker() as running:
        yield running
