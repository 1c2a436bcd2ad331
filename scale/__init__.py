"""More than one machine: the same service on Ray Serve. The only package that knows Ray."""
