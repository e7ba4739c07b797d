"""What a backend that has to be asked can have of the dispatcher."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from clustrix.backends import Question


class Asking(Protocol):
    """Who has a person answer."""

    came: int

    async def ask(self, question: Question) -> str | None: ...


class PolledHost:
    """What a backend gets when it is made."""

    def __init__(
        self,
        settings: dict[str, Any],
        folder: Path,
        changed: Callable[[Sequence[str]], None],
        questions: Asking,
    ) -> None:
        self._questions = questions
        self.settings = MappingProxyType(settings)
        self.folder = folder
        self._changed = changed

    def changed(self, jobs: Sequence[str] = ()) -> None:
        """Have these jobs (none: all) polled at once."""
        self._changed(jobs)

    async def ask(self, question: Question) -> str | None:
        """Have a person answer, if there is one."""
        return await self._questions.ask(question)

    def answerers(self) -> int:
        """How many have come to answer."""
        return self._questions.came
