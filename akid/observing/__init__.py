"""Looking inside of a kid: pictures of filters, feature maps, training dynamics and the graph."""
