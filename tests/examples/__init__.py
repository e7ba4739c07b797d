"""Tests that the programs in ``examples`` print what they should, on this machine and on a cluster."""
