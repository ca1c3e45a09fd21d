"""`madrigal diagnose RUN --private-layers`: the recipe with private parts where tasks fight."""

from pathlib import Path

from rich.console import Console

from madrigal.errors import RunFolderError, UserMistake
from madrigal.recipe.load import LoadedRecipe
from madrigal.recipe.relayer import why_not_private, with_private_blocks, write_resolved
from madrigal.report import fights
from madrigal.report.diagnosis import stage_named
from madrigal.report.folder import read_run
from madrigal.report.interference import measured
from madrigal.report.private_layers import choose
from madrigal.report.scoreboard import label


def write_private_layers(run: Path, stage: str | None, out: Path | None) -> None:
    """Prints which blocks need private parts and why, and writes the recipe that has them.

    Where no pair surely conflicts in a block, that is said and nothing is written.

    Raises:
        RunFolderError: no run or no such stage, nothing was measured by layer, the run had no
            shared adapter, or the recipe cannot be written there.
    """
    from madrigal.pipeline.folder import recipe_of

    folder = read_run(run)
    chosen = stage_named(folder, stage) if stage else None
    found = {name: one for name, one in measured(folder).items() if chosen in (None, name)}
    if not any(one.groups for one in found.values()):
        raise RunFolderError(
            f"{run}: the gradients were not measured by layer; run it again with "
            "`gradients: {by_layer: true}` in the stage"
        )
    given = recipe_of(run)
    adapter = given.recipe.model.adapter
    reason = why_not_private(adapter)
    if reason is not None or adapter.kind == "full":
        raise RunFolderError(f"{run}: {reason}")
    target = _target(given, out)
    console = Console(highlight=False)
    choice = choose(found)
    if not choice.private:
        for name, one in found.items():
            for sentence in fights.sentences(one):
                console.print(f"{label(name)}: {sentence}", markup=False, soft_wrap=True)
        text = (
            "No pair surely conflicts in any block, so none needs private parts; nothing written."
        )
        console.print(text, soft_wrap=True)
        return
    for told in (*choice.reasons, choice.sentence(adapter.rank)):
        console.print(told, markup=False, soft_wrap=True)
    wanted = with_private_blocks(given.recipe, choice.private, choice.shared)
    head = "".join(f"# {line}\n" for line in (*choice.reasons, choice.sentence(adapter.rank)))
    write_resolved(given, wanted, head, target)
    text = f"wrote {target}; next: madrigal check {target}"
    console.print(text, markup=False, soft_wrap=True)


def _target(given: LoadedRecipe, out: Path | None) -> Path:
    """Where the recipe goes: beside the one of the run, as its relative paths start there."""
    target = out or given.root / f"{given.recipe.name}-layers.yaml"
    if target.resolve().parent != given.root.resolve():
        raise UserMistake(
            f"{target}: paths in the recipe start at its folder, {given.root}; write --out there"
        )
    if not given.root.is_dir():
        raise UserMistake(f"{target}: there is no folder {str(given.root)!r} any more")
    if target.exists():
        raise UserMistake(f"{target}: is there already; remove it or choose another --out")
    return target
