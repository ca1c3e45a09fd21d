"""Made-up runs for all tests that only read them."""

import pytest

from fake_run import write_run


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs") / "support-desk", examples=40, steps=150)


@pytest.fixture(scope="session")
def small_run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("small") / "support-desk", examples=8, steps=30)
