"""One self-contained HTML page for a run folder: everything inside, nothing fetched."""

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from markupsafe import Markup

from madrigal.report import numbers
from madrigal.report.card import card_of
from madrigal.report.curation import curation_parts
from madrigal.report.curves import POINTS, Palette
from madrigal.report.datacards import COLUMNS, data_views
from madrigal.report.definitions import definitions
from madrigal.report.diagnosis import diagnose
from madrigal.report.fights import NOT_MEASURED, meaning
from madrigal.report.filtered import filtered_view
from madrigal.report.folder import RunFolder, read_run
from madrigal.report.forgetting import forgetting
from madrigal.report.forgetting_curves import forgetting_curves
from madrigal.report.interference import Measured, interference_views, measured
from madrigal.report.judged import judged_views
from madrigal.report.manifest import manifest_view
from madrigal.report.order_matrix import order_matrix
from madrigal.report.outputs import reading
from madrigal.report.own_answers import own_answers
from madrigal.report.preferences import preferences_view
from madrigal.report.retention import stage_costs
from madrigal.report.retention_view import retention_view
from madrigal.report.scoreboard import Scoreboard, label, read_scores
from madrigal.report.stage_matrix import matrix, measures
from madrigal.report.story import base_model, method, story
from madrigal.report.strips import strips
from madrigal.report.summary import LEARNT, columns, task_rows
from madrigal.report.tax import tax_views
from madrigal.report.template import asset, template, write_whole
from madrigal.report.training import stage_views, trained_tasks
from madrigal.report.verdict import SIGNS, headline, judgements, unified_range
from madrigal.report.worst import worst_task

LIMIT = 1_400_000  # bytes of the page: larger ones are slow on a phone
_ROWS = 600_000  # bytes of outputs in the page


def write_report(run: Path) -> Path:
    """Writes `report.html` into the run folder from the files there, and answers its path.

    The same files give the same bytes. Missing pieces leave their section out. A finished run
    without README.md gets its model card there; one that is there is a person's and stays.
    Raises `RunFolderError` where nothing of a run is found.
    """
    folder = read_run(run)
    if not folder.readme and folder.manifest.get("status") == "finished":
        write_whole(run / "README.md", card_of(folder, read_scores(folder)))
        folder = read_run(run)
    return write_whole(run / "report.html", render(folder))


def render(run: RunFolder) -> str:
    """The page as text; with fewer outputs and coarser curves where it would grow too large."""
    board = read_scores(run)
    laid_out = template("page.html.jinja")
    gradients = measured(run)
    share = 1.0
    while True:
        page = laid_out.render(_content(run, board, gradients, share))
        if len(page.encode(errors="replace")) <= LIMIT or share < 0.05:
            return page
        share /= 2


def _content(
    run: RunFolder, board: Scoreboard, gradients: Measured, share: float
) -> dict[str, Any]:
    """All that the template names. `share` scales what may be shortened."""
    problems = list(run.problems)
    outputs = reading(run, board, int(_ROWS * share), problems)
    trained = trained_tasks(run, board)
    names = dict.fromkeys(task.name for task in board.tasks)
    names |= dict.fromkeys([*outputs.get("tasks", ()), *sorted(set(chain(*trained.values())))])
    palette = Palette(tuple(names))
    found = judgements(board)
    costs = stage_costs(run)
    return {
        "run": run,
        "board": board,
        "headline": headline(found),
        "judgements": found,
        "story": story(run, board),
        "worst": worst_task(board),
        "columns": columns(board),
        "strips": strips(board),
        "task_rows": task_rows(board),
        "since_learnt": LEARNT,
        "matrix": matrix(board, trained) if len(board.rows) > 1 else None,
        "order": order_matrix(board),
        "curves": forgetting_curves(board),
        "retention": retention_view(board, costs),
        "forgetting": forgetting(board, costs),
        "measures": measures(board),
        "judged": judged_views(run, tuple(names)),
        "stages": stage_views(run, board, palette, max(30, int(POINTS * share))),
        "preferences": preferences_view(run, board, problems),
        "tax": tax_views(run, problems),
        "own_answers": own_answers(run.stages),
        "interference": interference_views(run, gradients, palette),
        "not_measured": NOT_MEASURED,
        "fight_meaning": meaning(),
        "diagnosis": diagnose(run, board, gradients),
        "outputs": outputs,
        "outputs_json": json_for_script(outputs),
        "data": data_views(run, tuple(names), share),
        "data_columns": COLUMNS,
        **curation_parts(run),
        "filtered": filtered_view(board),
        "facts": manifest_view(run),
        "base_model": base_model(run),
        "method": method(run),
        "card": markdown(_without_front_matter(run.readme or card_of(run, board))),
        "definitions": definitions(board),
        "level": board.level,
        "problems": problems,
        "links": _links(run),
        "n": numbers,
        "signs": SIGNS,
        "label": label,
        "unified_range": unified_range,
        **_assets(),
    }


def _assets() -> dict[str, str]:
    """The page's script and style, and what lets the page run no other script."""
    script, style = (
        asset("page.js"),
        asset("page.css", "order.css", "preferences.css", "curation.css"),
    )
    return {
        "script": Markup(script),
        "style": Markup(style),
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    }


def json_for_script(value: Any) -> Markup:
    """JSON that cannot end the script element it stands in, nor open a comment there."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("</", "<\\/").replace("<!--", "<\\u0021--"))


def markdown(text: str) -> Markup:
    """Markdown as HTML: no raw HTML, no pictures (they would be fetched), safe links only."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    return Markup(parser.render(text))


def _without_front_matter(text: str) -> str:
    return re.sub(r"\A---\n.*?\n---\n", "", text, count=1, flags=re.DOTALL)


def _links(run: RunFolder) -> Sequence[str]:
    names = ("scores.json", "manifest.json", "recipe.yaml", "README.md", "data/samples.md")
    return [name for name in names if (run.path / name).is_file()]
