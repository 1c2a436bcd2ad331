"""The HTTP edge: routes, wire schemas, problems, authentication. FastAPI stays here and in ``app.main``."""
