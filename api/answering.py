"""Answers texts into a file of training data, which an interrupted call continues."""

import hashlib
import json
import shutil

from rich.console import Console
from rich.progress import track

from attention_zoo.errors import UserError
from attention_zoo.files import atomic_file, locked
from attention_zoo.json_files import json_text
from attention_zoo.loading import load
from attention_zoo.pretrained import locate
from attention_zoo.recipes.training_data import weights_digest
from attention_zoo.tasks.seq2seq.task import Seq2Seq
from attention_zoo.tasks.seq2seq.teaching import together
from attention_zoo.text.lines import iter_lines, one_line
from attention_zoo.text.readers import read_examples

_BLOCK = 1024  # texts between two writings
_FACTS, _ANSWERS = "facts.json", "answers.jsonl"  # in the folder of an unfinished file


def answer_file(sources, texts, out, options, exclude, progress):
    """Answers the lines of a file, as examples for training.

    The answers of a teacher are a student's targets (Kim and Rush 2016, section 3.2), those of a
    model of the opposite direction are its sources (back-translation, Sennrich et al. 2016).

    Args:
        sources: runs, tasks or names of pretrained tasks; several answer together, by the mean of
            their probabilities.
        texts: a file of texts, a line each.
        out: the TSV file to write, with the columns of the task in its first line, if they have
            names.
        options: options of `predict`.
        exclude: files of examples; their sources are left out.
        progress: called with a line of text.

    Returns:
        How many examples were written, and how many lines were left out: empty and repeated ones,
        texts that are too long or excluded, and those without an answer.

    Raises:
        UserError: if a task is not sequence to sequence, tasks have different tokens, the file
            cannot be read, or `out` exists.
    """
    if out.exists():
        raise UserError(f"{out} exists already; choose another --out, or remove it")
    tasks = [load(source) for source in sources]
    for source, task in zip(sources, tasks, strict=True):
        if not isinstance(task, Seq2Seq):
            raise UserError(f"{source}: only sequence to sequence answers texts by texts")
    task = together(tasks)
    checked = task.check_options(dict(options))
    lines = [line.strip() for line in iter_lines(texts)]
    known = {source for file in exclude for (source,) in read_examples(file, task.fields[:1])}
    wanted = [line for line in dict.fromkeys(lines) if line and line not in known]
    too_long = set(task.truncated(wanted))
    wanted = [line for i, line in enumerate(wanted) if i not in too_long]
    digest = hashlib.sha256("\n".join(wanted).encode()).hexdigest()
    settings = [task.coverage_penalty, task.min_length, task.no_repeat_ngram]
    weights = [weights_digest(str(locate(source))) for source in sources]
    facts = {"weights": weights, "options": checked, "settings": settings, "texts": digest}
    partial = out.with_name(f"{out.name}.partial")
    with locked(partial):
        answers = _answered(partial, facts)
        if answers:
            progress(f"{partial}: continuing after {len(answers):,} texts")
        _answer_rest(task, wanted, answers, partial / _ANSWERS, options)
        rows = [
            (text, answer) for text, answer in zip(wanted, answers, strict=True) if answer.strip()
        ]
        # A task whose columns are numbers reads files without a header.
        header = [task.fields] if isinstance(task.fields[0], str) else []
        table = ["\t".join(map(_field, row)) + "\n" for row in [*header, *rows]]
        with atomic_file(out) as temporary:
            temporary.write_text("".join(table), encoding="utf-8")
        shutil.rmtree(partial)
    return len(rows), len(lines) - len(rows)


def _answer_rest(task, texts, answers, path, options):
    """Adds the answers that are missing, to the list and to the file, block by block."""
    starts = range(len(answers), len(texts), _BLOCK)
    console = Console(stderr=True)
    with open(path, "a", encoding="utf-8") as file:
        for start in track(starts, "answering", console=console, disable=not console.is_terminal):
            block = task(texts[start : start + _BLOCK], **options)
            file.write("".join(json.dumps(answer) + "\n" for answer in block))
            file.flush()
            answers += block


def _answered(partial, facts):
    """The answers that an interrupted call has left in a folder."""
    text = json_text(facts, ensure_ascii=False)
    path = partial / _FACTS
    if not path.exists():
        with atomic_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    elif path.read_text(encoding="utf-8") != text:
        raise UserError(f"{partial} is of other tasks, texts or options: remove it to start again")
    path = partial / _ANSWERS
    rows = path.read_text(encoding="utf-8") if path.exists() else ""
    whole = rows[: rows.rfind("\n") + 1]  # a killed process may have left half a line
    with atomic_file(path) as temporary:
        temporary.write_text(whole, encoding="utf-8")
    return [json.loads(row) for row in whole.splitlines()]


def _field(text):
    return one_line(str(text)).replace("\t", " ")
