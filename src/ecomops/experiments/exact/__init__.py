"""Small counts, ratios and ranks, by their exact laws."""
