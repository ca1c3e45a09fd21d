"""`madrigal sweep RECIPE`: trials run, a table printed, a page written."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from madrigal.cli.first_look import load_or_tell
from madrigal.errors import RunStopped, UserMistake
from madrigal.pipeline.folder import locked
from madrigal.recipe.suggest import did_you_mean
from madrigal.sweep.fit import own_values
from madrigal.sweep.folder import SweepFolder, keep_plan, refuse_foreign
from madrigal.sweep.ledger import FolderLedger, Ledger
from madrigal.sweep.plan import Plan, read_plan
from madrigal.sweep.results import results
from madrigal.sweep.work import work
from madrigal.sweep.written import Asked
from madrigal.training.files import write_whole

SAMPLERS = ("auto", "random", "tpe")
SPLITS = ("validation", "test")


@dataclass(frozen=True, slots=True)
class Wish:
    """The command line."""

    asked: Asked
    out: Path | None = None
    workers: int = 1
    storage: str | None = None
    retry_failed: bool = False


def sweep(wish: Wish) -> None:
    """Runs what is missing of the trials, then says what they found.

    Raises:
        UserMistake: with every mistake that can be told before anything is run.
        RunStopped: no trial has a score.
    """
    refused = [*_refused(wish.asked)]
    if refused:
        raise UserMistake(refused)
    plan = read_plan(wish.asked, load_or_tell(wish.asked.recipe, wish.asked.overrides))
    folder = SweepFolder(wish.out or Path("runs") / f"{plan.name}.sweep")
    refuse_foreign(folder, plan)
    console = Console(highlight=False)
    with locked(folder.path):
        ledger = _ledger(plan, folder, wish)
        keep_plan(folder, plan)
        if wish.retry_failed:
            ledger.forget_failed()
        try:
            work(plan, folder, ledger, wish.workers, lambda line: console.print(line, markup=False))
        finally:
            body = _written(plan, folder, ledger)
    _tell(body, folder, console)
    if body["trials"] and not any(t["state"] == "finished" for t in body["trials"]):
        raise RunStopped(f"no trial of {folder.path} has a score; each says why in errors.txt")


def _refused(asked: Asked) -> Sequence[str]:
    told = []
    for option, value, known in (
        ("--sampler", asked.sampler, SAMPLERS),
        ("--score-on", asked.score_on, SPLITS),
    ):
        if value is not None and value not in known:
            told.append(f"{option} {value}: unknown{did_you_mean(value, known, 'there are')}")
    return told


def _ledger(plan: Plan, folder: SweepFolder, wish: Wish) -> Ledger:
    first = own_values(plan.knobs, plan.recipe, plan.overrides, plan.loaded)
    propose = None
    if plan.sampler == "tpe":
        from madrigal.sweep.tpe import proposer

        propose = proposer(plan)
    if wish.storage is None:
        return FolderLedger(plan, first, folder, wish.workers, propose)
    from madrigal.sweep.storage import StorageLedger

    return StorageLedger(plan, first, folder, wish.storage, propose)


def _written(plan: Plan, folder: SweepFolder, ledger: Ledger) -> dict[str, Any]:
    """results.json and the page, also of a sweep that is not over."""
    from madrigal.report.sweep import write_page
    from madrigal.sweep.optional import optuna_importance

    trials = ledger.trials()
    body = results(plan, trials, optuna_importance(plan, trials))
    text = json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(folder.results, text + "\n")
    write_page(body, folder.report)
    return body


def _tell(body: dict[str, Any], folder: SweepFolder, console: Console) -> None:
    from madrigal.report.sweep import columns, importance_rows, sentences, terminal_rows

    table = _table(columns(body))
    for row in terminal_rows(body):
        table.add_row(*row)
    console.print(table)
    for score, rows in importance_rows(body):
        shares = _table((f"what {score} differs by", "share (95 %)", "more than chance?", "optuna"))
        for row in rows:
            shares.add_row(*row)
        if rows:
            console.print(shares)
    for line in (*sentences(body), *body["notes"]):
        console.print(line, markup=False)
    if body["command"]:
        console.print(f"The best again: {body['command']}", markup=False, soft_wrap=True)
    console.print(f"report: {folder.report}", markup=False, soft_wrap=True)


def _table(columns: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column)
    return table
