"""Looking inside: filters, feature maps, curves and the graph of blocks."""
