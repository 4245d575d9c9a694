"""Where a model looked: which tokens attended to which, as numbers and as a picture."""

import dataclasses
import warnings
from pathlib import Path

import numpy as np

from attention_zoo.errors import UserError, shown
from attention_zoo.files import atomic_file

_SUFFIXES = ("png", "pdf", "svg")
_LONGEST_EDGE = 20_000  # pixels
_NAMED = 8  # characters that a font lacks
_STRONGEST = 3  # tokens that are named for each


@dataclasses.dataclass(frozen=True)
class AttentionMap:
    """Weights from tokens to tokens.

    Attributes:
        answer: what was answered, of a sequence-to-sequence task; else None.
        tokens: those that look: of the answer, or of the text itself.
        attended: those that are looked at: of the text.
        weights: float array `(tokens, attended)`; each row sums to 1.
        block: number of the block, from 1.
        head: number of the head, from 1; None for the mean of all.
    """

    answer: str | None
    tokens: list
    attended: list
    weights: np.ndarray
    block: int
    head: int | None

    @property
    def record(self):
        """All of it as a dict for JSON."""
        return {**vars(self), "weights": [[round(float(w), 6) for w in r] for r in self.weights]}

    @property
    def lines(self):
        """A line for each token: what it looked at most, with the weights."""
        found = []
        for token, row in zip(self.tokens, self.weights, strict=True):
            best = np.argsort(-row, kind="stable")[:_STRONGEST]
            named = (f"{visible(self.attended[i])} {row[i]:.2f}" for i in best)
            found.append("\t".join([visible(token), *named]))
        return found


def attention_map(task, text, answer=None, block=None, head=None):
    """Asks a task where it looked.

    Args:
        task: a task: of sequences, cross-attention of the decoder; else self-attention.
        text: the input, as the task takes it.
        answer: the target, of a sequence-to-sequence task; what it answers when omitted.
        block: number of the block, from 1; the last when omitted.
        head: number of the head, from 1; the mean of all when omitted.

    Raises:
        UserError: if the model has no attention, or there is no such block or head.
    """
    if not hasattr(task, "attention"):
        raise UserError("an artefact gives no attention here: name the run that it was made of")
    if not getattr(task.model, "attends", True):
        raise UserError("this model has no attention to show")
    if not any(part.strip() for part in ([text] if isinstance(text, str) else text)):
        raise UserError("there is no text to explain")
    answers = task.kind == "seq2seq"
    if answer is not None and not answers:
        raise UserError(f"an answer is for tasks of the kind seq2seq, this one is {task.kind}")
    if answers:
        answer = task([text])[0] if answer is None else answer
        weights, attended, tokens = task.attention(text, answer)
    else:
        weights, tokens = task.attention(text)
        attended = tokens
    blocks, heads = weights.shape[:2]
    for name, number, most in (("block", block, blocks), ("head", head, heads)):
        if number is not None and not 1 <= number <= most:
            raise UserError(f"{name} must be from 1 to {most}, received {number}")
    block = block or blocks
    chosen = weights[block - 1]
    chosen = chosen.mean(axis=0) if head is None else chosen[head - 1]
    return AttentionMap(answer, tokens, attended, chosen, block, head)


def draw_attention(found, path, font=None, warn=lambda message: None):
    """Draws an `AttentionMap`.

    Args:
        found: the map.
        path: the file to write, .png, .pdf or .svg.
        font: a font file for characters that matplotlib's own font lacks.
        warn: called with a line of text if the font lacks some all the same.

    Raises:
        UserError: if matplotlib is not installed, or the font is none.
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
    tokens, attended = ([visible(t) for t in side] for side in (found.tokens, found.attended))
    size = (1.5 + 0.3 * len(attended), 1.5 + 0.3 * len(tokens))
    figure, axes = pyplot.subplots(figsize=size, layout="constrained")
    try:
        image = axes.imshow(found.weights, cmap="viridis", vmin=0.0, vmax=1.0)
        axes.set_xticks(range(len(attended)), attended, **style)
        axes.set_yticks(range(len(tokens)), tokens, **style)
        axes.xaxis.tick_top()
        axes.set_xlabel("text" if found.answer is None else "source")
        axes.set_ylabel("text" if found.answer is None else "answer")
        figure.colorbar(image, label="attention weight", shrink=0.6)
        # What matplotlib has to say is about characters, each of them in a warning of its own.
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
            f"{' and others' if len(missing) > _NAMED else ''}: name one that has them (--font)"
        )


def visible(piece: str) -> str:
    """A token as people see it."""
    return {" ": "_", "</s>": "end"}.get(piece) or piece


def _font_style(font):
    if font is None:
        return {}
    from matplotlib.font_manager import FontProperties

    try:
        _open_font(font)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "matplotlib cannot read it"
        raise UserError(f"{font} is no font file: {reason}") from error
    return {"fontproperties": FontProperties(fname=str(font))}


def _open_font(font):
    from matplotlib.font_manager import FontProperties, findfont
    from matplotlib.ft2font import FT2Font

    return FT2Font(str(font) if font else findfont(FontProperties()))


def _missing(text, font):
    """The characters of a text that a font lacks, in their order."""
    known = _open_font(font).get_charmap()
    return list(dict.fromkeys(c for c in text if ord(c) not in known and not c.isspace()))
