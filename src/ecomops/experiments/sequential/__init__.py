"""Looks at a running test: group-sequential designs and always-valid bounds."""
