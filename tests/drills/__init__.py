"""Tests of the drills' own parts: load, figures, the ledger."""
