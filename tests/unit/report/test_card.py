import pytest
import yaml

from fake_run import write_json
from madrigal.report import model_card
from madrigal.report.card import TO_BE_WRITTEN


@pytest.fixture(scope="module")
def card(run):
    return model_card(run)


def front_matter(card):
    return yaml.safe_load(card.split("---\n")[1])


def test_the_front_matter_is_what_the_hub_reads(card):
    from huggingface_hub import ModelCardData
    from huggingface_hub.repocard_data import model_index_to_eval_results

    front = front_matter(card)
    assert front["base_model"] == "madrigal/base-xs"
    assert front["library_name"] == "peft"
    name, results = model_index_to_eval_results(front["model-index"])
    assert name == "support-desk"
    assert {(r.dataset_name, r.metric_type) for r in results} == {
        ("sentiment", "accuracy"), ("inference", "accuracy"), ("passages", "token_f1"),
        ("titles", "rouge_l"), ("statutes", "perplexity"),
    }  # fmt: skip
    assert ModelCardData(**{**front, "model_name": name}).to_dict()["model-index"]


def test_what_only_a_person_knows_is_marked_and_listed(card):
    listed = card.split("## To be written by a person")[1].split("##")[0]
    for name, what in TO_BE_WRITTEN.items():
        assert f"- **{name}**: {what}." in listed
        assert f"TO BE WRITTEN: {what}." in card
    assert card.count("TO BE WRITTEN:") == len(TO_BE_WRITTEN)


def test_what_the_run_knows_is_filled_in(card):
    told = (
        "Forgot 1 of 3 earlier tasks; better than the base model; worse than single-task training."
    )
    assert told in card
    assert "- `together`: tasks sentiment, inference, passages, titles; 240 steps;" in card
    assert "2,143 train, 107 validation, 150 test, 12 duplicates, 0 dropped" in card
    assert 'AutoPeftModelForCausalLM.from_pretrained("stages/02-law/adapter")' in card
    assert "| task | metric | base | base, few-shot | single-task | multi-task | n |" in card
    assert "- Method: LoRA of rank 16 (311 k of 5.24 M parameters trained)" in card


def test_a_run_that_knows_little_gets_a_short_card(tmp_path):
    write_json(tmp_path / "manifest.json", {"status": "running"})
    card = model_card(tmp_path)
    assert front_matter(card)["tags"] == ["madrigal", "multi-task"]
    assert "model-index" not in front_matter(card)
    assert "How to start" not in card
    assert "nothing to compare with" in card


@pytest.mark.parametrize(
    ("base", "shown"),
    [("owner/name", "owner/name"), ("/some/place/tiny-model", "tiny-model"), ("./tiny/", "tiny"),
     ("models/small/tiny", "tiny"), ("gpt2", "gpt2")],
)  # fmt: skip
def test_the_place_of_a_base_model_stays_at_home(tmp_path, base, shown):
    write_json(tmp_path / "manifest.json", {"model": {"base": base}})
    assert front_matter(model_card(tmp_path))["base_model"] == shown


def test_fresh_weights_have_no_base(tmp_path):
    write_json(tmp_path / "manifest.json", {"model": {"base": "new"}})
    card = model_card(tmp_path)
    assert "base_model" not in front_matter(card)
    assert "- Base model: `A new model`" in card


def test_names_bring_no_markup_of_their_own(tmp_path):
    facts = {"metric": "accuracy", "n": 3}
    name = "a|b`<script>\n# c"
    row = {"stage": "base", "scores": {name: {"value": 0.5}}}
    write_json(tmp_path / "scores.json", {"tasks": {name: facts}, "rows": [row]})
    (line,) = [line for line in model_card(tmp_path).splitlines() if line.startswith("| a")]
    assert line.startswith("| a\\|b'&lt;script> # c | accuracy |")
