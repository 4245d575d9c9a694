"""Attention maps: which tokens attended to which, as numbers and as an image."""

import dataclasses
import warnings
from pathlib import Path

import numpy as np

from attention_zoo.errors import UserError, shown
from attention_zoo.files import atomic_file

_SUFFIXES = ("png", "pdf", "svg")
_LONGEST_EDGE = 20_000  # pixels
_NAMED = 8  # missing characters to list
_STRONGEST = 3  # attended tokens to list for each token


@dataclasses.dataclass(frozen=True)
class AttentionMap:
    """Attention weights between tokens.

    Attributes:
        answer: the answer of a sequence-to-sequence task; otherwise None.
        tokens: the attending tokens, of the answer or of the text itself.
        attended: the attended tokens, of the text.
        weights: float array `(tokens, attended)`; each row sums to 1.
        block: the block, from 1.
        head: the head, from 1; None for the mean of all heads.
    """

    answer: str | None
    tokens: list
    attended: list
    weights: np.ndarray
    block: int
    head: int | None

    @property
    def record(self):
        """The map as a dict for JSON."""
        return {**vars(self), "weights": [[round(float(w), 6) for w in r] for r in self.weights]}

    @property
    def lines(self):
        """A line for each token: what it attended to most, with the weights."""
        lines = []
        for token, row in zip(self.tokens, self.weights, strict=True):
            best = np.argsort(-row, kind="stable")[:_STRONGEST]
            named = (f"{visible(self.attended[i])} {row[i]:.2f}" for i in best)
            lines.append("\t".join([visible(token), *named]))
        return lines


def attention_map(task, text, answer=None, block=None, head=None):
    """Computes the attention of a task for a text.

    Args:
        task: a task; the decoder's cross-attention if it is seq2seq, otherwise self-attention.
        text: the input, as the task takes it.
        answer: the target of a sequence-to-sequence task; default: the task's answer.
        block: the block, from 1; default: the last.
        head: the head, from 1; default: the mean of all heads.

    Raises:
        UserError: if the model has no attention, or there is no such block or head.
    """
    from attention_zoo.tasks.engine import KerasEngine

    if not isinstance(task.engine, KerasEngine):
        raise UserError("an artefact gives no attention here: use the run it was exported from")
    if not getattr(task.model, "attends", True):
        raise UserError("this model has no attention to show")
    if not any(part.strip() for part in ([text] if isinstance(text, str) else text)):
        raise UserError("there is no text to explain")
    answers = task.decodes
    if answer is not None and not answers:
        raise UserError(f"an answer is for tasks of the kind seq2seq, this one is {task.kind}")
    if answers:
        answer = task([text])[0] if answer is None else answer
        weights, attended, tokens = task.attention(text, answer)
    else:
        weights, tokens = task.attention(text)
        attended = tokens
    blocks, heads = weights.shape[:2]
    for name, value, most in (("block", block, blocks), ("head", head, heads)):
        if value is not None and not 1 <= value <= most:
            raise UserError(f"{name} must be from 1 to {most}, received {value}")
    block = block or blocks
    chosen = weights[block - 1]
    chosen = chosen.mean(axis=0) if head is None else chosen[head - 1]
    return AttentionMap(answer, tokens, attended, chosen, block, head)


def draw_attention(attention, path, font=None, warn=lambda message: None):
    """Draws an `AttentionMap`.

    Args:
        attention: the map.
        path: the file to write, .png, .pdf or .svg.
        font: a font file for characters that matplotlib's default font lacks.
        warn: called with a line of text if the font lacks some characters.

    Raises:
        UserError: if matplotlib is not installed, or the font is not a font file.
    """
    suffix = Path(path).suffix.lstrip(".").lower()
    if suffix not in _SUFFIXES:
        raise UserError(f"{path}: a picture ends in .{', .'.join(_SUFFIXES)}")
    try:
        import matplotlib
    except ImportError as error:
        raise UserError("drawing needs matplotlib: pip install 'attention-zoo[plot]'") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    style = {"parse_math": False, **_font_style(font)}
    tokens, attended = (
        [visible(t) for t in side] for side in (attention.tokens, attention.attended)
    )
    size = (1.5 + 0.3 * len(attended), 1.5 + 0.3 * len(tokens))
    figure, axes = pyplot.subplots(figsize=size, layout="constrained")
    try:
        image = axes.imshow(attention.weights, cmap="viridis", vmin=0.0, vmax=1.0)
        axes.set_xticks(range(len(attended)), attended, **style)
        axes.set_yticks(range(len(tokens)), tokens, **style)
        axes.xaxis.tick_top()
        axes.set_xlabel("text" if attention.answer is None else "source")
        axes.set_ylabel("text" if attention.answer is None else "answer")
        figure.colorbar(image, label="attention weight", shrink=0.6)
        # matplotlib warns about each missing character separately.
        with atomic_file(path) as temporary, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dpi = min(150, _LONGEST_EDGE / max(size))
            figure.savefig(temporary, format=suffix, dpi=dpi)
    finally:
        pyplot.close(figure)
    missing = _missing("".join([*tokens, *attended]), font)
    if missing:
        warn(
            f"{path}: the font lacks {shown(''.join(missing[:_NAMED]))}"
            f"{' and others' if len(missing) > _NAMED else ''}: choose one that has them (--font)"
        )


def visible(piece: str) -> str:
    """A token, formatted for people."""
    return {" ": "_", "</s>": "end"}.get(piece) or piece


def _font_style(font):
    if font is None:
        return {}
    from matplotlib.font_manager import FontProperties

    try:
        _open_font(font)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "matplotlib cannot read it"
        raise UserError(f"{font} is not a font file: {reason}") from error
    return {"fontproperties": FontProperties(fname=str(font))}


def _open_font(font):
    from matplotlib.font_manager import FontProperties, findfont
    from matplotlib.ft2font import FT2Font

    return FT2Font(str(font) if font else findfont(FontProperties()))


def _missing(text, font):
    """The characters of a text that a font lacks, in order."""
    known = _open_font(font).get_charmap()
    return list(dict.fromkeys(c for c in text if ord(c) not in known and not c.isspace()))
