"""What all tests share. Nothing that they keep lands in the user's own folders."""

import os
import tempfile

import jaxtyping
import pytest

# At import, and not in a fixture: helper processes copy the environment when they start.
os.environ["MADRIGAL_CACHE"] = tempfile.mkdtemp(prefix="madrigal-tests-")

if "PYTEST_XDIST_WORKER" in os.environ:  # a worker a core: threads would only wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="module")
def unchecked():
    """No checks of shapes, for modules with ten thousand small calls: every other test has them."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
