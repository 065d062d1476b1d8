"""Files that are written under a temporary name, and renamed when they are complete."""

from __future__ import annotations

import contextlib
import os
import pathlib
import uuid
from collections.abc import Iterator


@contextlib.contextmanager
def drafted(place: pathlib.Path) -> Iterator[pathlib.Path]:
    """Provide a temporary path beside a file, and rename it to the file after success."""
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_name(f".{place.stem}.{uuid.uuid4().hex[:8]}.part{place.suffix}")
    try:
        yield draft
        os.replace(draft, place)
    finally:
        draft.unlink(missing_ok=True)
