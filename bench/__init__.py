"""How fast the service is, always beside the thesis' pipeline in the same run."""
