"""Hub data sets, through the library's own reading of a local folder."""

import pytest

from tasks_made import loaded, mistakes_of, write_jsonl


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A data set as it would lie in a hub repository, with a class label."""
    import datasets
    import huggingface_hub

    # Set where the libraries look once they are imported.
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()
    (tmp_path / "own" / "reviews").mkdir(parents=True)
    card = """---
dataset_info:
  features:
  - name: text
    dtype: string
  - name: label
    dtype:
      class_label:
        names: {'0': negative, '1': positive}
configs:
- config_name: default
  data_files:
  - {split: train, path: train.jsonl}
  - {split: test, path: test.jsonl}
---
"""
    (tmp_path / "own" / "reviews" / "README.md").write_text(card)
    write_jsonl(
        tmp_path / "own" / "reviews" / "train.jsonl",
        [{"text": f"text {i}", "label": i % 2} for i in range(40)],
    )
    write_jsonl(
        tmp_path / "own" / "reviews" / "test.jsonl",
        [{"text": f"test {i}", "label": i % 2} for i in range(4)],
    )
    return tmp_path


def test_a_data_set_with_named_labels(folder):
    task = loaded({"hub": {"id": "own/reviews", "test": "test"}}, folder)
    assert (task.format, task.labels) == ("classification", ("negative", "positive"))
    first = task.splits["test"][0]
    assert (first.where, first.answers) == ("own/reviews test row 1", ("negative",))
    assert task.counts["train"] + task.counts["validation"] == 40
    assert [(file.path, file.records) for file in task.files] == [
        ("own/reviews train", 40),
        ("own/reviews test", 4),
    ]


def test_a_split_that_is_not_there(folder):
    task = {"data": {"hub": {"id": "own/reviews", "train": "training"}}}
    assert mistakes_of(folder, {"t": task}) == (
        "own/reviews: no split 'training'; found 'train', 'test'",
    )


def test_a_data_set_that_cannot_be_had(folder):
    (mistake,) = mistakes_of(folder, {"t": {"data": {"hub": {"id": "nobody/nothing"}}}})
    assert mistake.startswith("nobody/nothing: the data set cannot be loaded: ")
    assert mistake.endswith("(is the id right, is there a network, does it need a `config`?)")
