"""Where a value comes from."""

from __future__ import annotations

from typing import NamedTuple

DEFAULT = "default"
USER = "user file"
PROJECT = "project file"
LOADED = "loaded file"
ENVIRONMENT = "environment"
CONFIGURE = "configure()"
OPTION = "option"


class Origin(NamedTuple):
    """The layer, and the place in it."""

    layer: str
    where: str = ""
    """The file, or the name of the environment variable."""
    line: int = 0
    """In the file, from 1 on; 0 where it is not known."""
    profile: str = ""
    """The profile that the value belongs to."""

    @property
    def place(self) -> str:
        """As messages begin: ``/home/ada/clustrix.yml:3``."""
        return f"{self.where}:{self.line}" if self.line else self.where or self.layer

    def __str__(self) -> str:
        text = f"{self.layer} {self.place}" if self.where else self.layer
        return f"{text}, profile {self.profile}" if self.profile else text
