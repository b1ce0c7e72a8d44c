"""Uplift: whom the treatment does something for, and what targeting them is worth."""
