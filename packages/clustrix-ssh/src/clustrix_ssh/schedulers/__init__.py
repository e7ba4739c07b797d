"""How batch systems are spoken to: what to run, and what the answers mean.

Nothing here touches a host: a scheduler makes commands, and reads answers.  Whoever calls it runs them, wherever that is.
"""

from __future__ import annotations
