"""Metrics watched over time: seasonal baselines, alerts and their false-alarm rates."""
