"""One made-up run for all tests that only read it."""

import pytest

from fake_run import write_run


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs") / "support-desk", examples=40, steps=150)
