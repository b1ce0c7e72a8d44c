"""The parts of the store review: read, analyse, decide, show."""
