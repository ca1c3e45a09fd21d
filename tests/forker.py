"""A process that has imported everything and forks a child for every command line that it is given.

Starting Python and its libraries takes seconds, a fork none; so a test can start the command line
twenty times. Where the kernel allows it the process lives in a name space of its own, in which it
can mount a small file system.

As a script it reads requests as JSON lines and answers each with one line; `Forker` talks to it.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


class Forker:
    """A running forker. Use as a context manager."""

    def __init__(self) -> None:
        probe = ["unshare", "-rm", "true"]
        self.can_mount = (
            bool(shutil.which("unshare"))
            and not subprocess.run(probe, capture_output=True, check=False).returncode
        )
        prefix = probe[:-1] if self.can_mount else []
        environment = os.environ | {
            "MADRIGAL_DEVICE": "cpu",
            "OMP_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "HF_HUB_OFFLINE": "1",
            "COLUMNS": "200",
        }
        self._process = subprocess.Popen(
            [*prefix, sys.executable, "-W", "error", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def __enter__(self) -> "Forker":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # the end of its input ends it

    def ask(self, **request: object) -> dict:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def madrigal(
        self,
        *words: object,
        kill_after: float | None = None,
        processes: int = 1,
        dies: tuple[object, ...] = (),
    ) -> dict:
        """Run a command line. Returns `code` (-9 where it was killed), `seconds`, `errors` (what
        came on standard error), and `said` (all of it, the errors last).

        Several processes find each other as under torchrun; when one fails the others are killed.
        `dies` is a run folder and the place in it at which the run dies, see `deaths.arm`.
        """
        said, place = [str(word) for word in words], [str(dies[0]), *dies[1:]] if dies else []
        return self.ask(words=said, kill_after=kill_after, processes=processes, dies=place)

    def shell(self, script: str) -> None:
        """Run a shell script where mounts are seen; it must succeed."""
        answer = self.ask(shell=script)
        assert answer["code"] == 0, answer


def _children(
    words: list[str], processes: int, logs: tuple[Path, Path], dies: list[Any]
) -> list[int]:
    for log in logs:
        log.write_bytes(b"")
    group: dict[str, str] = {}
    if processes > 1:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        group = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    pids = []
    for rank in range(processes):
        pid = os.fork()
        if pid == 0:
            place = {"RANK": str(rank), "LOCAL_RANK": str(rank)} if group else {}
            os.environ.update(group | place)
            _child(words, logs, dies)
        pids.append(pid)
    return pids


def _child(words: list[str], logs: tuple[Path, Path], dies: list[Any]) -> None:
    for stream, log in enumerate(logs, 1):
        os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND), stream)
    from madrigal.cli.app import main

    code = 70
    try:
        if dies:
            from deaths import arm

            arm(Path(dies[0]), *dies[1:])
        code = main(words)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(pids: list[int], kill_after: float | None) -> int:
    """The first exit code that is not 0."""
    deadline = None if kill_after is None else time.monotonic() + kill_after
    running, code = set(pids), 0
    while running:
        for pid in tuple(running):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                running.remove(pid)
                code = code or os.waitstatus_to_exitcode(status)
        if code or (deadline is not None and time.monotonic() >= deadline):
            for pid in running:
                os.kill(pid, signal.SIGKILL)
            deadline = None
        time.sleep(0.002)
    return code


def _serve() -> None:
    import tempfile

    import peft  # noqa: F401
    import sklearn.metrics  # noqa: F401
    import torch
    import transformers.models.llama.modeling_llama  # noqa: F401

    import madrigal.pipeline.run
    import madrigal.report  # noqa: F401

    torch.set_num_threads(1)
    logs = Path(tempfile.mkstemp()[1]), Path(tempfile.mkstemp()[1])
    for line in sys.stdin:
        request = json.loads(line)
        if "shell" in request:
            done = subprocess.run(
                ["sh", "-ec", request["shell"]], capture_output=True, text=True, check=False
            )
            answer = {"code": done.returncode, "said": done.stdout + done.stderr}
        else:
            began = time.monotonic()
            words, dies = request["words"], request["dies"]
            pids = _children(words, request["processes"], logs, dies)
            code = _wait(pids, request["kill_after"])
            said, errors = (log.read_text(encoding="utf-8", errors="replace") for log in logs)
            answer = {
                "code": code,
                "seconds": time.monotonic() - began,
                "said": said + errors,
                "errors": errors,
            }
        print(json.dumps(answer), flush=True)
    for log in logs:
        with contextlib.suppress(OSError):
            log.unlink()


if __name__ == "__main__":
    _serve()
