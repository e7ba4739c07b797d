"""For who writes a backend: the tests that every backend has to pass.

::

    import pytest
    from clustrix.testing import BackendConformance

    class TestMine(BackendConformance):
        @pytest.fixture
        def make(self):
            return MyBackend
"""

from clustrix.testing.bench import Bench
from clustrix.testing.conformance import BackendConformance

__all__ = ["BackendConformance", "Bench"]
