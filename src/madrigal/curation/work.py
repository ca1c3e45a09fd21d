"""Looking at all blocks: in this process or several, again only at those that are missing."""

import json
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path

from madrigal.curation.block import SIZE, Block, Looker, blocks, is_stored, store, stored
from madrigal.curation.sources import Source, Sources
from madrigal.curation.stream import fingerprint
from madrigal.errors import DataError

_VERSION = 4  # of what is stored; blocks of another one are looked at again
_AHEAD = 2  # blocks in wait for each process, so that memory stays bounded

Tell = Callable[[int], None]  # so many bytes more


@dataclass(frozen=True, slots=True)
class Shard:
    """Which blocks are this process's: every `of`-th, beginning with `number` (from 1)."""

    number: int = 1
    of: int = 1

    def mine(self, count: int) -> bool:
        """Whether the `count`-th block of all is."""
        return count % self.of == self.number - 1


def silent(_: int) -> None:
    """Tells nobody."""


def key_of(sources: Sources) -> str:
    """What the stored blocks follow from: files, their state, settings, and the code's version."""
    said = [
        [one.task, one.split, one.name, *fingerprint(one.found), one.format, sorted(one.cut),
         one.settings.model_dump_json(), *one.languages]
        for one in sources.files
    ]  # fmt: skip
    return sha256(json.dumps([_VERSION, SIZE, said]).encode()).hexdigest()[:16]


def look_at_all(
    sources: Sources,
    folder: Path,
    processes: int = 1,
    shard: Shard | None = None,
    tell: Tell = silent,
) -> list[list[Path]]:
    """Every block of every file, stored in `folder`; those that are there are not looked at again.

    Returns the paths by file, in order. With a `shard` only its blocks are looked at.

    Raises:
        DataError: with every file that cannot be read to its end.
    """
    folder = folder / key_of(sources)
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[list[Path]] = [[] for _ in sources.files]
    shard = shard or Shard()
    if processes == 1:
        for path, block, source in _wanted(sources, folder, shard, paths, tell):
            _look(path, block, source)
            tell(block.bytes)
        return paths
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        waiting: deque[tuple[Future[None], int]] = deque()
        for path, block, source in _wanted(sources, folder, shard, paths, tell):
            waiting.append((pool.submit(_look, path, block, source), block.bytes))
            while len(waiting) > _AHEAD * processes:
                _settle(waiting, tell)
        while waiting:
            _settle(waiting, tell)
    return paths


def _settle(waiting: deque[tuple[Future[None], int]], tell: Tell) -> None:
    future, size = waiting.popleft()
    future.result()
    tell(size)


def _wanted(
    sources: Sources, folder: Path, shard: Shard, paths: list[list[Path]], tell: Tell
) -> Iterator[tuple[Path, Block, Source]]:
    count = 0
    mistakes: list[str] = []
    for number, source in enumerate(sources.files):
        left = fingerprint(source.found)[0]
        try:
            for block in blocks(number, source):
                left -= block.bytes
                path = stored(folder, number, block.number)
                paths[number].append(path)
                if shard.mine(count) and not is_stored(path):
                    yield path, block, source
                else:
                    tell(block.bytes)
                count += 1
            tell(left)  # blank lines, and what is no row's
        except DataError as error:
            mistakes += error.mistakes
    if mistakes:
        raise DataError(mistakes)


def _look(path: Path, block: Block, source: Source) -> None:
    store(path, *Looker.of(source).look(block))
