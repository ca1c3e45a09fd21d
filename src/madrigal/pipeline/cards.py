"""The data section of a run folder: a card for each task, what curation found, and examples."""

import json

from madrigal.curation.inspect import Inspected
from madrigal.curation.provenance import cleaned_copies
from madrigal.pipeline.build import Built
from madrigal.pipeline.folder import RunFolder
from madrigal.pipeline.inspected import inspected, takes_longer, told
from madrigal.pipeline.quality import quality
from madrigal.pipeline.watch import Screen
from madrigal.tasks.card import data_card, samples_markdown
from madrigal.training.files import write_whole

FINDINGS = "findings.jsonl"


def write_cards(built: Built, folder: RunFolder, screen: Screen) -> list[str]:
    """Write data/TASK.json for every task, data/findings.jsonl and data/samples.md.

    Returns what is to be said of the findings, a line each.
    """
    found = _inspected(built, screen)
    for name, task in built.tasks.items():
        card = data_card(task, built.examples.get(name, ()), built.coder)
        if task.kind == "feedback":
            card["quality"] = quality([one for some in task.splits.values() for one in some])
        if copies := [*cleaned_copies(task.files, built.root)]:
            card["cleaned"] = copies
        if found is not None:
            card["curation"] = found.cards[name]
        folder.write_json(folder.data / f"{name}.json", card)
    sections = [
        samples_markdown(task, built.examples.get(name, ()), built.coder)
        for name, task in built.tasks.items()
    ]
    write_whole(folder.data / "samples.md", "\n".join(sections))
    if found is None:
        return []
    lines = (json.dumps(one.as_json(), ensure_ascii=False) + "\n" for one in found.findings)
    write_whole(folder.data / FINDINGS, "".join(lines))
    return told(found)


def _inspected(built: Built, screen: Screen) -> Inspected | None:
    count = takes_longer(built)
    if not count:
        return inspected(built)
    with screen.bar("look at the data", count) as (moved, remark):

        def progress(what: str, share: float) -> None:
            moved(round(share * count), count)
            remark(what)

        found = inspected(built, progress=progress)
        progress("", 1.0)
    return found
