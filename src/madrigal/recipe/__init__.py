"""Recipes: the schema, and the way from a file to a `Recipe` with every mistake told at once.

`Recipe` and its settings are in `schema`, `model`, `task` and `stage`; `load_recipe` in `load`.
"""
