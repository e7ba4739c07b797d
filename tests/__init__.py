"""A package, so that `python -m tests.bench` works. Run the tests with `hatch run test`."""
