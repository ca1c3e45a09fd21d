"""Several reward models as one: aggregates, files, and the members' own scores."""

import json
import warnings

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

import tiny
from madrigal.errors import ModelError
from madrigal.model.ensemble import Facts, aggregate, load_ensemble, write_ensemble
from madrigal.pipeline.ensemble import disagreement

SCORES = torch.tensor([[1.0, 2.0, 0.0], [3.0, 2.0, 6.0]])


@pytest.mark.parametrize(
    ("how", "wanted"),
    [("mean", [2, 2, 3]), ("minimum", [1, 2, 0]), ("penalised", [1.5, 2, -1.5])],
)
def test_aggregates(how, wanted):
    assert aggregate(SCORES, how, 0.5).tolist() == wanted


def test_a_penalty_of_nothing_is_the_mean():
    assert aggregate(SCORES, "penalised", 0.0).tolist() == aggregate(SCORES, "mean").tolist()


def test_disagreement_by_hand():
    scores = np.array([[0.0, 1.0, 5.0, 2.0], [2.0, 1.0, 3.0, 6.0]])
    found = disagreement(scores, [2, 2])
    assert found.answers == 4
    assert found.spread.value == pytest.approx(np.mean([1, 0, 1, 2]))
    assert found.split.value == 1.0  # 0 < 1 against 2 > 1; 5 > 2 against 3 < 6
    assert disagreement(scores[:, :1], [1]).split is None
    agreed = disagreement(np.array([[0.0, 1.0, 2.0], [5.0, 6.0, 7.0]]), [3])
    assert agreed.split.value == 0.0


def peft_of(make, *arguments):
    """Without what peft says of a name of transformers that has changed."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`")
        return make(*arguments)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A base, and three adapters with heads on it, saved as a stage saves them."""
    from peft import LoraConfig, get_peft_model

    folder = tmp_path_factory.mktemp("members")
    base = folder / "base"
    tiny.network().save_pretrained(base)
    for number in range(3):
        torch.manual_seed(number)
        network = AutoModelForSequenceClassification.from_pretrained(base, num_labels=1)
        config = LoraConfig(
            r=2 + number, target_modules=["q_proj"], task_type="SEQ_CLS", modules_to_save=["score"]
        )
        adapted = peft_of(get_peft_model, network, config)
        for name, parameter in adapted.named_parameters():
            if "lora_" in name or "score" in name:
                torch.nn.init.normal_(parameter, std=0.3)
        adapted.save_pretrained(folder / str(number))
        tiny.tokenizer().save_pretrained(folder / str(number))
    return folder


def facts(how="mean", centres=(0.0, 0.0, 0.0), members=("a", "b", "c")):
    return Facts(members, centres, how, 0.5, 64, False)


def written(made, folder, **changes):
    write_ensemble([made / str(n) for n in range(3)], folder / "all", facts(**changes))
    return folder / "all"


def alone(made, number, rows):
    """A member's scores by transformers and peft, row by row."""
    from peft import PeftModel

    network = AutoModelForSequenceClassification.from_pretrained(made / "base", num_labels=1)
    network = peft_of(PeftModel.from_pretrained, network, made / str(number)).eval()
    network.config.pad_token_id = None
    with torch.no_grad():
        return torch.cat([network(input_ids=torch.tensor(row)[None]).logits[0] for row in rows])


ROWS = [np.arange(1, 1 + size) % 40 + 1 for size in (5, 12, 3, 8)]


def test_each_member_scores_as_it_does_alone(made, tmp_path):
    ensemble = load_ensemble(written(made, tmp_path))
    found = ensemble.scores(ROWS, batch_rows=3)
    for number in range(3):
        torch.testing.assert_close(found[number], alone(made, number, ROWS), atol=1e-5, rtol=1e-5)
    assert float(found.std(dim=0).min()) > 0


def test_centres_are_taken_off_first(made, tmp_path):
    plain = load_ensemble(written(made, tmp_path)).scores(ROWS)
    (tmp_path / "more").mkdir()
    centred = load_ensemble(written(made, tmp_path / "more", centres=(1.0, 2.0, -3.0)))
    torch.testing.assert_close(
        centred.scores(ROWS), plain - torch.tensor([[1.0], [2.0], [-3.0]]), atol=1e-6, rtol=0
    )


def test_a_prompt_and_answers_give_rewards_by_the_chosen_aggregate(made, tmp_path):
    ensemble = load_ensemble(written(made, tmp_path, how="minimum"))
    rows = ensemble.rows("say it", ["yes", "no no"])
    assert all(row[-1] == ensemble.coder.end for row in rows)
    found = ensemble.rewards("say it", ["yes", "no no"])
    torch.testing.assert_close(found, ensemble.scores(rows).min(dim=0).values)
    mean = load_ensemble(tmp_path / "all", "mean").rewards("say it", ["yes", "no no"])
    torch.testing.assert_close(mean, ensemble.scores(rows).mean(dim=0))
    assert not found.requires_grad


def test_members_on_two_bases_are_refused(made, tmp_path):
    file = made / "1" / "adapter_config.json"
    kept = file.read_text()
    file.write_text(json.dumps(json.loads(kept) | {"base_model_name_or_path": "other"}))
    try:
        with pytest.raises(
            ModelError, match=r"its base is other, .* train all members on one base"
        ):
            written(made, tmp_path)
    finally:
        file.write_text(kept)


def test_a_whole_model_and_a_single_one_are_refused(made, tmp_path):
    with pytest.raises(ModelError, match=r"no adapter_config\.json; .* `adapter: lora`"):
        write_ensemble([made / "0", made / "base"], tmp_path / "x", facts(members=("a", "b")))
    with pytest.raises(ModelError, match="two members or more; found 1"):
        write_ensemble([made / "0"], tmp_path / "y", facts(members=("a",)))


def test_what_is_no_ensemble_is_told(made, tmp_path):
    with pytest.raises(ModelError, match="give what `madrigal ensemble` wrote"):
        load_ensemble(tmp_path)
    place = written(made, tmp_path)
    (place / "ensemble.json").write_text("{}")
    with pytest.raises(ModelError, match="damaged"):
        load_ensemble(place)
