"""Drills: load and faults on a stack that is up, measured against what its document promised."""
