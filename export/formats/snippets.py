"""Fills in the templates that show how to load an artefact."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attention_zoo.export.results import Artefact, Report

# The name of the model in TF Serving.
MODEL_NAME = "attention_zoo"


def fill(template: str, artefact: Artefact, report: Report) -> str:
    """Fills in the placeholders of a Markdown template.

    Args:
        template: may have `file`, `model` (the name in TF Serving), `output` (the last output of
            `serving_default`), `about` (what ids must look like), `labels` (a line of Python that
            lists them), `text`, `order` (the names of the inputs), and the inputs as
            `arguments`, `json`, `arrays`, `items`, `cpp` and `pairs` (for Kotlin).
        artefact: an artefact of the report.
        report: its example supplies the texts and ids.
    """
    signature, example = artefact.signatures["serving_default"], report.example
    names = list(signature["inputs"])
    ids = {name: row for name in names if not isinstance(row := example[name], str)}
    texts = {name: quoted(text) for name in names if isinstance(text := example[name], str)}
    arrays = {name: f"np.array([{row}], np.int32)" for name, row in ids.items()}
    return template.format(
        file=artefact.file,
        model=MODEL_NAME,
        output=next(reversed(signature["outputs"])),
        about=_about(ids, example),
        labels=labels_line(report),
        text=texts.get("text"),
        arguments=", ".join(f"{name}=tf.constant([{text}])" for name, text in texts.items()),
        json="{" + ", ".join(f'"{name}": [{text}]' for name, text in texts.items()) + "}",
        arrays=", ".join(f"{name}={array}" for name, array in arrays.items()),
        cpp=_cpp(ids),
        pairs=", ".join(f'"{n}" to arrayOf(intArrayOf({_row(r)}))' for n, r in ids.items()),
        items=", ".join(f'"{name}": {array}' for name, array in arrays.items()),
        order=", ".join(names),
    )


def labels_line(report: Report) -> str:
    """A line of Python with the labels of the logits; "" without labels."""
    if not report.labels:
        return ""
    return f"\nlabels = {report.labels}  # of the logits, in their order"


def quoted(text: str) -> str:
    """A string literal for Python, JSON and Kotlin, also safe in single quotes in bash."""
    return json.dumps(text, ensure_ascii=False).replace("'", "\\u0027").replace("$", "\\u0024")


def _about(ids: Mapping[str, list[int]], example: Mapping[str, str | list[int]]) -> str:
    """What ids must look like, explained with those of the example."""
    if not ids:
        return ""
    name = max(ids)  # token_ids, or source_ids
    texts = " and ".join(quoted(text) for text in example.values() if isinstance(text, str))
    row = ids[name]
    begins = "" if name == "source_ids" else f"begin with {row[0]} ([CLS]) and "
    end = "" if name == "source_ids" else " ([SEP])"
    return (
        f"The ids below are those of {texts}, from the tokenizer in `tokenizer/`. `{name}` "
        f"must {begins}end in {row[-1]}{end}; shorter rows are padded with 0."
    )


def _cpp(ids: Mapping[str, list[int]]) -> str:
    rows = ", ".join(f'{{"{name}", {{{_row(row)}}}}}' for name, row in ids.items())
    return f"std::map<const char*, std::vector<int>> ids = {{{rows}}};"


def _row(ids: Iterable[int]) -> str:
    return ", ".join(map(str, ids))
