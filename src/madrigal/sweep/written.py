"""What a command line and its file ask of a sweep, as far as it can be read without the recipe."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from madrigal.recipe.aside import read_tree, settings_of, without
from madrigal.recipe.node import Mistake, Node
from madrigal.recipe.parse import parse
from madrigal.sweep.knob import Knob
from madrigal.sweep.search import knob_of
from madrigal.sweep.settings import SweepSettings

Found = tuple[Knob, str]  # and where its values stand, as a message begins


@dataclass(frozen=True, slots=True)
class Asked:
    """The command line. What is None or empty is left to the file, or to its default."""

    recipe: Path
    overrides: tuple[str, ...] = ()
    file: Path | None = None
    over: tuple[str, ...] = ()  # KEY=VALUES, as under `search`
    maximise: str | None = None
    minimise: str | None = None
    subject_to: tuple[str, ...] = ()
    trials: int | None = None
    sampler: str | None = None
    seed: int | None = None
    score_on: str | None = None

    def said(self) -> dict[str, Any]:
        """Settings that the command line gives, in the place of the file's."""
        given: dict[str, Any] = {
            name: getattr(self, name) for name in ("trials", "sampler", "seed", "score_on")
        }
        given = {name: value for name, value in given.items() if value is not None}
        if self.maximise or self.minimise:
            given |= {"maximise": self.maximise, "minimise": self.minimise}
        return given | ({"subject_to": self.subject_to} if self.subject_to else {})


@dataclass(frozen=True, slots=True)
class Written:
    """Settings and knobs, and where they stand."""

    settings: SweepSettings
    knobs: tuple[Found, ...]
    tree: Node
    asked: Asked

    def where(self, name: str, place: int | None = None) -> str:
        """How a message about a setting begins; `place` is that of one of several values."""
        if name in self.asked.said():
            value = getattr(self.asked, name)
            option = f"--{name.replace('_', '-')}"
            return f"{option} {value if place is None else value[place]}"
        node = self.tree.get(name)
        if not node.present:
            return name
        inner = node if place is None else node.get(place)
        return f"{(inner if inner.present else node).where}: {name}"


def read_written(asked: Asked) -> tuple[Written, list[str]]:
    """What is asked for, and what of it cannot be read.

    Raises:
        RecipeError: the file is none, or no mapping.
    """
    tree = Node((), "") if asked.file is None else read_tree(asked.file, "a sweep")
    settings, mistakes = settings_of(without(tree, ["search"]), SweepSettings)
    if settings is None:  # what else is wrong is told of the rest
        wrong = {str(mistake.node.path[0]) for mistake in mistakes}
        settings, _ = settings_of(without(tree, ["search", *wrong]), SweepSettings)
    search = tree.get("search")
    if search.present and not search.entries():
        mistakes.append(Mistake(search, "holds no keys; write `KEY: VALUES` below it"))
    told = [str(mistake) for mistake in mistakes]
    entries = {key: (node, f"{node.where}: search.{key}") for key, node in search.entries()}
    for text in asked.over:
        key, equals, values = text.partition("=")
        where = f"--over {text}"
        node, broken = parse(values, where, (key,))
        if not equals or not key:
            told.append(f"{where}: no KEY=VALUES; write --over 'model.adapter.rank=[4, 8]'")
        elif broken:
            told += map(str, broken)
        else:
            entries[key] = (node, where)
    knobs: list[Found] = []
    for key, (node, where) in entries.items():
        found = knob_of(key, node)
        if isinstance(found, Mistake):
            told.append(str(found))
        else:
            knobs.append((found, where))
    base = settings or SweepSettings()
    changed = SweepSettings.model_validate(base.model_dump() | asked.said())
    return Written(changed, tuple(knobs), tree, asked), told
