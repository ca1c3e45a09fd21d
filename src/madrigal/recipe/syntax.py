"""What PyYAML says about broken YAML, as a line number and a sentence with the cure."""

import yaml

# (part of PyYAML's context, part of its problem, sentence, whether the context's line is meant)
_CURES = (
    ("", "found character '\\t'", "a tab stands in the indentation; use spaces", False),
    ("simple key", "could not find expected ':'", "a key without ': ' after it", True),
    ("quoted scalar", "", "a quote is opened and never closed", True),
    ("", "mapping values are not allowed", "a second ': ' stands in one value; quote it", False),
    ("flow sequence", "", "a list that opens with '[' lacks a comma or its ']'", True),
    ("flow mapping", "", "a mapping that opens with '{' lacks a comma or its '}'", True),
    ("an alias", "", "text that starts with '*' needs quotes", False),
    ("an anchor", "", "text that starts with '&' needs quotes", False),
    ("a tag", "", "text that starts with '!' needs quotes", False),
    ("", "undefined alias", "no such anchor; text that starts with '*' needs quotes", False),
    ("", "cannot start any token", "text that starts with this character needs quotes", False),
    ("block", "expected <block end>", "the indentation does not fit the lines before", False),
    ("", "but found another document", "a second document ('---'); a recipe is one", False),
)


def syntax_mistake(error: yaml.YAMLError, text: str) -> tuple[int, str]:
    """Line (from 1) and sentence."""
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        code = ord(error.character) if isinstance(error.character, str) else error.character
        return line, f"control character U+{code:04X}; remove it"
    if not isinstance(error, yaml.MarkedYAMLError):
        return 1, f"not valid YAML: {error}"
    context, problem = error.context or "", error.problem or ""
    mark = error.problem_mark or error.context_mark
    for in_context, in_problem, sentence, at_context in _CURES:
        if in_context in context and in_problem in problem:
            if at_context and error.context_mark is not None:
                mark = error.context_mark
            column = f" (column {mark.column + 1})" if mark else ""
            return mark.line + 1 if mark else 1, f"not valid YAML: {sentence}{column}"
    return mark.line + 1 if mark else 1, f"not valid YAML: {problem or context}"
