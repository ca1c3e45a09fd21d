"""The reference page: every key is on it, and it is up to date."""

from pathlib import Path

from madrigal.recipe.reference import reference
from madrigal.recipe.schema import Recipe
from madrigal.recipe.stage import Optimiser

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "recipe.md"


def test_the_page_is_up_to_date():
    cure = "run `python -m madrigal.recipe.reference > docs/reference/recipe.md`"
    assert PAGE.read_text(encoding="utf-8") == reference(), cure


def test_a_key_has_its_type_default_range_and_description():
    page = reference()
    page = page[page.index("## `stages[N].optimiser`") :]
    row = next(line for line in page.splitlines() if line.startswith("| `learning_rate`"))
    description = Optimiser.model_fields["learning_rate"].description
    assert row == f"| `learning_rate` | a number | `0.001` | above 0, at most 1 | {description} |"


def test_required_keys_and_kinds_are_told():
    page = reference()
    assert "| `learn` | a list of text | required | not empty |" in page
    assert "## `model.adapter`, kind `lora`" in page
    assert "## `stages[N].mixture`, kind `temperature`" in page
    for name in Recipe.model_fields:
        assert f"| `{name}` |" in page
