"""How far users came, and where the arms part."""
