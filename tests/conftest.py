"""Nothing that tests keep lands in the user's own folders."""

import os
import tempfile

# At import, and not in a fixture: helper processes copy the environment when they start.
os.environ["MADRIGAL_CACHE"] = tempfile.mkdtemp(prefix="madrigal-tests-")

if "PYTEST_XDIST_WORKER" in os.environ:  # a worker a core: threads would only wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")
