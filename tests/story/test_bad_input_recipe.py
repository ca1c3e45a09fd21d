"""Each mistake in a recipe gives its one clear line and exit code 2, and nothing is written."""

from pathlib import Path

import pytest

from madrigal.cli.app import main

GOOD = """\
name: good
seed: 7
model:
  base: madrigal/base-xs
  adapter: {kind: lora, rank: 4}
tasks:
  mood:
    data: {train: mood.jsonl, test: mood-test.jsonl}
    labels: [sad, happy]
  talk: {data: {train: talk.txt, format: text}}
  watch: {data: watch.txt}
stages:
  - name: one
    learn: [mood, talk]
    steps: 10
    batch: {rows: 8}
    optimiser: {learning_rate: 1e-3}
  - name: two
    learn: [mood]
    steps: 5
evaluate:
  general: [watch]
"""

# What is replaced in GOOD, by what, and what is then said.
MISTAKES = {
    "unknown key": (
        "seed: 7",
        "sede: 7",
        "recipe.yaml:2: sede: unknown key; did you mean 'seed'?",
    ),
    "unknown key deep down": (
        "learning_rate: 1e-3",
        "learing_rate: 1e-3",
        "recipe.yaml:17: stages[0].optimiser.learing_rate: unknown key; "
        "did you mean 'learning_rate'?",
    ),
    "a name that other trainers use": (
        "learning_rate: 1e-3",
        "lr: 1e-3",
        "recipe.yaml:17: stages[0].optimiser.lr: unknown key; did you mean 'learning_rate'?",
    ),
    "a key that belongs elsewhere": (
        "seed: 7",
        "steps: 7",
        "recipe.yaml:2: steps: unknown key here; did you mean 'stages[N].steps'?",
    ),
    "a key of another kind": (
        "{kind: lora, rank: 4}",
        "{kind: full, rank: 4}",
        "recipe.yaml:5: model.adapter.rank: unknown key; only kind 'lora' has it",
    ),
    "unknown kind": (
        "{kind: lora, rank: 4}",
        "loar",
        "recipe.yaml:5: model.adapter: unknown kind 'loar'; did you mean 'lora'?",
    ),
    "a share for tasks that never leave": (
        "steps: 10\n",
        "steps: 10\n    early_stop: {maintenance: 0.1}\n",
        "recipe.yaml:16: stages[0].early_stop.maintenance: no task leaves the mixture without "
        "`per_task: true`; add it, or leave this out",
    ),
    "updates of the weights under a balancer that remembers": (
        "steps: 10\n",
        "steps: 10\n    balance: db_mtl\n    gradients: {metric: update}\n",
        "recipe.yaml:17: stages[0].gradients.metric: 'update' does not fit the remembered "
        "gradients of 'db_mtl'; write `raw` or `adam`, or choose another balancer",
    ),
    "a draw of nothing": (
        "labels: [sad, happy]",
        "labels: [sad, happy]\n    draw: 2",
        "recipe.yaml:10: tasks.mood.draw: has no effect: it says which draw of `shots`; give that, "
        "too",
    ),
    "shots of a task that nobody trains": (
        "watch: {data: watch.txt}",
        "watch: {data: watch.txt, shots: 4}",
        "recipe.yaml:11: tasks.watch.shots: has no effect: no stage learns 'watch'; remove it",
    ),
    "shots of raw text": (
        "format: text}",
        "format: text}, shots: 4",
        "recipe.yaml:10: tasks.talk.shots: has no effect: format `text` has no answers; remove it",
    ),
    "shots out of fewer": (
        "test: mood-test.jsonl}",
        "test: mood-test.jsonl, max_train: 20}\n    shots: 4",
        "recipe.yaml:8: tasks.mood.data.max_train: `shots` draws from the training examples too; "
        "keep one of them",
    ),
    "an auxiliary task with a metric": (
        "labels: [sad, happy]",
        "labels: [sad, happy]\n    role: auxiliary\n    metric: accuracy",
        "recipe.yaml:11: tasks.mood.metric: an auxiliary task is not scored; remove `metric`, or "
        "its `role`\nrecipe.yaml:21: stages[1].learn: only auxiliary tasks, which train for the "
        "sake of others; add a main task",
    ),
    "an auxiliary task that is watched": (
        "watch: {data: watch.txt}",
        "watch: {data: watch.txt, role: auxiliary}",
        "recipe.yaml:11: tasks.watch.role: an auxiliary task trains and is not scored, and no "
        "stage learns it",
    ),
    "unknown balancer": (
        "batch: {rows: 8}",
        "balance: {kind: maen}",
        "recipe.yaml:16: stages[0].balance: unknown kind 'maen'; did you mean 'mean'?",
    ),
    "no kind": (
        "{kind: lora, rank: 4}",
        "{rank: 4}",
        "recipe.yaml:5: model.adapter: no kind is given; add `kind:` with one of 'lora', 'full'",
    ),
    "unknown word": (
        "labels: [sad, happy]",
        "metric: acuracy",
        "recipe.yaml:9: tasks.mood.metric: unknown value 'acuracy'; did you mean 'accuracy'?",
    ),
    "unknown format": (
        "format: text",
        "format: sharegtp",
        "recipe.yaml:10: tasks.talk.data.format: unknown value 'sharegtp'; "
        "did you mean 'sharegpt'?",
    ),
    "a number as text": (
        "steps: 10",
        "steps: '10'",
        "recipe.yaml:15: stages[0].steps: found the text '10'; must be a whole number; "
        "write 10 without quotes",
    ),
    "a number with a comma": (
        "steps: 10",
        "steps: 1,000",
        "recipe.yaml:15: stages[0].steps: found the text '1,000'; must be a whole number; "
        "write 1000",
    ),
    "a share in per cent": (
        "learning_rate: 1e-3",
        "warmup: 5%",
        "recipe.yaml:17: stages[0].optimiser.warmup: found the text '5%'; must be a number; "
        "write a share, 0.5 for 50%",
    ),
    "a broken number": (
        "steps: 10",
        "steps: 10.0",
        "recipe.yaml:15: stages[0].steps: found 10.0; must be a whole number; write 10",
    ),
    "text as a number": (
        "labels: [sad, happy]",
        "labels: [0, happy]",
        "recipe.yaml:9: tasks.mood.labels[0]: found 0; must be text; "
        "if text is meant, write '0' in quotes",
    ),
    "a name that is a number": (
        "name: good",
        "name: 2024",
        "recipe.yaml:1: name: found 2024; must be text; if text is meant, write '2024' in quotes",
    ),
    "a word for a switch": (
        "general: [watch]",
        "general: [watch]\n  baselines: yes",
        "recipe.yaml:23: evaluate.baselines: found the text 'yes'; must be 'together' or "
        "'separate' or true or false; write true",
    ),
    "a template without quotes": (
        "labels: [sad, happy]",
        "prompt: {text}",
        "recipe.yaml:9: tasks.mood.prompt: found a mapping; must be text; "
        "text with braces or ': ' needs quotes",
    ),
    "nothing behind a key": (
        "seed: 7",
        "seed:",
        "recipe.yaml:2: seed: found nothing; must be a whole number; "
        "write a value or remove the key",
    ),
    "negative": (
        "steps: 10",
        "steps: -1",
        "recipe.yaml:15: stages[0].steps: found -1; must be at least 1 (optimiser steps)",
    ),
    "warm-up in steps": (
        "learning_rate: 1e-3",
        "warmup: 100",
        "recipe.yaml:17: stages[0].optimiser.warmup: found 100; must be at most 1 "
        "(share of the steps with a linear rise from zero)",
    ),
    "not a number": (
        "1e-3",
        ".nan",
        "recipe.yaml:17: stages[0].optimiser.learning_rate: found .nan; "
        "must be a finite number (peak step size)",
    ),
    "infinite": (
        "learning_rate: 1e-3",
        "clip: .inf",
        "recipe.yaml:17: stages[0].optimiser.clip: found .inf; "
        "must be a finite number (largest norm of the gradient)",
    ),
    "no name": (
        "name: good\n",
        "",
        "recipe.yaml:1: name: missing: name of the run and of its folder",
    ),
    "no data": (
        "watch: {data: watch.txt}",
        "watch: {weight: 1.0}",
        "recipe.yaml:11: tasks.watch.data: missing: where the examples are",
    ),
    "a name with a path in it": (
        "name: good",
        "name: ../good",
        "recipe.yaml:1: name: found '../good'; must start with a letter or digit, "
        "then letters, digits, '_' and '-' only",
    ),
    "a task with a path in its name": (
        "  watch: {data: watch.txt}",
        "  watch: {data: watch.txt}\n  a/b: {data: b.txt}",
        "recipe.yaml:12: tasks.a/b: a name starts with a letter or digit; "
        "then letters, digits, '_' and '-' only",
    ),
    "two tasks of the same name": (
        "  watch: {data: watch.txt}",
        "  watch: {data: watch.txt}\n  mood: {data: b.txt}",
        "recipe.yaml:12: tasks.mood: stands twice (first on line 7); rename or remove one",
    ),
    "two tasks that differ in capitals": (
        "  watch: {data: watch.txt}",
        "  watch: {data: watch.txt}\n  Mood: {data: b.txt}",
        "recipe.yaml:7: tasks.mood: another task has this name in other capitals; rename one\n"
        "recipe.yaml:12: tasks.Mood: another task has this name in other capitals; rename one",
    ),
    "two stages of the same name": (
        "name: two",
        "name: one",
        "recipe.yaml:18: stages[1].name: two stages are called 'one'; rename one",
    ),
    "tasks as a list": (
        "  watch: {data: watch.txt}",
        "  watch: [data, watch.txt]",
        "recipe.yaml:11: tasks.watch: found a list; must be a mapping",
    ),
    "stages as a mapping": (
        "- name: two\n    learn: [mood]\n    steps: 5",
        "- two",
        "recipe.yaml:18: stages[1]: found the text 'two'; must be a mapping",
    ),
    "learns an unknown task": (
        "learn: [mood, talk]",
        "learn: [mood, tlak]",
        "recipe.yaml:14: stages[0].learn[1]: no task is called 'tlak'; did you mean 'talk'?",
    ),
    "learns a task twice": (
        "learn: [mood, talk]",
        "learn: [mood, talk, mood]",
        "recipe.yaml:14: stages[0].learn[2]: 'mood' stands twice; "
        "`mixture` and `weight` give a task more",
    ),
    "learns nothing": (
        "learn: [mood, talk]",
        "learn: []",
        "recipe.yaml:14: stages[0].learn: found an empty list; must hold something "
        "(names of the tasks that are trained)",
    ),
    "steps and epochs": (
        "steps: 10",
        "steps: 10\n    epochs: 2",
        "recipe.yaml:16: stages[0].epochs: `steps` and `epochs` are both given; keep one "
        "(`null` clears the other)",
    ),
    "neither steps nor epochs": (
        "    steps: 10\n",
        "",
        "recipe.yaml:13: stages[0]: neither `steps` nor `epochs` is given; write one of them",
    ),
    "rows and tokens": (
        "{rows: 8}",
        "{rows: 8, tokens: 512}",
        "recipe.yaml:16: stages[0].batch.tokens: `rows` and `tokens` are both given; keep one "
        "(`null` clears the other)",
    ),
    "a share for a task that is not learnt": (
        "batch: {rows: 8}",
        "mixture: {kind: weights, weights: {mood: 1, talk: 2, watch: 1}}",
        "recipe.yaml:16: stages[0].mixture.weights.watch: the stage does not learn 'watch'; "
        "known: 'mood', 'talk'",
    ),
    "no share for a task": (
        "batch: {rows: 8}",
        "mixture: {kind: weights, weights: {mood: 1}}",
        "recipe.yaml:16: stages[0].mixture.weights: no share for 'talk'; "
        "each task of the stage needs one",
    ),
    "a share of zero": (
        "batch: {rows: 8}",
        "mixture: {kind: weights, weights: {mood: 1, talk: 0}}",
        "recipe.yaml:16: stages[0].mixture.weights.talk: found 0; must be above 0",
    ),
    "a weight for a task that is not learnt": (
        "batch: {rows: 8}",
        "balance: {kind: fixed, weights: {mood: 1, talk: 2, tlak: 1}}",
        "recipe.yaml:16: stages[0].balance.weights.tlak: the stage does not learn 'tlak'; "
        "did you mean 'talk'?",
    ),
    "no weight for a task": (
        "batch: {rows: 8}",
        "balance: {kind: fixed, weights: {mood: 1}}",
        "recipe.yaml:16: stages[0].balance.weights: no weight for 'talk'; "
        "each task of the stage needs one",
    ),
    "a negative weight": (
        "batch: {rows: 8}",
        "balance: {kind: fixed, weights: {mood: 1, talk: -2}}",
        "recipe.yaml:16: stages[0].balance.weights.talk: found -2; must be at least 0",
    ),
    "weights of zero": (
        "batch: {rows: 8}",
        "balance: {kind: fixed, weights: {mood: 0, talk: 0.0}}",
        "recipe.yaml:16: stages[0].balance.weights: all weights are zero; "
        "write at least one above 0",
    ),
    "no weights": (
        "batch: {rows: 8}",
        "balance: fixed",
        "recipe.yaml:16: stages[0].balance.weights: missing: weight of each task of the stage",
    ),
    "an ideal loss of a task that is not learnt": (
        "batch: {rows: 8}",
        "balance: {kind: stch, ideal: {watch: 1.5}}",
        "recipe.yaml:16: stages[0].balance.ideal.watch: the stage does not learn 'watch'; "
        "known: 'mood', 'talk'",
    ),
    "a lowest loss of a task that is not learnt": (
        "batch: {rows: 8}",
        "balance: {kind: famo, lowest: {modo: 0.1}}",
        "recipe.yaml:16: stages[0].balance.lowest.modo: the stage does not learn 'modo'; "
        "did you mean 'mood'?",
    ),
    "a balancer for one task": (
        "steps: 5",
        "steps: 5\n    balance: uncertainty",
        "recipe.yaml:21: stages[1].balance: 'uncertainty' weighs tasks against each other, "
        "and the stage learns 'mood' alone; remove it or add a task",
    ),
    "an objective for a task that is not learnt": (
        "batch: {rows: 8}",
        "objective: {tlak: likelihood}",
        "recipe.yaml:16: stages[0].objective.tlak: the stage does not learn 'tlak'; "
        "did you mean 'talk'?",
    ),
    "aligned with a task that is not there": (
        "batch: {rows: 8}",
        "objective: {talk: {kind: align, to: modo}}",
        "recipe.yaml:16: stages[0].objective.talk.to: the stage does not learn 'modo'; "
        "did you mean 'mood'?; both tasks must be in it",
    ),
    "records made of nothing": (
        "labels: [sad, happy]",
        "labels: [sad, happy]\n    augment: {edits: 0}",
        "recipe.yaml:10: tasks.mood.augment: `edits`, `swaps` and `templates` are all 0, so "
        "nothing is made; raise one",
    ),
    "a rate of edits that are not made": (
        "labels: [sad, happy]",
        "labels: [sad, happy]\n    augment: {swaps: 0.5, rate: 0.2}",
        "recipe.yaml:10: tasks.mood.augment.rate: has no effect without `edits`; remove it",
    ),
    "text near to no task": (
        "{train: talk.txt, format: text}",
        "{train: talk.txt, format: text, select: modo}",
        "recipe.yaml:10: tasks.talk.data.select.near: no task is called 'modo'; did you mean "
        "'mood'?",
    ),
    "text near to itself": (
        "{train: talk.txt, format: text}",
        "{train: talk.txt, format: text, select: talk}",
        "recipe.yaml:10: tasks.talk.data.select.near: all text is near to itself; name another "
        "task",
    ),
    "text chosen by two measures": (
        "{train: talk.txt, format: text}",
        "{train: talk.txt, format: text, select: {near: mood, share: 0.1, characters: 9}}",
        "recipe.yaml:10: tasks.talk.data.select.characters: `share` and `characters` are both "
        "given; keep one",
    ),
    "a choice of text that nobody learns": (
        "watch: {data: watch.txt}",
        "watch: {data: {train: watch.txt, select: mood}}",
        "recipe.yaml:11: tasks.watch.data.select: has no effect: no stage learns 'watch'; remove "
        "it",
    ),
    "aligned with itself": (
        "batch: {rows: 8}",
        "objective: {talk: {kind: align, to: talk}}",
        "recipe.yaml:16: stages[0].objective.talk.to: a task is near to itself; name another task "
        "of the stage",
    ),
    "two cures of noise at once": (
        "batch: {rows: 8}",
        "objective: {talk: {kind: dpo, smoothing: 0.1, flip_rate: 0.2}}",
        "recipe.yaml:16: stages[0].objective.talk.flip_rate: `smoothing` and `flip_rate` are both "
        "given; one regularises, the other corrects; keep one",
    ),
    "a reward model of nothing": (
        "batch: {rows: 8}",
        "objective: {talk: {kind: reward, compare: 0}}",
        "recipe.yaml:16: stages[0].objective.talk: `compare` and `regress` are both 0, so nothing "
        "is trained; raise one",
    ),
    "soft labels of comparisons that do not count": (
        "batch: {rows: 8}",
        "objective: {talk: {kind: reward, compare: 0, regress: 1, temperature: 0.5}}",
        "recipe.yaml:16: stages[0].objective.talk.temperature: has no effect without `compare`; "
        "remove it",
    ),
    "a scale of ratings that are not used": (
        "batch: {rows: 8}",
        "objective: {talk: {kind: reward, scale: 4}}",
        "recipe.yaml:16: stages[0].objective.talk.scale: has no effect without `regress` or "
        "`temperature`; remove it",
    ),
    "edits of a correction that is not learnt": (
        "batch: {rows: 8}",
        "objective: {talk: {kind: correction, likelihood: 0, edits: 2}}",
        "recipe.yaml:16: stages[0].objective.talk.edits: has no effect without `likelihood`; "
        "remove it",
    ),
    "half of all labels wrong": (
        "batch: {rows: 8}",
        "objective: {talk: {kind: dpo, flip_rate: 0.5}}",
        "recipe.yaml:16: stages[0].objective.talk.flip_rate: found 0.5; must be below 0.5 "
        "(share of labels that are wrong)",
    ),
    "a reference that does not hold at all": (
        "batch: {rows: 8}",
        "objective: {talk: {kind: dpo, beta: 0}}",
        "recipe.yaml:16: stages[0].objective.talk.beta: found 0; must be above 0 (nats of reward "
        "for one nat of log-ratio to the reference)",
    ),
    "unknown objective": (
        "batch: {rows: 8}",
        "objective: {talk: likelyhood}",
        "recipe.yaml:16: stages[0].objective.talk: unknown kind 'likelyhood'; "
        "did you mean 'likelihood'?",
    ),
    "a final rate without effect": (
        "learning_rate: 1e-3",
        "schedule: constant, final: 0.5",
        "recipe.yaml:17: stages[0].optimiser.final: has no effect with `schedule: constant`; "
        "remove it",
    ),
    "a task without examples": (
        "watch: {data: watch.txt}",
        "watch: {data: {validation: watch.txt}}",
        "recipe.yaml:11: tasks.watch.data: no examples are named; "
        "give one of `train`, `hub` and `bundled`",
    ),
    "a task with two sources": (
        "watch: {data: watch.txt}",
        "watch: {data: {train: watch.txt, hub: {id: a/b}}}",
        "recipe.yaml:11: tasks.watch.data.hub: `train` is given too; keep one source of examples",
    ),
    "a test file beside a hub set": (
        "watch: {data: watch.txt}",
        "watch: {data: {test: watch.txt, hub: {id: a/b}}}",
        "recipe.yaml:11: tasks.watch.data.test: goes with `train` only; "
        "`hub` brings its own splits",
    ),
    "an empty list of files": (
        "watch: {data: watch.txt}",
        "watch: {data: []}",
        "recipe.yaml:11: tasks.watch.data.train: no path is named; "
        "write a file, a pattern or a folder",
    ),
    "a share to hold out that is named": (
        "test: mood-test.jsonl",
        "test: mood-test.jsonl, split: {test: 0.2}",
        "recipe.yaml:8: tasks.mood.data.split.test: has no effect: "
        "the test examples are named; remove one",
    ),
    "one label": (
        "labels: [sad, happy]",
        "labels: [sad]",
        "recipe.yaml:9: tasks.mood.labels: 1 label; a choice needs at least two",
    ),
    "a label twice": (
        "labels: [sad, happy]",
        "labels: [sad, sad]",
        "recipe.yaml:9: tasks.mood.labels[1]: label 'sad' stands twice; remove one",
    ),
    "a prompt for raw text": (
        "format: text}",
        "format: text}, prompt: hello",
        "recipe.yaml:10: tasks.talk.prompt: has no effect: format `text` has no answers; remove it",
    ),
    "accuracy of raw text": (
        "format: text}",
        "format: text}, metric: accuracy",
        "recipe.yaml:10: tasks.talk.metric: accuracy needs answers; "
        "raw text is judged by perplexity",
    ),
    "perplexity of labels": (
        "labels: [sad, happy]",
        "labels: [sad, happy]\n    metric: perplexity",
        "recipe.yaml:10: tasks.mood.metric: perplexity judges raw text only; this task has answers",
    ),
    "a definition without Natural Instructions": (
        "format: text}",
        "format: alpaca}, instruction: {positive: 2}",
        "recipe.yaml:10: tasks.talk.instruction.positive: has no effect with format `alpaca`; "
        "only Natural Instructions have it; remove it",
    ),
    "a weight that nothing reads": (
        "watch: {data: watch.txt}",
        "watch: {data: watch.txt, weight: 2}",
        "recipe.yaml:11: tasks.watch.weight: has no effect: no stage learns 'watch'; remove it",
    ),
    "a task that nothing uses": (
        "general: [watch]",
        "draws: 500",
        "recipe.yaml:11: tasks.watch: no stage learns it and `evaluate.general` does not name it; "
        "add it to one of them or remove it",
    ),
    "a general task that is trained": (
        "general: [watch]",
        "general: [watch, talk]",
        "recipe.yaml:22: evaluate.general[1]: 'talk' is watched and never trained, "
        "but stage 'one' learns it; take it out of one of the two",
    ),
    "an unknown general task": (
        "general: [watch]",
        "general: [wtach]",
        "recipe.yaml:22: evaluate.general[0]: no task is called 'wtach'; did you mean 'watch'?",
    ),
    "a shape for a model that is there": (
        "base: madrigal/base-xs",
        "base: madrigal/base-xs\n  new: {width: 64}",
        "recipe.yaml:5: model.new: only `base: new` takes it; the base is 'madrigal/base-xs'",
    ),
    "fresh weights that stay frozen": (
        "base: madrigal/base-xs",
        "base: new",
        "recipe.yaml:5: model.adapter: fresh weights cannot stay frozen; write `adapter: full`",
    ),
    "heads that do not divide the width": (
        "base: madrigal/base-xs\n  adapter: {kind: lora, rank: 4}",
        "base: new\n  adapter: full\n  new: {width: 100, heads: 3, key_value_heads: 1}",
        "recipe.yaml:6: model.new.heads: 3 heads do not divide width 100",
    ),
    "a revision of the bundled model": (
        "base: madrigal/base-xs",
        "base: madrigal/base-xs\n  revision: main",
        "recipe.yaml:5: model.revision: only a hub model has it; the base is "
        "'madrigal/base-xs'; remove it",
    ),
    "an unknown tracker": (
        "seed: 7",
        "track: [tensorbord]",
        "recipe.yaml:2: track[0]: unknown value 'tensorbord'; did you mean 'tensorboard'?",
    ),
    # YAML itself
    "a tab": (
        "  base: madrigal/base-xs",
        "\tbase: madrigal/base-xs",
        "recipe.yaml:4: not valid YAML: a tab stands in the indentation; use spaces (column 1)",
    ),
    "two colons": (
        "labels: [sad, happy]",
        "prompt: Review: {text}",
        "recipe.yaml:9: not valid YAML: a second ': ' stands in one value; quote it (column 19)",
    ),
    "an open quote": (
        "labels: [sad, happy]",
        'prompt: "Review',
        "recipe.yaml:9: not valid YAML: a quote is opened and never closed (column 13)",
    ),
    "an open list": (
        "labels: [sad, happy]",
        "labels: [sad, happy",
        "recipe.yaml:9: not valid YAML: a list that opens with '[' lacks a comma or its ']' "
        "(column 13)",
    ),
    "wrong indentation": (
        "    steps: 10",
        "   steps: 10",
        "recipe.yaml:15: not valid YAML: the indentation does not fit the lines before (column 4)",
    ),
    "a pattern that starts with a star": (
        "watch.txt",
        "*.txt",
        "recipe.yaml:11: not valid YAML: text that starts with '*' needs quotes (column 18)",
    ),
    "code in a tag": (
        "seed: 7",
        "seed: !!python/object/apply:os.system [ls]",
        "recipe.yaml:2: seed: tag '!!python/object/apply:os.system' is refused; "
        "write a plain value",
    ),
    "a control character": (
        "name: good",
        "name: go\x07od",
        "recipe.yaml:1: control character U+0007; remove it",
    ),
    "two documents": (
        "seed: 7",
        "---",
        "recipe.yaml:2: not valid YAML: a second document ('---'); a recipe is one (column 1)",
    ),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("mood.jsonl", "mood-test.jsonl", "talk.txt", "watch.txt", "a.txt", "b.txt"):
        (tmp_path / name).touch()
    return tmp_path


def said(folder: Path, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    """What `madrigal run recipe.yaml` says, having checked that it is told properly."""
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    code = main(["run", "recipe.yaml", *more])
    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    return captured.err.removesuffix("\n")


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_has_its_line(name: str, folder: Path, capsys: pytest.CaptureFixture[str]):
    old, new, line = MISTAKES[name]
    assert GOOD.count(old) == 1, "the place to change must be clear"
    (folder / "recipe.yaml").write_text(GOOD.replace(old, new), encoding="utf-8")
    assert said(folder, capsys) == line


FILES = {
    "empty": (
        b"",
        "recipe.yaml: empty; `madrigal init FILES...` writes a recipe to start from",
    ),
    "comments only": (
        b"# nothing yet\n",
        "recipe.yaml: empty; `madrigal init FILES...` writes a recipe to start from",
    ),
    "a list": (
        b"- name: a\n- name: b\n",
        "recipe.yaml:1: a list where a recipe is a mapping that starts with `name:`",
    ),
    "plain text": (
        b"\nhello\n",
        "recipe.yaml:2: plain text where a recipe is a mapping that starts with `name:`",
    ),
    "Latin-1": (
        GOOD.encode() + "# caf\xe9\n".encode("latin-1"),
        "recipe.yaml:23: byte 0xe9 is not UTF-8; save it as UTF-8",
    ),
    "UTF-16": (
        GOOD.encode("utf-16"),
        "recipe.yaml: saved as UTF-16; save it as UTF-8",
    ),
    "a data file of a megabyte": (
        b"x" * 2**20,
        "recipe.yaml: 1048576 bytes; a recipe has at most 524288: is this a data file?",
    ),
    "a bomb": (
        b"a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        + b"".join(
            f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n".encode()
            for before, name in zip("abcdefgh", "bcdefghi", strict=True)
        ),
        "recipe.yaml:1: more than 30000 values once aliases are expanded; write it plainly",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_recipe(name: str, folder: Path, capsys: pytest.CaptureFixture[str]):
    content, line = FILES[name]
    (folder / "recipe.yaml").write_bytes(content)
    assert said(folder, capsys) == line


def test_no_such_file(folder: Path, capsys: pytest.CaptureFixture[str]):
    (folder / "recipes.yaml").write_text(GOOD, encoding="utf-8")
    assert said(folder, capsys) == "recipe.yaml: no such file; did you mean 'recipes.yaml'?"


def test_a_folder(folder: Path, capsys: pytest.CaptureFixture[str]):
    (folder / "recipe.yaml").mkdir()
    line = "recipe.yaml: a folder where a recipe file is needed; name the file in it"
    assert said(folder, capsys) == line


def test_all_mistakes_come_at_once_in_the_order_of_the_file(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    text = GOOD
    for name in ("no kind", "unknown word", "learns an unknown task", "negative", "one label"):
        text = text.replace(*MISTAKES[name][:2])
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")
    expected = [
        *(MISTAKES[name][2] for name in ("no kind", "unknown word")),
        *(MISTAKES[name][2] for name in ("learns an unknown task", "negative")),
        "--set stages.two.stesp=3: unknown key; did you mean 'steps'?",
    ]
    assert said(folder, capsys, "--set", "stages.two.stesp=3").splitlines() == expected


def test_missing_files_come_with_the_mistakes_of_the_recipe(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    (folder / "recipe.yaml").write_text(GOOD, encoding="utf-8")
    (folder / "mood-test.jsonl").rename(folder / "mood-tset.jsonl")
    words = ("stages.two.stesp=3", "tasks.watch.data.train=wacht.txt")
    assert said(folder, capsys, *(part for word in words for part in ("--set", word))) == (
        "--set stages.two.stesp=3: unknown key; did you mean 'steps'?\n"
        "mood-test.jsonl: no such file; did you mean 'mood-tset.jsonl' or 'mood.jsonl'?\n"
        "wacht.txt: no such file; did you mean 'watch.txt' or 'a.txt'?"
    )


def test_updates_of_the_weights_need_an_adapter(folder: Path, capsys: pytest.CaptureFixture[str]):
    text = GOOD.replace("steps: 10\n", "steps: 10\n    gradients: {metric: update}\n")
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")
    assert said(folder, capsys, "--set", "model.adapter=full") == (
        "recipe.yaml:16: stages[0].gradients.metric: 'update' needs an adapter, and "
        "`adapter: full` has none; write `raw`"
    )


def test_a_byte_order_mark_is_no_mistake(folder: Path, capsys: pytest.CaptureFixture[str]):
    (folder / "recipe.yaml").write_bytes(b"\xef\xbb\xbf" + GOOD.replace("seed", "sede").encode())
    assert said(folder, capsys) == MISTAKES["unknown key"][2]


def test_other_processes_of_a_run_say_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RANK", "1")
    (folder / "recipe.yaml").write_text("", encoding="utf-8")
    assert said(folder, capsys) == ""
