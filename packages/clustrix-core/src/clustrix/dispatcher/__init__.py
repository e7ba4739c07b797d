"""The one background process per user and environment that moves jobs from the journal to backends and results back."""
