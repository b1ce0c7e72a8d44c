"""Posteriors of arms, which is best, and what a wrong choice costs."""
