"""Cytomine's Core and PIMS, and nobody else's: the only room that knows the Cytomine client."""
