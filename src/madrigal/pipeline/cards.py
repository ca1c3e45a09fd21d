"""The data section of a run folder: a card for each task, and decoded examples."""

from madrigal.pipeline.build import Built
from madrigal.pipeline.folder import RunFolder
from madrigal.pipeline.quality import quality
from madrigal.tasks.card import data_card, samples_markdown
from madrigal.training.files import write_whole


def write_cards(built: Built, folder: RunFolder) -> None:
    """Write data/TASK.json for every task and data/samples.md."""
    for name, task in built.tasks.items():
        card = data_card(task, built.examples.get(name, ()), built.coder)
        if task.kind == "feedback":
            card["quality"] = quality([one for some in task.splits.values() for one in some])
        folder.write_json(folder.data / f"{name}.json", card)
    sections = [
        samples_markdown(task, built.examples.get(name, ()), built.coder)
        for name, task in built.tasks.items()
    ]
    write_whole(folder.data / "samples.md", "\n".join(sections))
