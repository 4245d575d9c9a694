"""Repositories of the Hugging Face Hub, as folders of this machine."""

import re
from pathlib import Path

from attention_zoo.errors import UserError

_REPOSITORY = re.compile(r"[\w.-]+(/[\w.-]+)?")
_WEIGHTS = (".safetensors", ".bin")
_OTHERS = (".json", ".txt", ".model", ".spm", ".yml")


def fetch(source, revision=None, say=lambda message: None):
    """The folder of a model: one of this machine, or a repository, which is downloaded.

    Without a network, what is in the cache is used.

    Args:
        source: a path, or the name of a repository, such as `"org/model"`.
        revision: of a repository a commit, tag or branch; None: its main branch.
        say: called with a line of text.

    Returns:
        The folder, and a dict that says where it is from: `source`, and for a repository the
        commit as `revision`.

    Raises:
        UserError: if there is neither, the extra "hub" is not installed, or the repository cannot
            be reached and is not in the cache.
    """
    folder = Path(source)
    if folder.is_dir():
        if revision is not None:
            raise UserError(f"--revision is for a repository; {source} is a folder")
        return folder, {"source": str(source)}
    if not _REPOSITORY.fullmatch(str(source)) or str(source).startswith("."):
        raise UserError(f"{source}: no such directory")
    try:
        import huggingface_hub
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError as error:
        raise UserError(
            f"{source}: no such directory; to download a repository of this name: pip install "
            "'attention-zoo[hub]'"
        ) from error
    try:
        info = huggingface_hub.model_info(str(source), revision=revision)
        files = chosen_files([each.rfilename for each in info.siblings or ()])
        say(f"downloading {source}, revision {info.sha}: {len(files)} files")
        # Not by the commit: the cache also remembers which one a branch was.
        folder = huggingface_hub.snapshot_download(
            str(source), revision=revision, allow_patterns=files or ["config.json"]
        )
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        if status is not None and status < 500:
            # The first line is the status, the second says what it means.
            lines = [line for line in str(error).splitlines() if line.strip()]
            reason = " ".join(lines[:2]).rstrip(".")
            raise UserError(f"{source}: {reason}; nor is there such a directory") from error
        folder = _from_cache(huggingface_hub, source, revision, error)
    # Without a network the error is of whatever library makes the connection.
    except Exception as error:
        folder = _from_cache(huggingface_hub, source, revision, error)
    return Path(folder), {"source": str(source), "revision": Path(folder).name}


def _from_cache(hub, source, revision, reason):
    """The folder in the cache, if it has the revision."""
    for name in ("config.json", "decoder.yml"):
        found = hub.try_to_load_from_cache(str(source), name, revision=revision)
        if isinstance(found, str):
            return Path(found).parent
    raise UserError(
        f"{source}: there is no such directory, the repository of this name cannot be reached "
        f"({type(reason).__name__}: {str(reason).strip().splitlines()[0]}), and it is not in "
        "the cache"
    ) from reason


def chosen_files(names):
    """Those files of a repository that `import_task` reads; one form of the weights.

    Example:
        >>> chosen_files(["config.json", "model.safetensors", "pytorch_model.bin", "onnx/m.onnx"])
        ['config.json', 'model.safetensors']
    """
    weights = [name for name in names if name.endswith(_WEIGHTS)]
    safe = {str(Path(name).parent) for name in weights if name.endswith(".safetensors")}
    # A folder of a step, such as 2_Dense, may have the other form.
    kept = [
        name
        for name in weights
        if name.endswith(".safetensors") or str(Path(name).parent) not in safe
    ]
    others = [name for name in names if name.endswith(_OTHERS)]
    unread = ("onnx/", "openvino/", "coreml/")
    return sorted(name for name in {*kept, *others} if not name.startswith(unread))
