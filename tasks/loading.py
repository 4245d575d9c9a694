"""The tasks there are, by the names that recipes and `task.json` give them."""

from pathlib import Path

from attention_zoo.tasks.classify.task import Classify
from attention_zoo.tasks.embed.task import Embed
from attention_zoo.tasks.fill_mask.task import FillMask
from attention_zoo.tasks.answer.task import QuestionAnswering
from attention_zoo.tasks.seq2seq.task import Seq2Seq
from attention_zoo.tasks.tag.task import Tag
from attention_zoo.tasks.task import read_whole_task_config

TASKS = {cls.kind: cls for cls in (Classify, Embed, FillMask, QuestionAnswering, Seq2Seq, Tag)}
TASK_FOLDER = "task"


def load_task(directory):
    """Loads a task directory, or the task of a run directory.

    Raises:
        UserError: if there is none, or a file in it is damaged.
    """
    directory = Path(directory)
    if (directory / TASK_FOLDER).is_dir():
        directory = directory / TASK_FOLDER
    config = read_whole_task_config(directory)
    return TASKS[config["task"]].from_directory(directory, config)
