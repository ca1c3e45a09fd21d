"""A sweep as one page that is complete in itself, and as lines for the terminal."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from madrigal.report import numbers
from madrigal.report.sweep_figure import Dot, knob_figure
from madrigal.report.template import asset, template, write_whole

Body = Mapping[str, Any]  # results.json


def write_page(body: Body, path: Path) -> Path:
    """Writes the page of a sweep; the same results give the same bytes."""
    page = template("sweep.html.jinja").render(
        name=body["name"],
        aim=body["aim"]["text"],
        design=design(body),
        sentences=sentences(body),
        command=body["command"],
        chosen=chosen(body),
        importance=importance_rows(body),
        figures=_figures(body),
        columns=columns(body),
        rows=trial_rows(body),
        notes=body["notes"],
        style=Markup(asset("page.css", "sweep.css")),
    )
    return write_whole(path, page)


def design(body: Body) -> str:
    """How many trials of which kind."""
    states = [trial["state"] for trial in body["trials"]]
    parts = [numbers.counted(len(states), "trial")]
    failed, open_ = states.count("failed"), states.count("planned")
    parts += [f"{failed} failed"] * bool(failed) + [f"{open_} not over"] * bool(open_)
    how = {"tpe": "proposed from earlier ones (TPE)", "random": "drawn by chance"}
    parts += [
        how[body["sampler"]],
        f"seed {body['seed']}",
        f"scored on {body['score_on']} examples",
    ]
    return ", ".join(parts)


def sentences(body: Body) -> list[str]:
    """The best trial against the recipe as it stands, and what mattered."""
    return [*_found(body), *_mattered(body)]


def _found(body: Body) -> list[str]:
    by_number = {trial["number"]: trial for trial in body["trials"]}
    name = body["aim"]["score"]
    if body["best"] is None:
        bounds = " and ".join(
            f"{b['score']} {b['sign']} {b['limit']:g}" for b in body["aim"]["bounds"]
        )
        if body["nearest"] is None:
            return ["No trial has a score."]
        near = by_number[body["nearest"]]
        return [f"No trial keeps {bounds}. Trial {near['number']} comes nearest: {_scores(near)}."]
    best, own = by_number[body["best"]], by_number.get(0)
    if best["number"] == 0:
        return [f"No trial did better than the recipe as it stands: {_scores(best)}."]
    said = f"Trial {best['number']} is best: {_scores(best)}."
    if own is None or name not in own["scores"]:
        return [said]
    kept = "" if own["kept"] else ", which breaks a bound"
    return [f"{said} The recipe as it stands{kept}: {_scores(own)}."]


def _mattered(body: Body) -> list[str]:
    told = []
    for score, found in body["importance"].items():
        sure = sorted((one for one in found if one["sure"]), key=lambda one: -one["share"])
        names = [f"{one['key']} ({numbers.percent(one['share'], 0)})" for one in sure]
        if names:
            told.append(f"What {score} differs by goes with {', '.join(names)}.")
        elif found:
            told.append(f"No knob surely mattered for {score}.")
        else:
            told.append(f"Too few different trials to say which knob mattered for {score}.")
    return told


def _scores(trial: Body) -> str:
    return ", ".join(f"{name} {_ends(ends)}" for name, ends in trial["scores"].items())


def _ends(ends: Body | None) -> str:
    """0.712 (0.65 to 0.77): scores of a sweep have many units, so all are shown as they are."""
    if ends is None:
        return numbers.DASH
    shown = _plain(ends["value"])
    if ends.get("low") is None or ends.get("high") is None:
        return shown
    return f"{shown} ({_plain(ends['low'])} to {_plain(ends['high'])})"


def _plain(value: float) -> str:
    return f"{value:.3f}".replace("-", numbers.MINUS) if abs(value) < 100 else f"{value:.4g}"


def chosen(body: Body) -> list[tuple[str, str, str]]:
    """Key, value of the recipe as it stands, value of the best trial."""
    by_number = {trial["number"]: trial for trial in body["trials"]}
    best = by_number.get(body["best"])
    own = by_number.get(0, {}).get("labels", {})
    keys = [knob["key"] for knob in body["knobs"]]
    if best is None:
        return []
    return [(key, own.get(key, numbers.DASH), best["labels"][key]) for key in keys]


def importance_rows(body: Body) -> list[tuple[str, list[tuple[str, str, str, str]]]]:
    """By score: key, share with its interval, p, and what optuna says where it is installed."""
    found = []
    for score, rows in body["importance"].items():
        theirs = body["optuna"].get(score, {})
        ordered = sorted(rows, key=lambda one: -one["share"])
        found.append((score, [_importance(one, theirs) for one in ordered]))
    return found


def _importance(one: Body, theirs: Body) -> tuple[str, str, str, str]:
    share = (
        f"{numbers.percent(one['share'], 0)} "
        f"({numbers.percent(one['low'], 0)} to {numbers.percent(one['high'], 0)})"
    )
    sure = "sure" if one["sure"] else "not sure"
    other = theirs.get(one["key"])
    return (
        one["key"],
        share,
        f"{sure} ({numbers.p_value(one['p_holm'])})",
        numbers.DASH if other is None else numbers.percent(other, 0),
    )


def columns(body: Body) -> list[str]:
    """Of the table of trials."""
    keys = [knob["key"] for knob in body["knobs"]]
    return ["trial", *body["aim"]["scores"], "bounds", *keys, "time"]


def trial_rows(body: Body, most: int | None = None) -> list[list[str]]:
    """Trials from the best to the worst; those that break a bound, then failed ones, at the end."""
    sign = -1 if body["aim"]["largest"] else 1
    name = body["aim"]["score"]

    def order(trial: Body) -> tuple[bool, bool, float, int]:
        score = trial["scores"].get(name)
        cost = sign * score["value"] if score else 0.0
        return score is None, not trial["kept"], cost, trial["number"]

    ordered = sorted(body["trials"], key=order)
    return [_trial_row(body, trial) for trial in ordered[:most]]


def _trial_row(body: Body, trial: Body) -> list[str]:
    number = f"{trial['number']} (the recipe)" if trial["number"] == 0 else str(trial["number"])
    state = "kept" if trial["kept"] else "broken"
    if trial["state"] != "finished":
        state = trial["why"] or "not over"
    if not body["aim"]["bounds"] and trial["state"] == "finished":
        state = numbers.DASH
    scores = [_ends(trial["scores"].get(name)) for name in body["aim"]["scores"]]
    values = [trial["labels"][knob["key"]] for knob in body["knobs"]]
    return [number, *scores, state, *values, numbers.duration(trial["seconds"])]


def _figures(body: Body) -> list[tuple[str, str, list[tuple[str, Markup]]]]:
    """By knob: key, words, and a picture for each score."""
    found = []
    for knob in body["knobs"]:
        pictures = [(score, _figure(body, knob, score)) for score in body["aim"]["scores"]]
        drawn = [(score, picture) for score, picture in pictures if picture]
        found.append((knob["key"], knob["words"], drawn))
    return found


def _figure(body: Body, knob: dict[str, Any], score: str) -> Markup:
    dots = [
        Dot(
            trial["number"],
            trial["labels" if "labels" in knob else "values"][knob["key"]],
            (trial["scores"].get(score) or {}).get("value"),
            trial["kept"],
            trial["number"] == body["best"],
        )
        for trial in body["trials"]
        if trial["state"] != "planned"
    ]
    limits = [bound["limit"] for bound in body["aim"]["bounds"] if bound["score"] == score]
    return knob_figure(knob, dots, name=f"{score} over {knob['key']}", limits=limits)


def terminal_rows(body: Body) -> Sequence[Sequence[str]]:
    """The ten best trials."""
    return trial_rows(body, 10)
