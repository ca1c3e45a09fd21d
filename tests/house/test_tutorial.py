"""Tutorials are executed: what a reader types works, in order, in an empty folder.

Blocks marked `bash` and `python` are run; a block marked with a language and a file name
(```yaml recipe.yaml) is that file. Other blocks show output and are not run.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TUTORIALS = sorted((ROOT / "docs" / "tutorial").glob("*.md"))
FENCE = re.compile(
    r"^```(?P<language>\w+)(?: +(?P<file>[\w./-]+))? *\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    line: int
    language: str
    file: str | None
    body: str

    @property
    def command(self) -> list[str] | None:
        if self.file:
            return None
        return {
            "bash": ["bash", "-euo", "pipefail", "-c", self.body],
            "python": [sys.executable, "-c", self.body],
        }.get(self.language)


def blocks(text: str) -> list[Block]:
    return [
        Block(text.count("\n", 0, m.start()) + 1, m["language"], m["file"], m["body"])
        for m in FENCE.finditer(text)
    ]


def test_blocks_are_found_with_their_lines():
    text = "Hi\n```bash\nls\n```\n\n```yaml a/b.yaml\nx: 1\n```\n```text\nno\n```\n"
    assert blocks(text) == [
        Block(2, "bash", None, "ls\n"),
        Block(6, "yaml", "a/b.yaml", "x: 1\n"),
        Block(9, "text", None, "no\n"),
    ]
    assert blocks(text)[2].command is None


def test_there_is_a_first_tutorial():
    text = (ROOT / "docs" / "tutorial" / "first-run.md").read_text(encoding="utf-8")
    assert sum(block.command is not None for block in blocks(text)) >= 4


@pytest.mark.slow
@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_runs(path, tmp_path):
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HF_HUB_OFFLINE": "1",
        "COLUMNS": "100",
    }
    for block in blocks(path.read_text(encoding="utf-8")):
        if block.file:
            target = tmp_path / block.file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.body, encoding="utf-8")
        if block.command:
            result = subprocess.run(
                block.command,
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=1200,  # only so that a test cannot hang; a busy machine is slow
            )
            where = f"{path.relative_to(ROOT)}:{block.line}"
            assert result.returncode == 0, f"{where}\n{result.stdout}\n{result.stderr}"
