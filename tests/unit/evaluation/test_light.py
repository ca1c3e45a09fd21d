import subprocess
import sys

HEAVY = ("torch", "transformers", "datasets", "sklearn", "sacrebleu", "nltk")


def test_the_statistics_need_no_heavy_library():
    code = f"import sys, madrigal.evaluation; print([m for m in {HEAVY} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
