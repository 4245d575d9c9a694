"""LiteRT for MediaPipe's text tasks, with vocabulary and labels packed into the file."""

from attention_zoo.export.formats.base import QUANTIZATIONS, register_format
from attention_zoo.export.formats.litert import LiteRTFormat
from attention_zoo.export.formats.snippets import quoted

_TEMPLATE = """### MediaPipe, Python

```python
from mediapipe.tasks.python import text

task = text.{kind}.create_from_model_path("{file}")
print(task.{verb}({text}))
```

### MediaPipe, Kotlin

```kotlin
val task = {kind}.createFromFile(context, "{file}")  // among the assets
println(task.{verb}({text}))
```"""


@register_format
class MediaPipe(LiteRTFormat):
    """A file for MediaPipe's `TextClassifier` or `TextEmbedder`."""

    name = "mediapipe"
    file = "mediapipe.tflite"
    runner = "run_media_pipe.py"
    takes_strings = True
    quantizations = QUANTIZATIONS[:-1]
    conditions = ("one", "long")
    timed = False  # its number of threads cannot be set
    packages = ("mediapipe",)
    extra = "mediapipe"

    def why_not(self, task):
        """See `Format`."""
        from attention_zoo.tasks.classify.task import Classify
        from attention_zoo.tasks.embed.task import Embed

        if not isinstance(task, Classify | Embed):
            return f"is for classify and embed, the task is {task.kind}"
        if len(task.text_inputs) > 1:
            return "is for single texts, the task takes pairs"
        if isinstance(task, Classify) and task.problem != "one":
            return "is for one label per text; the task has a different problem"
        if not task.only_tokenizes:
            return "takes texts as they are, the task puts a prompt before them"
        if task.tokenizer.kind != "wordpiece":
            return f"is for WordPiece, the task's tokenizer is of the kind {task.tokenizer.kind}"
        if not task.tokenizer.lower_case:
            return "lowercases texts, the task's vocabulary is cased"
        return ""

    def compared(self, task):
        """See `Format`; MediaPipe takes no ids and gives no logits."""
        from attention_zoo.export.media_pipe import compared_output
        from attention_zoo.tasks.contract import Compared

        return Compared("serving_default", task.text_inputs, compared_output(task))

    def expected(self, task, expected):
        """See `Format`; only the texts that MediaPipe tokenizes as BERT does."""
        from attention_zoo.export.media_pipe import expected_of_media_pipe

        return expected_of_media_pipe(task, expected)

    def convert(self, task, path, quantize, examples):
        """See `LiteRTFormat`."""
        from attention_zoo.export.media_pipe import write_media_pipe

        write_media_pipe(task, path, quantize, examples)

    def load_example(self, artefact, report):
        """See `Format`."""
        classifies = bool(report.labels)
        kind, verb = ("TextClassifier", "classify") if classifies else ("TextEmbedder", "embed")
        text = quoted(str(report.example["text"]))
        return _TEMPLATE.format(file=artefact.file, kind=kind, verb=verb, text=text)

    def engine(self, path):
        """See `Format`."""
        from attention_zoo.export.engines import StringsEngine, run_by
        from attention_zoo.export.runners.run_media_pipe import load

        return StringsEngine(path, run_by(path, load), "a file for MediaPipe")
