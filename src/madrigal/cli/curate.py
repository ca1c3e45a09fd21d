"""`madrigal curate RECIPE|FILE...`: what is wrong with data, and where."""

import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast, get_args

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from madrigal.cli.curate_orders import cleaned, orders_of
from madrigal.cli.curate_review import write_call
from madrigal.cli.curate_view import cards_markdown, view
from madrigal.curation.chances import States
from madrigal.curation.checks.language import KNOWN, NAMES, codes
from madrigal.curation.clean import clean
from madrigal.curation.curate import FINDINGS, Curated, look_at_shard
from madrigal.curation.curate import curate as curate_sources
from madrigal.curation.review import Decisions
from madrigal.curation.sources import Sources, of_files, of_recipe
from madrigal.curation.stream import fingerprint
from madrigal.curation.work import Shard, Tell
from madrigal.errors import UserMistake
from madrigal.recipe.load import LoadedRecipe, load_recipe
from madrigal.recipe.suggest import did_you_mean
from madrigal.recipe.task import FormatName

_RECIPES = (".yaml", ".yml")
# With less to read, starting a second process takes longer than reading.
_SMALL = 8 << 20  # bytes
_WORK, README = "work", "README.md"


@dataclass(frozen=True, slots=True)
class Wish:
    """The command line."""

    paths: tuple[str, ...]
    out: Path | None = None
    deep: bool = False
    format: str = "auto"
    language: str | None = None
    processes: int | None = None
    shard: str | None = None
    settings: tuple[str, ...] = ()
    clean: bool = False
    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    normalise: tuple[str, ...] = ()
    relabel: float | None = None
    balance: str | None = None
    by: str | None = None


def curate(wish: Wish) -> None:
    """Prints a card a task; with `out` writes cards, findings and how to read them.

    Raises:
        UserMistake: the command line contradicts itself, or files cannot be read.
    """
    shard = _shard(wish)
    orders = orders_of(wish)
    sources, loaded = sources_of(wish, Path.cwd())
    _check_out(wish.out, sources)
    if wish.out is not None and shard is not None:
        with _progress(sources) as tell:
            look_at_shard(sources, wish.out / _WORK, shard, _processes(wish, sources), tell)
        print(f"part {shard.number} of {shard.of} is done; without --shard the parts are joined")
        return
    with tempfile.TemporaryDirectory() as aside:
        folder = wish.out or Path(aside)
        with _progress(sources) as tell:
            found = curate_sources(
                sources,
                folder,
                folder / _WORK,
                wish.deep,
                _processes(wish, sources),
                tell,
                _states(wish, loaded),
            )
        console = Console(highlight=False)
        console.print(view(found, console.width))
        if wish.out is not None:
            _write(found, wish.out)
            write_call(wish, wish.out, sources)
            if wish.clean:
                console.print()
                made = Decisions(wish.out)
                for line in cleaned(clean(found, wish.out, replace(orders, reviewed=made.now()))):
                    console.print(line, markup=False, soft_wrap=True)
            told = f"\ncards and every finding: {wish.out}"
            console.print(told, markup=False, soft_wrap=True)


def _states(wish: Wish, loaded: LoadedRecipe | None) -> States | None:
    """What the recipe's model makes of texts, for the checks that take longer."""
    if not wish.deep or loaded is None:
        return None
    from madrigal.pipeline.states import text_states

    return text_states(loaded.recipe, loaded.root)


def sources_of(wish: Wish, folder: Path) -> tuple[Sources, LoadedRecipe | None]:
    """What the command line names, and the recipe; relative paths start at `folder`."""
    recipes = [path for path in wish.paths if path.endswith(_RECIPES)]
    if recipes and len(wish.paths) > 1:
        raise UserMistake(f"{recipes[0]}: a recipe stands alone; give it, or data files")
    if recipes:
        if wish.format != "auto":
            raise UserMistake("--format: a recipe says the format of each task; leave it out")
        if wish.language is not None:
            raise UserMistake("--language: is for files; with a recipe name them one task a call")
        loaded = load_recipe(os.path.relpath(folder / recipes[0]), wish.settings)
        return of_recipe(loaded.recipe, loaded.root), loaded
    if wish.settings:
        raise UserMistake(f"--set {wish.settings[0]}: only a recipe has keys to set")
    formats = get_args(FormatName)
    if wish.format not in formats:
        hint = did_you_mean(wish.format, formats, "there are")
        raise UserMistake(f"--format {wish.format}: unknown{hint}")
    said = _languages(wish.language)
    return of_files(wish.paths, folder, cast("FormatName", wish.format), said), None


def _languages(said: str | None) -> tuple[str, str]:
    """Of prompts and answers: `en` for both, `en:de` for either; several as `en,fr:de`."""
    if said is None:
        return "", ""
    parts = [part.strip() for part in said.split(":")]
    for part in parts:
        for one in part.split(",") if part else ():
            if not codes(one):
                hint = did_you_mean(one.strip(), [*NAMES, *KNOWN], "there are")
                raise UserMistake(f"--language {said}: {one.strip()!r} is unknown{hint}")
    if len(parts) > 2 or not any(parts):
        raise UserMistake(f"--language {said}: write one for all texts, or PROMPTS:ANSWERS")
    return parts[0], parts[-1]


def _shard(wish: Wish) -> Shard | None:
    if wish.shard is None:
        return None
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", wish.shard)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise UserMistake(f"--shard {wish.shard}: write K/N, as 2/8, with K from 1 to N")
    if wish.out is None:
        raise UserMistake("--shard: needs --out, the folder where the parts meet")
    return Shard(int(match[1]), int(match[2]))


def _check_out(out: Path | None, sources: Sources) -> None:
    if out is None:
        return
    if out.exists() and not out.is_dir():
        raise UserMistake(f"--out {out}: is a file; name a folder")
    if (out / README).exists() and not (out / FINDINGS).exists():
        raise UserMistake(f"--out {out}: holds a {README} of something else; name another folder")
    inside = [
        one.name for one in sources.files if one.found.path.resolve().is_relative_to(out.resolve())
    ]
    if inside:
        raise UserMistake(
            f"--out {out}: {inside[0]} lies in it, and data are never written over; name another"
        )


def _processes(wish: Wish, sources: Sources) -> int:
    if wish.processes is not None:
        return wish.processes
    small = sum(fingerprint(one.found)[0] for one in sources.files) < _SMALL
    return 1 if small else len(os.sched_getaffinity(0))


@contextmanager
def _progress(sources: Sources) -> Iterator[Tell]:
    """A bar with the time that is left, where somebody sees it."""
    total = sum(fingerprint(one.found)[0] for one in sources.files)
    console = Console(file=sys.stderr)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("records", total=total)
        left = total

        def tell(size: int) -> None:
            nonlocal left
            left -= size
            bar.advance(task, size)
            if left <= 0:
                # What comes now has no end that is known before.
                bar.update(task, description="comparing", total=None)

        yield tell


def _write(found: Curated, out: Path) -> None:
    cards = out / "cards"
    cards.mkdir(exist_ok=True)
    for task, card in found.cards.items():
        text = json.dumps(card, indent=1, ensure_ascii=False) + "\n"
        (cards / f"{task}.json").write_text(text, "utf-8")
    (out / README).write_text(cards_markdown(found), "utf-8")
