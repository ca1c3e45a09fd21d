"""Tiny runs whose second stage learns from answers of the model's own."""

import retained
import tiny_run

ECHO = {"kind": "exact"}
KINDS = {
    "rloo": {"kind": "rloo", "samples": 4},
    "grpo": {"kind": "grpo", "samples": 4, "epochs": 2},
    "ppo": {"kind": "ppo", "samples": 2, "epochs": 3},
    "best_of_n": {"kind": "best_of_n"},
    "online_dpo": {"kind": "online_dpo", "samples": 4},
}
STEPS = "stages/02-act/steps.jsonl"


def keys(objective, steps=6, **stage):
    """A supervised stage on both tasks, then `echo` on its own answers beside `mood` as before."""
    held = tiny_run.keys()
    held["stages"][0] |= {"steps": 20, "checkpoint_every": 10, "validate_every": 0}
    held["stages"][0]["optimiser"] = {"learning_rate": 0.01}
    held["stages"][1] = {
        "name": "act",
        "learn": ["echo", "mood"],
        "steps": steps,
        "batch": {"rows": 6},
        "mixture": "uniform",
        "objective": {"echo": {"reward": ECHO, **objective}},
        "optimiser": {"learning_rate": 0.003},
        "checkpoint_every": 2,
        **stage,
    }
    held["evaluate"] = {"base": False, "draws": 200}
    return held


def rollouts(run):
    return retained.rows(run / "stages/02-act/rollouts.jsonl")
