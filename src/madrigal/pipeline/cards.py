"""The data section of a run folder: a card for each task, what curation found, and examples."""

import json

from madrigal.curation.provenance import cleaned_copies
from madrigal.pipeline.build import Built
from madrigal.pipeline.folder import RunFolder
from madrigal.pipeline.inspected import inspected, told
from madrigal.pipeline.quality import quality
from madrigal.tasks.card import data_card, samples_markdown
from madrigal.training.files import write_whole

FINDINGS = "findings.jsonl"


def write_cards(built: Built, folder: RunFolder) -> list[str]:
    """Write data/TASK.json for every task, data/findings.jsonl and data/samples.md.

    Returns what is to be said of the findings, a line each.
    """
    found = inspected(built)
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
