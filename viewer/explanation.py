"""Explains an answer by attention: what each token attended to, in every block and head."""

from pathlib import Path

from attention_zoo.errors import UserError, shown
from attention_zoo.viewer.attention_map import PICTURES, AttentionMap, draw_attention
from attention_zoo.viewer.measures import attention_entropy, attention_rollout

_PAGE = "html"


class Explanation:
    """The attention behind the answers to a text.

    In a notebook it shows itself as the page that `save("page.html")` writes.

    Attributes:
        kind: the kind of the task.
        model: the class of the model.
        texts: the texts of the input, a tuple.
        hypotheses: an `Attended` for each answer, the best first; of a task that does not decode,
            one without an answer.
    """

    def __init__(self, kind, model, texts, hypotheses):
        self.kind = kind
        self.model = model
        self.texts = tuple(texts)
        self.hypotheses = tuple(hypotheses)

    @property
    def views(self):
        """The views of the best hypothesis: a dict from name to `AttentionView`."""
        return self.hypotheses[0].views

    def view(self, name=None, hypothesis=1):
        """An `AttentionView`.

        Args:
            name: one of `views`; None for the first.
            hypothesis: from 1, the best.

        Raises:
            UserError: if there is no such view or hypothesis.
        """
        _check_range("hypothesis", hypothesis, len(self.hypotheses))
        views = self.hypotheses[hypothesis - 1].views
        name = name or next(iter(views))
        if name not in views:
            raise UserError(f"there is no view {shown(name)}; this model has {', '.join(views)}")
        return views[name]

    def entropy(self, view=None, hypothesis=1):
        """The entropy of each token's attention, `(blocks, heads, T)`, in bits.

        Args:
            view: see `view`.
            hypothesis: see `view`.
        """
        return attention_entropy(self.view(view, hypothesis).weights)

    def rollout(self, view="encoder", hypothesis=1):
        """The attention rollout of self-attention, `(blocks, T, T)`; see `attention_rollout`.

        Args:
            view: see `view`.
            hypothesis: see `view`.

        Raises:
            UserError: if the view is not self-attention.
        """
        found = self.view(view, hypothesis)
        if not found.is_self_attention:
            raise UserError(f"rollout is for self-attention, not for the view {found.name!r}")
        return attention_rollout(found.weights)

    def map(self, view=None, block=None, head=None, hypothesis=1):
        """The weights of one head, or the mean of a block's heads.

        Args:
            view: see `view`.
            block: from 1; None for the last.
            head: from 1; None for the mean of all.
            hypothesis: see `view`.

        Returns:
            An `AttentionMap`.

        Raises:
            UserError: if there is no such view, block, head or hypothesis.
        """
        found = self.view(view, hypothesis)
        blocks, heads = found.weights.shape[:2]
        for name, value, most in (("block", block, blocks), ("head", head, heads)):
            if value is not None:
                _check_range(name, value, most)
        block = block or blocks
        weights = found.weights[block - 1]
        weights = weights.mean(axis=0) if head is None else weights[head - 1]
        answer = self.hypotheses[hypothesis - 1].answer
        return AttentionMap(
            answer, found.name, found.queries.pieces, found.keys.pieces, weights, block, head
        )

    def save(self, path, font=None, warn=lambda message: None, **chosen):
        """Writes a page, or a picture of one map.

        Args:
            path: the file to write: .html for a page with everything, or .png, .pdf or .svg.
            font: of a picture, a font file for characters that matplotlib's font lacks.
            warn: called with a line of text about missing characters, or rounded weights.
            **chosen: arguments of `map`, for a picture.

        Raises:
            UserError: if the path ends otherwise, arguments of a picture are given for a page, or
                matplotlib is not installed.
        """
        suffix = Path(path).suffix.lstrip(".").lower()
        if suffix not in (_PAGE, *PICTURES):
            endings = ", ".join(f".{name}" for name in (_PAGE, *PICTURES))
            raise UserError(f"{path}: a page or a picture ends in {endings}")
        if suffix != _PAGE:
            draw_attention(self.map(**chosen), path, font, warn)
            return
        unused = [n for n, v in {"font": font, **chosen}.items() if v is not None]
        if unused:
            raise UserError(f"{unused[0]} is for a picture: a page shows all of them")
        from attention_zoo.viewer.page import write_page

        write_page(self, path, warn)

    def _repr_html_(self):
        from attention_zoo.viewer.page import framed_page

        return framed_page(self)


def explain(task, text, answer=None, **options):
    """Explains the answer of a task by attention.

    Args:
        task: a task with its Keras model, such as `az.load` returns for a run.
        text: the input, as the task takes it: a string, or a tuple of two.
        answer: of a sequence-to-sequence task, the answer to explain instead of its own.
        **options: of `predict`: with `beam_size` and `n_best`, each hypothesis is explained.

    Returns:
        An `Explanation`.

    Raises:
        UserError: if the task is an artefact, the model has no attention, or there is no text.

    Example:
        >>> import attention_zoo as az
        >>> found = az.explain(az.load("g2p_rnn"), "zoo")
        >>> print(found.hypotheses[0].answer, found.view("cross").weights.shape)
        Z UW (1, 1, 3, 4)
    """
    from attention_zoo.tasks.engine import KerasEngine

    if not isinstance(task.engine, KerasEngine):
        raise UserError("an artefact gives no attention here: use the run it was exported from")
    if not getattr(task.model, "attends", True):
        raise UserError("this model has no attention to show")
    texts = (text,) if isinstance(text, str) else tuple(text)
    if not any(part.strip() for part in texts):
        raise UserError("there is no text to explain")
    found = task.attention(text, answer, **options)
    return Explanation(task.kind, type(task.model).__name__, texts, found)


def _check_range(name, value, most):
    if not 1 <= value <= most:
        raise UserError(f"{name} must be from 1 to {most}, received {value}")
