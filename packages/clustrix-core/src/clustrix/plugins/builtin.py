"""What the core itself brings, and what is known of distributions that may not be installed."""

from __future__ import annotations

from clustrix.plugins.registry import Entry

BACKENDS = {
    "local": Entry(
        "backend", "local", "clustrix.backends.local.backend:LocalBackend", "This machine", plugin="clustrix"
    )
}

EXTRAS = {
    "ssh": "ssh",
    "slurm": "ssh",
    "pbs": "ssh",
    "sge": "ssh",
    "kubernetes": "k8s",
    "eks": "cloud",
    "aks": "cloud",
    "gke": "cloud",
}
"""Backends of the other distributions, and the extra that installs each."""
