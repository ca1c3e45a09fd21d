"""Losses and gradients against TRL's trainers, which compute them from the same model and batch."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers

import tiny
from judged import flat
from madrigal.objectives import Dpo, Ipo, Kto, Orpo, Outputs, Reward, Simpo
from madrigal.tasks.encoded import Encoded, Judged

trl = pytest.importorskip("trl")
datasets = pytest.importorskip("datasets")

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
BETA = 0.3

PROMPTS = ("the choir sings", "a small boat on the river", "when the rain falls the", "salt and")
GOOD = (" in the morning", " carries wood and salt to the town", " children stay in", " bell")
BAD = (" and the bell rings in the town", " sings", " tell stories and stay in the river", " rain")
PAIRS = [
    {"prompt": p, "chosen": g, "rejected": b} for p, g, b in zip(PROMPTS, GOOD, BAD, strict=True)
]


@pytest.fixture(autouse=True)
def silent(monkeypatch):
    """TRL reports each trainer to a server."""
    monkeypatch.setattr("trl.trainer.base_trainer.send_telemetry", lambda *_, **__: None)


@pytest.fixture(scope="module")
def net():
    return tiny.network(seed=3)


@pytest.fixture(scope="module")
def reference():
    return tiny.network(seed=4)


@pytest.fixture
def common(tmp_path):
    return {
        "output_dir": str(tmp_path), "report_to": "none", "use_cpu": True, "bf16": False,
        "per_device_train_batch_size": len(PAIRS), "gradient_checkpointing": False,
        "disable_tqdm": True,
    }  # fmt: skip


def logps_of(net, row):
    """Of each trained token of a row, by the plainest way."""
    logits = net(torch.tensor(row.tokens)[None]).logits[0].log_softmax(-1)
    at = torch.tensor(np.flatnonzero(row.trained))
    return logits[at - 1, torch.tensor(row.tokens)[at]]


def outputs(net, rows, **more):
    owner = [index for index, row in enumerate(rows) for _ in range(row.answer_tokens)]
    parts = [logps_of(net, row) for row in rows]
    return Outputs(torch.tensor(owner), torch.cat([torch.zeros(0), *parts]), **more)


def row_of(prompt, answer, judged, reference=None):
    """A row of token ids, judged, with its log-probability under the reference."""
    trained = np.arange(len(prompt) + len(answer)) >= len(prompt)
    row = Encoded(np.array([*prompt, *answer], dtype=np.int64), trained, judged=judged)
    return known(row, reference) if reference is not None else row


@torch.no_grad()
def known(row, reference):
    value = float(logps_of(reference, row).sum())
    return replace(row, judged=replace(row.judged, reference=value))


def examples(table, reference=None, keys=("prompt_ids", "chosen_ids", "rejected_ids")):
    """Pairs from a trainer's own rows of token ids; in every second the worse answer is first."""
    made = []
    for number, entry in enumerate(table):
        prompt, good, bad = (list(entry[key]) for key in keys)
        turned = number % 2
        first, second = (bad, good) if turned else (good, bad)
        nan = float("nan")
        wins = (nan, 1.0 - turned), (float(turned), nan)
        made.append(
            (
                row_of(prompt, first, Judged(0, wins[0]), reference),
                row_of(prompt, second, Judged(1, wins[1]), reference),
            )
        )
    return made


def mean(objective, rows, given):
    return objective.loss(rows, given) / objective.count(rows)


def assert_same(net, ours, theirs):
    torch.testing.assert_close(ours, theirs, **CLOSE)
    weights = [p for p in net.parameters() if p.requires_grad]
    mine, others = (torch.autograd.grad(value, weights) for value in (ours, theirs))
    for one, other in zip(mine, others, strict=True):
        torch.testing.assert_close(one, other, **CLOSE)


FORMS = {
    "sigmoid": (Dpo(BETA), {}),
    "robust": (Dpo(BETA, flip_rate=0.2), {"label_smoothing": 0.2}),
    "sigmoid_norm": (Dpo(BETA, normalise="tokens"), {}),
    "ipo": (Ipo(BETA, "tokens"), {}),
}


def dpo_trainer(net, reference, common, table, **keys):
    args = trl.DPOConfig(**common, beta=BETA, **keys)
    trainer = trl.DPOTrainer(
        model=net,
        ref_model=reference,
        args=args,
        train_dataset=datasets.Dataset.from_list(table),
        processing_class=tiny.tokenizer(),
    )
    return trainer, trainer.data_collator(list(trainer.train_dataset))


@pytest.mark.parametrize("kind", FORMS)
def test_dpo_and_ipo(net, reference, common, kind):
    objective, keys = FORMS[kind]
    trainer, batch = dpo_trainer(net, reference, common, PAIRS, loss_type=[kind], **keys)
    theirs = trainer._compute_loss(net, batch, return_outputs=False)
    rows = flat(examples(trainer.train_dataset, reference))
    assert len({row.answer_tokens for row in rows}) > 3
    assert_same(net, mean(objective, rows, outputs(net, rows)), theirs)


def test_dpo_with_likelihood(net, reference, common):
    """TRL's mean over the tokens of a batch is ours over answers, where all are as long."""
    table = [pair | {"chosen": " sings in the town"} for pair in PAIRS]
    kinds = {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, 0.4]}
    trainer, batch = dpo_trainer(net, reference, common, table, **kinds)
    theirs = trainer._compute_loss(net, batch, return_outputs=False)
    rows = flat(examples(trainer.train_dataset, reference))
    assert_same(net, mean(Dpo(BETA, likelihood=0.4), rows, outputs(net, rows)), theirs)


@pytest.mark.parametrize(("seed", "above"), [(3, True), (5, False)])
def test_kto(reference, common, seed, above):
    """With TRL's own mismatched answers; one of the two models has a baseline above zero."""
    net = tiny.network(seed=seed)
    labels = (True, False, True, True)
    table = [
        {"prompt": p, "completion": c, "label": label}
        for p, c, label in zip(PROMPTS, GOOD, labels, strict=True)
    ]
    args = trl.KTOConfig(**common, beta=BETA, desirable_weight=0.7, undesirable_weight=1.2)
    trainer = trl.KTOTrainer(
        model=net,
        ref_model=reference,
        args=args,
        train_dataset=datasets.Dataset.from_list(table),
        processing_class=tiny.tokenizer(),
    )
    batch = trainer.data_collator(list(trainer.train_dataset))
    theirs = trainer._compute_loss(net, batch, return_outputs=False)

    objective = Kto(BETA, 0.7, 1.2)
    some = [
        (row_of(e["prompt_ids"], e["completion_ids"], thumb(e["label"]), reference),)
        for e in trainer.train_dataset
    ]
    asked = [known(row, reference) for row in objective.survey_rows(some, tiny.CONTEXT)]
    survey = objective.survey(asked, outputs(net, asked))
    assert bool(survey[0] > 0) == above
    baseline = max(0.0, float(survey[0] / survey[1]))
    torch.testing.assert_close(baseline, trainer._metrics["eval"]["kl"][0], **CLOSE)
    rows = flat(some)
    assert_same(net, mean(objective, rows, outputs(net, rows, survey=survey)), theirs)


def thumb(up):
    return Judged(0, (float("nan"),), value=float(up))


def concatenated(table, net, common, kind):
    """A CPO or ORPO trainer, its batch, and our rows of the same token ids."""
    module = pytest.importorskip(f"trl.experimental.{kind[0]}")
    config, trainer_class = getattr(module, kind[1]), getattr(module, kind[2])
    args = config(**common, beta=BETA, max_length=tiny.CONTEXT, **kind[3])
    trainer = trainer_class(
        model=net,
        args=args,
        train_dataset=datasets.Dataset.from_list(table),
        processing_class=tiny.tokenizer(),
    )
    batch = trainer.data_collator(list(trainer.train_dataset))
    held = []
    for entry in trainer.train_dataset:
        prompt = entry["chosen_labels"].count(-100)
        good, bad = entry["chosen_input_ids"], entry["rejected_input_ids"]
        assert good[:prompt] == bad[:prompt]
        held.append({"prompt": good[:prompt], "good": good[prompt:], "bad": bad[prompt:]})
    return trainer, batch, flat(examples(held, keys=("prompt", "good", "bad")))


def test_simpo(net, common):
    keys = {"loss_type": "simpo", "cpo_alpha": 0.0, "simpo_gamma": 0.8}
    kind = ("cpo", "CPOConfig", "CPOTrainer", keys)
    trainer, batch, rows = concatenated(PAIRS, net, common, kind)
    theirs, _ = trainer.get_batch_loss_metrics(net, batch)
    assert_same(net, mean(Simpo(BETA, 0.8), rows, outputs(net, rows)), theirs)


ORPO = ("orpo", "ORPOConfig", "ORPOTrainer", {})


def test_orpo_odds(net, common):
    """TRL's likelihood is over prompt and answer, so the odds are compared apart."""
    trainer, batch, rows = concatenated(PAIRS, net, common, ORPO)
    _, metrics = trainer.get_batch_loss_metrics(net, batch)
    given = outputs(net, rows)
    ours = mean(Orpo(1.0), rows, given) - mean(Orpo(0.0), rows, given)
    torch.testing.assert_close(ours.item(), -metrics["log_odds_ratio"], **CLOSE)


def test_orpo(net, common):
    """Whole, where the prompt is one token and the better answers are as long as each other."""
    table = [pair | {"prompt": "", "chosen": " sings in the town"} for pair in PAIRS]
    trainer, batch, rows = concatenated(table, net, common, ORPO)
    assert {row.length - row.answer_tokens for row in rows} == {1}
    theirs, _ = trainer.get_batch_loss_metrics(net, batch)
    assert_same(net, mean(Orpo(BETA), rows, outputs(net, rows)), theirs)


@pytest.mark.parametrize("centring", [0.0, 0.01])
@pytest.mark.parametrize("margins", [None, (0.5, 0.0, 1.0, 0.25)])
def test_reward(common, centring, margins):
    torch.manual_seed(0)
    config = tiny.network().config
    config.num_labels = 1
    config.initializer_range = 0.3
    net = transformers.AutoModelForSequenceClassification.from_config(config).eval()
    table = [{"chosen": p["prompt"] + p["chosen"], "rejected": p["rejected"]} for p in PAIRS]
    if margins is not None:
        table = [pair | {"margin": m} for pair, m in zip(table, margins, strict=True)]
    args = trl.RewardConfig(**common, center_rewards_coefficient=centring or None)
    trainer = trl.RewardTrainer(
        model=net,
        args=args,
        train_dataset=datasets.Dataset.from_list(table),
        processing_class=tiny.tokenizer(),
    )
    batch = trainer.data_collator(list(trainer.train_dataset))
    theirs = trainer.compute_loss(net, dict(batch))

    good, bad = net(batch["input_ids"], batch["attention_mask"]).logits.chunk(2)
    rows = flat(examples([{"p": [1], "g": [2], "b": [3]}] * len(PAIRS), keys=("p", "g", "b")))
    ahead = [m for m in margins or [0.0] * len(PAIRS) for _ in range(2)]
    rows = [
        replace(row, judged=replace(row.judged, margin=m))
        for row, m in zip(rows, ahead, strict=True)
    ]
    better = [row.judged.wins[1 - row.judged.place] for row in rows]
    scores = torch.stack([(good if b else bad)[n // 2] for n, b in enumerate(better)])
    given = Outputs(torch.zeros(0, dtype=torch.int64), torch.zeros(0), scores=scores)
    assert_same(net, mean(Reward(centring=centring), rows, given), theirs)
