"""Nothing that tests keep lands in the user's own folders."""

import os
import tempfile

# At import, and not in a fixture: helper processes copy the environment when they start.
os.environ["MADRIGAL_CACHE"] = tempfile.mkdtemp(prefix="madrigal-tests-")
