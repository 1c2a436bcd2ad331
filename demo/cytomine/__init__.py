"""An embedded Cytomine: Core and PIMS as the refine service meets them, on SQLite and slide files."""
