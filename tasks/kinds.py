"""The tasks there are, by the names that recipes and `task.json` give them."""

from pathlib import Path

from attention_zoo.tasks.classify import Classify
from attention_zoo.tasks.embed import Embed
from attention_zoo.tasks.fill_mask import FillMask
from attention_zoo.tasks.question_answering import QuestionAnswering
from attention_zoo.tasks.seq2seq import Seq2Seq
from attention_zoo.tasks.tag import Tag
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
