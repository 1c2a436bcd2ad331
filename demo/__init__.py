"""The demo: an embedded Cytomine with slides, and the same service beside it. Needs no stack and no GPU."""
