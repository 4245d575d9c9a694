"""Answers for millions of texts by Apache Beam (extra `beam`).

`Predict` is a `ModelHandler` for Beam's `RunInference`; `predict_files` is the pipeline of
`attention-zoo predict --runner beam`.

Beam's own handler for TensorFlow cannot load our SavedModels: it gives them to `tensorflow_hub`
and Keras 3, which reads only its own file format (apache/beam issue 30616). `Predict` calls the
signature of the SavedModel, whose graph takes strings and returns strings.
"""

from __future__ import annotations

import dataclasses
import glob
import itertools
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attention_zoo.errors import UserError
from attention_zoo.files import atomic_file, locked
from attention_zoo.json_files import json_text
from attention_zoo.plugins import load_plugin, loaded_plugins
from attention_zoo.predicting import read_input
from attention_zoo.text.lines import limited_lines

try:
    import apache_beam  # pyright: ignore
    from apache_beam.ml.inference.base import ModelHandler, PredictionResult  # pyright: ignore
    from apache_beam.options.pipeline_options import PipelineOptions  # pyright: ignore
    from apache_beam.utils.shared import Shared  # pyright: ignore
except ImportError as _error:
    raise UserError("Apache Beam is not installed: pip install 'attention-zoo[beam]'") from _error

# Lines that one call of the pipeline answers, and that a restart may repeat.
BLOCK = 1024

_ERRORS_FILE = "errors.jsonl"
_BLOCKS_FOLDER = ".blocks"
_QUIET = "--default_sdk_harness_log_level=WARNING"


@dataclasses.dataclass(frozen=True)
class NoAnswer:
    """In place of the answer to an input that cannot be answered.

    Attributes:
        reason: why.
        text: empty.
    """

    reason: str
    text: str = ""

    @property
    def record(self) -> dict[str, Any]:
        """The reason, as a dict for JSON."""
        return {"error": self.reason}

    @property
    def lines(self) -> list[str]:
        """One empty line."""
        return [""]


class Predict(ModelHandler):
    """Answers texts by a task or an artefact, for `RunInference`.

    The task is loaded once in each process. An input that cannot be answered costs no other one:
    its result is a `NoAnswer`.

    Args:
        source: what `attention_zoo.load` takes, above all the folder of a SavedModel, at a path
            that every worker can read.
        batch_size: most texts in a batch.
        **options: options of the task's `predict`, such as `beam_size`.

    Returns:
        As a `ModelHandler`, a `PredictionResult` for each text, whose `inference` is the task's
        answer, with `text`, `record` and `lines`.

    Example:
        An example needs a pipeline and an artefact:

            with beam.Pipeline() as pipeline:
                answers = (
                    pipeline
                    | beam.Create(["A first text.", "A second one."])
                    | RunInference(Predict("exports/topics/saved_model"))
                    | beam.Map(lambda result: result.inference.text)
                )
    """

    def __init__(self, source: str, batch_size: int = 32, **options: Any) -> None:
        super().__init__(min_batch_size=1, max_batch_size=batch_size)
        self._source = str(source)
        self._options = options
        self._plugins = loaded_plugins()

    def load_model(self) -> Any:
        """Loads the task."""
        return _load(self._source, self._plugins)

    def run_inference(
        self,
        batch: Sequence[Any],
        model: Any,
        inference_args: Mapping[str, Any] | None = None,
    ) -> Iterable[PredictionResult]:
        """Answers a batch of texts; `inference_args` are options of the task's `predict`."""
        options = {**self._options, **(inference_args or {})}
        answers = answers_or_reasons(model, list(batch), options)
        return [PredictionResult(text, answer) for text, answer in zip(batch, answers, strict=True)]


def answers_or_reasons(task: Any, texts: Sequence[Any], options: Mapping[str, Any]) -> list[Any]:
    """The answers to texts, with a `NoAnswer` for each that the task rejects.

    Args:
        task: a task.
        texts: as for its `predict`.
        options: options of its `predict`.

    Raises:
        UserError: if the options are invalid.
    """
    task.check_options(dict(options))
    try:
        return task.predict(texts, **options)
    except UserError as error:
        if len(texts) == 1:
            return [NoAnswer(str(error))]
    return [answers_or_reasons(task, [text], options)[0] for text in texts]


def predict_files(
    source: str,
    pattern: str,
    output: str | Path,
    options: Mapping[str, Any] | None = None,
    batch: int = 32,
    as_json: bool = False,
    beam_options: Sequence[str] = (),
    progress: Callable[[str], None] = lambda message: None,
) -> int:
    """Answers the lines of files by a Beam pipeline.

    Each file `NAME` gets a file `output/NAME` with the same bytes that `attention-zoo predict`
    writes for it. A line that cannot be answered gets an empty line. What is wrong with lines is
    in `output/errors.jsonl`: objects with `file`, `line` and `reason`. Lines are answered in
    blocks; if the pipeline is interrupted, the same call answers only the blocks that are missing.

    Args:
        source: what `attention_zoo.load` takes.
        pattern: a path or glob of text files.
        output: the directory to write.
        options: options of the task's `predict`.
        batch: most texts in a batch.
        as_json: write a JSON object for each line, as `--json` does.
        beam_options: options of Beam's pipeline, such as `--direct_num_workers=4`.
        progress: called with a line of text before each long step.

    Returns:
        The number of lines in `errors.jsonl`.

    Raises:
        UserError: if no files match, two have the same name, or the directory holds something
            else; or if the artefact, an option or an input is invalid.
    """
    paths = _inputs(pattern)
    output = Path(output)
    job = {
        "source": os.path.abspath(source) if os.path.exists(source) else source,
        "options": dict(options or {}),
        "json": as_json,
        "inputs": {path.name: [path.stat().st_size, path.stat().st_mtime_ns] for path in paths},
    }
    _load(source, ()).check_options(dict(options or {}))  # before anything is written
    with locked(output):
        _begin(output, job)
        todo = [path for path in paths if not (output / path.name).exists()]
        progress(f"answering {len(todo)} of {len(paths)} files")
        answer = _AnswerBlock(source, dict(options or {}), batch, as_json, output)
        if todo:
            _run([str(path) for path in todo], answer, output, [_QUIET, *beam_options])
        for path in todo:
            _join(output, path.name)
        return _collect_errors(output, [path.name for path in paths])


def _run(paths: list[str], answer: Any, output: Path, beam_options: list[str]) -> None:
    """Runs the pipeline.

    Raises:
        UserError: if a step of the pipeline raises one, or an option of Beam is invalid.
    """
    try:
        with apache_beam.Pipeline(options=PipelineOptions(beam_options)) as pipeline:
            _ = (
                pipeline
                | apache_beam.Create(paths)
                | "read" >> apache_beam.FlatMap(_blocks, str(output))
                | apache_beam.Reshuffle()
                | "answer" >> apache_beam.ParDo(answer)
            )
    except SystemExit as error:  # argparse has said what is wrong
        raise UserError("an option after -- is not one of Beam") from error
    # The traceback of another process, as text in an error of any class.
    except Exception as error:
        message = re.search(r"UserError: (.+?)(?: \[while running|\n|$)", str(error))
        if message is None:
            raise
        raise UserError(message[1]) from error


def _inputs(pattern: str) -> list[Path]:
    paths = [Path(pattern)] if os.path.exists(pattern) else sorted(map(Path, glob.glob(pattern)))
    paths = [path.resolve() for path in paths if path.is_file()]
    if not paths:
        raise UserError(f"{pattern}: no files match")
    names = [path.name for path in paths]
    for first, second in itertools.combinations(paths, 2):
        if first.name == second.name:
            raise UserError(f"{first} and {second} would both be answered in {first.name}")
    if _ERRORS_FILE in names:
        raise UserError(f"{_ERRORS_FILE} is the name of an output: rename the input")
    return paths


def _begin(output: Path, job: dict[str, Any]) -> None:
    """Creates the folder of blocks, or checks that it is of the same job."""
    folder = output / _BLOCKS_FOLDER
    file = folder / "job.json"
    if not file.exists():
        if any(path != folder for path in output.iterdir()):
            raise UserError(f"{output} is not empty; choose another --output")
        with atomic_file(file) as temporary:
            temporary.write_text(json.dumps(job), encoding="utf-8")
    elif json.loads(file.read_text(encoding="utf-8")) != json.loads(json.dumps(job)):
        raise UserError(
            f"{output} has answers to other inputs or by other options; choose another --output"
        )


def _block_path(output: Path, name: str, index: int) -> Path:
    return output / _BLOCKS_FOLDER / name / f"{index:08}"


def _blocks(path: str, output: str) -> Iterator[tuple[str, int, list[bytes]]]:
    """The blocks of lines of a file that have no answers yet."""
    with open(path, "rb") as file:
        lines = limited_lines(file, f"{path}, ")
        for index in itertools.count():
            block = list(itertools.islice(lines, BLOCK))
            if index and not block:
                return
            if not _block_path(Path(output), Path(path).name, index).exists():
                yield path, index, block


class _AnswerBlock(apache_beam.DoFn):
    """Answers a block of lines, and writes its answers and errors."""

    def __init__(
        self, source: str, options: dict[str, Any], batch: int, as_json: bool, output: Path
    ) -> None:
        self._source = source
        self._options = options
        self._batch = batch
        self._as_json = as_json
        self._output = str(output)
        self._plugins = loaded_plugins()
        self._shared = Shared()

    def setup(self) -> None:
        """Loads the task, once for all threads of a process."""
        self._task = self._shared.acquire(lambda: _load(self._source, self._plugins))

    def process(self, block: tuple[str, int, list[bytes]]) -> None:
        """Writes the answers to a block."""
        path, index, lines = block
        first = index * BLOCK + 1
        text, errors = [], []
        for start in range(0, len(lines), self._batch):
            part = lines[start : start + self._batch]
            for i, answer in enumerate(self._answers(part, first + start, errors)):
                if isinstance(answer, NoAnswer):
                    errors.append((first + start + i, answer.reason))
                text += (
                    [json_text(answer.record, ensure_ascii=False)]
                    if self._as_json
                    else answer.lines
                )
        name = Path(path).name
        target = _block_path(Path(self._output), name, index)
        rows = [{"file": name, "line": n, "reason": r} for n, r in sorted(errors)]
        _write(target.with_suffix(".errors"), [json_text(row, ensure_ascii=False) for row in rows])
        _write(target, text)

    def _answers(self, lines: list[bytes], first: int, errors: list[tuple[int, str]]) -> list[Any]:
        """The answer to each line; adds what is notable about lines that are answered."""
        answers: dict[int, Any] = {}
        texts: dict[int, Any] = {}
        for i, line in enumerate(lines):
            try:
                texts[i] = read_input(
                    line, first + i, self._task, lambda note, i=i: errors.append((first + i, note))
                )
            except UserError as error:
                answers[i] = NoAnswer(str(error))
        given = answers_or_reasons(self._task, list(texts.values()), self._options)
        answers.update(zip(texts, given, strict=True))
        return [answers[i] for i in range(len(lines))]


def _write(path: Path, lines: list[str]) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _join(output: Path, name: str) -> None:
    """Joins the answers to the blocks of a file."""
    parts = sorted((output / _BLOCKS_FOLDER / name).glob("[0-9]*[0-9]"))
    with atomic_file(output / name) as temporary, open(temporary, "wb") as file:
        for part in parts:
            file.write(part.read_bytes())
    for part in parts:
        part.unlink()


def _collect_errors(output: Path, names: list[str]) -> int:
    """Writes the errors of all files to one, in order; their number."""
    rows = [
        line
        for name in names
        for part in sorted((output / _BLOCKS_FOLDER / name).glob("*.errors"))
        for line in part.read_text(encoding="utf-8").splitlines()
    ]
    _write(output / _ERRORS_FILE, rows)
    return len(rows)


def _load(source: str, plugins: Sequence[str]) -> Any:
    for name in plugins:
        load_plugin(name)
    from attention_zoo.loading import load

    return load(source)
