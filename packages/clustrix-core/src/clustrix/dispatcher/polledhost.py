"""What a backend that has to be asked can have of the dispatcher."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

from clustrix.backends import Question
from clustrix.dispatcher.questions import Questions


class PolledHost:
    """What a backend gets when it is made."""

    def __init__(
        self, settings: dict[str, Any], folder: Path, changed: Callable[[], None], questions: Questions
    ) -> None:
        self._questions = questions
        self.settings = MappingProxyType(settings)
        self.folder = folder
        self.changed = changed
        """Has all jobs of the place polled at once."""

    async def ask(self, question: Question) -> str | None:
        """Have a person answer, if there is one."""
        return await self._questions.ask(question)

    def answerers(self) -> int:
        """How many have come to answer."""
        return self._questions.came
