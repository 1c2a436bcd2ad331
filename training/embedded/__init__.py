"""The embedded model: a small SAM 2.1 trained on drawn tissue alone, so that the service runs offline."""
