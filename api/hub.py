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
            raise UserError(
                f"{source}: {_lines(error, 2)}; nor is there such a directory"
            ) from error
        folder = _from_cache(huggingface_hub, source, revision, error)
    except Exception as error:
        if not _is_of_network(error):
            # A name that no repository can have; a full disk.
            if isinstance(error, ValueError | OSError):
                raise UserError(f"{source}: {_lines(error, 1)}") from error
            raise
        folder = _from_cache(huggingface_hub, source, revision, error)
    return Path(folder), {"source": str(source), "revision": Path(folder).name}


def _is_of_network(error):
    """Whether an error is of the connection: of the library that makes it, which one that is."""
    return isinstance(error, ConnectionError | TimeoutError) or (
        type(error).__module__.split(".")[0].rstrip("2") in ("httpx", "httpcore", "requests")
    )


def _lines(error, count):
    """The first lines of an error that are not blank; its type if there are none."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:count]).rstrip(".") or type(error).__name__


def _from_cache(hub, source, revision, reason):
    """The folder in the cache, if it has the revision."""
    for name in ("config.json", "decoder.yml"):
        found = hub.try_to_load_from_cache(str(source), name, revision=revision)
        if isinstance(found, str):
            return Path(found).parent
    raise UserError(
        f"{source}: there is no such directory, the repository of this name cannot be reached "
        f"({_lines(reason, 1)}), and it is not in the cache"
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
