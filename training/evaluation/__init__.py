"""Evaluation: the thesis' metrics, prompts and tables, for one model or several beside the plain baselines."""
