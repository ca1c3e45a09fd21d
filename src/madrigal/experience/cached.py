"""Answers are kept on disk as they come, so that nothing is asked twice."""

import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from madrigal.errors import DataError, RunStopped
from madrigal.experience.generator import Asked, Generator, Heard, Said, unheard

FILE = "answers.jsonl"


class Kept:
    """Everything that was said so far, in a file that grows by a line an answer.

    A line that was cut short by a kill is dropped. Used by one process at a time.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        folder.mkdir(parents=True, exist_ok=True)
        self._said = _read(self.path)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._said)

    def get(self, key: str) -> Said | None:
        """What was said to the request of this key."""
        return self._said.get(key)

    def put(self, key: str, said: Said) -> None:
        """Write it down before anything is made of it.

        Raises:
            RunStopped: the disk is full or gone.
        """
        line = json.dumps({"key": key, **_body(said)}, separators=(",", ":"))
        with self._lock:
            try:
                with self.path.open("a", encoding="utf-8") as file:
                    file.write(line + "\n")
            except OSError as problem:
                raise RunStopped(
                    f"{self.path}: cannot be written ({problem.strerror}); make room and give the "
                    "same command again: what is there is not asked for again"
                ) from problem
            self._said[key] = said


class Cached:
    """A generator that asks another one only for what is not kept yet.

    Requests that are alike are asked once. Where the numbers of a block hang together, a block of
    which anything is missing is asked for as a whole, so that a run that was killed gets the very
    texts that one that was not would have got.
    """

    def __init__(self, generator: Generator, kept: Kept) -> None:
        self._generator, self._kept = generator, kept
        self.asked = 0  # of the generator itself

    @property
    def name(self) -> str:
        return self._generator.name

    @property
    def block(self) -> int:
        return self._generator.block

    def answer(self, asked: Sequence[Asked], heard: Heard = unheard) -> list[Said]:
        """One text for each request; what is kept is heard first."""
        places: dict[str, list[int]] = {}
        for place, one in enumerate(asked):
            places.setdefault(one.key(self.name), []).append(place)
        keys = list(places)
        blocks = [keys[n : n + self.block] for n in range(0, len(keys), self.block)]
        missing = [b for b in blocks if any(self._kept.get(key) is None for key in b)]
        wanted = [key for block in missing for key in block]
        for key in (key for block in blocks if block not in missing for key in block):
            said = self._kept.get(key)
            if said is not None:  # all of such blocks is there
                for place in places[key]:
                    heard(place, said)

        def keep(number: int, said: Said) -> None:
            self._kept.put(wanted[number], said)
            for place in places[wanted[number]]:
                heard(place, said)

        self.asked += len(wanted)
        self._generator.answer([asked[places[key][0]] for key in wanted], keep)
        found = [self._kept.get(one.key(self.name)) for one in asked]
        return [said for said in found if said is not None]


def _body(said: Said) -> dict[str, Any]:
    body: dict[str, Any] = {"text": said.text, "ended": said.ended}
    body |= {"read": said.read, "written": said.written}
    return body if said.words is None else body | {"words": dict(said.words)}


def _read(path: Path) -> dict[str, Said]:
    if not path.exists():
        return {}
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):  # killed while it was written
        os.truncate(path, whole)
    found = {}
    for number, line in enumerate(data[:whole].splitlines(), 1):
        try:
            body = json.loads(line)
            key = body.pop("key")
            found[key] = Said(**body)
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise DataError(
                f"{path}:{number}: is no answer that was kept; remove the line, and it is asked "
                "for again"
            ) from problem
    return found
