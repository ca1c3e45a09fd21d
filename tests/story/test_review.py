"""`madrigal curate review DIR`: keys, undo, going on after a kill, and what --clean makes of it."""

import json
import os
import pty
import re
import select
import signal
import sys
import time
from pathlib import Path

import pytest

from madrigal.cli.app import main

PATIENCE = 120  # seconds, on a busy machine


class Terminal:
    """A process at a pseudo-terminal."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.pid, self._handle = pty.fork()
        if self.pid == 0:
            os.environ.update(
                {"TERM": "xterm", "COLUMNS": "100", "LINES": "40", "NO_COLOR": "1"} | environment
            )
            os.execv(sys.executable, [sys.executable, "-m", "madrigal", *arguments])
        self.seen = ""

    def until(self, text: str) -> str:
        """All that was shown since the last call, up to and with `text`."""
        end = time.monotonic() + PATIENCE
        while text not in self.seen:
            ready, _, _ = select.select([self._handle], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"not shown: {text!r}; shown: {self.seen[-2000:]!r}"
            try:
                self.seen += os.read(self._handle, 65536).decode("utf-8", "replace")
            except OSError:  # the process ended
                assert text in self.seen, self.seen[-2000:]
        at = self.seen.index(text) + len(text)
        shown, self.seen = self.seen[:at], self.seen[at:]
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)

    def press(self, keys: str) -> None:
        os.write(self._handle, keys.encode())

    def ends(self) -> int:
        _, status = os.waitpid(self.pid, 0)
        os.close(self._handle)
        return os.waitstatus_to_exitcode(status)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.ends()


@pytest.fixture
def curated(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = [{"text": f"scene {k * 7919} was {'warm' if k % 2 else 'dull'}", "label": "ba"[k % 2]}
            for k in range(30)]  # fmt: skip
    rows[3] = {**rows[2], "label": "a"}
    rows[9]["text"] = "As an AI language model, I cannot help with that request."
    rows[9]["text"] += "\x1b]0;taken over\x07"
    rows.append({"text": rows[11]["text"], "label": "b"})
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["curate", "a.jsonl", "--out", "out"]) == 0
    return tmp_path


def decided(folder: Path) -> list[tuple[str, str]]:
    lines = (folder / "out" / "decisions.jsonl").read_text().splitlines()
    return [(said["action"], said.get("where", "")) for said in map(json.loads, lines)]


def test_records_are_kept_dropped_relabelled_and_fixed_and_a_killed_review_goes_on(curated):
    editor = curated / "editor.py"
    editor.write_text(
        "import json, pathlib, sys\npath = pathlib.Path(sys.argv[1])\n"
        "row = json.loads(path.read_text())\nrow['text'] = 'mended by hand'\n"
        "path.write_text(json.dumps(row))\n"
    )
    first = Terminal("curate", "review", "out")
    shown = first.until("q quit")
    assert "1 of 4" in shown
    assert "a.jsonl:3 " in shown
    assert "contradictory labels" in shown
    assert "beside a.jsonl:4" in shown
    first.press("d")
    assert "2 of 4" in first.until("q quit")
    first.press("k")
    first.until("q quit")
    first.press("u")
    assert "2 of 4" in first.until("q quit")
    first.kill()
    assert decided(curated) == [("drop", "a.jsonl:3"), ("keep", "a.jsonl:4"), ("undo", "")]

    # A line that was cut off while it was written counts for nothing.
    with (curated / "out" / "decisions.jsonl").open("a") as file:
        file.write('{"file": "a.jso')
    again = Terminal("curate", "review", "out", EDITOR=f"{sys.executable} {editor}")
    shown = again.until("q quit")
    assert "2 of 4" in shown
    assert "1 decided" in shown
    again.press("l")
    again.until("others: b")
    again.press("b\n")
    assert "3 of 4" in again.until("q quit")
    again.press("x")
    assert "k keep as it is" in again.until("q quit")
    again.press("f")
    again.until("4 of 4")
    again.until("q quit")
    again.press("k")
    assert "all records are decided" in again.until("are decided")
    assert again.ends() == 0

    assert main(["curate", "a.jsonl", "--out", "out", "--clean"]) == 0
    lines = (curated / "out" / "clean" / "a" / "a.jsonl").read_text().splitlines()
    made = [json.loads(line) for line in lines]
    told = (curated / "out" / "ledger.jsonl").read_text().splitlines()
    ledger = [json.loads(line) for line in told]
    by_rule = [one for one in ledger if one["why"][0]["check"] != "review"]
    assert [one["row"] for one in by_rule] == [9]  # the control characters, which nobody saw
    reviewed = [one for one in ledger if one not in by_rule]
    assert [(one["row"], one["action"]) for one in reviewed] == [
        (2, "dropped"), (3, "changed"), (11, "changed"),
    ]  # fmt: skip
    assert (reviewed[1]["before"], reviewed[1]["after"]) == ({"label": "a"}, {"label": "b"})
    assert reviewed[2]["after"] == {"text": "mended by hand"}
    assert len(made) == 30


def test_nothing_of_a_record_is_obeyed_by_the_terminal_and_quitting_says_what_is_left(curated):
    review = Terminal("curate", "review", "out", "--check", "control_characters")
    shown = review.until("q quit")
    assert "1 of 1" in shown
    assert "\x07" not in shown
    assert "]0;taken over" in shown
    review.press("q")
    assert "1 records left" in review.until("left")
    assert review.ends() == 0


def test_without_a_terminal_and_after_a_change_of_the_data_it_says_so(curated, capsys):
    capsys.readouterr()
    assert main(["curate", "review", "out"]) == 2
    assert "asks at the terminal, and there is none" in capsys.readouterr().err
    with (curated / "a.jsonl").open("a") as file:
        file.write('{"text": "one more", "label": "a"}\n')
    assert main(["curate", "review", "out"]) == 2
    told = capsys.readouterr().err
    assert told == "out: the data changed since they were curated; curate again\n"
