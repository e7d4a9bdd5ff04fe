"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from safetensors import SafetensorError

from robust_activations.errors import CannotWrite


def write_atomically(path: Path, content: str | bytes | Callable[[Path], None]) -> None:
    """Writes text, bytes, or what `content(path)` saves, to a file beside `path`, which then takes its place.

    **Raises** `CannotWrite` when there is no space or no permission; the old file is then as it was.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            part.touch()
            mode = part.stat().st_mode  # as the user's umask has it; safetensors' files nobody else could read
            content(part)
            part.chmod(mode)
        elif isinstance(content, bytes):
            part.write_bytes(content)
        else:
            part.write_text(content, encoding="utf-8")
        os.replace(part, path)
    # torch.save reports a full disk as RuntimeError, safetensors as its own.
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:120]
        raise CannotWrite(f"cannot write {path}: {reason}; the file is as it was before") from error
    finally:
        with suppress(OSError):  # such as that there is nothing to delete
            part.unlink()
